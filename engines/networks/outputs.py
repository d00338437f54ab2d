"""What a network gives for packed positions, whatever it runs on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.chess.moves import POLICY_SIZE

__all__ = ["Outputs"]


@dataclass(frozen=True)
class Outputs:
    """What a network gives for n positions."""

    logits: NDArray[np.float32]
    """float32 [n, 1858]."""
    wdl: NDArray[np.float32]
    """float32 [n, 3]: win, draw and loss."""
    moves_left: NDArray[np.float32]
    """float32 [n], or [0] without that head."""

    @classmethod
    def room_for(cls, n: int, moves_left: bool) -> Outputs:
        """Give outputs that are still to be written."""
        logits, wdl = np.empty((n, POLICY_SIZE), dtype=np.float32), np.empty((n, 3), dtype=np.float32)
        return cls(logits, wdl, np.empty(n if moves_left else 0, dtype=np.float32))

    def part(self, rows: slice) -> Outputs:
        """Give the outputs of some of the positions; writing to them writes to these."""
        return Outputs(self.logits[rows], self.wdl[rows], self.moves_left[rows])
