"""Intervals of effect sizes cover what they say they cover, and never pass unanimity off as certainty."""

from __future__ import annotations

import numpy as np
import pytest

from conceptmine.evidence import count_scores, effect_interval, mean_interval, sign_flip_null


def test_the_effect_is_the_satisfaction_minus_its_null() -> None:
    rng = np.random.default_rng(0)
    counts = count_scores(np.round(rng.normal(size=(60, 5))), np.arange(60) // 3)
    null = sign_flip_null(counts, flips=9)
    np.testing.assert_allclose(effect_interval(counts.root_effects).effect, null.statistic - null.mean)


@pytest.mark.parametrize("roots", [12, 40, 150])
@pytest.mark.parametrize("chance", [0.5, 0.65, 0.9])
@pytest.mark.parametrize("shared", [0.0, 0.6])
def test_coverage(roots: int, chance: float, shared: float) -> None:
    rng = np.random.default_rng(roots)
    root = np.repeat(np.arange(roots), 4)
    runs = 1500
    own = rng.random((roots, runs)) < chance
    signs = np.where(rng.random((len(root), runs)) < shared, own[root], rng.random((len(root), runs)) < chance)
    found = effect_interval(count_scores(np.where(signs, 1.0, -1.0), root).root_effects)
    covered = (found.low <= chance - 0.5) & (chance - 0.5 <= found.high)
    assert 0.925 <= covered.mean() <= 0.995
    assert ((found.low <= found.effect) & (found.effect <= found.high)).all()


def test_unanimous_roots_are_not_certain() -> None:
    found = effect_interval(np.full((1, 10), 0.5))
    assert found.effect[0] == 0.5 and found.high[0] == 0.5 and 0.1 < found.low[0] < 0.35


def test_coverage_of_weighted_means() -> None:
    rng = np.random.default_rng(1)
    contributions = rng.normal(size=(3000, 30)) / 30 + 0.2 / 30
    found = mean_interval(contributions)
    assert np.mean((found.low <= 0.2) & (found.high >= 0.2)) == pytest.approx(0.95, abs=0.015)
    assert np.isnan(mean_interval(np.ones((1, 1))).low).all()


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="level"):
        effect_interval(np.zeros((1, 3)), level=1.0)
    with pytest.raises(ValueError, match="contributions"):
        mean_interval(np.zeros(3))
