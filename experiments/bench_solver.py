"""Benchmark: the sparsest-vector programme (Schut et al., eqs 4 and 5) by three solvers, on the same instances.

    python -m experiments.bench_solver [--rounds 3] [--budget 45] [--out solver.json]

The table gives, for each size, the time of `conceptmine.minimal_vector` and what scipy (HiGHS on the primal programme
with v = p - q) and cvxpy (the paper's own formulation, its default solver) take on the same matrix, as multiples of it.
Sizes are those of the method: features 4,096 (64 channels) and 16,384 (the paper's layer 19); 5 and 20 rows, 45 rows
(all rows of a tree with T = 10 and both players) and 100 (two trees and a part of a third).

The matrices imitate differences of rectified activations along the lines of search trees: few causes behind many
features, a tenth of the causes changed by a move, subpar lines that share their beginning with the best one, and exact
zeros where both positions are rectified away; rows of one line are strongly correlated. Solvers take turns within a
round, so that a machine that is slow for a while is slow for all of them; the multiples are taken round by round, and
the table shows their median. All must reach the same optimum. A solver that took long is not asked again once the time
is used up.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cvxpy
import numpy as np
import scipy
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import linprog

from conceptmine import minimal_vector
from conceptmine.runfolder import write_bytes

Matrix = NDArray[np.float64]

SIZES = ((4096, 5), (4096, 20), (4096, 45), (4096, 100), (16384, 5), (16384, 20), (16384, 45), (16384, 100))
"""Features and rows of the instances, smallest first."""

CAUSES = 256
"""Independent causes behind the features of an instance: activations of one layer are strongly correlated."""

REACH = 0.1
"""Share of the causes that a feature depends on: a square's activations hang on what stands near it."""

MOVED = 0.1
"""Share of the causes that a move changes: positions a few plies apart have most in common."""

HORIZON = 10
PLIES_AFTER_BRANCH = 5

SAME_OPTIMUM = 1e-5
"""Largest relative difference of two objectives that counts as the same optimum; interior points stop near 1e-8."""


@dataclass(frozen=True)
class Measurement:
    """One solver on one instance, once: wall time in seconds and the ‖v‖₁ that it reached."""

    features: int
    rows: int
    solver: str
    round: int
    seconds: float
    objective: float


def differences(features: int, rows: int, seed: int) -> Matrix:
    """Rows of imitated trees, z⁺ − z⁻ ply by ply, float64 [rows, features], about a third zeros."""
    generator = np.random.default_rng([seed, features, rows])
    effects = generator.standard_normal((CAUSES, features)) * (generator.random((CAUSES, features)) < REACH)
    effects *= 1.0 / np.sqrt(CAUSES * REACH)
    threshold = 0.3 * generator.standard_normal(features)

    def activations(causes: Matrix) -> Matrix:
        return np.maximum(causes @ effects - threshold, 0.0)

    def walk(start: Matrix, plies: int) -> Matrix:
        """Causes after each of so many moves, each of which changes a tenth of them."""
        states = [start]
        for _ in range(plies):
            moved = generator.random(CAUSES) < MOVED
            states.append(np.where(moved, generator.standard_normal(CAUSES), states[-1]))
        return np.array(states)

    parts: list[Matrix] = []
    while sum(map(len, parts)) < rows:
        best = walk(generator.standard_normal(CAUSES), HORIZON)
        for branch in range(HORIZON - PLIES_AFTER_BRANCH + 1):
            subpar = walk(best[branch], HORIZON - branch)
            parts.append(activations(best[branch + 1 :]) - activations(subpar[1:]))
    return np.concatenate(parts)[:rows]


def by_conceptmine(matrix: Matrix) -> float:
    """‖v‖₁ by `conceptmine.minimal_vector`."""
    return minimal_vector(matrix).objective


def by_scipy(matrix: Matrix) -> float:
    """‖v‖₁ by HiGHS on the primal programme: min 1·(p + q) subject to D (p − q) ≥ 1, p, q ≥ 0."""
    rows, features = matrix.shape
    answer = linprog(np.ones(2 * features), A_ub=np.hstack([-matrix, matrix]), b_ub=-np.ones(rows), method="highs")
    return float(answer.fun)


