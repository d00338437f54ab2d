"""What a search tree has to offer to be contrasted; the trees of `engines.search` do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import chess

__all__ = ["SearchEdge", "SearchNode", "SearchTree"]


class SearchEdge(Protocol):
    """A move considered at a node."""

    @property
    def move(self) -> chess.Move:
        """The move."""

    @property
    def visits(self) -> int:
        """How often the search took it; 0 if never."""

    @property
    def q(self) -> float:
        """Its mean value in [-1, 1] for the player who makes it; without meaning if it was never visited."""

    @property
    def prior(self) -> float:
        """Its prior probability."""


class SearchNode(Protocol):
    """A position of the tree."""

    @property
    def edges(self) -> Sequence[SearchEdge]:
        """Its legal moves in a fixed order; none at the end of a game."""

    def follow(self, edge: Any, /) -> SearchNode | None:
        """The node that one of its edges leads to, None if it was never visited."""


class SearchTree(Protocol):
    """A search from one position."""

    @property
    def board(self) -> chess.Board:
        """The position searched, with its history."""

    @property
    def root(self) -> SearchNode:
        """Its node."""
