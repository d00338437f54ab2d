"""Spectral novelty: do the machine's leading directions explain a vector better than the human ones do?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError
from conceptmine.mining.matrices import float64_matrix, real_matrix
from conceptmine.novelty.spectrum import RANK_TOLERANCE, require_tolerance, spectrum


def novelty_scores(
    vectors: ArrayLike,
    human: ArrayLike,
    machine: ArrayLike,
    ranks: ArrayLike,
    *,
    tolerance: float = RANK_TOLERANCE,
) -> NDArray[np.float64]:
    """S_k(v) = (‖(I − P_h,k) v‖² − ‖(I − P_m,k) v‖²) / ‖v‖² for every vector and every rank k (Schut et al., 4.2.2).

    P_h,k and P_m,k project on the top k right singular vectors of the human and the machine corpus. A positive score
    says that the machine's basis reconstructs v better; the paper keeps a concept that is positive at every k tested.
    The division by ‖v‖² puts scores in [−1, 1] and makes them comparable between concepts.

    vectors    real [n, d], none of them zero.
    human      real [N, d], activations on human games: uncentred, as in the paper; may be memory-mapped.
    machine    real [N, d], on machine games, the same number of rows on purpose. Leave out the games that the vectors
               were mined from: their activations contain the vectors' own rows.
    ranks      integers [K], 1 ≤ k ≤ min(N, d), in any order. A k above a corpus's numerical rank is that rank. At k = d
               with full rank both bases explain everything and the score is 0: see `rank_grid`.
    tolerance  see `RANK_TOLERANCE`.

    Returns float64 [n, K]. Where two singular values coincide across k the top-k span is not determined, and neither is
    that score.

    Raises InputError on NaN, infinite, empty or misshapen input, unequal corpora, a zero vector or a rank out of range.
    """
    directions, human_corpus, machine_corpus, grid = check_corpora(vectors, human, machine, ranks, tolerance)
    explained = [
        spectrum(corpus, directions, name, tolerance=tolerance).explained_by(grid)
        for corpus, name in ((human_corpus, "human"), (machine_corpus, "machine"))
    ]
    return explained[1] - explained[0]


def rank_grid(rank: int, dimension: int) -> NDArray[np.int64]:
    """The ranks to test: 1, 2, 4, … below `rank`, and `rank` itself unless it is `dimension`, where all scores are 0.

    rank       the smaller numerical rank of the two corpora, ≥ 1 (see `rank_comparison`).
    dimension  d, the number of features.
    """
    if not 1 <= rank <= dimension:
        raise InputError(f"rank must lie between 1 and dimension = {dimension}, not {rank}")
    last = min(rank, dimension - 1)
    powers = [2**i for i in range(rank.bit_length()) if 2**i < last]
    return np.array([*powers, last] if last else [1], dtype=np.int64)


def check_corpora(
    vectors: ArrayLike, human: ArrayLike, machine: ArrayLike, ranks: ArrayLike, tolerance: float
) -> tuple[NDArray[np.float64], NDArray[Any], NDArray[Any], NDArray[np.int64]]:
    """The four arguments as arrays of agreeing shapes, or InputError."""
    directions = float64_matrix(vectors, "vectors")
    zero = np.flatnonzero(~directions.any(axis=1))
    if len(zero):
        raise InputError(f"vectors row {int(zero[0])} is zero: it has no direction to explain; drop it")
    human_corpus, machine_corpus = real_matrix(human, "human"), real_matrix(machine, "machine")
    if human_corpus.shape != machine_corpus.shape:
        raise InputError(
            f"human has shape {human_corpus.shape} and machine {machine_corpus.shape}; "
            "take equally many rows of the same layer, or one corpus has the richer basis by its size alone"
        )
    if directions.shape[1] != human_corpus.shape[1]:
        raise InputError(
            f"vectors have {directions.shape[1]} features and the corpora {human_corpus.shape[1]}; use one layer"
        )
    grid = np.asarray(ranks)
    if grid.ndim != 1 or len(grid) == 0 or grid.dtype.kind not in "iu":
        raise InputError("ranks must be a one-dimensional, non-empty array of integers")
    largest = min(human_corpus.shape)
    if grid.min() < 1 or grid.max() > largest:
        raise InputError(
            f"ranks must lie between 1 and min(N, d) = {largest}, not {int(grid.min())} … {int(grid.max())}"
        )
    require_tolerance(tolerance)
    return directions, human_corpus, machine_corpus, grid.astype(np.int64)
