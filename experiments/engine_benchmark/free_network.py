"""An evaluator that costs nothing, for measuring what a search costs without its network."""

from __future__ import annotations

from typing import NamedTuple

import chess
import numpy as np
from numpy.typing import NDArray

from engines.chess import POLICY_SIZE, policy_index
from experiments.peers.alpha_zero_general import ACTIONS, action_of

ROWS = 512
"""Few enough to stay in the cache, where a network's answers are when it has just written them."""
POLICIES = 256
"""Ready-made policies over 4,672 actions; fewer than rows, since they are large and any row is as good as another."""


class Answer(NamedTuple):
    """Logits float32 [n, 1858] and win, draw, loss float32 [n, 3], as an agent gives them."""

    logits: NDArray[np.float32]
    wdl: NDArray[np.float32]


class FreeNetwork:
    """Hands out rows of fixed random numbers, in turn: to the engine, and to each peer in the form that it expects."""

    history_fill = "fen_only"
    input_format = 1

    def __init__(self) -> None:
        generator = np.random.default_rng(0)
        self._logits = (1.5 * generator.standard_normal((ROWS, POLICY_SIZE))).astype(np.float32)
        self._wdl = generator.dirichlet([2.0, 2.0, 2.0], size=ROWS).astype(np.float32)
        self._values = (self._wdl[:, 0] - self._wdl[:, 2]).tolist()
        self._policies = np.exp(1.5 * generator.standard_normal((POLICIES, ACTIONS)).astype(np.float32))
        self._next = 0

    def evaluate_packed(self, masks: NDArray[np.uint64], values: NDArray[np.float32], *, threads: int = 1) -> Answer:
        """Numbers for ``len(masks)`` positions, at most 512."""
        first = self._next if self._next + len(masks) <= ROWS else 0
        self._next = first + len(masks)
        return Answer(self._logits[first : self._next], self._wdl[first : self._next])

    def evaluate_one(self) -> tuple[NDArray[np.float32], float]:
        """Logits [1858] and w − l for one position, the same as `evaluate_packed` would give for a batch of one."""
        row = self._next if self._next < ROWS else 0
        self._next = row + 1
        return self._logits[row], self._values[row]

    def predict(self, board: chess.Board) -> tuple[NDArray[np.float32], float]:
        """A policy over 4,672 actions and w − l, made beforehand."""
        row = self._next if self._next < ROWS else 0
        self._next = row + 1
        return self._policies[row % POLICIES], self._values[row]

    def predict_alike(self, board: chess.Board) -> tuple[NDArray[np.float32], float]:
        """As `predict`, but with the numbers of `evaluate_one`: for comparing searches, not for timing them."""
        logits, value = self.evaluate_one()
        policy = np.zeros(ACTIONS, dtype=np.float32)
        for move in board.legal_moves:
            policy[action_of(board, move)] = np.exp(logits[policy_index(board, move)])
        return policy, value
