"""The tests of all concepts of one layer, horizon and choice of players, on the same held-out rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from conceptmine.evidence import (
    BeyondControls,
    HeldOut,
    Readout,
    SignFlipNull,
    against,
    balanced_weights,
    beyond_controls,
    count_scores,
    detectable_satisfaction,
    effect_interval,
    flip_p,
    half_effects,
    mean_interval,
    nearly_equal,
    opinions,
    ply_agreement,
    row_scores,
    share_outside,
    sign_flip_null,
    strongest,
    weighted_effects,
)

AT_LARGE: Final = "at large"
WHERE_ACTIVE: Final = "where active"
WHERE_SURE: Final = "where sure early, at later plies"
VALUE_EQUAL: Final = "value nearly equal, material equal"
VALUE_AGAINST: Final = "value against"
VALUE_BALANCED: Final = "value for and against in equal parts"
BEYOND: Final = "beyond all controls"

OWN_TESTS: Final = (AT_LARGE, WHERE_ACTIVE, WHERE_SURE)
"""The tests that make a concept's p-value; those behind the first only of concepts mined from one root."""

_BAND_FLIPS: Final = 1_999  # quantiles need fewer patterns than small p-values do


@dataclass(frozen=True)
class Group:
    """Concepts that are tested on the same rows, and what their tests need.

    ``ids`` of c concepts; ``oriented`` float64 [c, d] scores best lines above subpar ones; ``presence`` float64 [c, d]
    is high where the concept is present; ``one_root`` bool [c]. ``differences`` float32 [n, d], ``roots``, ``plies``
    int [n] and ``controls`` float64 [n, k] of the test rows, the value head first; ``root_states`` float32 [r, d], the
    activations of the roots in ascending order; ``half`` int [r], 0 or 1. ``readouts`` of the layer.
    """

    ids: Sequence[str]
    oriented: NDArray[np.float64]
    presence: NDArray[np.float64]
    one_root: NDArray[np.bool_]
    differences: NDArray[np.float32]
    roots: NDArray[np.int64]
    plies: NDArray[np.int32]
    controls: NDArray[np.float64]
    root_states: NDArray[np.float32]
    half: NDArray[np.int64]
    readouts: Mapping[str, Readout]


@dataclass(frozen=True)
class Examined:
    """What the tests of a group gave.

    ``p`` float64 [c, 3]: of `OWN_TESTS`, NaN where not made. ``tests``: rows of the evidence table. ``columns``: for
    each concept what goes to the table of concepts. ``readout_counts``: the read-out directions on the same rows.
    """

    counts: HeldOut
    null: SignFlipNull
    p: NDArray[np.float64]
    tests: list[dict[str, Any]]
    columns: list[dict[str, Any]]
    readout_counts: HeldOut


