"""Random sparse vectors as a control: would any direction with so few weights have ordered the lines as well?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from conceptmine.errors import InputError
from conceptmine.mining.matrices import float64_matrix

__all__ = ["random_vectors", "share_as_good", "turned_to"]


def random_vectors(
    vectors: ArrayLike, active: ArrayLike, *, copies: int = 39, seed: int | np.random.Generator = 0
) -> csr_array:
    """Vectors with the weights of given ones on features of chance.

    vectors  real [c, d].
    active   bool [d], the features to choose from: those that differ between lines at all. A weight on a feature that
             is always silent would make the control easy to beat.
    copies   random vectors for each given one.

    Returns a sparse float64 [c · copies, d], copy k of vector i in row i · copies + k: as many nonzeros as the vector
    (at most the number of active features), its magnitudes in a random order, each with a random sign. L1 and L2 norms
    are the vector's.

    Raises InputError on misshapen input, or when no feature is active.
    """
    given = float64_matrix(vectors, "vectors")
    choice = np.flatnonzero(np.asarray(active, dtype=bool))
    if np.shape(active) != (given.shape[1],) or len(choice) == 0:
        raise InputError(
            f"active must mark at least one of {given.shape[1]} features, not be of shape {np.shape(active)}"
        )
    if copies < 1:
        raise InputError(f"copies must be at least 1, not {copies}")
    rng = np.random.default_rng(seed)
    features, weights, ends = [], [], [0]
    for vector in given:
        magnitudes = np.abs(vector[vector != 0])[: len(choice)]
        for _ in range(copies):
            features.append(rng.choice(choice, size=len(magnitudes), replace=False))
            weights.append(rng.permutation(magnitudes) * rng.choice([-1.0, 1.0], size=len(magnitudes)))
            ends.append(ends[-1] + len(magnitudes))
    return csr_array(
        (np.concatenate(weights), np.concatenate(features), np.array(ends)), shape=(copies * len(given), given.shape[1])
    )


def turned_to(vectors: csr_array, differences: ArrayLike) -> csr_array:
    """The vectors, each turned round if it scores more rows of `differences` below zero than above.

    A concept fits the rows it was mined from. A random direction that may choose its sign by the same rows has what can
    be had from them without mining.
    """
    scores = vectors @ np.asarray(differences, dtype=np.float64).T
    turns = np.where(np.sign(scores).sum(axis=1) < 0, -1.0, 1.0)
    turned = vectors.copy()
    turned.data = turned.data * np.repeat(turns, np.diff(turned.indptr))
    return turned


def share_as_good(statistic: ArrayLike, controls: ArrayLike) -> NDArray[np.float64]:
    """(1 + controls that reach the statistic) / (1 + controls): statistic [c], controls [c, k] → float64 [c].

    A p-value when the concept would be one of its controls under the null; here it says how unusual the concept is
    among them.
    """
    own, others = np.asarray(statistic, dtype=np.float64), np.asarray(controls, dtype=np.float64)
    if others.ndim != 2 or own.shape != others.shape[:1] or others.shape[1] == 0:
        raise InputError(f"controls must be [c, k] for a statistic [c], not {others.shape} and {own.shape}")
    shares: NDArray[np.float64] = (1 + (others >= own[:, None] - 1e-12).sum(axis=1)) / (1 + others.shape[1])
    return shares
