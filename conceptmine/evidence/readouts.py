"""Read-outs: directions of a layer along which value, material, policy or ply can be read, and what lies outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError
from conceptmine.mining.matrices import float64_matrix

_PENALTIES = np.logspace(-4, 2, 13)
_FEWEST_ROWS = 3


@dataclass(frozen=True, eq=False)
class Readout:
    """One direction, float64 [d], and how well it reads its quantity: the leave-one-out R² (below 0: not at all)."""

    direction: NDArray[np.float64]
    r2: float


def fit_readouts(activations: ArrayLike, targets: Mapping[str, ArrayLike]) -> dict[str, Readout]:
    """Least-squares read-outs with a ridge whose strength leave-one-out chooses.

    activations  real [n, d] of positions that no concept is tested on.
    targets      by name, real [n], each as the player to move sees it; rows with NaN are left out for that name alone.

    For z centred, w = argmin ‖y − z w‖² + λ‖w‖², λ from 1e-4 to 100 times the mean eigenvalue of z zᵀ; solved through
    the n × n matrix z zᵀ, so that the width of the layer costs nothing. A constant target has the zero direction.

    Raises InputError on NaN or misshapen activations, or a target of another length.
    """
    z = float64_matrix(activations, "activations")
    found: dict[str, Readout] = {}
    # Most targets are known at the same rows, and one decomposition serves them all.
    decomposed: dict[bytes, _Decomposed] = {}
    for name, values in targets.items():
        y = np.asarray(values, dtype=np.float64)
        if y.shape != (len(z),):
            raise InputError(f"the target {name} must have one value per activation, shape ({len(z)},), not {y.shape}")
        kept = np.isfinite(y)
        if kept.sum() < _FEWEST_ROWS or np.ptp(y[kept]) == 0:
            found[name] = Readout(np.zeros(z.shape[1]), 0.0)
            continue
        key = kept.tobytes()
        if key not in decomposed:
            decomposed[key] = _Decomposed.of(z[kept])
        found[name] = decomposed[key].fit(y[kept])
    return found


@dataclass(frozen=True, eq=False)
class _Decomposed:
    """Centred activations z [n, d] with the eigenvalues [n] and eigenvectors [n, n] of z zᵀ."""

    z: NDArray[np.float64]
    values: NDArray[np.float64]
    vectors: NDArray[np.float64]

    @classmethod
    def of(cls, z: NDArray[np.float64]) -> _Decomposed:
        centred = z - z.mean(axis=0)
        values, vectors = np.linalg.eigh(centred @ centred.T)
        return cls(centred, np.maximum(values, 0.0), vectors)

    def fit(self, y: NDArray[np.float64]) -> Readout:
        target = y - y.mean()
        rotated = self.vectors.T @ target
        squares = self.vectors**2
        best = (np.inf, np.zeros(len(y)))
        for penalty in _PENALTIES * max(float(self.values.mean()), np.finfo(float).tiny):
            shrunk = self.values / (self.values + penalty)
            # The mean is fitted as well, which costs each row 1/n of itself.
            own = np.minimum(squares @ shrunk + 1 / len(y), 1 - 1e-6)
            missed = float((((target - self.vectors @ (shrunk * rotated)) / (1 - own)) ** 2).sum())
            if missed < best[0]:
                best = (missed, self.vectors @ (rotated / (self.values + penalty)))
        return Readout(self.z.T @ best[1], 1 - best[0] / float(target @ target))


def share_outside(vectors: ArrayLike, directions: ArrayLike) -> NDArray[np.float64]:
    """‖v − P v‖² / ‖v‖², P the projection on the span of the directions: vectors [c, d], directions [k, d] → [c].

    1 for the zero vector. In thousands of features a sparse vector is nearly orthogonal to any few directions, so that
    a share near 1 alone does not say that its scores are independent of theirs; see `BeyondControls.score_outside`.
    """
    given, span = float64_matrix(vectors, "vectors"), float64_matrix(directions, "directions")
    if given.shape[1] != span.shape[1]:
        raise InputError(f"vectors have {given.shape[1]} features and directions {span.shape[1]}; take one layer's")
    right, values, _ = np.linalg.svd(span.T, full_matrices=False)
    basis = right[:, values > 1e-10 * max(float(values[0]), np.finfo(float).tiny)]
    whole = (given**2).sum(axis=1)
    inside = ((given @ basis) ** 2).sum(axis=1)
    shares: NDArray[np.float64] = np.where(whole > 0, 1 - inside / np.where(whole > 0, whole, 1.0), 1.0)
    return np.clip(shares, 0.0, 1.0)
