"""The two pivoting rules of the solver (compiled): one climbs in λ, the other descends in v, over one basis.

`ascend` keeps λ within its bounds and mends v: it starts from λ = 0, which is always allowed, and ends at the optimum
of the working set or at a ray along which the dual grows for ever. `descend` keeps v feasible and mends λ: it goes on
from an optimum to which features have been added. Both take the violation that is largest for the length of its edge,
with lengths kept up to date by Forrest and Goldfarb's devex rule, and both use Harris's two passes: first how far one
may go with a little tolerance, then the largest pivot among those that stop there.
"""

from __future__ import annotations

import numpy as np

from conceptmine.mining.compiled import kernel
from conceptmine.mining.tableau import (
    AGE,
    AT_CAP,
    AT_ZERO,
    INSIDE,
    OUTSIDE,
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

OPTIMAL, RAY, STALLED, SINGULAR, LOST = 0, 1, 2, 3, 4

TOLERANCE = 1e-10
"""Violation of a margin, or of a bound of Dᵀλ, that counts as none."""

_SLIP = 1e-12  # How far Harris's first pass lets a bound be overstepped.
_LOST_MARGIN = 1e-9
_SMALL = 1e-10  # Entries of a direction this small beside its multipliers are rounding.
_LONGEST = 1e8  # Squared edges above this no longer say much: they only ever grow.
_OLDEST = 100  # Updates after which inverse and point are made anew.


@kernel
def _freshen(t, v, residual):
    """Inverse, λ and v from scratch; False where the basis is singular. Edges that have grown too long start again."""
    if t.size[AGE] > 0 and not invert(t):
        return False
    p = t.size[P]
    if max(t.row_edge.max(), t.feature_edge[:p].max()) > _LONGEST:
        t.row_edge[:] = 1.0
        t.feature_edge[:p] = 1.0
    dual_point(t)
    primal_point(t, v, residual)
    return True


@kernel
def ascend(t, most, ray):
    """Climb from a λ within bounds to the optimum. Returns OPTIMAL, RAY (``ray`` [n] filled), STALLED or SINGULAR."""
    n = len(t.gain)
    v, y, x, weights = np.zeros(n + 1), np.zeros(n + 1), np.zeros(n + 1), np.zeros(n + 1)
    residual, alpha = np.zeros(n), np.zeros(n)
    direction = np.zeros(len(t.price))
    primal_point(t, v, residual)
    for _ in range(most):
        if t.size[AGE] >= max(_OLDEST, t.size[K]) and not _freshen(t, v, residual):
            return SINGULAR
        k, p = t.size[K], t.size[P]

        # Which row's margin, or which feature's sign, is worst?
        worst, entering, released, factor = -1.0, -1, -1, 1.0
        for i in range(n):
            state, r = t.row_state[i], residual[i]
            if (state == AT_ZERO and r > TOLERANCE) or (state == AT_CAP and r < -TOLERANCE):
                score = r * r / t.row_edge[i]
                if score > worst:
                    worst, entering, factor = score, i, (1.0 if state == AT_ZERO else -1.0)
        for a in range(k):
            j = t.features[a]
            if -v[a] * t.side[a] > TOLERANCE and t.feature_state[j] == INSIDE:
                score = v[a] * v[a] / t.feature_edge[j]
                if score > worst:
                    worst, released = score, a
        if entering < 0 and released < 0:
            if t.size[AGE] == 0:
                return OPTIMAL
            if not _freshen(t, v, residual):  # the point was kept by updates: look once more at a fresh one
                return SINGULAR
            continue
        t.size[PIVOTS] += 1

        # The direction of λ, and of Dᵀλ.
        largest = 0.0
        if released >= 0:
            entering = -1
            edge = t.feature_edge[t.features[released]]
            for b in range(k):
                weights[b] = -t.side[released] * t.inverse[released, b]
                largest = max(largest, abs(weights[b]))
        else:
            edge = t.row_edge[entering]
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

        # v moves along the row of the pivot, and the edges change by it.
        if stopped >= 0:
            for a in range(k):
                x[a] = -t.inverse[a, stopped]
            weigh_columns(t, x, alpha)
            for i in range(n):
                alpha[i] = -alpha[i]
        else:
            inverse_against_feature(t, blocking, x)
            weigh_columns(t, x, alpha)
            for i in range(n):
                alpha[i] = t.matrix[i, blocking] - alpha[i]
        if released >= 0:
            central = x[released]
            travel = v[released] / central
        else:
            central = alpha[entering]
            travel = residual[entering] / central
        for a in range(k):
            v[a] -= travel * x[a]
        share = edge / (central * central)
        for i in range(n):
            residual[i] -= travel * alpha[i]
            t.row_edge[i] = max(t.row_edge[i], alpha[i] * alpha[i] * share)
        for a in range(k):
            j = t.features[a]
            t.feature_edge[j] = max(t.feature_edge[j], x[a] * x[a] * share)

        # The exchange.
        if stopped >= 0:
            i = t.rows[stopped]
            t.multiplier[i] = t.cap[i] if capped else 0.0
            t.row_edge[i] = max(share, 1.0)
            state = AT_CAP if capped else AT_ZERO
            if released >= 0:
                shrink(t, released, stopped, state)
                v[released] = v[k - 1]
            else:
                replace_row(t, stopped, entering, state, y)
        else:
            side = 1.0 if direction[blocking] > 0 else -1.0
            t.price[blocking] = t.high[blocking] if side > 0 else t.low[blocking]
            t.feature_edge[blocking] = max(share, 1.0)
            if released >= 0:
                replace_feature(t, released, blocking, side, x)
                v[released] = travel
            else:
                grow(t, entering, blocking, side, x, y)
                v[k] = travel
        if entering >= 0:
            residual[entering] = 0.0
    return STALLED


@kernel
def _breach(t, v, residual):
    """The most by which v breaks a margin or one of its signs."""
    most = 0.0
    for i in range(len(residual)):
        if t.row_state[i] == AT_ZERO:
            most = max(most, residual[i])
        elif t.row_state[i] == AT_CAP:
            most = max(most, -residual[i])
    for a in range(t.size[K]):
        if t.feature_state[t.features[a]] == INSIDE:
            most = max(most, -v[a] * t.side[a])
    return most


@kernel
def descend(t, most):
    """Mend λ from a feasible v. Returns OPTIMAL, STALLED, SINGULAR, or LOST where rounding has cost v its margins."""
    n = len(t.gain)
    v, y, x, weights = np.zeros(n + 1), np.zeros(n + 1), np.zeros(n + 1), np.zeros(n + 1)
    residual, slope, change = np.zeros(n), np.zeros(n), np.zeros(n + 1)
    direction = np.zeros(len(t.price))
    primal_point(t, v, residual)
    for _ in range(most):
        if t.size[AGE] >= max(_OLDEST, t.size[K]) and not _freshen(t, v, residual):
            return SINGULAR
        k, p = t.size[K], t.size[P]

        # Which bound is worst overstepped, by a feature's price or a row's multiplier?
        worst, entering, leaving, side, capped = -1.0, -1, -1, 1.0, False
        for j in range(p):
            over = max(t.price[j] - t.high[j], t.low[j] - t.price[j])
            if over > TOLERANCE and t.feature_state[j] == OUTSIDE:
                score = over * over / t.feature_edge[j]
                if score > worst:
                    worst, entering, side = score, j, (1.0 if t.price[j] > t.high[j] else -1.0)
        for b in range(k):
            i = t.rows[b]
            over = max(-t.multiplier[i], t.multiplier[i] - t.cap[i])
            if over > TOLERANCE:
                score = over * over / t.row_edge[i]
                if score > worst:
                    worst, leaving, capped = score, b, t.multiplier[i] > 0
        if entering < 0 and leaving < 0:
            if t.size[AGE] == 0:
                return LOST if _breach(t, v, residual) > _LOST_MARGIN else OPTIMAL
            if not _freshen(t, v, residual):
                return SINGULAR
            continue
        t.size[PIVOTS] += 1

        # The direction of v_F and of the residuals.
        largest = 0.0
        if leaving >= 0:
            entering = -1
            edge = t.row_edge[t.rows[leaving]]
            turn = -1.0 if capped else 1.0
            for a in range(k):
                change[a] = turn * t.inverse[a, leaving]
                largest = max(largest, abs(change[a]))
            weigh_columns(t, change, slope)
            for i in range(n):
                slope[i] = -slope[i]
        else:
            edge = t.feature_edge[entering]
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
        pivot, length, gone, joining = 0.0, 0.0, -1, -1
        for a in range(k):
            q = change[a] * t.side[a]
            if q < -small and -q > pivot and t.feature_state[t.features[a]] == INSIDE:
                reach = v[a] * t.side[a] / -q
                if reach <= limit:
                    pivot, length, gone = -q, reach, a
        for i in range(n):
            q = slope[i]
            if t.row_state[i] == AT_ZERO and q > small and q > pivot:
                reach = -residual[i] / q
                if reach <= limit:
                    pivot, length, joining = q, reach, i
            elif t.row_state[i] == AT_CAP and q < -small and -q > pivot:
                reach = residual[i] / -q
                if reach <= limit:
                    pivot, length, joining = -q, reach, i
        if gone < 0 and joining < 0:
            return SINGULAR
        length = max(length, 0.0)
        for a in range(k):
            v[a] += length * change[a]
        for i in range(n):
            residual[i] += length * slope[i]

        # λ moves so that the one that was overstepped comes to its bound; the edges change by the row of the pivot.
        if joining >= 0:
            row_against_inverse(t, joining, y)
            for b in range(k):
                weights[b] = -y[b]
        else:
            for b in range(k):
                weights[b] = t.inverse[gone, b]
        move(t, weights, joining, 1.0, direction)
        central = direction[entering] if entering >= 0 else weights[leaving]
        share = edge / (central * central)
        for j in range(p):
            t.feature_edge[j] = max(t.feature_edge[j], direction[j] * direction[j] * share)
        for b in range(k):
            i = t.rows[b]
            t.row_edge[i] = max(t.row_edge[i], weights[b] * weights[b] * share)
        if joining >= 0:
            t.row_edge[joining] = max(share, 1.0)
            residual[joining] = 0.0
        else:
            t.feature_edge[t.features[gone]] = max(share, 1.0)
        if entering >= 0:
            target = t.high[entering] if side > 0 else t.low[entering]
            step(t, weights, joining, 1.0, direction, (target - t.price[entering]) / central)
            t.price[entering] = target
            if joining >= 0:
                grow(t, joining, entering, side, x, y)
                v[k] = side * length
            else:
                replace_feature(t, gone, entering, side, x)
                v[gone] = side * length
        else:
            i = t.rows[leaving]
            target = t.cap[i] if capped else 0.0
            step(t, weights, joining, 1.0, direction, (target - t.multiplier[i]) / central)
            t.multiplier[i] = target
            residual[i] = length if capped else -length
            state = AT_CAP if capped else AT_ZERO
            if joining >= 0:
                replace_row(t, leaving, joining, state, y)
            else:
                shrink(t, gone, leaving, state)
                v[gone] = v[k - 1]
    return STALLED
