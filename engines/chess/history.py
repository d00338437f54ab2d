"""The positions of a known game: what python-chess keeps in a board's move stack, as kernel rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.chess.movegen import MAX_MOVES, legal_moves
from engines.chess.names import C1, G1
from engines.chess.position import (
    CASTLE_LONG,
    CASTLE_SHORT,
    PROMOTE_KNIGHT,
    STATE,
    WORDS,
    black_to_move,
    make_move,
    position_of,
)
from engines.compiled import kernel
from engines.python_chess import chess

_G1, _C1 = np.int64(G1), np.int64(C1)


@kernel
def _play(rows, steps, chess960, moves):
    """Play ``steps`` (int64 [n, 3]: origin, target, promotion as python-chess says them) from ``rows[0]``.

    Writes the positions after them to ``rows``; gives how many were legal and played.
    """
    for ply in range(steps.shape[0]):
        turn = 56 * np.int64(black_to_move(rows[ply, STATE]))
        origin, target, promotion = steps[ply, 0] ^ turn, steps[ply, 1] ^ turn, steps[ply, 2]
        chosen = -1
        for i in range(legal_moves(rows[ply], moves, 0)):
            source, end, kind = np.int64(moves[i]) & 63, (np.int64(moves[i]) >> 6) & 63, np.int64(moves[i]) >> 12
            if source != origin or promotion != (kind - PROMOTE_KNIGHT + 2 if kind >= PROMOTE_KNIGHT else 0):
                continue
            walked = not chess960 and (
                (kind == CASTLE_SHORT and target == _G1) or (kind == CASTLE_LONG and target == _C1)
            )
            if end == target or walked:
                chosen = i
                break
        if chosen < 0:
            return ply
        make_move(rows, ply, rows, ply + 1, moves[chosen])
    return steps.shape[0]


def game_rows(board: chess.Board) -> NDArray[np.uint64]:
    """Positions of the whole known game, oldest first, the board itself last: ``uint64 [plies + 1, 8]``.

    Raises ``ValueError`` for the boards that ``position_of`` refuses, and when the stack's moves are not legal.
    """
    newest = position_of(board)
    stack = board.move_stack
    rows = np.empty((len(stack) + 1, WORDS), dtype=np.uint64)
    rows[0] = position_of(board.root())
    steps = np.array([(move.from_square, move.to_square, move.promotion or 0) for move in stack], dtype=np.int64)
    moves = np.empty(MAX_MOVES, dtype=np.uint64)
    begin, legal = 0, True
    passes = [ply for ply, move in enumerate(stack) if not move]  # python-chess lets a side pass
    for end in (*passes, len(stack)):
        if end > begin:
            legal &= _play(rows[begin : end + 1], steps[begin:end], board.chess960, moves) == end - begin
        if end < len(stack):
            after = board.copy()
            for _ in range(len(stack) - end - 1):
                after.pop()
            rows[end + 1] = position_of(after)
        begin = end + 1
    if not legal or not np.array_equal(rows[-1], newest):
        raise ValueError(f"the moves that led to '{board.fen()}' are not all legal: give a board whose moves were")
    return rows
