"""What the stage "mining" solves for single roots, and what every vector that it finds is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from conceptmine.activations import ActivationStore
from conceptmine.mining import SolverError, minimal_vector
from conceptmine.pipeline.pairs import PairTable, differences

PLAYERS = ("one", "two")


@dataclass(frozen=True)
class Programme:
    """One convex programme: the layer, the rule, the places of its roots and the rows of the pair table."""

    layer: str
    players: str
    horizon: int
    roots: tuple[int, ...]
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class SolveTask:
    """Programmes that one worker solves."""

    store: str
    pairs: PairTable
    programmes: tuple[Programme, ...]


@dataclass(frozen=True)
class Solved:
    """An answer, with the programme it is the answer to.

    ``status`` as in `mining.Solution`, or "failed" where the solver could prove nothing. The rest is of optimal ones:
    the ``vector`` [d] that scores best lines above subpar ones, the ``multipliers`` [rows] and the ``scores`` [rows] of
    the programme's rows, and ``active_share``, the share of roots whose lines show an active plan (see `active_roots`).
    Infeasible ones have the ``witness`` [rows]: weights, 1 in all, under which the rows cancel.
    """

    programme: Programme
    status: str
    vector: NDArray[np.float64] | None = None
    objective: float = np.inf
    gap: float = np.nan
    multipliers: NDArray[np.float64] | None = None
    scores: NDArray[np.float64] | None = None
    prophylactic: bool = False
    active_share: float = np.nan
    witness: NDArray[np.float64] | None = None


def root_programmes(
    pairs: PairTable, mined: Sequence[int], layers: Sequence[str], horizons: Sequence[int]
) -> list[Programme]:
    """A programme for each root that has rows, at each layer, horizon and choice of players."""
    return [
        Programme(layer, players, horizon, (place,), rows)
        for layer in layers
        for horizon in horizons
        for players in PLAYERS
        for place in mined
        if len(rows := pairs.rows(place, horizon, players))
    ]


def solve_programmes(task: SolveTask) -> list[Solved]:
    """The hard programme of each, in order."""
    store = ActivationStore.open(Path(task.store))
    return [_solve(store, task.pairs, programme) for programme in task.programmes]


def _solve(store: ActivationStore, pairs: PairTable, programme: Programme) -> Solved:
    rows = differences(store, programme.layer, pairs, programme.rows).astype(np.float64)
    try:
        solution = minimal_vector(rows)
    except SolverError:
        return Solved(programme, "failed")
    if solution.vector is None or solution.dual is None:
        return Solved(programme, "infeasible", witness=solution.witness)
    return solved(store, pairs, programme, rows, solution.vector, solution.objective, solution.gap, solution.dual)


def solved(
    store: ActivationStore,
    pairs: PairTable,
    programme: Programme,
    rows: NDArray[np.float64],
    vector: NDArray[np.float64],
    objective: float,
    gap: float,
    multipliers: NDArray[np.float64],
) -> Solved:
    """An optimal answer, with its kind read from the lines; ``rows`` are the programme's differences [rows, d]."""
    rise, avoided = _rises(store, pairs, programme, vector)
    return Solved(
        programme,
        "optimal",
        vector,
        objective,
        gap,
        multipliers,
        rows @ vector,
        prophylactic=bool(len(rise) and avoided.mean() > rise.mean()),
        active_share=float(np.mean(rise >= avoided)) if len(rise) else np.nan,
    )


def _rises(
    store: ActivationStore, pairs: PairTable, programme: Programme, vector: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How much v rises from the root along the best line, and −v along the subpar lines: means by root, each [roots].

    Read at even plies only: at odd ones the planes show the other player's side, and scores cannot be compared with the
    root's. Roots without such rows are left out.
    """
    rows = programme.rows[pairs.ply[programme.rows] % 2 == 0]
    if len(rows) == 0:
        return np.zeros(0), np.zeros(0)
    start = store.rows(programme.layer, pairs.root_state[pairs.position[rows]]) @ vector
    rise = store.rows(programme.layer, pairs.plus[rows]) @ vector - start
    avoided = start - store.rows(programme.layer, pairs.minus[rows]) @ vector
    _, owner = np.unique(pairs.position[rows], return_inverse=True)
    counts = np.bincount(owner)
    return np.bincount(owner, rise) / counts, np.bincount(owner, avoided) / counts


__all__ = ["PLAYERS", "Programme", "SolveTask", "Solved", "root_programmes", "solve_programmes", "solved"]
