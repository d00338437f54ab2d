"""Growing the trees of one forest: the tree work of a step, the network's answers, and again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engines.chess.movegen import MAX_MOVES
from engines.chess.planes import FILLS
from engines.search.forest import Forest
from engines.search.selection import fill_explorations
from engines.search.settings import SearchSettings
from engines.search.simulate import advance

_LARGEST_TABLE = 1 << 16


class Evaluator(Protocol):
    """What a search asks of an agent: logits float32 [n, 1858] and w, d, l float32 [n, 3] of packed planes [n, 112].

    Several threads may ask at once.
    """

    history_fill: str

    def evaluate_packed(self, masks: NDArray[np.uint64], values: NDArray[np.float32]) -> Any:
        """``.logits`` and ``.wdl`` of the packed positions."""


class Helpers:
    """Threads that the positions of one step are shared out to."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def evaluate(
        self, evaluator: Evaluator, masks: NDArray[np.uint64], values: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits [n, 1858] and w, d, l [n, 3] of the packed positions."""
        if self._pool is None or len(masks) == 1:
            answer = evaluator.evaluate_packed(masks, values)
            return answer.logits, answer.wdl
        cuts = np.linspace(0, len(masks), min(self._threads, len(masks)) + 1).astype(int)
        parts = [(masks[a:b], values[a:b]) for a, b in pairwise(cuts)]
        answers = list(self._pool.map(lambda part: evaluator.evaluate_packed(*part), parts))
        logits = np.concatenate([answer.logits for answer in answers])
        return logits, np.concatenate([answer.wdl for answer in answers])

    def dismiss(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()


class Grower:
    """Grows trees of one forest, a network batch at a time; only one thread may work on a forest."""

    def __init__(
        self, forest: Forest, evaluator: Evaluator, settings: SearchSettings, helpers: Helpers | None = None
    ) -> None:
        self._forest, self._evaluator = forest, evaluator
        self._helpers = helpers or Helpers(1)
        self._settings = settings.record()
        self._fill = FILLS[evaluator.history_fill]
        self._table = np.empty(0)
        self._logits = np.empty((0, 1858), dtype=np.float32)
        self._scores = np.empty(0, dtype=np.float32)
        self._masks = np.empty((0, 112), dtype=np.uint64)
        self._values = np.empty((0, 112), dtype=np.float32)
        self._scratch = np.empty(MAX_MOVES, dtype=np.uint64)
        self._weights = np.empty(MAX_MOVES, dtype=np.float32)

    def grow(self, chosen: NDArray[np.int64], until: Callable[[], bool] | None = None) -> None:
        """Search the trees ``chosen`` to their limits, or until ``until()``, asked between steps, says so.

        What the network has been asked by then is still answered: nothing is under way when this returns.
        """
        forest = self._forest
        self._make_room_for(chosen)
        going_on = np.empty(len(chosen), dtype=np.int64)
        while True:
            rows, trees = self._advance(forest.leaves, chosen, going_on)
            chosen = going_on[:trees].copy()
            if rows:
                self._evaluate(rows)
            if not trees:
                return
            if until is not None and until():
                self._advance(0, chosen, going_on)
                return

    def _make_room_for(self, chosen: NDArray[np.int64]) -> None:
        rows = len(chosen) * self._forest.leaves
        if len(self._masks) < rows:
            self._masks = np.empty((rows, 112), dtype=np.uint64)
            self._values = np.ones((rows, 112), dtype=np.float32)
        visits = int(self._forest.trees["limit"][chosen].max(initial=0)) + self._forest.leaves + 1
        if len(self._table) < min(visits, _LARGEST_TABLE):
            self._table = np.empty(min(visits, _LARGEST_TABLE))
            fill_explorations(self._settings, self._table)

    def _advance(self, leaves: int, chosen: NDArray[np.int64], going_on: NDArray[np.int64]) -> tuple[int, int]:
        forest = self._forest
        while forest.needs_room():
            forest.reserve()
        rows, trees = advance(
            self._settings,
            self._table,
            forest.trees,
            forest.positions,
            forest.nodes,
            forest.choices,
            forest.trials,
            forest.history,
            forest.repeated,
            forest.noise,
            forest.logarithms,
            forest.leaf,
            forest.moves,
            self._fill,
            leaves,
            chosen,
            self._logits,
            self._scores,
            self._masks,
            self._values,
            going_on,
            self._scratch,
            self._weights,
        )
        return int(rows), int(trees)

    def _evaluate(self, rows: int) -> None:
        self._logits, wdl = self._helpers.evaluate(self._evaluator, self._masks[:rows], self._values[:rows])
        self._scores = np.ascontiguousarray(wdl[:, 0] - wdl[:, 2], dtype=np.float32)


def grow(forest: Forest, evaluator: Evaluator, settings: SearchSettings, chosen: NDArray[np.int64]) -> None:
    """Search the trees ``chosen`` of ``forest`` to their limits."""
    Grower(forest, evaluator, settings).grow(chosen)
