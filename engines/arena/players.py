"""Who plays: a network, a player of random moves, and one that takes what it can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import chess
import numpy as np

from engines.arena.games import Forfeit, Game
from engines.networks import Agent
from engines.search import Tree, search
from engines.search.growing import Evaluator
from engines.search.limits import check_count
from engines.search.settings import settings_for

__all__ = ["MaterialTaker", "NetworkPlayer", "Player", "RandomMover"]

GAMES_AT_ONCE = 256


class Player(Protocol):
    """One side of a match: answers for many games at a time.

    ``name``: in results and game files.  ``games_at_once``: how many games side by side it can take.
    """

    name: str
    games_at_once: int

    def choose(self, games: Sequence[Game]) -> Sequence[chess.Move | Forfeit]:
        """A move for each game, in which this player is to move; the same games in other batches get the same moves."""

    def close(self) -> None:
        """Give back what the player holds, such as processes."""


class NetworkPlayer:
    """A network with a search, anew for every move: the move that the preset plays.

    ``simulations``: visits of the root, its own evaluation included as in lc0's count of nodes; 1 is the first choice
    of the policy, without any search.  ``preset``: of ``engines.search``; without noise, so that only openings and
    ``temperature`` make games differ.  ``temperature``: moves are drawn with probabilities proportional to
    (visits)^(1/temperature), with one simulation to (policy)^(1/temperature); 0 draws nothing.  ``seed``: of the draws,
    which depend on it, the number of the game and the ply alone.

    Raises ``ValueError`` for fewer than one simulation, an unknown preset and a negative temperature.
    """

    games_at_once = GAMES_AT_ONCE

    def __init__(
        self,
        agent: Agent | Evaluator,
        simulations: int,
        *,
        preset: str = "lc0",
        temperature: float = 0.0,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        check_count("simulations", simulations)
        if not 0 <= temperature < float("inf"):
            raise ValueError(f"temperature is {temperature}; it must be a number from 0 up")
        settings_for(preset, {})
        self.name = name or f"{getattr(agent, 'name', 'network')}@{simulations}"
        self.simulations = simulations
        self.agent = agent
        self._preset, self._temperature, self._seed = preset, temperature, seed

    def choose(self, games: Sequence[Game]) -> list[chess.Move | Forfeit]:
        """One search a game, all of them as one batch."""
        boards = [game.board for game in games]
        trees = search(
            self.agent, boards, simulations=self.simulations, preset=self._preset, noise_fraction=0.0, gumbel_noise=0.0
        )
        if not self._temperature:
            return [tree.best_move for tree in trees]
        return [self._drawn(game, tree) for game, tree in zip(games, trees, strict=True)]

    def _drawn(self, game: Game, tree: Tree) -> chess.Move:
        edges = tree.root.edges
        weights = np.array([edge.visits for edge in edges], dtype=np.float64)
        if not weights.any():
            weights = np.array([edge.prior for edge in edges], dtype=np.float64)
        weights = (weights / weights.max()) ** (1 / self._temperature)
        return edges[int(_dice(self._seed, game).choice(len(edges), p=weights / weights.sum()))].move

    def close(self) -> None:
        """Nothing to give back."""


class RandomMover:
    """All legal moves are equally likely."""

    games_at_once = GAMES_AT_ONCE

    def __init__(self, seed: int = 0, name: str = "random") -> None:
        self.name = name
        self._seed = seed

    def choose(self, games: Sequence[Game]) -> list[chess.Move | Forfeit]:
        """A move for each game, by seed, number of the game and ply."""
        return [_any_of(list(game.board.legal_moves), _dice(self._seed, game)) for game in games]

    def close(self) -> None:
        """Nothing to give back."""


class MaterialTaker:
    """Looks one ply ahead and takes what it can.

    A move that mates is played.  Else the move that wins most at once: what it captures (pawn 1, knight and bishop 3,
    rook 5, queen 9, whether or not the piece is taken back) and, with a promotion, what the new piece is worth beyond
    the pawn.  Among equals, and where nothing is to be won, all moves are equally likely.
    """

    games_at_once = GAMES_AT_ONCE

    def __init__(self, seed: int = 0, name: str = "material") -> None:
        self.name = name
        self._seed = seed

    def choose(self, games: Sequence[Game]) -> list[chess.Move | Forfeit]:
        """A move for each game, by seed, number of the game and ply."""
        return [_any_of(_greediest(game.board), _dice(self._seed, game)) for game in games]

    def close(self) -> None:
        """Nothing to give back."""


_WORTH = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9, chess.KING: 0}


def _greediest(board: chess.Board) -> list[chess.Move]:
    moves = list(board.legal_moves)
    mates = [move for move in moves if board.gives_check(move) and _mates(board, move)]
    if mates:
        return mates
    gains = [_gain(board, move) for move in moves]
    return [move for move, gain in zip(moves, gains, strict=True) if gain == max(gains)]


def _mates(board: chess.Board, move: chess.Move) -> bool:
    after = board.copy(stack=False)
    after.push(move)
    return after.is_checkmate()


def _gain(board: chess.Board, move: chess.Move) -> int:
    gain = _WORTH[move.promotion] - _WORTH[chess.PAWN] if move.promotion else 0
    if board.is_en_passant(move):
        return gain + _WORTH[chess.PAWN]
    if board.is_capture(move):
        gain += _WORTH[board.piece_type_at(move.to_square) or chess.KING]
    return gain


def _any_of(moves: Sequence[chess.Move], dice: np.random.Generator) -> chess.Move:
    return moves[int(dice.integers(len(moves)))]


def _dice(seed: int, game: Game) -> np.random.Generator:
    return np.random.default_rng([seed, game.number, len(game.board.move_stack)])
