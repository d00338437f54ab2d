"""The sparsest vector: every optimum is checked by its optimality conditions, every refusal by its witness."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conceptmine.mining import Solution, SolverError, minimal_vector
from conceptmine.mining.programme import Programme
from conceptmine.mining.rows import DifferenceRows
from conceptmine.mining.simplex import Simplex


def gaussian(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(12, 60))


def relu_siblings(rng: np.random.Generator) -> np.ndarray:
    """Differences of two hidden layers of a random network on inputs that share most of their entries."""
    weights = rng.normal(size=(40, 800)) / 6
    common = rng.random(40) < 0.3
    better = np.where(rng.random((30, 40)) < 0.15, rng.random((30, 40)) < 0.5, common)
    worse = np.where(rng.random((30, 40)) < 0.15, rng.random((30, 40)) < 0.5, common)
    return np.maximum(better @ weights - 0.3, 0) - np.maximum(worse @ weights - 0.3, 0)


def rank_deficient(rng: np.random.Generator) -> np.ndarray:
    latent = rng.normal(size=(20, 4))
    latent[:, 0] = np.abs(latent[:, 0]) + 0.5
    return latent @ rng.normal(size=(4, 50))


def duplicated(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(8, 40))[rng.integers(8, size=24)][:, rng.integers(40, size=90)]


def ternary(rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random((10, 80)) < 0.3, rng.integers(-1, 2, size=(10, 80)), 0).astype(float)


def unequal_rows(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(15, 50)) * 10.0 ** rng.uniform(-2, 2, size=(15, 1))


def one_row(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(1, 30))


def one_feature(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(0.5, 2, size=(6, 1))


KINDS = [gaussian, relu_siblings, rank_deficient, duplicated, ternary, unequal_rows, one_row, one_feature]


def assert_optimal(rows: np.ndarray, solution: Solution, slack: float | None = None) -> None:
    """Status, objective, primal and dual feasibility, complementarity and gap."""
    assert solution.status == "optimal"
    assert solution.vector is not None and solution.dual is not None and solution.witness is None
    vector, dual = solution.vector, solution.dual
    assert vector.dtype == dual.dtype == np.float64
    assert vector.shape == (rows.shape[1],) and dual.shape == (len(rows),)
    scores, prices = rows @ vector, rows.T @ dual
    size = np.abs(vector).sum()
    hinges = np.zeros(len(rows)) if slack is None else np.maximum(0, 1 - scores)

    assert solution.objective == pytest.approx(size + (slack or 0) * hinges.sum(), rel=1e-12)
    assert (scores >= 1 - 1e-9 - hinges).all()
    assert (dual >= 0).all() and (dual <= (np.inf if slack is None else slack)).all()
    assert np.abs(prices).max() <= 1 + 1e-9
    assert 0 <= solution.gap <= 1e-9
    assert dual.sum() == pytest.approx(solution.objective, rel=2e-9)
    # Complementarity: weight only where a price binds, multiplier only where a row is tight, full where violated.
    tolerance = 1e-7 * max(1.0, solution.objective)
    assert np.abs(vector * (1 - np.sign(vector) * prices)).max() <= tolerance
    assert np.abs(dual * np.maximum(scores - 1, 0)).max() <= tolerance
    if slack is not None:
        assert np.abs((slack - dual) * hinges).max() <= tolerance
    np.testing.assert_array_equal(solution.active, np.flatnonzero(dual))


def assert_infeasible(rows: np.ndarray, solution: Solution) -> None:
    """The Farkas witness, and nothing that could pass for a vector."""
    assert solution.status == "infeasible"
    assert solution.vector is None and solution.dual is None
    assert solution.objective == np.inf and np.isnan(solution.gap)
    witness = solution.witness
    assert witness is not None and witness.shape == (len(rows),)
    assert (witness >= 0).all() and witness.sum() == pytest.approx(1, abs=1e-12)
    assert np.abs(witness @ rows).max() <= 1e-9 * max(1e-300, np.abs(rows).max())
    np.testing.assert_array_equal(solution.active, np.flatnonzero(witness))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_hard_optimum_meets_every_optimality_condition(
    kind: Callable[[np.random.Generator], np.ndarray], seed: int
) -> None:
    rows = kind(np.random.default_rng(seed))
    assert_optimal(rows, minimal_vector(rows))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("slack", [1e-3, 0.05, 0.7, 10.0])
def test_soft_optimum_meets_every_optimality_condition(
    kind: Callable[[np.random.Generator], np.ndarray], slack: float
) -> None:
    rng = np.random.default_rng(7)
    rows = kind(rng)
    rows = np.concatenate([rows, -rows[: len(rows) // 3]])
    assert_optimal(rows, minimal_vector(rows, slack=slack), slack)


def test_the_zero_vector_is_optimal_only_where_no_row_is_worth_a_weight() -> None:
    rows = np.random.default_rng(0).normal(size=(5, 20))
    solution = minimal_vector(rows, slack=1e-6)
    assert_optimal(rows, solution, 1e-6)
    assert solution.objective == pytest.approx(5e-6)


def test_solution_is_as_sparse_as_its_active_rows() -> None:
    solution = minimal_vector(relu_siblings(np.random.default_rng(3)))
    assert solution.vector is not None
    assert np.count_nonzero(solution.vector) <= len(solution.active)


def test_active_rows_alone_define_the_same_vector() -> None:
    rows = gaussian(np.random.default_rng(5))
    whole = minimal_vector(rows)
    part = minimal_vector(rows[whole.active])
    assert whole.vector is not None and part.vector is not None
    np.testing.assert_allclose(part.vector, whole.vector, atol=1e-12)


def test_single_entry_by_hand() -> None:
    solution = minimal_vector([[0.0, 0.5, 2.0], [0.0, 1.0, 4.0]])
    assert solution.vector is not None and solution.dual is not None
    np.testing.assert_array_equal(solution.vector, [0.0, 0.0, 0.5])
    np.testing.assert_array_equal(solution.dual, [0.5, 0.0])
    assert solution.objective == 0.5 and solution.active.tolist() == [0]


def test_float32_input_gives_a_float64_answer_for_the_same_numbers() -> None:
    rows = gaussian(np.random.default_rng(1)).astype(np.float32)
    single, double = minimal_vector(rows), minimal_vector(rows.astype(np.float64))
    assert single.vector is not None and double.vector is not None
    assert single.vector.tobytes() == double.vector.tobytes()
    assert_optimal(rows.astype(np.float64), single)


@pytest.mark.parametrize("kind", [gaussian, relu_siblings, ternary])
def test_same_input_gives_the_same_bytes(kind: Callable[[np.random.Generator], np.ndarray]) -> None:
    rows = kind(np.random.default_rng(2))
    first, second = minimal_vector(rows), minimal_vector(rows.copy())
    assert first.vector is not None and second.vector is not None
    assert first.dual is not None and second.dual is not None
    assert first.vector.tobytes() == second.vector.tobytes()
    assert first.dual.tobytes() == second.dual.tobytes()


def test_ties_between_equal_features_do_not_depend_on_row_order() -> None:
    rng = np.random.default_rng(11)
    for _ in range(20):
        rows = ternary(rng)
        shuffled = minimal_vector(rows[rng.permutation(len(rows))])
        straight = minimal_vector(rows)
        assert straight.vector is not None and shuffled.vector is not None
        np.testing.assert_allclose(shuffled.vector, straight.vector, atol=1e-9)


def test_working_set_stays_small() -> None:
    rng = np.random.default_rng(4)
    rows = np.maximum(rng.normal(size=(40, 6000)) + 0.2, 0) - np.maximum(rng.normal(size=(40, 6000)), 0)
    simplex = Simplex(Programme(DifferenceRows(rows), np.ones(40)))
    assert simplex.optimise(np.ones(6000)) is None
    assert simplex.working_set < 600


# Infeasible programmes.


def test_a_zero_row_is_its_own_witness() -> None:
    rows = np.random.default_rng(0).normal(size=(4, 9))
    rows[2] = 0
    solution = minimal_vector(rows)
    assert_infeasible(rows, solution)
    assert solution.active.tolist() == [2]


def test_all_zero_rows() -> None:
    assert_infeasible(np.zeros((3, 5)), minimal_vector(np.zeros((3, 5))))


@pytest.mark.parametrize("factor", [1.0, 3.0, 1e-3])
@pytest.mark.parametrize("seed", range(8))
def test_a_contradictory_pair_is_named(factor: float, seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(20, 30))
    rows[13] = -factor * rows[4]
    solution = minimal_vector(rows)
    assert_infeasible(rows, solution)
    assert solution.active.tolist() == [4, 13]
    assert solution.witness is not None
    assert solution.witness[4] == pytest.approx(factor / (1 + factor), rel=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_more_rows_than_dimensions_of_noise_have_a_witness(seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(60, 12))
    assert_infeasible(rows, minimal_vector(rows))


def test_slack_makes_contradictions_solvable() -> None:
    rows = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]])
    solution = minimal_vector(rows, slack=10.0)
    assert_optimal(rows, solution, 10.0)


# Bad input: one clear sentence each.


@pytest.mark.parametrize(
    ("differences", "message"),
    [
        (np.zeros((4, 0)), "no features"),
        ([], "two-dimensional"),
        (np.ones(4), "two-dimensional"),
        (np.ones((2, 3, 4)), "two-dimensional"),
        ([[1.0, np.nan]], "nan at row 0, column 1"),
        ([[1.0, 2.0], [np.inf, 0.0]], "inf at row 1, column 0"),
        ([["a", "b"]], "real numbers"),
        ([[1j, 2.0]], "real numbers"),
        ([[1.0, 2.0], [3.0]], "equal length"),
    ],
)
def test_bad_differences_are_refused(differences: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        minimal_vector(differences)  # type: ignore[arg-type]


@pytest.mark.parametrize("slack", [0.0, -1.0, np.nan, np.inf])
def test_bad_slack_is_refused(slack: float) -> None:
    with pytest.raises(ValueError, match="slack"):
        minimal_vector([[1.0, 2.0]], slack=slack)


def test_a_solve_beyond_float64_raises_instead_of_returning() -> None:
    # The only direction that satisfies both rows lies in their last bit.
    rows = np.array([[1.0, 1.0], [-1.0, -1.0 - 2.0**-52]])
    try:
        solution = minimal_vector(rows)
    except SolverError:
        return
    assert solution.status == "infeasible" or solution.gap <= 1e-6


# Properties.

small_rows = st.integers(1, 8).flatmap(
    lambda m: st.integers(1, 10).flatmap(
        lambda d: st.lists(st.lists(st.integers(-4, 4), min_size=d, max_size=d), min_size=m, max_size=m)
    )
)


@given(small_rows)
@settings(max_examples=150, deadline=None)
def test_every_answer_carries_its_proof(rows: list[list[int]]) -> None:
    solution = minimal_vector(rows)
    check = assert_optimal if solution.status == "optimal" else assert_infeasible
    check(np.array(rows, dtype=float), solution)


@given(small_rows, st.floats(1e-3, 1e3))
@settings(max_examples=60, deadline=None)
def test_scaling_all_rows_divides_the_vector(rows: list[list[int]], factor: float) -> None:
    straight, scaled = minimal_vector(rows), minimal_vector(factor * np.array(rows))
    assert straight.status == scaled.status
    if straight.vector is not None and scaled.vector is not None:
        np.testing.assert_allclose(factor * scaled.vector, straight.vector, atol=1e-8 * straight.objective)


@given(small_rows, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_objective_does_not_depend_on_the_order_of_rows_or_features(rows: list[list[int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = np.array(rows)
    shuffled = matrix[rng.permutation(matrix.shape[0])][:, rng.permutation(matrix.shape[1])]
    assert minimal_vector(shuffled).objective == pytest.approx(minimal_vector(matrix).objective, rel=1e-9)


@given(small_rows)
@settings(max_examples=60, deadline=None)
def test_negated_rows_negate_the_vector(rows: list[list[int]]) -> None:
    straight, flipped = minimal_vector(rows), minimal_vector(-np.array(rows))
    assert straight.status == flipped.status
    if straight.vector is not None and flipped.vector is not None:
        np.testing.assert_allclose(flipped.vector, -straight.vector, atol=1e-9)


@given(small_rows, st.floats(0.01, 5.0))
@settings(max_examples=60, deadline=None)
def test_slack_never_costs_more_than_the_hard_programme(rows: list[list[int]], slack: float) -> None:
    soft = minimal_vector(rows, slack=slack)
    assert_optimal(np.array(rows, dtype=float), soft, slack)
    assert soft.objective <= min(minimal_vector(rows).objective, slack * len(rows)) * (1 + 1e-9)


@given(small_rows)
@settings(max_examples=40, deadline=None)
def test_one_more_row_never_lowers_the_objective(rows: list[list[int]]) -> None:
    assume(len(rows) > 1)
    assert minimal_vector(rows[:-1]).objective <= minimal_vector(rows).objective * (1 + 1e-9)
