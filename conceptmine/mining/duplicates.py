"""One concept found twice is one concept: vectors of a layer that are nearly parallel and order the same rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from conceptmine.errors import InputError

SAME_COSINE = 0.95
"""Vectors are duplicates only from this cosine on, …"""

SAME_ORDERS = 0.95
"""… and if they give this share of the rows the same order."""


def distinct_vectors(
    vectors: NDArray[np.float64],
    orders: NDArray[np.int8],
    roots: Sequence[int],
    gaps: Sequence[float],
    *,
    cosine: float = SAME_COSINE,
    agreement: float = SAME_ORDERS,
) -> dict[int, tuple[int, ...]]:
    """The concepts to keep, ascending, each with the duplicates that it stands for.

    vectors    float64 [c, d] of one layer, each turned so that it scores best lines above subpar ones.
    orders     int8 [m, c] from `row_orders`, on rows that are the same for all of them.
    roots      [c], how many roots each was mined from; gaps [c]: its relative duality gap.
    cosine, agreement  both thresholds, in (0, 1], must be reached.

    A concept of more roots stands for one of fewer; then the better certificate decides, then the order. It is compared
    with those already kept only, so that no chain of small steps joins what is far apart. No held-out row is looked at.

    Raises InputError when a threshold is out of range.
    """
    if not (0 < cosine <= 1 and 0 < agreement <= 1):
        raise InputError(f"cosine and agreement must lie above 0 and at most at 1, not {cosine} and {agreement}")
    lengths = np.linalg.norm(vectors, axis=1)
    units = vectors / np.where(lengths > 0, lengths, 1.0)[:, None]
    kept: list[int] = []
    stands_for: dict[int, list[int]] = {}
    for concept in sorted(range(len(vectors)), key=lambda number: (-roots[number], gaps[number], number)):
        parallel = np.flatnonzero(units[kept] @ units[concept] >= cosine)
        same = [kept[i] for i in parallel if np.mean(orders[:, kept[i]] == orders[:, concept]) >= agreement]
        if same:
            stands_for[same[0]].append(concept)
        else:
            kept.append(concept)
            stands_for[concept] = []
    return {concept: tuple(sorted(stands_for[concept])) for concept in sorted(kept)}


__all__ = ["SAME_COSINE", "SAME_ORDERS", "distinct_vectors"]
