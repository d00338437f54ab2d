"""One game's search, kept from move to move: what an engine that plays or analyses needs."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.chess.history import game_rows
from engines.chess.position import encode_move
from engines.python_chess import chess
from engines.search.cutting import keep_below
from engines.search.forest import BYTES_PER_NODE, BYTES_PER_NODE_READ, OPEN, Forest
from engines.search.growing import Evaluator, Grower
from engines.search.limits import LARGEST, Limit, budget_of, check_count
from engines.search.run import EditedAgent, check_boards, read_tree
from engines.search.settings import settings_for
from engines.search.tree import Tree

_NODES_AT_FIRST = 4096
_THE_TREE = np.zeros(1, dtype=np.int64)

Watcher = Callable[[Tree, float], None]


class Searcher:
    """A tree that lives on while its game goes on.

    ``preset``, ``seed`` and the settings are those of ``engines.search.search``.  ``threads``: how many threads the
    leaves of a step are shared out to.  ``leaves``: how many leaves may be under way at a time; more make the network
    faster and the search a little less exact, few threads need few.  ``megabytes``: memory that the tree may take;
    ``cache_megabytes``: memory for evaluations of positions that come back when the game does, as they do in analysis.

    One thread at a time may use it; a run is ended from outside through its ``stop``.

    ``edit``: as for ``engines.search.search``.

    Raises ``ValueError`` for unknown presets or settings, and for numbers out of range.
    """

    def __init__(
        self,
        agent: Evaluator,
        *,
        preset: str = "lc0",
        seed: int = 0,
        threads: int = 1,
        leaves: int = 8,
        megabytes: int = 512,
        cache_megabytes: int = 32,
        edit: Mapping[str, Callable[[Any], Any]] | None = None,
        **overrides: Any,
    ) -> None:
        for name, number, most in (
            ("threads", threads, 1024),
            ("leaves", leaves, 1024),
            ("megabytes", megabytes, 2**14),
            ("cache_megabytes", cache_megabytes, 2**14),
        ):
            check_count(name, number, most)
        from engines.networks import EvaluationCache  # which takes torch along; a search by itself does without

        self._agent = EvaluationCache(agent if edit is None else EditedAgent(agent, edit), cache_megabytes)
        self._seed, self._leaves, self._threads = seed, leaves, threads
        self._settings = settings_for(preset, overrides)
        self._most_nodes = max(megabytes * 2**20 // (BYTES_PER_NODE + BYTES_PER_NODE_READ), 2)
        self._seconds_per_node = 1e-6  # that reading a tree takes; measured as trees are read
        self._board: chess.Board | None = None
        self._rows: NDArray[np.uint64] | None = None
        self._forest: Forest | None = None
        self._restricted = False

    def forget(self) -> None:
        """Drop the tree, the game and all evaluations."""
        self._agent.clear()
        self._board = self._rows = self._forest = None

    def set_position(self, board: chess.Board) -> None:
        """Search ``board`` from now on; the tree below it is kept where ``board`` goes on from the position before.

        Trees are kept with the formula ``lc0`` and without noise: noise and Gumbel's schedule belong to one root.
        Raises as ``engines.search.search`` does for what is no board to search; the position before then stays.
        """
        check_boards([board])
        rows = game_rows(board)
        node = self._node_of(board, rows)
        if node is None:
            self._forest = None
        elif node:
            assert self._forest is not None
            keep_below(self._forest, 0, node)
        if self._forest is not None:
            self._remember_history(self._forest, rows)
        self._board, self._rows = board.copy(), rows

    def run(
        self,
        limits: Limit | Iterable[Limit] | None = None,
        *,
        moves: Sequence[chess.Move] | None = None,
        stop: threading.Event | None = None,
        watch: Watcher | None = None,
        watch_every: float = 0.5,
    ) -> Tree:
        """Search until the first of ``limits`` is reached (none: until ``stop`` is set or the memory is full).

        ``moves`` restricts the root to some of its legal moves; such a tree starts anew and is not kept.  ``stop`` is
        asked after every batch of the network.  ``watch`` is called with the tree so far and the seconds since the
        start about every ``watch_every`` seconds, on this thread.  The root is always evaluated, so the result has a
        ``best_move`` whatever the limits are.

        Raises ``ValueError`` without a position, and when one of ``moves`` is not legal or there is none.  After an
        error of the agent, or Ctrl-C, the tree is dropped and the position stays.
        """
        started = time.monotonic()
        if self._board is None or self._rows is None:
            raise ValueError("there is no position to search: call set_position first")
        budget = budget_of(limits if limits is not None else ())
        if moves is not None:
            _check_moves(self._board, moves)
        if moves is not None or self._restricted:
            self._forest = None
        if self._forest is None:
            self._forest = self._planted(self._rows, moves)
        self._restricted = moves is not None
        forest = self._forest
        forest.trees["limit"] = budget.simulations or LARGEST
        forest.trees["node_limit"] = min(budget.nodes or LARGEST, self._most_nodes)
        ends = math.inf if budget.seconds is None else started + budget.seconds
        looked, reading = started, 0.0

        def over() -> bool:
            # The time that reading the tree takes at the end is part of the time that was given.
            late = time.monotonic() + self._seconds_per_node * int(forest.trees["nodes"][0]) >= ends
            return late or (stop is not None and stop.is_set())

        def due() -> bool:
            # Whoever watches a large tree must not keep it from growing.
            return watch is not None and time.monotonic() - looked >= max(watch_every, 10 * reading)

        grower = Grower(forest, self._agent, self._settings, self._threads)
        try:
            while True:
                grower.grow(_THE_TREE, lambda: over() or due())
                finished = bool(forest.trees["done"][0] >= forest.trees["limit"][0])
                finished |= bool(forest.trees["nodes"][0] >= forest.trees["node_limit"][0])
                if finished or over():
                    return self._read(forest, self._board)
                began = time.monotonic()
                tree = self._read(forest, self._board)
                looked = time.monotonic()
                reading = looked - began
                if watch is not None:
                    watch(tree, looked - started)
        except BaseException:
            self._forest = None
            raise

    def _read(self, forest: Forest, board: chess.Board) -> Tree:
        began = time.monotonic()
        tree = read_tree(forest, 0, board, self._settings)
        taken = (time.monotonic() - began) / len(tree.arrays.nodes)
        if len(tree.arrays.nodes) > _NODES_AT_FIRST:
            self._seconds_per_node = max(taken, 0.5 * self._seconds_per_node)
        return tree

    def _planted(self, rows: NDArray[np.uint64], moves: Sequence[chess.Move] | None) -> Forest:
        assert self._board is not None
        forest = Forest.allocate(1, _NODES_AT_FIRST, len(rows) + 64, self._leaves)
        forest.plant(0, rows, LARGEST, self._seed)
        if moves is not None:
            forest.restrict_root(0, [encode_move(self._board, move) for move in dict.fromkeys(moves)])
        return forest

    def _remember_history(self, forest: Forest, rows: NDArray[np.uint64]) -> None:
        if len(rows) > forest.history.shape[1]:
            forest.history = np.empty((1, 2 * len(rows), rows.shape[1]), dtype=np.uint64)
            forest.repeated = np.zeros((1, 2 * len(rows)), dtype=np.uint8)
        forest.set_history(0, rows)

    def _node_of(self, board: chess.Board, rows: NDArray[np.uint64]) -> int | None:
        """The node of ``board`` in the tree, None if it cannot serve as a root of the game ``rows``."""
        forest, before = self._forest, self._rows
        one_root_only = self._settings.formula != "lc0" or self._settings.noise_fraction > 0
        if forest is None or before is None or self._restricted or one_root_only:
            return None
        if len(rows) < len(before) or not np.array_equal(rows[: len(before)], before):
            return None
        node = 0
        for ply in range(len(before), len(rows)):
            record = forest.nodes[0, node]
            first = int(record["first_edge"])
            children = forest.trials["child"][0, first : first + int(record["visited"])]
            keys = forest.positions[0, children, -1] if len(children) else np.empty(0, dtype=np.uint64)
            same = np.flatnonzero(keys == rows[ply, -1])
            if not len(same):
                return None
            node = int(children[same[0]])
        # A draw inside the tree has no moves there; as a root it is searched.
        return node if forest.nodes[0, node]["terminal"] == OPEN else None


def _check_moves(board: chess.Board, moves: Sequence[chess.Move]) -> None:
    for move in moves:
        if not isinstance(move, chess.Move):
            raise TypeError(f"moves holds {move!r}, which is no chess.Move")
        if not board.is_legal(move):
            raise ValueError(f"{move.uci()} is not a legal move of {board.fen()}")
    if not moves:
        raise ValueError("moves is empty: give at least one legal move, or None for all of them")
