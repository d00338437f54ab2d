"""The window of recent games that the learner draws from."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import chess
import numpy as np
from numpy.typing import NDArray

from engines.chess.input_formats import FILL_OLDEST
from engines.chess.moves import POLICY_MOVES
from engines.chess.planes import (
    HISTORY_BOARDS,
    count_repetitions,
    write_auxiliary,
    write_board,
    write_missing,
)
from engines.chess.position import STATE, WORDS, position_of
from engines.compiled import kernel
from engines.selfplay.games import GameRecord, play_out


@dataclass(frozen=True)
class Positions:
    """Positions of whole games, flat.  ``n`` positions; a position's history is the rows before it down to ``first``.

    ``rows`` uint64 [n, 8]; ``repeated`` uint8 [n]; ``first`` int32 [n], index of the first row of its game; ``slots``
    uint16 and ``policy`` float16 [n, 64]; ``outcomes`` int8 [n], the game's result for the mover; ``values`` float32
    [n], the search's value for the mover; ``left`` uint16 [n], plies to the end of the game.
    """

    rows: NDArray[np.uint64]
    repeated: NDArray[np.uint8]
    first: NDArray[np.int32]
    slots: NDArray[np.uint16]
    policy: NDArray[np.float16]
    outcomes: NDArray[np.int8]
    values: NDArray[np.float32]
    left: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.rows)


class Batch(NamedTuple):
    """A training batch of ``b`` positions, each from its mover's view.

    Planes packed as ``masks`` uint64 and ``values`` float32 [b, 112]; ``policy`` float32 [b, 1858] and ``wdl`` float32
    [b, 3], probabilities; ``left`` float32 [b], plies to the end of the game.
    """

    masks: NDArray[np.uint64]
    values: NDArray[np.float32]
    policy: NDArray[np.float32]
    wdl: NDArray[np.float32]
    left: NDArray[np.float32]


def positions_of_games(games: Sequence[GameRecord]) -> Positions:
    """Lay the games' positions out flat (the final positions, which have no move, are left out)."""
    start = position_of(chess.Board())
    total = sum(len(game.moves) for game in games)
    rows = np.zeros((total, WORDS), dtype=np.uint64)
    repeated = np.zeros(total, dtype=np.uint8)
    first = np.zeros(total, dtype=np.int32)
    outcomes = np.zeros(total, dtype=np.int8)
    left = np.zeros(total, dtype=np.uint16)
    at = 0
    for game in games:
        plies = len(game.moves)
        part = slice(at, at + plies)
        play_out(start, game.moves, rows[part])
        count_repetitions(rows[part], repeated[part])
        first[part] = at
        outcomes[part] = game.result * np.where(np.arange(plies) % 2 == 0, 1, -1)
        left[part] = plies - np.arange(plies)
        at += plies
    return Positions(
        rows=rows,
        repeated=repeated,
        first=first,
        slots=np.concatenate([game.policy_slots for game in games]),
        policy=np.concatenate([game.policy for game in games]),
        outcomes=outcomes,
        values=np.concatenate([game.values for game in games]),
        left=left,
    )


@kernel
def _pack(rows, repeated, first, chosen, masks, values):
    for i in range(chosen.shape[0]):
        at = chosen[i]
        known = min(at - first[at], HISTORY_BOARDS - 1)
        for age in range(known + 1):
            write_board(rows[at - age], age, age, repeated[at - age] > 0, masks[i])
        if known < HISTORY_BOARDS - 1:
            write_missing(rows[first[at]], known, FILL_OLDEST, masks[i])
        write_auxiliary(rows[at], masks[i], values[i])


def _mirrored_slots() -> NDArray[np.int64]:
    place = {move: slot for slot, move in enumerate(POLICY_MOVES)}
    files = str.maketrans("abcdefgh", "hgfedcba")
    return np.array([place[move[:4].translate(files) + move[4:]] for move in POLICY_MOVES], dtype=np.int64)


MIRRORED_SLOT = _mirrored_slots()
"""int64 [1858]: policy index of each move with the files reversed."""

