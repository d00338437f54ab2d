"""The rows of a programme, wherever they lie: a matrix of differences, or two sets of states that share a threshold.

Features are counted in ``units`` [d] > 0 where these are given: row i has the entries dᵢⱼ / unitⱼ. That is all there is
to feature scaling: the solver sees scaled features, and only the finished vector is turned back.

The activations are the largest thing in memory, so they are used as they come: float32 stays float32 in memory and is
turned into float64 entry by entry where it is multiplied.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError
from conceptmine.mining.matrices import float64_block, real_matrix
from conceptmine.mining.pricing import add_prices, all_finite, gather, largest_places

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Places = NDArray[np.int64]


class Rows(Protocol):
    """D [m, d], of which the solver reads single columns and products with all features."""

    @property
    def shape(self) -> tuple[int, int]:
        """(m, d)."""

    @property
    def largest(self) -> Vector:
        """The largest |entry| of each row, float64 [m]."""

    def columns(self, features: Places, scales: Vector) -> Matrix:
        """D[:, features] / scales[:, None] as float64 [m, k]."""

    def prices(self, multipliers: Vector) -> Vector:
        """Dᵀλ over all features, in float64 [d]; only rows with a non-zero multiplier are read."""

    def peaks(self) -> Places:
        """The feature where each row has its largest |entry|, int64 [m]."""


class DifferenceRows:
    """Rows that are given one by one."""

    def __init__(self, matrix: NDArray[Any], units: Vector | None = None) -> None:
        """``matrix`` [m, d], float32 or float64, as `stored` returns it."""
        self._matrix = matrix
        self._units = units
        self.shape: tuple[int, int] = (matrix.shape[0], matrix.shape[1])

    @cached_property
    def largest(self) -> Vector:
        """As in `Rows`."""
        if self._units is None:
            sizes: Vector = np.maximum(self._matrix.max(axis=1), -self._matrix.min(axis=1)).astype(np.float64)
            return sizes
        return np.array([np.abs(row / self._units).max() for row in self._matrix])

    def columns(self, features: Places, scales: Vector) -> Matrix:
        """As in `Rows`."""
        block = np.empty((self.shape[0], len(features)))
        gather(self._matrix, features, scales, block)
        if self._units is not None:
            block /= self._units[features]
        return block

    def prices(self, multipliers: Vector) -> Vector:
        """As in `Rows`."""
        found = _prices(self._matrix, multipliers)
        return found if self._units is None else found / self._units

    def peaks(self) -> Places:
        """As in `Rows`."""
        if self._units is None:
            places: Places = largest_places(self._matrix, self.largest)
            return places
        return np.array([np.abs(row / self._units).argmax() for row in self._matrix], dtype=np.int64)


class ThresholdRows:
    """Positives above and negatives below a common threshold: rows z⁺ − o, then o − z⁻, with one of them as origin o.

    The threshold absorbs any shift of all activations, and a common mean would cost digits. One of the rows is the
    origin rather than the mean, because equal rows then differ by exactly zero instead of by rounding.
    """

    def __init__(self, above: NDArray[Any], below: NDArray[Any], units: Vector | None = None) -> None:
        """``above`` [n⁺, d] and ``below`` [n⁻, d], float32 or float64, as `stored` returns them."""
        self._above, self._below = above, below
        self._units = np.ones(above.shape[1]) if units is None else units
        self._origin = below[0].astype(np.float64)
        self.shape: tuple[int, int] = (len(above) + len(below), above.shape[1])

    @cached_property
    def largest(self) -> Vector:
        """As in `Rows`."""
        return np.array([np.abs(row).max() for row in self._centred()])

    def columns(self, features: Places, scales: Vector) -> Matrix:
        """As in `Rows`."""
        origin, count = self._origin[features], len(self._above)
        block = np.empty((self.shape[0], len(features)))
        gather(self._above, features, np.ones(count), block[:count])
        gather(self._below, features, np.ones(len(self._below)), block[count:])
        block -= origin
        block[count:] *= -1.0
        block /= scales[:, None]
        block /= self._units[features]
        return block

    def prices(self, multipliers: Vector) -> Vector:
        """As in `Rows`."""
        up, down = multipliers[: len(self._above)], multipliers[len(self._above) :]
        shift = up.sum() - down.sum()
        found = _prices(self._above, up) - _prices(self._below, down)
        prices: Vector = (found - shift * self._origin) / self._units
        return prices

    def peaks(self) -> Places:
        """As in `Rows`."""
        return np.array([np.abs(row).argmax() for row in self._centred()], dtype=np.int64)

    def _centred(self) -> Iterator[Vector]:
        """The rows one by one, up to their signs."""
        for part in (self._above, self._below):
            for row in part:
                yield (row - self._origin) / self._units


def stored(values: ArrayLike, name: str, *, rows_required: bool = True) -> NDArray[Any]:
    """A matrix as the solver keeps it: float32 where that is exact (float16, float32), else float64; C order; finite.

    Raises InputError as `real_matrix` and `float64_block` do.
    """
    matrix = real_matrix(values, name, rows_required=rows_required)
    kind = np.float32 if matrix.dtype in (np.float16, np.float32) else np.float64
    kept = np.ascontiguousarray(matrix, dtype=kind)
    if not all_finite(kept):
        for row, block in enumerate(matrix):
            float64_block(block[None, :], name, row=row)
        raise InputError(f"{name} holds numbers beyond the range of {kept.dtype}; rescale it")
    return kept


def _prices(matrix: NDArray[Any], multipliers: Vector) -> Vector:
    used = np.flatnonzero(multipliers)
    out = np.zeros(matrix.shape[1])
    add_prices(matrix, used, multipliers[used], out)
    return out
