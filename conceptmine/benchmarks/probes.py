"""The rivals of the sparsest vector: directions that look at all features at once.

Each takes rows that should score above zero (better minus worse) and gives a direction. They work on the products of
rows, of which there are hundreds, and never on the thousands of features.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

__all__ = ["logistic_probe", "mean_difference", "principal_components", "support_vector"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

_STEPS: Final = 2_000


def mean_difference(rows: Matrix) -> Vector:
    """The mean row, float64 [d]."""
    mean: Vector = rows.mean(axis=0)
    return mean


def principal_components(rows: Matrix, count: int) -> Matrix:
    """The directions of greatest second moment, float64 [≤ count, d], each turned so that most rows score above 0."""
    products = rows @ rows.T
    values, vectors = np.linalg.eigh(products)
    order = np.argsort(-values)[:count]
    kept = order[values[order] > 1e-12 * values.max()]
    components = vectors[:, kept].T @ rows
    majority = np.sign((np.sign(rows @ components.T)).sum(axis=0))
    oriented: Matrix = components * np.where(majority == 0, 1.0, majority)[:, None]
    return oriented


def support_vector(rows: Matrix, penalty: float) -> Vector:
    """min ½‖w‖² + C Σ max(0, 1 − d·w), the linear SVM through the origin, by its dual.

    The dual is max Σα − ½‖Σ αᵢ dᵢ‖² over 0 ≤ α ≤ C, solved with L-BFGS-B. C is `penalty` over the mean squared length
    of the rows, so that it means the same at every scale.
    """
    products = rows @ rows.T
    ceiling = penalty / float(np.trace(products)) * len(rows)

    def objective(weights: Vector) -> tuple[float, Vector]:
        reached = products @ weights
        return float(0.5 * weights @ reached - weights.sum()), reached - 1.0

    weights = _minimum(objective, np.full(len(rows), ceiling / 2), [(0.0, ceiling)] * len(rows))
    direction: Vector = weights @ rows
    return direction


def logistic_probe(rows: Matrix, penalty: float) -> Vector:
    """min ½‖w‖² + C Σ log(1 + exp(−d·w)), logistic regression with a ridge and no offset, in the span of the rows.

    C as for `support_vector`.
    """
    products = rows @ rows.T
    ceiling = penalty / float(np.trace(products)) * len(rows)

    def objective(weights: Vector) -> tuple[float, Vector]:
        scores = products @ weights
        value = 0.5 * weights @ scores + ceiling * np.logaddexp(0.0, -scores).sum()
        slopes = weights - ceiling / (1.0 + np.exp(np.minimum(scores, 500.0)))
        return float(value), products @ slopes

    direction: Vector = _minimum(objective, np.zeros(len(rows)), None) @ rows
    return direction


def _minimum(objective: object, start: Vector, bounds: list[tuple[float, float]] | None) -> Vector:
    found = minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": _STEPS, "maxfun": 10 * _STEPS, "ftol": 1e-14, "gtol": 1e-9},
    )
    weights: Vector = found.x
    return weights
