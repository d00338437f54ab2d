"""What the held-out roots could have shown: the smallest p there is, and the satisfaction that would be detected."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import norm

from conceptmine.errors import InputError
from conceptmine.evidence.sign_flip import EXACT_ROOTS


def minimum_p(roots: int, *, flips: int = 19_999) -> float:
    """The smallest p that `sign_flip_null` can give with this many roots: 2^−roots when exact, else 1 / (1 + flips)."""
    if roots < 1 or flips < 1:
        raise InputError(f"roots and flips must be at least 1, not {roots} and {flips}")
    return 2.0**-roots if roots <= EXACT_ROOTS else 1.0 / (1 + flips)


def detection_power(
    satisfaction: float,
    rows_per_root: ArrayLike,
    *,
    level: float,
    ties: float = 0.0,
    correlation: float = 0.0,
    flips: int = 19_999,
) -> float:
    """The probability, in [0, 1], that the sign-flip null gives p ≤ level to a vector with this planted satisfaction.

    satisfaction   probability that a held-out row is satisfied, in [0, 1 − ties].
    rows_per_root  integers [r] ≥ 1.
    level          the p that is needed, in (0, 1): for a false discovery rate q over n tests with k true discoveries
                   about q · k / n.
    ties           probability that a row is a tie, in [0, 1).
    correlation    of the signs of two rows of one root, in [0, 1]; 1 makes a root worth a single row.
    flips          as given to `sign_flip_null`.

    Normal approximation. With e = ±1 or 0 per row and δ_r its mean over the rows of root r, T is (Σδ_r)/2 above its
    null mean and the null's variance is (Σδ_r²)/4 (each over r²); Σδ_r is taken as normal and Σδ_r² at its
    expectation. Below some 15 roots it is rough.
    """
    counts = np.asarray(rows_per_root)
    if counts.ndim != 1 or len(counts) == 0 or counts.dtype.kind not in "iu" or (counts < 1).any():
        raise InputError("rows_per_root must be a one-dimensional array of positive integers, one per root")
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, not {level}")
    if not (0 <= ties < 1 and 0 <= correlation <= 1):
        raise InputError(f"ties must lie in [0, 1) and correlation in [0, 1], not {ties} and {correlation}")
    if not 0 <= satisfaction <= 1 - ties:
        raise InputError(f"satisfaction must lie in [0, 1 − ties] = [0, {1 - ties}], not {satisfaction}")
    if minimum_p(len(counts), flips=flips) > level:
        return 0.0
    mean = 2 * satisfaction + ties - 1
    spread = (1 - ties - mean**2) * (1 + (counts - 1) * correlation) / counts
    excess = len(counts) * mean - norm.isf(level) * np.sqrt((spread + mean**2).sum())
    noise = np.sqrt(max(float(spread.sum()), 0.0))
    return float(norm.cdf(excess / noise)) if noise > 0 else float(excess > 0)


def detectable_satisfaction(
    rows_per_root: ArrayLike,
    *,
    tests: int,
    fdr: float = 0.05,
    discoveries: int = 1,
    power: float = 0.8,
    ties: float = 0.0,
    correlation: float = 0.0,
    flips: int = 19_999,
) -> float:
    """The smallest planted satisfaction that would have been found with probability `power`, in [0.5 (1 − ties), 1].

    A concept is found when its p reaches fdr · discoveries / tests, where Benjamini–Hochberg puts the bar for the
    weakest of `discoveries` rejections among `tests`. Other arguments as in `detection_power`. Returns NaN when even a
    perfect vector would not be found: too few roots, or too few flips for so many tests.
    """
    if not 1 <= discoveries <= tests:
        raise InputError(f"discoveries must lie between 1 and tests = {tests}, not {discoveries}")
    if not (0 < fdr < 1 and 0 < power < 1):
        raise InputError(f"fdr and power must lie between 0 and 1, not {fdr} and {power}")

    def shortfall(satisfaction: float) -> float:
        found = detection_power(
            satisfaction,
            rows_per_root,
            level=fdr * discoveries / tests,
            ties=ties,
            correlation=correlation,
            flips=flips,
        )
        return found - power

    chance, perfect = (1 - ties) / 2, 1 - ties
    if shortfall(perfect) < 0:
        return float("nan")
    return float(brentq(shortfall, chance, perfect))
