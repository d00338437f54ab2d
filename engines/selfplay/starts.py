"""Positions that games start from beside the usual one: few men at random, so that mates are met early."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engines.chess.attacks import KING
from engines.chess.bits import lowest, mirror
from engines.chess.movegen import MAX_MOVES, in_check, legal_moves
from engines.chess.position import (
    CASTLING_KEYS,
    DIAGONALS,
    KEY,
    KINGS,
    KNIGHTS,
    ORTHOGONALS,
    OWN,
    PAWNS,
    PIECE_KEYS,
    WORDS,
    insufficient_material,
)
from engines.compiled import kernel

FEWEST_MEN, MOST_MEN = 1, 4  # beside the kings
_WORDS_OF_PIECE: Final = ((PAWNS,), (KNIGHTS,), (DIAGONALS,), (ORTHOGONALS,), (DIAGONALS, ORTHOGONALS), (KINGS,))
_PAWN, _KING = 0, 5
_CHANCES: Final = (0.35, 0.1, 0.1, 0.2, 0.25)  # pawn, knight, bishop, rook, queen: mostly what mates are given with


@kernel
def _is_playable(row, turned, moves):
    """The kings stand apart, nobody is in check, White (to move) has a move, and somebody may yet mate."""
    if KING[lowest(row[KINGS])] & row[KINGS]:
        return False
    for word in range(KINGS + 1):
        turned[word] = mirror(row[word])
    turned[OWN] = mirror((row[PAWNS] | row[KNIGHTS] | row[DIAGONALS] | row[ORTHOGONALS] | row[KINGS]) & ~row[OWN])
    checked = in_check(turned) or in_check(row)  # no game leads to some of the checks by two or three men at once
    return not checked and not insufficient_material(row) and legal_moves(row, moves, 0) > 0


def random_endgame(generator: np.random.Generator) -> NDArray[np.uint64]:
    """A legal position (uint64 [8]) of the two kings and one to four other men, White to move and not in check.

    Kind and colour of each man and all squares are drawn independently; nobody may castle; the clocks are 0.
    """
    turned, moves = np.zeros(WORDS, dtype=np.uint64), np.zeros(MAX_MOVES, dtype=np.uint64)
    while True:
        men = int(generator.integers(FEWEST_MEN, MOST_MEN + 1))
        kinds = [_KING, _KING, *generator.choice(len(_CHANCES), size=men, p=_CHANCES)]
        black = [0, 1, *generator.integers(0, 2, size=men)]
        squares = generator.choice(64, size=men + 2, replace=False)
        if any(kind == _PAWN and not 8 <= square < 56 for kind, square in zip(kinds, squares, strict=True)):
            continue
        row = np.zeros(WORDS, dtype=np.uint64)
        for kind, colour, square in zip(kinds, black, squares, strict=True):
            bit = np.uint64(1) << np.uint64(square)
            for word in _WORDS_OF_PIECE[kind]:
                row[word] |= bit
            if not colour:
                row[OWN] |= bit
            row[KEY] ^= PIECE_KEYS[colour, kind, square]
        row[KEY] ^= CASTLING_KEYS[0]  # nobody may castle
        if _is_playable(row, turned, moves):
            return row
