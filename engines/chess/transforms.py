"""The eight ways to turn a board, and which of them the canonical input formats choose.

Where no side can castle any more, a position and its mirror image by files are the same problem; without pawns all
eight images are. Canonical formats show one image of them all: the one with the mover's king on the files e to h and,
without pawns, on one of the ten squares of the triangle e1, h1, e4.

A transform is a number of three bits, done in this order: `FLIP` exchanges the files, `MIRROR` the ranks, `TRANSPOSE`
swaps the sides of the diagonal a8 – h1. Squares and moves are those that the side to move sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engines.chess.input_formats import CANONICAL, CLASSICAL_112, INPUT_FORMATS
from engines.chess.moves import FROM_TO_INDEX, POLICY_SIZE, PROMOTION_INDEX, policy_index
from engines.python_chess import chess

__all__ = [
    "FLIP",
    "MIRROR",
    "POLICY_AFTER",
    "SQUARES_AFTER",
    "TRANSFORMS",
    "TRANSPOSE",
    "policy_indices",
    "transform_of",
    "turned_masks",
]

FLIP: Final = 1
MIRROR: Final = 2
TRANSPOSE: Final = 4
TRANSFORMS: Final = 8


def _squares_after() -> NDArray[np.int64]:
    squares = np.empty((TRANSFORMS, 64), dtype=np.int64)
    for transform in range(TRANSFORMS):
        ranks, files = np.divmod(np.arange(64), 8)
        if transform & FLIP:
            files = 7 - files
        if transform & MIRROR:
            ranks = 7 - ranks
        if transform & TRANSPOSE:
            ranks, files = 7 - files, 7 - ranks
        squares[transform] = 8 * ranks + files
    squares.setflags(write=False)
    return squares


SQUARES_AFTER: Final[NDArray[np.int64]] = _squares_after()
"""int64 [8, 64]: where each square comes to lie, by transform."""


def _policy_after() -> NDArray[np.int64]:
    places = np.tile(np.arange(POLICY_SIZE), (TRANSFORMS, 1))
    plain, promotions = FROM_TO_INDEX >= 0, PROMOTION_INDEX >= 0
    origins, targets = np.nonzero(plain)
    for transform, squares in enumerate(SQUARES_AFTER):
        places[transform, FROM_TO_INDEX[plain]] = FROM_TO_INDEX[squares[origins], squares[targets]]
    places[FLIP, PROMOTION_INDEX[promotions]] = PROMOTION_INDEX[:, ::-1, ::-1][promotions]
    places.setflags(write=False)
    return places


POLICY_AFTER: Final[NDArray[np.int64]] = _policy_after()
"""int64 [8, 1858]: the place in the policy vector of each of its moves once the board is turned, by transform.

Promotions to other pieces than a knight only meet `FLIP`, since pawns allow no more; otherwise they stay in place.
"""


def transform_of(board: chess.Board, input_format: int = CLASSICAL_112) -> int:
    """How a network of this input format sees `board` turned: 0 for not, always so in formats that are not canonical.

    Where the king stands on the diagonal, lc0 takes sets of pieces in turn as numbers (a1 the lowest bit), and turns
    the board over the diagonal if the first set that this changes becomes a smaller number by it.
    """
    if not INPUT_FORMATS[input_format] & CANONICAL or board.clean_castling_rights():
        return 0
    turns: list[Callable[[int], int]] = [] if board.turn == chess.WHITE else [chess.flip_vertical]

    def seen(squares: int) -> int:
        for turn in turns:
            squares = turn(squares)
        return squares

    own = board.occupied_co[board.turn]
    king = own & board.kings
    transform = 0
    if chess.square_file(chess.msb(seen(king))) < 4:
        transform |= FLIP
        turns.append(chess.flip_horizontal)
    if board.pawns:
        return transform
    if chess.square_rank(chess.msb(seen(king))) > 3:
        transform |= MIRROR
        turns.append(chess.flip_vertical)
    square = chess.msb(seen(king))
    above = chess.square_rank(square) - (7 - chess.square_file(square))
    if above > 0:
        return transform | TRANSPOSE
    if above == 0:
        compared = (board.occupied, own, board.kings, board.queens, board.rooks, board.knights, board.bishops)
        for now in map(seen, compared):
            transposed = chess.flip_anti_diagonal(now)
            if transposed != now:
                return transform | TRANSPOSE if transposed < now else transform
    return transform


def policy_indices(
    board: chess.Board, moves: Iterable[chess.Move], input_format: int = CLASSICAL_112
) -> NDArray[np.int64]:
    """Give the places of moves in the policy vector of a network, which may see the board turned.

    Args:
        board: a board of chess or Chess960; it is only read.
        moves: n moves of the side to move, as for `moves.policy_index`.
        input_format: the network's input format.

    Returns:
        int64 [n], indices in ``0 … POLICY_SIZE - 1``.

    Raises:
        ValueError: the policy has no such move.
    """
    places = np.array([policy_index(board, move) for move in moves], dtype=np.int64)
    turned: NDArray[np.int64] = POLICY_AFTER[transform_of(board, input_format), places]
    return turned


def turned_masks(masks: NDArray[np.uint64], transform: int) -> NDArray[np.uint64]:
    """The sets of squares `masks` (uint64, any shape) turned."""
    octets = np.ascontiguousarray(masks, dtype="<u8")[..., None].view(np.uint8)
    bits = np.unpackbits(octets, axis=-1, bitorder="little")
    turned = np.empty_like(bits)
    turned[..., SQUARES_AFTER[transform]] = bits
    packed = np.packbits(turned, axis=-1, bitorder="little").view("<u8")[..., 0]
    return packed.astype(np.uint64)
