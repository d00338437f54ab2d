"""One static concept at one layer: what is fitted on its training pairs, judged on pairs of games never seen."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from conceptmine.contrast.known import ConceptValues, Cut, MatchedPositions, find_cut, matched_positions
from conceptmine.positions import stable_rank
from experiments.known.fitting import (
    INNER_ONE_IN,
    PENALTIES,
    SLACKS,
    Fit,
    Pairs,
    chosen_fit,
    logistic,
    mean_difference,
    sparsest,
)
from experiments.known.judging import RANDOM_DIRECTIONS, ordered, random_sparse, satisfaction, standard_error
from experiments.known.positions import Pool

TRAINING_PAIRS = 100
"""Most pairs that a direction is fitted on: 200 examples, the largest number of the paper's curve."""

FEWEST_TRAINING = 25
FEWEST_TEST = 12
"""Pairs that a concept must have on both sides of the split to be judged."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Where a concept is shown: pairs to learn from and positions to judge by, as indices into a pool.

    name, family, definition, matched  the concept's.
    cut                                where its numbers are cut, found on training games.
    train, test                        pairs of positions.
    """

    name: str
    family: str
    definition: str
    matched: str
    cut: Cut
    train: MatchedPositions
    test: MatchedPositions


@dataclass(frozen=True)
class Refused:
    """A concept that is not judged, and why."""

    name: str
    family: str
    reason: str


@dataclass(frozen=True)
class Judged:
    """What came of a concept at a layer. All shares are of held-out pairs of one stratum, ties as failures."""

    concept: str
    family: str
    layer: str
    features: int
    training_pairs: int
    test_pairs: int
    """Positions of each kind in the test."""
    compared: int
    """Comparisons of one stratum that the shares are of."""
    satisfaction: float
    standard_error: float
    nonzero: int
    slack: float
    gap: float
    permuted: float
    """The same, mined again from permuted labels."""
    random_mean: float
    random_high: float
    """Mean and greatest of random directions with the same entries."""
    mean_difference: float
    logistic: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Task:
    """A concept at a layer whose activations [n_pool, d] stand in a file."""

    examples: Examples
    layer: str
    activations: Path
    games: Sequence[str]
    seed: int


def examples_of(concept: ConceptValues, pool: Pool, strata: NDArray[np.int64], seed: int) -> Examples | Refused:
    """Cut a concept's numbers on the training games, and pair positions on both sides of the split."""
    cut = find_cut(np.where(pool.test, np.nan, concept.values))
    if cut is None:
        return Refused(concept.name, concept.family, "all positions of the training games agree")
    halves = []
    for test in (False, True):
        values = np.where(pool.test == test, concept.values, np.nan)
        halves.append(matched_positions(values, cut, pool.games, strata, seed=_seed(seed, concept.name, str(test))))
    train, test_pairs = halves
    if len(train) < FEWEST_TRAINING or len(test_pairs) < FEWEST_TEST:
        reason = f"{len(train)} pairs to learn from and {len(test_pairs)} to test by, with {concept.matched} matched"
        return Refused(concept.name, concept.family, reason)
    return Examples(concept.name, concept.family, concept.definition, concept.matched, cut, train, test_pairs)


def pairs_at(task: Task, activations: NDArray[np.float32], most: int) -> Pairs:
    """At most so many training pairs of a task with their activations."""
    train = task.examples.train.first(most)
    inner = [
        [stable_rank(task.seed, "inner", task.games[i]) % INNER_ONE_IN == 0 for i in side]
        for side in (train.positive.tolist(), train.negative.tolist())
    ]
    return Pairs(
        np.asarray(activations[train.positive], dtype=np.float64),
        np.asarray(activations[train.negative], dtype=np.float64),
        train.strata,
        np.array(inner),
    )


def judge(task: Task) -> Judged:
    """Fit and judge one concept at one layer."""
    begun = time.perf_counter()
    activations = np.load(task.activations, mmap_mode="r")
    examples = task.examples
    pairs = pairs_at(task, activations, TRAINING_PAIRS)
    generator = np.random.default_rng(_seed(task.seed, examples.name, task.layer))
    fit = chosen_fit(sparsest, pairs, SLACKS)
    test = examples.test
    positive, negative = (np.asarray(activations[side], dtype=np.float64) for side in (test.positive, test.negative))

    def share(found: Fit) -> float:
        return satisfaction(found.vector, positive, negative, test.strata, test.strata)

    comparable, right = ordered(fit.vector, positive, negative, test.strata, test.strata)
    games = [[task.games[i] for i in side.tolist()] for side in (test.positive, test.negative)]
    alive = np.ptp(np.concatenate([pairs.positive, pairs.negative]), axis=0) > 0
    random = [
        satisfaction(direction, positive, negative, test.strata, test.strata)
        for direction in random_sparse(fit.vector, alive, RANDOM_DIRECTIONS, generator)
    ]
    return Judged(
        concept=examples.name,
        family=examples.family,
        layer=task.layer,
        features=positive.shape[1],
        training_pairs=len(pairs),
        test_pairs=len(test),
        compared=int(comparable.sum()),
        satisfaction=float(right.sum() / comparable.sum()),
        standard_error=standard_error(comparable, right, games[0], games[1], generator),
        nonzero=int(np.count_nonzero(fit.vector)),
        slack=fit.price,
        gap=fit.gap,
        permuted=share(sparsest(pairs.swapped(generator), fit.price)),
        random_mean=float(np.mean(random)),
        random_high=float(np.max(random)),
        mean_difference=share(mean_difference(pairs)),
        logistic=share(chosen_fit(logistic, pairs, PENALTIES)),
        seconds=time.perf_counter() - begun,
    )


def control_shares(examples: Examples, controls: dict[str, NDArray[np.float64]]) -> dict[str, float]:
    """What numbers that need no layer reach on the same test pairs, turned the way that the training pairs say."""
    shares = {}
    for name, values in controls.items():
        train, test = examples.train, examples.test
        sign = 1.0 if values[train.positive].mean() >= values[train.negative].mean() else -1.0
        shares[name] = satisfaction(
            np.array([sign]),
            values[test.positive][:, None],
            values[test.negative][:, None],
            test.strata,
            test.strata,
        )
    return shares


def _seed(seed: int, *words: str) -> int:
    return zlib.crc32("\n".join((str(seed), *words)).encode())
