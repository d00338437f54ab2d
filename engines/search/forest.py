"""Many search trees as arrays: one row of every array a tree, records inside.

================  ==============================  =========================================================
array             shape and type                  content
================  ==============================  =========================================================
``trees``         TREE [trees]                    counters of each tree
``positions``     uint64 [trees, nodes, 8]        kernel rows (``engines.chess.position``)
``nodes``         NODE [trees, nodes]             node 0 is the root; a parent stands before its children
``choices``       CHOICE [trees, edges]           the moves of a node, contiguous: what the network thinks of them
``trials``        TRIAL [trees, edges]            what came of trying them
``history``       uint64 [trees, plies, 8]        the game up to and with the root, oldest first
``repeated``      uint8 [trees, plies]            how often each of those positions stood before
``noise``         float32 [trees, 256]            Gumbel or Dirichlet draw for each root move
``logarithms``    float32 [trees, 256]            logarithm of the prior of each root move (Gumbel search)
``leaf``          int32 [trees, 2 · leaves]       nodes under way: those that wait for the network, then collisions
``moves``         uint16 [trees, leaves, 256]     legal moves of the waiting leaves
================  ==============================  =========================================================

All unvisited moves of a node share one value, so the next to be visited is always the one with the highest prior:
visited edges form a prefix, and selection reads that prefix and one edge more.  A node's edges therefore need no
sorting: whenever one is visited for the first time, the best of the rest is brought behind it.  Most nodes are never
visited twice and pay for one pass at most.  (At the root noise may choose the moves; its edges are sorted by prior.)

A search waits for memory more than for arithmetic.  The trials beyond a node's prefix are therefore never written to
(at the root they are, so that all its edges can be read): an expanded node costs 8 bytes a move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from engines.chess.history import game_rows
from engines.chess.movegen import MAX_MOVES
from engines.chess.planes import count_repetitions
from engines.chess.position import WORDS
from engines.python_chess import chess

Item = TypeVar("Item", bound=np.generic)

OPEN, MATED, DRAWN, WAITING = 0, 1, 2, 3

TREE = np.dtype(
    [
        ("random", "u8"),  # state of the tree's own generator
        ("nodes", "i4"),
        ("edges", "i4"),
        ("waiting", "i4"),  # leaves that wait for the network
        ("collided", "i4"),  # descents that ended at a leaf that waits
        ("limit", "i4"),  # simulations wanted
        ("node_limit", "i4"),  # nodes wanted at most
        ("done", "i4"),  # simulations finished (what counts is the preset's)
        ("plies", "i4"),  # positions in the history
        ("root_moves", "i4"),  # moves that the root is restricted to (they stand in `moves`), 0: all
    ],
    align=True,
)
NODE = np.dtype(
    [
        ("total", "f8"),  # sum of backed-up values, own evaluation included, mover's view
        ("parent", "i4"),
        ("parent_edge", "i4"),
        ("first_edge", "i4"),
        ("visits", "i4"),
        ("value", "f4"),  # own evaluation w − l, mover's view
        ("edges", "i2"),
        ("visited", "i2"),
        ("terminal", "u1"),  # OPEN, MATED, DRAWN; WAITING while the network has not answered
        ("repetitions", "u1"),
    ],
    align=True,
)
CHOICE = np.dtype([("prior", "f4"), ("move", "u2"), ("flying", "u2")])
"""``flying``: simulations that went through the edge and wait for the network; 0 whenever nothing is under way."""
TRIAL = np.dtype([("total", "f8"), ("visits", "i4"), ("child", "i4")])
"""``total``: sum of the values, view of the player who makes the move."""
EDGE = np.dtype([("total", "f8"), ("prior", "f4"), ("visits", "i4"), ("child", "i4"), ("move", "u2")], align=True)
"""A move of a tree that is cut out: choice and trial in one; no trial is ``total`` 0, ``visits`` 0, ``child`` −1."""

_EDGES_PER_NODE = 48  # more than nearly every tree has on average; memory that is never written to is never taken
BYTES_PER_NODE = 8 * WORDS + NODE.itemsize + 36 * CHOICE.itemsize + 2 * TRIAL.itemsize
"""Memory that a node takes, with as many moves as a middlegame has on average and few of them tried."""
BYTES_PER_NODE_READ = NODE.itemsize + 36 * EDGE.itemsize
"""The same of a tree that is cut out for reading."""
_MOST_EDGES = 2**31 - 2**22
_GOLDEN = 0x9E3779B97F4A7C15


@dataclass
class Forest:
    """The arrays of the table above; `reserve` may replace those whose size depends on the trees."""

    trees: NDArray[np.void]
    positions: NDArray[np.uint64]
    nodes: NDArray[np.void]
    choices: NDArray[np.void]
    trials: NDArray[np.void]
    history: NDArray[np.uint64]
    repeated: NDArray[np.uint8]
    noise: NDArray[np.float32]
    logarithms: NDArray[np.float32]
    leaf: NDArray[np.int32]
    moves: NDArray[np.uint16]

    @classmethod
    def allocate(cls, trees: int, nodes: int, history_plies: int, leaves: int = 1) -> Forest:
        """Empty forest: ``nodes`` nodes and ``leaves`` leaves a tree, games of ``history_plies`` positions."""
        return cls(
            trees=np.zeros(trees, dtype=TREE),
            positions=np.empty((trees, nodes, WORDS), dtype=np.uint64),
            nodes=np.empty((trees, nodes), dtype=NODE),
            choices=np.empty((trees, nodes * _EDGES_PER_NODE + leaves * MAX_MOVES), dtype=CHOICE),
            trials=np.empty((trees, nodes * _EDGES_PER_NODE + leaves * MAX_MOVES), dtype=TRIAL),
            history=np.empty((trees, history_plies, WORDS), dtype=np.uint64),
            repeated=np.zeros((trees, history_plies), dtype=np.uint8),
            noise=np.zeros((trees, MAX_MOVES), dtype=np.float32),
            logarithms=np.zeros((trees, MAX_MOVES), dtype=np.float32),
            leaf=np.empty((trees, 2 * leaves), dtype=np.int32),
            moves=np.empty((trees, leaves, MAX_MOVES), dtype=np.uint16),
        )

    @property
    def leaves(self) -> int:
        """Most leaves that a tree may have under way."""
        return int(self.moves.shape[1])

    def plant(self, tree: int, rows: NDArray[np.uint64], simulations: int, seed: int) -> None:
        """Make ``tree`` an empty search of the last of ``rows`` (``uint64 [plies, 8]``, the game so far)."""
        self.set_history(tree, rows)
        record = self.trees[tree]
        record["nodes"] = record["edges"] = record["done"] = record["root_moves"] = 0
        record["waiting"] = record["collided"] = 0
        record["limit"] = simulations
        record["node_limit"] = np.iinfo(np.int32).max
        # Distinct positions get distinct streams from one seed, whatever batch they are searched in.
        state = (int(rows[-1, WORDS - 1]) ^ (int(seed) * _GOLDEN)) & 0xFFFFFFFFFFFFFFFF
        record["random"] = state or 1

    def set_history(self, tree: int, rows: NDArray[np.uint64]) -> None:
        """Give ``tree`` the game so far, ``uint64 [plies, 8]``, its root last."""
        plies = len(rows)
        self.history[tree, :plies] = rows
        count_repetitions(self.history[tree, :plies], self.repeated[tree])
        self.trees[tree]["plies"] = plies

    def restrict_root(self, tree: int, moves: Sequence[int]) -> None:
        """Let the root of an empty ``tree`` have only these ``moves`` (kernel moves, legal)."""
        self.moves[tree, 0, : len(moves)] = moves
        self.trees[tree]["root_moves"] = len(moves)

    def needs_room(self) -> bool:
        """Whether a tree might run out of nodes or edges within one step."""
        nodes = int(self.trees["nodes"].max()) + self.leaves
        edges = int(self.trees["edges"].max()) + self.leaves * MAX_MOVES
        return bool(nodes > self.nodes.shape[1] or edges > self.choices.shape[1])

    def reserve(self) -> None:
        """Double the room for nodes and for edges where less than half of it is free."""
        nodes, edges = int(self.trees["nodes"].max()), int(self.trees["edges"].max())
        if edges > _MOST_EDGES:
            raise ValueError(f"a tree of {nodes:,} nodes has more edges than can be counted: give it a smaller limit")
        if 2 * (nodes + self.leaves) > self.nodes.shape[1]:
            self.positions = _wider(self.positions, nodes)
            self.nodes = _wider(self.nodes, nodes)
        if 2 * (edges + self.leaves * MAX_MOVES) > self.choices.shape[1]:
            self.choices = _wider(self.choices, edges)
            self.trials = _wider(self.trials, edges)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, including those not yet written to."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))


def _wider(array: NDArray[Item], used: int) -> NDArray[Item]:
    wider = np.empty((array.shape[0], 2 * array.shape[1], *array.shape[2:]), dtype=array.dtype)
    wider[:, :used] = array[:, :used]
    return wider


def plant_boards(boards: Sequence[chess.Board], simulations: int, seed: int, leaves: int = 1) -> Forest:
    """A forest with one empty tree a board; the boards' move stacks are the history."""
    games = [game_rows(board) for board in boards]
    forest = Forest.allocate(len(boards), simulations + leaves + 1, max(len(rows) for rows in games), leaves)
    for tree, rows in enumerate(games):
        forest.plant(tree, rows, simulations, seed)
    return forest


def bytes_per_tree(nodes: int, history_plies: int) -> int:
    """Memory that a tree of ``nodes`` nodes takes: an estimate from middlegames."""
    return nodes * BYTES_PER_NODE + history_plies * 8 * WORDS + 4096
