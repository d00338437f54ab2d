"""Directions to plant, of four kinds between what a sparse method hopes for and what nature is likely to hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conceptmine.errors import InputError

__all__ = ["KINDS", "SPARSE_FEATURES", "Direction", "direction_of"]

SPARSE_FEATURES: Final = 8
"""Features of a sparse direction."""

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Direction:
    """A direction u of a layer, float64 [d], of one of `KINDS`; its length means nothing."""

    kind: str
    vector: Vector

    @property
    def support(self) -> NDArray[np.int64]:
        """The features that it has, ascending."""
        return np.flatnonzero(self.vector)

    @property
    def is_sparse(self) -> bool:
        """Whether it has few features, so that it makes sense to ask which of them were found."""
        return len(self.support) <= SPARSE_FEATURES


def direction_of(kind: str, rows: NDArray[np.floating], generator: np.random.Generator) -> Direction:
    """A random direction that fits a layer.

    kind       "sparse": eight features at random, with random signs. "correlated": a feature at random and the seven
               that go most strongly with it, with the signs of their correlations. "dense": all features, normal.
               "natural": a random mixture of natural rows, dense as well, along which nature varies much. In the
               first three, weights are in proportion to the feature's own spread.
    rows       real [n, d], natural differences of the layer; only their spread and correlations are used.
    generator  of all that is random.

    Raises InputError for an unknown kind or fewer than eight features that vary.
    """
    if kind not in KINDS:
        raise InputError(f"There is no kind of direction {kind!r}: choose from {', '.join(KINDS)}.")
    natural = np.asarray(rows, dtype=np.float64)
    spread = np.sqrt((natural**2).mean(axis=0))
    varying = np.flatnonzero(spread > 1e-6 * spread.max())
    if len(varying) < SPARSE_FEATURES:
        raise InputError(f"Only {len(varying)} features of the layer vary: choose a wider --layer.")
    return Direction(kind, KINDS[kind](natural, spread, varying, generator))


def _sparse(rows: Matrix, spread: Vector, varying: NDArray[np.int64], generator: np.random.Generator) -> Vector:
    chosen = generator.choice(varying, SPARSE_FEATURES, replace=False)
    vector = np.zeros(rows.shape[1])
    vector[chosen] = (
        spread[chosen] * generator.uniform(0.5, 1.5, len(chosen)) * generator.choice((-1.0, 1.0), len(chosen))
    )
    return vector


def _correlated(rows: Matrix, spread: Vector, varying: NDArray[np.int64], generator: np.random.Generator) -> Vector:
    first = int(generator.choice(varying))
    going_with = rows[:, varying].T @ rows[:, first] / (spread[varying] * spread[first] * len(rows))
    order = np.argsort(-np.abs(going_with), kind="stable")[:SPARSE_FEATURES]
    chosen = varying[order]
    vector = np.zeros(rows.shape[1])
    vector[chosen] = spread[chosen] * generator.uniform(0.5, 1.5, len(chosen)) * np.sign(going_with[order])
    return vector


def _dense(rows: Matrix, spread: Vector, varying: NDArray[np.int64], generator: np.random.Generator) -> Vector:
    vector = np.zeros(rows.shape[1])
    vector[varying] = spread[varying] * generator.standard_normal(len(varying))
    return vector


def _natural(rows: Matrix, spread: Vector, varying: NDArray[np.int64], generator: np.random.Generator) -> Vector:
    return generator.standard_normal(len(rows)) @ rows


KINDS: Final[dict[str, Callable[[Matrix, Vector, NDArray[np.int64], np.random.Generator], Vector]]] = {
    "sparse": _sparse,
    "correlated": _correlated,
    "dense": _dense,
    "natural": _natural,
}
"""The kinds, and how each is drawn from (rows, spread by feature, features that vary, generator)."""
