"""The solver: HiGHS on the dual restricted to a working set of features, grown until no feature is violated.

The dual has one unknown per row and one constraint per feature, and at its optimum at most m of the d features bind.
So a few hundred features are solved for, all d are priced with one matrix-vector product, the violated ones join the
set, and the simplex method goes on from the basis it had. That is column generation seen from the dual side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import highspy
import numpy as np
from numpy.typing import NDArray

from conceptmine.mining.programme import Certified, Matrix, Programme, Vector, certify
from conceptmine.mining.solution import SolverError

GAP_TARGET = 1e-9
"""Relative duality gap that the solver works for."""

GAP_ACCEPTED = 1e-6
"""A solve whose certified gap stays above this raises SolverError: it is not an optimum."""

WITNESS_TOLERANCE = 1e-9
"""Rows are contradictory when a convex combination of them, each scaled to a largest entry in (½, 1], is below this."""

_CLEAN_WITNESS = 1e-12
_LP_TOLERANCE = 1e-10
_PRICE_TOLERANCE = 1e-9
_TIE_WEIGHT = 1e-7

_DUAL_SIMPLEX, _PRIMAL_SIMPLEX = 1, 4


@dataclass(frozen=True, eq=False)
class Contradiction:
    """Farkas proof that no vector exists: weights y [m] ≥ 0 with Σy = 1 and y @ rows ≈ 0 (and y · offset = 0)."""

    weights: Vector


def solve(programme: Programme) -> Certified | Contradiction:
    """The certified optimum of a programme, or the proof that it has no solution.

    Among several minimisers, the one with the smallest Σ wⱼ|vⱼ| is preferred, with fixed weights wⱼ that differ per
    feature by less than 1e-7; what is tied even then (to 1e-10) is decided by HiGHS, deterministically. When these
    weights would cost more than the gap target they are dropped and HiGHS's vertex is taken.

    Raises SolverError when neither answer can be certified.
    """
    rows, features = programme.rows.shape
    if programme.hard and not programme.rows.any(axis=1).all() and programme.offset is None:
        # HiGHS gives no ray for an empty column; a row of zeros is its own proof.
        zero = int(np.flatnonzero(~programme.rows.any(axis=1))[0])
        return Contradiction(np.eye(1, rows, zero)[0])
    master = _Master(programme)
    best: Certified | None = None
    for weights in (_tie_weights(features), np.ones(features)):
        contradiction = master.optimise(weights)
        if contradiction is not None:
            return contradiction
        for vector, multipliers in master.points():
            certified = certify(programme, vector, multipliers)
            if certified is not None and (best is None or certified.gap < best.gap):
                best = certified
            if best is not None and best.gap <= GAP_TARGET:
                return best
    if best is None or best.gap > GAP_ACCEPTED:
        found = "no feasible point" if best is None else f"a duality gap of {best.gap:.1e}"
        raise SolverError(
            f"the programme with {rows} rows and {features} features ended with {found}: its rows are too close to "
            "contradictory for float64; use a slack or drop rows"
        )
    return best


def _tie_weights(features: int) -> Vector:
    """1 plus a tiny number per feature that depends on its index only.

    It must look random: with regular weights (multiples of one irrational number, say) the sums over two alternative
    supports coincide again and again, and the tie stays. So the index goes through the finaliser of SplitMix64.
    """
    mixed = np.arange(1, features + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return 1.0 + _TIE_WEIGHT * (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


class _Master:
    """The restricted dual in HiGHS: one column per row of the programme, one row per feature of the working set."""

    def __init__(self, programme: Programme) -> None:
        self._programme = programme
        self._scales = programme.scales
        self._gains = programme.margins / self._scales
        self._ceilings = programme.ceiling * self._scales
        self._offset = None if programme.offset is None else programme.offset / self._scales
        self._unit = float(np.exp2(np.round(np.log2(np.median(self._gains[self._gains > 0])))))
        rows, features = programme.rows.shape
        self._batch = max(rows // 2, 32)
        self._members = np.zeros(0, dtype=np.int64)
        self._is_member = np.zeros(features, dtype=bool)
        self._highs = highspy.Highs()
        for option, value in (
            ("output_flag", False),
            # Serial algorithms. `threads` stays untouched: HiGHS refuses to run when another user of the library in
            # this process has already chosen a different number.
            ("parallel", "off"),
            ("presolve", "off"),
            ("random_seed", 0),
            ("primal_feasibility_tolerance", _LP_TOLERANCE),
            ("dual_feasibility_tolerance", _LP_TOLERANCE),
            ("small_matrix_value", 1e-12),
        ):
            self._highs.setOptionValue(option, value)
        starts, nothing = np.zeros(rows, dtype=np.int32), np.zeros(0, dtype=np.int32)
        # Costs in units of a typical margin, so that HiGHS's absolute tolerances mean the same at every scale.
        self._highs.addCols(
            rows, -self._gains / self._unit, np.zeros(rows), self._ceilings, 0, starts, nothing, np.zeros(0)
        )
        if self._offset is not None:
            self._constrain(self._offset[None, :], np.zeros(1))

    def optimise(self, weights: Vector) -> Contradiction | None:
        """Maximise margins·λ under |rowsᵀλ|ⱼ ≤ weightsⱼ for every feature j, from the basis of the previous call."""
        if len(self._members):
            total = self._highs.getNumRow()
            constraints = np.arange(total - len(self._members), total, dtype=np.int32)
            bounds = weights[self._members]
            self._highs.changeRowsBounds(len(constraints), constraints, -bounds, bounds)
        else:
            self._admit(self._opening(), weights)
        while True:
            bounded, scaled = self._run()
            steepness = np.abs(self._programme.prices(scaled / self._scales))
            if bounded:
                excess, tolerance = steepness - weights, _PRICE_TOLERANCE
            else:
                excess, tolerance = steepness / scaled.sum(), WITNESS_TOLERANCE
            outside = np.where(self._is_member, 0.0, excess)
            violated = np.flatnonzero(outside > tolerance)
            if len(violated) == 0:
                return None if bounded else self._contradiction(scaled)
            if len(violated) > self._batch:
                violated = np.sort(violated[np.argsort(-outside[violated], kind="stable")[: self._batch]])
            self._admit(violated, weights)

    def points(self) -> Iterator[tuple[Vector, Vector]]:
        """Pairs (v [d], λ [m]): recomputed from the final basis without tie weights, then HiGHS's own numbers."""
        basis, solution = self._highs.getBasis(), self._highs.getSolution()
        column_status = np.array([int(status) for status in basis.col_status])
        row_status = np.array([int(status) for status in basis.row_status])
        basic, upper = int(highspy.HighsBasisStatus.kBasic), int(highspy.HighsBasisStatus.kUpper)

        free = np.flatnonzero(column_status == basic)
        capped = np.flatnonzero(column_status == upper) if not self._programme.hard else free[:0]
        shift = 0 if self._offset is None else 1
        binding = self._members[row_status[shift:] != basic]
        sides = np.where(row_status[shift:] == upper, 1.0, -1.0)[row_status[shift:] != basic]
        matrix = self._scaled_columns(binding)
        if self._offset is not None and row_status[0] != basic:
            matrix = np.column_stack([matrix, self._offset])
            sides = np.append(sides, 0.0)
        if len(free) == matrix.shape[1]:
            try:
                values = np.asarray(np.linalg.solve(matrix[free], self._gains[free]), dtype=np.float64)
                multipliers = np.zeros(len(self._scales))
                multipliers[capped] = self._ceilings[capped]
                multipliers[free] = np.linalg.solve(matrix[free].T, sides - multipliers[capped] @ matrix[capped])
            except np.linalg.LinAlgError:
                pass
            else:
                yield self._vector(binding, values[: len(binding)]), multipliers / self._scales
        duals = -self._unit * np.array(solution.row_dual[shift:])
        yield self._vector(self._members, duals), np.array(solution.col_value) / self._scales

    def _vector(self, features: NDArray[np.int64], values: Vector) -> Vector:
        vector = np.zeros(self._programme.rows.shape[1])
        vector[features] = values
        return vector

    def _run(self) -> tuple[bool, Vector]:
        """Solve the restricted dual: (True, optimum) or (False, ray along which it grows without bound), scaled λ."""
        # The dual simplex is the quicker one after new constraints, but on an unbounded programme HiGHS sometimes ends
        # it with status "Unknown"; the primal simplex from λ = 0, which is feasible, does not.
        for strategy in (_DUAL_SIMPLEX, _PRIMAL_SIMPLEX):
            self._highs.setOptionValue("simplex_strategy", strategy)
            if strategy == _PRIMAL_SIMPLEX:
                self._highs.clearSolver()
            self._highs.run()
            status = self._highs.getModelStatus()
            if status == highspy.HighsModelStatus.kOptimal:
                return True, np.maximum(np.array(self._highs.getSolution().col_value), 0.0)
            if status == highspy.HighsModelStatus.kUnbounded:
                _, exists, ray = self._highs.getPrimalRay()
                ray = np.maximum(np.array(ray), 0.0)
                if exists and np.isfinite(ray).all() and ray.sum() > 0:
                    return False, ray
        raise SolverError(
            f"HiGHS ended with status {self._highs.modelStatusToString(status)!r} on a restricted programme"
        )

    def _contradiction(self, ray: Vector) -> Contradiction:
        """The ray as a witness, with the rows dropped whose weight is only rounding."""
        for negligible in (1e-6, 1e-9, 0.0):
            scaled = self._sharpened(np.where(ray > negligible * ray.max(), ray, 0.0))
            weights = self._programme.balanced(scaled / self._scales)
            total = float(weights @ self._scales)
            residual = float(np.abs(self._programme.prices(weights)).max()) / total if total > 0 else np.inf
            if residual <= (_CLEAN_WITNESS if negligible else WITNESS_TOLERANCE):
                return Contradiction(weights / weights.sum())
        raise SolverError(f"the proof of infeasibility leaves a residual of {residual:.1e} per unit of weight")

    def _sharpened(self, ray: Vector) -> Vector:
        """The ray projected on the weights under which its rows cancel, unless that takes a weight below zero."""
        support = np.flatnonzero(ray)
        rows = self._programme.rows[support] / self._scales[support, None]
        if self._offset is not None:
            rows = np.column_stack([rows, self._offset[support]])
        left, strengths, _ = np.linalg.svd(rows, full_matrices=False)
        spanned = left[:, strengths > WITNESS_TOLERANCE * strengths[0]]
        projected = ray[support] - spanned @ (spanned.T @ ray[support])
        if (projected < 0).any():
            return ray
        sharpened = np.zeros_like(ray)
        sharpened[support] = projected
        return sharpened

    def _opening(self) -> NDArray[np.int64]:
        """The first working set: each row's largest entry, and the features with the largest sum over rows."""
        rows = self._programme.rows
        features = rows.shape[1]
        chosen = np.zeros(features, dtype=bool)
        for row in rows:
            chosen[np.abs(row).argmax()] = True
        sums = np.abs(self._programme.prices(1.0 / self._scales))
        count = min(self._batch, features)
        chosen[np.argpartition(sums, features - count)[features - count :]] = True
        return np.flatnonzero(chosen)

    def _admit(self, features: NDArray[np.int64], weights: Vector) -> None:
        self._members = np.concatenate([self._members, features])
        self._is_member[features] = True
        self._constrain(np.ascontiguousarray(self._scaled_columns(features).T), weights[features])

    def _scaled_columns(self, features: NDArray[np.int64]) -> Matrix:
        return self._programme.rows[:, features] / self._scales[:, None]

    def _constrain(self, coefficients: Matrix, bounds: Vector) -> None:
        count, rows = coefficients.shape
        starts = np.arange(count, dtype=np.int32) * np.int32(rows)
        indices = np.tile(np.arange(rows, dtype=np.int32), count)
        self._highs.addRows(count, -bounds, bounds, count * rows, starts, indices, coefficients.ravel())
