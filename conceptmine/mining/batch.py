"""Thousands of one-root programmes: the same solves as `minimal_vector`, over threads, from states that are shared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError
from conceptmine.mining.features import Scaling
from conceptmine.mining.solution import Solution, SolverError
from conceptmine.mining.solve import Method
from conceptmine.mining.vectors import minimal_vector


@dataclass(frozen=True, eq=False)
class StatePairs:
    """Difference matrices, made when they are needed: concept c has the rows states[plus[c]] − states[minus[c]].

    states       [N, d], an array or a memory map; shared by all concepts and never copied as a whole.
    plus, minus  one int64 [m] each for every concept, rows of ``states``.
    """

    states: NDArray[Any]
    plus: Sequence[NDArray[Any]]
    minus: Sequence[NDArray[Any]]

    def __post_init__(self) -> None:
        """Raise InputError where a concept lacks one of its two lists, or they differ in length or name no states."""
        if len(self.plus) != len(self.minus):
            raise InputError(f"there are {len(self.plus)} lists of better states and {len(self.minus)} of worse ones")
        for concept, (plus, minus) in enumerate(zip(self.plus, self.minus, strict=True)):
            if len(plus) != len(minus):
                raise InputError(f"concept {concept} has {len(plus)} better states and {len(minus)} worse ones")
            for places in map(np.asarray, (plus, minus)):
                if len(places) == 0:
                    continue
                if places.ndim != 1 or places.dtype.kind not in "iu":
                    raise InputError(f"concept {concept} must name its states by lists of whole numbers")
                if places.min() < 0 or places.max() >= len(self.states):
                    raise InputError(
                        f"concept {concept} must name its states by numbers from 0 to {len(self.states) - 1}"
                    )

    def __len__(self) -> int:
        """Number of concepts."""
        return len(self.plus)

    def __getitem__(self, concept: int) -> NDArray[Any]:
        """The rows of one concept [m, d]: float32 where the states are float16 or float32, else float64.

        Subtracted in that type: float16 would round, and whole numbers without a sign would wrap around.
        """
        kind = np.float32 if self.states.dtype in (np.float16, np.float32) else np.float64
        plus, minus = (np.asarray(each[concept], dtype=np.int64) for each in (self.plus, self.minus))
        difference: NDArray[Any] = self.states[plus].astype(kind) - self.states[minus].astype(kind)
        return difference


def minimal_vectors(
    differences: StatePairs | Sequence[ArrayLike],
    *,
    workers: int | None = None,
    slack: float | None = None,
    nonnegative: bool = False,
    features: ArrayLike | None = None,
    scaling: Scaling = "none",
    method: Method = "auto",
) -> list[Solution | SolverError]:
    """One `minimal_vector` a concept, with the same bytes as solved alone, over ``workers`` threads.

    differences  a matrix [m, d] for each concept, or the `StatePairs` that they are made from: then no more of them is
                 in memory than there are threads.
    workers      threads; by default as many as the process has processors. The result does not depend on it.
    The other arguments are those of `minimal_vector`, for all concepts alike.

    Returns, in order, a Solution for each concept, or the SolverError of one that could not be certified: it is not
    raised, so that it does not take the others with it.

    Raises InputError as `minimal_vector`, or where ``workers`` is not positive.
    """
    threads = len(os.sched_getaffinity(0)) if workers is None else workers
    if threads < 1:
        raise InputError(f"workers is {workers}; give at least 1")

    def one(concept: int) -> Solution | SolverError:
        try:
            return minimal_vector(
                differences[concept],
                slack=slack,
                nonnegative=nonnegative,
                features=features,
                scaling=scaling,
                method=method,
            )
        except SolverError as error:
            return error

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(len(differences))))
