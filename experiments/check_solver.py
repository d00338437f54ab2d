"""Check: the sparsest-vector programme against its formulation in cvxpy, on random and degenerate instances.

    python -m experiments.check_solver [--instances 500] [--seed 0]

Every instance is solved by `conceptmine.minimal_vector` with the simplex method and with HiGHS, and written down in
cvxpy and given to Clarabel. Statuses must be the same, and objectives up to 1e-6, and the first two must give the same
vector up to 1e-6. Kinds of instance are drawn with all of these in turn: duplicate rows, duplicate and constant
features, rows of zeros, contradictory pairs, no rows, one row, more rows than features, integers with many ties,
float16, and NaN, which must be refused. A third is solved with a slack, a quarter with v ≥ 0. Exits with 1 where
anything disagrees.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from typing import Any

import cvxpy
import numpy as np
from numpy.typing import NDArray

from conceptmine.errors import InputError
from conceptmine.mining import SolverError, minimal_vector

KINDS = (
    "plain",
    "rectified",
    "duplicate rows",
    "duplicate features",
    "constant features",
    "zero row",
    "contradictory pair",
    "no rows",
    "one row",
    "more rows than features",
    "integers",
    "float16",
    "not a number",
)

SAME = 1e-6
"""Largest relative difference of objectives, and of vectors beside their norm, that counts as none."""


@dataclass(frozen=True, eq=False)
class Instance:
    """One programme: its kind, the rows [m, d] and the arguments of `minimal_vector`."""

    kind: str
    rows: NDArray[Any]
    slack: float | None
    nonnegative: bool


def instance(number: int, seed: int = 0) -> Instance:
    """The ``number``-th instance of a seed."""
    generator = np.random.default_rng([seed, number])
    kind = KINDS[number % len(KINDS)]
    rows, features = int(generator.integers(2, 13)), int(generator.integers(4, 41))
    if kind == "more rows than features":
        rows, features = features, rows
    matrix = generator.normal(size=(rows, features))
    if kind == "rectified":
        causes = generator.normal(size=(8, features))
        better, worse = generator.normal(size=(2, rows, 8))
        matrix = np.maximum(better @ causes, 0) - np.maximum(worse @ causes, 0)
    elif kind == "duplicate rows":
        matrix = matrix[generator.integers(rows, size=2 * rows)]
    elif kind == "duplicate features":
        matrix = matrix[:, generator.integers(features, size=2 * features)]
    elif kind == "constant features":
        matrix[:, generator.random(features) < 0.5] = 0.0
        matrix[:, 0] = 1.0
    elif kind == "zero row":
        matrix[generator.integers(rows)] = 0.0
    elif kind == "contradictory pair":
        matrix[0] = -matrix[-1] * generator.uniform(0.5, 2.0)
    elif kind == "no rows":
        matrix = matrix[:0]
    elif kind == "one row":
        matrix = matrix[:1]
    elif kind == "integers":
        matrix = generator.integers(-2, 3, size=(rows, features)).astype(np.float64)
    elif kind == "float16":
        matrix = matrix.astype(np.float16)
    elif kind == "not a number":
        matrix[generator.integers(rows), generator.integers(features)] = np.nan
    slack = float(10.0 ** generator.uniform(-1.5, 1.5)) if generator.random() < 1 / 3 else None
    return Instance(kind, matrix, slack, bool(generator.random() < 1 / 4))


def by_cvxpy(given: Instance) -> tuple[str, float]:
    """(status, objective) by the formulation in cvxpy; "infeasible" and infinity where there is no vector."""
    matrix = given.rows.astype(np.float64)
    if len(matrix) == 0:
        matrix = np.zeros((1, matrix.shape[1]))  # cvxpy takes no empty constraint: 0 · v ≥ 0 says as little
        margins = np.zeros(1)
    else:
        margins = np.ones(len(matrix))
    vector = cvxpy.Variable(matrix.shape[1], nonneg=given.nonnegative)
    if given.slack is None:
        problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.norm1(vector)), [matrix @ vector >= margins])
    else:
        hinges = cvxpy.sum(cvxpy.pos(margins - matrix @ vector))
        problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.norm1(vector) + given.slack * hinges))
    problem.solve(solver=cvxpy.CLARABEL)
    return str(problem.status), float(problem.value)


def disagreement(given: Instance) -> str | None:
    """What the solvers say differently about an instance, in words; None where they agree."""
    try:
        first, second = (
            minimal_vector(given.rows, slack=given.slack, nonnegative=given.nonnegative, method=method)
            for method in ("simplex", "highs")
        )
    except SolverError as error:
        return f"no certificate: {error}"
    except InputError as error:
        return None if given.kind == "not a number" else f"refused: {error}"
    if given.kind == "not a number":
        return "NaN was not refused"
    status, objective = by_cvxpy(given)
    if not first.status == second.status == status:
        return f"status {first.status} (simplex), {second.status} (HiGHS), {status} (cvxpy)"
    if first.vector is None or second.vector is None:
        return None
    if max(first.gap, second.gap) > 1e-9:
        return f"a gap of {first.gap:.1e} (simplex), {second.gap:.1e} (HiGHS)"
    if abs(first.objective - objective) > SAME * max(1.0, objective):
        return f"objective {first.objective} (simplex), {objective} (cvxpy)"
    apart = float(np.abs(first.vector - second.vector).max())
    if apart > SAME * max(1.0, objective):
        return f"vectors of simplex and HiGHS {apart:.1e} apart"
    return None


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Hold the solver against its formulation in cvxpy.")
    parser.add_argument("--instances", type=int, default=500, help="how many (default 500)")
    parser.add_argument("--seed", type=int, default=0, help="of the instances")
    arguments = parser.parse_args()
    begun = time.monotonic()
    wrong = 0
    statuses: dict[str, int] = {}
    for number in range(arguments.instances):
        given = instance(number, arguments.seed)
        found = disagreement(given)
        if found:
            status = "disagreement"
        elif given.kind == "not a number":
            status = "refused"
        else:
            status = minimal_vector(given.rows, slack=given.slack, nonnegative=given.nonnegative).status
        statuses[status] = statuses.get(status, 0) + 1
        if found:
            wrong += 1
            print(f"instance {number} ({given.kind}, slack {given.slack}, v ≥ 0 {given.nonnegative}): {found}")
    counts = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    print(f"{arguments.instances} instances in {time.monotonic() - begun:.0f} s: {counts}.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
