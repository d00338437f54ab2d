"""How many points of a test suite an agent gets, steered or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import chess
import numpy as np
from numpy.typing import NDArray

from conceptmine.contrast.known import SuitePuzzle
from conceptmine.errors import InputError
from engines.networks import Evaluation
from engines.search import search
from engines.search.growing import Evaluator

__all__ = ["SuiteScore", "suite_score"]


@dataclass(frozen=True, eq=False)
class SuiteScore:
    """What an agent got.

    Attributes:
        moves: its move in each puzzle.
        points: float64 [n] in [0, 1], what each was worth.
    """

    moves: tuple[chess.Move, ...]
    points: NDArray[np.float64]

    @property
    def share(self) -> float:
        """The mean, in [0, 1]."""
        return float(self.points.mean())


class _Evaluating(Evaluator, Protocol):
    """What a suite asks of an agent; `engines.networks.Agent` and `SteeredAgent` have it."""

    @property
    def evaluate(self) -> Any:
        """Boards to an `Evaluation`."""


def suite_score(
    agent: _Evaluating, suite: Sequence[SuitePuzzle], *, simulations: int | None = None, seed: int = 0
) -> SuiteScore:
    """Let an agent, steered or not, choose a move in every puzzle.

    Args:
        agent: from `engines.load_agent` or `steered`.
        suite: n ≥ 1 puzzles, as from `conceptmine.contrast.known.read_suite`.
        simulations: None takes the first choice of the policy; otherwise each puzzle is searched with so many visits.
        seed: of the search.

    Raises:
        InputError: no puzzles.
    """
    if not suite:
        raise InputError("The suite is empty: give at least one puzzle.")
    boards = [puzzle.board for puzzle in suite]
    if simulations is None:
        evaluation: Evaluation = agent.evaluate(boards)
        moves = [max(policy, key=policy.__getitem__) for policy in evaluation.policy]
    else:
        moves = [tree.best_move for tree in search(agent, boards, simulations=simulations, seed=seed)]
    points = [puzzle.points.get(move, 0.0) for puzzle, move in zip(suite, moves, strict=True)]
    return SuiteScore(tuple(moves), np.array(points))
