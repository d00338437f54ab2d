"""The linear programme behind both kinds of concept vector, its scaling, and the tests of optimality."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_NEGLIGIBLE = 1e-12  # A multiplier or an entry this small beside the largest is the rounding of a zero.


@dataclass(frozen=True, eq=False)
class Programme:
    """min ‖v‖₁ + ceiling · Σ hinge  subject to  rows @ v + offset · b ≥ margins − hinge,  hinge ≥ 0.

    Its dual, which is what gets solved because it has m unknowns instead of d:
    max margins·λ  subject to  ‖rowsᵀλ‖∞ ≤ 1,  offset·λ = 0,  0 ≤ λ ≤ ceiling.

    rows     float64 [m, d].
    margins  float64 [m], ≥ 0, at least one positive.
    offset   float64 [m], the coefficient of the free number b, or None where there is no b.
    ceiling  price of one unit of hinge; inf for the hard programme.
    """

    rows: Matrix
    margins: Vector
    offset: Vector | None = None
    ceiling: float = np.inf

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
        largest = np.maximum(self.rows.max(axis=1), -self.rows.min(axis=1))
        if self.offset is not None:
            largest = np.full_like(largest, largest.max())
        return np.exp2(np.ceil(np.log2(np.where(largest > 1e-100, largest, 1.0))))

    def prices(self, multipliers: Vector) -> Vector:
        """rowsᵀλ over all features, in float64 [d]; only rows with a non-zero multiplier are read."""
        used = np.flatnonzero(multipliers)
        return multipliers[used] @ self.rows[used]

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
    if not (np.isfinite(vector).all() and np.isfinite(multipliers).all()):
        return None
    vector = _without_rounding(programme, vector)
    scores = programme.rows @ vector
    if programme.hard:
        room = _room(programme, scores)
        if not room > 0:
            return None
        vector = vector / room
        objective = float(np.abs(vector).sum())
    else:
        hinges = np.maximum(programme.margins - scores, 0.0)
        objective = float(np.abs(vector).sum() + programme.ceiling * hinges.sum())
    if objective <= 0:
        return None
    feasible = _feasible_multipliers(programme, multipliers)
    gap = (objective - float(programme.margins @ feasible)) / objective
    return Certified(vector, feasible, objective, max(gap, 0.0))


def _without_rounding(programme: Programme, vector: Vector) -> Vector:
    """The vector without entries that move no row beside the others: zeros of a degenerate vertex, after rounding."""
    support = np.flatnonzero(vector)
    if len(support) == 0:
        return vector
    reach = np.abs(vector[support]) * np.abs(programme.rows[:, support] / programme.scales[:, None]).max(axis=0)
    kept = support[reach > _NEGLIGIBLE * reach.max()]
    cleaned = np.zeros_like(vector)
    cleaned[kept] = vector[kept]
    return cleaned


def _room(programme: Programme, scores: Vector) -> float:
    """The largest t such that rows @ v ≥ t · margins for some offset: v / t keeps every margin."""
    if programme.offset is None:
        return float((scores / programme.margins).min())
    # With an offset the two groups can be shifted against each other: only the sum of their lowest scores counts.
    below = programme.offset < 0
    return float(scores[below].min() + scores[~below].min())


def _feasible_multipliers(programme: Programme, multipliers: Vector) -> Vector:
    bounded = np.clip(multipliers, 0.0, programme.ceiling)
    weights = bounded * programme.scales
    bounded[weights < _NEGLIGIBLE * weights.max()] = 0.0
    bounded = programme.balanced(bounded)
    steepest = float(np.abs(programme.prices(bounded)).max())
    return bounded / max(1.0, steepest)