_RIGHTS = np.uint64(15 << 6)


def reverse_files(masks: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Square sets with the a-file and the h-file exchanged: the bits of each byte reversed."""
    for shift, pattern in ((1, 0x5555555555555555), (2, 0x3333333333333333), (4, 0x0F0F0F0F0F0F0F0F)):
        by, keep = np.uint64(shift), np.uint64(pattern)
        masks = ((masks >> by) & keep) | ((masks & keep) << by)
    return masks


class Replay:
    """The last ``window`` positions or a little more (whole rounds are dropped), with random batches from them."""

    def __init__(self, window: int, value_from_search: float) -> None:
        self._window = window
        self._mix = value_from_search
        self._rounds: deque[Positions] = deque()

    def __len__(self) -> int:
        return sum(len(part) for part in self._rounds)

    def add(self, positions: Positions) -> None:
        """Append a round; rounds that the window no longer needs are forgotten."""
        self._rounds.append(positions)
        while len(self) - len(self._rounds[0]) >= self._window:
            self._rounds.popleft()

    def tail(self, positions: int) -> list[Positions]:
        """The newest whole rounds, at most ``positions`` positions in all."""
        kept: list[Positions] = []
        for part in reversed(self._rounds):
            if sum(map(len, kept)) + len(part) > positions:
                break
            kept.insert(0, part)
        return kept

    def draw(self, size: int, generator: np.random.Generator) -> Batch:
        """A batch of ``size`` positions drawn uniformly, half of those without castling rights mirrored."""
        sizes = np.array([len(part) for part in self._rounds])
        picks = generator.integers(0, sizes.sum(), size=size)
        ends = np.cumsum(sizes)
        part_of = np.searchsorted(ends, picks, side="right")
        batch = Batch(
            masks=np.zeros((size, 112), dtype=np.uint64),
            values=np.ones((size, 112), dtype=np.float32),
            policy=np.zeros((size, 1858), dtype=np.float32),
            wdl=np.zeros((size, 3), dtype=np.float32),
            left=np.zeros(size, dtype=np.float32),
        )
        flip = generator.random(size) < 0.5
        for index in np.unique(part_of):
            into = np.flatnonzero(part_of == index)
            self._fill(batch, self._rounds[index], into, picks[into] - (ends - sizes)[index], flip[into])
        return batch

    def _fill(
        self,
        batch: Batch,
        part: Positions,
        into: NDArray[np.int64],
        chosen: NDArray[np.int64],
        flip: NDArray[np.bool_],
    ) -> None:
        """Write the positions ``chosen`` of ``part`` to the rows ``into`` of ``batch``, mirrored where ``flip``."""
        masks = np.zeros((len(into), 112), dtype=np.uint64)
        values = np.ones((len(into), 112), dtype=np.float32)
        _pack(part.rows, part.repeated, part.first, chosen, masks, values)
        slots = part.slots[chosen].astype(np.int64)
        policy = part.policy[chosen].astype(np.float32)
        mirrored = flip & ((part.rows[chosen, STATE] & _RIGHTS) == 0)
        masks[mirrored] = reverse_files(masks[mirrored])
        slots[mirrored] = MIRRORED_SLOT[slots[mirrored]]
        batch.masks[into] = masks
        batch.values[into] = values
        # Padding entries carry probability 0, so adding them at slot 0 changes nothing.
        np.add.at(batch.policy, (into[:, None], slots), policy)
        batch.policy[into] /= np.maximum(batch.policy[into].sum(axis=1, keepdims=True), 1e-6)
        outcome = part.outcomes[chosen]
        searched = part.values[chosen]
        result = np.stack([outcome > 0, outcome == 0, outcome < 0], axis=1).astype(np.float32)
        belief = np.stack([np.maximum(searched, 0), 1 - np.abs(searched), np.maximum(-searched, 0)], axis=1)
        batch.wdl[into] = (1 - self._mix) * result + self._mix * belief
        batch.left[into] = part.left[chosen]
