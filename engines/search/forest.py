"""Many search trees as arrays: one row of every array a tree, records inside.

=================  ============================  ==========================================================
array              shape and type                content
=================  ============================  ==========================================================
``trees``          TREE [trees]                  counters of each tree
``positions``      uint64 [trees, nodes, 8]      kernel rows (``engines.chess.position``)
``nodes``          NODE [trees, nodes]           node 0 is the root
``edges``          EDGE [trees, edges]           the moves of a node, contiguous, by falling prior
``history``        uint64 [trees, plies, 8]      the game up to and with the root, oldest first
``repeated``       uint8 [trees, plies]          how often each of those positions stood before
``noise``          float32 [trees, 256]          Gumbel or Dirichlet draw for each root move
=================  ============================  ==========================================================

A node's edges are sorted by prior once, when it is expanded.  All unvisited moves of a node share one value, so the
next to be visited is always the one with the highest prior: visited edges form a prefix, and selection reads only that
prefix.  (The root of a Gumbel search, where noise chooses the moves, is the exception: there all edges are read.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import chess
import numpy as np
from numpy.typing import NDArray

from engines.chess.movegen import MAX_MOVES
from engines.chess.planes import count_repetitions
from engines.chess.position import WORDS, game_rows

OPEN, MATED, DRAWN = 0, 1, 2

TREE = np.dtype(
    [
        ("nodes", "i4"),
        ("edges", "i4"),
        ("pending", "i4"),  # node that waits for the network, -1 none
        ("limit", "i4"),  # simulations wanted
        ("done", "i4"),  # simulations finished (what counts is the preset's)
        ("plies", "i4"),  # positions in the history
        ("random", "u8"),  # state of the tree's own generator
    ]
)
NODE = np.dtype(
    [
        ("parent", "i4"),
        ("parent_edge", "i4"),
        ("first_edge", "i4"),
        ("visits", "i4"),
        ("total", "f8"),  # sum of backed-up values, own evaluation included, mover's view
        ("value", "f4"),  # own evaluation w − l, mover's view
        ("edges", "i2"),
        ("visited", "i2"),
        ("terminal", "u1"),
        ("repetitions", "u1"),
    ],
    align=True,
)
EDGE = np.dtype([("total", "f8"), ("prior", "f4"), ("visits", "i4"), ("child", "i4"), ("move", "u2"), ("policy", "u2")])

_EDGES_PER_NODE = 64  # more than nearly every tree has on average; memory that is never written to is never taken


@dataclass
class Forest:
    """The arrays of the table above; ``edges`` may be replaced by a wider copy while a search runs."""

    trees: NDArray[np.void]
    positions: NDArray[np.uint64]
    nodes: NDArray[np.void]
    edges: NDArray[np.void]
    history: NDArray[np.uint64]
    repeated: NDArray[np.uint8]
    noise: NDArray[np.float32]

    @classmethod
    def allocate(cls, trees: int, simulations: int, history_plies: int) -> Forest:
        """Empty forest with room for ``simulations`` a tree and games of ``history_plies`` positions."""
        nodes = simulations + 2
        return cls(
            trees=np.zeros(trees, dtype=TREE),
            positions=np.empty((trees, nodes, WORDS), dtype=np.uint64),
            nodes=np.zeros((trees, nodes), dtype=NODE),
            edges=np.empty((trees, nodes * _EDGES_PER_NODE + MAX_MOVES), dtype=EDGE),
            history=np.empty((trees, history_plies, WORDS), dtype=np.uint64),
            repeated=np.zeros((trees, history_plies), dtype=np.uint8),
            noise=np.zeros((trees, MAX_MOVES), dtype=np.float32),
        )

    def plant(self, tree: int, rows: NDArray[np.uint64], simulations: int, seed: int) -> None:
        """Make ``tree`` an empty search of the last of ``rows`` (``uint64 [plies, 8]``, the game so far)."""
        plies = len(rows)
        self.history[tree, :plies] = rows
        count_repetitions(self.history[tree, :plies], self.repeated[tree])
        record = self.trees[tree]
        record["nodes"] = record["edges"] = record["done"] = 0
        record["pending"] = -1
        record["limit"] = simulations
        record["plies"] = plies
        # Distinct positions get distinct streams from one seed, whatever batch they are searched in.
        state = (int(rows[-1, WORDS - 1]) ^ (int(seed) * 0x9E3779B97F4A7C15)) & 0xFFFFFFFFFFFFFFFF
        record["random"] = state or 1

    def widen(self) -> None:
        """Double the room for edges."""
        wider = np.empty((self.edges.shape[0], 2 * self.edges.shape[1]), dtype=EDGE)
        wider[:, : self.edges.shape[1]] = self.edges
        self.edges = wider


def plant_boards(boards: Sequence[chess.Board], simulations: int, seed: int) -> Forest:
    """A forest with one empty tree a board; the boards' move stacks are the history."""
    games = [game_rows(board) for board in boards]
    forest = Forest.allocate(len(boards), simulations, max(len(rows) for rows in games))
    for tree, rows in enumerate(games):
        forest.plant(tree, rows, simulations, seed)
    return forest
