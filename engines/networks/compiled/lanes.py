"""Sixteen float32 numbers as one value of compiled code.

numba leaves it to LLVM to find loops that can be done several numbers at a time; whether it does depends on what else
the loop holds. Here the vectors are explicit: `load` sixteen neighbours of an array, calculate with them, `store` them.
LLVM makes one register of 512 bits of them, two of 256 or four of 128, whatever the processor has. Each operation is
the one written, in the order written, rounded once; `fma` rounds a product and a sum together. So the results are the
same bits on every processor.

Numbers lie behind a bare `pointer` to the first number of an array, and are found by their index, which is not
checked: handing arrays from function to function would make most of the code to compile. The array must outlive it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

__all__ = [
    "WIDTH",
    "add",
    "address",
    "divide",
    "fma",
    "fused",
    "higher",
    "highest",
    "load",
    "lower",
    "multiply",
    "number",
    "pointer",
    "power_of_two",
    "put",
    "splat",
    "splatted",
    "store",
    "subtract",
    "total",
    "transposed",
]

WIDTH: Final = 16
"""Numbers in one vector."""

NUMBER: Final = ir.FloatType()
VECTOR: Final = ir.VectorType(NUMBER, WIDTH)
ALIGNMENT: Final = 4
"""Bytes that LLVM may take an address to be a multiple of; aligned or not, the instruction is the same."""

_WORDS: Final = ir.VectorType(ir.IntType(32), WIDTH)
_MANTISSA_BITS: Final = 23
_EXPONENT_OF_ONE: Final = 127

Generate = Callable[[Any, Any, Any, Any], Any]


class _Lanes(types.Type):
    """numba's type of a vector."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


_lanes: Final = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, VECTOR)  # type: ignore[no-untyped-call]


def address(builder: Any, pointer: Any, index: Any, pointee: Any) -> Any:
    """Emit the address of number ``index`` behind ``pointer``, as a pointer to ``pointee``."""
    return builder.bitcast(builder.gep(pointer, [index]), pointee.as_pointer())


def splatted(builder: Any, number: Any) -> Any:
    """Emit a vector of sixteen times ``number``."""
    nothing = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(_WORDS, [0] * WIDTH))


def fused(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """Emit a · b + c."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{WIDTH}f32"), [a, b, c])


def highest(builder: Any, a: Any, b: Any) -> Any:
    """Emit the higher of a and b; b where one is NaN."""
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


def _shuffled(builder: Any, a: Any, b: Any, places: Sequence[int]) -> Any:
    """Emit the numbers at `places` of two vectors laid end to end."""
    return builder.shuffle_vector(a, b, ir.Constant(_WORDS, list(places)))


@intrinsic
def pointer(typing: Any, array: Any) -> Any:
    """Give a pointer to the first number of a contiguous array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(array)(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), generate


@intrinsic
def number(typing: Any, numbers: Any, index: Any) -> Any:
    """Give number `index`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.gep(arguments[0], [arguments[1]]))

    return numbers.dtype(numbers, types.int64), generate


@intrinsic
def put(typing: Any, numbers: Any, index: Any, value: Any) -> Any:
    """Write number `index`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], builder.gep(arguments[0], [arguments[1]]))
        return context.get_dummy_value()

    return types.void(numbers, types.int64, numbers.dtype), generate


@intrinsic
def load(typing: Any, numbers: Any, index: Any) -> Any:
    """Give sixteen float32 numbers, from `index` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(address(builder, arguments[0], arguments[1], VECTOR), align=ALIGNMENT)

    return _lanes(numbers, types.int64), generate


@intrinsic
def store(typing: Any, numbers: Any, index: Any, vector: Any) -> Any:
    """Write sixteen float32 numbers, from `index` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], address(builder, arguments[0], arguments[1], VECTOR), align=ALIGNMENT)
        return context.get_dummy_value()

    return types.void(numbers, types.int64, _lanes), generate


