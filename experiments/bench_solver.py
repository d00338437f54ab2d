"""Benchmark: the sparsest-vector programmes (Schut et al., eqs 1–5) by this solver, cvxpy and scipy, in one run.

    python -m experiments.bench_solver [--slow 60] [--only NAME ...] [--out FOLDER]

Instances are differences along lines of play in a layer of a network with random weights, on positions reached by
random legal moves: see `experiments.solver_instances`. For each one

- *ours* is `conceptmine.minimal_vector` or `separating_vector`, as anybody calls it: the best of several runs, half of
  them before and half after the others, in wall and in processor time;
- *cvxpy* is the paper's formulation with cvxpy's default solver, *HiGHS* is scipy's on the primal programme with
  v = p − q, each once. One that took more than ``--slow`` seconds on a smaller instance of its kind is left out.

Objectives must agree to 1e-6 of their size. Programmes without a solution are counted in a column of their own, and
objective and gap are of the others. The ratio is of processor times, which other users of the machine disturb less.
Peak memory is what the first run of ours allocated at once, beside the activations, in multiples of them, for instances
of 8 MB or more. With --out, all numbers go to bench_solver.json there, and the table to bench_solver.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cvxpy
import numba
import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.optimize import linprog

from conceptmine import minimal_vector, separating_vector
from conceptmine.mining import Solution, StatePairs, minimal_vectors
from conceptmine.runfolder import write_bytes
from experiments.solver_instances import dynamic, supervised

SAME_OBJECTIVE = 1e-6
RUNS = 6
LARGE = 8_000_000
WIDTHS, ROWS = (4096, 8192, 16384), (5, 20, 100, 500)

States = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Case:
    """One instance: its kind and name, how we solve it, and the rows and slack that the others are given."""

    kind: str
    name: str
    size: int
    solve: Callable[[], list[Solution]]
    rivals: bool = True
    differences: States | None = None
    pairs: tuple[States, States] | None = None
    slack: float | None = None


@dataclass
class Line:
    """What was measured on one instance; times in seconds, wall and of the processor."""

    kind: str
    name: str
    wall: float = np.inf
    cpu: float = np.inf
    objective: float = np.nan
    gap: float = np.nan
    infeasible: int = 0
    memory: float | None = None
    rivals: dict[str, dict[str, float]] = field(default_factory=dict)


def cases(only: list[str]) -> list[Case]:
    """All instances, small ones first within a kind."""
    found: list[Case] = []
    wanted = lambda kind: not only or kind in only  # noqa: E731
    if wanted("dynamic"):
        for rows in ROWS:
            for width in WIDTHS:
                matrix = dynamic(width, rows, seed=0)
                found.append(
                    Case(
                        "dynamic",
                        f"{width:,} × {rows}",
                        matrix.nbytes,
                        lambda matrix=matrix: [minimal_vector(matrix)],
                        differences=matrix,
                    )
                )
    if wanted("soft"):
        wide = dynamic(16384, 72, seed=1)
        wide = np.concatenate([wide, *(dynamic(16384, 72, seed=seed) for seed in (2, 3, 4))], axis=1)
        found.append(
            Case(
                "soft",
                "65,536 × 72, C = 1",
                wide.nbytes,
                lambda: [minimal_vector(wide, slack=1.0)],
                differences=wide,
                slack=1.0,
            )
        )
    if wanted("supervised") or wanted("static"):
        above, below = supervised(4096, 1000, seed=0)
        if wanted("supervised"):
            matrix = above[:500] - below[:500]
            for slack in (0.1, 1.0):
                found.append(
                    Case(
                        "supervised",
                        f"4,096 × 500, C = {slack:g}",
                        matrix.nbytes,
                        lambda slack=slack: [minimal_vector(matrix, slack=slack)],
                        differences=matrix,
                        slack=slack,
                    )
                )
        if wanted("static"):
            for count in (100, 1000):
                parts = above[:count], below[:count]
                found.append(
                    Case(
                        "static",
                        f"4,096 × {count} × {count} pairs",
                        2 * parts[0].nbytes,
                        lambda parts=parts: [separating_vector(*parts)],
                        rivals=count <= 100,
                        pairs=parts,
                    )
                )
    if wanted("batch"):
        given = batch()
        found.append(
            Case(
                "batch",
                "2,000 concepts, 4,096 × 20",
                given.states.nbytes,
                lambda: _solved(minimal_vectors(given)),
                False,
            )
        )
    return found


def batch() -> StatePairs:
    """2,000 one-root concepts of 20 rows each, on states shared by ten of them."""
    states = np.concatenate([dynamic(4096, 1000, seed=seed) for seed in (5, 6)])
    generator = np.random.default_rng(0)
    plus = [generator.choice(len(states), 20, replace=False) for _ in range(2000)]
    minus = [generator.choice(len(states), 20, replace=False) for _ in range(2000)]
    return StatePairs(states, plus, minus)


def _solved(answers: list[Any]) -> list[Solution]:
    for answer in answers:
        if not isinstance(answer, Solution):
            raise answer
    return answers


def by_cvxpy(case: Case) -> float:
    """The objective by the paper's formulation and cvxpy's default solver."""
    if case.pairs is not None:
        above, below = (part.astype(np.float64) for part in case.pairs)
        vector, threshold = cvxpy.Variable(above.shape[1]), cvxpy.Variable()
        limits = [above @ vector >= threshold + 1, below @ vector <= threshold]
        problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.norm1(vector)), limits)
    else:
        assert case.differences is not None
        matrix = case.differences.astype(np.float64)
        vector = cvxpy.Variable(matrix.shape[1])
        if case.slack is None:
            problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.norm1(vector)), [matrix @ vector >= 1])
        else:
            hinges = cvxpy.sum(cvxpy.pos(1 - matrix @ vector))
            problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.norm1(vector) + case.slack * hinges))
    problem.solve()
    return float(problem.value)


def by_highs(case: Case) -> float:
    """The objective by scipy's HiGHS, on min 1·(p + q) + C·h subject to D (p − q) ± b + h ≥ margin."""
    if case.pairs is not None:
        above, below = (part.astype(np.float64) for part in case.pairs)
        matrix = np.concatenate([above, -below])
        margins = np.repeat([1.0, 0.0], [len(above), len(below)])
        extra = np.repeat([-1.0, 1.0], [len(above), len(below)])[:, None]
        left, cost = np.hstack([matrix, -matrix, extra, -extra]), np.append(np.ones(2 * matrix.shape[1]), [0.0, 0.0])
    else:
        assert case.differences is not None
        matrix = case.differences.astype(np.float64)
        margins = np.ones(len(matrix))
        left, cost = np.hstack([matrix, -matrix]), np.ones(2 * matrix.shape[1])
        if case.slack is not None:
            left = np.hstack([left, np.eye(len(matrix))])
            cost = np.append(cost, np.full(len(matrix), case.slack))
    answer = linprog(cost, A_ub=-left, b_ub=-margins, method="highs")
    return float(answer.fun)


