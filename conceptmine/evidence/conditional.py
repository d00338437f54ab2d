"""What a concept adds beyond its controls: satisfaction where value, policy and material say nothing either way.

Exchanging the two lines of a root negates the concept's score and every control's difference at once. A concept that
is only a control in other words has, given the controls' differences g, a chance m(g) of a satisfied row with
m(−g) = −m(g) about ½: as often wrong where the control is against the line as right where it is for it. So its signs
are regressed on odd functions of the controls, through the origin, and what is tested is the intercept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf
from scipy.stats import t as student_t

from conceptmine.errors import InputError
from conceptmine.evidence.sign_flip import random_patterns

ROOTS_PER_COLUMN = 2.0
"""Fewest roots for each fitted column; below, nothing is tested."""

_SMALLEST = 1e-6
_SAME = 1e-9
_BLOCK = 2_000
_ENOUGH = 200


@dataclass(frozen=True, eq=False)
class BeyondControls:
    """The remainder of c concepts after the controls.

    effect           float64 [c]: satisfaction minus chance where all controls are equal, in about [−½, ½].
    low, high        float64 [c]: its 95 % interval, from the variation of whole roots (Student's t).
    p                float64 [c] in (0, 1], one-sided; NaN where there are too few roots for so many controls.
    score_outside    float64 [c] in [0, 1]: share of the signs' sum of squares that the controls do not explain.
    effective_roots  float64 [c]: ‖u‖², what the controls leave of the number of roots; as many without controls would
                     show as much.
    columns          odd functions that were fitted for each.
    """

    effect: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    p: NDArray[np.float64]
    score_outside: NDArray[np.float64]
    effective_roots: NDArray[np.float64]
    columns: int


def beyond_controls(
    scores: ArrayLike,
    roots: ArrayLike,
    controls: ArrayLike,
    *,
    flips: int = 19_999,
    seed: int | np.random.Generator = 0,
) -> BeyondControls:
    """Test the satisfaction of concepts given the differences of controls, flipping whole roots.

    scores    real [n, c] of held-out rows from `row_scores`; only the sign counts, and a tie is a failure for either
              line.
    roots     [n], the root of each row; a root's rows share its weight of 1.
    controls  real [n, k], the controls' differences on the same rows, better line minus worse line.

    The columns are g / √(g² + mean g²) for each control, and for each concept one more,
    2Φ(η / σ) − 1 with η the least-squares fit of its scores on the controls through the origin and σ the root mean
    square of what is left: the mean sign of a score that is η plus normal noise, and sign(η) for one that is η exactly.
    With H the projection on these columns, u = (I − H) 1 and e = (I − H) y for the signs y, the statistic is
    u · e / ‖u‖, and its null the same with the signs of whole roots' u flipped,
    (u_ε · e) / ‖(I − H) u_ε‖: the effective-score test of Hemerik, Goeman and Finos (2020), standardised for the
    fitted columns as in De Santis et al. (2022).

    The null hypothesis: a root's signs are an odd function of its controls in the span of these columns, plus a
    remainder that is as likely as its negative, jointly over the root's rows. The test is exact for known coefficients
    and holds approximately for fitted ones; it says nothing of controls that are not among the columns.

    Raises InputError on NaN, infinite or misshapen input.
    """
    given, groups, differences = np.asarray(scores, dtype=np.float64), np.asarray(roots), _finite(controls, "controls")
    if given.ndim != 2 or len(differences) != len(given) or groups.shape != (len(given),):
        raise InputError(
            f"scores [n, c], roots [n] and controls [n, k] must have the same rows, not {given.shape}, "
            f"{groups.shape} and {differences.shape}"
        )
    _finite(given, "scores")
    ids, root = np.unique(groups, return_inverse=True)
    weight = np.sqrt(1.0 / np.bincount(root)[root])
    basis = _orthonormal(_bounded(differences) * weight[:, None])
    concepts, used = given.shape[1], basis.shape[1] + 1
    effect, low, high, p = np.full((4, concepts), np.nan)
    outside = np.ones(concepts)
    lengths = np.zeros(concepts)
    enough = len(ids) >= ROOTS_PER_COLUMN * used
    upright = random_patterns(len(ids), flips, seed) if enough else np.empty((0, len(ids)), np.int8)
    for number in range(concepts):
        own = _with(basis, _expected_sign(given[:, number], differences, weight) * weight)
        signs = np.sign(given[:, number]) * weight
        rest = signs - own @ (own.T @ signs)
        ones = weight - own @ (own.T @ weight)
        length = lengths[number] = float(ones @ ones)
        total = float(signs @ signs)
        outside[number] = float(rest @ rest) / total if total > 0 else 1.0
        if not enough or length < 1.0:
            continue
        if outside[number] < _SMALLEST or total == 0:
            # Nothing is left of the signs, and rounding must not pass for a remainder.
            effect[number] = low[number] = high[number] = 0.0
            p[number] = 1.0
            continue
        shares = np.bincount(root, ones * rest).astype(np.float64)
        effect[number] = shares.sum() / length / 2
        # Around the fitted intercept, whole roots varying: the interval is of the alternative, the p of the null.
        around = shares - 2 * effect[number] * np.bincount(root, ones * ones)
        error = np.sqrt((around**2).sum() * len(ids) / (len(ids) - used)) / length / 2
        reach = float(student_t.isf(0.025, len(ids) - used)) * error
        low[number], high[number] = effect[number] - reach, effect[number] + reach
        seen = np.stack([np.bincount(root, ones * column) for column in own.T]).astype(np.float64)
        p[number] = _p(upright, shares, seen, length)
    return BeyondControls(effect, low, high, p, outside, lengths, used)


def _p(upright: NDArray[np.int8], shares: NDArray[np.float64], seen: NDArray[np.float64], length: float) -> float:
    """The share of patterns whose standardised statistic reaches the observed one, which counts as one of them.

    Where `_ENOUGH` patterns have reached it after a block the rest is not drawn: the p of Besag and Clifford (1991).
    """
    observed = shares.sum() / np.sqrt(length)
    both = np.concatenate([shares[None], seen]).T
    reached = patterns = 1
    for start in range(0, len(upright), _BLOCK):
        signs = 2.0 * upright[start : start + _BLOCK] - 1.0
        sums = signs @ both
        left = np.maximum(length - (sums[:, 1:] ** 2).sum(axis=1), _SMALLEST)
        reached += int((sums[:, 0] / np.sqrt(left) >= observed - _SAME).sum())
        patterns += len(signs)
        if reached > _ENOUGH:
            break
    return reached / patterns


def _bounded(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """g / √(g² + mean g²), so that no row outweighs all others, float64 [n, k]."""
    square = (differences**2).mean(axis=0)
    bounded: NDArray[np.float64] = differences / np.sqrt(differences**2 + np.where(square > 0, square, 1.0))
    return bounded


def _expected_sign(
    scores: NDArray[np.float64], differences: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The mean sign of a score that is linear in the controls plus normal noise, float64 [n] in [−1, 1]."""
    fitted = np.linalg.lstsq(differences * weight[:, None], scores * weight, rcond=None)[0]
    eta = differences @ fitted
    noise = np.sqrt(np.average((scores - eta) ** 2, weights=weight**2))
    signal = np.sqrt(np.average(eta**2, weights=weight**2))
    expected: NDArray[np.float64] = erf(eta / (np.sqrt(2) * max(noise, _SMALLEST * signal, np.finfo(float).tiny)))
    return expected


def _with(basis: NDArray[np.float64], column: NDArray[np.float64]) -> NDArray[np.float64]:
    """The basis with one column more, unless it says nothing new."""
    rest = column - basis @ (basis.T @ column)
    rest -= basis @ (basis.T @ rest)
    size = float(np.linalg.norm(rest))
    if size <= _SMALLEST * max(float(np.linalg.norm(column)), _SMALLEST):
        return basis
    return np.concatenate([basis, rest[:, None] / size], axis=1)


def _finite(values: ArrayLike, name: str) -> NDArray[np.float64]:
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or not np.isfinite(matrix).all():
        raise InputError(f"{name} must be a finite matrix, a row for each held-out row, not of shape {matrix.shape}")
    return matrix


def _orthonormal(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """An orthonormal basis of the span of the columns, float64 [n, rank]."""
    if columns.shape[1] == 0:
        return columns
    left, values, _ = np.linalg.svd(columns, full_matrices=False)
    kept: NDArray[np.float64] = left[:, values > _SMALLEST * max(values[0], _SMALLEST)]
    return kept
