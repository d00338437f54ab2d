"""Matches between two networks, all games side by side, each opening played with both colours."""

from __future__ import annotations

import math
from dataclasses import dataclass

import chess
import numpy as np

from engines.networks import Agent
from engines.search import search

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
        """Its standard error by the delta method, from the spread of pairs (the two games of an opening are not independent)."""
        if self.elo is None or len(self.pairs) < 2:
            return None
        spread = float(np.std(np.array(self.pairs) / 2, ddof=1)) / math.sqrt(len(self.pairs))
        return 400 / math.log(10) * spread / (self.score * (1 - self.score))

    def describe(self) -> str:
        """Score and Elo difference in words."""
        if self.elo is None:
            return f"score {self.score:.0%}, no finite Elo difference"
        error = self.elo_standard_error
        return f"score {self.score:.1%}, Elo {self.elo:+.0f}" + (f" ± {error:.0f} (standard error)" if error is not None else "")


def play_match(first: Agent, second: Agent, *, games: int, simulations: int, seed: int = 0) -> MatchResult:
    """Play ``games`` (even) games, half with each colour, from openings of random legal moves.

    Moves are the most visited of a search with ``simulations`` visits, without noise.  A game of 240 plies is a draw.
    Same seed, same match.

    Raises ``ValueError`` for an odd number of games or fewer than two.
    """
    if games < 2 or games % 2:
        raise ValueError(f"games is {games}; it must be even and at least 2")
    generator = np.random.default_rng(seed)
    openings = [_random_opening(generator) for _ in range(games // 2)]
    boards = [board.copy() for board in openings for _ in range(2)]
    first_is_white = [index % 2 == 0 for index in range(games)]
    while playing := [i for i, board in enumerate(boards) if not _over(board)]:
        for agent, is_first in ((first, True), (second, False)):
            turn = [i for i in playing if (boards[i].turn == chess.WHITE) == (first_is_white[i] == is_first)]
            if turn:
                trees = search(agent, [boards[i] for i in turn], simulations=simulations)
                for i, tree in zip(turn, trees, strict=True):
                    boards[i].push(tree.best_move)
            playing = [i for i in playing if i not in set(turn)]
    points = [_points(board, white) for board, white in zip(boards, first_is_white, strict=True)]
    return MatchResult(
        wins=points.count(1.0),
        draws=points.count(0.5),
        losses=points.count(0.0),
        pairs=tuple(points[i] + points[i + 1] for i in range(0, games, 2)),
    )


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


def _over(board: chess.Board) -> bool:
    return len(board.move_stack) >= LONGEST_GAME or board.outcome(claim_draw=True) is not None


def _points(board: chess.Board, first_is_white: bool) -> float:
    outcome = board.outcome(claim_draw=True)
    if outcome is None or outcome.winner is None:
        return 0.5
    return 1.0 if (outcome.winner == chess.WHITE) == first_is_white else 0.0
