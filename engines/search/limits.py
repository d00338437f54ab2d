"""How long a search goes on, with the unit in the type."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import TypeAlias

LARGEST = 2**31 - 2**20
"""Most simulations or nodes of a tree: its counters have 32 bits, and a step may go a little beyond a limit."""


def check_count(name: str, value: object, most: int = LARGEST) -> None:
    """Raise ``ValueError`` unless ``value`` is a whole number from 1 to ``most``."""
    if not isinstance(value, Integral) or isinstance(value, bool) or not 1 <= int(value) <= most:
        raise ValueError(f"{name} is {value!r}: give a whole number, at least 1 and at most {most:,}")


@dataclass(frozen=True)
class Simulations:
    """Until the root has had ``count`` visits, those of a kept tree included.  ``ValueError`` below 1."""

    count: int

    def __post_init__(self) -> None:
        check_count("simulations", self.count)


@dataclass(frozen=True)
class Nodes:
    """Until the tree holds ``count`` positions, those of a kept tree included.  ``ValueError`` below 1."""

    count: int

    def __post_init__(self) -> None:
        check_count("nodes", self.count)


@dataclass(frozen=True)
class Seconds:
    """For ``duration`` seconds of wall-clock time.  ``ValueError`` for a negative or infinite one."""

    duration: float

    def __post_init__(self) -> None:
        if not isinstance(self.duration, (int, float)) or not (math.isfinite(self.duration) and self.duration >= 0):
            raise ValueError(f"seconds is {self.duration!r}: give a finite number from 0 up")


Limit: TypeAlias = Simulations | Nodes | Seconds


@dataclass(frozen=True)
class Budget:
    """The tightest of several limits, by kind; None where there is none."""

    simulations: int | None
    nodes: int | None
    seconds: float | None


def budget_of(limits: Limit | Iterable[Limit]) -> Budget:
    """What several limits come to, whichever is reached first.  Raises ``TypeError`` for what is no limit."""
    given = list(limits) if isinstance(limits, Iterable) else [limits]
    for limit in given:
        if not isinstance(limit, (Simulations, Nodes, Seconds)):
            raise TypeError(f"{limit!r} is no limit of a search: give Simulations, Nodes or Seconds")
    return Budget(
        simulations=min((int(limit.count) for limit in given if isinstance(limit, Simulations)), default=None),
        nodes=min((int(limit.count) for limit in given if isinstance(limit, Nodes)), default=None),
        seconds=min((limit.duration for limit in given if isinstance(limit, Seconds)), default=None),
    )
