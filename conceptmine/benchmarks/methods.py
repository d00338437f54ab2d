"""The mining methods that are compared, each with what it is given and what it gives.

Every method gets the rows of the same roots, at all features, and the same groups of roots; it gives candidates, all of
which go through the same evidence, so that a method that offers more pays for it by multiplicity. Where a method has a
price of its errors to set, it offers its directions at two prices fixed beforehand instead of having one chosen for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conceptmine.benchmarks.grouping import groups_of
from conceptmine.benchmarks.planting import PlantedRows
from conceptmine.benchmarks.probes import logistic_probe, mean_difference, principal_components, support_vector
from conceptmine.mining import SolverError, minimal_vector
from conceptmine.mining.clustering import agreement_matrix, all_roots, cluster_roots
from conceptmine.mining.families import mine_families, solve_family
from conceptmine.mining.prices import joint_solution
from conceptmine.mining.roots import RootRows

__all__ = ["METHODS", "PENALTIES", "SLACKS", "Candidates", "Task", "candidates_of", "task_of"]

SLACKS: Final = (3.0, 10.0)
"""Prices of the soft sparsest vector, in units of the price below which it is zero."""

PENALTIES: Final = (0.1, 1.0)
"""Prices of the linear SVM and the logistic probe, in units of one over the rows' mean squared length."""

_FEWEST_ROOTS: Final = 8  # of a family, as in a run

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Task:
    """What a method mines: differences float64 [r, p, d] of the mining roots, and groups of them, that of all first."""

    differences: Matrix
    groups: Sequence[NDArray[np.int64]]

    def rows(self, group: NDArray[np.int64]) -> Matrix:
        """All rows of a group, float64 [n, d]."""
        chosen: Matrix = self.differences[group].reshape(-1, self.differences.shape[-1])
        return chosen


@dataclass(frozen=True, eq=False)
class Candidates:
    """What a method gave: vectors float64 [c, d], none of them zero, and the seconds that it took."""

    vectors: Matrix
    seconds: float


def _one_root(task: Task) -> list[Matrix]:
    """The paper's form: min ‖v‖₁ subject to d·v ≥ 1 for the rows of one root; a root without a solution gives none."""
    return [vector for vector in map(_alone, task.differences) if vector is not None]


def _alone(rows: Matrix) -> Matrix | None:
    """The sparsest vector of a root's rows; None where there is none, or where the solver can prove nothing."""
    try:
        return minimal_vector(rows).vector
    except SolverError:
        return None


def _joint(task: Task) -> list[Matrix]:
    """One sparse vector for many roots: the soft programme, on each group at each price."""
    found = []
    for group in task.groups:
        for price in SLACKS:
            with suppress(SolverError):
                found.append(joint_solution(task.rows(group), price)[1].vector)
    return [vector for vector in found if vector is not None]


def _families(task: Task) -> list[Matrix]:
    """Ours: roots clustered by whose one-root vectors order whose rows, solved jointly at a cross-validated price."""
    roots, plies, features = task.differences.shape
    alone = [_alone(rows) for rows in task.differences]
    vectors = np.array([np.zeros(features) if vector is None else vector for vector in alone])
    rows_of = RootRows.of(task.rows(task.groups[0]), np.repeat(np.arange(roots), plies))
    agreement = agreement_matrix(vectors, rows_of)
    found = []
    with suppress(SolverError):
        found.append(solve_family(rows_of, all_roots(agreement)))
    with suppress(SolverError):
        found += mine_families(rows_of, cluster_roots(agreement, least=_FEWEST_ROOTS), least=_FEWEST_ROOTS)
    return [family.vector for family in found]


def _support_vector(task: Task) -> list[Matrix]:
    return [support_vector(task.rows(group), price) for group in task.groups for price in PENALTIES]


def _logistic(task: Task) -> list[Matrix]:
    return [logistic_probe(task.rows(group), price) for group in task.groups for price in PENALTIES]


def _mean_difference(task: Task) -> list[Matrix]:
    return [mean_difference(task.rows(group)) for group in task.groups]


def _principal(task: Task) -> list[Matrix]:
    """As many components as there are groups and prices, which is what the other pooled methods offer."""
    return list(principal_components(task.rows(task.groups[0]), len(task.groups) * len(PENALTIES)))


METHODS: Final[dict[str, Callable[[Task], list[Matrix]]]] = {
    "L1, one root": _one_root,
    "L1, joint": _joint,
    "L1, families": _families,
    "SVM": _support_vector,
    "logistic probe": _logistic,
    "mean difference": _mean_difference,
    "PCA": _principal,
}
"""By name, in the order of the tables."""


def task_of(rows: PlantedRows, clusters: int, seed: int) -> Task:
    """The mining side of planted rows, with its groups (see `groups_of`)."""
    differences = rows.differences(rows.mined)
    return Task(differences, groups_of(differences, clusters, seed=seed))


def candidates_of(method: Callable[[Task], list[Matrix]], task: Task) -> Candidates:
    """Run a method, leave out vectors that are zero, and take the time."""
    begun = time.perf_counter()
    found = [vector for vector in method(task) if vector.any()]
    seconds = time.perf_counter() - begun
    return Candidates(np.array(found).reshape(len(found), task.differences.shape[-1]), seconds)
