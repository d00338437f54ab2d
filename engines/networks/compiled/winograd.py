"""3 × 3 convolutions of an 8 × 8 board with a quarter of the multiplications (Winograd; Lavin and Gray 2015).

The board is cut into four tiles of 4 × 4 outputs, which 6 × 6 inputs determine. A tile d and a filter g are each
transformed to 6 × 6 numbers, B'dB and GgG'; the convolution is then their product number by number, summed over the
channels, and transformed back, A'mA. For all tiles and channels these are 36 products of matrices. The transforms
follow from evaluating polynomials at five points and at infinity (Toom and Cook). The usual points 0, ±1, ±2 lose a
decimal digit; 0, ±5/8, ±3/2 lose half as much, and all numbers of A and B are still exact in float32.

Boards are [10, 10, channels]: 8 × 8 squares within a border of zeros, so that all tiles are alike.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engines.compiled import kernel
from engines.networks.compiled.lanes import WIDTH, add, fma, higher, load, multiply, splat, store, subtract

__all__ = ["BOARD", "EDGE", "POINTS", "TILES", "TRANSFORMED", "filters_transformed", "from_tiles", "to_tiles"]

EDGE: Final = 10
"""Squares along an edge of a board with its border."""
BOARD: Final = EDGE * EDGE
TILES: Final = 4
TRANSFORMED: Final = 36
"""Numbers that a tile, or a filter, is transformed to."""

POINTS: Final = (0.0, 0.625, -0.625, 1.5, -1.5)

_A, _B = (np.float32(point) for point in POINTS[1::2])
_A2, _B2, _A3, _B3 = _A**2, _B**2, _A**3, _B**3
_PRODUCT, _SUM = _A2 * _B2, _A2 + _B2


def filters_transformed(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Transform filters: GgG' of each.

    Args:
        weight: float64 [out, in, 3, 3].

    Returns:
        float64 [36, in, out].
    """
    g = np.zeros((6, 3))
    for row, point in enumerate(POINTS):
        others = [point - other for other in POINTS if other != point]
        g[row] = np.array([1.0, point, point**2]) / np.prod(others)
    g[5, 2] = 1.0
    transformed: NDArray[np.float64] = np.einsum("ia,ocab,jb->ijco", g, weight, g)
    return transformed.reshape(TRANSFORMED, weight.shape[1], weight.shape[0])


@kernel
def _forward(d0, d1, d2, d3, d4, d5):
    """B'd: the values of a tile's six numbers at the points."""
    even_a, odd_a = fma(splat(-_B2), d2, d4), fma(splat(-_B2), d1, d3)
    even_b, odd_b = fma(splat(-_A2), d2, d4), fma(splat(-_A2), d1, d3)
    return (
        fma(splat(_PRODUCT), d0, fma(splat(-_SUM), d2, d4)),
        fma(splat(_A), odd_a, even_a),
        fma(splat(-_A), odd_a, even_a),
        fma(splat(_B), odd_b, even_b),
        fma(splat(-_B), odd_b, even_b),
        fma(splat(_PRODUCT), d1, fma(splat(-_SUM), d3, d5)),
    )


@kernel
def _backward(m0, m1, m2, m3, m4, m5):
    """A'm: four outputs from six products."""
    even_a, odd_a = add(m1, m2), subtract(m1, m2)
    even_b, odd_b = add(m3, m4), subtract(m3, m4)
    return (
        add(add(m0, even_a), even_b),
        fma(splat(_B), odd_b, multiply(splat(_A), odd_a)),
        fma(splat(_B2), even_b, multiply(splat(_A2), even_a)),
        fma(splat(_B3), odd_b, fma(splat(_A3), odd_a, m5)),
    )


