"""Rows with the root that each belongs to: what is mined together is chosen by roots, never by single rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError
from conceptmine.mining.matrices import float64_matrix

_TIE = 1e-12  # of (largest entry of the row) × ‖v‖₁, which bounds the rounding of a score


@dataclass(frozen=True, eq=False)
class RootRows:
    """Rows of n roots.

    differences  float64 [m, d], z⁺ − z⁻.
    owner        int64 [m], the root of each row, 0 … n − 1; every root has at least one row.
    """

    differences: NDArray[np.float64]
    owner: NDArray[np.int64]

    @classmethod
    def of(cls, differences: ArrayLike, owner: ArrayLike) -> RootRows:
        """Checked rows.

        Raises InputError (a ValueError) on NaN, infinite, empty or misshapen differences, or when `owner` does not give
        every row a root with numbers from 0 up and none left out.
        """
        matrix = float64_matrix(differences, "differences")
        roots = np.asarray(owner)
        if roots.shape != (len(matrix),) or roots.dtype.kind not in "iu":
            raise InputError(f"owner must give one whole number per row, shape ({len(matrix)},), not {roots.shape}")
        if roots.min() < 0 or len(np.unique(roots)) != roots.max() + 1:
            raise InputError("owner must number the roots from 0 up and leave no number out")
        return cls(matrix, roots.astype(np.int64))

    @property
    def count(self) -> int:
        """How many roots there are."""
        return int(self.owner.max()) + 1

    def places(self, roots: Sequence[int]) -> NDArray[np.int64]:
        """Places of all rows of the given roots, int64; those of a root named twice stand there twice."""
        return np.concatenate([np.flatnonzero(self.owner == root) for root in roots])

    def mean_by_root(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Means over each root's rows of values [m] or [m, c], float64 [n] or [n, c]."""
        counts = np.bincount(self.owner, minlength=self.count)
        sums = np.zeros((self.count, *values.shape[1:]))
        np.add.at(sums, self.owner, values)
        means: NDArray[np.float64] = (sums.T / counts).T
        return means


def row_orders(differences: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.int8]:
    """How each vector orders each row: 1 as it should be, −1 the wrong way round, 0 a tie; int8 [m, c].

    differences  float64 [m, d]. vectors  float64 [c, d].

    A score that is zero up to rounding is a tie, and satisfies neither the row nor its reverse.
    """
    scores = differences @ vectors.T
    rounding = _TIE * np.abs(differences).max(axis=1, keepdims=True) * np.abs(vectors).sum(axis=1)
    orders: NDArray[np.int8] = (scores > rounding).astype(np.int8) - (scores < -rounding).astype(np.int8)
    return orders


__all__ = ["RootRows", "row_orders"]
