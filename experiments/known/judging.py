"""How well a direction orders held-out positions: pairs of one stratum, ties as failures, games as the unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.evidence.heldout import TIE

RESAMPLES = 200
RANDOM_DIRECTIONS = 20


def ordered(
    vector: NDArray[np.float64], positive: ArrayLike, negative: ArrayLike, above: ArrayLike, below: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pairs [n⁺, n⁻] are of one stratum, and which of them score the positive strictly higher.

    vector    float64 [d].
    positive  [n⁺, d] activations with the concept; negative [n⁻, d] without it.
    above     [n⁺], strata of the positives; below [n⁻], of the negatives.
    """
    high, low = np.asarray(positive, dtype=np.float64), np.asarray(negative, dtype=np.float64)
    largest = max(float(np.abs(high).max(initial=0.0)), float(np.abs(low).max(initial=0.0)))
    tie = TIE * largest * float(np.abs(vector).sum())
    comparable = np.asarray(above)[:, None] == np.asarray(below)[None, :]
    return comparable, comparable & ((high @ vector)[:, None] - (low @ vector)[None, :] > tie)


def satisfaction(
    vector: NDArray[np.float64], positive: ArrayLike, negative: ArrayLike, above: ArrayLike, below: ArrayLike
) -> float:
    """Share of the pairs of one stratum that the direction orders right; nan without a pair. Arguments as `ordered`."""
    comparable, right = ordered(vector, positive, negative, above, below)
    return float(right.sum() / comparable.sum()) if comparable.any() else float("nan")


def standard_error(
    comparable: NDArray[np.bool_],
    right: NDArray[np.bool_],
    games_above: Sequence[str],
    games_below: Sequence[str],
    generator: np.random.Generator,
) -> float:
    """Standard error of a satisfaction by drawing games with replacement; a game carries all its positions along."""
    names, index = np.unique([*games_above, *games_below], return_inverse=True)
    high, low = index[: len(games_above)], index[len(games_above) :]
    shares = []
    for _ in range(RESAMPLES):
        weights = np.bincount(generator.integers(len(names), size=len(names)), minlength=len(names)).astype(float)
        total = weights[high] @ comparable @ weights[low]
        if total > 0:
            shares.append(weights[high] @ right @ weights[low] / total)
    return float(np.std(shares, ddof=1)) if len(shares) > 1 else float("nan")


def random_sparse(
    vector: NDArray[np.float64], alive: NDArray[np.bool_], draws: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Directions with the entries of a vector at random places among the features that vary, float64 [draws, d]."""
    entries, places = vector[vector != 0], np.flatnonzero(alive)
    found = np.zeros((draws, len(vector)))
    for row in found:
        row[generator.choice(places, size=min(len(entries), len(places)), replace=False)] = entries[: len(places)]
    return found
