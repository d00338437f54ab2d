"""Amplification: does moving a layer along a theme's vector make the network score more on that theme's puzzles?

z̃ = (1 − α) z + αβ (‖z‖ / ‖v‖) v at one layer, in every evaluation (the paper's section 5.1.3). Puzzles score points of
the move that the steered network likes best. Vectors are mined from the other folds of the theme's puzzles, so that
none is scored on a puzzle it was mined from. Controls have the same α, β and norm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import chess
import numpy as np
from numpy.typing import NDArray

from conceptmine.contrast.known import SuitePuzzle
from engines.networks import Evaluation
from experiments.known.judging import random_sparse
from experiments.known.themes import ThemeTask

ALPHAS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5)


class Evaluating(Protocol):
    """What is asked of a steered agent."""

    def evaluate(self, boards: Sequence[chess.Board]) -> Evaluation:
        """Evaluate boards."""


Steer = Callable[[str, NDArray[np.float64], float, float], Evaluating]
"""Layer, vector, α and β to the agent steered so."""


@dataclass(frozen=True)
class AmplificationPoint:
    """Mean points, as shares of the full ones, over all puzzles of the themes, at one α and β."""

    layer: str
    beta: float
    alpha: float
    puzzles: int
    concept: float
    random: float
    """Along the vector's entries at random features."""
    other_theme: float
    """Along the vector of the next theme."""
    gain: float
    """Mean over puzzles of the concept's points less those of the random vector."""
    gain_error: float
    """Its standard error over puzzles."""


def amplification_table(
    steer: Steer,
    tasks: Sequence[ThemeTask],
    vectors: Sequence[NDArray[np.float64]],
    puzzles: Sequence[SuitePuzzle],
    betas: Sequence[float],
    alphas: Sequence[float] = ALPHAS,
) -> list[AmplificationPoint]:
    """Scores at each β and α for the tasks of one layer.

    Args:
        steer: makes a steered agent, such as `conceptmine.evidence.steering.steered` with its agent.
        tasks: one a theme, all of one layer; their rows name puzzles by index.
        vectors: for each task one a fold, float64 [folds, d], mined from the rows of the other folds.
        puzzles: the puzzles that rows name.
        betas: lengths of the step, as shares of the activation's own; the paper's is 0.01.
        alphas: strengths; 0 leaves the network as it is.
    """
    generator = np.random.default_rng(tasks[0].seed)
    arms: list[tuple[list[int], dict[str, NDArray[np.float64]]]] = []
    for place, (task, folds) in enumerate(zip(tasks, vectors, strict=True)):
        other = vectors[(place + 1) % len(vectors)]
        alive = np.ptp(task.differences, axis=0) > 0
        for fold, vector in enumerate(folds):
            if not vector.any() or not other[fold].any():
                continue
            directions = {
                "concept": vector,
                "random": random_sparse(vector, alive, 1, generator)[0],
                "other_theme": other[fold],
            }
            arms.append((np.unique(task.puzzle[task.fold == fold]).tolist(), directions))
    found = []
    for beta in betas:
        for alpha in alphas:
            points: dict[str, list[float]] = {name: [] for name in ("concept", "random", "other_theme")}
            for tested, directions in arms:
                chosen = [puzzles[i] for i in tested]
                for name, direction in directions.items():
                    points[name] += _points(steer(tasks[0].layer, direction, alpha, beta), chosen)
            gains = np.array(points["concept"]) - np.array(points["random"])
            found.append(
                AmplificationPoint(
                    layer=tasks[0].layer,
                    beta=beta,
                    alpha=alpha,
                    puzzles=len(gains),
                    **{name: float(np.mean(scores)) for name, scores in points.items()},
                    gain=float(gains.mean()),
                    gain_error=float(gains.std(ddof=1) / np.sqrt(len(gains))),
                )
            )
    return found


def _points(agent: Evaluating, puzzles: Sequence[SuitePuzzle]) -> list[float]:
    policies = agent.evaluate([puzzle.board for puzzle in puzzles]).policy
    moves = [max(policy, key=policy.__getitem__) for policy in policies]
    return [puzzle.points.get(move, 0.0) for puzzle, move in zip(puzzles, moves, strict=True)]
