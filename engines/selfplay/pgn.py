"""Self-play games as PGN, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import chess
import chess.pgn
import numpy as np
from numpy.typing import NDArray

from engines.chess.position import (
    DIAGONALS,
    KINGS,
    KNIGHTS,
    ORTHOGONALS,
    OWN,
    PAWNS,
    decode_move,
    position_of,
    start_position,
)
from engines.selfplay.endings import ENDINGS, RESULTS
from engines.selfplay.records import FAST, FULL, OPENING, GameRecord

_KINDS = {OPENING: "drawn from the policy", FAST: "fast search", FULL: "full search"}


def board_of(start: NDArray[np.uint64]) -> chess.Board:
    """The board of a position that self-play starts from: the usual one, or White to move without castling rights.

    Raises ``ValueError`` for another kind of position.
    """
    if (start == start_position()).all():
        return chess.Board()
    own, pawns, knights, diagonals, orthogonals, kings = (
        int(start[word]) for word in (OWN, PAWNS, KNIGHTS, DIAGONALS, ORTHOGONALS, KINGS)
    )
    board = chess.Board(None)
    for kind, squares in (
        (chess.PAWN, pawns),
        (chess.KNIGHT, knights),
        (chess.BISHOP, diagonals & ~orthogonals),
        (chess.ROOK, orthogonals & ~diagonals),
        (chess.QUEEN, diagonals & orthogonals),
        (chess.KING, kings),
    ):
        for square in chess.SquareSet(squares):
            board.set_piece_at(square, chess.Piece(kind, bool(own >> square & 1)))
    if (position_of(board) != start).any():
        raise ValueError(
            "games of self-play start from the usual position or with White to move and no castling rights"
        )
    return board


def write_games(games: Iterable[GameRecord], network: str) -> Iterator[str]:
    """Each game as PGN, with the value of every search from White's side in comments; both players are ``network``."""
    for number, record in enumerate(games, 1):
        board = board_of(record.start)
        game = chess.pgn.Game()
        game.setup(board)
        game.headers.update(
            Event="Self-play", White=network, Black=network, Round=str(number), Result=RESULTS[record.result],
            Termination=ENDINGS[record.ending].replace("_", " "),
        )  # fmt: skip
        node: chess.pgn.GameNode = game
        for move, kind, value in zip(record.moves.tolist(), record.kinds.tolist(), record.values.tolist(), strict=True):
            white = board.turn == chess.WHITE
            played = decode_move(move, not white)
            node = node.add_variation(played)
            node.comment = f"{value if white else -value:+.2f}, {_KINDS[kind]}"
            board.push(played)
        yield str(game)
