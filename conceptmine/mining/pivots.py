"""The two pivoting rules of the solver (compiled): one climbs in λ, the other descends in v, over one basis.

`ascend` keeps λ within its bounds and mends v: it starts from λ = 0, which is always allowed, and it ends at the optimum
of the working set or at a ray along which the dual grows for ever. `descend` keeps v feasible and mends λ: it goes on
from an optimum to which features have been added. Both take the row or feature whose violation is the largest for its
length, and both use Harris's two passes: first how far one may go with a little tolerance, then the largest pivot among
those that stop there.
"""

from __future__ import annotations

import numpy as np

from conceptmine.mining.compiled import kernel
from conceptmine.mining.tableau import (
    AGE,
    AT_CAP,
    AT_ZERO,
    BASIC,
    INSIDE,
    OUTSIDE,
    PERMANENT,
    PIVOTS,
    K,
    P,
    dual_point,
    grow,
    inverse_against_feature,
    invert,
    move,
    primal_point,
    replace_feature,
    replace_row,
    row_against_inverse,
    shrink,
    step,
    weigh_columns,
)

OPTIMAL, RAY, STALLED, SINGULAR = 0, 1, 2, 3

TOLERANCE = 1e-10
"""Violation of a margin, or of a bound of Dᵀλ, that counts as none."""

_SLIP = 1e-12  # How far Harris's first pass lets a bound be overstepped.
_SMALL = 1e-10  # Entries of a direction this small beside its multipliers are rounding.
_OLDEST = 120  # Updates after which the inverse is made anew.
_DRIFT = 1e-9  # Residual of a basic row after which it is made anew at once.


@kernel
def _freshen(t, residual):
    """Invert anew when the inverse is old or has drifted; True where the point has to be computed again."""
    if t.size[AGE] == 0:
        return 0
    drift = 0.0
    for b in range(t.size[K]):
        drift = max(drift, abs(residual[t.rows[b]]))
    if t.size[AGE] < _OLDEST and not drift > _DRIFT:
        return 0
    if not invert(t):
        return -1
    return 1


