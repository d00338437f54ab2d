"""The solver's benchmark: what counts as the same objective, and answers that are no optimum."""

from __future__ import annotations

import numpy as np
import pytest

from conceptmine import minimal_vector
from experiments.bench_solver import Case, measure, same_objective, table


@pytest.mark.parametrize("size", [1e-5, 1.0, 1e5])
def test_objectives_are_compared_in_units_of_their_size(size: float) -> None:
    assert same_objective(size, size * (1 + 5e-7))
    assert not same_objective(size, size * (1 + 2e-6))
    assert not same_objective(size, float("nan"))


def test_programmes_without_a_solution_are_counted_and_printed() -> None:
    possible, impossible = np.eye(3), np.array([[1.0, 0.0], [-1.0, 0.0]])
    case = Case(
        "batch", "three", 0, lambda: [minimal_vector(each) for each in (possible, impossible, impossible)], False
    )
    line = measure(case, 1.0, set())
    assert (line.infeasible, line.objective) == (2, pytest.approx(3))
    header, _, row = table([line]).splitlines()
    cells = dict(zip(header.split(" | "), row.split(" | "), strict=True))
    assert cells["infeasible"] == "2"


def test_another_objective_stops_the_benchmark_even_where_it_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.bench_solver.RIVALS", {"wrong": lambda case: 3.0e-4 + 3e-9})
    rows = 1e4 * np.eye(3)
    with pytest.raises(RuntimeError, match="wrong finds"):
        measure(Case("dynamic", "small", 0, lambda: [minimal_vector(rows)], differences=rows), 1.0, set())
