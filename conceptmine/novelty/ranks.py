"""Rank comparison of two corpora: which of them spans more of a layer, at which tolerance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError
from conceptmine.mining.matrices import real_matrix
from conceptmine.novelty.spectrum import require_tolerance, singular_values


@dataclass(frozen=True, eq=False)
class RankComparison:
    """Numerical ranks of two corpora of equal size.

    tolerances    float64 [t], multiples of each corpus's largest singular value.
    human_ranks   int64 [t]; machine_ranks: int64 [t]: singular values above the tolerance.
    human_values  float64 [min(N, d)]; machine_values: the same: all singular values, descending.
    """

    tolerances: NDArray[np.float64]
    human_ranks: NDArray[np.int64]
    machine_ranks: NDArray[np.int64]
    human_values: NDArray[np.float64]
    machine_values: NDArray[np.float64]


def rank_comparison(
    human: ArrayLike, machine: ArrayLike, *, tolerances: Sequence[float] = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
) -> RankComparison:
    """Numerical ranks of two corpora [N, d] of equal shape, uncentred (Schut et al., 4.2.2 and its rank experiment).

    The paper does not state its tolerance and the ranks depend on it strongly, so several are given. Values come from
    float64 Gram matrices, which resolve multiples of the largest down to `FINEST_TOLERANCE`.

    Raises InputError on NaN, infinite, empty or misshapen input, unequal corpora or a tolerance out of range.
    """
    for tolerance in tolerances:
        require_tolerance(tolerance)
    human_corpus, machine_corpus = real_matrix(human, "human"), real_matrix(machine, "machine")
    if human_corpus.shape != machine_corpus.shape:
        raise InputError(
            f"human has shape {human_corpus.shape} and machine {machine_corpus.shape}; "
            "ranks are comparable only for equally many rows of one layer"
        )
    human_values = singular_values(human_corpus, "human")
    machine_values = singular_values(machine_corpus, "machine")
    levels = np.array(tolerances, dtype=np.float64)
    return RankComparison(
        tolerances=levels,
        human_ranks=_ranks(human_values, levels),
        machine_ranks=_ranks(machine_values, levels),
        human_values=human_values,
        machine_values=machine_values,
    )


def _ranks(values: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.int64]:
    ranks: NDArray[np.int64] = (values[None, :] > levels[:, None] * values[0]).sum(axis=1)
    return ranks
