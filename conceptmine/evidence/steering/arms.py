"""What is compared: the concept's vector, and vectors of the same length that know nothing of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError

__all__ = ["KINDS", "Arm", "other_concepts", "random_arms", "shrink_arm", "shuffled_arms", "transplanted_arm"]

KINDS: Final = ("concept", "random", "shuffled", "other layer", "other concept", "shrink")


@dataclass(frozen=True, eq=False)
class Arm:
    """One way to steer.

    Attributes:
        name: what tells it from all others.
        kind: one of `KINDS`.
        layer: where.
        vector: float64 [d]. The formula moves a position by αβ‖z‖ whatever the length of the vector, so that all arms
            of one layer and β are of equal norm.
        beta: β.
    """

    name: str
    kind: str
    layer: str
    vector: NDArray[np.float64]
    beta: float


def random_arms(layer: str, width: int, beta: float, *, draws: int, seed: int) -> list[Arm]:
    """Gaussian directions of a layer: v ~ N(0, 1)^d, the random concept of the paper's 8.6.

    They depend on seed and width alone, so that concepts of one layer share them.
    """
    generator = np.random.default_rng([seed, width])
    return [Arm(f"random {layer} {draw}", "random", layer, generator.normal(size=width), beta) for draw in range(draws)]


def shuffled_arms(concept: Arm, *, draws: int, seed: int) -> list[Arm]:
    """The entries of the concept's vector on other features: as sparse and as large, and about something else."""
    generator = np.random.default_rng([seed, len(concept.vector)])
    return [
        replace(
            concept,
            name=f"shuffled {concept.name} {draw}",
            kind="shuffled",
            vector=generator.permutation(concept.vector),
        )
        for draw in range(draws)
    ]


def transplanted_arm(concept: Arm, widths: Mapping[str, int]) -> Arm | None:
    """The concept's vector at another layer of the same width, the nearest before it, else the nearest after it.

    Args:
        concept: the arm.
        widths: features of each layer, in forward order.

    Returns:
        None if no other layer has as many features: a vector has no meaning there.
    """
    names = list(widths)
    place = names.index(concept.layer)
    others = [*reversed(names[:place]), *names[place + 1 :]]
    layer = next((name for name in others if widths[name] == len(concept.vector)), None)
    return (
        None if layer is None else replace(concept, name=f"{concept.name} at {layer}", kind="other layer", layer=layer)
    )


def other_concepts(concept: Arm, concepts: Iterable[Arm]) -> list[Arm]:
    """The other concepts of the same layer, as controls of this one."""
    return [
        replace(other, kind="other concept")
        for other in concepts
        if other.layer == concept.layer and other.name != concept.name
    ]


def shrink_arm(layer: str, vector: ArrayLike) -> Arm:
    """The factor 1 − α of the formula by itself (β = 0): what flattening the layer does without any direction."""
    direction = np.asarray(vector, dtype=np.float64)
    if not direction.any():
        raise InputError("The vector is zero: it points nowhere.")
    return Arm(f"shrink {layer}", "shrink", layer, direction, 0.0)
