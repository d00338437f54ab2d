"""Groups of roots that every pooled method gets alike: all of them, and clusters of alike ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["groups_of"]

_ROUNDS = 50
_FEWEST = 5  # roots; a smaller cluster says little that its roots do not say alone


def groups_of(differences: NDArray[np.float64], clusters: int, *, seed: int) -> list[NDArray[np.int64]]:
    """All roots, and then clusters of roots whose mean differences point the same way (spherical k-means,
    begun as k-means++ does).

    differences  float64 [r, p, d] of the mining side.
    clusters     how many to look for; those that end with fewer than five roots are left out.
    seed         of the roots to begin with.

    Returns indices into the r roots, ascending, the group of all first.
    """
    means = differences.mean(axis=1)
    units = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-300)
    alike = units @ units.T
    members = np.eye(len(units))[:, _openers(alike, min(clusters, len(units)), np.random.default_rng(seed))]
    nearest = np.full(len(units), -1)
    for _ in range(_ROUNDS):
        # Centres are sums of members; their products with roots and their lengths need only the products of roots.
        products = alike @ members
        lengths = np.sqrt(np.maximum((members * products).sum(axis=0), 1e-300))
        now = (products / lengths).argmax(axis=1)
        if (now == nearest).all():
            break
        nearest = now
        members = (nearest[:, None] == np.arange(members.shape[1])).astype(np.float64)
    groups = [np.flatnonzero(column) for column in members.T]
    return [np.arange(len(units)), *(group for group in groups if _FEWEST <= len(group) < len(units))]


def _openers(alike: NDArray[np.float64], count: int, generator: np.random.Generator) -> list[int]:
    """Roots to begin clusters with: each drawn in proportion to its squared distance from those drawn before."""
    chosen = [int(generator.integers(len(alike)))]
    while len(chosen) < count:
        distance = np.maximum(1.0 - alike[:, chosen].max(axis=1), 0.0)
        distance[chosen] = 0.0
        if not distance.any():
            break
        chosen.append(int(generator.choice(len(alike), p=distance / distance.sum())))
    return chosen
