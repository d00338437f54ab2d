"""The price of slack: how much of a row's margin a joint vector may give up, chosen by roots that it was not fitted to.

Below the *critical* price v = 0 is the optimum. Prices are written as multiples of it, so that a ratio means the same
for any layer, scale and number of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conceptmine.errors import InputError
from conceptmine.mining.roots import RootRows, row_orders
from conceptmine.mining.solution import Solution
from conceptmine.mining.vectors import minimal_vector

PRICE_RATIOS = (1.5, 3.0, 6.0, 12.0)
"""Multiples of the critical price that are tried, in this order: from a few features to nearly the hard programme."""

_CANCELLED = 1e-12  # of the largest Σ |row|; a sum below it is rounding


@dataclass(frozen=True, eq=False)
class CrossFit:
    """What vectors fitted without a root say about it, for each of k roots.

    satisfied  float64 [k] in [0, 1], share of its rows satisfied; ties are not.
    score      float64 [k] in [−1, 1], mean over its rows of the score, cut off at the margin of 1 and at −1.
    """

    satisfied: NDArray[np.float64]
    score: NDArray[np.float64]

    @property
    def quality(self) -> tuple[float, float]:
        """Mean share satisfied, then the mean score in units of its spread over roots, to tell equals apart."""
        spread = float(self.score.std())
        return round(float(self.satisfied.mean()), 9), float(self.score.mean()) / spread if spread > 0 else 0.0


@dataclass(frozen=True, eq=False)
class Price:
    """The chosen ratio, what roots that were left out say about it, and every ratio tried with its share satisfied."""

    ratio: float
    fit: CrossFit
    tried: tuple[tuple[float, float], ...]


def critical_price(differences: NDArray[np.floating]) -> float:
    """The largest price of slack at which v = 0 is optimal: 1 / ‖Σ rows‖∞ over differences [m, d].

    At v = 0 every hinge is open and every multiplier is the price C, which is dual feasible while C ‖Σ rows‖∞ ≤ 1.
    Rows that cancel up to rounding have no such price (v = 0 is optimal at every one); 1 is returned for them.
    """
    steepest = float(np.abs(differences.sum(axis=0, dtype=np.float64)).max())
    added = float(np.abs(differences).sum(axis=0, dtype=np.float64).max())
    return 1.0 / steepest if steepest > _CANCELLED * added else 1.0


def joint_solution(differences: NDArray[np.floating], ratio: float) -> tuple[float, Solution]:
    """The price of slack, and the soft vector of all rows [m, d] at `ratio` times their critical price."""
    price = ratio * critical_price(differences)
    return price, minimal_vector(differences, slack=price)


def root_fit(rows: RootRows, vector: NDArray[np.float64]) -> CrossFit:
    """Share satisfied and mean score of every root under one vector [d]; [n] each."""
    orders = row_orders(rows.differences, vector[None, :])[:, 0]
    scores = np.clip(rows.differences @ vector, -1.0, 1.0)
    return CrossFit(rows.mean_by_root((orders > 0).astype(np.float64)), rows.mean_by_root(scores))


def cross_fit(rows: RootRows, members: Sequence[int], ratio: float, *, folds: int = 5, seed: int = 0) -> CrossFit:
    """Fit of each member, in their order, under the joint vector of the members of the other folds.

    Folds are of roots, so that no row of a root helps to score another, and drawn with the seed; there are at most as
    many as members.

    Raises InputError with fewer than 2 members or folds.
    """
    if len(members) < 2 or folds < 2:
        raise InputError(f"give at least 2 members and 2 folds to leave some out, not {len(members)} and {folds}")
    fold = np.empty(len(members), dtype=np.int64)
    fold[np.random.default_rng(seed).permutation(len(members))] = np.arange(len(members)) % min(folds, len(members))
    satisfied, score = np.empty(len(members)), np.empty(len(members))
    for number in range(fold.max() + 1):
        left_out = fold == number
        others = [member for member, out in zip(members, left_out, strict=True) if not out]
        vector = joint_solution(rows.differences[rows.places(others)], ratio)[1].vector
        assert vector is not None  # the soft programme always has an optimum
        fit = root_fit(rows, vector)
        satisfied[left_out] = fit.satisfied[np.asarray(members)[left_out]]
        score[left_out] = fit.score[np.asarray(members)[left_out]]
    return CrossFit(satisfied, score)


def choose_price(
    rows: RootRows,
    members: Sequence[int],
    *,
    ratios: Sequence[float] = PRICE_RATIOS,
    folds: int = 5,
    seed: int = 0,
) -> Price:
    """The price of slack for a family, by cross-validation over its roots.

    Prices are tried upwards. The best has the largest share of left-out rows satisfied (mean over roots); among equals,
    which are common where that share is 1, the largest mean score in units of its spread. The search ends with the
    first price that is worse than the one before it: dear ones take long to solve, and follow the rows' noise.

    Raises InputError when ratios are not ascending and above 1, or as `cross_fit`.
    """
    if not ratios or min(ratios) <= 1 or list(ratios) != sorted(set(ratios)):
        raise InputError(f"ratios must ascend and lie above 1, where v = 0 ends, not {tuple(ratios)}")
    tried: list[tuple[float, CrossFit]] = []
    for ratio in ratios:
        tried.append((ratio, cross_fit(rows, members, ratio, folds=folds, seed=seed)))
        if len(tried) > 1 and tried[-1][1].quality < tried[-2][1].quality:
            break
    ratio, fit = max(tried, key=lambda each: each[1].quality)
    return Price(ratio, fit, tuple((each, fit.quality[0]) for each, fit in tried))


__all__ = [
    "PRICE_RATIOS",
    "CrossFit",
    "Price",
    "choose_price",
    "critical_price",
    "cross_fit",
    "joint_solution",
    "root_fit",
]
