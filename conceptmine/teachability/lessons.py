"""Lessons: positions packed once as network inputs and legal moves, ready to be taught and examined many times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import chess
import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError
from engines.chess.encoding import pack_boards
from engines.chess.input_formats import CLASSICAL_112
from engines.chess.moves import POLICY_SIZE
from engines.chess.transforms import policy_indices

__all__ = ["Lessons", "PackedPositions", "pack_positions"]


@dataclass(frozen=True)
class PackedPositions:
    """Positions as a network reads them, without boards, so that they travel cheaply between processes.

    Attributes:
        masks: uint64 [n, 112], the packed planes of `engines.chess.encoding.pack_boards`.
        values: float32 [n, 112], their values.
        legal: bool [n, 1858], the legal moves of each position in policy order.
        input_format: Leela's number of the format that planes and moves are those of.
    """

    masks: NDArray[np.uint64]
    values: NDArray[np.float32]
    legal: NDArray[np.bool_]
    input_format: int

    def __len__(self) -> int:
        return int(self.masks.shape[0])

    def take(self, places: ArrayLike) -> PackedPositions:
        """The positions at the given places, in that order."""
        index = np.asarray(places, dtype=np.int64)
        return PackedPositions(self.masks[index], self.values[index], self.legal[index], self.input_format)

    def joined(self, other: PackedPositions) -> PackedPositions:
        """These positions and then the other ones, of the same input format."""
        return PackedPositions(
            np.concatenate([self.masks, other.masks]),
            np.concatenate([self.values, other.values]),
            np.concatenate([self.legal, other.legal]),
            self.input_format,
        )


@dataclass(frozen=True)
class Lessons:
    """What one concept is taught and examined with.

    Attributes:
        concept_train: prototypes to learn from.
        concept_test: prototypes of other games, to be examined on.
        random_train: positions of the agent's games that are no prototypes, at least as many as `concept_train`. Each
            seed draws as many as there are prototypes, so that the interval also covers the choice of control lessons.
        random_test: further such positions of other games.
        test_games: integers [n_test], the game of each position of `concept_test`: positions of one game are not
            independent, and are drawn together for the interval. None: each position stands for itself.
    """

    concept_train: PackedPositions
    concept_test: PackedPositions
    random_train: PackedPositions
    random_test: PackedPositions
    test_games: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        for name in ("concept_train", "concept_test", "random_train", "random_test"):
            if len(getattr(self, name)) == 0:
                raise InputError(f"{name} holds no position; a concept cannot be taught or examined with it.")
        if len(self.random_train) < len(self.concept_train):
            raise InputError(
                f"{len(self.random_train)} random training positions for {len(self.concept_train)} prototypes;"
                " give at least as many, or the comparison is unfair."
            )
        if self.test_games is not None and np.shape(self.test_games) != (len(self.concept_test),):
            raise InputError(f"test_games must give one game for each of {len(self.concept_test)} test positions.")


def pack_positions(
    boards: Sequence[chess.Board], *, input_format: int = CLASSICAL_112, history_fill: str = "fen_only"
) -> PackedPositions:
    """Pack boards, with the history in their move stacks, as lessons.

    Args:
        boards: n boards with at least one legal move each; they are only read.
        input_format: of the agents that read them.
        history_fill: as for `engines.chess.encoding.pack_boards`; use what the agents were loaded with.

    Returns:
        The packed positions, in order.

    Raises:
        InputError: the game is over on a board, so there is no move to learn.
        TypeError: an item is no board.
        ValueError: a board the networks cannot read.
    """
    masks, values = pack_boards(boards, input_format, history_fill)
    legal = np.zeros((len(boards), POLICY_SIZE), dtype=bool)
    for i, board in enumerate(boards):
        places = policy_indices(board, board.legal_moves, input_format)
        if not len(places):
            raise InputError(
                f"Board {i} ({board.fen()}) has no legal move, so there is nothing to learn; leave it out."
            )
        legal[i, places] = True
    return PackedPositions(masks, values, legal, input_format)
