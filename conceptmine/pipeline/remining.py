"""Mining again for comparison: each programme with its trees shuffled, and with either half of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from conceptmine.activations import ActivationStore
from conceptmine.mining import SolverError, joint_solution, minimal_vector
from conceptmine.pipeline.context import RunContext, chunks

_RETRIES_A_TASK = 16


@dataclass(frozen=True)
class Retry:
    """Pairs of states to mine from at a layer: int64 [rows] each.

    ``ratio``: the price of slack in multiples of the critical one of these rows; None for the hard programme.
    """

    layer: str
    plus: NDArray[np.int64]
    minus: NDArray[np.int64]
    ratio: float | None


@dataclass(frozen=True)
class Sparse:
    """A vector by its entries that are not 0."""

    features: NDArray[np.int64]
    weights: NDArray[np.float64]

    def dense(self, width: int) -> NDArray[np.float64]:
        """Float64 [width]."""
        vector = np.zeros(width)
        vector[self.features] = self.weights
        return vector


@dataclass(frozen=True)
class _Task:
    store: str
    retries: tuple[Retry, ...]


def mine_again(context: RunContext, retries: Sequence[Retry]) -> list[Sparse | None]:
    """The sparsest vector of each retry; None where there is none, or no row."""
    store = str(context.scratch("states"))
    tasks = [_Task(store, tuple(retries[i] for i in part)) for part in chunks(_RETRIES_A_TASK, len(retries))]
    return [found for batch in context.workers.map(_solve, tasks) for found in batch]


def _solve(task: _Task) -> list[Sparse | None]:
    store = ActivationStore.open(Path(task.store))
    return [_solve_one(store, retry) for retry in task.retries]


def _solve_one(store: ActivationStore, retry: Retry) -> Sparse | None:
    if len(retry.plus) == 0:
        return None
    rows = store.rows(retry.layer, retry.plus) - store.rows(retry.layer, retry.minus)
    try:
        solution = minimal_vector(rows) if retry.ratio is None else joint_solution(rows, retry.ratio)[1]
    except SolverError:
        return None
    if solution.vector is None:
        return None
    features = np.flatnonzero(solution.vector)
    return Sparse(features, solution.vector[features])


__all__ = ["Retry", "Sparse", "mine_again"]
