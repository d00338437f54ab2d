"""Directions from examples: the sparsest one with a soft margin, and the two baselines.

Each takes activations of pairs with and without a concept, pair by pair of one stratum, and gives a direction [d] that
scores presence higher. Means of the strata are taken out first: scores are compared within strata only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from conceptmine import minimal_vector
from experiments.known.judging import satisfaction

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

SLACKS = (3.0, 10.0, 30.0)
"""Prices of slack to choose from, in multiples of the one below which no vector is worth its weight."""

PENALTIES = (1e-3, 1e-2, 1e-1)
"""Weights of the logistic probe's squared norm to choose from, beside a mean squared norm of 1 of the examples."""

FEWEST_TO_CHOOSE = 40
"""Pairs from which on the price is chosen by an inner split; with fewer it is the largest, nearly a hard margin."""

INNER_ONE_IN = 4
_FEWEST_INNER = 8
_THRESHOLD_SCALE = 100.0


@dataclass(frozen=True, eq=False)
class Pairs:
    """Activations of n pairs.

    positive  float64 [n, d], with the concept.
    negative  float64 [n, d], without; row i is of the stratum of row i of `positive`.
    strata    int64 [n].
    inner     bool [2, n]: whether the game of the positive, of the negative, belongs to the inner test.
    """

    positive: Matrix
    negative: Matrix
    strata: NDArray[np.int64]
    inner: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.strata)

    def at(self, chosen: NDArray[np.int64]) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.positive[chosen], self.negative[chosen], self.strata[chosen], self.inner[:, chosen])

    def swapped(self, generator: np.random.Generator) -> Pairs:
        """The pairs with their labels exchanged by a coin, which keeps the strata balanced: the null."""
        swap = (generator.random(len(self)) < 0.5)[:, None]
        positive, negative = np.where(swap, self.negative, self.positive), np.where(swap, self.positive, self.negative)
        return Pairs(positive, negative, self.strata, np.where(swap.T, self.inner[::-1], self.inner))


@dataclass(frozen=True, eq=False)
class Fit:
    """A direction [d], the price or penalty it was found with, and its relative duality gap (nan for baselines)."""

    vector: Vector
    price: float
    gap: float


Method = Callable[[Pairs, float], Fit]


def sparsest(pairs: Pairs, slack: float) -> Fit:
    """min ‖v‖₁ + C · Σ hinge, a row an example: v·z⁺ ≥ bₛ + 1 and v·z⁻ ≤ bₛ − 1 with a threshold bₛ a stratum.

    That is the threshold form of all pairs inside the strata. The thresholds are features of constant size, so large
    that their own weight does not count. `slack` is C in multiples of 1 / ‖Σ z⁺ − Σ z⁻‖∞, where v leaves 0.
    """
    above, below, indicators = _centred(pairs)
    scale = _THRESHOLD_SCALE * max(float(np.abs(above).max()), float(np.abs(below).max()), 1e-12)
    rows = np.concatenate([np.hstack([above, -scale * indicators]), np.hstack([-below, scale * indicators])], axis=0)
    pull = float(np.abs(above.sum(axis=0) - below.sum(axis=0)).max())
    if pull == 0.0:
        return Fit(np.zeros(above.shape[1]), slack, 0.0)
    solution = minimal_vector(rows, slack=slack / pull)
    assert solution.vector is not None  # a soft programme always has an optimum
    return Fit(solution.vector[: above.shape[1]], slack, solution.gap)


def logistic(pairs: Pairs, penalty: float) -> Fit:
    """Logistic regression with a squared-norm penalty and a free threshold a stratum, solved in the examples' span."""
    above, below, indicators = _centred(pairs)
    examples = np.concatenate([above, below])
    size = np.sqrt(max(float((examples**2).sum(axis=1).mean()), 1e-24))
    # Coordinates in the span, from the Gram matrix: examples are few and features many.
    squares, left = np.linalg.eigh(examples @ examples.T / size**2)
    kept = squares > 1e-10 * squares[-1]
    strengths, left = np.sqrt(squares[kept]), left[:, kept]
    places = left * strengths
    labels = np.repeat([1.0, -1.0], [len(above), len(below)])
    thresholds = np.concatenate([indicators, indicators])
    free = thresholds.shape[1]

    def loss(parameters: Vector) -> tuple[float, Vector]:
        weights, offsets = parameters[free:], parameters[:free]
        margins = labels * (places @ weights + thresholds @ offsets)
        slopes = -labels * expit(-margins) / len(labels)
        value = float(np.logaddexp(0.0, -margins).mean() + 0.5 * penalty * weights @ weights)
        return value, np.concatenate([slopes @ thresholds, slopes @ places + penalty * weights])

    found = minimize(loss, np.zeros(free + len(strengths)), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    return Fit((found.x[free:] / strengths) @ left.T @ examples, penalty, float("nan"))


def mean_difference(pairs: Pairs) -> Fit:
    """z̄⁺ − z̄⁻."""
    return Fit(pairs.positive.mean(axis=0) - pairs.negative.mean(axis=0), float("nan"), float("nan"))


def chosen_fit(method: Method, pairs: Pairs, prices: Sequence[float]) -> Fit:
    """Fit with the price that orders most pairs of an inner test right; of equals the smallest.

    The inner test holds a quarter of the training games, and the inner training pairs have no game in it. All training
    pairs are then fitted with the price found. Few pairs are fitted with the last price at once.
    """
    inside = np.flatnonzero(~pairs.inner.any(axis=0))
    above, below = np.flatnonzero(pairs.inner[0]), np.flatnonzero(pairs.inner[1])
    if len(pairs) < FEWEST_TO_CHOOSE or min(len(inside), len(above), len(below)) < _FEWEST_INNER:
        return method(pairs, prices[-1])
    best, chosen = -1.0, prices[-1]
    for price in prices:
        vector = method(pairs.at(inside), price).vector
        share = satisfaction(
            vector,
            pairs.positive[above],
            pairs.negative[below],
            pairs.strata[above],
            pairs.strata[below],
        )
        if share > best:
            best, chosen = share, price
    return method(pairs, chosen)


def _centred(pairs: Pairs) -> tuple[Matrix, Matrix, Matrix]:
    """Both sides less the means of their strata, and which pair is of which stratum, [n, strata]."""
    values, index = np.unique(pairs.strata, return_inverse=True)
    indicators = np.eye(len(values))[index]
    sizes = 2 * indicators.sum(axis=0)[:, None]
    means = (indicators.T @ (pairs.positive + pairs.negative)) / sizes
    return pairs.positive - means[index], pairs.negative - means[index], indicators