@kernel
def ascend(t, most, ray):
    """Climb from a λ within bounds to the optimum. Returns OPTIMAL, RAY (``ray`` [n] filled), STALLED or SINGULAR."""
    n = len(t.gain)
    v, y, x, weights = np.zeros(n + 1), np.zeros(n + 1), np.zeros(n + 1), np.zeros(n + 1)
    residual = np.zeros(n)
    direction = np.zeros(len(t.price))
    for _ in range(most):
        k, p = t.size[K], t.size[P]
        primal_point(t, v, residual)
        fresh = _freshen(t, residual)
        if fresh < 0:
            return SINGULAR
        if fresh:
            dual_point(t)
            primal_point(t, v, residual)

        # Which row's margin, or which feature's sign, is worst?
        worst, entering, released, factor = TOLERANCE, -1, -1, 1.0
        for i in range(n):
            if t.row_state[i] == AT_ZERO and residual[i] > TOLERANCE:
                if residual[i] > worst * t.norm[i]:
                    worst, entering, factor = residual[i] / t.norm[i], i, 1.0
            elif t.row_state[i] == AT_CAP and residual[i] < -TOLERANCE and -residual[i] > worst * t.norm[i]:
                worst, entering, factor = -residual[i] / t.norm[i], i, -1.0
        for a in range(k):
            if t.feature_state[t.features[a]] != PERMANENT and -v[a] * t.side[a] > worst:
                worst, released = -v[a] * t.side[a], a
        if entering < 0 and released < 0:
            return OPTIMAL
        t.size[PIVOTS] += 1

        # The direction of λ, and of Dᵀλ.
        largest = 0.0
        if released >= 0:
            entering = -1
            for b in range(k):
                weights[b] = -t.side[released] * t.inverse[released, b]
                largest = max(largest, abs(weights[b]))
        else:
            row_against_inverse(t, entering, y)
            largest = 1.0
            for b in range(k):
                weights[b] = -factor * y[b]
                largest = max(largest, abs(weights[b]))
        move(t, weights, entering, factor, direction)

        # How far?
        small = _SMALL * largest
        limit = np.inf
        for j in range(p):
            if t.feature_state[j] == OUTSIDE:
                q = direction[j]
                if q > small:
                    limit = min(limit, (t.high[j] - t.price[j] + _SLIP) / q)
                elif q < -small:
                    limit = min(limit, (t.low[j] - t.price[j] - _SLIP) / q)
        for b in range(k):
            q, i = weights[b], t.rows[b]
            if q < -small:
                limit = min(limit, (t.multiplier[i] + _SLIP) / -q)
            elif q > small:
                limit = min(limit, (t.cap[i] - t.multiplier[i] + _SLIP) / q)
        if released >= 0:
            j = t.features[released]
            across = t.high[j] - t.low[j]
        else:
            across = t.cap[entering]
        if limit == np.inf and across == np.inf:
            ray[:] = 0.0
            for b in range(k):
                ray[t.rows[b]] = max(0.0, weights[b])
            if entering >= 0:
                ray[entering] = 1.0
            return RAY
        if across <= limit:
            step(t, weights, entering, factor, direction, across)
            if released >= 0:
                t.side[released] = -t.side[released]
                t.price[j] = t.high[j] if t.side[released] > 0 else t.low[j]
            else:
                t.row_state[entering] = AT_CAP if factor > 0 else AT_ZERO
                t.multiplier[entering] = t.cap[entering] if factor > 0 else 0.0
            t.size[AGE] += 1
            continue
        pivot, length, blocking, stopped, capped = 0.0, 0.0, -1, -1, False
        for j in range(p):
            if t.feature_state[j] == OUTSIDE:
                q = direction[j]
                if q > small and q > pivot:
                    reach = (t.high[j] - t.price[j]) / q
                    if reach <= limit:
                        pivot, length, blocking = q, reach, j
                elif q < -small and -q > pivot:
                    reach = (t.low[j] - t.price[j]) / q
                    if reach <= limit:
                        pivot, length, blocking = -q, reach, j
        for b in range(k):
            q, i = weights[b], t.rows[b]
            if q < -small and -q > pivot:
                reach = t.multiplier[i] / -q
                if reach <= limit:
                    pivot, length, stopped, capped = -q, reach, b, False
            elif q > small and q > pivot:
                reach = (t.cap[i] - t.multiplier[i]) / q
                if reach <= limit:
                    pivot, length, stopped, capped = q, reach, b, True
        if blocking < 0 and stopped < 0:
            return SINGULAR
        length = max(length, 0.0)
        step(t, weights, entering, factor, direction, length)

        # The exchange.
        if stopped >= 0:
            i = t.rows[stopped]
            t.multiplier[i] = t.cap[i] if capped else 0.0
            state = AT_CAP if capped else AT_ZERO
            if released >= 0:
                shrink(t, released, stopped, state)
            else:
                replace_row(t, stopped, entering, state, y)
        else:
            side = 1.0 if direction[blocking] > 0 else -1.0
            t.price[blocking] = t.high[blocking] if side > 0 else t.low[blocking]
            inverse_against_feature(t, blocking, x)
            if released >= 0:
                replace_feature(t, released, blocking, side, x)
            else:
                grow(t, entering, blocking, side, x, y)
    return STALLED


