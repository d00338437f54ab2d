"""Attack sets: small tables for knights and kings, hyperbola quintessence for the sliders.

For a slider on ``s`` and one line through it, ``o ^ (o - 2s)`` marks the squares up to the first blocker on the upper
side; the byte-swapped board gives the lower side.  Ranks do not change under a byte swap and use a 512-entry table
instead.  All tables together take 74 kB and stay in the first two cache levels.
"""

from __future__ import annotations

import numpy as np

from engines.chess.bits import NOT_FILE_A, NOT_FILE_H, U1, U7, U8, U9, U16, U56, mirror
from engines.compiled import kernel

ORTHOGONAL = ((1, 0), (-1, 0), (0, 1), (0, -1))
DIAGONAL = ((1, 1), (-1, -1), (1, -1), (-1, 1))
KNIGHT_JUMPS = ((1, 2), (2, 1), (2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2))

_INNER_SIX = np.uint64(126)


def _step_set(square: int, steps: tuple[tuple[int, int], ...], *, slide: bool, blockers: int = 0) -> int:
    reached = 0
    for file_step, rank_step in steps:
        file, rank = square % 8 + file_step, square // 8 + rank_step
        while 0 <= file < 8 and 0 <= rank < 8:
            bit = 1 << (8 * rank + file)
            reached |= bit
            if not slide or blockers & bit:
                break
            file, rank = file + file_step, rank + rank_step
    return reached


def _per_square(steps: tuple[tuple[int, int], ...], *, slide: bool) -> np.ndarray:
    return np.array([_step_set(square, steps, slide=slide) for square in range(64)], dtype=np.uint64)


def _lines() -> tuple[np.ndarray, np.ndarray]:
    between, line = np.zeros((64, 64), dtype=np.uint64), np.zeros((64, 64), dtype=np.uint64)
    for start in range(64):
        for step in ORTHOGONAL + DIAGONAL:
            ray = _step_set(start, (step,), slide=True)
            back = _step_set(start, ((-step[0], -step[1]),), slide=True)
            for end in range(64):
                if ray >> end & 1:
                    between[start, end] = _step_set(start, (step,), slide=True, blockers=1 << end) & ~(1 << end)
                    line[start, end] = ray | back | 1 << start
    return between, line


def _rank_attacks() -> np.ndarray:
    """[64 inner occupancies, 8 files] → attacked squares of the first rank."""
    table = np.zeros((64, 8), dtype=np.uint64)
    for inner in range(64):
        for file in range(8):
            table[inner, file] = _step_set(file, ((1, 0), (-1, 0)), slide=True, blockers=inner << 1) & 0xFF
    return table


KNIGHT = _per_square(KNIGHT_JUMPS, slide=False)
KING = _per_square(ORTHOGONAL + DIAGONAL, slide=False)
PAWN_UP = _per_square(((-1, 1), (1, 1)), slide=False)
PAWN_DOWN = _per_square(((-1, -1), (1, -1)), slide=False)
EMPTY_ORTHOGONAL = _per_square(ORTHOGONAL, slide=True)
EMPTY_DIAGONAL = _per_square(DIAGONAL, slide=True)
BETWEEN, LINE = _lines()
_FILE_LINE = _per_square(((0, 1), (0, -1)), slide=True)
_RISING_LINE = _per_square(((1, 1), (-1, -1)), slide=True)
_FALLING_LINE = _per_square(((1, -1), (-1, 1)), slide=True)
_RANK = _rank_attacks()


@kernel
def _along(line, occupied, bit, mirrored_bit):
    blockers = occupied & line
    return ((blockers - bit - bit) ^ mirror(mirror(blockers) - mirrored_bit - mirrored_bit)) & line


@kernel
def orthogonal_attacks(square, occupied):
    """Squares a rook on ``square`` attacks given the ``occupied`` set (first blocker included)."""
    bit = U1 << square
    rank_shift = square & U56
    rank = _RANK[((occupied >> rank_shift) & _INNER_SIX) >> U1, square & U7] << rank_shift
    return rank | _along(_FILE_LINE[square], occupied, bit, mirror(bit))


@kernel
def diagonal_attacks(square, occupied):
    """Squares a bishop on ``square`` attacks given the ``occupied`` set (first blocker included)."""
    bit = U1 << square
    mirrored = mirror(bit)
    rising = _along(_RISING_LINE[square], occupied, bit, mirrored)
    return rising | _along(_FALLING_LINE[square], occupied, bit, mirrored)


@kernel
def slider_attacks_square(square, occupied, diagonals, orthogonals):
    """Whether any of the given sliders attacks ``square``; the empty-board test spares most of the exact ones."""
    if (EMPTY_DIAGONAL[square] & diagonals) and (diagonal_attacks(square, occupied) & diagonals):
        return True
    return (EMPTY_ORTHOGONAL[square] & orthogonals) != 0 and (orthogonal_attacks(square, occupied) & orthogonals) != 0


@kernel
def pawn_attacks_down(pawns):
    """Squares attacked by pawns that move down the board (the opponent's, seen from the side to move)."""
    return ((pawns & NOT_FILE_A) >> U9) | ((pawns & NOT_FILE_H) >> U7)


@kernel
def knight_attacks(knights):
    """Squares attacked by a set of knights."""
    left1, right1 = (knights & NOT_FILE_A) >> U1, (knights & NOT_FILE_H) << U1
    left2, right2 = ((left1 & NOT_FILE_A) >> U1), ((right1 & NOT_FILE_H) << U1)
    near, far = left1 | right1, left2 | right2
    return (near << U16) | (near >> U16) | (far << U8) | (far >> U8)
