"""The linear programme behind both kinds of concept vector, its scaling, and the tests of optimality."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from conceptmine.mining.rows import Matrix, Places, Rows, Vector

_NEGLIGIBLE = 1e-12  # A multiplier or an entry this small beside the largest is the rounding of a zero.


@dataclass(frozen=True, eq=False)
class Programme:
    """min ‖v‖₁ + ceiling · Σ hinge  subject to  rows @ v + offset · b ≥ margins − hinge,  hinge ≥ 0.

    Its dual, which is what gets solved because it has m unknowns instead of d:
    max margins·λ  subject to  ‖rowsᵀλ‖∞ ≤ 1,  offset·λ = 0,  0 ≤ λ ≤ ceiling.

    rows     m × d, see `Rows`.
    margins  float64 [m], ≥ 0, at least one positive.
    offset   float64 [m], the coefficient of the free number b, or None where there is no b.
    ceiling  price of one unit of hinge; inf for the hard programme.
    nonnegative  v ≥ 0 besides; in the dual only rowsᵀλ ≤ 1 is then left.
    """

    rows: Rows
    margins: Vector
    offset: Vector | None = None
    ceiling: float = np.inf
    nonnegative: bool = False

    @property
    def hard(self) -> bool:
        """Whether every margin must be kept."""
        return not np.isfinite(self.ceiling)

    @cached_property
    def scales(self) -> Vector:
        """Power of two just above each row's largest entry [m]: dividing by it is exact and makes rows comparable.

        One scale for all rows where there is an offset, which ties the rows to each other. Rows without an entry above
        1e-100 get 1, and so count as zero.
        """
        largest = self.rows.largest
        if self.offset is not None:
            largest = np.full_like(largest, largest.max())
        exponents = np.ceil(np.log2(np.where(largest > 1e-100, largest, 1.0)))
        return np.exp2(np.minimum(exponents, 1023.0))  # 2¹⁰²⁴ is no float64

    @cached_property
    def gains(self) -> Vector:
        """margins / scales in units of a typical one [m]: what the scaled multipliers earn."""
        return self.margins / self.scales / self.unit

    @cached_property
    def unit(self) -> float:
        """A power of two near the median of the positive margins / scales."""
        gains = self.margins / self.scales
        gains = gains[gains > 0]
        gains.partition(len(gains) // 2)
        return float(np.exp2(np.round(np.log2(gains[len(gains) // 2]))))

    def columns(self, features: Places) -> Matrix:
        """The features' columns with every row divided by its scale, float64 [m, k]."""
        return self.rows.columns(features, self.scales)

    def prices(self, multipliers: Vector) -> Vector:
        """rowsᵀλ over all features, in float64 [d]."""
        return self.rows.prices(multipliers)

    def steepness(self, prices: Vector) -> Vector:
        """How much of its bound of 1 each feature's price uses: the size, or the price itself where v ≥ 0 [d]."""
        return prices if self.nonnegative else np.abs(prices)

    def balanced(self, weights: Vector) -> Vector:
        """Weights ≥ 0 [m] with offset · weights = 0, by shrinking the heavier side; unchanged without an offset."""
        if self.offset is None:
            return weights
        below = self.offset < 0
        first, second = float(weights[below].sum()), float(weights[~below].sum())
        lighter = min(first, second)
        if lighter <= 0:
            return np.zeros_like(weights)
        return weights * np.where(below, lighter / first, lighter / second)


@dataclass(frozen=True, eq=False)
class Certified:
    """A primal and a dual point that are both feasible, and how far apart their objectives are."""

    vector: Vector
    multipliers: Vector
    objective: float
    gap: float


def certify(programme: Programme, vector: Vector, multipliers: Vector) -> Certified | None:
    """Make a nearly optimal pair exactly feasible on both sides and measure its duality gap; None when it cannot be.

    The vector is rescaled until the tightest margin is kept (hard programme); the multipliers are clipped to their
    bounds, balanced over the offset, and shrunk until ‖rowsᵀλ‖∞ ≤ 1 over all d features. Both steps are exact up to
    float64 rounding, so the gap is a bound on the distance to the optimum whatever the solver did.
    """
    support = np.flatnonzero(vector > 0 if programme.nonnegative else vector)
    if not (np.isfinite(vector[support]).all() and np.isfinite(multipliers).all()):
        return None
    columns = programme.columns(support)
    # Entries that move no row beside the others are zeros of a degenerate vertex, after rounding.
    reach = np.abs(vector[support]) * np.abs(columns).max(axis=0)
    kept = reach > _NEGLIGIBLE * reach.max(initial=0.0)
    support, columns = support[kept], columns[:, kept]
    values = vector[support]
    scores = np.einsum("ij,j->i", columns, values) * programme.scales
    if programme.hard:
        room = _room(programme, scores)
        if not room > 0:
            return None
        values = values / room
        objective = float(np.abs(values).sum())
    else:
        hinges = _hinges(programme, scores)
        objective = float(np.abs(values).sum() + programme.ceiling * hinges.sum())
    if objective <= 0:
        return None
    cleaned = np.zeros_like(vector)
    cleaned[support] = values
    feasible = _feasible_multipliers(programme, multipliers)
    gap = (objective - float(programme.margins @ feasible)) / objective
    return Certified(cleaned, feasible, objective, max(gap, 0.0))


def _room(programme: Programme, scores: Vector) -> float:
    """The largest t such that rows @ v ≥ t · margins for some offset: v / t keeps every margin."""
    if programme.offset is None:
        return float((scores / programme.margins).min())
    # With an offset the two groups can be shifted against each other: only the sum of their lowest scores counts.
    below = programme.offset < 0
    return float(scores[below].min() + scores[~below].min())


def _hinges(programme: Programme, scores: Vector) -> Vector:
    """What each row lacks of its margin, under the offset for which the sum is smallest [m]."""
    lacking = programme.margins - scores
    if programme.offset is None:
        return np.maximum(lacking, 0.0)
    # Σ max(0, lackingᵢ − offsetᵢ b) is convex in b and its slope, −(offsets of +1) at first, grows by 1 at every row's
    # own b. So it is least where as many rows as there are offsets of +1 have been passed.
    best = np.sort(lacking / programme.offset)[int((programme.offset > 0).sum()) - 1]
    hinges: Vector = np.maximum(lacking - programme.offset * best, 0.0)
    return hinges


def _feasible_multipliers(programme: Programme, multipliers: Vector) -> Vector:
    bounded = np.clip(multipliers, 0.0, programme.ceiling)
    weights = bounded * programme.scales
    bounded[weights < _NEGLIGIBLE * weights.max()] = 0.0
    bounded = programme.balanced(bounded)
    prices = programme.prices(bounded)
    steepest = float(prices.max()) if programme.nonnegative else float(max(prices.max(), -prices.min()))
    return bounded / max(1.0, steepest)
