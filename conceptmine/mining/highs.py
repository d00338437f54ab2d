"""HiGHS as the solver: the dual restricted to a working set of features, grown until no feature is violated.

Slower than the compiled simplex method by one or two orders of magnitude, and a mature code: it takes over where that
one fails numerically, and tests compare the two.
"""

from __future__ import annotations

from collections.abc import Iterator

import highspy
import numpy as np

from conceptmine.mining.programme import Programme
from conceptmine.mining.rows import Matrix, Places, Vector
from conceptmine.mining.solution import SolverError
from conceptmine.mining.witness import WITNESS_TOLERANCE, Contradiction, contradiction

_LP_TOLERANCE = 1e-10
_PRICE_TOLERANCE = 1e-9

_DUAL_SIMPLEX, _PRIMAL_SIMPLEX = 1, 4


class Highs:
    """The restricted dual in HiGHS: one column per row of the programme, one row per feature of the working set."""

    def __init__(self, programme: Programme) -> None:
        self._programme = programme
        self._scales = programme.scales
        self._gains = programme.gains
        self._ceilings = programme.ceiling * self._scales
        self._offset = None if programme.offset is None else programme.offset
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
        self._highs.addCols(rows, -self._gains, np.zeros(rows), self._ceilings, 0, starts, nothing, np.zeros(0))
        if self._offset is not None:
            self._constrain(self._offset[None, :], np.zeros(1), np.zeros(1))

    def optimise(self, weights: Vector) -> Contradiction | None:
        """Maximise margins·λ under |rowsᵀλ|ⱼ ≤ weightsⱼ for every feature j, from the basis of the previous call."""
        if len(self._members):
            total = self._highs.getNumRow()
            constraints = np.arange(total - len(self._members), total, dtype=np.int32)
            bounds = weights[self._members]
            self._highs.changeRowsBounds(len(constraints), constraints, self._lower(bounds), bounds)
        else:
            self._admit(self._opening(), weights)
        while True:
            bounded, scaled = self._run()
            steepness = self._programme.steepness(self._programme.prices(scaled / self._scales))
            if bounded:
                excess, tolerance = steepness - weights, _PRICE_TOLERANCE
            else:
                excess, tolerance = steepness / scaled.sum(), WITNESS_TOLERANCE
            outside = np.where(self._is_member, 0.0, excess)
            violated = np.flatnonzero(outside > tolerance)
            if len(violated) == 0:
                return None if bounded else contradiction(self._programme, scaled)
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
        matrix = self._programme.columns(binding)
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
        duals = -np.array(solution.row_dual[shift:])
        yield self._vector(self._members, duals), np.array(solution.col_value) / self._scales

    def _vector(self, features: Places, values: Vector) -> Vector:
        vector = np.zeros(self._programme.rows.shape[1])
        vector[features] = values * self._programme.unit
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

    def _opening(self) -> Places:
        """The first working set: each row's largest entry, and the features with the largest sum over rows."""
        features = self._programme.rows.shape[1]
        chosen = np.zeros(features, dtype=bool)
        chosen[self._programme.rows.peaks()] = True
        sums = self._programme.steepness(self._programme.prices(1.0 / self._scales))
        count = min(self._batch, features)
        chosen[np.argpartition(sums, features - count)[features - count :]] = True
        return np.flatnonzero(chosen)

    def _admit(self, features: Places, weights: Vector) -> None:
        self._members = np.concatenate([self._members, features])
        self._is_member[features] = True
        bounds = weights[features]
        self._constrain(np.ascontiguousarray(self._programme.columns(features).T), self._lower(bounds), bounds)

    def _lower(self, bounds: Vector) -> Vector:
        return np.full_like(bounds, -np.inf) if self._programme.nonnegative else -bounds

    def _constrain(self, coefficients: Matrix, lower: Vector, upper: Vector) -> None:
        count, rows = coefficients.shape
        starts = np.arange(count, dtype=np.int32) * np.int32(rows)
        indices = np.tile(np.arange(rows, dtype=np.int32), count)
        self._highs.addRows(count, lower, upper, count * rows, starts, indices, coefficients.ravel())
