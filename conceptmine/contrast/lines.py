"""The best line of a search tree and the subpar lines that leave it.

The best line takes the most visited move at every node. At depth j of it a move is subpar if it was visited but falls
short of the best one by value or by visits; the most visited of these opens the subpar line of that depth, which goes
on by the most visited move. Of moves with equal visits the one with the greater value counts as more visited, then the
one with the greater prior, then the one that the node lists first: so lc0 chooses its move, and the best line has to
begin with the move that the agent plays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import chess

from conceptmine.contrast.rule import ContrastRule
from conceptmine.contrast.trees import SearchEdge, SearchNode, SearchTree

__all__ = ["Lines", "NoContrast", "SubparLine", "contrast_lines", "examine_tree"]


class NoContrast(Enum):
    """Why a tree, or a depth of its best line, gives nothing to learn from; the value is text for a reader."""

    SHORT_BEST_LINE = "the best line is not searched to the horizon"
    NO_SUBPAR_MOVE = "no visited move is clearly worse than the best one"
    SHORT_SUBPAR_LINE = "the subpar line is not searched to the horizon"


@dataclass(frozen=True)
class SubparLine:
    """A line that leaves the best one.

    Attributes:
        branch_ply: depth j at which it leaves: its first j moves are the best line's, the next is not.
        moves: all T moves from the root.
        best_q: value of the best line's move at the branch, in [-1, 1], for the player who chooses there.
        subpar_q: value of this line's move at the branch, likewise.
    """

    branch_ply: int
    moves: tuple[chess.Move, ...]
    best_q: float
    subpar_q: float


@dataclass(frozen=True)
class Lines:
    """What a tree offers to learn from.

    Attributes:
        root: the position searched, with its history.
        best: the T moves of the best line.
        subpar: at least one line, by branching depth.
        missing: depths from 0 to T~ without a subpar line, each with the reason.
    """

    root: chess.Board
    best: tuple[chess.Move, ...]
    subpar: tuple[SubparLine, ...]
    missing: tuple[tuple[int, NoContrast], ...] = ()


def contrast_lines(tree: SearchTree, rule: ContrastRule) -> Lines | None:
    """The best line and the subpar lines of a tree, or None if it has none; see `examine_tree` for the reason."""
    found = examine_tree(tree, rule)
    return found if isinstance(found, Lines) else None


def examine_tree(tree: SearchTree, rule: ContrastRule) -> Lines | NoContrast:
    """The best line and the subpar lines of a tree, or why there are none.

    A line must follow visited moves for all T plies; one that ends sooner, be it because the game ends, is too short. A
    depth whose subpar line is too short is left out and not tried with another move.

    Schut et al., section 8.4.1.

    Args:
        tree: a search from one position.
        rule: the gaps, the horizon T and the last branching depth T~.

    Returns:
        The lines; or, if the best line is too short or there is no subpar line, the reason (of the depths' reasons the
        one nearest to success).
    """
    path = _walk(tree.root, rule.horizon)
    if path is None:
        return NoContrast.SHORT_BEST_LINE
    best = tuple(step.edge.move for step in path)
    subpar: list[SubparLine] = []
    missing: list[tuple[int, NoContrast]] = []
    for depth, step in enumerate(path[: rule.last_branch + 1]):
        line = _subpar_line(step, best[:depth], rule)
        if isinstance(line, SubparLine):
            subpar.append(line)
        else:
            missing.append((depth, line))
    if not subpar:
        reasons = [reason for _, reason in missing]
        too_short = NoContrast.SHORT_SUBPAR_LINE in reasons
        return NoContrast.SHORT_SUBPAR_LINE if too_short else NoContrast.NO_SUBPAR_MOVE
    return Lines(tree.board.copy(), best, tuple(subpar), tuple(missing))


class _Step(NamedTuple):
    """A node and the edge that is taken from it."""

    node: SearchNode
    edge: SearchEdge


def _subpar_line(step: _Step, prefix: tuple[chess.Move, ...], rule: ContrastRule) -> SubparLine | NoContrast:
    node, chosen = step
    rejected = [edge for edge in node.edges if edge is not chosen and edge.visits > 0]
    subpar = [edge for edge in rejected if _falls_short(edge, chosen, rule)]
    if not subpar:
        return NoContrast.NO_SUBPAR_MOVE
    first = _most_visited(subpar)
    tail = _walk(node.follow(first), rule.horizon - len(prefix) - 1)
    if tail is None:
        return NoContrast.SHORT_SUBPAR_LINE
    moves = (*prefix, first.move, *(later.edge.move for later in tail))
    return SubparLine(len(prefix), moves, chosen.q, first.q)


def _falls_short(edge: SearchEdge, chosen: SearchEdge, rule: ContrastRule) -> bool:
    by_value = chosen.q - edge.q >= rule.value_gap
    # Divided rather than multiplied out: 7/70 is the number that 0.1 stands for, 0.1 * 70 is not 7.
    by_visits = (chosen.visits - edge.visits) / chosen.visits >= rule.visit_gap
    return (by_value and by_visits) if rule.combine == "and" else (by_value or by_visits)


def _walk(node: SearchNode | None, plies: int) -> list[_Step] | None:
    """The most visited edges for so many plies, None if they end sooner."""
    path: list[_Step] = []
    while len(path) < plies:
        visited = [edge for edge in node.edges if edge.visits > 0] if node is not None else []
        if node is None or not visited:
            return None
        edge = _most_visited(visited)
        path.append(_Step(node, edge))
        node = node.follow(edge)
    return path


def _most_visited(edges: Sequence[SearchEdge]) -> SearchEdge:
    return max(edges, key=lambda edge: (edge.visits, edge.q, edge.prior))  # of equals, max keeps the first
