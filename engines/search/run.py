"""Searching many boards: batches of trees, several of them side by side."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.chess.history import game_rows
from engines.chess.movegen import MAX_MOVES
from engines.python_chess import chess
from engines.search.cutting import cut_out
from engines.search.forest import BYTES_PER_NODE, Forest, bytes_per_tree
from engines.search.growing import Evaluator, Grower
from engines.search.gumbel import conclude
from engines.search.limits import LARGEST, Budget, Limit, Simulations, budget_of, check_count
from engines.search.settings import SearchSettings, settings_for
from engines.search.tree import Tree, TreeArrays

MEMORY_MB = 1024
"""Trees that are grown together may take so much memory; more boards are taken in turn."""

MOST_TREES = 256
"""Trees grown together by one thread: beyond, a processor's network gains nothing and its caches lose."""

_NODES_AT_FIRST = 4096

Progress = Callable[[int], None]


class EditedAgent:
    """An agent whose layers are edited in every evaluation: steering inside a search.

    ``edit``: as for ``Agent.evaluate``, by layer name a function that replaces that layer's output.
    """

    def __init__(self, agent: Any, edit: Mapping[str, Callable[[Any], Any]]) -> None:
        self.history_fill: str = agent.history_fill
        self.input_format: int = agent.input_format
        self._agent, self._edit = agent, edit

    def evaluate_packed(self, masks: NDArray[np.uint64], values: NDArray[np.float32], *, threads: int = 1) -> Any:
        """What the edited agent says of the packed positions."""
        return self._agent.evaluate_packed(masks, values, edit=self._edit, threads=threads)


def search(
    agent: Evaluator,
    boards: Sequence[chess.Board],
    *,
    simulations: int = 800,
    limits: Limit | Iterable[Limit] | None = None,
    seed: int = 0,
    preset: str = "lc0",
    threads: int = 1,
    leaves: int = 1,
    edit: Mapping[str, Callable[[Any], Any]] | None = None,
    progress: Progress | None = None,
    **overrides: Any,
) -> list[Tree]:
    """Search one tree a board, many boards as one batch.

    ``agent``: from ``engines.load_agent``.  ``boards``: positions with a legal move; their move stacks are the history
    that the network sees and that repetitions count from.  ``simulations``: visits of each root (``lc0`` counts the
    root's own evaluation as one, as lc0's node limit does; the other presets do not).  ``limits``: one or several of
    ``Simulations``, ``Nodes`` and ``Seconds`` (of wall-clock time, for each batch of boards) in the place of
    ``simulations``; whichever is reached first ends a tree, and one that only time bounds also ends when its batch
    takes 1 GB.  ``seed``: for the presets' noise; a board's stream depends on the seed and the position alone.
    ``preset``: ``"lc0"``, ``"alphazero"`` or ``"gumbel"``; every field of ``SearchSettings`` can be overridden by
    keyword.  ``threads``: batches that are searched side by side; the positions of a single tree are shared out to
    them.  ``leaves``: leaves of one tree that may be under way at a time; more make larger batches of few boards, and
    another tree than one does.  ``edit``: functions that replace the outputs of layers in every evaluation, as for
    ``Agent.evaluate``; one that returns its argument changes nothing.  ``progress`` is called with the number of boards
    just finished.

    The trees depend on agent, boards, seed, ``leaves`` and settings, and on neither batches nor ``threads`` (unless
    time ends them), as far as the evaluations do not.

    Raises ``TypeError`` when ``boards`` is no sequence of ``chess.Board`` or a limit is none; ``ValueError`` for fewer
    than one simulation, thread or leaf, unknown presets or settings, finished games, and boards that no game of chess
    can reach.
    """
    budget = budget_of(Simulations(simulations) if limits is None else limits)
    if budget == Budget(None, None, None):
        raise ValueError("limits is empty: a search of many boards needs at least one of Simulations, Nodes, Seconds")
    for name, count in (("threads", threads), ("leaves", leaves)):
        check_count(name, count, 1024)
    settings = settings_for(preset, overrides)
    check_boards(boards)
    evaluator = agent if edit is None else EditedAgent(agent, edit)
    plan = _Plan(evaluator, settings, budget, seed, leaves)
    return list(_searched(plan, boards, threads, progress or (lambda count: None)))


