"""The comparisons that a concept has to satisfy: which position must score higher than which.

A row asks v . z(plus) >= v . z(minus) + 1 of the vector v at the activations z of two positions at the same depth t,
one on the best line and one on a subpar line (Schut et al., equation 5). For an active plan plus is the best line's;
for a prophylactic plan plus and minus change places. The rows of the second are the negatives of the rows of the first,
so that its sparsest vector is exactly the mirrored one, -v: on one tree the two plans find the same direction and
differ in its sign, that is, in which positions score high.
"""

from __future__ import annotations

from dataclasses import dataclass

import chess

from conceptmine.contrast.lines import Lines
from conceptmine.contrast.rule import ContrastRule
from conceptmine.errors import InputError
from conceptmine.positions import transposition_key

__all__ = ["ContrastRow", "contrast_rows"]


@dataclass(frozen=True)
class ContrastRow:
    """One comparison.

    Attributes:
        ply: depth t of both positions below the root.
        branch: depth j at which the subpar line leaves the best one; less than `ply`.
        plus: the t moves from the root to the position that must score higher.
        minus: the t moves from the root to the one that must score lower.
    """

    ply: int
    branch: int
    plus: tuple[chess.Move, ...]
    minus: tuple[chess.Move, ...]


def contrast_rows(lines: Lines, rule: ContrastRule) -> list[ContrastRow]:
    """The comparisons of a tree's best line with its subpar lines.

    Up to its branch a subpar line has the best line's positions, where a margin could not be met; so rows begin after
    it (t > j). For the same reason a pair is left out where the two lines have come to the same position by another
    order of moves. With ``players="one"`` only positions with the root's player to move are compared (t even).

    Args:
        lines: lines of `rule.horizon` plies.
        rule: the players and the plan.

    Returns:
        The rows by branch, then by ply; empty if all pairs are left out.

    Raises:
        InputError: the lines have another horizon than the rule.
    """
    if len(lines.best) != rule.horizon:
        raise InputError(f"The lines have {len(lines.best)} plies and the rule {rule.horizon}: find the lines anew.")
    best_keys = _keys(lines.root, lines.best)
    rows = []
    for line in lines.subpar:
        keys = _keys(lines.root, line.moves)
        for ply in rule.plies:
            if ply <= line.branch_ply or keys[ply] == best_keys[ply]:
                continue
            plus, minus = lines.best[:ply], line.moves[:ply]
            if rule.plan == "prophylactic":
                plus, minus = minus, plus
            rows.append(ContrastRow(ply, line.branch_ply, plus, minus))
    return rows


def _keys(root: chess.Board, moves: tuple[chess.Move, ...]) -> list[str]:
    """What distinguishes the positions of a line, the root's first."""
    board = root.copy(stack=False)
    keys = [transposition_key(board)]
    for move in moves:
        board.push(move)
        keys.append(transposition_key(board))
    return keys
