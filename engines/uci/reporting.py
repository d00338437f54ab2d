"""What the engine says of a tree: the order of its moves, and the ``info`` lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import chess

from engines.uci.mates import Prover

if TYPE_CHECKING:
    from engines.search import Edge, Tree

__all__ = ["Progress", "Ranked", "centipawns", "info_lines", "info_string", "per_mille", "ranked"]

LONGEST_MATE = 6
PROOF_BUDGET = 200
"""Positions that one report may look at for proofs of mate; about 0.05 s."""

Draws = Callable[[Sequence[chess.Move]], Sequence[float]]
"""Gives the probability of a draw after each of the moves, in [0, 1]."""


@dataclass(frozen=True)
class Ranked:
    """A root move with its place in the ranking: ``q`` is the root player's, ``mate`` in moves or None (see mates)."""

    edge: Edge
    q: float
    mate: int | None

    @property
    def move(self) -> chess.Move:
        return self.edge.move


@dataclass(frozen=True)
class Progress:
    """Seconds since ``go``, and visits per second (None before there is anything to divide)."""

    seconds: float
    visits_a_second: float | None = None


def ranked(tree: Tree, moves: Sequence[chess.Move] | None = None, prover: Prover | None = None) -> list[Ranked]:
    """The root moves, of ``moves`` if given, best first: proven mates, then by visits, value and prior; losses last."""
    prover = prover or Prover(LONGEST_MATE, PROOF_BUDGET)
    edges = [edge for edge in tree.root.edges if moves is None or edge.move in moves]
    edges.sort(key=lambda edge: (edge.visits, edge.q if edge.visits else 0.0, edge.prior), reverse=True)
    found = [Ranked(edge, edge.q if edge.visits else tree.value, prover.after(tree.root, edge)) for edge in edges]
    return sorted(found, key=lambda move: _by_mate(move.mate), reverse=True)  # stable: the rest keeps its order


def info_lines(
    tree: Tree, order: Sequence[Ranked], progress: Progress, *, multipv: int, draws: Draws | None = None
) -> list[str]:
    """An ``info`` line for each of the first ``multipv`` moves of ``order`` that was visited, and always for the first.

    ``draws``: given, the lines have ``wdl``.
    """
    shown = [move for place, move in enumerate(order[:multipv]) if move.edge.visits or place == 0]
    drawn = draws([move.move for move in shown]) if draws is not None else [None] * len(shown)
    mean, greatest = tree.depth
    head = f"info depth {max(1, math.floor(mean))} seldepth {max(1, greatest)} time {round(1000 * progress.seconds)}"
    head += f" nodes {tree.root.visits}"
    if progress.visits_a_second is not None:
        head += f" nps {round(progress.visits_a_second)}"
    lines = []
    for place, (move, draw) in enumerate(zip(shown, drawn, strict=True), 1):
        score = f"cp {centipawns(move.q)}" if move.mate is None else f"mate {move.mate}"
        wdl = "" if draw is None else " wdl {} {} {}".format(*per_mille(move.q, draw))
        line = " ".join(_notation(tree.board, tree.line(after=move.move)))
        lines.append(f"{head} score {score}{wdl} multipv {place} pv {line}")
    return lines


def info_string(text: str) -> str:
    """A remark to the user, on one line."""
    return f"info string {' '.join(text.split())}"


def centipawns(q: float) -> int:
    """lc0's centipawns of a value in [−1, 1]: 90 · tan(1.5637541897 · q), from −12,780 to 12,780."""
    return round(90 * math.tan(1.5637541897 * max(-1.0, min(1.0, q))))


def per_mille(q: float, draw: float) -> tuple[int, int, int]:
    """Win, draw and loss in thousandths, which add up to 1,000, for value ``q`` and probability ``draw``.

    A value of ±1 leaves no room for a draw: ``draw`` counts up to 1 − |q|.
    """
    q = max(-1.0, min(1.0, q))
    draw = max(0.0, min(draw, 1 - abs(q)))
    win = round(500 * (1 + q - draw))
    loss = min(round(500 * (1 - q - draw)), 1000 - win)
    return win, 1000 - win - loss, loss


def _by_mate(mate: int | None) -> tuple[int, int]:
    """Sorting key: a quick mate above a slow one, above no mate, above being mated late, above being mated soon."""
    if mate is None:
        return 0, 0
    return (1, -mate) if mate > 0 else (-1, -mate)


def _notation(board: chess.Board, line: Sequence[chess.Move]) -> list[str]:
    """Moves as the protocol writes them, castling as the board's kind of chess does."""
    board = board.copy(stack=False)
    words = []
    for move in line:
        words.append(board.uci(move))
        board.push(move)
    return words
