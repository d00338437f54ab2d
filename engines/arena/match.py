"""Matches between two networks, all games side by side, each opening played with both colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import chess
import numpy as np
from numpy.typing import NDArray

from engines.chess.history import game_rows
from engines.chess.movegen import MAX_MOVES
from engines.chess.position import WORDS, make_move
from engines.networks import Agent
from engines.search.forest import Forest
from engines.search.growing import grow
from engines.search.settings import SearchSettings
from engines.selfplay.games import UNFINISHED, judge

OPENING_PLIES = 8
LONGEST_GAME = 240


@dataclass(frozen=True)
class MatchResult:
    """Games won, drawn and lost by the first player; ``pairs`` holds its points (0 to 2) in each pair of games."""

    wins: int
    draws: int
    losses: int
    pairs: tuple[float, ...]

    @property
    def score(self) -> float:
        """Points per game of the first player, in [0, 1]."""
        return (self.wins + 0.5 * self.draws) / (self.wins + self.draws + self.losses)

    @property
    def elo(self) -> float | None:
        """Elo difference that the score stands for; None when every game went one way."""
        return None if self.score in (0.0, 1.0) else 400 * math.log10(self.score / (1 - self.score))

    @property
    def elo_standard_error(self) -> float | None:
        """Its standard error by the delta method, from the spread of pairs: an opening's two games are not independent.

        None where the pairs do not spread, as when all games are drawn: that says nothing about how sure the score is.
        """
        if self.elo is None or len(set(self.pairs)) < 2:
            return None
        spread = float(np.std(np.array(self.pairs) / 2, ddof=1)) / math.sqrt(len(self.pairs))
        return 400 / math.log(10) * spread / (self.score * (1 - self.score))

    def describe(self) -> str:
        """Score and Elo difference in words."""
        if self.elo is None:
            return f"score {self.score:.0%}, no finite Elo difference"
        error = self.elo_standard_error
        return f"score {self.score:.1%}, Elo {self.elo:+.0f}" + (
            f" ± {error:.0f} (standard error)" if error is not None else ""
        )


def play_match(first: Agent, second: Agent, *, games: int, simulations: int, seed: int = 0) -> MatchResult:
    """Play ``games`` (even) games, half with each colour, from openings of random legal moves.

    Moves are the most visited of a search with ``simulations`` visits (preset ``lc0``, no noise).  A position that
    stands for the third time, fifty moves without capture or pawn move, and 240 plies end a game in a draw.  Same seed,
    same match.

    Raises ``ValueError`` for an odd number of games or fewer than two, and for less than one simulation.
    """
    if games < 2 or games % 2:
        raise ValueError(f"games is {games}; it must be even and at least 2")
    if simulations < 1:
        raise ValueError(f"simulations is {simulations}; it must be at least 1")
    generator = np.random.default_rng(seed)
    openings = [_random_opening(generator) for _ in range(games // 2)]
    boards = _Boards([board for board in openings for _ in range(2)])
    first_is_white = np.arange(games) % 2 == 0
    while len(playing := np.flatnonzero(boards.results == UNFINISHED)):
        white_to_move = boards.plies[playing] % 2 == 0
        firsts_turn = white_to_move == first_is_white[playing]
        for agent, turn in ((first, playing[firsts_turn]), (second, playing[~firsts_turn])):
            if len(turn):
                boards.play(turn, _best_moves(agent, boards, turn, simulations))
    white = boards.results.astype(np.float64)
    points = (1 + np.where(first_is_white, white, -white)) / 2
    return MatchResult(
        wins=int(np.sum(points == 1)),
        draws=int(np.sum(points == 0.5)),
        losses=int(np.sum(points == 0)),
        pairs=tuple((points[0::2] + points[1::2]).tolist()),
    )


class _Boards:
    """Games in progress as kernel rows, uint64 [games, plies, 8], oldest first; ``results`` as `judge` gives them."""

    def __init__(self, openings: Sequence[chess.Board]) -> None:
        games = len(openings)
        self.rows = np.zeros((games, LONGEST_GAME + 1, WORDS), dtype=np.uint64)
        self.plies = np.array([len(board.move_stack) for board in openings], dtype=np.int64)
        self.results = np.full(games, UNFINISHED, dtype=np.int8)
        self._repeated = np.zeros((games, LONGEST_GAME + 1), dtype=np.uint8)
        self._scratch = np.zeros(MAX_MOVES, dtype=np.uint64)
        for game, board in enumerate(openings):
            rows = game_rows(board)
            self.rows[game, : len(rows)] = rows

    def history(self, game: int) -> NDArray[np.uint64]:
        """The game so far, the position to move in last."""
        return self.rows[game, : self.plies[game] + 1]

    def play(self, games: NDArray[np.int64], moves: NDArray[np.uint64]) -> None:
        """Play one move in each of the given games and judge them."""
        for game, move in zip(games, moves, strict=True):
            ply = self.plies[game]
            make_move(self.rows[game], ply, self.rows[game], ply + 1, move)
            self.plies[game] = ply + 1
            self.results[game] = judge(self.rows[game], self._repeated[game], ply + 1, LONGEST_GAME, 0, self._scratch)


def _best_moves(agent: Agent, boards: _Boards, games: NDArray[np.int64], simulations: int) -> NDArray[np.uint64]:
    """The most visited move of each game's search (ties: the higher value), as kernel moves."""
    forest = Forest.allocate(len(games), simulations + 2, LONGEST_GAME + 1)
    for tree, game in enumerate(games):
        forest.plant(tree, boards.history(int(game)), simulations, seed=0)
    grow(forest, agent, SearchSettings(), np.arange(len(games)))
    moves = np.empty(len(games), dtype=np.uint64)
    for tree in range(len(games)):
        root = forest.nodes[tree, 0]
        edges = slice(root["first_edge"], root["first_edge"] + root["edges"])
        choices, trials = forest.choices[tree, edges], forest.trials[tree, edges]
        value = trials["total"] / np.maximum(trials["visits"], 1)
        moves[tree] = choices["move"][np.lexsort((-choices["prior"], -value, -trials["visits"]))[0]]
    return moves


def _random_opening(generator: np.random.Generator) -> chess.Board:
    while True:
        board = chess.Board()
        for _ in range(OPENING_PLIES):
            moves = list(board.legal_moves)
            if not moves:
                break
            board.push(moves[int(generator.integers(len(moves)))])
        if not board.is_game_over():
            return board
