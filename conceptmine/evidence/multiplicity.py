"""Many concepts are tested at once: the false discovery rate at which each would be accepted."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError


def q_values(p: ArrayLike) -> NDArray[np.float64]:
    """Benjamini–Hochberg q-values: the lowest false discovery rate at which each test would be rejected.

    p  real [n] in [0, 1]; NaN marks a test that was not made: it is left out of the count and stays NaN.

    Returns float64 [n], q_i = min over j with p_j ≥ p_i of p_j · m / rank(p_j), m the number of tests made. Rejecting
    q ≤ α keeps the expected share of false discoveries at or below α when tests are independent or positively
    dependent (Benjamini and Hochberg 1995; Benjamini and Yekutieli 2001). Put all concepts and layers in one call.

    Raises InputError when a value lies outside [0, 1] or p is not one-dimensional.
    """
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1:
        raise InputError(f"p must be one-dimensional, not of shape {values.shape}")
    made = np.flatnonzero(~np.isnan(values))
    tested = values[made]
    if ((tested < 0) | (tested > 1)).any():
        raise InputError("p must hold probabilities between 0 and 1, or NaN for a test that was not made")
    order = np.argsort(tested, kind="stable")
    scaled = tested[order] * len(tested) / np.arange(1, len(tested) + 1)
    adjusted = np.minimum.accumulate(scaled[::-1])[::-1]
    result = np.full(len(values), np.nan)
    result[made[order]] = np.minimum(adjusted, 1.0)
    return result
