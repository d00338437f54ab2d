"""A cache of evaluations, by all that a network sees."""

from __future__ import annotations

import threading
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from engines.chess.encoding import INPUT_PLANES
from engines.chess.moves import POLICY_SIZE
from engines.networks.agent import PackedEvaluation
from engines.networks.position_table import KEY_WORDS, NUMBERS, WAYS, recall, remember

__all__ = ["EvaluationCache"]

_BYTES: Final = 8 * KEY_WORDS + 4 * NUMBERS + 4


class _Evaluator(Protocol):
    history_fill: str

    @property
    def input_format(self) -> int: ...

    def evaluate_packed(self, masks: NDArray[np.uint64], values: NDArray[np.float32], *, threads: int = 1) -> Any: ...


class EvaluationCache:
    """An evaluator that asks another one only about positions it has not just been asked about.

    A position is known again by a hash of 128 bits of all 112 planes: the board, the seven before it, repetitions,
    castling, and the count of the fifty-move rule. Nothing else would give the network's own answer; a transposition
    within the last eight plies is another position to it.

    It pays where whole positions come back with their history: searches repeated with other settings, by several trees
    from one root, or again after each move of a game. Within one tree hardly anything comes back, and looking up is
    then lost, some three microseconds a position; networks take 50 to 500.

    The answers are the same bits as without a cache, for every move that a piece on the board could make if it gave no
    check and the like; of logits, only those are kept, so that 128 MB hold some 370,000 positions. Other moves, which
    cannot be legal, get −∞. The position not used for longest, of eight that might give way, gives way to a new one.
    It may be used from several threads at once.

    Args:
        evaluator: an agent, or whatever else has ``history_fill``, ``input_format`` and ``evaluate_packed``.
        megabytes: memory for evaluations, at least 1.

    Attributes:
        history_fill: the evaluator's.
        input_format: the evaluator's.
        asked: positions asked for so far.
        hits: how many of them were known.
        doubles: how many were the same as another one of their batch, which was evaluated.

    Raises:
        ValueError: less than a megabyte.
    """

    def __init__(self, evaluator: _Evaluator, megabytes: int = 128) -> None:
        if megabytes < 1:
            raise ValueError(f"megabytes is {megabytes}; a cache needs at least 1.")
        self.evaluator = evaluator
        self.history_fill = evaluator.history_fill
        self.input_format = evaluator.input_format
        self.asked = self.hits = self.doubles = 0
        entries = (megabytes << 20) // _BYTES // WAYS * WAYS
        self._keys = np.zeros((entries, KEY_WORDS), dtype=np.uint64)
        self._used = np.zeros(entries, dtype=np.uint32)
        self._kept = np.empty((entries, NUMBERS), dtype=np.float32)
        self._batch = 0
        self._lock = threading.Lock()

    @property
    def hit_rate(self) -> float:
        """The share of positions asked for that did not have to be evaluated; 0 before the first."""
        return (self.hits + self.doubles) / self.asked if self.asked else 0.0

    def clear(self) -> None:
        """Forget all evaluations and counts."""
        with self._lock:
            self._used[:] = 0
            self.asked = self.hits = self.doubles = self._batch = 0

    def evaluate_packed(
        self, masks: NDArray[np.uint64], values: NDArray[np.float32], *, threads: int = 1
    ) -> PackedEvaluation:
        """Evaluate positions given as packed input planes.

        Args:
            masks: uint64 [n, 112].
            values: float32 [n, 112].
            threads: how many the evaluator may share the unknown ones out to.

        Returns:
            Policy logits and value in float32; no plies left.

        Raises:
            ValueError: wrong shapes or types, and what the evaluator raises.
        """
        if masks.ndim != 2 or masks.shape[1] != INPUT_PLANES or values.shape != masks.shape:
            shapes = f"{list(masks.shape)} and {list(values.shape)}"
            raise ValueError(f"masks and values must both be [n, {INPUT_PLANES}], not {shapes}.")
        if masks.dtype != np.uint64 or values.dtype != np.float32:
            raise ValueError(f"masks must be uint64 and values float32, not {masks.dtype} and {values.dtype}.")
        masks, values = np.require(masks, requirements=["C", "W"]), np.require(values, requirements=["C", "W"])
        n = len(masks)
        logits = np.empty((n, POLICY_SIZE), dtype=np.float32)
        wdl = np.empty((n, 3), dtype=np.float32)
        keys = np.empty((n, KEY_WORDS), dtype=np.uint64)
        sources = np.empty(n, dtype=np.int64)
        unknown = np.empty(n, dtype=np.int64)
        with self._lock:
            self._batch += 1
            batch = self._batch
            known, count = recall(
                masks, values.view(np.uint32), keys, self._keys, self._used, self._kept, batch,
                logits, wdl, sources, unknown,
            )  # fmt: skip
            self.asked += n
            self.hits += known
            self.doubles += n - known - count
        if count:
            unknown = unknown[:count]
            answer = self.evaluator.evaluate_packed(masks[unknown], values[unknown], threads=threads)
            new_logits, new_wdl = (np.require(new, np.float32, ["C", "W"]) for new in (answer.logits, answer.wdl))
            with self._lock:
                remember(
                    masks, keys, self._keys, self._used, self._kept, batch, new_logits, new_wdl, sources, unknown,
                    logits, wdl,
                )  # fmt: skip
        return PackedEvaluation(logits, wdl, None)
