"""Sixteen float32 numbers as one value of compiled code.

numba leaves it to LLVM to find loops that can be done several numbers at a time; whether it does depends on what else
the loop holds. Here the vectors are explicit: `load` sixteen neighbours of an array, calculate with them, `store` them.
LLVM makes one register of 512 bits of them, two of 256 or four of 128, whatever the processor has. Each operation is
the one written, in the order written, rounded once; `fma` rounds a product and a sum together. So the results are the
same bits on every processor.

Arrays are contiguous float32 arrays of one dimension; their indices are not checked.
"""

from __future__ import annotations

from collections.abc import Callable
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
    "load",
    "lower",
    "multiply",
    "power_of_two",
    "rectify",
    "splat",
    "splatted",
    "store",
    "subtract",
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


class _Lanes(types.Type):  # type: ignore[misc]
    """numba's type of a vector."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


_lanes: Final = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, VECTOR)


def address(context: Any, builder: Any, kind: Any, array: Any, index: Any, pointee: Any) -> Any:
    """Emit a pointer to element ``index`` of an array of numba type ``kind``, as a pointer to ``pointee``."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), pointee.as_pointer())


def splatted(builder: Any, number: Any) -> Any:
    """Emit a vector of sixteen times ``number``."""
    nothing = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(_WORDS, [0] * WIDTH))


def fused(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """Emit a · b + c."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{WIDTH}f32"), [a, b, c])


@intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """Give the sixteen numbers of `array` from `index` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(address(context, builder, array, *arguments, VECTOR), align=ALIGNMENT)

    return _lanes(array, types.int64), generate


@intrinsic
def store(typing: Any, array: Any, index: Any, numbers: Any) -> Any:
    """Write sixteen numbers into `array`, from `index` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], address(context, builder, array, *arguments[:2], VECTOR), align=ALIGNMENT)
        return context.get_dummy_value()

    return types.void(array, types.int64, _lanes), generate


@intrinsic
def splat(typing: Any, number: Any) -> Any:
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
def rectify(typing: Any, a: Any) -> Any:
    """Give a where it is not below zero, else zero; a NaN stays one."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        zero = ir.Constant(VECTOR, [0.0] * WIDTH)
        return builder.select(builder.fcmp_ordered("<", arguments[0], zero), zero, arguments[0])

    return _lanes(_lanes), generate


@intrinsic
def lower(typing: Any, a: Any, b: Any) -> Any:
    """Give the lower of a and b; b where one is NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a_value, b_value = arguments
        return builder.select(builder.fcmp_ordered("<", a_value, b_value), a_value, b_value)

    return _lanes(_lanes, _lanes), generate


@intrinsic
def power_of_two(typing: Any, shifted: Any) -> Any:
    """Give 2ⁿ of whole numbers n in [-126, 127] that were brought into the lowest bits by adding 1.5 · 2²³."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.bitcast(arguments[0], _WORDS)
        exponent = builder.add(bits, ir.Constant(_WORDS, [_EXPONENT_OF_ONE] * WIDTH))
        return builder.bitcast(builder.shl(exponent, ir.Constant(_WORDS, [_MANTISSA_BITS] * WIDTH)), VECTOR)

    return _lanes(_lanes), generate
