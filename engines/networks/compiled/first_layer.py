"""The first convolution straight from packed input planes, without ever writing the planes out.

A plane of which few bits are set adds nine vectors of channels for each bit: those of the filter, around the square. A
plane of which all bits are set adds to each square one of nine vectors, according to whether the square lies on the
first, a middle or the last rank and file. And a piece that has not moved for eight plies, as most have not, is seen in
eight planes; what it adds is added up beforehand.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engines.chess.bits import lowest
from engines.chess.encoding import HISTORY_BOARDS, INPUT_PLANES, PLANES_PER_BOARD
from engines.compiled import kernel
from engines.networks.compiled.lanes import WIDTH, add, fma, higher, load, number, splat, store
from engines.networks.compiled.winograd import BOARD, EDGE

__all__ = ["TAPS", "first_layer", "first_layer_weights"]

TAPS: Final = 9
"""Numbers of a filter."""

_PIECES: Final = PLANES_PER_BOARD - 1
_HISTORY: Final = HISTORY_BOARDS * PLANES_PER_BOARD
_ALL: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_NONE: Final = np.uint64(0)
_ONE_BIT: Final = np.uint64(1)
_ONE: Final = np.float32(1.0)
_ZERO: Final = np.float32(0.0)


def first_layer_weights(weight: NDArray[np.float64]) -> NDArray[np.float32]:
    """Arrange the filters of the first convolution.

    Args:
        weight: float64 [channels, 112, 3, 3], channels a multiple of 16.

    Returns:
        float32 [112 + 12 + 112, 9, channels], flattened: what a bit of each plane adds to the nine squares around it,
        ranks first; the same for each of the twelve kinds of piece, summed over the eight boards; what a plane of ones
        adds to squares of the nine kinds, ranks first.
    """
    # A filter's last row sees the rank behind, so what it gives lies before the bit.
    bits = weight[:, :, ::-1, ::-1].transpose(1, 2, 3, 0)
    pieces = bits[:_HISTORY].reshape(HISTORY_BOARDS, PLANES_PER_BOARD, 3, 3, -1)[:, :_PIECES].sum(axis=0)
    # Which of a filter's three rows lie on the board, on its first rank, in its middle and on its last.
    on_board = np.array([[0, 1, 1], [1, 1, 1], [1, 1, 0]], dtype=np.float64)
    ones = np.einsum("ra,fb,cpab->prfc", on_board, on_board, weight)
    return np.concatenate([part.ravel() for part in (bits, pieces, ones)]).astype(np.float32)


@kernel
def _around(memory, board, mask, value, weights, taps, channels):
    """Add to a board what each bit of a plane adds to the squares around it."""
    run = 3 * channels
    rank = EDGE * channels
    factor = splat(value)
    while mask != _NONE:
        square = np.int64(lowest(mask))
        mask &= mask - _ONE_BIT
        place = board + (square // 8) * rank + (square % 8) * channels
        source = taps
        for _ in range(3):
            for c in range(0, run, WIDTH):
                store(memory, place + c, fma(factor, load(weights, source + c), load(memory, place + c)))
            place += rank
            source += run


@kernel
def first_layer(masks, values, first, weights, start, bias, channels, floor, memory, to, work):
    """The first convolution of one position, and at least ``floor``.

    ``masks``, ``values``, ``first``: where its 112 masks and values begin; ``weights``, ``start``, ``bias``: where the
    arranged filters and the bias are; ``memory``, ``to``: where the board [10, 10, channels] is to begin, its border is
    left alone; ``work``: where 109 · channels numbers may be kept.
    """
    taps = TAPS * channels
    pieces = start + INPUT_PLANES * taps
    ones = pieces + _PIECES * taps
    kinds = work + BOARD * channels
    for c in range(work, kinds, WIDTH):
        store(memory, c, splat(_ZERO))
    for kind in range(TAPS):
        for c in range(0, channels, WIDTH):
            store(memory, kinds + kind * channels + c, load(weights, bias + c))
    for kind in range(_PIECES):
        planes = range(kind, _HISTORY, PLANES_PER_BOARD)
        shared = _ALL
        for plane in planes:
            shared &= number(masks, first + plane) if number(values, first + plane) == _ONE else _NONE
        _around(memory, work, shared, _ONE, weights, pieces + kind * taps, channels)
        for plane in planes:
            mask, value = number(masks, first + plane) & ~shared, number(values, first + plane)
            _around(memory, work, mask, value, weights, start + plane * taps, channels)
    for plane in range(_PIECES, INPUT_PLANES):
        if plane < _HISTORY and plane % PLANES_PER_BOARD != _PIECES:
            continue
        mask, value = number(masks, first + plane), number(values, first + plane)
        if mask == _ALL:
            factor = splat(value)
            source = ones + plane * taps
            for c in range(0, taps, WIDTH):
                store(memory, kinds + c, fma(factor, load(weights, source + c), load(memory, kinds + c)))
        else:
            _around(memory, work, mask, value, weights, start + plane * taps, channels)
    lowest_allowed = splat(floor)
    for rank in range(8):
        row = 3 * min(rank, 1) + 3 * (rank // 7)
        for file in range(8):
            kind = kinds + (row + min(file, 1) + file // 7) * channels
            place = ((rank + 1) * EDGE + file + 1) * channels
            for c in range(0, channels, WIDTH):
                total = add(load(memory, work + place + c), load(memory, kind + c))
                store(memory, to + place + c, higher(lowest_allowed, total))
