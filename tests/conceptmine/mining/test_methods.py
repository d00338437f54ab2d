"""Back ends: all give the same status, objective and vector; the slice of the check against cvxpy."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from conceptmine.mining import minimal_vector, separating_vector
from conceptmine.mining.interior import Interior
from conceptmine.mining.simplex import Simplex
from conceptmine.mining.solve import _order
from conceptmine.mining.ties import TIE_WEIGHT, tie_weights
from experiments.check_solver import KINDS, disagreement, instance

METHODS = ("simplex", "interior", "highs")


@pytest.mark.parametrize("number", range(1000, 1000 + 4 * len(KINDS)))
def test_agrees_with_the_formulation_in_cvxpy(number: int) -> None:
    assert disagreement(instance(number)) is None


def test_the_comparison_with_cvxpy_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.check_solver.by_cvxpy", lambda given: ("optimal", 1.0))
    assert "objective" in str(disagreement(instance(0)))


def degenerate(seed: int) -> np.ndarray:
    """Few different numbers, duplicated rows and features: many optima in the plain programme."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(-1, 2, size=(9, 40)).astype(float)
    rows[:, 0] = np.abs(rows[:, 0]) + 1
    return rows[rng.integers(9, size=14)][:, rng.integers(40, size=70)]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("slack", [None, 0.4])
def test_one_vector_whatever_solver_and_order_of_rows(seed: int, slack: float | None) -> None:
    rows = degenerate(seed)
    order = np.random.default_rng(seed + 100).permutation(len(rows))
    answers = [minimal_vector(rows, slack=slack, method=method) for method in METHODS]
    answers += [minimal_vector(rows[order], slack=slack, method=method) for method in METHODS]
    assert len({answer.status for answer in answers}) == 1
    for answer in answers[1:]:
        if answer.vector is not None and answers[0].vector is not None:
            assert answer.gap <= 1e-9
            np.testing.assert_allclose(answer.vector, answers[0].vector, atol=1e-6)


def test_the_rule_picks_the_cheapest_of_equal_features() -> None:
    # Four copies of one feature: each alone, and every mixture, is optimal.
    solution = minimal_vector(np.ones((3, 4)))
    assert solution.vector is not None
    assert np.flatnonzero(solution.vector).tolist() == [int(tie_weights(4).argmin())]
    assert tie_weights(4).min() >= 1 and tie_weights(4).max() < 1 + TIE_WEIGHT


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("nonnegative", [False, True])
def test_static_by_every_method(method: str, nonnegative: bool) -> None:
    rng = np.random.default_rng(8)
    above, below = np.maximum(rng.normal(size=(40, 90)) + 0.4, 0), np.maximum(rng.normal(size=(35, 90)), 0)
    reference = separating_vector(above, below, nonnegative=nonnegative, method="highs")
    solution = separating_vector(above, below, nonnegative=nonnegative, method=method)  # type: ignore[arg-type]
    assert solution.vector is not None and reference.vector is not None
    assert solution.gap <= 1e-9
    assert solution.objective == pytest.approx(reference.objective, rel=1e-9)
    np.testing.assert_allclose(solution.vector, reference.vector, atol=1e-6)


def test_cvxpy_as_a_method() -> None:
    rows = np.random.default_rng(2).normal(size=(10, 30))
    conic, simplex = minimal_vector(rows, method="cvxpy"), minimal_vector(rows, method="simplex")
    assert conic.objective == pytest.approx(simplex.objective, rel=1e-6) and conic.gap <= 1e-6
    rows[3] = -rows[4]
    assert minimal_vector(rows, method="cvxpy").status == "infeasible"


@pytest.mark.parametrize(
    ("rows", "features", "first"), [(20, 4096, Simplex), (900, 4096, Interior), (900, 32, Simplex)]
)
def test_few_features_are_left_to_the_simplex_method(rows: int, features: int, first: type) -> None:
    assert _order("auto", rows, features)[0] is first


@pytest.mark.parametrize("static", [False, True])
def test_a_proof_over_many_features_needs_no_copy_of_the_rows(static: bool) -> None:
    rng = np.random.default_rng(6)
    rows = np.rint(rng.normal(size=(40, 20_000)) * 8).astype(np.float32)
    rows[39] = -rows[:39].sum(axis=0)
    tracemalloc.start()
    if static:
        solution = separating_vector(rows[:16], np.concatenate([rows[20:39], [rows[:16].mean(axis=0)]]))
    else:
        solution = minimal_vector(rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert solution.status == "infeasible" and solution.witness is not None
    assert peak < 3 * rows.nbytes
    if not static:
        assert np.abs(solution.witness @ rows.astype(np.float64)).max() < 1e-9


def test_many_soft_rows_meet_in_one_optimum() -> None:
    rng = np.random.default_rng(3)
    rows = np.maximum(rng.normal(size=(250, 300)) + 0.05, 0) - np.maximum(rng.normal(size=(250, 300)), 0)
    answers = [minimal_vector(rows, slack=0.3, method=method) for method in ("simplex", "interior")]
    assert max(answer.gap for answer in answers) <= 1e-9
    assert answers[0].objective == pytest.approx(answers[1].objective, rel=1e-9)
    assert answers[0].vector is not None and answers[1].vector is not None
    np.testing.assert_allclose(answers[0].vector, answers[1].vector, atol=1e-6)
