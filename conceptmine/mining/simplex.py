"""The compiled solver: a simplex method on the dual over a working set of features, grown until none is violated.

The dual has one unknown per row and one constraint per feature, and at its optimum at most m of the d features bind. So
a few hundred features are solved for, all d are priced with one matrix-vector product, the violated ones join the set,
and the method goes on from the basis it had: column generation, seen from the dual side.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from conceptmine.mining.barrier import Central
from conceptmine.mining.pivots import LOST, OPTIMAL, RAY, ascend, descend
from conceptmine.mining.pricing import most_violated, strongest
from conceptmine.mining.programme import Programme
from conceptmine.mining.rows import Matrix, Places, Vector
from conceptmine.mining.solution import SolverError
from conceptmine.mining.tableau import BASIC, PERMANENT, K, P, Tableau, dual_point, invert, pivot_order, primal_point
from conceptmine.mining.witness import WITNESS_TOLERANCE, Contradiction, contradiction

PRICE_TOLERANCE = 1e-9
"""A feature whose price exceeds its bound by less is not violated."""

_ROUNDS = 1000
_REVISITS = 6


class Simplex:
    """One programme's solve: a tableau over the working set, kept between calls with other tie weights."""

    def __init__(self, programme: Programme) -> None:
        self._programme = programme
        rows, features = programme.rows.shape
        self._batch = max(rows // 2, 32)
        self._most = 200 * (rows + 10)
        self._shift = 0 if programme.offset is None else 1
        self._members = np.zeros(0, dtype=np.int64)
        self._is_member = np.zeros(features, dtype=bool)
        self._bounds = np.zeros(0)
        self._settled = False
        self._t = self._empty(min(features, 4 * rows + 64) + self._shift)
        if programme.offset is not None:
            self._tie_offset(programme.offset)

    @property
    def working_set(self) -> int:
        """Features solved for so far."""
        return len(self._members)

    def adopt(self, members: Places, weights: Vector, central: Central) -> None:
        """Start from the basis to which an interior point on these features points, instead of from λ = 0.

        A row's multiplier, and a feature's weight, is basic where it is farther from its bound than what it is paired
        with. Where the optimum is degenerate these are too many of one kind; elimination with complete pivoting then
        leaves out what depends on the others.
        """
        self._admit(members, weights)
        t, span = self._t, slice(self._shift, int(self._t.size[P]))
        price = self._programme.columns(members).T @ central.multipliers
        room = weights[members] - (price if self._programme.nonnegative else np.abs(price))
        features = np.flatnonzero(np.abs(central.v) > room) + self._shift
        if self._shift:
            features = np.concatenate([[0], features])
        capped = t.cap - central.multipliers < central.hinge  # never in the hard programme, whose cap is infinite
        rows = np.flatnonzero((central.multipliers > central.surplus) & ~capped)
        chosen_rows, chosen = pivot_order(t.matrix[np.ix_(rows, features)], bool(self._shift))
        if self._shift and len(chosen) == 0:
            return
        t.row_state[:] = 0
        t.row_state[capped] = 1
        t.feature_state[span] = 0
        k = len(chosen)
        t.rows[:k], t.features[:k] = rows[chosen_rows], features[chosen]
        t.row_state[t.rows[:k]] = BASIC
        own = t.features[:k] >= self._shift
        t.side[:k] = 1.0
        t.side[:k][own] = np.where(central.v[t.features[:k][own] - self._shift] > 0, 1.0, -1.0)
        t.feature_state[t.features[:k][own]] = 1
        t.columns[:k] = t.matrix[:, t.features[:k]].T
        t.size[K] = k
        if not invert(t):
            raise SolverError("the basis of the interior point is singular")
        dual_point(t)

    def optimise(self, weights: Vector) -> Contradiction | None:
        """Maximise margins·λ under |rowsᵀλ|ⱼ ≤ weightsⱼ for every feature j, from the basis of the previous call.

        Raises SolverError when the basis becomes singular or the pivots run out.
        """
        climbing = not self._settled
        if len(self._members) == 0:
            self._admit(self._opening(), weights)
        else:
            self._bounds = weights[self._members]
            self._bound_at(self._bounds)
            dual_point(self._t)
            if climbing:
                self._widen()
        ray = np.zeros(len(self._programme.gains))
        revisits = 0
        for _ in range(_ROUNDS):
            if climbing:
                status = ascend(self._t, self._most, ray)
                if status == RAY:
                    outside = self._violated(ray / ray.sum(), WITNESS_TOLERANCE, None)
                    if len(outside) == 0:
                        return contradiction(self._programme, ray)
                    self._admit(outside, weights)
                    self._widen()
                    continue
                self._require(status)
                climbing = False
                self._bound_at(self._bounds)
                dual_point(self._t)
            status = descend(self._t, self._most)
            if status == LOST and revisits < _REVISITS:
                revisits += 1
                climbing = True
                self._widen()
                continue
            self._require(OPTIMAL if status == LOST else status)
            outside = self._violated(np.maximum(self._t.multiplier, 0.0), PRICE_TOLERANCE, weights)
            if len(outside) == 0:
                self._settled = True
                return None
            self._admit(outside, weights)
        raise SolverError("the working set did not settle")

    def points(self) -> Iterator[tuple[Vector, Vector]]:
        """The pair (v [d], λ [m]) of the final basis, computed without tie weights."""
        self._bound_at(np.ones(len(self._members)))
        dual_point(self._t)
        k = int(self._t.size[K])
        values, residual = np.zeros(len(self._t.rows)), np.zeros(len(self._t.gain))
        primal_point(self._t, values, residual)
        vector = np.zeros(self._programme.rows.shape[1])
        chosen = self._t.features[:k]
        own = chosen >= self._shift
        vector[self._members[chosen[own] - self._shift]] = values[:k][own] * self._programme.unit
        multipliers = self._t.multiplier / self._programme.scales
        self._bound_at(self._bounds)
        yield vector, multipliers

    @staticmethod
    def _require(status: int) -> None:
        if status != OPTIMAL:
            raise SolverError("the basis of the simplex method became singular, or its pivots ran out")

    def _violated(self, scaled: Vector, tolerance: float, weights: Vector | None) -> Places:
        """Features outside the working set whose price breaks its bound the most, at most a batch of them."""
        prices = self._programme.prices(scaled / self._programme.scales)
        if weights is None:
            weights = np.zeros(len(prices))
        return self._most_violated(prices, weights, tolerance, self._batch)

    def _most_violated(self, prices: Vector, weights: Vector, tolerance: float, most: int) -> Places:
        found, excess = most_violated(prices, weights, self._is_member, tolerance, self._programme.nonnegative)
        return strongest(found, excess, most)

    def _opening(self) -> Places:
        """The first working set: each row's largest entry, and the features with the largest sum over rows."""
        rows, features = self._programme.rows.shape
        sums = self._programme.prices(self._programme.balanced(1.0 / self._programme.scales))
        steepest = self._most_violated(sums, np.zeros(features), -1.0, max(rows, 64))
        return np.union1d(steepest, self._programme.rows.peaks())

    def _admit(self, features: Places, weights: Vector) -> None:
        self._append(self._programme.columns(features), weights[features])
        self._members = np.concatenate([self._members, features])
        self._is_member[features] = True
        self._bounds = np.concatenate([self._bounds, weights[features]])

    def _append(self, columns: Matrix, bounds: Vector) -> None:
        """Columns joined to the tableau, with their prices at the present λ."""
        t = self._t
        start, stop = int(t.size[P]), int(t.size[P]) + columns.shape[1]
        if stop > t.matrix.shape[1]:
            t = self._t = self._enlarged(stop)
        t.matrix[:, start:stop] = columns
        t.high[start:stop] = bounds
        t.low[start:stop] = -np.inf if self._programme.nonnegative else -bounds
        t.price[start:stop] = np.einsum("i,ij->j", t.multiplier, columns)  # in one order, unlike a threaded product
        t.feature_edge[start:stop] = 1.0 + np.einsum("ij,ij->j", columns, columns)
        if start == self._shift:
            t.row_edge[:] = 1.0 + np.einsum("ij,ij->i", columns, columns)
        t.size[P] = stop

    def _bound_at(self, bounds: Vector) -> None:
        stop = int(self._t.size[P])
        self._t.high[self._shift : stop] = bounds
        self._t.low[self._shift : stop] = -np.inf if self._programme.nonnegative else -bounds

    def _widen(self) -> None:
        """Bounds moved out to where the prices are, so that the present λ is within them and can climb."""
        span = slice(self._shift, int(self._t.size[P]))
        outside = self._t.feature_state[span] == 0
        price = self._t.price[span]
        self._t.high[span] = np.where(outside, np.maximum(self._t.high[span], price), self._t.high[span])
        self._t.low[span] = np.where(outside, np.minimum(self._t.low[span], price), self._t.low[span])

    def _tie_offset(self, offset: Vector) -> None:
        """The free number b joins the basis for good, with a row whose margin is 0: v = 0, b = 0, λ = 0."""
        t, row = self._t, int(np.flatnonzero(self._programme.gains == 0)[0])
        t.matrix[:, 0] = offset
        t.feature_state[0] = PERMANENT
        t.features[0], t.rows[0], t.side[0] = 0, row, 1.0
        t.row_state[row] = BASIC
        t.columns[0] = offset
        t.inverse[0, 0] = 1.0 / offset[row]
        t.size[K] = t.size[P] = 1

    def _empty(self, capacity: int) -> Tableau:
        programme = self._programme
        rows, features = programme.rows.shape
        most = min(rows, features + self._shift) + 1  # of a basis, and one to spare
        return Tableau(
            matrix=np.empty((rows, capacity)),
            gain=programme.gains,
            cap=programme.ceiling * programme.scales,
            low=np.zeros(capacity),
            high=np.zeros(capacity),
            row_edge=np.ones(rows),
            feature_edge=np.ones(capacity),
            multiplier=np.zeros(rows),
            price=np.zeros(capacity),
            row_state=np.zeros(rows, dtype=np.int8),
            feature_state=np.zeros(capacity, dtype=np.int8),
            rows=np.zeros(most, dtype=np.int64),
            features=np.zeros(most, dtype=np.int64),
            side=np.zeros(most),
            inverse=np.zeros((most, most)),
            columns=np.zeros((most, rows)),
            size=np.zeros(4, dtype=np.int64),
        )

    def _enlarged(self, needed: int) -> Tableau:
        t, used = self._t, int(self._t.size[P])
        capacity = min(self._programme.rows.shape[1] + self._shift, max(needed, 2 * t.matrix.shape[1]))
        parts = {}
        for name in ("low", "high", "feature_edge", "price", "feature_state"):
            old = getattr(t, name)
            parts[name] = np.zeros(capacity, dtype=old.dtype)
            parts[name][:used] = old[:used]
        matrix = np.empty((t.matrix.shape[0], capacity))
        matrix[:, :used] = t.matrix[:, :used]
        return t._replace(matrix=matrix, **parts)
