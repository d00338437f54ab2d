"""Where each of the 1,858 moves lies in what the policy heads produce.

A convolutional head gives planes of 8 × 8 squares of origin, one plane a kind of step: 56 for the eight compass
directions, clockwise from north, with one to seven squares each; eight for the knight; and nine for promotions by file
step and piece.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engines.chess.moves import LISTED_MOVES, PolicyMove
from engines.chess.names import BISHOP, QUEEN, ROOK

__all__ = [
    "ATTENTION_POLICY_INDEX",
    "CONVOLUTION_POLICY_INDEX",
    "CONVOLUTION_POLICY_PLANES",
    "STORED_POLICY_PLANES",
]

CONVOLUTION_POLICY_PLANES: Final = 73
"""Planes that carry moves."""

STORED_POLICY_PLANES: Final = 80
"""Planes that a Leela file holds: the last seven only pad to a multiple of sixteen."""

_COMPASS: Final = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
_KNIGHT: Final = ((1, 2), (2, 1), (2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2))
_PROMOTIONS: Final = (ROOK, BISHOP, QUEEN)
_STEPS: Final = tuple((files * k, ranks * k) for files, ranks in _COMPASS for k in range(1, 8)) + _KNIGHT


def _place(move: PolicyMove) -> int:
    files = move.target % 8 - move.origin % 8
    ranks = move.target // 8 - move.origin // 8
    if move.promotion is None:
        plane = _STEPS.index((files, ranks))
    else:
        plane = len(_STEPS) + len(_PROMOTIONS) * (files + 1) + _PROMOTIONS.index(move.promotion)
    return plane * 64 + move.origin


CONVOLUTION_POLICY_INDEX: Final[NDArray[np.int64]] = np.array([_place(move) for move in LISTED_MOVES], dtype=np.int64)
"""int64 [1858]: plane × 64 + square of origin (a1 = 0 … h8 = 63, mover's view) of each move of the policy."""


def _place_by_attention(move: PolicyMove) -> int:
    if move.promotion is None:
        return move.origin * 64 + move.target
    files = 3 * (8 * (move.origin % 8) + move.target % 8)
    return 64 * 64 + files + _ATTENTION_PROMOTIONS.index(move.promotion)


_ATTENTION_PROMOTIONS: Final = (QUEEN, ROOK, BISHOP)

ATTENTION_POLICY_INDEX: Final[NDArray[np.int64]] = np.array(
    [_place_by_attention(move) for move in LISTED_MOVES], dtype=np.int64
)
"""int64 [1858]: where each move lies in the output of an attention policy: from · 64 + to, and behind all of those
(file from · 8 + file to) · 3 + piece for promotions to a queen, rook or bishop."""