@intrinsic
def splat(typing: Any, value: Any) -> Any:
    """Give a float32 number sixteen times."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return splatted(builder, arguments[0])

    return _lanes(types.float32), generate


@intrinsic
def add(typing: Any, a: Any, b: Any) -> Any:
    """Give a + b."""
    return _lanes(_lanes, _lanes), lambda context, builder, signature, arguments: builder.fadd(*arguments)


@intrinsic
def subtract(typing: Any, a: Any, b: Any) -> Any:
    """Give a − b."""
    return _lanes(_lanes, _lanes), lambda context, builder, signature, arguments: builder.fsub(*arguments)


@intrinsic
def multiply(typing: Any, a: Any, b: Any) -> Any:
    """Give a · b."""
    return _lanes(_lanes, _lanes), lambda context, builder, signature, arguments: builder.fmul(*arguments)


@intrinsic
def divide(typing: Any, a: Any, b: Any) -> Any:
    """Give a / b."""
    return _lanes(_lanes, _lanes), lambda context, builder, signature, arguments: builder.fdiv(*arguments)


@intrinsic
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Give a · b + c, rounded once."""
    return _lanes(_lanes, _lanes, _lanes), lambda context, builder, signature, arguments: fused(builder, *arguments)


@intrinsic
def lower(typing: Any, a: Any, b: Any) -> Any:
    """Give the lower of a and b; b where one is NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a_value, b_value = arguments
        return builder.select(builder.fcmp_ordered("<", a_value, b_value), a_value, b_value)

    return _lanes(_lanes, _lanes), generate


@intrinsic
def higher(typing: Any, a: Any, b: Any) -> Any:
    """Give the higher of a and b; b where one is NaN."""

    return _lanes(_lanes, _lanes), lambda context, builder, signature, arguments: highest(builder, *arguments)


@intrinsic
def power_of_two(typing: Any, shifted: Any) -> Any:
    """Give 2ⁿ of whole numbers n in [-126, 127] that were brought into the lowest bits by adding 1.5 · 2²³."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.bitcast(arguments[0], _WORDS)
        exponent = builder.add(bits, ir.Constant(_WORDS, [_EXPONENT_OF_ONE] * WIDTH))
        return builder.bitcast(builder.shl(exponent, ir.Constant(_WORDS, [_MANTISSA_BITS] * WIDTH)), VECTOR)

    return _lanes(_lanes), generate


@intrinsic
def total(typing: Any, vector: Any) -> Any:
    """Give the sum of the sixteen numbers: of halves, of their halves, and so on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (sums,) = arguments
        for half in (8, 4, 2, 1):
            others = _shuffled(builder, sums, sums, [lane ^ half for lane in range(WIDTH)])
            sums = builder.fadd(sums, others)
        return builder.extract_element(sums, ir.Constant(ir.IntType(32), 0))

    return types.float32(_lanes), generate


@intrinsic
def transposed(typing: Any, numbers: Any, start: Any, row: Any, others: Any, to: Any, to_row: Any) -> Any:
    """Write the transpose of 16 × 16 float32 numbers: from `start` on in steps of `row`, to `to` on by `to_row`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, start, row, target, to, to_row = arguments
        index = ir.IntType(64)

        def place(pointer: Any, start: Any, step: Any, i: int) -> Any:
            return address(builder, pointer, builder.add(start, builder.mul(step, index(i))), VECTOR)

        rows = [builder.load(place(source, start, row, i), align=ALIGNMENT) for i in range(WIDTH)]
        # Each round swaps the off-diagonal quarters of blocks of 2 · half, in all rows.
        for half in (8, 4, 2, 1):
            upper = [lane if not lane & half else WIDTH + lane - half for lane in range(WIDTH)]
            lower = [lane + half if not lane & half else WIDTH + lane for lane in range(WIDTH)]
            for i in range(WIDTH):
                if not i & half:
                    a, b = rows[i], rows[i + half]
                    rows[i], rows[i + half] = _shuffled(builder, a, b, upper), _shuffled(builder, a, b, lower)
        for i, vector in enumerate(rows):
            builder.store(vector, place(target, to, to_row, i), align=ALIGNMENT)
        return context.get_dummy_value()

    n = types.int64
    return types.void(numbers, n, n, others, n, n), generate
