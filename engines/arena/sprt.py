"""Sequential tests: play until it is clear which of two Elo differences the match speaks for.

The generalised sequential probability ratio test (Li, Liu and Ying 2014) as fishtest uses it (Van den Bergh, "A
practical introduction to the GSPRT"): the results of pairs of games are drawn from some distribution over five values,
of which only the mean is tested.  The statistic is the log-likelihood ratio of the two best distributions that have the
means of the two hypotheses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from engines.arena.results import ELO

__all__ = ["Sprt", "expected_score"]

_UNSEEN = 1e-3
"""Counted for a result that has not been seen, so that both hypotheses stay possible (as in fishtest)."""


def expected_score(elo: float) -> float:
    """Points per game of a player who is ``elo`` stronger."""
    return 1 / (1 + math.exp(-elo / ELO))


@dataclass(frozen=True)
class Sprt:
    """Tests "the difference is ``elo0``" (H0) against "it is ``elo1``" (H1), from the first player's side.

    ``alpha``: probability of accepting H1 when H0 is true; ``beta``: of accepting H0 when H1 is true.

    Raises ``ValueError`` unless ``elo0`` < ``elo1``, both are finite and within ±2,000, and both probabilities lie
    between 0 and ½.
    """

    elo0: float
    elo1: float
    alpha: float = 0.05
    beta: float = 0.05

    def __post_init__(self) -> None:
        if not -2000 <= self.elo0 < self.elo1 <= 2000:
            raise ValueError(f"the hypotheses are {self.elo0} and {self.elo1} Elo; give two, the smaller one first")
        for name in ("alpha", "beta"):
            if not 0 < getattr(self, name) < 0.5:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie between 0 and 0.5")

    @property
    def bounds(self) -> tuple[float, float]:
        """H0 is accepted at the lower, H1 at the upper one."""
        return math.log(self.beta / (1 - self.alpha)), math.log((1 - self.beta) / self.alpha)

    def log_likelihood_ratio(self, counts: Sequence[int]) -> float:
        """Of H1 to H0.  ``counts``: how often each of equally spaced results from 0 to all points came.

        Five of them for pairs of games (`Tally.pairs`), three (lost, drawn, won) for games that are independent.
        """
        seen = np.maximum(np.array(counts, dtype=np.float64), _UNSEEN)
        if len(seen) < 2 or sum(counts) == 0:
            return 0.0
        shares = np.linspace(0, 1, len(seen))
        under0 = _closest(seen, shares, expected_score(self.elo0))
        under1 = _closest(seen, shares, expected_score(self.elo1))
        return float(seen @ (np.log(under1) - np.log(under0)))

    def decision(self, counts: Sequence[int]) -> str | None:
        """``"H0"`` or ``"H1"`` once that is accepted, None while the test goes on."""
        ratio = self.log_likelihood_ratio(counts)
        lower, upper = self.bounds
        return "H0" if ratio <= lower else "H1" if ratio >= upper else None


def _closest(seen: NDArray[np.float64], shares: NDArray[np.float64], mean: float) -> NDArray[np.float64]:
    """The most likely distribution with the given mean: p / (1 + x (share − mean)), with the x that gives this mean."""
    chances = seen / seen.sum()
    away = shares - mean
    # Both ends of the interval make one of the probabilities infinite; the function falls from +∞ to −∞ between them.
    low, high = -1 / away.max(), -1 / away.min()
    edge = 1e-9 * (high - low)
    x = brentq(lambda x: float(np.sum(chances * away / (1 + x * away))), low + edge, high - edge)
    return np.asarray(chances / (1 + x * away))
