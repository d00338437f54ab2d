"""Growing the trees of one forest: the tree work of a step, the network's answers, and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engines.chess.input_formats import encoding_of
from engines.chess.movegen import MAX_MOVES
from engines.search.forest import Forest
from engines.search.selection import fill_explorations
from engines.search.settings import SearchSettings
from engines.search.simulate import advance

_LARGEST_TABLE = 1 << 16


class Evaluator(Protocol):
    """What a search asks of an agent: logits float32 [n, 1858] and w, d, l float32 [n, 3] of packed planes [n, 112].

    Several threads may ask at once.  ``input_format``: Leela's number of the format that the planes are written in
    and the moves of the logits are meant in, one of ``engines.chess.INPUT_FORMATS``.
    """

    history_fill: str

    @property
    def input_format(self) -> int: ...

    def evaluate_packed(self, masks: NDArray[np.uint64], values: NDArray[np.float32], *, threads: int = 1) -> Any:
        """``.logits`` and ``.wdl`` of the packed positions, which may be shared out to ``threads``."""


class Grower:
    """Grows trees of one forest, a network batch at a time; only one thread may work on a forest."""

    def __init__(self, forest: Forest, evaluator: Evaluator, settings: SearchSettings, threads: int = 1) -> None:
        """``threads``: how many the evaluator may share the positions of a step out to."""
        self._forest, self.evaluator, self._threads = forest, evaluator, threads
        self._settings = settings.record()
        self._encoding = encoding_of(evaluator.input_format, evaluator.history_fill)
        self._table = np.empty(0)
        self._logits = np.empty((0, 1858), dtype=np.float32)
        self._scores = np.empty(0, dtype=np.float32)
        self._masks = np.empty((0, 112), dtype=np.uint64)
        self._values = np.empty((0, 112), dtype=np.float32)
        self._scratch = np.empty(MAX_MOVES, dtype=np.uint64)
        self._weights = np.empty(MAX_MOVES, dtype=np.float32)

    def grow(self, chosen: NDArray[np.int64], until: Callable[[], bool] | None = None) -> None:
        """Search the trees ``chosen`` to their limits, or until ``until()``, asked between steps, says so.

        What the network has been asked by then is still answered: nothing is under way when this returns.  An error of
        the evaluator leaves the trees as they were in the middle of a step: they cannot be grown or read any more.
        Raises ``ValueError`` when the evaluator's numbers are none.
        """
        while True:
            _, chosen = self.step(chosen)
            if not len(chosen):
                return
            if until is not None and until():
                self._advance(0, chosen, np.empty_like(chosen))
                return

    def step(self, chosen: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
        """Run the trees ``chosen`` on until they wait for the network, and ask it once.

        All trees that wait since the last step must be among them, in the same order.  Returns how many positions the
        network was asked about, and the trees that have not reached their limits.
        """
        self._make_room_for(chosen)
        going_on = np.empty(len(chosen), dtype=np.int64)
        rows, trees = self._advance(self._forest.leaves, chosen, going_on)
        if rows:
            self._evaluate(rows)
        return rows, going_on[:trees].copy()

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
        rows, trees, sound = advance(
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
            self._encoding,
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
        if not sound:
            raise ValueError(
                "the evaluator gives legal moves no finite logits, or no value in [-1, 1]: it cannot be searched"
            )
        return int(rows), int(trees)

    def _evaluate(self, rows: int) -> None:
        answer = self.evaluator.evaluate_packed(self._masks[:rows], self._values[:rows], threads=self._threads)
        self._logits = answer.logits
        self._scores = np.ascontiguousarray(answer.wdl[:, 0] - answer.wdl[:, 2], dtype=np.float32)


def grow(forest: Forest, evaluator: Evaluator, settings: SearchSettings, chosen: NDArray[np.int64]) -> None:
    """Search the trees ``chosen`` of ``forest`` to their limits."""
    Grower(forest, evaluator, settings).grow(chosen)
