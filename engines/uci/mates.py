"""Mates that a tree proves: every reply of the losing side was searched and loses.

Values of a tree are means, so a forced mate shows in them only as a number near 1.  Where the tree holds the proof, it
can be read off: a move mates if it leads to a mated position, or to one in which every legal reply is in the tree and
runs into a mate.  The proof is looked for under promising moves only and within a budget of positions, since this runs
between two reports; what it misses stays a number near 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.search import Edge, Node

__all__ = ["Prover"]

_PROMISING = 0.1
"""A move worth looking under has at least this value for its player: a mate just found hardly shows in the mean."""


class Prover:
    """Looks for mates of at most ``longest`` moves, at no more than ``budget`` positions in all."""

    def __init__(self, longest: int, budget: int) -> None:
        self._longest = longest
        self._budget = budget

    def after(self, node: Node, edge: Edge) -> int | None:
        """Moves to mate once ``edge`` of ``node`` is played: positive if its player mates, negative if he is mated.

        The move itself counts, so that a move that mates is 1; None where nothing is proven.
        """
        child = node.follow(edge) if edge.visits and self._budget > 0 else None
        if child is None or abs(edge.q) < _PROMISING:
            return None
        self._budget -= 1
        if edge.q > 0:
            return _one_more(self._mated(child, self._longest - 1))
        found = self._mates(child, self._longest)
        return None if found is None else -found

    def _mates(self, node: Node, longest: int) -> int | None:
        """Moves in which the side to move at ``node`` mates."""
        if node.terminal or longest < 1:
            return None
        shortest: int | None = None
        for edge in node.edges:
            if edge.visits and edge.q > _PROMISING and self._budget > 0:
                self._budget -= 1
                child = node.follow(edge)
                limit = longest if shortest is None else shortest - 1
                found = None if child is None else _one_more(self._mated(child, limit - 1))
                shortest = shortest if found is None else found
                if shortest == 1:
                    break
        return shortest

    def _mated(self, node: Node, longest: int) -> int | None:
        """Moves in which the side to move at ``node`` is mated, 0 if it is."""
        if node.terminal:
            return 0 if node.value < 0 else None
        edges = node.edges
        if longest < 1 or not all(edge.visits and edge.q < -_PROMISING for edge in edges):
            return None
        most = 0
        for edge in edges:
            self._budget -= 1
            child = node.follow(edge) if self._budget > 0 else None
            found = None if child is None else self._mates(child, longest)
            if found is None:
                return None
            most = max(most, found)
        return most


def _one_more(moves: int | None) -> int | None:
    return None if moves is None else moves + 1
