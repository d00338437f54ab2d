"""Motifs of moves that a network can be taught to prefer, each a question about one move on one board."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import chess

__all__ = ["MOTIFS", "castles", "pushes_flank_pawn", "takes_an_outpost"]

_FLANKS: Final = frozenset({0, 7})


def castles(board: chess.Board, move: chess.Move) -> bool:
    """Whether the move castles."""
    return board.is_castling(move)


def pushes_flank_pawn(board: chess.Board, move: chess.Move) -> bool:
    """Whether the move pushes an a- or h-pawn, without taking."""
    return (
        board.piece_type_at(move.from_square) == chess.PAWN
        and chess.square_file(move.from_square) in _FLANKS
        and not board.is_capture(move)
    )


def takes_an_outpost(board: chess.Board, move: chess.Move) -> bool:
    """Whether the move brings a knight to an outpost: on the fourth to sixth rank of its side, protected by a pawn of
    its own, and with no pawn of the opponent on a neighbouring file that still could attack it."""
    if board.piece_type_at(move.from_square) != chess.KNIGHT:
        return False
    side, square = board.turn, move.to_square
    rank = chess.square_rank(square) if side else 7 - chess.square_rank(square)
    protected = bool(board.attackers(side, square) & board.pieces(chess.PAWN, side))
    return 3 <= rank <= 5 and protected and not _can_be_chased(board, square, side)


def _can_be_chased(board: chess.Board, square: chess.Square, side: chess.Color) -> bool:
    file, rank = chess.square_file(square), chess.square_rank(square)
    forward = 1 if side else -1
    return any(
        abs(chess.square_file(pawn) - file) == 1 and (chess.square_rank(pawn) - rank) * forward > 0
        for pawn in board.pieces(chess.PAWN, not side)
    )


MOTIFS: Final[dict[str, Callable[[chess.Board, chess.Move], bool]]] = {
    "castling": castles,
    "flank-pawn": pushes_flank_pawn,
    "outpost": takes_an_outpost,
}
"""By the name that ``--motif`` takes: whether a legal move, not yet made on the board, shows the motif."""
