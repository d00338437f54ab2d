"""From a concept's numbers to positions that show it and positions that do not, alike in everything else that is known.

The rule. *Cut*: of a binary concept, the positions with 1 and with 0; of any other, the highest and the lowest share of
the numbers (about a fifth each), whole groups of equal numbers at a time. *One position a game a side*: a game gives at
most one position that shows the concept and one that does not. *Matching*: positions are put in strata by ply, or by
ply and the pieces that each side has; each stratum gives equally many of both kinds, paired at random, so that what
tells strata apart cannot tell the concept. Scores are compared within a stratum only, for the same reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import chess
import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.contrast.known.concept import MATCHINGS, Matching
from conceptmine.contrast.known.material import piece_points
from conceptmine.errors import InputError

__all__ = ["CUT_SHARE", "Cut", "MatchedPositions", "find_cut", "matched_positions", "strata"]

CUT_SHARE: Final = 0.2
"""Share of the numbers that counts as high, and share that counts as low."""

_PLY_BIN: Final = 10
_COARSE_PLY_BIN: Final = 20
_POINTS_BIN: Final = 8


@dataclass(frozen=True)
class Cut:
    """Presence means a number of `high` or more, absence one of `low` or less; low < high."""

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class MatchedPositions:
    """Positions with and without a concept; the i-th of both are a pair of one stratum.

    Attributes:
        positive: int64 [n], indices of the positions that show it.
        negative: int64 [n], indices of those that do not.
        strata: int64 [n], the stratum of each pair.
    """

    positive: NDArray[np.int64]
    negative: NDArray[np.int64]
    strata: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.positive)

    def first(self, pairs: int) -> MatchedPositions:
        """The first so many pairs; they stand in random order."""
        return MatchedPositions(self.positive[:pairs], self.negative[:pairs], self.strata[:pairs])


def find_cut(values: ArrayLike, share: float = CUT_SHARE) -> Cut | None:
    """Where a concept's numbers are cut: at the values whose tails are nearest to `share` of all numbers.

    Whole groups of equal numbers go to a side or stay out. A binary concept is cut between its two values; a count that
    is 0 nearly everywhere between 0 and 1; a difference that is mostly 0 at 1 and −1, without the zeros.

    Args:
        values: real [n]; NaN entries are passed over.
        share: above 0 and below ¼, so that the sides cannot meet.

    Returns:
        The cut; None if all numbers are equal or there is none.

    Raises:
        InputError: `share` is out of range, or a number is infinite.
    """
    if not 0 < share < 0.25:
        raise InputError(f"The share is {share}: give a number above 0 and below 0.25.")
    numbers = np.asarray(values, dtype=np.float64)
    if np.isinf(numbers).any():
        raise InputError("A concept's numbers hold an infinite one: give finite numbers, or NaN where there is none.")
    different, counts = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
    if len(different) < 2:
        return None
    shares = counts / counts.sum()
    up_to, from_on = np.cumsum(shares), np.cumsum(shares[::-1])[::-1]
    low, high = np.abs(up_to - share).argmin(), np.abs(from_on - share)[::-1].argmin()
    return Cut(float(different[low]), float(different[::-1][high]))


def strata(boards: Sequence[chess.Board], matching: Matching) -> NDArray[np.int64]:
    """The stratum of each position, int64 [n]: pairs are made, and scores compared, inside one only.

    "nothing" puts all in one; "ply" goes by plies from the start of the game in tens; "phase" by plies in twenties and
    the points of the pieces (without pawns) of the side to move and of the other, each in eights.
    """
    if matching not in MATCHINGS:
        raise InputError(f"The matching is {matching!r}: choose from {', '.join(MATCHINGS)}.")
    if matching == "nothing":
        return np.zeros(len(boards), dtype=np.int64)
    if matching == "ply":
        return np.array([board.ply() // _PLY_BIN for board in boards], dtype=np.int64)
    found = []
    for board in boards:
        own, other = (int(piece_points(board, side)) // _POINTS_BIN for side in (board.turn, not board.turn))
        found.append((board.ply() // _COARSE_PLY_BIN) * 400 + min(own, 19) * 20 + min(other, 19))
    return np.array(found, dtype=np.int64)


def matched_positions(
    values: ArrayLike, cut: Cut, games: Sequence[str], strata: ArrayLike, *, seed: int
) -> MatchedPositions:
    """Choose pairs of positions with and without a concept by the rule of this module.

    Args:
        values: real [n], the concept's numbers; NaN is on neither side.
        cut: from the positions that the concept is learned from.
        games: [n], the game of each position; each gives at most one position a side.
        strata: integers [n], from `strata`.
        seed: of the choice among positions of a game, and of the pairs.

    Returns:
        All pairs there are, in random order; maybe none.

    Raises:
        InputError: the arguments are not of one length.
    """
    numbers, stratum = np.asarray(values, dtype=np.float64), np.asarray(strata, dtype=np.int64)
    if not len(numbers) == len(games) == len(stratum):
        raise InputError(
            f"There are {len(numbers)} numbers, {len(games)} games and {len(stratum)} strata: give one of each per"
            " position."
        )
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(numbers))
    sides = [_one_a_game(order[mask[order]], games) for mask in (numbers >= cut.high, numbers <= cut.low)]
    chosen: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for value in np.unique(stratum):
        high, low = (side[stratum[side] == value] for side in sides)
        pairs = min(len(high), len(low))
        chosen.append((high[:pairs], low[:pairs]))
    empty = np.zeros(0, dtype=np.int64)
    positive = np.concatenate([empty, *(pair[0] for pair in chosen)])
    negative = np.concatenate([empty, *(pair[1] for pair in chosen)])
    shuffled = generator.permutation(len(positive))
    return MatchedPositions(positive[shuffled], negative[shuffled], stratum[positive[shuffled]])


def _one_a_game(candidates: NDArray[np.int64], games: Sequence[str]) -> NDArray[np.int64]:
    """The first candidate of each game."""
    seen: set[str] = set()
    kept = []
    for index in candidates.tolist():
        if games[index] not in seen:
            seen.add(games[index])
            kept.append(index)
    return np.array(kept, dtype=np.int64)
