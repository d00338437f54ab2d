"""The first dense layer of an attention body straight from packed input planes, without writing the planes out.

What a plane adds to a square is one vector of weights, and few planes have a bit there. A piece that has not moved for
eight plies, as most have not, is seen in eight planes; what it adds is added up beforehand.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engines.chess.bits import lowest
from engines.chess.encoding import HISTORY_BOARDS, INPUT_PLANES, PLANES_PER_BOARD
from engines.compiled import kernel
from engines.networks.compiled.lanes import WIDTH, add, fma, load, number, splat, store

__all__ = ["embed_board", "embed_planes", "embedding_weights"]

_SQUARES: Final = 64
_PIECES: Final = PLANES_PER_BOARD - 1
_HISTORY: Final = HISTORY_BOARDS * PLANES_PER_BOARD
_ALL: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_NONE: Final = np.uint64(0)
_ONE_BIT: Final = np.uint64(1)
_ONE: Final = np.float32(1.0)


def embedding_weights(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Arrange the weights of the 112 planes.

    Args:
        weight: float64 [112, channels].

    Returns:
        float64 [112 + 12, channels]: what a bit of each plane adds to its square; the same for each of the twelve kinds
        of piece, summed over the eight boards.
    """
    boards = weight[:_HISTORY].reshape(HISTORY_BOARDS, PLANES_PER_BOARD, -1)
    return np.concatenate([weight, boards[:, :_PIECES].sum(axis=0)])


@kernel
def _at_squares(memory, target, step, mask, value, weights, place, by_square, size):
    """Add ``size`` weights to as many numbers, for each bit of a plane.

    ``step``, ``by_square``: how far on a square's numbers and weights are from those of the square before.
    """
    factor = splat(value)
    while mask != _NONE:
        square = np.int64(lowest(mask))
        mask &= mask - _ONE_BIT
        to, source = target + square * step, place + square * by_square
        for c in range(0, size, WIDTH):
            store(memory, to + c, fma(factor, load(weights, source + c), load(memory, to + c)))


@kernel
def embed_planes(masks, values, first, weights, start, bias, channels, memory, to, work):
    """What the 112 planes of one position make of its squares.

    ``masks``, ``values``, ``first``: where its masks and values begin; ``weights``, ``start``, ``bias``: where the
    arranged weights are, and where what each square starts from, [64, channels]; ``memory``, ``to``: where tokens
    [64, channels] are to begin; ``work``: where as many numbers as channels may be kept.
    """
    for c in range(0, channels, WIDTH):
        common = splat(np.float32(0.0))
        for plane in range(INPUT_PLANES):
            if number(masks, first + plane) == _ALL:
                factor = splat(number(values, first + plane))
                common = fma(factor, load(weights, start + plane * channels + c), common)
        store(memory, work + c, common)
    for row in range(0, _SQUARES * channels, channels):
        for c in range(0, channels, WIDTH):
            store(memory, to + row + c, add(load(weights, bias + row + c), load(memory, work + c)))
    for kind in range(PLANES_PER_BOARD):
        planes = range(kind, _HISTORY, PLANES_PER_BOARD)
        shared = _ALL if kind < _PIECES else _NONE
        for plane in planes:
            mask = number(masks, first + plane)
            shared &= mask if number(values, first + plane) == _ONE and mask != _ALL else _NONE
        pieces = start + (INPUT_PLANES + kind) * channels
        _at_squares(memory, to, channels, shared, _ONE, weights, pieces, 0, channels)
        for plane in planes:
            mask = number(masks, first + plane)
            mask = mask & ~shared if mask != _ALL else _NONE
            source = start + plane * channels
            _at_squares(memory, to, channels, mask, number(values, first + plane), weights, source, 0, channels)
    for plane in range(_HISTORY, INPUT_PLANES):
        mask = number(masks, first + plane)
        if mask != _ALL:
            source = start + plane * channels
            _at_squares(memory, to, channels, mask, number(values, first + plane), weights, source, 0, channels)


@kernel
def embed_board(masks, values, first, planes, weights, start, bias, size, memory, to):
    """What the first ``planes`` planes of one position, together, make of all its squares: ``size`` numbers.

    ``weights``, ``start``: where weights [planes, 64 squares, size] begin, ``bias``: and what the numbers start from.
    """
    for c in range(0, size, WIDTH):
        store(memory, to + c, load(weights, bias + c))
    for plane in range(planes):
        mask, value = number(masks, first + plane), number(values, first + plane)
        source = start + plane * _SQUARES * size
        _at_squares(memory, to, 0, mask, value, weights, source, size, size)