def by_cvxpy(matrix: Matrix) -> float:
    """‖v‖₁ by cvxpy with the solver that it chooses itself."""
    vector = cvxpy.Variable(matrix.shape[1])
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.norm1(vector)), [matrix @ vector >= 1])
    problem.solve()
    return float(problem.value)


SOLVERS: dict[str, Callable[[Matrix], float]] = {
    "conceptmine": by_conceptmine,
    "scipy HiGHS": by_scipy,
    "cvxpy": by_cvxpy,
}


def measure(rounds: int, budget: float, seed: int) -> list[Measurement]:
    """Every solver on every instance, in rounds, for about ``budget`` seconds; each at least once.

    A solver sits out where its last time on the instance no longer fits into what is left.
    """
    begun = time.monotonic()
    for solve in SOLVERS.values():
        solve(differences(512, 5, seed))  # imports and first calls are not what is measured
    instances = {(features, rows): differences(features, rows, seed) for features, rows in SIZES}
    found: list[Measurement] = []
    last: dict[tuple[int, int, str], float] = {}
    for number in range(rounds):
        for (features, rows), matrix in instances.items():
            for name, solve in SOLVERS.items():
                left = budget - (time.monotonic() - begun)
                if number and last[features, rows, name] > left:
                    continue
                start = time.perf_counter()
                objective = solve(matrix)
                seconds = time.perf_counter() - start
                last[features, rows, name] = seconds
                found.append(Measurement(features, rows, name, number, seconds, objective))
    return found


def check_optima(measurements: list[Measurement]) -> None:
    """Raise RuntimeError if two solvers disagree on the optimum of an instance."""
    for features, rows in SIZES:
        objectives = [m.objective for m in measurements if (m.features, m.rows) == (features, rows)]
        if max(objectives) - min(objectives) > SAME_OPTIMUM * max(objectives):
            raise RuntimeError(f"the solvers disagree on the optimum at {features} x {rows}: {objectives}")


def multiples(measurements: list[Measurement], features: int, rows: int, solver: str) -> list[float]:
    """Time of a solver divided by ours, round by round."""
    times = {(m.solver, m.round): m.seconds for m in measurements if (m.features, m.rows) == (features, rows)}
    return [
        seconds / times["conceptmine", number]
        for (name, number), seconds in times.items()
        if name == solver and ("conceptmine", number) in times
    ]


def show(measurements: list[Measurement], console: Console) -> None:
    """Print the table."""
    table = Table(title="Sparsest vector: time, and other solvers as multiples of it (median and range)")
    others = [name for name in SOLVERS if name != "conceptmine"]
    for heading in ("features × rows", "conceptmine", *(f"{name} ÷" for name in others), "rounds"):
        table.add_column(heading, justify="right")
    for features, rows in SIZES:
        ours = [m for m in measurements if (m.features, m.rows, m.solver) == (features, rows, "conceptmine")]
        cells = [f"{features:,} × {rows}", f"{1000 * statistics.median(m.seconds for m in ours):.1f} ms"]
        for name in others:
            found = multiples(measurements, features, rows, name)
            cells.append(f"{statistics.median(found):,.0f} ({min(found):,.0f}–{max(found):,.0f})")
        table.add_row(*cells, str(len(ours)))
    console.print(table)
    console.print(f"Load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Time the sparsest-vector programme by three solvers.")
    parser.add_argument("--rounds", type=int, default=3, help="how often each solver is asked (default 3)")
    parser.add_argument("--budget", type=float, default=45.0, help="seconds after which no further round begins")
    parser.add_argument("--seed", type=int, default=0, help="of the matrices")
    parser.add_argument("--out", type=Path, help="write all measurements to this file, as JSON")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error(f"--rounds is {arguments.rounds}: give at least 1")
    measurements = measure(arguments.rounds, arguments.budget, arguments.seed)
    check_optima(measurements)
    show(measurements, Console())
    if arguments.out is not None:
        versions = {"cvxpy": cvxpy.__version__, "numpy": np.__version__, "scipy": scipy.__version__}
        record = {
            "benchmark": "solver",
            "python": platform.python_version(),
            "versions": versions,
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
            "seed": arguments.seed,
            "measurements": [asdict(measurement) for measurement in measurements],
        }
        write_bytes(arguments.out, (json.dumps(record, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
