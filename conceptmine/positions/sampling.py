"""Positions chosen from games."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import chess

from conceptmine.positions.games import GameRecord
from conceptmine.positions.identity import board_of, path_id, stable_rank, transposition_key

__all__ = ["PositionRecord", "sample_positions"]

_FEWEST_MOVES: Final = 2


@dataclass(frozen=True)
class PositionRecord:
    """A position of a game, with the way to it.

    Attributes:
        position_id: 16 hex digits that depend only on the start position and the moves.
        game_id: the game's identifier.
        ply: moves played from the start of the game to here; the length of `moves`.
        fen: start FEN of the game; None for the usual start.
        moves: UCI moves from there.
    """

    position_id: str
    game_id: str
    ply: int
    fen: str | None
    moves: tuple[str, ...]

    def board(self) -> chess.Board:
        """The position, with its history on the move stack."""
        return board_of(self.fen, self.moves, check=False)


def sample_positions(
    games: Iterable[GameRecord],
    *,
    per_game: int = 1,
    plies: tuple[int, int] = (12, 120),
    seed: int = 0,
) -> Iterator[PositionRecord]:
    """Choose positions at random from each game in turn, no position twice.

    Only positions count in which there is something to choose: the game is not over and at least two moves are legal. A
    position that transposes to one chosen before (counters apart) is passed over. The choice in a game depends on the
    seed and that game alone, except for such transpositions.

    Args:
        games: read one by one.
        per_game: most positions from a game, at least 1.
        plies: first and last ply to choose from, both included.
        seed: of the choice.

    Yields:
        The positions of a game in the order of their plies, game by game.

    Raises:
        ValueError: `per_game` or `plies` make no sense.
    """
    first, last = plies
    if per_game < 1:
        raise ValueError(f"per_game is {per_game}; at least one position a game must be allowed.")
    if not 0 <= first <= last:
        raise ValueError(f"plies is {plies}; give a first and a last ply, 0 <= first <= last.")
    return _samples(games, per_game, first, last, seed)


def _samples(games: Iterable[GameRecord], per_game: int, first: int, last: int, seed: int) -> Iterator[PositionRecord]:
    seen: set[int] = set()
    for game in games:
        plies = range(first, min(last, len(game.moves)) + 1)
        order = sorted(plies, key=lambda ply, game=game: stable_rank(seed, "sample", game.game_id, ply))  # type: ignore[misc]
        chosen: list[int] = []
        if order:
            end = board_of(game.fen, game.moves[: plies[-1]], check=False)
            for ply in order:
                board = _rewound(end, ply)
                if not _has_choice(board):
                    continue
                key = _digest(transposition_key(board))
                if key in seen:
                    continue
                seen.add(key)
                chosen.append(ply)
                if len(chosen) == per_game:
                    break
        for ply in sorted(chosen):
            moves = game.moves[:ply]
            yield PositionRecord(path_id(game.fen, moves), game.game_id, ply, game.fen, moves)


def _rewound(end: chess.Board, ply: int) -> chess.Board:
    board = end.copy()
    while len(board.move_stack) > ply:
        board.pop()
    return board


def _has_choice(board: chess.Board) -> bool:
    choices = len(list(islice(board.generate_legal_moves(), _FEWEST_MOVES)))
    return choices == _FEWEST_MOVES and not board.is_game_over()


def _digest(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())
