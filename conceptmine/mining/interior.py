"""The interior point method over a working set of features, finished by the simplex method at a vertex.

Where rows are many the simplex method takes thousands of pivots, each as dear as the basis is large; the interior point
takes twenty steps however many rows there are. It is run to a coarse gap while features still join, then to a fine one.
Its point says which rows and features the optimal basis is made of; the simplex method starts from that basis, needs a
few pivots where the optimum is degenerate, and gives the vertex that it would have found by itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from conceptmine.mining.barrier import Central, central_path
from conceptmine.mining.pricing import most_violated, strongest
from conceptmine.mining.programme import Programme
from conceptmine.mining.rows import Places, Vector
from conceptmine.mining.simplex import Simplex
from conceptmine.mining.threads import one_blas_thread
from conceptmine.mining.witness import Contradiction

_COARSE, _FINE = 1e-3, 1e-9
_FEW = 0.1  # A share of the rows: so few new features change little, and the fine solve comes next.
_ROUNDS = 30


class Interior:
    """One programme's solve."""

    def __init__(self, programme: Programme) -> None:
        self._programme = programme
        self._simplex: Simplex | None = None

    def optimise(self, weights: Vector) -> Contradiction | None:
        """As `Simplex.optimise`, from the basis that the interior point finds."""
        if self._simplex is None:
            self._simplex = Simplex(self._programme)
            members, central = self._approach(weights)
            if central.converged:
                self._simplex.adopt(members, weights, central)
        return self._simplex.optimise(weights)

    def points(self) -> Iterator[tuple[Vector, Vector]]:
        """As `Simplex.points`."""
        if self._simplex is not None:
            yield from self._simplex.points()

    def _approach(self, weights: Vector) -> tuple[Places, Central]:
        """The working set and the point on it at a fine gap."""
        # One thread: the same bytes wherever it runs, and a busy machine makes waiting threads dearer than their work.
        with one_blas_thread():
            return self._generate(weights)

    def _generate(self, weights: Vector) -> tuple[Places, Central]:
        programme = self._programme
        rows, features = programme.rows.shape
        taken = np.zeros(features, dtype=bool)
        sums = programme.prices(programme.balanced(1.0 / programme.scales))
        count = min(max(2 * rows, 128), rows + 1000)
        found, excess = most_violated(sums, np.zeros(features), taken, -1.0, programme.nonnegative)
        members = np.union1d(strongest(found, excess, count), programme.rows.peaks())
        tolerance = _COARSE
        if 2 * len(members) >= features:  # all of them cost little more, and leave none to join one by one
            members, tolerance = np.arange(features), _FINE
        for _ in range(_ROUNDS):
            taken[members] = True
            central = central_path(
                programme.columns(members),
                programme.gains,
                programme.ceiling * programme.scales,
                programme.offset,
                weights[members],
                nonnegative=programme.nonnegative,
                tolerance=tolerance,
            )
            prices = programme.prices(programme.balanced(np.maximum(central.multipliers, 0.0) / programme.scales))
            violated, excess = most_violated(prices, weights, taken, 0.1 * tolerance, programme.nonnegative)
            joining = strongest(violated, excess, max(rows, 64))
            if tolerance == _FINE or not central.converged:
                break  # what is still violated joins in the simplex method
            members = np.concatenate([members, joining])
            if len(joining) <= _FEW * rows:
                tolerance = _FINE
        return members, central
