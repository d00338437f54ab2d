"""The paper's programmes (Schut et al., eqs 1–5) written in cvxpy: the reference that tests hold the solver against.

Slow, and not used in production. The margin of 1 is ours: without it v = 0 is optimal in every one of them.
"""

from __future__ import annotations

from collections.abc import Mapping

import cvxpy
import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


def static_concept(positive: Matrix, negative: Matrix) -> tuple[str, float, Vector | None]:
    """Eqs 1–3: min ‖v‖₁ subject to v·z⁺ ≥ v·z⁻ + 1 for every pair of a positive [n⁺, d] and a negative [n⁻, d].

    Returns (cvxpy's status, ‖v‖₁, v [d] or None).
    """
    vector = cvxpy.Variable(positive.shape[1])
    pairs = [positive @ vector >= z @ vector + 1 for z in negative]
    return _solved(cvxpy.Problem(cvxpy.Minimize(cvxpy.norm1(vector)), pairs), vector)


def dynamic_concept(optimal: Matrix, subpar: Matrix) -> tuple[str, float, Vector | None]:
    """Eq 4: min ‖v‖₁ subject to v·z⁺ₜ ≥ v·z⁻ₜ + 1 for every ply t of two rollouts [T, d].

    Returns (cvxpy's status, ‖v‖₁, v [d] or None).
    """
    return branching_concept(optimal, {(t, 0): z for t, z in enumerate(subpar)})


def branching_concept(optimal: Matrix, subpar: Mapping[tuple[int, int], Vector]) -> tuple[str, float, Vector | None]:
    """Eq 5: min ‖v‖₁ subject to v·z⁺ₜ ≥ v·z⁻ₜⱼ + 1 for every ply t and every subpar rollout j that has left the line.

    optimal  [T, d], row t is ply t of the best line.
    subpar   (t, j) → [d], only plies after rollout j has branched off: before that the two states are the same.

    Returns (cvxpy's status, ‖v‖₁, v [d] or None).
    """
    vector = cvxpy.Variable(optimal.shape[1])
    rollouts = [optimal[t] @ vector >= z @ vector + 1 for (t, _), z in subpar.items()]
    return _solved(cvxpy.Problem(cvxpy.Minimize(cvxpy.norm1(vector)), rollouts), vector)


def soft_concept(differences: Matrix, slack: float) -> tuple[str, float, Vector | None]:
    """The usual soft form: min ‖v‖₁ + slack · Σ max(0, 1 − v·(z⁺ − z⁻)) over rows of `differences` [m, d].

    Returns (cvxpy's status, objective, v [d] or None).
    """
    vector = cvxpy.Variable(differences.shape[1])
    hinges = cvxpy.sum(cvxpy.pos(1 - differences @ vector))
    return _solved(cvxpy.Problem(cvxpy.Minimize(cvxpy.norm1(vector) + slack * hinges)), vector)


def _solved(problem: cvxpy.Problem, vector: cvxpy.Variable) -> tuple[str, float, Vector | None]:
    problem.solve(solver=cvxpy.CLARABEL)
    return str(problem.status), float(problem.value), vector.value
