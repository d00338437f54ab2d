"""Concept vectors from rows of activations: the sparsest direction that separates what it must."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from conceptmine.errors import InputError
from conceptmine.mining.programme import Programme
from conceptmine.mining.solution import Solution
from conceptmine.mining.rows import DifferenceRows, ThresholdRows, stored
from conceptmine.mining.solve import solve
from conceptmine.mining.witness import Contradiction


def minimal_vector(differences: ArrayLike, *, slack: float | None = None) -> Solution:
    """The sparsest vector that scores every row at least 1: min ‖v‖₁ subject to differences @ v ≥ 1.

    Rows of `differences` are z⁺ − z⁻ (Schut et al., eqs 1–5, with the margin of 1 that keeps v = 0 out); negate them
    for a prophylactic plan. Multiplying all rows by c > 0 divides the vector by c and changes nothing else.

    differences  real [m, d], m, d ≥ 1; converted to float64 (the whole programme and its certificate are float64).
                 Duplicate rows are harmless; a row of zeros, or a pair r and −r, makes the programme infeasible.
    slack        None for the hard programme; else a positive price C of the soft one,
                 min ‖v‖₁ + C · Σ max(0, 1 − differences @ v), which is never infeasible. When C is so small that no row
                 is worth a weight the vector is zero.

    Returns a Solution over the m rows. An optimal hard one has differences @ v ≥ 1 up to float64 rounding and a gap of
    1e-9 or less where float64 reaches it (never above 1e-6). Minimisers need not be unique: see `solve.solve` for
    the rule. The same input gives the same bytes.

    Raises InputError (a ValueError) on NaN, infinite, empty or misshapen input or a slack that is not positive and
    finite; SolverError when neither an optimum nor infeasibility can be certified.
    """
    rows = stored(differences, "differences")
    if slack is not None and not (np.isfinite(slack) and slack > 0):
        raise InputError(f"slack must be a positive finite number or None, not {slack!r}")
    ceiling = np.inf if slack is None else float(slack)
    return _solution(Programme(DifferenceRows(rows), np.ones(len(rows)), ceiling=ceiling))


def separating_vector(positive: ArrayLike, negative: ArrayLike) -> Solution:
    """The sparsest vector that scores every positive at least 1 above every negative (Schut et al., eqs 1–3).

    All n⁺ · n⁻ pairs are meant, but only n⁺ + n⁻ rows are solved for: v·z⁺ − v·z⁻ ≥ 1 for all pairs holds exactly when
    some b has v·z⁺ ≥ b + 1 on positives and v·z⁻ ≤ b on negatives.

    positive  real [n⁺, d], activations where the concept is present, n⁺ ≥ 1.
    negative  real [n⁻, d], activations where it is absent, n⁻ ≥ 1.

    Returns a Solution whose `dual`, `active` and `witness` run over n⁺ + n⁻ rows, positives first, and whose
    `threshold` is b, the highest score of a negative. Its dual satisfies Σλ⁺ = Σλ⁻ = dual objective and
    |λ⁺ @ positive − λ⁻ @ negative| ≤ 1; its witness, when the convex hulls of the two sets meet, has weight ½ on each
    side and y⁺ @ positive = y⁻ @ negative.

    Raises InputError (a ValueError) on NaN, infinite, empty or misshapen input; SolverError as `minimal_vector`.
    """
    above = stored(positive, "positive")
    below = stored(negative, "negative")
    if above.shape[1] != below.shape[1]:
        raise InputError(
            f"positive has {above.shape[1]} features and negative has {below.shape[1]}; take both from the same layer"
        )
    rows = ThresholdRows(above, below)
    margins = np.repeat([1.0, 0.0], [len(above), len(below)])
    offset = np.repeat([-1.0, 1.0], [len(above), len(below)])
    solution = _solution(Programme(rows, margins, offset))
    if solution.vector is None:
        return solution
    return replace(solution, threshold=float((below @ solution.vector).max()))


def _solution(programme: Programme) -> Solution:
    outcome = solve(programme)
    if isinstance(outcome, Contradiction):
        return Solution(
            status="infeasible",
            vector=None,
            objective=np.inf,
            gap=np.nan,
            dual=None,
            active=np.flatnonzero(outcome.weights),
            witness=outcome.weights,
        )
    return Solution(
        status="optimal",
        vector=outcome.vector,
        objective=outcome.objective,
        gap=outcome.gap,
        dual=outcome.multipliers,
        active=np.flatnonzero(outcome.multipliers),
    )
