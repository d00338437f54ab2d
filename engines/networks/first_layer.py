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
from engines.networks.lanes import WIDTH, add, fma, load, splat, store
from engines.networks.nonlinear import activate
from engines.networks.winograd import BOARD, EDGE

__all__ = ["PIECES", "TAPS", "first_layer", "first_layer_weights"]

TAPS: Final = 9
PIECES: Final = PLANES_PER_BOARD - 1
"""Planes of a board that show pieces."""

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
    pieces = bits[:_HISTORY].reshape(HISTORY_BOARDS, PLANES_PER_BOARD, 3, 3, -1)[:, :PIECES].sum(axis=0)
    # Which of a filter's three rows lie on the board, on its first rank, in its middle and on its last.
    on_board = np.array([[0, 1, 1], [1, 1, 1], [1, 1, 0]], dtype=np.float64)
    ones = np.einsum("ra,fb,cpab->prfc", on_board, on_board, weight)
    return np.concatenate([part.ravel() for part in (bits, pieces, ones)]).astype(np.float32)


@kernel
def _around(board, mask, value, weights, taps, channels):
    """Add to a board what each bit of a plane adds to the squares around it."""
    run = 3 * channels
    rank = EDGE * channels
    number = splat(value)
    while mask != _NONE:
        square = np.int64(lowest(mask))
        mask &= mask - _ONE_BIT
        place = (square // 8) * rank + (square % 8) * channels
        source = taps
        for _ in range(3):
            for c in range(0, run, WIDTH):
                store(board, place + c, fma(number, load(weights, source + c), load(board, place + c)))
            place += rank
            source += run


@kernel
def first_layer(masks, values, weights, start, bias, channels, function, boards, to, work):
    """The first convolution of one position, and the activation function.

    ``masks``, ``values``: [112] of the position; ``weights``, ``start``, ``bias``: the array that holds the arranged
    filters and the bias, and where; ``boards``, ``to``: the array for the board [10, 10, channels] and where it
    begins, its border is left alone; ``work``: at least 109 · channels numbers.
    """
    taps = TAPS * channels
    pieces = start + INPUT_PLANES * taps
    ones = pieces + PIECES * taps
    kinds = BOARD * channels
    for c in range(0, kinds, WIDTH):
        store(work, c, splat(_ZERO))
    for kind in range(TAPS):
        for c in range(0, channels, WIDTH):
            store(work, kinds + kind * channels + c, load(weights, bias + c))
    for kind in range(PIECES):
        shared = _ALL
        for board in range(HISTORY_BOARDS):
            plane = board * PLANES_PER_BOARD + kind
            shared &= masks[plane] if values[plane] == _ONE else _NONE
        _around(work, shared, _ONE, weights, pieces + kind * taps, channels)
        for board in range(HISTORY_BOARDS):
            plane = board * PLANES_PER_BOARD + kind
            _around(work, masks[plane] & ~shared, values[plane], weights, start + plane * taps, channels)
    for plane in range(PIECES, INPUT_PLANES):
        if plane < _HISTORY and plane % PLANES_PER_BOARD != PIECES:
            continue
        if masks[plane] == _ALL:
            number = splat(values[plane])
            source = ones + plane * taps
            for c in range(kinds, kinds + taps, WIDTH):
                store(work, c, fma(number, load(weights, source + c - kinds), load(work, c)))
        else:
            _around(work, masks[plane], values[plane], weights, start + plane * taps, channels)
    for rank in range(8):
        row = 3 * min(rank, 1) + 3 * (rank // 7)
        for file in range(8):
            kind = kinds + (row + min(file, 1) + file // 7) * channels
            place = ((rank + 1) * EDGE + file + 1) * channels
            for c in range(0, channels, WIDTH):
                total = add(load(work, place + c), load(work, kind + c))
                store(boards, to + place + c, activate(total, function))
