"""Held-out satisfaction: on which rows of games it was not mined from does a vector point the right way?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError
from conceptmine.mining.matrices import float64_block, float64_matrix, real_matrix

TIE = 1e-12
"""A score counts as zero up to this multiple of (largest entry of the row) × ‖v‖₁, which bounds its rounding error."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """How many held-out rows each vector gets right and wrong, by root and ply. A tie is neither.

    roots      [r], the root ids, ascending.
    plies      [p], the plies, ascending; one entry, 0, when no plies were given.
    rows       int64 [r, p], rows there are.
    satisfied  uint16 [c, r, p], rows with differences @ v > 0.
    opposed    uint16 [c, r, p], rows with differences @ v < 0.
    """

    roots: NDArray[Any]
    plies: NDArray[np.int64]
    rows: NDArray[np.int64]
    satisfied: NDArray[np.uint16]
    opposed: NDArray[np.uint16]

    @property
    def root_fractions(self) -> NDArray[np.float64]:
        """Fraction of each root's rows that are satisfied, float64 [c, r] in [0, 1]."""
        fractions: NDArray[np.float64] = self.satisfied.sum(axis=2) / self.rows.sum(axis=1)
        return fractions

    @property
    def statistic(self) -> NDArray[np.float64]:
        """T: the mean of `root_fractions` over roots, so that every root counts once, float64 [c] in [0, 1]."""
        means: NDArray[np.float64] = self.root_fractions.mean(axis=1)
        return means

    @property
    def all_rows(self) -> NDArray[np.float64]:
        """Fraction of roots whose every row is satisfied, float64 [c] in [0, 1]: nothing averaged away."""
        whole: NDArray[np.float64] = (self.satisfied.sum(axis=2) == self.rows.sum(axis=1)).mean(axis=1)
        return whole

    @property
    def ply_fractions(self) -> NDArray[np.float64]:
        """T at each ply, over the roots that have rows there, float64 [c, p] in [0, 1]."""
        means: NDArray[np.float64] = np.einsum("crp,rp->cp", self.satisfied, ply_weights(self.rows))
        return means


def ply_weights(rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """What one row at (root, ply) adds to the mean over roots of the fraction at that ply, float64 [r, p]."""
    present = rows > 0
    weights: NDArray[np.float64] = present / np.maximum(rows, 1) / present.sum(axis=0)
    return weights


def held_out(
    differences: ArrayLike,
    roots: ArrayLike,
    vectors: ArrayLike,
    *,
    plies: ArrayLike | None = None,
    chunk_rows: int = 256,
) -> HeldOut:
    """Count the rows that each vector satisfies strictly, by root and ply.

    differences  real [n, d], z⁺ − z⁻ of held-out rows; may be memory-mapped, read `chunk_rows` rows at a time.
    roots        [n], the root position of each row (integers or strings).
    vectors      real [c, d], concept vectors of the same layer.
    plies        integers [n], the ply of each row; None puts all rows at one ply.
    chunk_rows   rows multiplied at once; bounds the memory to chunk_rows × (d + c) float64 beside the result.

    Products are float64. A score within `TIE` × max|row| × ‖v‖₁ of zero is a tie, and satisfies neither the row nor its
    reverse, so that a vector that says nothing about a row gains nothing from it.

    Raises InputError on NaN, infinite, empty or misshapen input.
    """
    matrix = real_matrix(differences, "differences")
    directions = float64_matrix(vectors, "vectors")
    if directions.shape[1] != matrix.shape[1]:
        raise InputError(
            f"vectors have {directions.shape[1]} features and differences {matrix.shape[1]}; take both from one layer"
        )
    if chunk_rows < 1:
        raise InputError(f"chunk_rows must be at least 1, not {chunk_rows}")
    root_ids, root_index = _labels(roots, len(matrix), "roots")
    ply_ids, ply_index = _labels(np.zeros(len(matrix), np.int64) if plies is None else plies, len(matrix), "plies")
    if ply_ids.dtype.kind not in "iu":
        raise InputError(f"plies must be integers, not {ply_ids.dtype}")

    cells = len(root_ids) * len(ply_ids)
    cell = root_index * len(ply_ids) + ply_index
    rows = np.bincount(cell, minlength=cells)
    if rows.max() > np.iinfo(np.uint16).max:
        raise InputError(f"one root has {rows.max()} rows at one ply; at most {np.iinfo(np.uint16).max} can be counted")
    satisfied = np.zeros((cells, len(directions)), dtype=np.uint16)
    opposed = np.zeros_like(satisfied)
    lengths = np.abs(directions).sum(axis=1)
    for start in range(0, len(matrix), chunk_rows):
        chunk = float64_block(matrix[start : start + chunk_rows], "differences", row=start)
        scores = chunk @ directions.T
        tie = TIE * np.abs(chunk).max(axis=1, keepdims=True) * lengths
        where = cell[start : start + len(chunk)]
        np.add.at(satisfied, where, scores > tie)
        np.add.at(opposed, where, scores < -tie)
    shape = (len(directions), len(root_ids), len(ply_ids))
    return HeldOut(
        roots=root_ids,
        plies=ply_ids.astype(np.int64),
        rows=rows.reshape(shape[1:]),
        satisfied=np.ascontiguousarray(satisfied.T).reshape(shape),
        opposed=np.ascontiguousarray(opposed.T).reshape(shape),
    )


def _labels(values: ArrayLike, rows: int, name: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    labels = np.asarray(values)
    if labels.shape != (rows,):
        raise InputError(f"{name} must give one value per row of differences, shape ({rows},), not {labels.shape}")
    if labels.dtype.kind not in "iuUS":
        raise InputError(f"{name} must be integers or strings, not {labels.dtype}")
    unique, index = np.unique(labels, return_inverse=True)
    return unique, index.astype(np.int64)
