"""The interior point method on one restricted programme: Mehrotra's predictor and corrector, dense, in n × n equations.

Primal and dual as in `tableau`, with v = p − q (q absent where v ≥ 0), surplus w and, in the soft programme, hinges h:

    D(p − q) + offset · b − w + h = gain          Dᵀλ + zp = bound      −Dᵀλ + zq = bound
    offset · λ = 0                                λ + zh = cap          p zp = q zq = w λ = h zh = μ → 0

Newton's equations come down to (D Θ Dᵀ + H) Δλ, one unknown a row, however many features there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from conceptmine.mining.rows import Matrix, Vector

_STEPS = 80
_BACK = 0.995  # Share of the way to the boundary that a step may go.


@dataclass(frozen=True, eq=False)
class Central:
    """Where the method stopped.

    v [p], λ [n], surplus w [n] and hinge h [n] (zeros in the hard programme), and the relative gap of the two
    objectives; ``converged`` if that and both residuals came below the tolerance.
    """

    v: Vector
    multipliers: Vector
    surplus: Vector
    hinge: Vector
    gap: float
    converged: bool


def central_path(
    matrix: Matrix,
    gain: Vector,
    cap: Vector,
    offset: Vector | None,
    bound: Vector,
    *,
    nonnegative: bool,
    tolerance: float,
) -> Central:
    """Follow the central path to a relative gap of ``tolerance``.

    matrix float64 [n, p]; gain, cap float64 [n], cap inf throughout in the hard programme; offset float64 [n] of ±1 or
    None; bound float64 [p].
    """
    n, p = matrix.shape
    hard = not np.isfinite(cap[0])
    state = _start(matrix, gain, cap, offset, bound, nonnegative)
    count = n + (p if nonnegative else 2 * p) + (0 if hard else n)
    best = Central(np.zeros(p), np.zeros(n), np.zeros(n), np.zeros(n), np.inf, False)
    for _ in range(_STEPS):
        price = matrix.T @ state["l"]
        v = state["p"] - state["q"]
        lacking = gain - matrix @ v + state["w"] - state["h"]
        if offset is not None:
            lacking -= offset * state["b"]
        over = bound - price - state["zp"]
        under = bound + price - state["zq"]
        spare = np.zeros(n) if hard else cap - state["l"] - state["zh"]
        tilt = 0.0 if offset is None else -float(offset @ state["l"])
        pairs = _pairs(hard, nonnegative)
        mu = sum(float(state[x] @ state[z]) for x, z in pairs) / count
        dual = float(gain @ state["l"])
        primal = float(bound @ (state["p"] + state["q"])) + (0.0 if hard else float(cap @ state["h"]))
        gap = abs(primal - dual) / max(1e-300, abs(primal), abs(dual))
        wrong = max(
            float(np.abs(lacking).max()) / (1 + float(gain.max())),
            float(np.abs(over).max()) if nonnegative else float(max(np.abs(over).max(), np.abs(under).max())),
            abs(tilt),
        )
        done = gap < tolerance and wrong < 10 * tolerance
        if done or gap < best.gap:
            best = Central(v, state["l"].copy(), state["w"].copy(), state["h"].copy(), gap, done)
        if done or not np.isfinite(mu) or dual > 1e12:
            return best

        theta_p = state["p"] / state["zp"]
        theta_q = np.zeros(p) if nonnegative else state["q"] / state["zq"]
        diagonal = state["w"] / state["l"] + (0.0 if hard else state["h"] / state["zh"])
        solver = _Equations(matrix, theta_p + theta_q, diagonal, offset)
        if not solver.usable:
            return best

        def direction(centre: dict[str, Vector]) -> dict[str, Vector]:
            inner = centre["p"] / state["zp"] - theta_p * over  # noqa: B023 - called within the same step only
            if not nonnegative:
                inner = inner - centre["q"] / state["zq"] + theta_q * under  # noqa: B023
            right = lacking - matrix @ inner + centre["w"] / state["l"]  # noqa: B023
            if not hard:
                right = right - centre["h"] / state["zh"] + state["h"] / state["zh"] * spare  # noqa: B023
            step_l, step_b = solver.solve(right, tilt)  # noqa: B023
            slope = matrix.T @ step_l
            found = {"l": step_l, "b": np.array(step_b)}
            found["zp"] = over - slope  # noqa: B023
            found["p"] = (centre["p"] - state["p"] * found["zp"]) / state["zp"]
            if nonnegative:
                found["zq"] = found["q"] = np.zeros(p)
            else:
                found["zq"] = under + slope  # noqa: B023
                found["q"] = (centre["q"] - state["q"] * found["zq"]) / state["zq"]
            found["w"] = (centre["w"] - state["w"] * step_l) / state["l"]
            if hard:
                found["zh"] = found["h"] = np.zeros(n)
            else:
                found["zh"] = spare - step_l  # noqa: B023
                found["h"] = (centre["h"] - state["h"] * found["zh"]) / state["zh"]
            return found

        names = [(x, z) for x, z in pairs]
        plain = direction({x: -state[x] * state[z] for x, z in names} | _absent(hard, nonnegative, n, p))
        up, down = _reach(state, plain, names)
        after = sum(float((state[x] + up * plain[x]) @ (state[z] + down * plain[z])) for x, z in names) / count
        target = max(after / mu, 0.0) ** 3 * mu
        centred = {x: target - state[x] * state[z] - plain[x] * plain[z] for x, z in names}
        chosen = direction(centred | _absent(hard, nonnegative, n, p))
        up, down = _reach(state, chosen, names)
        up, down = min(1.0, _BACK * up), min(1.0, _BACK * down)
        if max(up, down) < 1e-6:
            return best
        for x in ("p", "q", "w", "h", "b"):
            state[x] = state[x] + up * chosen[x]
        for z in ("l", "zp", "zq", "zh"):
            state[z] = state[z] + down * chosen[z]
    return best


def _pairs(hard: bool, nonnegative: bool) -> list[tuple[str, str]]:
    pairs = [("p", "zp"), ("w", "l")]
    if not nonnegative:
        pairs.append(("q", "zq"))
    if not hard:
        pairs.append(("h", "zh"))
    return pairs


def _absent(hard: bool, nonnegative: bool, n: int, p: int) -> dict[str, Vector]:
    absent: dict[str, Vector] = {}
    if nonnegative:
        absent["q"] = np.zeros(p)
    if hard:
        absent["h"] = np.zeros(n)
    return absent


def _start(
    matrix: Matrix, gain: Vector, cap: Vector, offset: Vector | None, bound: Vector, nonnegative: bool
) -> dict[str, Vector]:
    """A point well inside all bounds: λ alike on all rows of a side, everything else from one μ."""
    n, p = matrix.shape
    hard = not np.isfinite(cap[0])
    multipliers = np.ones(n)
    if offset is not None:
        for sign in (-1.0, 1.0):
            multipliers[offset == sign] /= (offset == sign).sum()
    steepest = float(np.abs(matrix.T @ multipliers).max())
    multipliers *= 0.5 * float(bound.min()) / max(steepest, 1e-12)
    if not hard:
        multipliers = np.minimum(multipliers, 0.5 * cap)
    price = matrix.T @ multipliers
    size = max(float(gain @ multipliers), 1e-6) / (2 * p + n)
    zp, zq = np.maximum(bound - price, 0.1), np.maximum(bound + price, 0.1)
    mu = 10.0 * size
    state = {"l": multipliers, "zp": zp, "p": mu / zp, "w": mu / multipliers, "b": np.zeros(())}
    state["zq"] = np.ones(p) if nonnegative else zq
    state["q"] = np.zeros(p) if nonnegative else mu / zq
    state["zh"] = np.ones(n) if hard else cap - multipliers
    state["h"] = np.zeros(n) if hard else mu / state["zh"]
    return state


def _reach(state: dict[str, Vector], direction: dict[str, Vector], pairs: list[tuple[str, str]]) -> tuple[float, float]:
    """How far the primal and the dual variables may go before one of them is 0, at most 1."""
    found = []
    for names in ([x for x, _ in pairs], [z for _, z in pairs]):
        reach = 1.0
        for name in names:
            shrink = float((-direction[name] / state[name]).max())
            if shrink > 1.0:
                reach = min(reach, 1.0 / shrink)
        found.append(reach)
    return found[0], found[1]


class _Equations:
    """(D Θ Dᵀ + H) Δλ + offset Δb = right, offset · Δλ = tilt, factorised once and refined."""

    def __init__(self, matrix: Matrix, theta: Vector, diagonal: Vector, offset: Vector | None) -> None:
        self._matrix, self._theta, self._diagonal, self._offset = matrix, theta, diagonal, offset
        weighted = matrix * np.sqrt(theta)
        system = scipy.linalg.blas.dsyrk(1.0, weighted.T, trans=1, lower=1)
        places = np.arange(len(diagonal))
        system[places, places] += diagonal
        system[places, places] *= 1.0 + 1e-14
        try:
            self._factor = scipy.linalg.cholesky(system, lower=True, overwrite_a=True, check_finite=False)
            self.usable = bool(np.isfinite(self._factor[-1, -1]))
        except np.linalg.LinAlgError:
            self.usable = False
        if self.usable and offset is not None:
            self._along = self._refined(offset)

    def solve(self, right: Vector, tilt: float) -> tuple[Vector, float]:
        """(Δλ [n], Δb)."""
        found = self._refined(right)
        if self._offset is None:
            return found, 0.0
        step = float((self._offset @ found - tilt) / (self._offset @ self._along))
        return found - step * self._along, step

    def _refined(self, right: Vector) -> Vector:
        found: Vector = scipy.linalg.cho_solve((self._factor, True), right, check_finite=False)
        for _ in range(2):
            product = self._matrix @ (self._theta * (self._matrix.T @ found)) + self._diagonal * found
            error = right - product
            if np.abs(error).max() <= 1e-13 * np.abs(right).max():
                break
            found = found + scipy.linalg.cho_solve((self._factor, True), error, check_finite=False)
        return found
