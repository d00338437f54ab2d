"""What one player made against another, and what that says about their strength."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

__all__ = ["Meeting", "Tally"]

ELO = 400 / math.log(10)
"""Elo of a factor e in the odds."""


@dataclass(frozen=True)
class Tally:
    """Games of one player against another, counted from its side.

    ``white`` and ``black``: games won, drawn and lost with that colour.  ``pairs``: how many pairs of games, both from
    one opening with the colours reversed, brought 0, ½, 1, 1½ and 2 points.

    Raises ``ValueError`` for negative counts, and for pairs that cannot have come from these games.
    """

    white: tuple[int, int, int]
    black: tuple[int, int, int]
    pairs: tuple[int, int, int, int, int]

    def __post_init__(self) -> None:
        if min(*self.white, *self.black, *self.pairs) < 0:
            raise ValueError(f"{self} counts below zero")
        points = sum(count * place / 2 for place, count in enumerate(self.pairs))
        if 2 * sum(self.pairs) != self.games or points != self.points:
            raise ValueError(
                f"the pairs {list(self.pairs)} do not come from {self.games} games and {self.points} points"
            )

    @classmethod
    def of(cls, pairs: Iterable[tuple[float, float]]) -> Tally:
        """From the player's points (0, ½, 1) in each pair of games: with White, with Black."""
        white, black, counts = [0, 0, 0], [0, 0, 0], [0, 0, 0, 0, 0]
        for with_white, with_black in pairs:
            white[round(2 - 2 * with_white)] += 1
            black[round(2 - 2 * with_black)] += 1
            counts[round(2 * (with_white + with_black))] += 1
        a, b, c, d, e = counts
        return cls((white[0], white[1], white[2]), (black[0], black[1], black[2]), (a, b, c, d, e))

    @property
    def wins(self) -> int:
        """Games won."""
        return self.white[0] + self.black[0]

    @property
    def draws(self) -> int:
        """Games drawn."""
        return self.white[1] + self.black[1]

    @property
    def losses(self) -> int:
        """Games lost."""
        return self.white[2] + self.black[2]

    @property
    def games(self) -> int:
        """Games played."""
        return sum(self.white) + sum(self.black)

    @property
    def points(self) -> float:
        """Points won."""
        return self.wins + 0.5 * self.draws

    @property
    def score(self) -> float:
        """Points per game, in [0, 1]; NaN without games."""
        return self.points / self.games if self.games else math.nan

    @property
    def reversed(self) -> Tally:
        """The same games from the other player's side."""
        a, b, c, d, e = self.pairs
        return Tally(_other_side(self.black), _other_side(self.white), (e, d, c, b, a))

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        a, b, c, d, e = (x + y for x, y in zip(self.pairs, other.pairs, strict=True))
        return Tally(_sum(self.white, other.white), _sum(self.black, other.black), (a, b, c, d, e))

    @property
    def elo(self) -> float | None:
        """Elo difference that the score stands for; None when every game went one way."""
        return ELO * math.log(self.score / (1 - self.score)) if 0 < self.score < 1 else None

    @property
    def elo_standard_error(self) -> float | None:
        """Its standard error by the delta method, from the spread of pairs: an opening's two games are not independent.

        None where the pairs do not spread, as when all games are drawn: that says nothing about how sure the score is.
        """
        if self.elo is None or sum(count > 0 for count in self.pairs) < 2:
            return None
        _, spread = _mean_and_error(self.pairs)
        return ELO * spread / (self.score * (1 - self.score))

    @property
    def likelihood_of_superiority(self) -> float:
        """How likely the player is the stronger one, in (0, 1): Student's distribution of the mean of the pairs.

        Half a pair won and half a pair lost are added, so that a clean sweep of few games is not taken for certainty.
        """
        regular = [*self.pairs]
        padded = [regular[0] + 0.5, *regular[1:4], regular[4] + 0.5]
        mean, error = _mean_and_error(padded)
        return float(student.cdf((mean - 0.5) / error, max(sum(padded) - 1, 1))) if error > 0 else 0.5

    def as_json(self) -> dict[str, Any]:
        """Counts and figures by name, None for numbers that there are not; ``white``, ``black``, ``pairs`` as lists."""
        return {
            "wins": self.wins,
            "draws": self.draws,
            "losses": self.losses,
            "score": self.score if self.games else None,
            "elo": self.elo,
            "elo_standard_error": self.elo_standard_error,
            "likelihood_of_superiority": self.likelihood_of_superiority,
            "white": list(self.white),
            "black": list(self.black),
            "pairs": list(self.pairs),
        }

    def describe(self) -> str:
        """Score, Elo difference and likelihood of superiority in words."""
        if not self.games:
            return "no games"
        sure = f"likelihood of superiority {self.likelihood_of_superiority:.1%}"
        if self.elo is None:
            return f"score {self.score:.0%}, no finite Elo difference, {sure}"
        error = self.elo_standard_error
        known = f" ± {error:.0f} (standard error)" if error is not None else " (all pairs alike: no standard error)"
        return f"score {self.score:.1%}, Elo {self.elo:+.0f}{known}, {sure}"


@dataclass(frozen=True)
class Meeting:
    """Two players and their games, counted from the side of ``first``."""

    first: str
    second: str
    tally: Tally


def _mean_and_error(pairs: Sequence[float]) -> tuple[float, float]:
    """Mean share of a pair's points, in [0, 1], and its standard error (infinite for fewer than two pairs)."""
    counts, shares = np.array(pairs, dtype=np.float64), np.arange(5) / 4
    total = counts.sum()
    mean = float(counts @ shares / total)
    if total <= 1:
        return mean, math.inf
    return mean, math.sqrt(float(counts @ (shares - mean) ** 2) / (total - 1) / total)


def _other_side(outcomes: tuple[int, int, int]) -> tuple[int, int, int]:
    return outcomes[2], outcomes[1], outcomes[0]


def _sum(one: tuple[int, int, int], other: tuple[int, int, int]) -> tuple[int, int, int]:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]
