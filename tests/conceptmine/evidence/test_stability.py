"""Halves that agree when something is there, and do not when nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from conceptmine.evidence import cosine, count_scores, half_effects, ply_agreement, rank_correlation


def test_halves_by_hand() -> None:
    effects = half_effects(np.array([[0.5, -0.5, 0.5, 0.5]]), [0, 0, 1, 1])
    assert effects.tolist() == [[0.0, 0.5]]
    assert np.isnan(half_effects(np.zeros((1, 2)), [0, 0])[0, 1])


@pytest.mark.parametrize(("spread", "agree"), [(0.7, True), (0.0, False)])
def test_effects_of_many_concepts_agree_between_halves_only_if_they_differ_in_truth(spread: float, agree: bool) -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(120, 150)) + spread * rng.normal(size=150)
    halves = half_effects(count_scores(scores, np.arange(120)).root_effects, np.arange(120) % 2)
    assert (np.corrcoef(halves.T)[0, 1] > 0.5) == agree


def test_rank_correlation_equals_scipy() -> None:
    rng = np.random.default_rng(1)
    a, b = np.round(rng.normal(size=(5, 30)), 1), np.round(rng.normal(size=(5, 30)), 1)
    expected = [spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(rank_correlation(a, b), expected)
    assert np.isnan(rank_correlation([[1.0, 1, 1]], [[1.0, 2, 3]])).all()
    assert np.isnan(rank_correlation([[1.0, 2]], [[1.0, 2]])).all()


def test_ply_agreement_sees_what_lasts_along_a_line() -> None:
    rng = np.random.default_rng(2)
    root, late = np.repeat(np.arange(50), 4), np.tile([False, False, True, True], 50)
    lasting = rng.normal(size=(50, 20))[root] + 0.3 * rng.normal(size=(200, 20))
    passing = rng.normal(size=(200, 20))
    assert ply_agreement(lasting, root, late).mean() > 0.8
    assert abs(ply_agreement(passing, root, late).mean()) < 0.1
    assert np.isnan(ply_agreement(passing, root, np.zeros(200, bool))).all()


def test_cosine() -> None:
    np.testing.assert_allclose(cosine([[1.0, 1], [0, 0]], [[1.0, 0], [1, 0]]), [np.sqrt(0.5), 0])
    with pytest.raises(ValueError, match="one shape"):
        cosine([[1.0]], [[1.0, 2.0]])
