"""The working basis of the dual programme, and the four ways in which a pivot changes it (compiled).

The programme, over the features of a working set and with every row scaled:

    minimise  Σ boundⱼ |vⱼ| + Σ capᵢ hᵢ    subject to  D v ≥ gain − h,  h ≥ 0
    maximise  gain · λ                      subject to  lowⱼ ≤ (Dᵀλ)ⱼ ≤ highⱼ,  0 ≤ λ ≤ cap

A basis pairs k rows whose multiplier is free with k features whose bound is reached: v solves D[R, F] v_F = gain_R, and
λ solves D[R, F]ᵀ λ_R = (bounds reached) − (rows at their cap). k is the number of non-zeros of v, never more than the
rows, so an explicit k × k inverse is small, however many features there are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from conceptmine.mining.compiled import kernel

AT_ZERO, AT_CAP, BASIC = 0, 1, 2
OUTSIDE, INSIDE, PERMANENT = 0, 1, 2

K, P, AGE, PIVOTS = 0, 1, 2, 3


class Tableau(NamedTuple):
    """All state of a solve, as arrays that the compiled functions change in place; b is the largest basis there can be.

    matrix     float64 [n, capacity], C order: D, the first ``size[P]`` columns in use.
    gain, cap  float64 [n]; cap is inf in the hard programme.
    low, high  float64 [capacity]: bounds of Dᵀλ.
    row_edge, feature_edge float64 [n], [capacity]: squared lengths of the edges along which they would enter (devex).
    multiplier float64 [n]: λ.
    price      float64 [capacity]: Dᵀλ.
    row_state  int8 [n]: AT_ZERO, AT_CAP or BASIC.
    feature_state int8 [capacity]: OUTSIDE or INSIDE the basis, or PERMANENT in it (the free number b).
    rows, features int64 [b + 1]: R and F, the first ``size[K]`` in use.
    side       float64 [b + 1]: which bound each feature of F reaches: 1 high, −1 low.
    inverse    float64 [b + 1, b + 1]: of D[R, F]; first index feature, second row.
    columns    float64 [b + 1, n]: D[:, F] transposed.
    size       int64 [4]: k, features in use, updates since the last inversion, pivots so far.
    """

    matrix: NDArray[np.float64]
    gain: NDArray[np.float64]
    cap: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    row_edge: NDArray[np.float64]
    feature_edge: NDArray[np.float64]
    multiplier: NDArray[np.float64]
    price: NDArray[np.float64]
    row_state: NDArray[np.int8]
    feature_state: NDArray[np.int8]
    rows: NDArray[np.int64]
    features: NDArray[np.int64]
    side: NDArray[np.float64]
    inverse: NDArray[np.float64]
    columns: NDArray[np.float64]
    size: NDArray[np.int64]


@kernel
def combine(matrix, rows, weights, count, width, out):
    """out[:width] = Σ weights[a] · matrix[rows[a], :width] over a < count."""
    block = 512
    for start in range(0, width, block):
        stop = min(width, start + block)
        target = out[start:stop]
        target[:] = 0.0
        a = 0
        while a + 3 < count:
            w0, w1, w2, w3 = weights[a], weights[a + 1], weights[a + 2], weights[a + 3]
            d0, d1 = matrix[rows[a], start:stop], matrix[rows[a + 1], start:stop]
            d2, d3 = matrix[rows[a + 2], start:stop], matrix[rows[a + 3], start:stop]
            for j in range(stop - start):
                target[j] += w0 * d0[j] + w1 * d1[j] + w2 * d2[j] + w3 * d3[j]
            a += 4
        while a < count:
            w0, d0 = weights[a], matrix[rows[a], start:stop]
            for j in range(stop - start):
                target[j] += w0 * d0[j]
            a += 1


@kernel
def weigh_columns(t, weights, out):
    """out = Σ weights[a] · D[:, F[a]], one number a row."""
    k = t.size[K]
    out[:] = 0.0
    n = len(out)
    a = 0
    while a + 3 < k:
        w0, w1, w2, w3 = weights[a], weights[a + 1], weights[a + 2], weights[a + 3]
        c0, c1, c2, c3 = t.columns[a], t.columns[a + 1], t.columns[a + 2], t.columns[a + 3]
        for i in range(n):
            out[i] += w0 * c0[i] + w1 * c1[i] + w2 * c2[i] + w3 * c3[i]
        a += 4
    while a < k:
        w0, c0 = weights[a], t.columns[a]
        for i in range(n):
            out[i] += w0 * c0[i]
        a += 1


@kernel
def primal_point(t, v, residual):
    """v_F from the basis, and gain − D v over all rows."""
    k = t.size[K]
    for a in range(k):
        row = t.inverse[a]
        total = 0.0
        for b in range(k):
            total += row[b] * t.gain[t.rows[b]]
        v[a] = total
    weigh_columns(t, v, residual)
    for i in range(len(residual)):
        residual[i] = t.gain[i] - residual[i]


@kernel
def row_against_inverse(t, i, y):
    """y = D[i, F] · inverse: the row as a combination of the rows of the basis."""
    k = t.size[K]
    y[:k] = 0.0
    for a in range(k):
        entry = t.columns[a, i]
        if entry != 0.0:
            row = t.inverse[a]
            for b in range(k):
                y[b] += entry * row[b]


@kernel
def inverse_against_feature(t, j, x):
    """x = inverse · D[R, j]: the feature as a combination of the features of the basis."""
    k = t.size[K]
    column = np.empty(k)
    for b in range(k):
        column[b] = t.matrix[t.rows[b], j]
    for a in range(k):
        row = t.inverse[a]
        total = 0.0
        for b in range(k):
            total += row[b] * column[b]
        x[a] = total


@kernel
def _set_feature(t, a, j, side):
    t.features[a] = j
    t.side[a] = side
    t.feature_state[j] = INSIDE
    for i in range(len(t.gain)):
        t.columns[a, i] = t.matrix[i, j]


@kernel
def grow(t, i, j, side, x, y):
    """Row i and feature j join the basis; x and y as above for them. Returns the pivot."""
    k = t.size[K]
    pivot = t.matrix[i, j]
    for a in range(k):
        pivot -= t.columns[a, i] * x[a]
    for a in range(k):
        factor = x[a] / pivot
        row = t.inverse[a]
        for b in range(k):
            row[b] += factor * y[b]
        row[k] = -factor
    last = t.inverse[k]
    for b in range(k):
        last[b] = -y[b] / pivot
    last[k] = 1.0 / pivot
    t.rows[k] = i
    t.row_state[i] = BASIC
    _set_feature(t, k, j, side)
    t.size[K] = k + 1
    t.size[AGE] += 1
    return pivot


@kernel
def replace_feature(t, a, j, side, x):
    """Feature j takes the place of the a-th of the basis."""
    k = t.size[K]
    row = t.inverse[a]
    for b in range(k):
        row[b] /= x[a]
    for c in range(k):
        if c != a:
            factor = x[c]
            other = t.inverse[c]
            for b in range(k):
                other[b] -= factor * row[b]
    t.feature_state[t.features[a]] = OUTSIDE
    _set_feature(t, a, j, side)
    t.size[AGE] += 1


@kernel
def replace_row(t, b, i, state, y):
    """Row i takes the place of the b-th of the basis, which goes to ``state``."""
    k = t.size[K]
    for a in range(k):
        row = t.inverse[a]
        entry = row[b] / y[b]
        for c in range(k):
            row[c] -= y[c] * entry
        row[b] = entry
    t.row_state[t.rows[b]] = state
    t.rows[b] = i
    t.row_state[i] = BASIC
    t.size[AGE] += 1


@kernel
def shrink(t, a, b, state):
    """The a-th feature and the b-th row leave the basis, the row to ``state``."""
    k = t.size[K]
    gone = t.inverse[a]
    pivot = gone[b]
    for c in range(k):
        if c != a:
            row = t.inverse[c]
            factor = row[b] / pivot
            for e in range(k):
                row[e] -= factor * gone[e]
    t.feature_state[t.features[a]] = OUTSIDE
    t.row_state[t.rows[b]] = state
    last = k - 1
    if a != last:
        t.inverse[a, :k] = t.inverse[last, :k]
        t.columns[a] = t.columns[last]
        t.features[a] = t.features[last]
        t.side[a] = t.side[last]
    if b != last:
        for c in range(last):
            t.inverse[c, b] = t.inverse[c, last]
        t.rows[b] = t.rows[last]
    t.size[K] = last
    t.size[AGE] += 1


@kernel
def invert(t):
    """The inverse from scratch, by elimination with row pivots; False where D[R, F] is singular."""
    k = t.size[K]
    work = np.empty((k, k))
    for b in range(k):
        for a in range(k):
            work[b, a] = t.columns[a, t.rows[b]]
    order = np.arange(k)
    for step in range(k):
        best = step
        for b in range(step + 1, k):
            if abs(work[b, step]) > abs(work[best, step]):
                best = b
        if not abs(work[best, step]) > 1e-13:
            return False
        if best != step:
            for a in range(k):
                work[step, a], work[best, a] = work[best, a], work[step, a]
            order[step], order[best] = order[best], order[step]
        top = work[step]
        scale = 1.0 / top[step]
        top[step] = 1.0
        for a in range(k):
            top[a] *= scale
        for b in range(k):
            if b != step:
                row = work[b]
                factor = row[step]
                if factor != 0.0:
                    row[step] = 0.0
                    for a in range(k):
                        row[a] -= factor * top[a]
    for b in range(k):
        for a in range(k):
            t.inverse[a, order[b]] = work[a, b]
    t.size[AGE] = 0
    return True


@kernel
def dual_point(t):
    """λ and Dᵀλ anew from the basis."""
    k, p, n = t.size[K], t.size[P], len(t.gain)
    reached = np.empty(k)
    for a in range(k):
        j = t.features[a]
        reached[a] = t.high[j] if t.side[a] > 0 else t.low[j]
    for i in range(n):
        if t.row_state[i] == AT_ZERO:
            t.multiplier[i] = 0.0
        elif t.row_state[i] == AT_CAP:
            t.multiplier[i] = t.cap[i]
            for a in range(k):
                reached[a] -= t.cap[i] * t.columns[a, i]
    solved = np.zeros(k)
    for a in range(k):
        row = t.inverse[a]
        for b in range(k):
            solved[b] += reached[a] * row[b]
    for b in range(k):
        t.multiplier[t.rows[b]] = solved[b]
    used = np.flatnonzero(t.multiplier)
    combine(t.matrix, used, t.multiplier[used], len(used), p, t.price)


@kernel
def move(t, weights, i, factor, direction):
    """Direction of Dᵀλ when the basic multipliers move by ``weights`` and, unless i < 0, that of row i by factor."""
    k, p = t.size[K], t.size[P]
    combine(t.matrix, t.rows, weights, k, p, direction)
    if i >= 0:
        row = t.matrix[i]
        for j in range(p):
            direction[j] += factor * row[j]


@kernel
def step(t, weights, i, factor, direction, length):
    """Go ``length`` along such a direction."""
    for b in range(t.size[K]):
        t.multiplier[t.rows[b]] += length * weights[b]
    if i >= 0:
        t.multiplier[i] += length * factor
    for j in range(t.size[P]):
        t.price[j] += length * direction[j]


@kernel
def pivot_order(matrix, forced):
    """Rows and columns of ``matrix`` [a, b] in the order of elimination with complete pivoting, as far as it has rank.

    With ``forced`` the first pivot is taken from the first column.
    """
    work = matrix.copy()
    a, b = work.shape
    row_order, column_order = np.arange(a), np.arange(b)
    rank = 0
    while rank < min(a, b):
        best, at, beside = 0.0, rank, rank
        stop = rank + 1 if forced and rank == 0 else b
        for i in range(rank, a):
            row = work[row_order[i]]
            for j in range(rank, stop):
                size = abs(row[column_order[j]])
                if size > best:
                    best, at, beside = size, i, j
        if not best > 1e-9:
            break
        row_order[rank], row_order[at] = row_order[at], row_order[rank]
        column_order[rank], column_order[beside] = column_order[beside], column_order[rank]
        top, column = work[row_order[rank]], column_order[rank]
        for i in range(rank + 1, a):
            row = work[row_order[i]]
            factor = row[column] / top[column]
            if factor != 0.0:
                for j in range(b):
                    row[j] -= factor * top[j]
        rank += 1
    return row_order[:rank], column_order[:rank]
