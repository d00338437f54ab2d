"""How much better the concept-taught student is than the control, with an interval that covers seeds and positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError

__all__ = ["Gain", "paired_gain"]


@dataclass(frozen=True)
class Gain:
    """A difference of two accuracies.

    Attributes:
        mean: treated minus control, averaged over seeds and positions, in [-1, 1].
        low: lower end of its bootstrap interval.
        high: upper end.
    """

    mean: float
    low: float
    high: float


def paired_gain(
    treated: ArrayLike,
    control: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    draws: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Gain:
    """Mean paired difference of hits and its percentile bootstrap interval.

    Each draw resamples, with replacement, the seeds and, independently, the test positions (whole groups of them if
    groups are given); the two arms of a seed and a position stay together. The interval thus covers another choice of
    test positions and another run of the training, and needs no assumption of independence between the seeds'
    answers to one position. With a handful of positions a percentile interval is too narrow; report their number.

    Args:
        treated: bool [seeds, n], whether the concept-taught student answered position i right.
        control: bool [seeds, n], the same of the student taught with random positions.
        groups: [n] labels; positions with equal labels are drawn together. None: each is its own group.
        draws: number of bootstrap draws.
        level: coverage of the interval, in (0, 1).
        seed: of the draws.

    Returns:
        The gain; equal arguments give equal bytes.

    Raises:
        InputError: shapes do not match or are empty, or a number is out of its range.
    """
    a, b = np.asarray(treated), np.asarray(control)
    if a.ndim != 2 or a.shape != b.shape or a.size == 0:
        raise InputError(f"Hits must be [seeds, positions] for both arms, not {list(a.shape)} and {list(b.shape)}.")
    if draws < 1 or not 0 < level < 1:
        raise InputError(f"A bootstrap needs draws >= 1 and 0 < level < 1, not draws={draws}, level={level}.")
    n_seeds, n = a.shape
    labels = np.arange(n) if groups is None else np.asarray(groups)
    if labels.shape != (n,):
        raise InputError(f"groups has shape {list(labels.shape)}; expected one label for each of {n} positions.")
    names, group = np.unique(labels, return_inverse=True)
    difference = a.astype(np.float64) - b.astype(np.float64)
    # Sums and sizes of groups are all that a draw needs.
    sums = np.zeros((n_seeds, names.size))
    np.add.at(sums.T, group, difference.T)
    sizes = np.bincount(group, minlength=names.size).astype(np.float64)
    rng = np.random.default_rng(seed)
    times_seed = _times_drawn(rng, draws, n_seeds)
    times_group = _times_drawn(rng, draws, names.size)
    means = np.einsum("bs,sg,bg->b", times_seed, sums, times_group, optimize=True)
    means /= n_seeds * (times_group @ sizes)
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Gain(float(difference.mean()), float(low), float(high))


def _times_drawn(rng: np.random.Generator, draws: int, n: int) -> NDArray[np.float64]:
    """How often each of n items comes up in n draws with replacement, float64 [draws, n]."""
    return rng.multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64)
