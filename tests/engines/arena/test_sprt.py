"""The sequential test: error rates by simulation, and its statistic against a direct maximum."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from engines.arena import Sprt, expected_score


def distribution(mean: float, spread: float) -> np.ndarray:
    """Results of pairs (five values) with a given mean: weights exp(a k − spread (k − 2)²), a solved for."""
    places = np.arange(5)
    low, high = -20.0, 20.0
    while True:
        tilt = (low + high) / 2
        weights = np.exp(tilt * places - spread * (places - 2) ** 2)
        weights /= weights.sum()
        if high - low < 1e-12:
            return weights
        low, high = (low, tilt) if weights @ places / 4 > mean else (tilt, high)


@pytest.mark.parametrize("spread", [0.2, 0.8])
@pytest.mark.parametrize(("true", "wrong"), [(0.0, "H1"), (60.0, "H0")])
def test_error_rates_are_those_asked_for(true: float, wrong: str, spread: float) -> None:
    test = Sprt(0, 60, alpha=0.05, beta=0.05)
    chances = distribution(expected_score(true), spread)
    generator = np.random.default_rng(7)
    mistakes, runs = 0, 200
    for _ in range(runs):
        counts = np.zeros(5, dtype=int)
        while (decision := test.decision(counts.tolist())) is None:
            counts += generator.multinomial(1, chances)
        mistakes += decision == wrong
    # 0.05 of 200 are 10; four standard deviations are 12 more.
    assert mistakes <= 22


@given(st.lists(st.integers(0, 20), min_size=5, max_size=5).filter(lambda counts: sum(c > 0 for c in counts) >= 3))
def test_the_statistic_is_a_ratio_of_two_maxima(counts: list[int]) -> None:
    test = Sprt(-10, 30)
    seen = np.maximum(np.array(counts, dtype=float), 1e-3)

    def best(mean: float) -> float:
        # The dual of the maximum under a mean: minimise over x the sum of seen · log(1 + x (share − mean)) with a sign.
        away = np.linspace(0, 1, 5) - mean
        low, high = -1 / away.max(), -1 / away.min()
        found = minimize(
            lambda t: -np.sum(seen * np.log1p((low + (high - low) / (1 + math.exp(-t[0]))) * away)),
            [0.0],
            method="Nelder-Mead",
            options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 2000},
        )
        return float(found.fun)

    expected = best(expected_score(30)) - best(expected_score(-10))
    assert test.log_likelihood_ratio(counts) == pytest.approx(expected, abs=1e-4)


@given(st.lists(st.integers(0, 50), min_size=5, max_size=5), st.floats(0.5, 100))
def test_the_other_side_sees_the_opposite(counts: list[int], elo: float) -> None:
    test = Sprt(-elo, elo)
    assert test.log_likelihood_ratio(counts[::-1]) == pytest.approx(-test.log_likelihood_ratio(counts), abs=1e-6)


def test_games_that_are_independent_are_three_values() -> None:
    test = Sprt(0, 50)
    assert test.log_likelihood_ratio([10, 10, 30]) > 0 > test.log_likelihood_ratio([30, 10, 10])
    assert test.log_likelihood_ratio([0, 0, 0]) == 0
    # Without draws: n log of the ratio of two binomials.
    p0, p1 = expected_score(0), expected_score(50)
    expected = 60 * math.log(p1 / p0) + 40 * math.log((1 - p1) / (1 - p0))
    assert test.log_likelihood_ratio([40, 0, 60]) == pytest.approx(expected, abs=0.01)


def test_bounds_are_wald_s() -> None:
    assert Sprt(0, 5).bounds == pytest.approx((-math.log(19), math.log(19)))
    assert Sprt(0, 5, alpha=0.01, beta=0.1).bounds == pytest.approx((math.log(0.1 / 0.99), math.log(0.9 / 0.01)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5, 5), "the hypotheses are 5 and 5 Elo"),
        ((10, 0), "the hypotheses are 10 and 0 Elo"),
        ((0, math.nan), "the hypotheses are 0 and nan Elo"),
        ((0, 5000), "the hypotheses are 0 and 5000 Elo"),
        ((0, 5, 0.0), "alpha is 0.0"),
        ((0, 5, 0.05, 0.6), "beta is 0.6"),
    ],
)
def test_no_test_without_two_hypotheses(arguments: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sprt(*arguments)
