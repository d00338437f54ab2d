"""Benjamini–Hochberg: the textbook numbers, scipy's numbers, and control of the false discovery rate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, norm

from conceptmine.evidence import q_values


def test_by_hand() -> None:
    # m = 4: 0.01·4/1, 0.02·4/2, 0.03·4/3 → 0.04 each; 0.9·4/4.
    np.testing.assert_allclose(q_values([0.9, 0.01, 0.03, 0.02]), [0.9, 0.04, 0.04, 0.04])


def test_nan_is_no_test() -> None:
    q = q_values([0.01, np.nan, 0.04, np.nan])
    np.testing.assert_allclose(q, [0.02, np.nan, 0.04, np.nan])


def test_nothing_tested() -> None:
    assert q_values([]).shape == (0,) and np.isnan(q_values([np.nan, np.nan])).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_equals_scipy(p: list[float]) -> None:
    np.testing.assert_allclose(q_values(p), false_discovery_control(p), atol=1e-15)


def test_false_discoveries_are_controlled() -> None:
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(400):
        planted = np.arange(60) < 15
        p = norm.sf(rng.normal(size=60) + 3 * planted)
        rejected = q_values(p) <= 0.1
        shares.append((rejected & ~planted).sum() / max(1, rejected.sum()))
    assert 0.04 < np.mean(shares) <= 0.1 * 45 / 60 + 3 * np.std(shares) / 20


@pytest.mark.parametrize(("p", "message"), [([0.5, 1.5], "between 0 and 1"), ([[0.5]], "one-dimensional")])
def test_bad_input_is_refused(p: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        q_values(p)  # type: ignore[arg-type]
