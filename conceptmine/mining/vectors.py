"""Concept vectors from rows of activations: the sparsest direction that separates what it must."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError
from conceptmine.mining.features import FeatureFrame, Scaling, chosen_features, feature_units
from conceptmine.mining.programme import Programme
from conceptmine.mining.rows import DifferenceRows, Places, ThresholdRows, Vector, stored
from conceptmine.mining.solution import Solution
from conceptmine.mining.solve import Method, check_method, solve
from conceptmine.mining.witness import Contradiction


def minimal_vector(
    differences: ArrayLike,
    *,
    slack: float | None = None,
    nonnegative: bool = False,
    features: ArrayLike | None = None,
    scaling: Scaling = "none",
    method: Method = "auto",
) -> Solution:
    """The sparsest vector that scores every row at least 1: min ‖v‖₁ subject to differences @ v ≥ 1.

    Rows of `differences` are z⁺ − z⁻ (Schut et al., eqs 1–5, with the margin of 1 that keeps v = 0 out); negate them
    for a prophylactic plan. Multiplying all rows by c > 0 divides the vector by c and changes nothing else.

    differences  real [m, d], d ≥ 1. float16 and float32 are used as they are, other types converted to float64; all
                 sums, prices and certificates are float64. Duplicate rows are harmless; a row of zeros, or a pair r and
                 −r, makes the programme infeasible. No rows (m = 0) ask for nothing: v = 0, objective 0, gap 0.
    slack        None for the hard programme; else a positive price C of the soft one,
                 min ‖v‖₁ + C · Σ max(0, 1 − differences @ v), which is never infeasible. When C is so small that no row
                 is worth a weight the vector is zero.
    nonnegative  v ≥ 0 besides: a concept that is only ever the presence of features.
    features     the features that v may use, as a mask [d] or indices; None for all. `square_features` names those of
                 some squares, for a concept that lives there.
    scaling      "none": features as they are. "deviation" or "quantile": each feature is divided by its root mean
                 square, or by the 0.95 quantile of its sizes, over the rows (`features.feature_units`); ‖·‖₁ is then of
                 the scaled features, Σ scalesⱼ |vⱼ|. The vector returned is for unscaled activations.
    method       "auto", or the solver to ask alone: "simplex", "interior", "highs" or "cvxpy"; see `solve.solve`.

    Returns a Solution over the m rows. An optimal hard one has differences @ v ≥ 1 up to float64 rounding and a gap of
    1e-9 or less where float64 reaches it (never above 1e-6). Minimisers need not be unique: see `solve.solve` for the
    rule. The same input gives the same bytes.

    Raises InputError (a ValueError) on NaN, infinite or misshapen input or an argument out of range; SolverError when
    neither an optimum nor infeasibility can be certified.
    """
    rows = stored(differences, "differences", rows_required=False)
    ceiling = _ceiling(slack)
    check_method(method)
    chosen = chosen_features(features, rows.shape[1])
    kept = _kept(rows, chosen)
    units = feature_units([kept], scaling, differences=True)
    frame = FeatureFrame(rows.shape[1], chosen, scaling, units)
    if len(rows) == 0:
        nothing = np.zeros(0, np.int64)
        return Solution(
            "optimal", np.zeros(frame.width), 0.0, 0.0, np.zeros(0), nothing, scaling=scaling, scales=_scales(frame)
        )
    programme = Programme(DifferenceRows(kept, units), np.ones(len(rows)), ceiling=ceiling, nonnegative=nonnegative)
    return _solution(programme, frame, method)


def separating_vector(
    positive: ArrayLike,
    negative: ArrayLike,
    *,
    slack: float | None = None,
    nonnegative: bool = False,
    features: ArrayLike | None = None,
    scaling: Scaling = "none",
    method: Method = "auto",
) -> Solution:
    """The sparsest vector that scores every positive at least 1 above every negative (Schut et al., eqs 1–3).

    All n⁺ · n⁻ pairs are meant, but only n⁺ + n⁻ rows are solved for: v·z⁺ − v·z⁻ ≥ 1 for all pairs holds exactly when
    some b has v·z⁺ ≥ b + 1 on positives and v·z⁻ ≤ b on negatives.

    positive  real [n⁺, d], activations where the concept is present, n⁺ ≥ 1.
    negative  real [n⁻, d], activations where it is absent, n⁻ ≥ 1.
    slack     None, or the price of one unit by which a positive falls short of b + 1 or a negative exceeds b; one price
              a position, not a pair.
    scaling   as in `minimal_vector`, with deviation and quantile about the feature's mean over all positions.
    nonnegative, features, method  as in `minimal_vector`.

    Returns a Solution whose `dual`, `active` and `witness` run over n⁺ + n⁻ rows, positives first, and whose
    `threshold` is b: the highest score of a negative, or with a slack the b for which the hinges cost least. Its dual
    satisfies Σλ⁺ = Σλ⁻ = dual objective and |λ⁺ @ positive − λ⁻ @ negative| ≤ 1; its witness, when the convex hulls of
    the two sets meet, has weight ½ on each side and y⁺ @ positive = y⁻ @ negative.

    Raises InputError (a ValueError) on NaN, infinite, empty or misshapen input; SolverError as `minimal_vector`.
    """
    above = stored(positive, "positive")
    below = stored(negative, "negative")
    if above.shape[1] != below.shape[1]:
        raise InputError(
            f"positive has {above.shape[1]} features and negative has {below.shape[1]}; take both from the same layer"
        )
    ceiling = _ceiling(slack)
    check_method(method)
    width = above.shape[1]
    chosen = chosen_features(features, width)
    above, below = _kept(above, chosen), _kept(below, chosen)
    units = feature_units([above, below], scaling, differences=False)
    frame = FeatureFrame(width, chosen, scaling, units)
    margins = np.repeat([1.0, 0.0], [len(above), len(below)])
    offset = np.repeat([-1.0, 1.0], [len(above), len(below)])
    rows = ThresholdRows(above, below, units)
    solution = _solution(Programme(rows, margins, offset, ceiling, nonnegative), frame, method)
    if solution.vector is None:
        return solution
    vector = solution.vector if chosen is None else solution.vector[chosen]
    low = _scores(below, vector)
    threshold = float(low.max()) if slack is None else _cheapest_threshold(_scores(above, vector), low)
    return replace(solution, threshold=threshold)


def _scores(states: NDArray[Any], vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """states @ vector in float64 [n], without a float64 copy of all states."""
    parts = [states[start : start + 256].astype(np.float64) @ vector for start in range(0, len(states), 256)]
    return np.concatenate(parts)


def _cheapest_threshold(high: NDArray[np.float64], low: NDArray[np.float64]) -> float:
    """The b for which Σ max(0, b + 1 − high) + Σ max(0, low − b) is smallest; the lowest of several."""
    # The slope is −n⁻ at first and grows by 1 at the b where each position begins or ceases to cost.
    return float(np.sort(np.concatenate([high - 1.0, low]))[len(low) - 1])


def _ceiling(slack: float | None) -> float:
    if slack is not None and not (np.isfinite(slack) and slack > 0):
        raise InputError(f"slack must be a positive finite number or None, not {slack!r}")
    return np.inf if slack is None else float(slack)


def _kept(rows: NDArray[Any], chosen: Places | None) -> NDArray[Any]:
    return rows if chosen is None else np.ascontiguousarray(rows[:, chosen])


def _solution(programme: Programme, frame: FeatureFrame, method: Method) -> Solution:
    outcome = solve(programme, method)
    if isinstance(outcome, Contradiction):
        return Solution(
            status="infeasible",
            vector=None,
            objective=np.inf,
            gap=np.nan,
            dual=None,
            active=np.flatnonzero(outcome.weights),
            witness=outcome.weights,
            scaling=frame.scaling,
            scales=_scales(frame),
        )
    return Solution(
        status="optimal",
        vector=frame.vector(outcome.vector),
        objective=outcome.objective,
        gap=outcome.gap,
        dual=outcome.multipliers,
        active=np.flatnonzero(outcome.multipliers),
        scaling=frame.scaling,
        scales=_scales(frame),
    )


def _scales(frame: FeatureFrame) -> Vector | None:
    return None if frame.units is None else frame.spread(frame.units, np.inf)