RIVALS: dict[str, Callable[[Case], float]] = {"cvxpy": by_cvxpy, "HiGHS": by_highs}


def measure(case: Case, slow: float, given_up: set[tuple[str, str]]) -> Line:
    """Ours, the others, and ours again; ``given_up`` gains who took longer than ``slow`` seconds on this kind."""
    line = Line(case.kind, case.name)
    peak = _peak_during(lambda: _time_ours(case, line))
    if case.size >= LARGE:
        line.memory = peak / case.size
    few = 1 if line.wall > 5 else RUNS // 2
    for _ in range(few):
        _time_ours(case, line)
    for name, solve in RIVALS.items():
        if not case.rivals or (case.kind, name) in given_up:
            continue
        wall, cpu = time.perf_counter(), time.process_time()
        objective = solve(case)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        line.rivals[name] = {"wall": wall, "cpu": cpu, "objective": objective}
        if cpu > slow:
            given_up.add((case.kind, name))
        if not same_objective(objective, line.objective):
            raise RuntimeError(f"{name} finds {objective} on {case.kind} {case.name}, and we {line.objective}")
    for _ in range(few):
        _time_ours(case, line)
    return line


def same_objective(first: float, second: float) -> bool:
    """Whether two objectives agree to `SAME_OBJECTIVE` of the larger one; NaN agrees with nothing."""
    return abs(first - second) <= SAME_OBJECTIVE * max(abs(first), abs(second))


def _time_ours(case: Case, line: Line) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    answers = case.solve()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    optimal = [answer for answer in answers if answer.status == "optimal"]
    line.wall, line.cpu = min(line.wall, wall), min(line.cpu, cpu)
    line.infeasible = len(answers) - len(optimal)
    if optimal:
        line.objective = float(np.mean([answer.objective for answer in optimal]))
        line.gap = max(answer.gap for answer in optimal)


def _peak_during(work: Callable[[], None]) -> int:
    """Bytes that were allocated at most at once while ``work`` ran, as numpy reports them."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def table(lines: list[Line]) -> str:
    """The measurements as a markdown table."""
    rows = [
        "| kind | instance | ours, ms | processor, ms | gap | infeasible | memory | cvxpy, s | × | HiGHS, s | × |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for line in lines:
        cells = [line.kind, line.name, f"{1e3 * line.wall:.3g}", f"{1e3 * line.cpu:.3g}", f"{line.gap:.0e}"]
        cells.append(f"{line.infeasible:,}")
        cells.append("" if line.memory is None else f"{line.memory:.1f}")
        for name in RIVALS:
            rival = line.rivals.get(name)
            cells += ["", ""] if rival is None else [f"{rival['cpu']:.3g}", f"{rival['cpu'] / line.cpu:,.0f}"]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Time the sparsest-vector programmes by three solvers.")
    parser.add_argument(
        "--slow", type=float, default=60.0, help="seconds after which a solver leaves a kind (default 60)"
    )
    parser.add_argument("--only", nargs="+", default=[], help="kinds: dynamic soft supervised static batch")
    parser.add_argument("--out", type=Path, help="folder for bench_solver.json and bench_solver.md")
    arguments = parser.parse_args()
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
    lines: list[Line] = []
    given_up: set[tuple[str, str]] = set()
    for solve in RIVALS.values():  # what they import at their first solve is not their time
        solve(Case("warm-up", "", 0, list, differences=np.eye(3, dtype=np.float32)))
    for case in cases(arguments.only):
        minimal_vector(np.eye(3, dtype=np.float32))  # what is compiled is loaded before the clock starts
        lines.append(measure(case, arguments.slow, given_up))
        print(table(lines[-1:]).splitlines()[-1], flush=True)
    note = (
        f"Processor times of cvxpy {cvxpy.__version__} (its default solver) and scipy {scipy.__version__} (HiGHS) as "
        f"multiples of ours; numba {numba.__version__}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the "
        "end. Memory: peak beside the activations, as a multiple of them.\n"
    )
    if arguments.out is not None:
        record = {
            "benchmark": "solver",
            "command": "python -m experiments." + " ".join(["bench_solver", *sys.argv[1:]]),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
            "lines": [asdict(line) for line in lines],
        }
        write_bytes(arguments.out / "bench_solver.json", (json.dumps(record, indent=2) + "\n").encode())
        write_bytes(arguments.out / "bench_solver.md", f"# The convex programme\n\n{note}\n{table(lines)}".encode())
    print(note)
    return 0


if __name__ == "__main__":
    sys.exit(main())