@kernel
def descend(t, most):
    """Mend λ from a feasible v. Returns OPTIMAL, STALLED or SINGULAR."""
    n = len(t.gain)
    v, y, x, weights = np.zeros(n + 1), np.zeros(n + 1), np.zeros(n + 1), np.zeros(n + 1)
    residual, slope, change = np.zeros(n), np.zeros(n), np.zeros(n + 1)
    direction = np.zeros(len(t.price))
    for _ in range(most):
        k, p = t.size[K], t.size[P]
        primal_point(t, v, residual)
        fresh = _freshen(t, residual)
        if fresh < 0:
            return SINGULAR
        if fresh:
            dual_point(t)
            primal_point(t, v, residual)

        # Which bound is worst overstepped, by a feature's price or a row's multiplier?
        worst, entering, leaving, side, capped = TOLERANCE, -1, -1, 1.0, False
        for j in range(p):
            if t.feature_state[j] == OUTSIDE:
                over, under = t.price[j] - t.high[j], t.low[j] - t.price[j]
                if over > TOLERANCE and over > worst * t.reach[j]:
                    worst, entering, side = over / t.reach[j], j, 1.0
                elif under > TOLERANCE and under > worst * t.reach[j]:
                    worst, entering, side = under / t.reach[j], j, -1.0
        for b in range(k):
            i = t.rows[b]
            if -t.multiplier[i] > worst:
                worst, leaving, capped = -t.multiplier[i], b, False
            elif t.multiplier[i] - t.cap[i] > worst:
                worst, leaving, capped = t.multiplier[i] - t.cap[i], b, True
        if entering < 0 and leaving < 0:
            return OPTIMAL
        t.size[PIVOTS] += 1

        # The direction of v_F and of the residuals.
        largest = 0.0
        if leaving >= 0:
            turn = -1.0 if capped else 1.0
            for a in range(k):
                change[a] = turn * t.inverse[a, leaving]
                largest = max(largest, abs(change[a]))
            weigh_columns(t, change, slope)
            for i in range(n):
                slope[i] = -slope[i]
        else:
            inverse_against_feature(t, entering, x)
            largest = 1.0
            for a in range(k):
                change[a] = -side * x[a]
                largest = max(largest, abs(change[a]))
            weigh_columns(t, change, slope)
            for i in range(n):
                slope[i] = -slope[i] - side * t.matrix[i, entering]

        # How far may it go?
        small = _SMALL * largest
        top = 1.0
        for a in range(k):
            top = max(top, abs(v[a]))
        slip = _SLIP * top
        limit = np.inf
        for a in range(k):
            q = change[a] * t.side[a]
            if q < -small and t.feature_state[t.features[a]] == INSIDE:
                limit = min(limit, (v[a] * t.side[a] + slip) / -q)
        for i in range(n):
            q = slope[i]
            if t.row_state[i] == AT_ZERO and q > small:
                limit = min(limit, (slip - residual[i]) / q)
            elif t.row_state[i] == AT_CAP and q < -small:
                limit = min(limit, (slip + residual[i]) / -q)
        if limit == np.inf:
            return SINGULAR
        pivot, gone, joining = 0.0, -1, -1
        for a in range(k):
            q = change[a] * t.side[a]
            if (
                q < -small
                and -q > pivot
                and t.feature_state[t.features[a]] == INSIDE
                and v[a] * t.side[a] <= limit * -q
            ):
                pivot, gone = -q, a
        for i in range(n):
            q = slope[i]
            if t.row_state[i] == AT_ZERO and q > small and q > pivot:
                if -residual[i] <= limit * q:
                    pivot, joining = q, i
            elif t.row_state[i] == AT_CAP and q < -small and -q > pivot and residual[i] <= limit * -q:
                pivot, joining = -q, i
        if gone < 0 and joining < 0:
            return SINGULAR

        # λ moves so that the one that was overstepped comes to its bound.
        if joining >= 0:
            row_against_inverse(t, joining, y)
            for b in range(k):
                weights[b] = -y[b]
        else:
            for b in range(k):
                weights[b] = t.inverse[gone, b]
        move(t, weights, joining, 1.0, direction)
        if entering >= 0 and leaving < 0:
            target = t.high[entering] if side > 0 else t.low[entering]
            step(t, weights, joining, 1.0, direction, (target - t.price[entering]) / direction[entering])
            t.price[entering] = target
            if joining >= 0:
                grow(t, joining, entering, side, x, y)
            else:
                replace_feature(t, gone, entering, side, x)
        else:
            i = t.rows[leaving]
            target = t.cap[i] if capped else 0.0
            step(t, weights, joining, 1.0, direction, (target - t.multiplier[i]) / weights[leaving])
            t.multiplier[i] = target
            state = AT_CAP if capped else AT_ZERO
            if joining >= 0:
                replace_row(t, leaving, joining, state, y)
            else:
                shrink(t, gone, leaving, state)
    return STALLED
