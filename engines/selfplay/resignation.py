"""When a side may resign: at a threshold that was wrong seldom enough in games that were played on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.selfplay.records import GameRecord

NEVER: Final = -1.0
"""A threshold that no value falls below."""

_THRESHOLDS: Final = tuple(round(-0.70 - 0.02 * step, 2) for step in range(15))  # −0.70 … −0.98
_FEWEST: Final = 60  # games in which somebody would have resigned, before anybody may
_REMEMBERED: Final = 1000


class Measured(NamedTuple):
    """At one threshold: ``games`` played on in which a side would have resigned, ``wrong`` of them it did not lose."""

    threshold: float
    games: int
    wrong: int


class Resignation:
    """The newest games that were played on, and the threshold that follows from them.

    A side would resign when two of its searches in a row give it less than the threshold; where both would have, the
    one that stood lower counts.  The threshold is the highest at which the rate of errors, measured in at least 60
    games, is at most ``errors``; AlphaGo Zero's rule.
    """

    def __init__(self, errors: float) -> None:
        self._errors = errors
        self._lowest: deque[tuple[float, float, int]] = deque(maxlen=_REMEMBERED)

    def add(self, games: Iterable[GameRecord]) -> None:
        """Learn from those of ``games`` that were played on."""
        for game in games:
            if game.played_on:
                self._lowest.append((float(game.lowest[0]), float(game.lowest[1]), game.result))

    def measured(self, threshold: float) -> Measured:
        """What would have happened at ``threshold``."""
        games = wrong = 0
        for white, black, result in self._lowest:
            if min(white, black) < threshold:
                games += 1
                wrong += result != (-1 if white < black else 1)
        return Measured(threshold, games, wrong)

    def threshold(self) -> float:
        """Where a side may resign now; NEVER if nothing is known well enough."""
        if self._errors <= 0:
            return NEVER
        for threshold in _THRESHOLDS:
            found = self.measured(threshold)
            if found.games >= _FEWEST and found.wrong <= self._errors * found.games:
                return threshold
        return NEVER

    def as_array(self) -> NDArray[np.float32]:
        """What is remembered, float32 [n, 3]: lowest value of White, of Black, result from White's side."""
        return np.array(self._lowest, dtype=np.float32).reshape(-1, 3)

    def restore(self, remembered: Sequence[Sequence[float]] | NDArray[np.float32]) -> None:
        """Remember what `as_array` gave."""
        self._lowest.clear()
        self._lowest.extend((float(white), float(black), int(result)) for white, black, result in remembered)
