"""Products with all features of a programme, in float64 whatever the rows are stored in (compiled)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from conceptmine.mining.compiled import kernel


@kernel
def add_prices(rows, used, weights, out):
    """out[j] += Σ weights[a] · rows[used[a], j], summed in the order of ``used``.

    rows [m, d] float32 or float64, C order; each entry is read once and no float64 copy of the matrix is made.
    """
    width, count, block = rows.shape[1], len(used), 1024
    for start in range(0, width, block):
        stop = min(width, start + block)
        target = out[start:stop]
        a = 0
        while a + 3 < count:
            w0, w1, w2, w3 = weights[a], weights[a + 1], weights[a + 2], weights[a + 3]
            d0, d1 = rows[used[a], start:stop], rows[used[a + 1], start:stop]
            d2, d3 = rows[used[a + 2], start:stop], rows[used[a + 3], start:stop]
            for j in range(stop - start):
                target[j] += (
                    w0 * np.float64(d0[j]) + w1 * np.float64(d1[j]) + w2 * np.float64(d2[j]) + w3 * np.float64(d3[j])
                )
            a += 4
        while a < count:
            w0, d0 = weights[a], rows[used[a], start:stop]
            for j in range(stop - start):
                target[j] += w0 * np.float64(d0[j])
            a += 1


@kernel
def all_finite(rows):
    """Whether no entry is NaN or infinite: 0 · x is 0 for all others."""
    total = 0.0
    for i in range(rows.shape[0]):
        row = rows[i]
        for j in range(len(row)):
            total += row[j] * 0.0
    return total == 0.0


@kernel
def largest_places(rows, largest):
    """The first feature where each row has the size ``largest[i]``, int64 [m]."""
    places = np.zeros(rows.shape[0], dtype=np.int64)
    for i in range(rows.shape[0]):
        row, sought = rows[i], largest[i]
        for j in range(len(row)):
            if abs(row[j]) == sought:
                places[i] = j
                break
    return places


@kernel
def most_violated(prices, bounds, taken, tolerance, one_sided):
    """Features whose price exceeds its bound, and that are not taken, ascending int64; and by how much, float64.

    prices, bounds float64 [d]; taken bool [d]; of the price the size counts, or itself where it is one-sided.
    """
    found, excess = np.empty(len(prices), dtype=np.int64), np.empty(len(prices))
    count = 0
    for j in range(len(prices)):
        over = (prices[j] if one_sided else abs(prices[j])) - bounds[j]
        if over > tolerance and not taken[j]:
            found[count], excess[count] = j, over
            count += 1
    return found[:count], excess[:count]


def strongest(found: NDArray[np.int64], excess: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """At most ``most`` of the features: those with the largest excess, ascending."""
    if len(found) <= most:
        return found
    return np.sort(found[np.argpartition(excess, len(found) - most)[len(found) - most :]])


@kernel
def gather(rows, features, scales, out):
    """out[i, a] = rows[i, features[a]] / scales[i], in float64."""
    for i in range(rows.shape[0]):
        row, target, scale = rows[i], out[i], 1.0 / scales[i]
        for a in range(len(features)):
            target[a] = np.float64(row[features[a]]) * scale
