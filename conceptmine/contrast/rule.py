"""The settings of the contrast between what an agent chose and what it rejected."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from conceptmine.errors import InputError

__all__ = ["PLIES_AFTER_BRANCH", "ContrastRule"]

PLIES_AFTER_BRANCH: Final = 5
"""Plies that remain after the latest branch: T~ = T - 5, "to ensure the rollout is sufficiently deep"."""


@dataclass(frozen=True)
class ContrastRule:
    """How subpar lines are found and which positions are compared (Schut et al., sections 4.1.2 and 8.4.1).

    Attributes:
        value_gap: least difference of value between the best move and a subpar one, on the scale [-1, 1] and for the
            player who chooses; the paper's is 0.20.
        visit_gap: least difference of visits as a share of the best move's, in [0, 1]; the paper's is 0.10.
        horizon: plies T of each line, at least 5; the paper's are 5 and 10.
        players: "one" compares the positions with the root's player to move (t even), "two" all positions.
        plan: "active" for what grows along the best line, "prophylactic" for what the best line keeps from growing.
        combine: whether a subpar move must meet one of the gaps ("or") or both ("and"); the paper leaves it open.
    """

    value_gap: float = 0.20
    visit_gap: float = 0.10
    horizon: int = 5
    players: Literal["one", "two"] = "one"
    plan: Literal["active", "prophylactic"] = "active"
    combine: Literal["or", "and"] = "or"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value_gap) and 0.0 <= self.value_gap <= 2.0):
            raise InputError(f"The value gap is {self.value_gap}: give a number from 0 to 2 (values lie in [-1, 1]).")
        if not (math.isfinite(self.visit_gap) and 0.0 <= self.visit_gap <= 1.0):
            raise InputError(f"The visit gap is {self.visit_gap}: give a share from 0 to 1.")
        if self.horizon < PLIES_AFTER_BRANCH:
            raise InputError(
                f"The horizon is {self.horizon} plies: give at least {PLIES_AFTER_BRANCH}, the plies after a branch."
            )
        for name, value, choices in (
            ("players", self.players, ("one", "two")),
            ("plan", self.plan, ("active", "prophylactic")),
            ("combine", self.combine, ("or", "and")),
        ):
            if value not in choices:
                raise InputError(f"{name} is {value!r}: give {choices[0]!r} or {choices[1]!r}.")

    @property
    def last_branch(self) -> int:
        """T~, the greatest depth at which a subpar line may leave the best one."""
        return self.horizon - PLIES_AFTER_BRANCH

    @property
    def plies(self) -> tuple[int, ...]:
        """The depths t whose positions are compared, before a branch rules some out."""
        step = 2 if self.players == "one" else 1
        return tuple(range(step, self.horizon + 1, step))
