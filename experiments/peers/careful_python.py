"""Tree search on python-chess as good as careful Python makes it: the same searches as the engine's, move for move.

Care means: one board with push and pop and no copies, lists in place of objects for edges, edges sorted by prior once
so that selection reads only the visited ones and the first other, table look-ups for policy indices, one vectorised
gather of the logits, and tests for repetition only where the clock allows one. It writes no input planes, which the
engine does for every leaf.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import chess
import numpy as np
from numpy.typing import NDArray

from engines.chess import POLICY_MOVES
from engines.search import PRESETS

Evaluate = Callable[[], tuple[NDArray[np.float32], float]]
"""Gives policy logits float32 [1858] and w − l of the next position."""

_PUCT, _GUMBEL = PRESETS["lc0"], PRESETS["gumbel"]
_CASTLING_DISTANCE = 2


def _key(move: chess.Move) -> int:
    return move.from_square | move.to_square << 6 | (move.promotion or 0) << 12


def _policy_tables() -> tuple[list[int], list[int]]:
    """Policy index by `_key`, for Black's moves and for White's (a colour is the index)."""
    black, white = [-1] * (6 << 12), [-1] * (6 << 12)
    for index, uci in enumerate(POLICY_MOVES):
        move = chess.Move.from_uci(uci)
        for table, turn in ((white, 0), (black, 56)):
            turned = chess.Move(move.from_square ^ turn, move.to_square ^ turn, move.promotion)
            table[_key(turned)] = index
            if move.promotion is None and move.from_square >> 3 == 6 and move.to_square >> 3 == 7:
                table[_key(turned) | chess.KNIGHT << 12] = index  # a promotion to a knight is the plain move
    return black, white


_POLICY = _policy_tables()


def policy_indices(board: chess.Board, moves: list[chess.Move]) -> list[int]:
    """Policy index of each legal move; castling is listed as the king taking its rook."""
    table = _POLICY[board.turn]
    found = [table[m.from_square | m.to_square << 6 | (m.promotion or 0) << 12] for m in moves]
    if board.castling_rights:
        king = board.king(board.turn)
        for place, move in enumerate(moves):
            if move.from_square == king and abs(move.to_square - move.from_square) == _CASTLING_DISTANCE:
                rook = (move.to_square & 56) | (7 if move.to_square > move.from_square else 0)
                found[place] = table[move.from_square | rook << 6]
    return found


class Node:
    """A position: its moves by falling prior, and for each move prior, visits, total and child.

    ``totals`` and ``total`` are for the player to move here; ``visited`` is how many of the first moves were visited.
    """

    __slots__ = ("children", "evaluation", "moves", "priors", "total", "totals", "tried", "visited", "visits")

    def __init__(self) -> None:
        self.moves: list[chess.Move] = []
        self.priors: list[float] = []
        self.tried: list[int] = []
        self.totals: list[float] = []
        self.children: list[Node | None] = []
        self.visits, self.visited = 0, 0
        self.total, self.evaluation = 0.0, 0.0

    def expand(self, board: chess.Board, evaluate: Evaluate, draw_at: int) -> float:
        """Find the moves and their priors, or that the game is over; gives the value for the side to move.

        ``draw_at``: the occurrence of a position that is a draw, 3 or 2; 0 at the root, which is never drawn.
        """
        moves = list(board.legal_moves)
        if not moves:
            self.evaluation = -1.0 if board.is_check() else 0.0
            return self.evaluation
        clock = board.halfmove_clock
        if draw_at and (
            clock >= 100
            or (clock >= 4 * (draw_at - 1) and board.is_repetition(draw_at))
            or board.is_insufficient_material()
        ):
            return 0.0
        logits, self.evaluation = evaluate()
        chosen = logits[policy_indices(board, moves)].tolist()
        highest = max(chosen)
        weights = [math.exp(logit - highest) for logit in chosen]
        total = sum(weights)
        order = sorted(range(len(moves)), key=weights.__getitem__, reverse=True)
        self.moves = [moves[i] for i in order]
        self.priors = [weights[i] / total for i in order]
        self.tried, self.totals, self.children = [0] * len(moves), [0.0] * len(moves), [None] * len(moves)
        return self.evaluation


def select_puct(node: Node) -> int:
    """Leela's PUCT: the place of the move to follow."""
    visits, visited = node.visits, node.visited
    growth = _PUCT.c_puct + _PUCT.c_factor * math.log((visits + _PUCT.c_base) / _PUCT.c_base)
    scale = growth * math.sqrt(max(visits - 1, 1))
    best, best_score, seen = -1, -1e30, 0.0
    priors, totals = node.priors, node.totals
    for place, tried in enumerate(node.tried[:visited]):
        prior = priors[place]
        seen += prior
        score = totals[place] / tried + prior * scale / (1 + tried)
        if score > best_score:
            best, best_score = place, score
    if visited < len(priors):
        unvisited = node.total / visits - _PUCT.fpu_reduction * math.sqrt(seen)
        if unvisited + priors[visited] * scale > best_score:
            best = visited
    return best


