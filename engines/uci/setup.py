"""The board that a ``position`` command describes."""

from __future__ import annotations

import chess

from engines.uci.protocol import Position, shown

__all__ = ["board_of", "legal_moves_of"]


def board_of(position: Position, *, chess960: bool) -> chess.Board:
    """The board, with the moves on its stack: they are the history that the network sees and repetitions count from.

    Raises ``ValueError``, in one sentence, for a FEN that is damaged or no position of chess, and for illegal moves.
    """
    # The rules kernel comes with numba, for which the answer to `uci` should not have to wait.
    from engines.chess.position import position_of

    try:
        board = chess.Board(position.fen or chess.STARTING_FEN, chess960=chess960)
    except (ValueError, OverflowError):
        raise ValueError(f"{shown(position.fen or '')} is no FEN") from None
    position_of(board)
    for number, text in enumerate(position.moves, 1):
        move = _legal(board, text)
        if move is None:
            raise ValueError(f"move {number} of the position, {shown(text)}, is not legal in {board.fen()}")
        board.push(move)
    return board


def legal_moves_of(board: chess.Board, texts: tuple[str, ...]) -> tuple[list[chess.Move], list[str]]:
    """The legal moves among ``texts``, each once, and the texts that are none."""
    moves = [_legal(board, text) for text in texts]
    refused = [text for text, move in zip(texts, moves, strict=True) if move is None]
    return list(dict.fromkeys(move for move in moves if move is not None)), refused


def _legal(board: chess.Board, text: str) -> chess.Move | None:
    try:
        move = board.parse_uci(text)
    except ValueError:
        return None
    # python-chess reads 0000 as passing, which chess does not allow.
    return move if move else None
