"""Products of small float32 matrices, as near to the processor's peak as its registers allow.

One call multiplies four or eight rows of A [rows, depth] with a *panel* of B, one to four vectors wide, and keeps all
sums in registers until they are complete. Each sum is one chain of fused multiply-adds in the order of the depth,
starting from a bias or from zero: its bits do not depend on how many rows or columns are worked out beside it.

Weights are stored panel by panel, [panels][depth][vectors of the panel][16], so that they are read once, in order.
Other numbers may be multiplied as they lie, and A also column by column.
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
from engines.networks.compiled.lanes import ALIGNMENT, VECTOR, WIDTH, address, fused, highest, splatted

__all__ = [
    "ADJACENT",
    "IN_PANELS",
    "NO_BIAS",
    "ONE_BLOCK",
    "ROWS",
    "WIDEST",
    "WIDEST_OF_TWO",
    "matrix_product",
    "panel_width",
    "panels",
]

ROWS: Final = 4
"""Rows in a group; a product takes one group or two."""
# numba would compile a function anew for each whole number that is written out in a call, but not for numpy's.
NO_BIAS: Final = np.int64(0)
"""Where the zeros are that sums without a bias start from."""
ADJACENT: Final = np.int64(1)
"""The step along rows whose numbers lie side by side."""
IN_PANELS: Final = np.int64(0)
"""The step from row to row of a matrix that is stored in panels."""
ONE_BLOCK: Final = np.int64(1)
"""How many blocks there are where rows are not in blocks."""

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
        typing: Any, a: Any, start: Any, row: Any, group: Any, along: Any, b: Any, panel: Any, step: Any, f: Any,
        first: Any, first_row: Any, first_group: Any, c: Any, to: Any, to_row: Any, to_group: Any, depth: Any,
        floor: Any,
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a_value, start, row, group, along, b_value, panel, step = arguments[:8]
            f_value, first, first_row, first_group, c_value, to, to_row, to_group, depth, floor = arguments[8:]
            places = [(_INDEX(g), _INDEX(r)) for g in range(groups) for r in range(ROWS)]

            def rows(numbers: Any, start: Any, row: Any, group: Any) -> list[Any]:
                first = builder.gep(numbers, [start])
                offsets = [builder.add(builder.mul(group, g), builder.mul(row, r)) for g, r in places]
                return [builder.gep(first, [offset]) for offset in offsets]

            def vectors(place: Any) -> list[Any]:
                return [
                    builder.load(address(builder, place, _INDEX(v * WIDTH), VECTOR), align=ALIGNMENT)
                    for v in range(width)
                ]

            sources = rows(a_value, start, row, group)
            weights = builder.gep(b_value, [panel])
            starts = [vectors(place) for place in rows(f_value, first, first_row, first_group)]
            before, body, done = builder.block, *map(builder.append_basic_block, ("step", "done"))
            builder.branch(body)
            builder.position_at_end(body)
            k, a_place, b_place = (builder.phi(_INDEX) for _ in range(3))
            sums = [[builder.phi(VECTOR) for _ in range(width)] for _ in places]
            columns = vectors(builder.gep(weights, [b_place]))
            numbers = [splatted(builder, builder.load(builder.gep(source, [a_place]))) for source in sources]
            more = [
                [fused(builder, number, column, total) for column, total in zip(columns, totals, strict=True)]
                for number, totals in zip(numbers, sums, strict=True)
            ]
            following = builder.add(k, _INDEX(1))
            for old, increment in ((k, _INDEX(1)), (a_place, along), (b_place, step)):
                old.add_incoming(_INDEX(0), before)
                old.add_incoming(builder.add(old, increment) if old is not k else following, body)
            for olds, firsts, news in zip(sums, starts, more, strict=True):
                for old, zeroth, new in zip(olds, firsts, news, strict=True):
                    old.add_incoming(zeroth, before)
                    old.add_incoming(new, body)
            builder.cbranch(builder.icmp_signed("<", following, depth), body, done)
            builder.position_at_end(done)
            lowest = splatted(builder, floor)
            for target, totals in zip(rows(c_value, to, to_row, to_group), more, strict=True):
                for v, total in enumerate(totals):
                    place = address(builder, target, _INDEX(v * WIDTH), VECTOR)
                    builder.store(highest(builder, lowest, total), place, align=ALIGNMENT)
            return context.get_dummy_value()

        n = types.int64
        return types.void(a, n, n, n, n, b, n, n, f, n, n, n, c, n, n, n, n, types.float32), generate

    return multiply


def _multipliers(groups: int, widest: int) -> Sequence[Any]:
    return [_multiplier(groups, width) for width in range(1, widest + 1)]


_one_1, _one_2, _one_3, _one_4 = _multipliers(1, 4)
_two_1, _two_2, _two_3 = _multipliers(2, 3)


@kernel
def matrix_product(
    a, start, row, group, block, along, b, panel, step, f, first, c, to, to_row, to_group, to_block, depth, columns,
    width, groups, blocks, floor,
):  # fmt: skip
    """C = A · B for rows in groups of four and groups in blocks, each sum at least ``floor``.

    ``a``, ``start``, ``row``, ``group``, ``block``, ``along``: the numbers with A, where it begins, and the steps from
    row to row, from group to group, from block to block and from one number of a row to the next; ``b``, ``panel``,
    ``step``: the numbers with B and where it begins, and from row to row of B, 0 if it is stored in panels; ``f``,
    ``first``: where the sums start, the same [columns] for all rows; at ``NO_BIAS`` 64 zeros, and below zero with what
    stands in C; ``c``, ``to``, ``to_row``, ``to_group``, ``to_block``: as for A, and the same place where there is one
    panel only; ``depth``: at least one; ``columns``: a multiple of 16; ``width``: vectors in a panel; ``groups``,
    ``blocks``: how many groups in a block, and blocks.

    A panel of B is used for all rows before the next one is read.
    """
    while columns > 0:
        vectors = min(width, columns // WIDTH)
        increment = step if step > 0 else vectors * WIDTH
        for index in range(blocks):
            x, y = start + index * block, to + index * to_block
            g, first_row, first_group = f, 0, 0
            if first < 0:
                g, first_row, first_group = c, to_row, to_group
            done = 0
            if vectors <= WIDEST_OF_TWO:
                while done + 2 <= groups:
                    z = y if first < 0 else first
                    if vectors == 2:
                        _two_2(
                            a, x, row, group, along, b, panel, increment, g, z, first_row, first_group,
                            c, y, to_row, to_group, depth, floor,
                        )  # fmt: skip
                    elif vectors == 1:
                        _two_1(
                            a, x, row, group, along, b, panel, increment, g, z, first_row, first_group,
                            c, y, to_row, to_group, depth, floor,
                        )  # fmt: skip
                    else:
                        _two_3(
                            a, x, row, group, along, b, panel, increment, g, z, first_row, first_group,
                            c, y, to_row, to_group, depth, floor,
                        )  # fmt: skip
                    done += 2
                    x += 2 * group
                    y += 2 * to_group
            while done < groups:
                z = y if first < 0 else first
                if vectors == 4:
                    _one_4(a, x, row, 0, along, b, panel, increment, g, z, first_row, 0, c, y, to_row, 0, depth, floor)
                elif vectors == 2:
                    _one_2(a, x, row, 0, along, b, panel, increment, g, z, first_row, 0, c, y, to_row, 0, depth, floor)
                elif vectors == 1:
                    _one_1(a, x, row, 0, along, b, panel, increment, g, z, first_row, 0, c, y, to_row, 0, depth, floor)
                else:
                    _one_3(a, x, row, 0, along, b, panel, increment, g, z, first_row, 0, c, y, to_row, 0, depth, floor)
                done += 1
                x += group
                y += to_group
        panel += vectors * WIDTH if step > 0 else depth * vectors * WIDTH
        if first > NO_BIAS:
            first += vectors * WIDTH
        to += vectors * WIDTH
        columns -= vectors * WIDTH