def select_gumbel(node: Node) -> int:
    """The deterministic rule inside a Gumbel search: argmax π'(a) − N(a) / (1 + ΣN)."""
    visited, evaluation, priors = node.visited, node.evaluation, node.priors
    tried = node.tried[:visited]
    means = [total / count for total, count in zip(node.totals, tried)]  # noqa: B905 - as above
    visits, policy, mixed = sum(tried), 0.0, evaluation
    if visited:
        weighted = 0.0
        for prior, mean in zip(priors, means):  # noqa: B905 - as above
            policy += prior
            weighted += prior * mean
        mixed = (evaluation + visits * weighted / max(policy, 1e-9)) / (1 + visits)
    sigma = (_GUMBEL.gumbel_visit_offset + max(tried, default=0)) * _GUMBEL.gumbel_scale
    highest = max(mixed, *means) if means else mixed
    unvisited = math.exp(sigma * (mixed - highest))
    improved = [prior * math.exp(sigma * (mean - highest)) for prior, mean in zip(priors, means)]  # noqa: B905 - as above
    normaliser = max(max(1.0 - policy, 0.0) * unvisited + sum(improved), 1e-30)
    best, best_score = -1, -1e30
    for place, share in enumerate(improved):
        score = share / normaliser - tried[place] / (1.0 + visits)
        if score > best_score:
            best, best_score = place, score
    if visited < len(priors) and priors[visited] * unvisited / normaliser > best_score:
        best = visited
    return best


@lru_cache(maxsize=1024)
def halving_schedule(considered: int, simulations: int) -> tuple[int, ...]:
    """Visits that the move of each simulation must have had: sequential halving of ``considered`` moves."""
    if considered <= 1:
        return tuple(range(simulations))
    phases = math.ceil(math.log2(considered))
    wanted: list[int] = []
    visits, left = 0, considered
    while len(wanted) < simulations:
        rounds = max(1, simulations // (phases * left))
        for each in range(rounds):
            wanted += [visits + each] * left
        visits, left = visits + rounds, max(2, left // 2)
    return tuple(wanted[:simulations])


def _simulate(
    root: Node,
    board: chess.Board,
    evaluate: Evaluate,
    at_root: Callable[[Node], int],
    inside: Callable[[Node], int],
    draw_at: int,
) -> None:
    """One simulation: walk down, add a leaf, carry its value back up."""
    node, path, choose = root, [], at_root
    while True:
        place = choose(node)
        path.append((node, place))
        board.push(node.moves[place])
        child = node.children[place]
        if child is None:
            child = node.children[place] = Node()
            if place == node.visited:
                node.visited += 1
            value = child.expand(board, evaluate, draw_at)
            break
        node, choose = child, inside
        if not node.moves:
            value = node.evaluation
            break
    child.visits += 1
    child.total += value
    for above, taken in reversed(path):
        value = -value
        above.tried[taken] += 1
        above.totals[taken] += value
        above.visits += 1
        above.total += value
        board.pop()


def puct_search(board: chess.Board, simulations: int, evaluate: Evaluate) -> Node:
    """The root of a search like preset "lc0"; its own evaluation is one of ``simulations``. The board is given back."""
    root = Node()
    root.total, root.visits = root.expand(board, evaluate, 0), 1
    while root.visits < simulations:
        _simulate(root, board, evaluate, select_puct, select_puct, 3)
    return root


def gumbel_search(board: chess.Board, simulations: int, evaluate: Evaluate, noise: list[float]) -> Node:
    """The root of a search like preset "gumbel"; ``noise``: a Gumbel draw for each move, by falling prior."""
    root = Node()
    root.total, root.visits = root.expand(board, evaluate, 0), 1
    bases = [draw + math.log(prior) for draw, prior in zip(noise, root.priors)]  # noqa: B905 - there may be more draws
    schedule = halving_schedule(min(_GUMBEL.gumbel_moves, len(bases)), simulations)
    for scheduled in schedule:

        def at_root(node: Node, scheduled: int = scheduled) -> int:
            sigma = (_GUMBEL.gumbel_visit_offset + max(node.tried)) * _GUMBEL.gumbel_scale
            best, best_score = -1, -math.inf
            for place, tried in enumerate(node.tried):
                if tried == scheduled:
                    score = bases[place] + (sigma * node.totals[place] / tried if tried else 0.0)
                    if score > best_score:
                        best, best_score = place, score
            return best

        _simulate(root, board, evaluate, at_root, select_gumbel, 2)
    return root
