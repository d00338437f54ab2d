"""Families of roots in the stage "mining": clusters that agree, and all roots together, each with one soft vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from conceptmine.activations import ActivationStore
from conceptmine.mining import (
    Family,
    RootRows,
    SolverError,
    Stability,
    agreement_matrix,
    all_roots,
    bootstrap_stability,
    cluster_roots,
    mine_families,
)
from conceptmine.pipeline.pairs import PairTable, differences
from conceptmine.pipeline.programmes import PLAYERS, Programme, Solved, solved
from conceptmine.pipeline.settings import MiningSettings
from conceptmine.positions import stable_rank


@dataclass(frozen=True)
class FamilyTask:
    """The families of one layer, horizon and choice of players: of clusters, or the one of all roots.

    ``roots`` are places in the pair table, ``vectors`` float64 [roots, d] their own vectors (zeros where there
    is none).
    """

    store: str
    pairs: PairTable
    settings: MiningSettings
    layer: str
    players: str
    horizon: int
    roots: tuple[int, ...]
    vectors: NDArray[np.float64]
    together: bool


@dataclass(frozen=True)
class SolvedFamily:
    """The answer to the joint programme, and how the family came about (see `mining.families` and its neighbours).

    ``stability`` is None where the solver could prove nothing about a resample.
    """

    answer: Solved
    family: Family
    stability: Stability | None


def family_tasks(
    store: str, pairs: PairTable, settings: MiningSettings, one_root: Sequence[Solved]
) -> list[FamilyTask]:
    """Two tasks for each layer and choice of players, at the shortest horizon, for at most ``family_most`` roots.

    Longer lines are left to single roots: rows add up, and they have up to nine times as many. So are roots beyond that
    number: the time of a joint programme grows faster than its rows. Which they are depends on the seed alone.
    """
    horizon = min(settings.horizons)
    tasks: list[FamilyTask] = []
    for layer in settings.layers:
        for players in PLAYERS:
            answers = [
                answer
                for answer in one_root
                if (answer.programme.layer, answer.programme.players, answer.programme.horizon)
                == (layer, players, horizon)
            ]
            if len(answers) > settings.family_most:
                order = sorted(
                    range(len(answers)),
                    key=lambda i: stable_rank(settings.seed, "family", pairs.positions[answers[i].programme.roots[0]]),
                )
                answers = [answers[i] for i in sorted(order[: settings.family_most])]
            found = next((answer.vector for answer in answers if answer.vector is not None), None)
            if found is None or len(answers) < max(2, settings.family_least):
                continue
            vectors = np.array([np.zeros_like(found) if answer.vector is None else answer.vector for answer in answers])
            roots = tuple(answer.programme.roots[0] for answer in answers)
            tasks += [
                FamilyTask(store, pairs, settings, layer, players, horizon, roots, vectors, together)
                for together in (True, False)
            ]
    return tasks


def solve_families(task: FamilyTask) -> tuple[list[SolvedFamily], int]:
    """The families of a task whose vectors are not zero, and how many the solver could prove nothing about."""
    settings = task.settings
    store = ActivationStore.open(Path(task.store))
    by_root = [task.pairs.rows(root, task.horizon, task.players) for root in task.roots]
    places = np.concatenate(by_root)
    owner = np.repeat(np.arange(len(by_root)), [len(rows) for rows in by_root])
    rows = RootRows.of(differences(store, task.layer, task.pairs, places), owner)
    agreement = agreement_matrix(task.vectors, rows)
    null = {"flips": settings.family_flips, "seed": settings.seed}
    unproved: list[SolverError] = []
    # All roots together are one cluster whose roots stay.
    families = mine_families(
        rows,
        [all_roots(agreement, **null)]
        if task.together
        else cluster_roots(agreement, least=settings.family_least, **null),
        least=settings.family_least,
        rounds=0 if task.together else settings.family_rounds,
        ratios=settings.family_prices,
        folds=settings.family_folds,
        seed=settings.seed,
        failed=unproved.append,
    )
    return [_described(task, store, rows, places, family) for family in families if family.vector.any()], len(unproved)


def _described(
    task: FamilyTask, store: ActivationStore, rows: RootRows, places: NDArray[np.int64], family: Family
) -> SolvedFamily:
    solution, own = family.solution, rows.places(family.members)
    assert solution.dual is not None  # the soft programme always has an optimum
    members = tuple(task.roots[member] for member in family.members)
    programme = Programme(task.layer, task.players, task.horizon, members, places[own])
    return SolvedFamily(
        solved(
            store,
            task.pairs,
            programme,
            rows.differences[own],
            family.vector,
            solution.objective,
            solution.gap,
            solution.dual,
        ),
        family,
        _stability(task, rows, family),
    )


def _stability(task: FamilyTask, rows: RootRows, family: Family) -> Stability | None:
    try:
        return bootstrap_stability(rows, family, resamples=task.settings.family_resamples, seed=task.settings.seed)
    except SolverError:
        return None


__all__ = ["FamilyTask", "SolvedFamily", "family_tasks", "solve_families"]
