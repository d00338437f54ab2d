"""What the doses say: does more of the concept mean more of the best move, and more so than with the controls?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from conceptmine.errors import InputError
from conceptmine.evidence.steering.doses import Doses

__all__ = ["Comparison", "DoseResponse", "Interval", "dose_response"]

# Nats per unit of α. Slopes that are equal on paper differ by rounding; such a tie is no win.
_SAME: Final = 1e-9


@dataclass(frozen=True)
class Interval:
    """A mean over groups and its 95 % bootstrap interval, groups resampled whole."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """A concept against the draws of one kind of control, on the same choices.

    Attributes:
        kind: of the control.
        draws: how many vectors of that kind.
        excess: slope of the concept minus the mean slope of the draws, nats per unit of α.
        better: groups in which the concept's slope is above the mean slope of the draws; a tie is not.
        groups: groups compared.
        sign_p: P(Binomial(groups, ½) ≥ better): how likely so many are if each group were a coin toss. It speaks of
            these choices and of this one vector; a vector without meaning can lean one way on many of them.
        rank_p: (1 + draws whose mean slope reaches the concept's) / (1 + draws): how likely so large a slope is if the
            concept's vector were one more draw. Draws are its unit, so that it cannot fall below 1 / (1 + draws).
    """

    kind: str
    draws: int
    excess: Interval
    better: int
    groups: int
    sign_p: float
    rank_p: float


@dataclass(frozen=True, eq=False)
class DoseResponse:
    """The dose–response of one concept.

    Attributes:
        alphas: float64 [k], the first one 0.
        change: for each α, mean change of the log-odds of best against subpar move, nats.
        control_change: by kind of control, float64 [draws, k]: that mean for each draw.
        value_change: float64 [k], mean change of the value, for the player to move.
        chosen: float64 [k] in [0, 1], share of groups' choices in which the first choice is the best move.
        slope: of the log-odds over α, nats per unit of α: least squares through the origin, group by group.
        comparisons: one for each kind of control.
    """

    alphas: NDArray[np.float64]
    change: tuple[Interval, ...]
    control_change: Mapping[str, NDArray[np.float64]]
    value_change: NDArray[np.float64]
    chosen: NDArray[np.float64]
    slope: Interval
    comparisons: tuple[Comparison, ...]


def dose_response(
    doses: Doses,
    concept: str,
    controls: Mapping[str, Sequence[str]],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> DoseResponse:
    """Compare an arm with its controls, group by group.

    Choices of a group are averaged first, so that every group counts once.

    Args:
        doses: from `measure_doses`.
        concept: name of the concept's arm.
        controls: by kind, names of the arms to compare it with; kinds without arms are left out.
        resamples, seed: of the bootstrap.

    Raises:
        InputError: an arm that was not measured, or fewer than one resample.
    """
    if resamples < 1:
        raise InputError(f"resamples is {resamples}: give at least 1.")
    by_group = _Grouped.of(doses)
    generator = np.random.default_rng(seed)
    drawn_groups = generator.multinomial(by_group.number, np.full(by_group.number, 1 / by_group.number), size=resamples)
    weights = drawn_groups / by_group.number
    own = by_group.changes(doses.log_odds[doses.place(concept)])
    slopes = _slopes(own, doses.alphas)
    comparisons, control_change = [], {}
    for kind, names in controls.items():
        if not names:
            continue
        drawn = np.array([by_group.changes(doses.log_odds[doses.place(name)]) for name in names])
        drawn_slopes = _slopes(drawn, doses.alphas)
        excess = slopes - drawn_slopes.mean(axis=0)
        better = int((excess > _SAME).sum())
        reached = int((drawn_slopes.mean(axis=1) >= slopes.mean() - _SAME).sum())
        comparisons.append(
            Comparison(
                kind=kind,
                draws=len(names),
                excess=_interval(excess, weights),
                better=better,
                groups=by_group.number,
                sign_p=float(binom.sf(better - 1, by_group.number, 0.5)),
                rank_p=(1 + reached) / (1 + len(names)),
            )
        )
        control_change[kind] = drawn.mean(axis=2)
    place = doses.place(concept)
    return DoseResponse(
        alphas=doses.alphas,
        change=tuple(_interval(row, weights) for row in own),
        control_change=control_change,
        value_change=by_group.changes(doses.value[place]).mean(axis=1),
        chosen=by_group.means(doses.chosen[place].astype(np.float64)).mean(axis=1),
        slope=_interval(slopes, weights),
        comparisons=tuple(comparisons),
    )


@dataclass(frozen=True, eq=False)
class _Grouped:
    """Means over the choices of each group: ``weights`` float64 [n, groups]."""

    number: int
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, doses: Doses) -> _Grouped:
        names, group = np.unique(doses.groups, return_inverse=True)
        weights = np.zeros((len(group), len(names)))
        weights[np.arange(len(group)), group] = 1 / np.bincount(group)[group]
        return cls(len(names), weights)

    def means(self, measured: NDArray[np.float64]) -> NDArray[np.float64]:
        """Float64 [k, n] to [k, groups]."""
        means: NDArray[np.float64] = measured @ self.weights
        return means

    def changes(self, measured: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same, less what stands at α = 0."""
        return self.means(measured - measured[:1])


def _slopes(changes: NDArray[np.float64], alphas: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slopes through the origin, over the last axis but one: [..., k, groups] to [..., groups]."""
    slopes: NDArray[np.float64] = np.einsum("k,...kg->...g", alphas, changes) / (alphas**2).sum()
    return slopes


def _interval(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(weights @ values, (0.025, 0.975))
    return Interval(float(values.mean()), float(low), float(high))