def check_boards(boards: Sequence[chess.Board]) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless ``boards`` are chess boards with a legal move each."""
    if isinstance(boards, chess.Board) or not isinstance(boards, Sequence):
        raise TypeError(f"boards is a {type(boards).__name__}: give a sequence of chess.Board")
    for index, board in enumerate(boards):
        if not isinstance(board, chess.Board):
            raise TypeError(f"boards[{index}] is a {type(board).__name__}, not a chess.Board")
        if not any(board.generate_legal_moves()):
            raise ValueError(f"boards[{index}] has no legal move, so there is nothing to search: {board.fen()}")


@dataclass(frozen=True)
class _Plan:
    """What `search` was asked for."""

    evaluator: Evaluator
    settings: SearchSettings
    budget: Budget
    seed: int
    leaves: int

    @property
    def _nodes(self) -> int:
        """Nodes that a tree needs room for at first; trees that become larger are given more."""
        counts = [count for count in (self.budget.simulations, self.budget.nodes) if count is not None]
        return min([*counts, _NODES_AT_FIRST]) + self.leaves + 1

    def batches(self, boards: Sequence[chess.Board], threads: int) -> list[Sequence[chess.Board]]:
        """The boards in portions that fit into memory, at least one for each thread where there are boards enough."""
        counts = [count for count in (self.budget.simulations, self.budget.nodes) if count is not None]
        plies = max((len(board.move_stack) for board in boards), default=0) + 1
        tree = bytes_per_tree(min(counts) if counts else _NODES_AT_FIRST, plies)
        fitting = max(MEMORY_MB * 2**20 // threads // tree, 1)
        size = min(fitting, MOST_TREES, -(-len(boards) // threads))
        return [boards[start : start + size] for start in range(0, len(boards), size)]

    def grow_trees(
        self, boards: Sequence[chess.Board], stopped: Callable[[], bool], threads: int, beside: int
    ) -> list[Tree]:
        """The finished trees of some boards, of ``beside`` batches that grow at a time.

        The positions of each step are shared out to ``threads`` threads.
        """
        games = [game_rows(board) for board in boards]
        forest = Forest.allocate(len(boards), self._nodes, max(len(rows) for rows in games), self.leaves)
        for tree, rows in enumerate(games):
            forest.plant(tree, rows, self.budget.simulations or LARGEST, self.seed)
        nodes = self.budget.nodes or LARGEST
        if self.budget.simulations is None and self.budget.nodes is None:
            nodes = max(MEMORY_MB * 2**20 // (len(boards) * beside * BYTES_PER_NODE), 2)
        forest.trees["node_limit"] = nodes
        deadline = math.inf if self.budget.seconds is None else time.monotonic() + self.budget.seconds
        Grower(forest, self.evaluator, self.settings, threads).grow(
            np.arange(len(boards)), lambda: stopped() or time.monotonic() >= deadline
        )
        return [read_tree(forest, tree, board, self.settings) for tree, board in enumerate(boards)]


def _searched(plan: _Plan, boards: Sequence[chess.Board], threads: int, progress: Progress) -> Iterator[Tree]:
    if not boards:
        return
    batches = plan.batches(boards, threads)
    side_by_side = min(threads, len(batches))
    stop = threading.Event()
    if side_by_side == 1:
        for batch in batches:
            yield from plan.grow_trees(batch, stop.is_set, threads, 1)
            progress(len(batch))
        return
    # Threads beyond the number of batches help those that run.
    tasks = [
        _pool(os.getpid(), side_by_side).submit(
            plan.grow_trees, batch, stop.is_set, threads // side_by_side, side_by_side
        )
        for batch in batches
    ]
    try:
        for batch, task in zip(batches, tasks, strict=True):
            yield from task.result()
            progress(len(batch))
    except BaseException:
        stop.set()
        wait([task for task in tasks if not task.cancel()])
        raise


@lru_cache(maxsize=4)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Threads of this process, kept: what a network keeps for each thread is then made once."""
    return ThreadPoolExecutor(threads, thread_name_prefix="search")


def read_tree(forest: Forest, tree: int, board: chess.Board, settings: SearchSettings) -> Tree:
    """The tree of ``board`` as it stands in the forest (nothing under way), cut out for reading."""
    nodes, edges = cut_out(forest, tree)
    best = None
    if settings.formula == "gumbel":
        policy = np.empty(MAX_MOVES, dtype=np.float32)
        best = int(conclude(settings.record(), nodes, edges, edges, forest.noise[tree], policy))
    return Tree(board.copy(), TreeArrays(nodes, edges), best)
