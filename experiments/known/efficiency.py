"""How many examples a concept takes: 10 to 200, ten draws each (the paper's section 5.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.known.fitting import SLACKS, mean_difference, sparsest
from experiments.known.judging import satisfaction
from experiments.known.static import Task, pairs_at

SIZES = (10, 20, 50, 100, 200)
"""Examples, half of them with the concept: the paper's sizes."""

SEEDS = 10
POOL_PAIRS = 400
"""Most training pairs to draw from; with fewer than 200 the draws of the largest size have much in common."""


@dataclass(frozen=True)
class EfficiencyPoint:
    """Held-out satisfaction of a concept from so many examples, draw by draw; the nearly hard margin at every size."""

    concept: str
    family: str
    layer: str
    examples: int
    sparsest: list[float]
    mean_difference: list[float]


def efficiency(task: Task) -> list[EfficiencyPoint]:
    """The curve of one concept; sizes beyond its training pairs are left out."""
    activations = np.load(task.activations, mmap_mode="r")
    pairs, test = pairs_at(task, activations, POOL_PAIRS), task.examples.test
    positive, negative = (np.asarray(activations[side], dtype=np.float64) for side in (test.positive, test.negative))
    points = []
    for size in SIZES:
        if size // 2 > len(pairs):
            continue
        shares: tuple[list[float], list[float]] = ([], [])
        for seed in range(SEEDS):
            generator = np.random.default_rng([task.seed, size, seed])
            drawn = pairs.at(generator.choice(len(pairs), size=size // 2, replace=False))
            for found, fit in zip(shares, (sparsest(drawn, SLACKS[-1]), mean_difference(drawn)), strict=True):
                found.append(satisfaction(fit.vector, positive, negative, test.strata, test.strata))
        examples = task.examples
        points.append(EfficiencyPoint(examples.name, examples.family, task.layer, size, *shares))
    return points
