"""The positions that known concepts are shown in: of game files, or of games of the human-imitation network."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import chess
import numpy as np
from numpy.typing import NDArray

from conceptmine.errors import InputError
from conceptmine.positions import GameRecord, path_id, read_games, sample_positions, stable_rank
from engines import load_agent
from engines.selfplay.policy_games import play_policy_games

TEST_ONE_IN = 5
"""One game in so many is held out."""

GAME_PLIES = (12, 120)
OPENING_PLIES = (10, 24)
"""Plies from which positions are taken; those for openings lie right behind the named lines."""

FEWEST_POSITIONS = 500
POSITIONS_A_PLAYED_GAME = 4
"""Positions that a game gives where games must be played first."""


@dataclass(frozen=True, eq=False)
class Pool:
    """n positions with their history.

    boards  the positions.
    games   the game that each is from.
    test    bool [n]: whether its game is held out.
    source  where the games come from, for a reader.
    """

    boards: list[chess.Board]
    games: list[str]
    test: NDArray[np.bool_]
    source: str


def gathered_games(files: Sequence[Path], positions: int, seed: int) -> tuple[list[GameRecord], str]:
    """A game for each position, an even choice among those of the files; or the human-imitation network's, fewer."""
    if not files:
        agent = load_agent("human-imitation")
        openings: list[tuple[str, ...]] = [()] * -(-positions // POSITIONS_A_PLAYED_GAME)
        played = play_policy_games(agent, openings, temperature=1.0, seed=seed)
        records = {game.game_id: game for game in (GameRecord(path_id(None, m), None, m, r) for m, r in played)}
        return list(records.values()), "games of the shipped human-imitation network (not of people)"
    chosen = heapq.nsmallest(
        positions, read_games(files, on_error="skip"), key=lambda game: stable_rank(seed, "known", game.game_id)
    )
    return chosen, ", ".join(path.name for path in files)


def pool_of(games: Sequence[GameRecord], source: str, positions: int, plies: tuple[int, int], seed: int) -> Pool:
    """So many positions of the games, as few a game as will do, divided by game."""
    per_game = -(-positions // len(games))
    sampled = sample_positions(games, per_game=per_game, plies=plies, seed=seed)
    records = heapq.nsmallest(positions, sampled, key=lambda record: stable_rank(seed, "pool", record.position_id))
    if len(records) < FEWEST_POSITIONS:
        raise InputError(f"The games give {len(records)} positions: give games for at least {FEWEST_POSITIONS}.")
    test = np.array([held_out(record.game_id, seed) for record in records])
    return Pool([record.board() for record in records], [record.game_id for record in records], test, source)


def held_out(game_id: str, seed: int) -> bool:
    """Whether a game is kept for testing, by its content and the seed."""
    return stable_rank(seed, "known test", game_id) % TEST_ONE_IN == 0
