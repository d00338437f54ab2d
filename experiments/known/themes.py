"""Themes of a test suite as dynamic concepts: mined jointly over training puzzles, judged on puzzles never seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conceptmine import minimal_vector
from conceptmine.evidence import held_out
from conceptmine.positions import stable_rank
from experiments.known.judging import RANDOM_DIRECTIONS, random_sparse
from experiments.known.puzzles import SuiteRows

SLACKS = (2.0, 5.0, 20.0)
"""Prices of slack to choose from, in multiples of the one below which no vector is worth its weight."""

FOLDS = 5
"""Each fifth of a theme's puzzles is held out once, so that all of them test (the paper holds one fifth out)."""

INNER_ONE_IN = 4
OTHER_PUZZLES = 64
"""Puzzles of the other themes that the vector of "any theme" is mined from: as many as a theme learns from."""


@dataclass(frozen=True)
class JudgedTheme:
    """What came of a theme at a layer; shares of held-out rows, puzzle by puzzle, ties as failures."""

    theme: str
    layer: str
    puzzles: int
    rows: int
    satisfaction: float
    standard_error: float
    permuted: float
    """The same, mined again with the two lines of a puzzle exchanged by a coin."""
    random_mean: float
    random_high: float
    mean_difference: float
    other_themes: float
    """By a vector mined from other themes' puzzles: what is not the theme's own."""
    value: float
    """By the agent's value head."""
    nonzero: float
    """Mean over folds."""
    widest_gap: float
    """Greatest duality gap over folds."""


@dataclass(frozen=True, eq=False)
class ThemeTask:
    """A theme at a layer: differences float64 [m, d], value differences [m], puzzles [m] and folds [m] of its rows, and
    differences [k, d] of other themes'."""

    theme: str
    layer: str
    differences: NDArray[np.float32]
    value: NDArray[np.float64]
    puzzle: NDArray[np.int64]
    fold: NDArray[np.int64]
    others: NDArray[np.float32]
    others_puzzle: NDArray[np.int64]
    seed: int


def theme_tasks(rows: SuiteRows, layers: Sequence[str], seed: int) -> list[ThemeTask]:
    """One task a theme and layer. Folds and the other themes' puzzles are drawn by the puzzles' names and the seed."""
    ranks = [stable_rank(seed, "fold", puzzle.puzzle_id) for puzzle in rows.puzzles]
    folds = np.zeros(len(rows.puzzles), dtype=np.int64)
    themes = list(dict.fromkeys(puzzle.theme for puzzle in rows.puzzles))
    members = {theme: [i for i, p in enumerate(rows.puzzles) if p.theme == theme] for theme in themes}
    for own in members.values():
        for order, index in enumerate(sorted(own, key=ranks.__getitem__)):
            folds[index] = order % FOLDS
    value = (rows.value[rows.plus] - rows.value[rows.minus]).astype(np.float64)
    tasks = []
    for theme in themes:
        other = sorted((i for i, p in enumerate(rows.puzzles) if p.theme != theme), key=ranks.__getitem__)
        mine = np.flatnonzero(np.isin(rows.puzzle, members[theme]))
        theirs = np.flatnonzero(np.isin(rows.puzzle, other[:OTHER_PUZZLES]))
        for layer in layers:
            tasks.append(
                ThemeTask(
                    theme=theme,
                    layer=layer,
                    differences=rows.differences(layer, mine).astype(np.float32),
                    value=value[mine],
                    puzzle=rows.puzzle[mine],
                    fold=folds[rows.puzzle[mine]],
                    others=rows.differences(layer, theirs).astype(np.float32),
                    others_puzzle=rows.puzzle[theirs],
                    seed=seed,
                )
            )
    return tasks


