"""Satisfaction at matched value: rows where value says nothing, where it says the opposite, and both in equal parts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError


def nearly_equal(control: ArrayLike, *, share: float = 0.25) -> NDArray[np.bool_]:
    """The rows whose control differs least between the two lines: the smallest |difference| of `share` of all rows.

    control  real [n], better line minus worse line.

    The sign plays no part, so that the choice does not depend on which line is called the better. Rows as small as the
    largest chosen are chosen too. Bool [n].
    """
    size = np.abs(_control(control))
    if not 0 < share <= 1:
        raise InputError(f"share must lie in (0, 1], not {share}")
    return np.asarray(size <= np.quantile(size, share), dtype=bool)


def against(control: ArrayLike) -> NDArray[np.bool_]:
    """The rows whose control prefers the worse line, bool [n]."""
    return np.asarray(_control(control) < 0, dtype=bool)


def balanced_weights(control: ArrayLike, roots: ArrayLike, *, strata: int = 5) -> NDArray[np.float64]:
    """Weights that let the control be for and against the better line in equal parts, at equal |difference|.

    control  real [n], better line minus worse line. roots [n]; a root's rows share a weight of 1 before balancing.
    strata   of |difference|, by its quantiles.

    In each stratum the rows for and those against get the same total weight, in all the smaller of the two that they
    had; a stratum with rows on one side alone gets none, and rows with no difference keep theirs. Returns float64 [n]
    that sum to 1, or all 0 where nothing can be balanced.

    A concept that is the control in other words has a chance of ½ + m(g) of a satisfied row with m odd; whatever m is,
    its weighted satisfaction is then chance, as far as |g| is equal within a stratum.
    """
    given, root = _control(control), np.unique(np.asarray(roots), return_inverse=True)[1]
    if root.shape != given.shape or strata < 1:
        raise InputError(f"roots must give one root a row, shape {given.shape}, and strata be at least 1")
    base = 1.0 / np.bincount(root)[root]
    size = np.abs(given)
    edges = np.quantile(size[size > 0], np.linspace(0, 1, strata + 1)[1:-1]) if (size > 0).any() else np.empty(0)
    stratum = np.searchsorted(edges, size)
    weights = np.where(given == 0, base, 0.0)
    for number in range(strata):
        sides = [(stratum == number) & (given > 0), (stratum == number) & (given < 0)]
        totals = [float(base[side].sum()) for side in sides]
        for side, total in zip(sides, totals, strict=True):
            if total > 0:
                weights[side] = base[side] * min(totals) / total
    whole = weights.sum()
    return weights / whole if whole > 0 else weights


def weighted_effects(
    scores: NDArray[np.float64], roots: ArrayLike, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What each root adds to half of the weighted mean sign, float64 [c, r]: for `flip_p`, and summed the effect.

    scores [n, c] as from `row_scores`, roots [n] (columns of the result in ascending order), weights [n] that sum to 1.
    """
    ids, root = np.unique(np.asarray(roots), return_inverse=True)
    result = np.zeros((len(ids), scores.shape[1]))
    np.add.at(result, root, 0.5 * np.sign(scores) * weights[:, None])
    return np.ascontiguousarray(result.T)


def _control(values: ArrayLike) -> NDArray[np.float64]:
    control = np.asarray(values, dtype=np.float64)
    if control.ndim != 1 or len(control) == 0 or not np.isfinite(control).all():
        raise InputError(f"control must hold one finite number a row, not be of shape {control.shape}")
    return control
