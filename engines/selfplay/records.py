"""A game as self-play leaves it, and many games as a few flat arrays that a file can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engines.chess.position import WORDS

TARGET_MOVES: Final = 64
"""Moves of the policy that are kept, by falling prior: all of them in nearly every position."""

OPENING, FAST, FULL = 0, 1, 2
"""How a move was chosen: drawn from the policy, by a fast search, by a full one. Only full ones are learned from."""


@dataclass(frozen=True)
class GameRecord:
    """One game of ``n`` plies.

    ``start`` uint64 [8], the first position; ``moves`` uint16 [n], kernel moves; ``kinds`` uint8 [n], OPENING, FAST or
    FULL; ``slots`` uint16 and ``policy`` float16 [n, 64], the policy to learn (0 where there are fewer moves, shares
    below 1/2048 left out); ``values`` float32 [n], the search's value of the position, mover's view; ``result`` 1, 0,
    −1 from White's side; ``ending``, number of `endings.ENDINGS`; ``lowest`` float32 [2], the lowest value that White
    and Black held two searches in a row; ``played_on``: resignation was not allowed.
    """

    start: NDArray[np.uint64]
    moves: NDArray[np.uint16]
    kinds: NDArray[np.uint8]
    slots: NDArray[np.uint16]
    policy: NDArray[np.float16]
    values: NDArray[np.float32]
    result: int
    ending: int
    lowest: NDArray[np.float32]
    played_on: bool


def pack_games(games: Sequence[GameRecord]) -> dict[str, NDArray[Any]]:
    """Games as flat arrays, some 80 bytes a position of a full search, 8 of others; `unpack_games` undoes it exactly.

    ``plies`` int32, ``starts`` uint64 [·, 8], ``results`` int8, ``endings`` uint8, ``lowest`` float32 [·, 2] and
    ``played_on`` bool by game; ``moves``, ``kinds``, ``values`` and ``shares`` (uint8, how many policy entries) by
    position; ``slots`` and ``policy`` by policy entry.
    """
    policy = _joined([game.policy for game in games], (TARGET_MOVES,), np.float16)
    slots = _joined([game.slots for game in games], (TARGET_MOVES,), np.uint16)
    kept = policy > 0
    return {
        "plies": np.array([len(game.moves) for game in games], dtype=np.int32),
        "starts": np.array([game.start for game in games], dtype=np.uint64).reshape(-1, WORDS),
        "results": np.array([game.result for game in games], dtype=np.int8),
        "endings": np.array([game.ending for game in games], dtype=np.uint8),
        "lowest": np.array([game.lowest for game in games], dtype=np.float32).reshape(-1, 2),
        "played_on": np.array([game.played_on for game in games], dtype=np.bool_),
        "moves": _joined([game.moves for game in games], (), np.uint16),
        "kinds": _joined([game.kinds for game in games], (), np.uint8),
        "values": _joined([game.values for game in games], (), np.float32),
        "shares": kept.sum(axis=1).astype(np.uint8),
        "slots": slots[kept],
        "policy": policy[kept],
    }


def unpack_games(arrays: Mapping[str, NDArray[Any]]) -> list[GameRecord]:
    """The games of `pack_games`."""
    shares = arrays["shares"].astype(np.int64)
    row = np.repeat(np.arange(len(shares)), shares)
    column = np.arange(len(row)) - np.repeat(np.cumsum(shares) - shares, shares)
    slots = np.zeros((len(shares), TARGET_MOVES), dtype=np.uint16)
    policy = np.zeros((len(shares), TARGET_MOVES), dtype=np.float16)
    slots[row, column], policy[row, column] = arrays["slots"], arrays["policy"]
    games, end = [], 0
    for number, plies in enumerate(arrays["plies"].tolist()):
        part = slice(end, end + plies)
        end += plies
        games.append(
            GameRecord(
                start=arrays["starts"][number],
                moves=arrays["moves"][part],
                kinds=arrays["kinds"][part],
                slots=slots[part],
                policy=policy[part],
                values=arrays["values"][part],
                result=int(arrays["results"][number]),
                ending=int(arrays["endings"][number]),
                lowest=arrays["lowest"][number],
                played_on=bool(arrays["played_on"][number]),
            )
        )
    return games


def _joined(parts: list[NDArray[Any]], shape: tuple[int, ...], dtype: type) -> NDArray[Any]:
    return np.concatenate([np.empty((0, *shape), dtype=dtype), *parts])
