"""cvxpy as the solver: the programme as it is written, on all features, for tests and comparison.

Its interior point stops at about 1e-8 and at no vertex, so of several minimisers it returns a mixture: the objective
agrees with the other solvers', the vector only where it is unique.
"""

from __future__ import annotations

from collections.abc import Iterator

import cvxpy
import numpy as np

from conceptmine.mining.programme import Programme
from conceptmine.mining.rows import Vector
from conceptmine.mining.solution import SolverError
from conceptmine.mining.witness import Contradiction, contradiction


class Conic:
    """One programme, handed to cvxpy's Clarabel."""

    def __init__(self, programme: Programme) -> None:
        self._programme = programme
        self._matrix = programme.columns(np.arange(programme.rows.shape[1]))
        self._point: tuple[Vector, Vector] | None = None

    def optimise(self, weights: Vector) -> Contradiction | None:
        """Minimise Σ weightsⱼ |vⱼ|; the proof when no v keeps the margins. Raises SolverError."""
        programme = self._programme
        vector = cvxpy.Variable(self._matrix.shape[1], nonneg=programme.nonnegative)
        scores = self._matrix @ vector
        if programme.offset is not None:
            scores = scores + programme.offset * cvxpy.Variable()
        cost = weights @ cvxpy.abs(vector)
        if not programme.hard:
            hinges = cvxpy.Variable(len(programme.gains), nonneg=True)
            scores, cost = scores + hinges, cost + (programme.ceiling * programme.scales) @ hinges
        margins = scores >= programme.gains
        problem = cvxpy.Problem(cvxpy.Minimize(cost), [margins])
        try:
            problem.solve(solver=cvxpy.CLARABEL)
        except cvxpy.error.SolverError as error:
            raise SolverError(f"Clarabel failed: {error}") from error
        if problem.status in ("infeasible", "infeasible_inaccurate"):
            ray = self._ray()
            return contradiction(programme, ray)
        if vector.value is None or margins.dual_value is None:
            raise SolverError(f"cvxpy ended with status {problem.status!r}")
        self._point = (vector.value * programme.unit, np.maximum(margins.dual_value, 0.0) / programme.scales)
        return None

    def points(self) -> Iterator[tuple[Vector, Vector]]:
        """The pair (v [d], λ [m]) as cvxpy gave it."""
        if self._point is not None:
            yield self._point

    def _ray(self) -> Vector:
        """Weights of a convex combination of the rows that vanishes, found as a programme of its own."""
        programme = self._programme
        weights = cvxpy.Variable(len(programme.gains), nonneg=True)
        prices = self._matrix.T @ weights
        limits = [cvxpy.sum(weights) == 1, prices <= 0 if programme.nonnegative else prices == 0]
        if programme.offset is not None:
            limits.append(programme.offset @ weights == 0)
        problem = cvxpy.Problem(cvxpy.Minimize(0), limits)
        problem.solve(solver=cvxpy.CLARABEL)
        if weights.value is None:
            raise SolverError(f"cvxpy found the programme infeasible, and its proof {problem.status}")
        ray: Vector = np.maximum(weights.value, 0.0)
        return ray
