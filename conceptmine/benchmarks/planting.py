"""Rows whose truth is known: natural differences turned by a coin, and directions added to the better states.

After the coin nothing tells the two lines of a root apart, whatever the activations are: there is no concept in them.
What is then added is all there is to find. A direction is added to the difference: its positive weights to the better
state and its negative ones to the worse, so that activations that were not negative stay so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conceptmine.benchmarks.directions import KINDS, Direction, direction_of
from conceptmine.benchmarks.siblings import Siblings
from conceptmine.errors import InputError

__all__ = ["PREVALENCES", "PlantedRows", "planted_rows"]

PREVALENCES: Final = (0.4, 0.3, 0.2, 0.1)
"""In which share of the roots each of the four planted directions separates best from subpar; 30 % hold none."""

_AMOUNTS: Final = (0.5, 1.5)

_FIELD: Final = 7  # keeps these draws apart from others of the same seed


@dataclass(frozen=True, eq=False)
class PlantedRows:
    """A data set with its truth.

    natural      float64 [r, p, d], differences as the coin left them.
    planted      float64 [k, r]: how much of each direction was added to each root's rows; 0 where it was not.
    directions   k directions, in the order of `prevalences`.
    prevalences  [k], the share of roots that each was meant for.
    strength     see `planted_rows`.
    mined        int64 [m], the roots to mine from; tested: int64 [r − m], those to test on.
    """

    natural: NDArray[np.float64]
    planted: NDArray[np.float64]
    directions: tuple[Direction, ...]
    prevalences: tuple[float, ...]
    strength: float
    mined: NDArray[np.int64]
    tested: NDArray[np.int64]

    @property
    def vectors(self) -> NDArray[np.float64]:
        """The directions as one array, float64 [k, d]."""
        stacked = [direction.vector for direction in self.directions]
        return np.array(stacked, dtype=np.float64).reshape(len(stacked), self.natural.shape[-1])

    def differences(self, roots: NDArray[np.int64]) -> NDArray[np.float64]:
        """Better minus worse states of some roots, with what was planted, float64 [len(roots), p, d]."""
        shifts = self.planted[:, roots].T @ self.vectors
        rows: NDArray[np.float64] = self.natural[roots] + shifts[:, None, :]
        return rows

    def present(self, roots: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which direction is in which root, bool [k, len(roots)]."""
        there: NDArray[np.bool_] = self.planted[:, roots] > 0
        return there


def planted_rows(
    siblings: Siblings,
    roots: int,
    *,
    strength: float,
    seed: int,
    kinds: Sequence[str] = tuple(KINDS),
    prevalences: Sequence[float] = PREVALENCES,
) -> PlantedRows:
    """Plant one direction of each kind into some of the roots.

    siblings     natural rows to draw `roots` roots from.
    roots        even; half of them are for mining, half for testing.
    strength     mean shift along the direction in units of the natural spread of the rows' scores along it: a score
                 whose sign was a coin toss with standard deviation 1 has mean `strength` where the direction is
                 planted. Each planted root has an amount of its own, evenly between 0.5 and 1.5 times that. 0 plants
                 nothing: pure noise.
    seed         of the choice of roots, the coin, the directions, which roots hold them, and how much.
    kinds        of the directions; which kind gets which prevalence changes with the seed.
    prevalences  as many numbers in (0, 1]; each root holds each direction with that probability, independently.

    Raises InputError when there are too few natural roots, or strength or prevalences are out of range.
    """
    if roots < 4 or roots % 2 or roots > len(siblings):
        raise InputError(f"roots is {roots}: give an even number from 4 to {len(siblings)}, the roots there are.")
    if not (np.isfinite(strength) and strength >= 0):
        raise InputError(f"strength is {strength}: give a number from 0 up.")
    if len(kinds) != len(prevalences) or not all(0 < share <= 1 for share in prevalences):
        raise InputError("prevalences must be as many as kinds, each above 0 and at most 1.")
    generator = np.random.default_rng([_FIELD, seed, roots])
    chosen = generator.permutation(len(siblings))[:roots]
    coin = generator.choice((-1.0, 1.0), roots)
    natural = siblings.differences[chosen] * coin[:, None, None]
    rows = natural.reshape(-1, natural.shape[-1])
    directions = tuple(direction_of(kinds[i], rows, generator) for i in generator.permutation(len(kinds)))
    holds = generator.random((len(kinds), roots)) < np.array(prevalences)[:, None]
    shares = generator.uniform(*_AMOUNTS, (len(kinds), roots))
    units = np.array([np.sqrt(((rows @ each.vector) ** 2).mean()) / (each.vector @ each.vector) for each in directions])
    order = generator.permutation(roots)
    return PlantedRows(
        natural=natural,
        planted=np.where(holds, strength * shares * units[:, None], 0.0),
        directions=directions,
        prevalences=tuple(prevalences),
        strength=float(strength),
        mined=np.sort(order[: roots // 2]),
        tested=np.sort(order[roots // 2 :]),
    )
