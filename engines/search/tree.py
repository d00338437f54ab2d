"""Reading a searched tree: moves, visits, values and lines as python-chess values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from engines.chess.position import decode_move
from engines.python_chess import chess
from engines.search.cutting import depths_of
from engines.search.forest import OPEN


@dataclass(frozen=True)
class TreeArrays:
    """One tree cut out of a forest.

    ``nodes`` NODE [n] and ``edges`` EDGE [m] are the records of ``engines.search.forest``; node 0 is the root. Its
    edges stand by falling prior, those of other nodes in no order.
    """

    nodes: NDArray[np.void]
    edges: NDArray[np.void]


@dataclass(frozen=True)
class Edge:
    """A move at a node: visits, ``q`` (mean value in [−1, 1] for the side that plays it, NaN unvisited) and prior."""

    move: chess.Move
    visits: int
    q: float
    prior: float
    child: int


class Node:
    """A position of the tree."""

    def __init__(self, arrays: TreeArrays, index: int, black: bool, chess960: bool = False) -> None:
        self._arrays = arrays
        self._record = arrays.nodes[index]
        self._black = black
        self._chess960 = chess960

    @property
    def visits(self) -> int:
        """Simulations that went through this node (how the root is counted is the preset's)."""
        return int(self._record["visits"])

    @property
    def value(self) -> float:
        """Mean of the values seen at and below this node, for the side to move here, in [−1, 1]."""
        return float(self._record["total"]) / self.visits if self.visits else float(self._record["value"])

    @property
    def evaluation(self) -> float:
        """The network's own w − l here (or the game's result), for the side to move."""
        return float(self._record["value"])

    @property
    def terminal(self) -> bool:
        """Whether the game ends here."""
        return int(self._record["terminal"]) != OPEN

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """All legal moves, highest prior first (empty where the game ends)."""
        if self.terminal:
            return ()
        first = int(self._record["first_edge"])
        found = []
        records = self._arrays.edges[first : first + int(self._record["edges"])]
        for record in records[np.lexsort((records["move"], -records["prior"]))]:
            visits = int(record["visits"])
            found.append(
                Edge(
                    move=decode_move(int(record["move"]), self._black, self._chess960),
                    visits=visits,
                    q=float(record["total"]) / visits if visits else float("nan"),
                    prior=float(record["prior"]),
                    child=int(record["child"]),
                )
            )
        return tuple(found)

    def follow(self, edge: Edge) -> Node | None:
        """The node that ``edge`` leads to, or None if it was never visited."""
        return Node(self._arrays, edge.child, not self._black, self._chess960) if edge.child >= 0 else None


def most_visited(edges: tuple[Edge, ...]) -> Edge | None:
    """The edge with most visits (ties as in lc0: the higher value, then the higher prior), None if none was visited."""
    tried = [edge for edge in edges if edge.visits]
    # Edges come by falling prior, and max keeps the first of equals.
    return max(tried, key=lambda edge: (edge.visits, edge.q), default=None)


class Tree:
    """What the search of one root found; values are the root player's unless said otherwise."""

    def __init__(self, board: chess.Board, arrays: TreeArrays, best_edge: int | None = None) -> None:
        """``best_edge``: index of the root move that the preset plays, where that is not just the most visited one."""
        self.board = board
        self.arrays = arrays
        self._best_edge = best_edge

    @cached_property
    def root(self) -> Node:
        """The root node."""
        return Node(self.arrays, 0, self.board.turn == chess.BLACK, self.board.chess960)

    @property
    def value(self) -> float:
        """Mean value of the root for the side to move, in [−1, 1]."""
        return self.root.value

    @property
    def visits(self) -> dict[chess.Move, int]:
        """Visits of each legal root move."""
        return {edge.move: edge.visits for edge in self.root.edges}

    @property
    def q(self) -> dict[chess.Move, float]:
        """Mean value of each visited root move, root player's view."""
        return {edge.move: edge.q for edge in self.root.edges if edge.visits}

    @property
    def prior(self) -> dict[chess.Move, float]:
        """The policy over the legal root moves that the search used (noise, if any, included)."""
        return {edge.move: edge.prior for edge in self.root.edges}

    @cached_property
    def depth(self) -> tuple[float, int]:
        """Mean and greatest distance of the tree's nodes from the root, in plies."""
        depths = depths_of(self.arrays.nodes)
        return float(depths.mean()), int(depths.max())

    @property
    def best_move(self) -> chess.Move:
        """The move the preset plays: most visits, or sequential halving's winner; highest prior if none was visited."""
        if self._best_edge is not None:
            return self.root.edges[self._best_edge].move
        best = most_visited(self.root.edges)
        return best.move if best is not None else self.root.edges[0].move

    def line(self, after: chess.Move | None = None) -> list[chess.Move]:
        """Most visited line from the root, or the one that starts with the root move ``after``.

        Raises ``ValueError`` when ``after`` is not a legal root move.
        """
        node: Node | None = self.root
        moves: list[chess.Move] = []
        if after is not None:
            edge = next((edge for edge in self.root.edges if edge.move == after), None)
            if edge is None:
                raise ValueError(f"{after.uci()} is not a legal move of {self.board.fen()}")
            moves.append(after)
            node = self.root.follow(edge)
        elif self._best_edge is not None and self.root.edges[self._best_edge].visits:
            edge = self.root.edges[self._best_edge]
            moves.append(edge.move)
            node = self.root.follow(edge)
        while node is not None:
            best = most_visited(node.edges)
            if best is None:
                break
            moves.append(best.move)
            node = node.follow(best)
        return moves
