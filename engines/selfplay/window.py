"""The newest positions on disk, as a ring of memory-mapped arrays that the learner draws shuffled batches from."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.chess.encoding import INPUT_PLANES
from engines.chess.input_formats import FILL_OLDEST
from engines.chess.movegen import MAX_MOVES, legal_moves
from engines.chess.moves import POLICY_MOVES, policy_slot
from engines.chess.planes import (
    HISTORY_BOARDS,
    count_repetitions,
    write_auxiliary,
    write_board,
    write_missing,
)
from engines.chess.position import STATE, WORDS, black_to_move
from engines.compiled import kernel
from engines.networks.whole_files import write_whole
from engines.selfplay.endings import play_out
from engines.selfplay.records import FULL, TARGET_MOVES, GameRecord

POSITION: Final[dict[str, tuple[type[np.generic], tuple[int, ...]]]] = {
    "rows": (np.uint64, (WORDS,)),  # engines.chess.position
    "slots": (np.uint16, (TARGET_MOVES,)),
    "policy": (np.float16, (TARGET_MOVES,)),
    "values": (np.float32, ()),  # the search's value, mover's view
    "ply": (np.uint16, ()),  # place in the game: that many rows before this one are its history
    "left": (np.uint16, ()),  # plies to the end of the game
    "outcomes": (np.int8, ()),  # the game's result for the mover
    "repeated": (np.uint8, ()),  # how often the position stood before
    "kinds": (np.uint8, ()),  # see engines.selfplay.records
}
"""What the window keeps of a position, one file each: type and shape."""

MOST_LEGAL: Final = 218
"""The most legal moves that a position is known to have."""

_ABOUT: Final = "window.json"
_SMALLEST_SLACK: Final = 65_536


class Batch(NamedTuple):
    """A training batch of ``b`` positions, each from its mover's view.

    Planes packed as ``masks`` uint64 and ``values`` float32 [b, 112]; ``slots`` int64 [b, 218], the legal moves, of
    which there are ``legal`` int64 [b], and ``policy`` float32 [b, 218], their shares, which sum to 1; ``wdl`` float32
    [b, 3], sums to 1; ``left`` float32 [b], plies to the end of the game; ``outcomes`` int8 [b], the result for the
    mover.
    """

    masks: NDArray[np.uint64]
    values: NDArray[np.float32]
    slots: NDArray[np.int64]
    legal: NDArray[np.int64]
    policy: NDArray[np.float32]
    wdl: NDArray[np.float32]
    left: NDArray[np.float32]
    outcomes: NDArray[np.int8]


def _mirrored_slots() -> NDArray[np.int64]:
    place = {move: slot for slot, move in enumerate(POLICY_MOVES)}
    files = str.maketrans("abcdefgh", "hgfedcba")
    return np.array([place[move[:4].translate(files) + move[4:]] for move in POLICY_MOVES], dtype=np.int64)


MIRRORED_SLOT = _mirrored_slots()
"""int64 [1858]: policy index of each move with the files reversed."""

_RIGHTS = np.uint64(15 << 6)
_EXCHANGES = np.array([[1, 0x5555555555555555], [2, 0x3333333333333333], [4, 0x0F0F0F0F0F0F0F0F]], dtype=np.uint64)


@kernel
def reverse_files(mask):
    """A square set with the a-file and the h-file exchanged: the bits of each byte reversed."""
    for i in range(_EXCHANGES.shape[0]):
        by, keep = _EXCHANGES[i, 0], _EXCHANGES[i, 1]
        mask = ((mask >> by) & keep) | ((mask & keep) << by)
    return mask


@kernel
def _fill(rows, slots, values, ply, left, outcomes, repeated, shares, places, flip, mix, out):
    """Write the positions at ``places`` of the ring to the arrays of a batch; ``shares`` float32 are their policies."""
    masks, plane_values, out_slots, legal, out_policy, wdl, out_left, out_outcomes = out
    capacity = rows.shape[0]
    moves = np.empty(MAX_MOVES, dtype=np.uint64)
    place_of = np.empty(MIRRORED_SLOT.shape[0], dtype=np.int64)
    for i in range(places.shape[0]):
        at = places[i]
        known = min(np.int64(ply[at]), HISTORY_BOARDS - 1)
        for age in range(known + 1):
            place = (at - age) % capacity
            write_board(rows[place], age, age, repeated[place] > 0, masks[i])
        if known < HISTORY_BOARDS - 1:
            write_missing(rows[(at - known) % capacity], known, FILL_OLDEST, masks[i])
        write_auxiliary(rows[at], masks[i], plane_values[i])
        mirrored = flip[i] and (rows[at, STATE] & _RIGHTS) == 0
        if mirrored:
            for plane in range(INPUT_PLANES):
                masks[i, plane] = reverse_files(masks[i, plane])
        # The network is told which moves are legal: it must not unlearn those that seldom are, such as castling.
        place_of[:] = -1
        legal[i] = min(legal_moves(rows[at], moves, 0), MOST_LEGAL)
        for k in range(legal[i]):
            slot = policy_slot(moves[k])
            place_of[slot] = k
            out_slots[i, k] = MIRRORED_SLOT[slot] if mirrored else slot
        total = np.float32(0)
        for k in range(slots.shape[1]):
            place = place_of[slots[at, k]]
            if shares[i, k] > 0 and place >= 0:
                out_policy[i, place] = shares[i, k]
                total += shares[i, k]
        for k in range(legal[i]):
            out_policy[i, k] /= total
        outcome, searched = outcomes[at], values[at]
        wdl[i, 0] = (1 - mix) * (outcome > 0) + mix * max(searched, np.float32(0))
        wdl[i, 1] = (1 - mix) * (outcome == 0) + mix * (1 - abs(searched))
        wdl[i, 2] = (1 - mix) * (outcome < 0) + mix * max(-searched, np.float32(0))
        out_left[i] = left[at]
        out_outcomes[i] = outcome


@kernel
def _write_outcomes(rows, result, outcomes):
    for i in range(rows.shape[0]):
        outcomes[i] = -result if black_to_move(rows[i, STATE]) else result


class Window:
    """The last ``size`` positions played, in files under ``folder``; random batches of those that are learned from.

    The ring has room for a quarter more than ``size`` or for ``spare`` positions: what was in the window when the
    campaign's state was last saved is still there after a kill as long as less than that was added since (`unsaved`).

    Args:
        folder: is made, and files of another size in it are replaced.
        size: positions that are drawn from.
        added: positions ever added, as a saved state counts them; files of a window that went as far or further are
            gone on with from there, others begin empty.
        spare: room beside the window for so many positions at least, for what is added between two saves.
    """

    def __init__(self, folder: Path, size: int, added: int = 0, *, spare: int = 0) -> None:
        self._size = size
        self._slack = max(size // 4, _SMALLEST_SLACK, spare)
        self._capacity = size + self._slack
        about = {"capacity": self._capacity, "format": 1}
        known = _read_about(folder / _ABOUT)
        fits = known is not None and known.items() >= about.items() and known["added"] >= added
        folder.mkdir(parents=True, exist_ok=True)
        files = {name: folder / f"{name}.bin" for name in POSITION}
        fits = fits and all(_size_of(file) == self._capacity * _bytes_of(name) for name, file in files.items())
        self._about_file, self._about = folder / _ABOUT, about
        if not fits:
            (folder / _ABOUT).unlink(missing_ok=True)
        self._ring: dict[str, NDArray[Any]] = {}
        self._maps: list[np.memmap[Any, Any]] = []
        for name, (dtype, shape) in POSITION.items():
            mapped = np.memmap(files[name], dtype=dtype, mode="r+" if fits else "w+", shape=(self._capacity, *shape))
            self._maps.append(mapped)
            self._ring[name] = np.asarray(mapped)
        # Before these there may be positions that a window that went further has written over.
        first = max(known["first"], known["added"] - size) if fits and known is not None else added
        self._added, self._saved = added, added
        self._first = min(first, added)
        """Number of the oldest position that the ring has held without a gap since."""
        self.save()

    def __len__(self) -> int:
        """Positions in the window."""
        return min(self._added - self._first, self._size)

    @property
    def added(self) -> int:
        """Positions ever added."""
        return self._added

    @property
    def learned_from(self) -> int:
        """Positions in the window that batches are drawn from: those of full searches."""
        places = (self._added - len(self) + np.arange(len(self))) % self._capacity
        return int((self._ring["kinds"][places] == FULL).sum())

    @property
    def unsaved(self) -> float:
        """Share of the ring's spare room that was used since `save`: at 1 the state must be saved."""
        return (self._added - self._saved) / self._slack

    def save(self) -> None:
        """Bring the files to the disk, before the state that counts on them is saved."""
        for mapped in self._maps:
            mapped.flush()
        write_whole(self._about_file, json.dumps(self._about | {"first": self._first, "added": self._added}).encode())
        self._saved = self._added

    def add(self, games: Sequence[GameRecord]) -> int:
        """Append the positions of games (final positions, which have no move, are left out); how many."""
        before = self._added
        for game in games:
            plies = len(game.moves)
            if plies > self._capacity // 2:
                raise ValueError(f"a game of {plies} plies is too long for a window of {self._size} positions")
            rows = np.zeros((plies, WORDS), dtype=np.uint64)
            play_out(game.start, game.moves, rows)
            repeated, outcomes = np.zeros(plies, dtype=np.uint8), np.zeros(plies, dtype=np.int8)
            count_repetitions(rows, repeated)
            _write_outcomes(rows, game.result, outcomes)
            ply = np.arange(plies)
            places = (self._added + ply) % self._capacity
            for name, numbers in (
                ("rows", rows),
                ("slots", game.slots),
                ("policy", game.policy),
                ("values", game.values),
                ("ply", ply),
                ("left", plies - ply),
                ("outcomes", outcomes),
                ("repeated", repeated),
                ("kinds", game.kinds),
            ):
                self._ring[name][places] = numbers
            self._added += plies
        return self._added - before

    def refill(self, games: Sequence[GameRecord]) -> None:
        """Let the window be just ``games``, the newest of those that were added."""
        self._added -= sum(len(game.moves) for game in games)
        self._first = self._added
        self.add(games)

    def draw(self, size: int, mix: float, mirrored: bool, generator: np.random.Generator) -> Batch:
        """A batch of ``size`` positions drawn uniformly from those that are learned from.

        Args:
            size: positions.
            mix: share of the search's value in the value target, the rest is the game's result.
            mirrored: reverse the files of half of the positions without castling rights.
            generator: decides.

        Raises:
            ValueError: nothing in the window is learned from.
        """
        places = self._draw_places(size, generator)
        out = (
            np.zeros((size, INPUT_PLANES), dtype=np.uint64),
            np.ones((size, INPUT_PLANES), dtype=np.float32),
            np.zeros((size, MOST_LEGAL), dtype=np.int64),
            np.zeros(size, dtype=np.int64),
            np.zeros((size, MOST_LEGAL), dtype=np.float32),
            np.zeros((size, 3), dtype=np.float32),
            np.zeros(size, dtype=np.float32),
            np.zeros(size, dtype=np.int8),
        )
        flip = generator.random(size) < (0.5 if mirrored else 0.0)
        ring = self._ring
        _fill(
            ring["rows"],
            ring["slots"],
            ring["values"],
            ring["ply"],
            ring["left"],
            ring["outcomes"],
            ring["repeated"],
            ring["policy"][places].astype(np.float32),  # numba has no float16
            places,
            flip,
            np.float32(mix),
            out,
        )
        return Batch(*out)

    def _draw_places(self, size: int, generator: np.random.Generator) -> NDArray[np.int64]:
        kinds, live = self._ring["kinds"], len(self)
        chosen = np.empty(0, dtype=np.int64)
        for _ in range(1000):
            if len(chosen) >= size or not live:
                break
            places = (self._added - live + generator.integers(0, live, size=2 * size)) % self._capacity
            chosen = np.concatenate([chosen, places[kinds[places] == FULL]])
        if len(chosen) < size:
            raise ValueError("the window holds next to no position that is learned from")
        return chosen[:size]


def _bytes_of(name: str) -> int:
    dtype, shape = POSITION[name]
    return np.dtype(dtype).itemsize * math.prod(shape)


def _size_of(file: Path) -> int:
    return file.stat().st_size if file.exists() else -1


def _read_about(path: Path) -> dict[str, int] | None:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(about, dict) and all(isinstance(about.get(name), int) for name in ("first", "added"))
    return about if known else None