def judge_theme(task: ThemeTask) -> tuple[JudgedTheme, NDArray[np.float64]]:
    """Mine and judge a theme at a layer, fold by fold; with it the vectors, float64 [FOLDS, d]."""
    generator = np.random.default_rng([task.seed, len(task.puzzle)])
    rows = task.differences.astype(np.float64)
    others = theme_vector(task.others.astype(np.float64), task.others_puzzle, task.seed)[0]
    shares: dict[str, list[float]] = {name: [] for name in ("own", "permuted", "mean", "other", "value")}
    random: list[NDArray[np.float64]] = []
    vectors, gaps = [], []
    for fold in range(FOLDS):
        train, test = task.fold != fold, task.fold == fold
        vector, gap, slack = theme_vector(rows[train], task.puzzle[train], task.seed)
        vectors.append(vector)
        gaps.append(gap)
        flips = dict(
            zip(np.unique(task.puzzle), generator.choice([-1.0, 1.0], len(np.unique(task.puzzle))), strict=True)
        )
        signs = np.array([flips[puzzle] for puzzle in task.puzzle[train].tolist()])
        permuted = _mined(signs[:, None] * rows[train], slack)[0]
        found = held_out(
            rows[test], task.puzzle[test], np.array([vector, permuted, rows[train].mean(axis=0), others])
        ).root_fractions
        for name, fractions in zip(("own", "permuted", "mean", "other"), found, strict=True):
            shares[name] += fractions.tolist()
        shares["value"] += held_out(task.value[test][:, None], task.puzzle[test], [[1.0]]).root_fractions[0].tolist()
        directions = random_sparse(vector, np.ptp(rows[train], axis=0) > 0, RANDOM_DIRECTIONS, generator)
        random.append(held_out(rows[test], task.puzzle[test], directions).root_fractions)
    own = np.array(shares["own"])
    by_direction = np.concatenate(random, axis=1).mean(axis=1)
    judged = JudgedTheme(
        theme=task.theme,
        layer=task.layer,
        puzzles=len(own),
        rows=len(rows),
        satisfaction=float(own.mean()),
        standard_error=float(own.std(ddof=1) / np.sqrt(len(own))),
        permuted=float(np.mean(shares["permuted"])),
        random_mean=float(by_direction.mean()),
        random_high=float(by_direction.max()),
        mean_difference=float(np.mean(shares["mean"])),
        other_themes=float(np.mean(shares["other"])),
        value=float(np.mean(shares["value"])),
        nonzero=float(np.count_nonzero(vectors) / FOLDS),
        widest_gap=float(max(gaps)),
    )
    return judged, np.array(vectors)


def theme_vector(
    rows: NDArray[np.float64], puzzles: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.float64], float, float]:
    """The jointly mined vector of some puzzles' rows, its gap, and the multiple of slack that was chosen.

    The multiple is the one that satisfies most rows, puzzle by puzzle, of a quarter of these puzzles held out inside
    (of equals the smallest); all rows are then mined with it.
    """
    ordered = sorted(np.unique(puzzles).tolist(), key=lambda puzzle: stable_rank(seed, "inner", int(puzzle)))
    inner = np.isin(puzzles, ordered[: len(ordered) // INNER_ONE_IN])
    best, chosen = -1.0, SLACKS[-1]
    for slack in SLACKS:
        vector = _mined(rows[~inner], slack)[0]
        share = float(held_out(rows[inner], puzzles[inner], vector[None, :]).statistic[0])
        if share > best:
            best, chosen = share, slack
    return (*_mined(rows, chosen), chosen)


def _mined(rows: NDArray[np.float64], slack: float) -> tuple[NDArray[np.float64], float]:
    """min ‖v‖₁ + C · Σ hinge over rows, with C in multiples of 1 / ‖Σ rows‖∞, below which v = 0."""
    pull = float(np.abs(rows.sum(axis=0)).max())
    if pull == 0.0:
        return np.zeros(rows.shape[1]), 0.0
    solution = minimal_vector(rows, slack=slack / pull)
    assert solution.vector is not None  # a soft programme always has an optimum
    return solution.vector, solution.gap
