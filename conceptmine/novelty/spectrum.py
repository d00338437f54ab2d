"""The spectral basis of a corpus, and how much of a vector its leading directions explain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conceptmine.errors import InputError
from conceptmine.mining.matrices import float64_block

RANK_TOLERANCE = 1e-6
"""Singular values at or below this multiple of the largest count as zero, and their directions as absent.

The spectrum comes from a Gram matrix, whose eigenvalues carry an absolute error of about 2e-16 of the largest: a
squared singular value just above the tolerance is good to 2e-4 relative, one at 1e-4 of the largest to 2e-8.
"""

FINEST_TOLERANCE = 1e-7
"""Below this multiple of the largest, singular values from a Gram matrix are rounding."""

_BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The spectrum of a corpus Z [N, d], uncentred, and the shares of n vectors inside its leading directions.

    singular_values  float64 [r], descending, those above the tolerance; r is the numerical rank.
    explained        float64 [n, r + 1] in [0, 1], non-decreasing along k: ‖P_k v‖² / ‖v‖², with P_k the projection on
                     the top k right singular vectors.
    """

    singular_values: NDArray[np.float64]
    explained: NDArray[np.float64]

    def explained_by(self, ranks: NDArray[np.int64]) -> NDArray[np.float64]:
        """`explained` at each k, float64 [n, len(ranks)]; a k above the numerical rank is that rank."""
        return self.explained[:, np.minimum(ranks, len(self.singular_values))]


def spectrum(
    corpus: NDArray[Any], vectors: NDArray[np.float64], name: str, *, tolerance: float = RANK_TOLERANCE
) -> Spectrum:
    """The spectrum of a corpus [N, d] and the explained shares of vectors [n, d], through the smaller Gram matrix."""
    if corpus.shape[0] <= corpus.shape[1]:
        return spectrum_from_rows(row_gram(corpus, name), scores(corpus, vectors, name), vectors, tolerance)
    return spectrum_from_features(feature_gram(corpus, name), vectors, tolerance)


def spectrum_from_rows(
    gram: NDArray[np.float64], projections: NDArray[np.float64], vectors: NDArray[np.float64], tolerance: float
) -> Spectrum:
    """From Z Zᵀ = U S² Uᵀ [N, N] and Z vᵀ [N, n]: the coordinate of v along direction i is uᵢ · (Z v) / sᵢ."""
    values, left = _leading(gram, tolerance)
    return Spectrum(values, _shares((left.T @ projections).T / values, vectors))


def spectrum_from_features(gram: NDArray[np.float64], vectors: NDArray[np.float64], tolerance: float) -> Spectrum:
    """From Zᵀ Z [d, d], whose eigenvectors are the directions."""
    values, right = _leading(gram, tolerance)
    return Spectrum(values, _shares(vectors @ right, vectors))


def row_gram(corpus: NDArray[Any], name: str) -> NDArray[np.float64]:
    """Z Zᵀ in float64 [N, N], reading a slice of the features at a time."""
    rows, features = corpus.shape
    gram = np.zeros((rows, rows))
    step = max(1, _BLOCK_BYTES // (8 * rows))
    for start in range(0, features, step):
        block = float64_block(corpus[:, start : start + step], name, column=start)
        gram += block @ block.T
    return gram


def feature_gram(corpus: NDArray[Any], name: str) -> NDArray[np.float64]:
    """Zᵀ Z in float64 [d, d], reading a slice of the rows at a time."""
    rows, features = corpus.shape
    gram = np.zeros((features, features))
    step = max(1, _BLOCK_BYTES // (8 * features))
    for start in range(0, rows, step):
        block = float64_block(corpus[start : start + step], name, row=start)
        gram += block.T @ block
    return gram


def scores(corpus: NDArray[Any], vectors: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """Z vᵀ in float64 [N, n], reading a slice of the rows at a time."""
    step = max(1, _BLOCK_BYTES // (8 * corpus.shape[1]))
    blocks = [
        float64_block(corpus[start : start + step], name, row=start) @ vectors.T
        for start in range(0, len(corpus), step)
    ]
    return np.concatenate(blocks)


def singular_values(corpus: NDArray[Any], name: str) -> NDArray[np.float64]:
    """All min(N, d) singular values of a corpus, float64, descending; those below `FINEST_TOLERANCE` are rounding."""
    gram = row_gram(corpus, name) if corpus.shape[0] <= corpus.shape[1] else feature_gram(corpus, name)
    values: NDArray[np.float64] = np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0))
    return values


def require_tolerance(tolerance: float) -> None:
    """Raise InputError unless a Gram matrix can resolve singular values at this multiple of the largest."""
    if not FINEST_TOLERANCE <= tolerance < 1:
        raise InputError(
            f"a rank tolerance must lie in [{FINEST_TOLERANCE:g}, 1), not {tolerance!r}: smaller singular values are "
            "lost in the Gram matrix"
        )


def _leading(gram: NDArray[np.float64], tolerance: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    squares, directions = np.linalg.eigh(gram)
    squares, directions = squares[::-1], directions[:, ::-1]
    kept = int((squares > tolerance**2 * max(squares[0], 0.0)).sum())
    return np.sqrt(squares[:kept]), directions[:, :kept]


def _shares(coordinates: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    squares = np.cumsum(coordinates**2, axis=1) / (vectors**2).sum(axis=1, keepdims=True)
    return np.concatenate([np.zeros((len(vectors), 1)), np.minimum(squares, 1.0)], axis=1)
