"""Effect sizes with intervals: how far above chance, and how surely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student_t

from conceptmine.errors import InputError


@dataclass(frozen=True, eq=False)
class Effects:
    """Satisfaction minus the mean of its sign-flip null: float64 [c] in [−½, ½], and the ends of its interval."""

    effect: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def effect_interval(effects: NDArray[np.float64], *, level: float = 0.95) -> Effects:
    """The mean effect over roots with Wilson's interval.

    effects  float64 [c, r] in [−½, ½], `HeldOut.root_effects`; r ≥ 1 roots.
    level    probability of the interval, in (0, 1).

    Roots are the unit. A root's ½ + effect is a share between 0 and 1 and not a coin, so Wilson's interval is taken for
    the number of coins that would vary as much, r · m(1 − m) / s², where s² is the variance over roots with one more
    root at its largest value, so that roots which all agree do not pass for certainty.

    Raises InputError on misshapen input.
    """
    if effects.ndim != 2 or effects.shape[1] == 0 or not 0 < level < 1:
        raise InputError(f"effects must be [concepts, roots] with a level in (0, 1), not {effects.shape} and {level}")
    roots = effects.shape[1]
    shares = effects + 0.5
    mean = shares.mean(axis=1)
    most = mean * (1 - mean)
    spread = (((shares - mean[:, None]) ** 2).sum(axis=1) + most) / roots
    coins = np.where(spread > 0, roots * most / np.where(spread > 0, spread, 1.0), roots)
    low, high = wilson_ends(mean, coins, level=level)
    return Effects(mean - 0.5, low - 0.5, high - 0.5)


def wilson_ends(
    shares: NDArray[np.float64], coins: NDArray[np.float64], *, level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ends of Wilson's score interval (1927) of shares of successes.

    shares  float64 [c] in [0, 1].
    coins   float64 [c] above 0, how many trials each share is of; need not be whole.
    level   probability of the interval, in (0, 1).

    Both ends lie in [0, 1] and the share between them, whatever the rounding.
    """
    z = float(norm.isf((1 - level) / 2))
    centre = (shares + z**2 / (2 * coins)) / (1 + z**2 / coins)
    half = z / (1 + z**2 / coins) * np.sqrt(shares * (1 - shares) / coins + z**2 / (4 * coins**2))
    return np.clip(centre - half, 0.0, shares), np.clip(centre + half, shares, 1.0)


def mean_interval(contributions: NDArray[np.float64], *, level: float = 0.95) -> Effects:
    """The sum of what roots contribute, with Student's interval for roots that vary independently.

    contributions  float64 [c, r], as from `weighted_effects`; r ≥ 2 roots, or the ends are NaN.
    level          as in `effect_interval`.
    """
    if contributions.ndim != 2 or not 0 < level < 1:
        raise InputError(f"contributions must be [concepts, roots], not {contributions.shape}, and level in (0, 1)")
    roots = contributions.shape[1]
    total = contributions.sum(axis=1)
    if roots < 2:
        unknown = np.full(len(total), np.nan)
        return Effects(total, unknown, unknown.copy())
    error = np.sqrt(((contributions - total[:, None] / roots) ** 2).sum(axis=1) * roots / (roots - 1))
    half = float(student_t.isf((1 - level) / 2, roots - 1)) * error
    return Effects(total, total - half, total + half)
