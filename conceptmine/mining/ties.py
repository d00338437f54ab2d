"""Which of several minimisers is the answer."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

TIE_WEIGHT = 1e-7
"""The most that a feature's fixed tie-breaking weight adds to the price of 1 of its weight in the norm."""


@lru_cache(maxsize=8)
def tie_weights(features: int) -> NDArray[np.float64]:
    """1 plus a tiny number per feature, less than `TIE_WEIGHT`, that depends on its index only. float64 [features],
    read-only.

    It must look random: with regular weights (multiples of one irrational number, say) the sums over two alternative
    supports coincide again and again, and the tie stays. So the index goes through the finaliser of SplitMix64.
    """
    mixed = np.arange(1, features + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    weights = 1.0 + TIE_WEIGHT * (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
    weights.setflags(write=False)
    return weights


@lru_cache(maxsize=8)
def no_weights(features: int) -> NDArray[np.float64]:
    """1 for every feature, float64 [features], read-only: the norm as it is."""
    weights = np.ones(features)
    weights.setflags(write=False)
    return weights