@kernel
def to_tiles(memory, start, channels, to, step, work):
    """Transform the tiles of one board.

    ``start``: where the board [10, 10, channels] begins; ``to``: where the result [36][4 tiles, channels] is to begin,
    ``step`` from one of the 36 to the next, at least 4 · channels; ``work``: where 576 numbers may be kept.
    """
    rank = EDGE * channels
    for tile in range(TILES):
        corner = start + (tile // 2) * 4 * rank + (tile % 2) * 4 * channels
        for c in range(0, channels, WIDTH):
            place = corner + c
            for i in range(6):
                t0, t1, t2, t3, t4, t5 = _forward(
                    load(memory, place),
                    load(memory, place + rank),
                    load(memory, place + 2 * rank),
                    load(memory, place + 3 * rank),
                    load(memory, place + 4 * rank),
                    load(memory, place + 5 * rank),
                )
                w = work + i * WIDTH
                store(memory, w, t0)
                store(memory, w + 6 * WIDTH, t1)
                store(memory, w + 12 * WIDTH, t2)
                store(memory, w + 18 * WIDTH, t3)
                store(memory, w + 24 * WIDTH, t4)
                store(memory, w + 30 * WIDTH, t5)
                place += channels
            target = to + tile * channels + c
            for i in range(6):
                w = work + i * 6 * WIDTH
                t0, t1, t2, t3, t4, t5 = _forward(
                    load(memory, w),
                    load(memory, w + WIDTH),
                    load(memory, w + 2 * WIDTH),
                    load(memory, w + 3 * WIDTH),
                    load(memory, w + 4 * WIDTH),
                    load(memory, w + 5 * WIDTH),
                )
                store(memory, target, t0)
                store(memory, target + step, t1)
                store(memory, target + 2 * step, t2)
                store(memory, target + 3 * step, t3)
                store(memory, target + 4 * step, t4)
                store(memory, target + 5 * step, t5)
                target += 6 * step


@kernel
def from_tiles(memory, start, step, channels, weights, bias, skip, floor, to, work):
    """Transform products back to a board: A'mA + bias, plus what stands on another board, and at least ``floor``.

    ``start``, ``step``: as for `to_tiles`, of the products [36][4 tiles, channels]; ``weights``, ``bias``: where the
    bias is; ``skip``: where the board to add begins, or -1; ``to``: where the board is to begin, which may be ``skip``;
    ``work``: where 576 numbers may be kept.
    """
    lowest = splat(floor)
    rank = EDGE * channels
    for tile in range(TILES):
        corner = (1 + (tile // 2) * 4) * rank + (1 + (tile % 2) * 4) * channels
        for c in range(0, channels, WIDTH):
            source = start + tile * channels + c
            for i in range(6):
                y0, y1, y2, y3 = _backward(
                    load(memory, source),
                    load(memory, source + 6 * step),
                    load(memory, source + 12 * step),
                    load(memory, source + 18 * step),
                    load(memory, source + 24 * step),
                    load(memory, source + 30 * step),
                )
                w = work + i * WIDTH
                store(memory, w, y0)
                store(memory, w + 6 * WIDTH, y1)
                store(memory, w + 12 * WIDTH, y2)
                store(memory, w + 18 * WIDTH, y3)
                source += step
            offset = load(weights, bias + c)
            place = corner + c
            for i in range(4):
                w = work + i * 6 * WIDTH
                y0, y1, y2, y3 = _backward(
                    load(memory, w),
                    load(memory, w + WIDTH),
                    load(memory, w + 2 * WIDTH),
                    load(memory, w + 3 * WIDTH),
                    load(memory, w + 4 * WIDTH),
                    load(memory, w + 5 * WIDTH),
                )
                y0, y1, y2, y3 = add(y0, offset), add(y1, offset), add(y2, offset), add(y3, offset)
                if skip >= 0:
                    other = skip + place
                    y0, y1 = add(y0, load(memory, other)), add(y1, load(memory, other + channels))
                    y2, y3 = add(y2, load(memory, other + 2 * channels)), add(y3, load(memory, other + 3 * channels))
                target = to + place
                store(memory, target, higher(lowest, y0))
                store(memory, target + channels, higher(lowest, y1))
                store(memory, target + 2 * channels, higher(lowest, y2))
                store(memory, target + 3 * channels, higher(lowest, y3))
                place += rank