def examine(group: Group, *, tests: int, flips: int, seed: int) -> Examined:
    """Run every test of a group; ``tests`` concepts are tested in the whole run."""
    scores = row_scores(group.differences, group.oriented)
    counts = count_scores(scores, group.roots, plies=group.plies)
    value = count_scores(group.controls[:, :1], group.roots)
    made = [_tested(AT_LARGE, group, counts, value, None, flips, seed)]
    # A third of the roots, chosen by what belongs to both lines of a root: see `evidence.applies`.
    active = strongest(group.presence @ group.root_states.T.astype(np.float64)) & group.one_root[:, None]
    made.append(_tested(WHERE_ACTIVE, group, counts, value, active, flips, seed))
    sizes = np.linalg.norm(group.differences, axis=1)
    strength, late = opinions(scores, sizes, group.roots, group.plies)
    made.append(_where_sure(group, scores, strength, late, flips, seed))
    p = np.stack([test.p for test in made], axis=1)
    for name, rows in (
        (VALUE_EQUAL, nearly_equal(group.controls[:, 0]) & (group.controls[:, 2] == 0)),
        (VALUE_AGAINST, against(group.controls[:, 0])),
    ):
        if rows.any():
            part = count_scores(scores[rows], group.roots[rows])
            own_value = count_scores(group.controls[rows, :1], group.roots[rows])
            made.append(_tested(name, group, part, own_value, None, flips, seed))
    made.append(_balanced(group, scores, flips, seed))
    directions = np.stack([readout.direction for readout in group.readouts.values()])
    read = row_scores(group.differences, directions)
    beyond = beyond_controls(
        scores, group.roots, np.concatenate([group.controls, read], axis=1), flips=flips, seed=seed
    )
    # A concept's own tests share its place among all concepts; the others are read by themselves.
    shared = tests * np.maximum((~np.isnan(p)).sum(axis=1), 1)
    rows = [
        row for test in made for row in test.rows(group.ids, shared if test.corrected else np.ones_like(shared), flips)
    ]
    rows += _beyond_rows(group, beyond, tests, flips)
    halves = half_effects(counts.root_effects, group.half)
    steady = ply_agreement(scores, group.roots, late)
    outside = share_outside(group.oriented, directions)
    interval = effect_interval(counts.root_effects)
    columns = [
        {
            "concept_id": group.ids[i],
            "p_at_large": float(p[i, 0]),
            "p_where_active": _known(p[i, 1]),
            "p_where_sure": _known(p[i, 2]),
            "effect": float(interval.effect[i]),
            "effect_low": float(interval.low[i]),
            "effect_high": float(interval.high[i]),
            "beyond_value_effect": _known(beyond.effect[i]),
            "beyond_value_low": _known(beyond.low[i]),
            "beyond_value_high": _known(beyond.high[i]),
            "beyond_value_p": _known(beyond.p[i]),
            "outside_readouts": float(outside[i]),
            "score_outside_controls": float(beyond.score_outside[i]),
            "half_first": _known(halves[i, 0]),
            "half_second": _known(halves[i, 1]),
            "ply_agreement": _known(steady[i]),
        }
        for i in range(len(group.ids))
    ]
    return Examined(
        counts=counts,
        null=sign_flip_null(counts, flips=min(flips, _BAND_FLIPS), seed=seed),
        p=p,
        tests=rows,
        columns=columns,
        readout_counts=count_scores(read, group.roots, plies=group.plies),
    )


@dataclass(frozen=True)
class _Tested:
    """One test of all concepts of a group, float64 or int64 [c]; p is NaN where a concept was not tested."""

    name: str
    corrected: bool
    roots: NDArray[np.int64]
    rows_used: NDArray[np.int64]
    satisfaction: NDArray[np.float64]
    effect: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    p: NDArray[np.float64]
    value: NDArray[np.float64]

    def rows(self, ids: Sequence[str], tests: NDArray[np.int64], flips: int) -> list[dict[str, Any]]:
        """Rows of the evidence table; ``tests`` int64 [c]: among how many the p of each concept has to stand out."""
        return [
            {
                "concept_id": ids[i],
                "test": self.name,
                "roots": int(self.roots[i]),
                "rows": int(self.rows_used[i]),
                "satisfaction": float(self.satisfaction[i]),
                "null_mean": float(self.satisfaction[i] - self.effect[i]),
                "effect": float(self.effect[i]),
                "effect_low": _known(self.low[i]),
                "effect_high": _known(self.high[i]),
                "p": float(self.p[i]),
                "value_head": float(self.value[i]),
                "detectable": _detectable(int(self.roots[i]), int(tests[i]), flips),
            }
            for i in range(len(ids))
            if not np.isnan(self.p[i])
        ]


def _tested(
    name: str,
    group: Group,
    counts: HeldOut,
    value: HeldOut,
    chosen: NDArray[np.bool_] | None,
    flips: int,
    seed: int,
) -> _Tested:
    """The sign-flip test on all roots of the counts, or for each concept on those ``chosen``, bool [c, r]."""
    effects = counts.root_effects
    if chosen is None:
        chosen = np.ones(effects.shape, dtype=bool)
    number = chosen.sum(axis=1)
    weight = chosen / np.maximum(number, 1)[:, None]
    low, high = np.full((2, len(effects)), np.nan)
    for i in np.flatnonzero(number):
        interval = effect_interval(effects[i : i + 1, chosen[i]])
        low[i], high[i] = interval.low[0], interval.high[0]
    return _Tested(
        name=name,
        corrected=name in OWN_TESTS,
        roots=number,
        rows_used=chosen @ counts.rows.sum(axis=1),
        satisfaction=(counts.root_fractions * weight).sum(axis=1),
        effect=(effects * weight).sum(axis=1),
        low=low,
        high=high,
        p=np.where(number > 0, flip_p(effects * weight, flips=flips, seed=seed), np.nan),
        value=(value.root_fractions * weight).sum(axis=1),
    )


