"""Split-half stability: would the other half of the evidence, or of the rows, have said the same?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from conceptmine.errors import InputError


def half_effects(effects: NDArray[np.float64], half: ArrayLike) -> NDArray[np.float64]:
    """Mean effect on each half of the roots: effects [c, r], half [r] of 0 and 1 → float64 [c, 2], NaN for no root."""
    side = np.asarray(half)
    if effects.ndim != 2 or side.shape != effects.shape[1:]:
        raise InputError(f"half must say 0 or 1 for each of the roots, not be of shape {side.shape}")
    means = [
        effects[:, side == number].mean(axis=1) if (side == number).any() else np.full(len(effects), np.nan)
        for number in (0, 1)
    ]
    return np.stack(means, axis=1)


def ply_agreement(scores: NDArray[np.float64], roots: ArrayLike, late: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Rank correlation over roots of a concept's mean score at early and at late plies, float64 [c].

    scores [n, c], roots [n], late bool [n]. Roots without rows on both sides are left out; NaN with fewer than 3 left,
    or where one side does not vary. Signs follow the lines as they are named; this is a measure of how steady the
    concept is along lines, not a test.
    """
    ids, root = np.unique(np.asarray(roots), return_inverse=True)
    both = np.isin(np.arange(len(ids)), root[late]) & np.isin(np.arange(len(ids)), root[~late])
    means = []
    for part in (~late, late):
        sums = np.zeros((len(ids), scores.shape[1]))
        np.add.at(sums, root[part], scores[part])
        means.append((sums / np.maximum(np.bincount(root[part], minlength=len(ids)), 1)[:, None])[both])
    return rank_correlation(means[0].T, means[1].T)


def rank_correlation(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Spearman's correlation of rows, [c, n] and [c, n] → float64 [c]; NaN where it is not defined."""
    a, b = (np.asarray(values, dtype=np.float64) for values in (first, second))
    if a.shape != b.shape or a.ndim != 2:
        raise InputError(f"both must be [c, n] of one shape, not {a.shape} and {b.shape}")
    if a.shape[1] < 3:
        return np.full(len(a), np.nan)
    ranks = [rankdata(values, axis=1) for values in (a, b)]
    ranks = [values - values.mean(axis=1, keepdims=True) for values in ranks]
    sizes = np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
    products = (ranks[0] * ranks[1]).sum(axis=1)
    return np.where(sizes > 0, products / np.where(sizes > 0, sizes, 1.0), np.nan)


def cosine(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Cosine of rows, [c, d] and [c, d] → float64 [c]; 0 for a zero vector."""
    a, b = (np.asarray(values, dtype=np.float64) for values in (first, second))
    if a.shape != b.shape or a.ndim != 2:
        raise InputError(f"both must be [c, d] of one shape, not {a.shape} and {b.shape}")
    sizes = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.where(sizes > 0, (a * b).sum(axis=1) / np.where(sizes > 0, sizes, 1.0), 0.0)
