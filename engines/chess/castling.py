"""Castling as Chess960 has it; standard chess is the case that the rooks stand in the corners.

A right is numbered 0 own short, 1 own long, 2 their short, 3 their long (the mover's view); or White's and Black's in
that order.  Where its rook stands is said by its distance in files from the corner.  Four bits of rights, and for each
3 bits of distance (0 where there is no right), are all that a position knows about castling.  King and rook go to the
g- and the f-file (short) or to the c- and the d-file (long), wherever they come from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.chess.bits import U0, U1, U2, U3, U4, U6, U7, U8, U15
from engines.chess.names import A1, A8, C1, D1, F1, G1, H1, H8
from engines.compiled import kernel
from engines.python_chess import chess

SHORT, LONG = U0, U1
KING_TARGETS = np.array([G1, C1], dtype=np.uint64)
ROOK_TARGETS = np.array([F1, D1], dtype=np.uint64)
RIGHTS_OF_CORNERS = np.zeros(64, dtype=np.uint64)  # by square: the right (as a bit) whose rook starts there
RIGHTS_OF_CORNERS[[H1, A1, H8, A8]] = (1, 2, 4, 8)

_TWELVE_BITS = np.uint64(0xFFF)
_A1, _H1, _A8, _H8 = (np.uint64(1 << square) for square in (A1, H1, A8, H8))


def _way(start: int, end: int) -> int:
    """Squares of the first rank that a piece enters on its way from ``start`` to ``end``."""
    return sum(1 << square for square in range(min(start, end), max(start, end) + 1) if square != start)


def _ways() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    safe, empty = np.zeros((2, 8), dtype=np.uint64), np.zeros((2, 8, 8), dtype=np.uint64)
    for side in range(2):
        king_target, rook_target = int(KING_TARGETS[side]), int(ROOK_TARGETS[side])
        for king in range(8):
            safe[side, king] = _way(king, king_target) | 1 << king_target
            for distance in range(8):
                rook = distance if side else 7 - distance
                entered = _way(king, king_target) | _way(rook, rook_target)
                empty[side, king, distance] = entered & ~(1 << king | 1 << rook)
    return safe, empty


# Squares not to be attacked, by side and the king's file; squares to be empty, by side, that and the rook's distance.
_SAFE, _EMPTY = _ways()


@kernel
def exchange_rights(rights):
    """The four rights seen from the other side."""
    return ((rights >> U2) | (rights << U2)) & U15


@kernel
def exchange_rooks(rooks):
    """The rooks' distances (12 bits) seen from the other side."""
    return ((rooks >> U6) | (rooks << U6)) & _TWELVE_BITS


@kernel
def rook_distance(rooks, right):
    """Files between the rook of ``right`` and its corner, out of the 12 bits ``rooks``."""
    return (rooks >> (U3 * right)) & U7


@kernel
def rights_of_rooks(rooks, squares):
    """The rights (4 bits, mover's view) whose rooks stand on ``squares`` (a set); corners where there is no right."""
    found = U0
    if squares & (_H1 >> rook_distance(rooks, U0)):
        found |= U1
    if squares & (_A1 << rook_distance(rooks, U1)):
        found |= U2
    if squares & (_H8 >> rook_distance(rooks, U2)):
        found |= U4
    if squares & (_A8 << rook_distance(rooks, U3)):
        found |= U8
    return found


@kernel
def rook_square(side, rooks):
    """Square of the mover's rook on that ``side`` (`SHORT` or `LONG`)."""
    return rook_distance(rooks, side) ^ (U7 if side == SHORT else U0)


@kernel
def king_walk(side, king, rooks, occupied, pinned):
    """Squares that a castling ``king`` must find free of attacks, seen through the king; none if it cannot castle.

    It cannot when something stands in its way or the rook's, or when the rook is ``pinned``: then a slider stands
    behind it (so it is no corner's), and the rook that leaves would uncover the king.  Nothing else that the rook's
    going changes can change an attack on these squares.
    """
    if (occupied & _EMPTY[side, king, rook_distance(rooks, side)]) or (pinned >> rook_square(side, rooks)) & U1:
        return U0
    return _SAFE[side, king]


def castling_rooks(board: chess.Board) -> dict[int, int]:
    """The rights of ``board`` (0 White's short, 1 White's long, 2 and 3 Black's), each with its rook's distance."""
    found = {}
    for rook in chess.SquareSet(board.clean_castling_rights()):
        color = bool(board.occupied_co[chess.WHITE] >> rook & 1)
        king = board.king(color)
        long = king is not None and rook < king
        file = chess.square_file(rook)
        found[2 * (not color) + long] = file if long else 7 - file
    return found