def _where_sure(
    group: Group,
    scores: NDArray[np.float64],
    strength: NDArray[np.float64],
    late: NDArray[np.bool_],
    flips: int,
    seed: int,
) -> _Tested:
    """Roots by the strength of the early opinion, tested at the later plies; only roots that have both."""
    ids, root = np.unique(group.roots, return_inverse=True)
    both = np.isin(np.arange(len(ids)), root[late]) & np.isin(np.arange(len(ids)), root[~late])
    rows = late & both[root]
    if not rows.any():
        return _no_test(WHERE_SURE, len(group.ids))
    counts = count_scores(scores[rows], group.roots[rows])
    value = count_scores(group.controls[rows, :1], group.roots[rows])
    chosen = strongest(strength[:, both]) & group.one_root[:, None]
    return _tested(WHERE_SURE, group, counts, value, chosen, flips, seed)


def _no_test(name: str, concepts: int) -> _Tested:
    none, unknown = np.zeros(concepts, dtype=np.int64), np.full(concepts, np.nan)
    return _Tested(name, True, none, none, unknown, unknown, unknown, unknown, unknown, unknown)


def _balanced(group: Group, scores: NDArray[np.float64], flips: int, seed: int) -> _Tested:
    weights = balanced_weights(group.controls[:, 0], group.roots)
    concepts = len(group.ids)
    if not weights.any():
        return _no_test(VALUE_BALANCED, concepts)
    effects = weighted_effects(scores, group.roots, weights)
    interval = mean_interval(effects)
    used = weights > 0
    return _Tested(
        name=VALUE_BALANCED,
        corrected=False,
        roots=np.full(concepts, len(np.unique(group.roots[used]))),
        rows_used=np.full(concepts, int(used.sum())),
        satisfaction=weights @ (scores > 0),
        effect=interval.effect,
        low=interval.low,
        high=interval.high,
        p=flip_p(effects, flips=flips, seed=seed),
        value=np.full(concepts, float(weights @ (group.controls[:, 0] > 0))),
    )


def _beyond_rows(group: Group, beyond: BeyondControls, tests: int, flips: int) -> list[dict[str, Any]]:
    """The conditional test has no satisfaction of its own: its effect is where all controls are equal."""
    return [
        {
            "concept_id": group.ids[i],
            "test": BEYOND,
            "roots": len(np.unique(group.roots)),
            "rows": len(group.roots),
            "satisfaction": None,
            "null_mean": None,
            "effect": float(beyond.effect[i]),
            "effect_low": _known(beyond.low[i]),
            "effect_high": _known(beyond.high[i]),
            "p": float(beyond.p[i]),
            "value_head": None,
            "detectable": _detectable(int(beyond.effective_roots[i]), tests, flips),
        }
        for i in range(len(group.ids))
        if not np.isnan(beyond.p[i])
    ]


@lru_cache(maxsize=4096)
def _detectable(roots: int, tests: int, flips: int) -> float | None:
    """Planted satisfaction that four runs in five would have found, each root as one row; None where none would."""
    if roots < 1:
        return None
    return _known(detectable_satisfaction(np.ones(roots, dtype=np.int64), tests=tests, flips=flips))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


__all__ = [
    "AT_LARGE",
    "BEYOND",
    "OWN_TESTS",
    "VALUE_AGAINST",
    "VALUE_BALANCED",
    "VALUE_EQUAL",
    "WHERE_ACTIVE",
    "WHERE_SURE",
    "Examined",
    "Group",
    "examine",
]
