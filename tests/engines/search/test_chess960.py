"""Trees of Chess960: their moves are those of the board, castling as the king that takes its rook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import chess

from engines.search import search


def test_moves_and_lines_are_those_of_the_board(hashing: Callable[..., Any]) -> None:
    boards = [
        chess.Board("1rkr4/pppppppp/8/8/8/8/PPPPPPPP/1RKR4 w DBdb - 0 1", chess960=True),
        chess.Board("1rkr4/pppppppp/8/8/8/8/PPPPPPPP/1RKR4 b DBdb - 0 1", chess960=True),
        chess.Board("r3k2r/pppppppp/8/8/8/8/PPPPPPPP/R3K2R w KQkq - 0 1", chess960=True),
        chess.Board("r3k2r/pppppppp/8/8/8/8/PPPPPPPP/R3K2R w KQkq - 0 1"),
    ]
    for board, tree in zip(boards, search(hashing(), boards, simulations=400), strict=True):
        assert set(tree.visits) == set(board.legal_moves)
        castling = [move for move in board.legal_moves if board.is_castling(move)]
        assert castling
        for move in castling:
            after = board.copy()
            for played in tree.line(after=move):
                assert played in after.legal_moves
                after.push(played)
