"""The sign-flip null: what satisfaction would be if it were a coin toss which line of each root is the better one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conceptmine.errors import InputError
from conceptmine.evidence.heldout import HeldOut, ply_weights

EXACT_ROOTS = 14
"""Up to this many roots all 2^roots sign patterns are enumerated instead of sampled."""

# Fractions of different denominators that are equal on paper differ by rounding; such flips must count as reaching T.
_SAME = 1e-9
_BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class SignFlipNull:
    """Held-out satisfaction of c vectors against flipped roots.

    p          float64 [c] in (0, 1]: (1 + number of flips that reach T) / (1 + flips), one-sided.
    statistic  float64 [c]: T, the mean over roots of the fraction of rows satisfied.
    mean       float64 [c]: its exact mean over all flips. low, high: [c], its quantiles.
    ply_mean, ply_low, ply_high  float64 [c, p]: the same at each ply.
    flips      sign patterns compared with, the observed one not counted.
    exact      whether these were all there are.
    """

    p: NDArray[np.float64]
    statistic: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    ply_mean: NDArray[np.float64]
    ply_low: NDArray[np.float64]
    ply_high: NDArray[np.float64]
    flips: int
    exact: bool


def sign_flip_null(
    counts: HeldOut, *, flips: int = 19_999, seed: int | np.random.Generator = 0, interval: float = 0.95
) -> SignFlipNull:
    """Compare the satisfaction of each vector with what it is when roots are flipped at random.

    Flipping a root exchanges its better and worse line: all its rows change sign together, so that whatever its rows
    share stays shared, and its satisfied fraction becomes the fraction with differences @ v < 0. Ties fail either way.
    If the better line of a root is in truth exchangeable with the worse one, p is uniform or larger.

    counts    from `held_out`.
    flips     random sign patterns; with at most `EXACT_ROOTS` roots all patterns are enumerated instead.
    seed      seed or generator; the same patterns are used for every vector.
    interval  mass between the quantiles `low` and `high`, in (0, 1).

    Raises InputError when flips or interval is out of range.
    """
    if flips < 1:
        raise InputError(f"flips must be at least 1, not {flips}")
    if not 0 < interval < 1:
        raise InputError(f"interval must lie between 0 and 1, not {interval}")
    concepts, roots, plies = counts.satisfied.shape
    exact = roots <= EXACT_ROOTS
    upright = _all_patterns(roots) if exact else random_patterns(roots, flips, seed)

    # T is linear in the pattern s ∈ {0, 1}^roots (1 = as observed): T(s) = Σ_r wrong_r + s_r (right_r − wrong_r).
    whole = np.repeat(1.0 / (counts.rows.sum(axis=1, keepdims=True) * roots), plies, axis=1)
    quantiles = (0.5 - interval / 2, 0.5 + interval / 2)
    p = np.empty(concepts)
    bands = np.empty((2, concepts, 1 + plies))
    means = np.empty((concepts, 1 + plies))
    for block in _blocks(concepts, (1 + plies) * len(upright)):
        right, wrong = (
            np.concatenate([np.einsum("crp,rp->cr", part, whole)[:, None, :], _by_ply(part, counts.rows)], axis=1)
            for part in (counts.satisfied[block], counts.opposed[block])
        )
        means[block] = (right + wrong).sum(axis=2) / 2
        gains = (right - wrong).reshape(-1, roots)
        drawn = _product(upright, gains) + wrong.reshape(-1, roots).sum(axis=1)
        drawn = drawn.reshape(len(upright), -1, 1 + plies)
        reached = (drawn[:, :, 0] >= right[:, 0].sum(axis=1) - _SAME).sum(axis=0)
        # The enumeration holds the observed pattern itself, which is the 1 that sampling adds.
        p[block] = reached / len(upright) if exact else (1 + reached) / (1 + len(upright))
        bands[:, block] = np.quantile(drawn, quantiles, axis=0)
    return SignFlipNull(
        p=p,
        statistic=counts.statistic,
        mean=means[:, 0],
        low=bands[0, :, 0],
        high=bands[1, :, 0],
        ply_mean=means[:, 1:],
        ply_low=bands[0, :, 1:],
        ply_high=bands[1, :, 1:],
        flips=len(upright) - 1 if exact else len(upright),
        exact=exact,
    )


def flip_p(
    effects: NDArray[np.float64], *, flips: int = 19_999, seed: int | np.random.Generator = 0
) -> NDArray[np.float64]:
    """One-sided sign-flip p of each vector's summed effect, float64 [c] in (0, 1].

    effects  float64 [c, r], what flipping a root negates: `HeldOut.root_effects`, of chosen roots alone (0 elsewhere)
             or weighted. The choice and the weights must not depend on which of a root's lines is called the better.
    flips    as in `sign_flip_null`, also for its exactness with few roots.

    p = (1 + #{patterns ε ∈ {−1, 1}^r with Σ ε_r effect_r ≥ Σ effect_r}) / (1 + flips).

    Raises InputError when flips is out of range.
    """
    if flips < 1:
        raise InputError(f"flips must be at least 1, not {flips}")
    concepts, roots = effects.shape
    exact = roots <= EXACT_ROOTS
    upright = _all_patterns(roots) if exact else random_patterns(roots, flips, seed)
    p = np.empty(concepts)
    for block in _blocks(concepts, len(upright)):
        # With s = (1 + ε) / 2, Σ ε e ≥ Σ e is Σ s e ≥ Σ e.
        drawn = _product(upright, effects[block])
        reached = (drawn >= effects[block].sum(axis=1) - _SAME).sum(axis=0)
        p[block] = reached / len(upright) if exact else (1 + reached) / (1 + len(upright))
    return p


def _all_patterns(roots: int) -> NDArray[np.int8]:
    return ((np.arange(2**roots)[:, None] >> np.arange(roots)) & 1).astype(np.int8)


def random_patterns(roots: int, flips: int, seed: int | np.random.Generator) -> NDArray[np.int8]:
    """Sign patterns of chance, int8 [flips, roots]: 1 for a root as observed, 0 for a flipped one."""
    return np.random.default_rng(seed).integers(0, 2, size=(flips, roots), dtype=np.int8)


def _by_ply(counts: NDArray[np.uint16], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """What each root adds to T at each ply, float64 [c, p, r]."""
    shares: NDArray[np.float64] = (counts * ply_weights(rows)).transpose(0, 2, 1)
    return shares


def _blocks(concepts: int, numbers_each: int) -> Iterator[slice]:
    size = max(1, _BLOCK_BYTES // (8 * numbers_each))
    for start in range(0, concepts, size):
        yield slice(start, start + size)


def _product(patterns: NDArray[np.int8], gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """patterns @ gains.T, float64 [flips, rows of gains], converting a slice of the patterns at a time."""
    result = np.empty((len(patterns), len(gains)))
    step = max(1, _BLOCK_BYTES // (8 * patterns.shape[1]))
    for start in range(0, len(patterns), step):
        result[start : start + step] = patterns[start : start + step].astype(np.float64) @ gains.T
    return result
