"""Held-out satisfaction: on which rows of games it was not mined from does a vector point the right way?"""

from __future__ import annotations

from collections.abc import Iterator
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
    def root_effects(self) -> NDArray[np.float64]:
        """Half of (satisfied − opposed) / rows of each root, float64 [c, r] in [−½, ½]: what flipping the root negates.

        Its mean over roots is the statistic minus the mean of its sign-flip null.
        """
        right, wrong = (counts.sum(axis=2, dtype=np.int64) for counts in (self.satisfied, self.opposed))
        effects: NDArray[np.float64] = (right - wrong) / (2 * self.rows.sum(axis=1))
        return effects

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
    matrix, directions = _same_layer(differences, vectors, chunk_rows)
    cells = _Cells.of(roots, plies, len(matrix))
    satisfied, opposed = cells.zeros(len(directions)), cells.zeros(len(directions))
    for start, scores in _scored(matrix, directions, chunk_rows):
        cells.add(satisfied, start, scores > 0)
        cells.add(opposed, start, scores < 0)
    return cells.counted(satisfied, opposed)


def row_scores(differences: ArrayLike, vectors: ArrayLike, *, chunk_rows: int = 256) -> NDArray[np.float64]:
    """differences @ v of every row and vector, float64 [n, c], with 0 for a tie as in `held_out`; same errors."""
    matrix, directions = _same_layer(differences, vectors, chunk_rows)
    result = np.empty((len(matrix), len(directions)))
    for start, scores in _scored(matrix, directions, chunk_rows):
        result[start : start + len(scores)] = scores
    return result


def count_scores(scores: ArrayLike, roots: ArrayLike, *, plies: ArrayLike | None = None) -> HeldOut:
    """The counts of `held_out` from scores of rows, real [n, c]; a score of 0 is a tie.

    Raises InputError on NaN, infinite, empty or misshapen input.
    """
    matrix = float64_matrix(scores, "scores")
    cells = _Cells.of(roots, plies, len(matrix))
    satisfied, opposed = cells.zeros(matrix.shape[1]), cells.zeros(matrix.shape[1])
    cells.add(satisfied, 0, matrix > 0)
    cells.add(opposed, 0, matrix < 0)
    return cells.counted(satisfied, opposed)


def _same_layer(
    differences: ArrayLike, vectors: ArrayLike, chunk_rows: int
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    matrix = real_matrix(differences, "differences")
    directions = float64_matrix(vectors, "vectors")
    if directions.shape[1] != matrix.shape[1]:
        raise InputError(
            f"vectors have {directions.shape[1]} features and differences {matrix.shape[1]}; take both from one layer"
        )
    if chunk_rows < 1:
        raise InputError(f"chunk_rows must be at least 1, not {chunk_rows}")
    return matrix, directions


def _scored(
    matrix: NDArray[Any], directions: NDArray[np.float64], chunk_rows: int
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """The scores of `chunk_rows` rows at a time, each with its first row; ties are exactly 0."""
    lengths = np.abs(directions).sum(axis=1)
    for start in range(0, len(matrix), chunk_rows):
        chunk = float64_block(matrix[start : start + chunk_rows], "differences", row=start)
        scores = chunk @ directions.T
        tie = TIE * np.abs(chunk).max(axis=1, keepdims=True) * lengths
        scores[np.abs(scores) <= tie] = 0.0
        yield start, scores


@dataclass(frozen=True, eq=False)
class _Cells:
    """Which (root, ply) each row belongs to, as one number; rows [r, p] counts them."""

    roots: NDArray[Any]
    plies: NDArray[np.int64]
    cell: NDArray[np.int64]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, roots: ArrayLike, plies: ArrayLike | None, rows: int) -> _Cells:
        root_ids, root_index = _labels(roots, rows, "roots")
        ply_ids, ply_index = _labels(np.zeros(rows, np.int64) if plies is None else plies, rows, "plies")
        if ply_ids.dtype.kind not in "iu":
            raise InputError(f"plies must be integers, not {ply_ids.dtype}")
        cell = root_index * len(ply_ids) + ply_index
        counts = np.bincount(cell, minlength=len(root_ids) * len(ply_ids))
        most = np.iinfo(np.uint16).max
        if counts.max() > most:
            raise InputError(f"one root has {counts.max()} rows at one ply; at most {most} can be counted")
        return cls(root_ids, ply_ids.astype(np.int64), cell, counts.reshape(len(root_ids), len(ply_ids)))

    def zeros(self, vectors: int) -> NDArray[np.uint16]:
        return np.zeros((self.rows.size, vectors), dtype=np.uint16)

    def add(self, counts: NDArray[np.uint16], start: int, marks: NDArray[np.bool_]) -> None:
        np.add.at(counts, self.cell[start : start + len(marks)], marks)

    def counted(self, satisfied: NDArray[np.uint16], opposed: NDArray[np.uint16]) -> HeldOut:
        shape = (satisfied.shape[1], *self.rows.shape)
        return HeldOut(
            roots=self.roots,
            plies=self.plies,
            rows=self.rows,
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
