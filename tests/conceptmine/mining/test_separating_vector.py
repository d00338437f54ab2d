"""The static programme: the threshold form answers for all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from conceptmine.mining import minimal_vector, separating_vector


def sets(seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = np.maximum(rng.normal(size=(9, 40)) + 0.3, 0) + shift
    negative = np.maximum(rng.normal(size=(7, 40)), 0) + shift
    return positive, negative


def all_pairs(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    return (positive[:, None, :] - negative[None, :, :]).reshape(-1, positive.shape[1])


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_threshold_form_equals_all_pairs(seed: int, shift: float) -> None:
    positive, negative = sets(seed, shift)
    solution, pairs = separating_vector(positive, negative), minimal_vector(all_pairs(positive, negative))
    assert solution.objective == pytest.approx(pairs.objective, rel=1e-9)
    assert solution.vector is not None and pairs.vector is not None
    np.testing.assert_allclose(solution.vector, pairs.vector, atol=1e-8)


@pytest.mark.parametrize("seed", range(12))
def test_optimality_conditions(seed: int) -> None:
    positive, negative = sets(seed)
    solution = separating_vector(positive, negative)
    assert solution.status == "optimal" and solution.gap <= 1e-9
    assert solution.vector is not None and solution.dual is not None and solution.threshold is not None
    above, below = positive @ solution.vector, negative @ solution.vector
    assert (above >= solution.threshold + 1 - 1e-9).all() and (below <= solution.threshold).all()

    for_positive, for_negative = solution.dual[: len(positive)], solution.dual[len(positive) :]
    assert (solution.dual >= 0).all()
    assert for_positive.sum() == pytest.approx(solution.objective, rel=1e-9)
    assert for_negative.sum() == pytest.approx(solution.objective, rel=1e-9)
    prices = for_positive @ positive - for_negative @ negative
    assert np.abs(prices).max() <= 1 + 1e-9
    assert np.abs(solution.vector * (1 - np.sign(solution.vector) * prices)).max() <= 1e-7
    assert np.abs(for_positive * (above - solution.threshold - 1)).max() <= 1e-7
    assert np.abs(for_negative * (solution.threshold - below)).max() <= 1e-7
    np.testing.assert_array_equal(solution.active, np.flatnonzero(solution.dual))


@pytest.mark.parametrize("seed", range(8))
def test_meeting_convex_hulls_have_a_witness_on_both_sides(seed: int) -> None:
    rng = np.random.default_rng(seed)
    positive, negative = rng.normal(size=(30, 6)), rng.normal(size=(25, 6))
    solution = separating_vector(positive, negative)
    assert solution.status == "infeasible" and solution.vector is None and solution.threshold is None
    assert solution.witness is not None
    for_positive, for_negative = solution.witness[:30], solution.witness[30:]
    assert (solution.witness >= 0).all()
    assert for_positive.sum() == pytest.approx(0.5) and for_negative.sum() == pytest.approx(0.5)
    np.testing.assert_allclose(for_positive @ positive, for_negative @ negative, atol=1e-9)


def test_a_position_on_both_sides_is_named() -> None:
    positive, negative = sets(3)
    negative[4] = positive[2]
    solution = separating_vector(positive, negative)
    assert solution.status == "infeasible"
    assert solution.active.tolist() == [2, len(positive) + 4]


def test_equal_constant_sets_are_infeasible_and_not_separated_by_rounding() -> None:
    solution = separating_vector(np.full((3, 5), 0.1), np.full((2, 5), 0.1))
    assert solution.status == "infeasible"


def test_swapping_the_sets_negates_the_vector() -> None:
    positive, negative = sets(5)
    straight, swapped = separating_vector(positive, negative), separating_vector(negative, positive)
    assert straight.vector is not None and swapped.vector is not None
    np.testing.assert_allclose(swapped.vector, -straight.vector, atol=1e-9)


def test_single_feature_by_hand() -> None:
    solution = separating_vector([[3.0], [5.0]], [[1.0], [-2.0]])
    assert solution.vector is not None and solution.threshold is not None
    assert solution.vector.tolist() == [0.5] and solution.threshold == 0.5 and solution.objective == 0.5
    assert solution.active.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("positive", "negative", "message"),
    [
        (np.zeros((0, 3)), np.ones((2, 3)), "positive has no rows"),
        (np.ones((2, 3)), np.zeros((0, 3)), "negative has no rows"),
        (np.ones((2, 3)), np.ones((2, 4)), "3 features and negative has 4"),
        (np.ones(3), np.ones((2, 3)), "positive must be two-dimensional"),
        (np.ones((2, 3)), np.full((2, 3), np.nan), "negative holds nan at row 0, column 0"),
    ],
)
def test_bad_input_is_refused(positive: np.ndarray, negative: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        separating_vector(positive, negative)
