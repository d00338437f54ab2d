"""Mining again for comparison: each programme with its trees shuffled, and with either half of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from conceptmine.activations import ActivationStore
from conceptmine.mining import SolverError, minimal_vector
from conceptmine.pipeline.context import RunContext, chunks

MOST_ROWS = 400
"""Programmes with more rows are not mined again."""

_PROGRAMMES_A_TASK = 16


@dataclass(frozen=True)
class Programme:
    """Pairs of states to mine from at a layer: int64 [rows] each."""

    layer: str
    plus: NDArray[np.int64]
    minus: NDArray[np.int64]


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
    programmes: tuple[Programme, ...]


def mine_again(context: RunContext, programmes: Sequence[Programme]) -> list[Sparse | None]:
    """The sparsest vector of each programme; None where there is none, no row, or more than `MOST_ROWS`."""
    store = str(context.scratch("states"))
    tasks = [_Task(store, tuple(programmes[i] for i in part)) for part in chunks(_PROGRAMMES_A_TASK, len(programmes))]
    return [found for batch in context.workers.map(_solve, tasks) for found in batch]


def _solve(task: _Task) -> list[Sparse | None]:
    store = ActivationStore.open(Path(task.store))
    return [_solve_one(store, programme) for programme in task.programmes]


def _solve_one(store: ActivationStore, programme: Programme) -> Sparse | None:
    if not 0 < len(programme.plus) <= MOST_ROWS:
        return None
    rows = store.rows(programme.layer, programme.plus) - store.rows(programme.layer, programme.minus)
    try:
        vector = minimal_vector(rows).vector
    except SolverError:
        return None
    if vector is None:
        return None
    features = np.flatnonzero(vector)
    return Sparse(features, vector[features])


__all__ = ["MOST_ROWS", "Programme", "Sparse", "mine_again"]
