"""A stand-in for the searcher of `engines.search` that is being written, over the search that is there now.

To be deleted when that one is merged; until then it has its names and manners, but keeps no tree from move to move,
evaluates one leaf at a time, and shares the memory that it may use among nodes by a fixed estimate.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import chess
import numpy as np

from engines.chess.position import game_rows
from engines.search.forest import Forest
from engines.search.run import Evaluator, grow
from engines.search.settings import settings_for
from engines.search.tree import Tree, TreeArrays

__all__ = ["Limit", "SearchedTree", "Searcher", "Seconds", "Simulations"]

_BYTES_A_NODE = 1800
_SIMULATIONS_A_STEP = 4  # one network call each: between steps the clock is read


@dataclass(frozen=True)
class Simulations:
    """Visits of the root."""

    number: int


@dataclass(frozen=True)
class Seconds:
    """Wall-clock time of one run."""

    number: float


Limit = Simulations | Seconds


class SearchedTree(Tree):
    """A tree that knows how deep it is."""

    @cached_property
    def depth(self) -> tuple[float, int]:
        """Mean and greatest depth of the leaves."""
        parents = self.arrays.nodes["parent"]
        depths = np.zeros(len(parents), dtype=np.int64)
        for node in range(1, len(parents)):
            depths[node] = depths[parents[node]] + 1
        leaves = np.ones(len(parents), dtype=bool)
        leaves[parents[1:]] = False
        return float(depths[leaves].mean()), int(depths.max())


class Searcher:
    """Searches one position at a time, in steps between which it can be stopped and watched."""

    def __init__(
        self,
        agent: Evaluator,
        preset: str = "lc0",
        threads: int = 1,
        leaves: int = 8,
        megabytes: int = 512,
        **settings: Any,
    ) -> None:
        import torch

        torch.set_num_threads(threads)
        self._agent = agent
        self._settings = settings_for(preset, settings)
        self._room = megabytes * 2**20 // _BYTES_A_NODE
        self._forest: Forest | None = None
        self._board = chess.Board()

    def set_position(self, board: chess.Board) -> None:
        """Search ``board`` from now on."""
        rows = game_rows(board)
        self._forest = Forest.allocate(1, self._room, len(rows))
        self._forest.plant(0, rows, 0, 0)
        self._board = board.copy()

    def forget(self) -> None:
        """Drop the tree."""
        self._forest = None

    def run(
        self,
        limits: Limit | Sequence[Limit] | None,
        moves: list[chess.Move] | None = None,
        stop: threading.Event | None = None,
        watch: Callable[[SearchedTree, float], None] | None = None,
        watch_every: float = 0.5,
    ) -> SearchedTree:
        """Search until a limit is reached, ``stop`` is set or the memory is full."""
        assert self._forest is not None, "set_position comes first"
        limits = [limits] if isinstance(limits, Simulations | Seconds) else list(limits or ())
        simulations = min([limit.number for limit in limits if isinstance(limit, Simulations)], default=self._room)
        seconds = min([limit.number for limit in limits if isinstance(limit, Seconds)], default=float("inf"))
        began = watched = time.monotonic()
        state = self._forest.trees[0]
        self._grow_to(1)
        if moves is not None:
            self._restrict(moves)
        while not (stop is not None and stop.is_set()) and state["done"] < min(simulations, self._room):
            now = time.monotonic()
            if now - began >= seconds:
                break
            if watch is not None and now - watched >= watch_every:
                watch(self._tree(), now - began)
                watched = now
            self._grow_to(min(int(state["done"]) + _SIMULATIONS_A_STEP, simulations, self._room))
        return self._tree()

    def _grow_to(self, simulations: int) -> None:
        assert self._forest is not None
        self._forest.trees[0]["limit"] = simulations
        grow(self._forest, self._agent, self._settings, np.zeros(1, dtype=np.int64))

    def _restrict(self, moves: list[chess.Move]) -> None:
        assert self._forest is not None
        root = self._forest.nodes[0][0]
        first = int(root["first_edge"])
        kept = [place for place, edge in enumerate(self._tree().root.edges) if edge.move in moves]
        if root["visits"] == 1 and len(kept) < root["edges"]:
            self._forest.edges[0, first : first + len(kept)] = self._forest.edges[0, [first + place for place in kept]]
            root["edges"] = len(kept)

    def _tree(self) -> SearchedTree:
        assert self._forest is not None
        state = self._forest.trees[0]
        nodes = self._forest.nodes[0, : state["nodes"]].copy()
        return SearchedTree(self._board, TreeArrays(nodes, self._forest.edges[0, : state["edges"]].copy()))
