"""What a network becomes: a list of operations on float32 numbers, for the compiled interpreter.

The numbers of one position lie in one row of the interpreter's *state*: boards [10, 10, channels] with their border,
tokens [64, channels], and units, all with channels or units filled up with zeros to multiples of sixteen. An operation
reads and writes such places. All weights lie in one array, in the order of their use, behind 64 zeros.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["FIELDS", "NOWHERE", "ONTO", "Layer", "Operation", "Place", "Program", "aligned_zeros"]

NOWHERE: Final = -1
ONTO: Final = -1
"""The bias of a product that is added to what stands at its target."""
_LINE: Final = 64


class Operation(IntEnum):
    """What one row of a program does."""

    FIRST_LAYER = 0
    """Packed planes to a board: a 3 × 3 convolution."""
    CONVOLUTION = 1
    """Board to board, 3 × 3; adds the board at ``other`` if there is one."""
    POOL = 2
    """Board to units: the mean over the squares."""
    EXCITE = 3
    """Board to board: sigmoid(gates) · board + shifts + target; ``other`` holds gates, then shifts."""
    TOKENS = 4
    """Board to tokens: the same numbers without the border."""
    EMBED_PLANES = 5
    """Packed planes to tokens, each square's to its own; ``other`` is room for as many numbers as columns."""
    EMBED_BOARD = 6
    """The first ``depth`` packed planes to ``columns`` numbers, those of all squares to each of them."""
    DENSE = 7
    """Units to units."""
    PRODUCT = 8
    """``rows`` rows of ``depth`` numbers to as many of ``columns``, by the same weights."""
    ACTIVATION = 9
    """The activation function ``kind`` of ``columns`` numbers at ``target``."""
    NORM = 10
    """Layer norm of ``rows`` rows and, if there are any, of those at ``other`` that are added to them."""
    GATE = 11
    """``columns`` numbers at ``target``, each times a weight and plus another."""
    ATTENTION = 12
    """Multi-head attention of tokens [64, 3, heads, columns], queries, keys and values: ``depth`` channels a head, that
    are filled up to ``columns``; ``other`` holds [heads, 64 (to), 64 (from)] to add, if anything."""
    PAIRS = 13
    """The product of each of the tokens at ``source`` and each of those at ``other``, times a weight."""
    PROMOTIONS = 14
    """Behind the [64, 64] numbers at ``target`` those of promotions, from [8, 16] numbers at ``source``."""
    POLICY = 15
    """Picks the logits of the 1,858 moves."""
    RESULTS = 16
    """Probabilities of win, draw and loss from ``columns`` numbers at ``source``; plies left from ``other``."""


FIELDS: Final = (
    "operation", "source", "target", "other", "rows", "depth", "columns", "weights", "bias", "width", "kind",
    "rectified",
)  # fmt: skip
"""What the numbers of a row of a program mean; places and sizes are in numbers, ``width`` in vectors of sixteen, and
``rectified`` says whether what is below zero becomes zero."""


@dataclass(frozen=True)
class Place:
    """Where in a row of the state a layer's output lies, and how."""

    start: int
    shape: tuple[int, ...]
    """(10, 10, filled-up channels), (8, 8, filled-up channels) or (filled-up units,)."""
    channels: int
    """Channels or units without the filling."""

    @property
    def filled(self) -> int:
        """Channels or units with the filling."""
        return self.shape[-1]

    def view(self, state: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the output of n positions out of their rows of the state, [n, channels, 8, 8] or [n, units]; a view."""
        size = int(np.prod(self.shape))
        rows = state[:, self.start : self.start + size].reshape(len(state), *self.shape)[..., : self.channels]
        if len(self.shape) == 1:
            return rows
        border = (self.shape[0] - 8) // 2
        return rows[:, border : border + 8, border : border + 8].transpose(0, 3, 1, 2)


@dataclass(frozen=True)
class Layer:
    """What calculates a layer's output, and where it lies."""

    begin: int
    """The first of its operations."""
    end: int
    """The operation after its last one."""
    place: Place | None
    """None for the policy, which is put out at once."""


@dataclass(frozen=True)
class Program:
    """What the interpreter needs to know of a network."""

    rows: NDArray[np.int64]
    """int64 [operations, fields]."""
    weights: NDArray[np.float32]
    """float32 [numbers], aligned to a cache line."""
    moves: NDArray[np.int64]
    """int64 [1858]: where each move's logit lies, counted from the source of `Operation.POLICY`."""
    layers: dict[str, Layer]
    """By name in forward order."""
    per_position: int
    """Numbers in a row of the state."""
    channels: int
    """The most channels that go into a 3 × 3 convolution or come out of one; 0 without."""
    head_channels: int
    """The most channels of queries of one attention head, filled up; 0 without."""
    multiplications: int
    """Multiplications a position in convolutions (as they are carried out), dense layers and attention."""


def aligned_zeros(*shape: int) -> NDArray[np.float32]:
    """Give zeros that begin at a cache line: a vector of sixteen then lies in one line, not across two."""
    size = int(np.prod(shape))
    numbers = np.zeros(size + _LINE // 4, dtype=np.float32)
    skipped = -numbers.ctypes.data % _LINE // 4
    return numbers[skipped : skipped + size].reshape(shape)
