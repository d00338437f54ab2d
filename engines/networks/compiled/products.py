"""Products of small float32 matrices, as near to the processor's peak as its registers allow.

One call multiplies four or eight rows of A [rows, depth] with a *panel* of B, one to four vectors wide, and keeps all
sums in registers until they are complete. Each sum is one chain of fused multiply-adds in the order of the depth,
starting from zero: its bits do not depend on how many rows or columns are worked out beside it.

B is stored panel by panel, [panels][depth][vectors of the panel][16], so that it is read once, in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from llvmlite import binding, ir
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from engines.compiled import kernel
from engines.networks.compiled.lanes import ALIGNMENT, VECTOR, WIDTH, address, fused, splatted

__all__ = ["ROWS", "WIDEST", "WIDEST_OF_TWO", "matrix_product", "panel_width", "panels"]

ROWS: Final = 4
"""Rows in a group; a product takes one group or two."""

# The sums, one vector of B for each column and one number of A have to fit into the registers: 32 of sixteen numbers
# with AVX-512; else 16 of eight, or 32 of four, which are used up by four rows and one vector.
_WIDE_REGISTERS: Final = bool(binding.get_host_cpu_features().get("avx512f", False))
WIDEST: Final = 4 if _WIDE_REGISTERS else 1
"""Vectors in the widest panel that four rows go through on this processor."""
WIDEST_OF_TWO: Final = 3 if _WIDE_REGISTERS else 0
"""Vectors in the widest panel that eight rows go through, if any."""

_INDEX: Final = ir.IntType(64)


def panel_width(columns: int, widest: int) -> int:
    """Vectors in a panel, the last one aside, when `columns` numbers are cut into equal panels of at most `widest`."""
    vectors = -(-columns // WIDTH)
    return -(-vectors // -(-vectors // widest))


def panels(matrix: NDArray[np.float64], width: int) -> NDArray[np.float32]:
    """Store B [depth, columns] panel by panel.

    Args:
        matrix: [depth, columns], columns a multiple of 16.
        width: vectors in a panel; the last panel has what is left.

    Returns:
        float32 [depth * columns].
    """
    columns = matrix.shape[1]
    step = width * WIDTH
    parts = [matrix[:, start : start + step].ravel() for start in range(0, columns, step)]
    with np.errstate(over="ignore"):  # infinite weights are the caller's to report
        return np.concatenate(parts).astype(np.float32)


def _multiplier(groups: int, width: int) -> Any:
    """An intrinsic for `groups` groups of rows and panels of `width` vectors."""

    @intrinsic
    def multiply(
        typing: Any, a: Any, start: Any, row: Any, group: Any, b: Any, panel: Any, c: Any, to: Any, to_row: Any,
        to_group: Any, depth: Any,
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a_value, start, row, group, b_value, panel, c_value, to, to_row, to_group, depth = arguments
            places = [(_INDEX(g), _INDEX(r)) for g in range(groups) for r in range(ROWS)]

            def rows(first: Any, row: Any, group: Any) -> list[Any]:
                offsets = [builder.add(builder.mul(group, g), builder.mul(row, r)) for g, r in places]
                return [builder.gep(first, [offset]) for offset in offsets]

            sources = rows(builder.gep(a_value, [start]), row, group)
            targets = rows(builder.gep(c_value, [to]), to_row, to_group)
            weights = address(builder, b_value, panel, VECTOR)
            zero = ir.Constant(VECTOR, [0.0] * WIDTH)
            before, step = builder.block, builder.append_basic_block("step")
            done = builder.append_basic_block("done")
            builder.branch(step)
            builder.position_at_end(step)
            k = builder.phi(_INDEX)
            sums = [[builder.phi(VECTOR) for _ in range(width)] for _ in places]
            first = builder.mul(k, _INDEX(width))
            columns = [
                builder.load(builder.gep(weights, [builder.add(first, _INDEX(v))]), align=ALIGNMENT)
                for v in range(width)
            ]
            numbers = [splatted(builder, builder.load(builder.gep(source, [k]))) for source in sources]
            more = [
                [fused(builder, number, column, total) for column, total in zip(columns, totals, strict=True)]
                for number, totals in zip(numbers, sums, strict=True)
            ]
            following = builder.add(k, _INDEX(1))
            k.add_incoming(_INDEX(0), before)
            k.add_incoming(following, step)
            for olds, news in zip(sums, more, strict=True):
                for old, new in zip(olds, news, strict=True):
                    old.add_incoming(zero, before)
                    old.add_incoming(new, step)
            builder.cbranch(builder.icmp_signed("<", following, depth), step, done)
            builder.position_at_end(done)
            for target, totals in zip(targets, more, strict=True):
                place = builder.bitcast(target, VECTOR.as_pointer())
                for v, total in enumerate(totals):
                    builder.store(total, builder.gep(place, [_INDEX(v)]), align=ALIGNMENT)
            return context.get_dummy_value()

        n = types.int64
        return types.void(a, n, n, n, b, n, c, n, n, n, n), generate

    return multiply


def _multipliers(groups: int, widest: int) -> Sequence[Any]:
    return [_multiplier(groups, width) for width in range(1, widest + 1)]


_one_1, _one_2, _one_3, _one_4 = _multipliers(1, 4)
_two_1, _two_2, _two_3 = _multipliers(2, 3)


@kernel
def matrix_product(a, start, row, group, groups, b, panel, c, to, to_row, to_group, depth, columns, width):
    """C = A · B for rows in groups of four.

    ``a``, ``start``, ``row``, ``group``: the numbers with A, where it begins, and the steps from row to row and from
    group to group; ``groups``: how many; ``b``, ``panel``: the numbers with B's panels and where they begin; ``c``,
    ``to``, ``to_row``, ``to_group``: as for A, and the same place where there is one panel only; ``depth``: at least
    one; ``columns``: a multiple of 16; ``width``: vectors in a panel.
    """
    while columns > 0:
        vectors = min(width, columns // WIDTH)
        done = 0
        if vectors <= WIDEST_OF_TWO:
            while done + 2 <= groups:
                x, y = start + done * group, to + done * to_group
                if vectors == 2:
                    _two_2(a, x, row, group, b, panel, c, y, to_row, to_group, depth)
                elif vectors == 1:
                    _two_1(a, x, row, group, b, panel, c, y, to_row, to_group, depth)
                else:
                    _two_3(a, x, row, group, b, panel, c, y, to_row, to_group, depth)
                done += 2
        while done < groups:
            x, y = start + done * group, to + done * to_group
            if vectors == 4:
                _one_4(a, x, row, 0, b, panel, c, y, to_row, 0, depth)
            elif vectors == 2:
                _one_2(a, x, row, 0, b, panel, c, y, to_row, 0, depth)
            elif vectors == 1:
                _one_1(a, x, row, 0, b, panel, c, y, to_row, 0, depth)
            else:
                _one_3(a, x, row, 0, b, panel, c, y, to_row, 0, depth)
            done += 1
        panel += depth * vectors * WIDTH
        to += vectors * WIDTH
        columns -= vectors * WIDTH
