"""Where a concept applies: roots chosen by what it says before the outcome, never by the outcome.

A one-root vector says nothing about positions at large. If it means something, then where it applies. A choice is
honest when exchanging the two lines of a root would not change it: the activation at the root belongs to both lines,
and so does the strength of an opinion without its direction. To choose the roots where a concept is *right* at the
first plies and to test it at the later ones is not: the positions of one line resemble each other, and the later plies
would repeat what they were chosen for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError

SHARE = 1 / 3
FEWEST = 16
"""A test on 16 roots can reach a p of 2⁻¹⁶; with fewer, no correction for many concepts would leave anything."""


def strongest(strength: ArrayLike, *, share: float = SHARE, fewest: int = FEWEST) -> NDArray[np.bool_]:
    """For each concept the roots where it is strongest, bool [c, r].

    strength  real [c, r], the activation v · z(root), or the strength of an opinion from `opinions`.
    share     of the roots to choose, in (0, 1); at least `fewest`.

    All False where that would be all roots: nothing has then been chosen. Of equal strengths the first roots count.

    Raises InputError on NaN or misshapen input.
    """
    values = np.asarray(strength, dtype=np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise InputError(f"strength must be finite numbers [concepts, roots], not of shape {values.shape}")
    if not 0 < share < 1 or fewest < 1:
        raise InputError(f"share must lie between 0 and 1 and fewest be at least 1, not {share} and {fewest}")
    roots = values.shape[1]
    chosen = np.zeros(values.shape, dtype=bool)
    number = max(fewest, int(np.ceil(share * roots)))
    if number < roots:
        first = np.argsort(-values, axis=1, kind="stable")[:, :number]
        np.put_along_axis(chosen, first, True, axis=1)
    return chosen


def opinions(
    scores: NDArray[np.float64], sizes: ArrayLike, roots: ArrayLike, plies: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How strong each concept's opinion is at the first half of the plies, and which rows are left to test it on.

    scores  float64 [n, c] as from `row_scores`; sizes [n], ‖z⁺ − z⁻‖ of the rows; roots, plies [n].

    Returns |mean of score / size over a root's rows at the early plies|, float64 [c, r] with roots ascending, 0 for a
    root that has none, and bool [n], the rows at the later plies. Early are the smaller half of the plies that occur
    (rounded down; all rows are late when there is one ply).
    """
    ids, root = np.unique(np.asarray(roots), return_inverse=True)
    depth = np.asarray(plies)
    depths = np.unique(depth)
    early = np.isin(depth, depths[: len(depths) // 2])
    relative = scores / np.maximum(np.asarray(sizes, dtype=np.float64), np.finfo(float).tiny)[:, None]
    sums = np.zeros((len(ids), scores.shape[1]))
    np.add.at(sums, root[early], relative[early])
    counts = np.maximum(np.bincount(root[early], minlength=len(ids)), 1)
    return np.ascontiguousarray(np.abs(sums / counts[:, None]).T), ~early


def one_p(p: ArrayLike) -> NDArray[np.float64]:
    """One p for each concept from those of its tests [c, k], NaN for tests not made: smallest × number made, at most 1.

    Bonferroni within the concept: valid however its tests depend on each other. NaN where no test was made.
    """
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 2:
        raise InputError(f"p must be [concepts, tests], not of shape {values.shape}")
    made = (~np.isnan(values)).sum(axis=1)
    smallest = np.min(np.where(np.isnan(values), 1.0, values), axis=1, initial=1.0)
    return np.where(made > 0, np.minimum(1.0, smallest * made), np.nan)
