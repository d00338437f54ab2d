"""Variants of the programme: v ≥ 0, chosen features, scaled features, slack in the static form, no rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from conceptmine.mining import minimal_vector, separating_vector, square_features


def rectified(seed: int, rows: int = 12, features: int = 128) -> np.ndarray:
    rng = np.random.default_rng(seed)
    causes = rng.normal(size=(10, features))
    better, worse = rng.normal(size=(2, rows, 10))
    return np.maximum(better @ causes, 0) - np.maximum(worse @ causes, 0)


@pytest.mark.parametrize("seed", range(6))
def test_nonnegative_vector_is_the_optimum_of_that_programme(seed: int) -> None:
    rows = rectified(seed)
    solution = minimal_vector(rows, nonnegative=True)
    reference = linprog(np.ones(rows.shape[1]), A_ub=-rows, b_ub=-np.ones(len(rows)))
    assert (solution.status == "optimal") == (reference.status == 0)
    if solution.vector is None or solution.dual is None:
        assert solution.witness is not None
        assert (solution.witness @ rows).max() <= 1e-9
        return
    assert (solution.vector >= 0).all() and solution.gap <= 1e-9
    assert (rows @ solution.vector).min() >= 1 - 1e-9
    assert solution.objective == pytest.approx(reference.fun, rel=1e-8)
    assert (solution.dual @ rows).max() <= 1 + 1e-9


def test_nonnegative_can_be_impossible_where_the_free_vector_exists() -> None:
    rows = np.array([[1.0, -1.0], [-2.0, -3.0]])
    assert minimal_vector(rows).status == "optimal"
    solution = minimal_vector(rows, nonnegative=True)
    assert solution.status == "infeasible" and solution.witness is not None
    assert (solution.witness @ rows <= 1e-12).all() and solution.witness.sum() == pytest.approx(1)


@pytest.mark.parametrize("slack", [None, 0.7])
def test_a_square_local_vector_lives_there_and_is_the_optimum_there(slack: float | None) -> None:
    rows = rectified(3, rows=3, features=256)
    features = square_features([0, 1, 8, 63], 256)
    assert features.tolist() == [c * 64 + s for c in range(4) for s in (0, 1, 8, 63)]
    local = minimal_vector(rows, features=features, slack=slack)
    alone = minimal_vector(rows[:, features], slack=slack)
    assert local.vector is not None and alone.vector is not None
    np.testing.assert_array_equal(local.vector[features], alone.vector)
    assert np.count_nonzero(local.vector) == np.count_nonzero(alone.vector)
    mask = np.isin(np.arange(256), features)
    by_mask = minimal_vector(rows, features=mask, slack=slack)
    assert by_mask.vector is not None and by_mask.vector.tobytes() == local.vector.tobytes()


@pytest.mark.parametrize("scaling", ["deviation", "quantile"])
def test_scaling_makes_the_answer_independent_of_the_units_of_features(scaling: str) -> None:
    rows = rectified(5)
    factors = np.exp2(np.random.default_rng(0).integers(-4, 5, size=rows.shape[1]))
    plain, scaled = minimal_vector(rows, scaling=scaling), minimal_vector(rows * factors, scaling=scaling)
    assert plain.vector is not None and scaled.vector is not None and plain.scales is not None
    np.testing.assert_allclose(scaled.vector * factors, plain.vector, atol=1e-9)
    assert plain.scaling == scaling
    assert plain.objective == pytest.approx(plain.scales @ np.abs(plain.vector), rel=1e-12)
    assert (rows @ plain.vector).min() >= 1 - 1e-9
    # Unscaled, the same exchange of units does change the answer.
    first, second = minimal_vector(rows), minimal_vector(rows * factors)
    assert first.vector is not None and second.vector is not None and first.scales is None
    assert not np.allclose(second.vector * factors, first.vector, atol=1e-6)


def test_units_are_what_is_documented() -> None:
    rows = rectified(2)
    rows[:, 7] = 0.0
    deviation, quantile = (
        minimal_vector(rows, scaling="deviation").scales,
        minimal_vector(rows, scaling="quantile").scales,
    )
    assert deviation is not None and quantile is not None
    used = np.arange(rows.shape[1]) != 7
    np.testing.assert_allclose(deviation[used], np.sqrt((rows[:, used] ** 2).mean(axis=0)))
    np.testing.assert_allclose(quantile[used], np.quantile(np.abs(rows[:, used]), 0.95, axis=0))
    assert deviation[7] == quantile[7] == 1.0
    above, below = np.maximum(rows[:6], 0), np.maximum(-rows[6:], 0)
    both = np.concatenate([above, below])
    static = separating_vector(above, below, scaling="deviation").scales
    assert static is not None
    positive = both.std(axis=0) > 0
    np.testing.assert_allclose(static[positive], both.std(axis=0)[positive])


def test_scales_say_which_features_were_barred() -> None:
    solution = minimal_vector(
        rectified(1), features=[3, 5, 9, 11, 12, 14, 80, 90, 100, 101, 120], scaling="deviation", slack=1.0
    )
    assert solution.scales is not None and np.isfinite(solution.scales).sum() == 11


@pytest.mark.parametrize("slack", [0.05, 0.5, 5.0])
def test_static_slack_agrees_with_the_primal_programme(slack: float) -> None:
    rng = np.random.default_rng(1)
    above, below = rng.normal(size=(14, 9)) + 0.3, rng.normal(size=(11, 9))
    solution = separating_vector(above, below, slack=slack)
    assert solution.vector is not None and solution.threshold is not None
    short = np.maximum(0, solution.threshold + 1 - above @ solution.vector).sum()
    over = np.maximum(0, below @ solution.vector - solution.threshold).sum()
    assert solution.objective == pytest.approx(np.abs(solution.vector).sum() + slack * (short + over), rel=1e-9)
    # Variables p, q, b⁺, b⁻ and a hinge for each row.
    scores = np.concatenate([above, -below])
    offset = np.repeat([-1.0, 1.0], [14, 11])[:, None]
    left = np.hstack([scores, -scores, offset, -offset, np.eye(25)])
    cost = np.concatenate([np.ones(18), [0, 0], np.full(25, slack)])
    reference = linprog(cost, A_ub=-left, b_ub=-np.repeat([1.0, 0.0], [14, 11]))
    assert solution.objective == pytest.approx(reference.fun, rel=1e-8)
    assert solution.gap <= 1e-9


def test_no_rows_ask_for_nothing() -> None:
    solution = minimal_vector(np.zeros((0, 7)))
    assert solution.status == "optimal" and solution.objective == 0 and solution.gap == 0
    assert solution.vector is not None and solution.vector.tolist() == [0.0] * 7
    assert solution.dual is not None and len(solution.dual) == len(solution.active) == 0
    scaled = minimal_vector(np.zeros((0, 3)), scaling="deviation")
    assert scaled.scales is not None and scaled.scales.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="scaling"):
        minimal_vector(np.zeros((0, 3)), scaling="variance")  # type: ignore[arg-type]


def test_the_largest_numbers_there_are() -> None:
    solution = minimal_vector(np.full((2, 3), 1.7e308))
    assert solution.objective == pytest.approx(1 / 1.7e308) and solution.gap <= 1e-9


def test_float16_is_used_as_it_is() -> None:
    rows = rectified(4).astype(np.float16)
    half, double = minimal_vector(rows), minimal_vector(rows.astype(np.float64))
    assert half.vector is not None and double.vector is not None
    assert half.vector.tobytes() == double.vector.tobytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": []}, "boolean mask"),
        ({"features": np.zeros(128, dtype=bool)}, "no feature"),
        ({"features": [1, 1]}, "twice"),
        ({"features": [128]}, "between 0 and 127"),
        ({"features": np.ones(5, dtype=bool)}, "5 entries"),
        ({"scaling": "variance"}, "scaling"),
        ({"method": "gurobi"}, "method"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        minimal_vector(rectified(0), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(("squares", "width"), [([], 128), ([64], 128), ([-1], 128), ([0], 100)])
def test_bad_squares_are_refused(squares: list[int], width: int) -> None:
    with pytest.raises(ValueError, match=r"square|64"):
        square_features(squares, width)
