"""Rows at matched value: chosen without the outcome, and weighed so that value in other words comes out at chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptmine.evidence import against, balanced_weights, flip_p, nearly_equal, weighted_effects

FLOATS = st.lists(st.integers(-6, 6).map(float), min_size=1, max_size=30)


@given(FLOATS, st.sampled_from([0.1, 0.25, 0.5, 1.0]))
def test_nearly_equal_rows_are_the_smallest_whatever_the_sign(control: list[float], share: float) -> None:
    values = np.array(control)
    chosen = nearly_equal(values, share=share)
    assert chosen.sum() >= share * len(values) - 1 and chosen.any()
    assert (chosen == nearly_equal(-values, share=share)).all()
    if not chosen.all():
        assert np.abs(values[chosen]).max() < np.abs(values[~chosen]).min()


@given(FLOATS, st.integers(1, 6))
def test_balanced_weights_are_for_and_against_in_equal_parts(control: list[float], strata: int) -> None:
    values, roots = np.array(control), np.arange(len(control)) // 2
    weights = balanced_weights(values, roots, strata=strata)
    assert (weights >= 0).all()
    assert weights[values > 0].sum() == pytest.approx(weights[values < 0].sum())
    if (values == 0).any() or ((values > 0).any() and (values < 0).any() and strata == 1):
        assert weights.sum() == pytest.approx(1)
    assert weights.sum() == pytest.approx(1) or not weights.any()


def test_against() -> None:
    assert against([1.0, 0.0, -0.1]).tolist() == [False, False, True]


def fakes(rng: np.random.Generator, own: float) -> tuple[np.ndarray, ...]:
    """A control that favours the better line, and scores that are a crooked function of it, noise, and ``own``."""
    root = np.repeat(np.arange(60), 3)
    control = rng.normal(size=(60, 1))[root] + rng.normal(size=(180, 1)) + 0.8
    noise = 0.3 * (rng.normal(size=(60, 20))[root] + rng.normal(size=(180, 20)))
    return np.tanh(3 * control) ** 3 + noise + own, root, control[:, 0]


def test_value_in_other_words_is_at_chance_once_balanced_and_something_of_its_own_is_not() -> None:
    rng = np.random.default_rng(0)
    shares = {0.0: [], 0.4: []}
    for own, found in shares.items():
        for _ in range(20):
            scores, root, control = fakes(rng, own)
            effects = weighted_effects(scores, root, balanced_weights(control, root, strata=10))
            assert flip_p(weighted_effects(scores, root, np.full(180, 1 / 180)), flips=199)[0] < 0.05
            found.append(flip_p(effects, flips=399, seed=rng))
    assert (np.concatenate(shares[0.0]) <= 0.05).mean() <= 0.05
    assert (np.concatenate(shares[0.4]) <= 0.05).mean() > 0.7


def test_weighted_effects_by_hand() -> None:
    effects = weighted_effects(np.array([[1.0], [-2.0], [0.0], [3.0]]), [5, 5, 6, 6], np.array([0.1, 0.2, 0.3, 0.4]))
    np.testing.assert_allclose(effects, [[-0.05, 0.2]])


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="one finite number"):
        nearly_equal([np.nan])
    with pytest.raises(ValueError, match="share"):
        nearly_equal([1.0], share=0)
    with pytest.raises(ValueError, match="one root a row"):
        balanced_weights([1.0, 2.0], [0])
