"""Counting move paths, the standard check of a move generator."""

from __future__ import annotations

import numpy as np

from engines.chess.movegen import MAX_MOVES, legal_moves
from engines.chess.position import WORDS, make_move, position_of
from engines.compiled import kernel
from engines.python_chess import chess


@kernel
def _count_paths(rows, moves, cursor, ends, depth):
    """Depth-first walk; ``cursor[d]`` is the next move of level ``d``, ``ends[d]`` one past its last."""
    if depth == 0:
        return 1
    total = 0
    level = 0
    cursor[0] = 0
    ends[0] = legal_moves(rows[0], moves, 0)
    if depth == 1:
        return ends[0]
    while level >= 0:
        if cursor[level] == ends[level]:
            level -= 1
            continue
        move = moves[cursor[level]]
        cursor[level] += 1
        make_move(rows, level, rows, level + 1, move)
        first = (level + 1) * MAX_MOVES
        found = legal_moves(rows[level + 1], moves, first)
        if level + 2 == depth:  # the last level is counted, not walked
            total += found
        else:
            level += 1
            cursor[level] = first
            ends[level] = first + found
    return total


def perft(board: chess.Board, depth: int) -> int:
    """Number of legal move sequences of length ``depth`` (plies, 0 or more) from ``board``, by the compiled kernel.

    The moves of the last ply are listed and counted, not played: the work of depth d is to play the paths of 1 to d − 1
    plies, and to list the legal moves after each.

    Raises ``ValueError`` for a negative depth and for the boards that `position.position_of` refuses.
    """
    if depth < 0:
        raise ValueError(f"perft needs a depth of 0 or more plies, not {depth}")
    rows = np.zeros((depth + 1, WORDS), dtype=np.uint64)
    rows[0] = position_of(board)
    moves = np.zeros((depth + 1) * MAX_MOVES, dtype=np.uint64)
    cursor = np.zeros(depth + 1, dtype=np.int64)
    return int(_count_paths(rows, moves, cursor, np.zeros_like(cursor), depth))
