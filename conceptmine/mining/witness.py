"""Farkas proofs: from the ray of a solver to the rows that contradict each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conceptmine.mining.programme import Programme
from conceptmine.mining.rows import Matrix, Places, Vector
from conceptmine.mining.solution import SolverError

WITNESS_TOLERANCE = 1e-9
"""Rows are contradictory when a convex combination of them, each scaled to a largest entry in (½, 1], is below this."""

_CLEAN_WITNESS = 1e-12
_FEATURES_AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class Contradiction:
    """Proof that no vector exists: weights y [m] ≥ 0 with Σy = 1, y @ rows ≈ 0 (≤ 0 if v ≥ 0) and y · offset = 0."""

    weights: Vector


def zero_row(programme: Programme) -> Contradiction | None:
    """A row of zeros is its own proof, and gives no ray in every solver."""
    if not programme.hard or programme.offset is not None:
        return None
    zeros = np.flatnonzero(programme.rows.largest == 0)
    if len(zeros) == 0:
        return None
    weights = np.zeros(programme.rows.shape[0])
    weights[zeros[0]] = 1.0
    return Contradiction(weights)


def contradiction(programme: Programme, ray: Vector) -> Contradiction:
    """A ray of scaled multipliers as a witness, with the rows dropped whose weight is only rounding.

    Raises SolverError when what is left of the combination is above `WITNESS_TOLERANCE`.
    """
    residual = np.inf
    for negligible in (1e-6, 1e-9, 0.0):
        scaled = _sharpened(programme, np.where(ray > negligible * ray.max(), ray, 0.0))
        weights = programme.balanced(scaled / programme.scales)
        total = float(weights @ programme.scales)
        if total > 0:
            residual = float(programme.steepness(programme.prices(weights)).max()) / total
        if residual <= (_CLEAN_WITNESS if negligible else WITNESS_TOLERANCE):
            return Contradiction(weights / weights.sum())
    raise SolverError(f"the proof of infeasibility leaves a residual of {residual:.1e} per unit of weight")


def _triangle(programme: Programme, support: Places) -> Matrix:
    """R of a QR decomposition of the chosen rows' transpose, offset and all, float64 [≤ k, k].

    Features join a block at a time: the rows as a whole in float64, and their singular vectors, would be eight times
    the activations.
    """
    triangle: Matrix = np.zeros((0, len(support))) if programme.offset is None else programme.offset[None, support]
    for start in range(0, programme.rows.shape[1], _FEATURES_AT_ONCE):
        stop = min(start + _FEATURES_AT_ONCE, programme.rows.shape[1])
        block = programme.columns(np.arange(start, stop))[support]
        triangle = np.asarray(np.linalg.qr(np.vstack([triangle, block.T]), mode="r"))
    return triangle


def _sharpened(programme: Programme, ray: Vector) -> Vector:
    """The ray projected on the weights under which its rows cancel, unless that takes a weight below zero."""
    if programme.nonnegative:
        return ray  # its rows need not cancel
    support = np.flatnonzero(ray)
    _, strengths, right = np.linalg.svd(_triangle(programme, support))
    strengths = np.append(strengths, np.zeros(len(support) - len(strengths)))
    spanned = right[strengths > WITNESS_TOLERANCE * strengths[0]].T
    projected = ray[support] - spanned @ (spanned.T @ ray[support])
    if (projected < 0).any():
        return ray
    sharpened = np.zeros_like(ray)
    sharpened[support] = projected
    return sharpened
