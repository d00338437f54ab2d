"""Rows of a test suite: after the best move of a puzzle and after moves worth less, searched on for some plies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import chess
import numpy as np
from numpy.typing import NDArray

from conceptmine import capture
from conceptmine.contrast import ContrastRule, contrast_rows
from conceptmine.contrast.known import SearchedMove, SuitePuzzle, suite_lines
from engines import Agent, search

RULE = ContrastRule(horizon=5, players="one")
"""Lines of five plies, compared where the root's player is to move: after two plies and after four."""

ALTERNATIVES = 2
"""Moves with fewer points that a puzzle's best move is held against: those that the agent's policy likes best."""


@dataclass(frozen=True, eq=False)
class SuiteRows:
    """m rows of a suite.

    puzzles     the puzzles that gave rows, in the file's order.
    skipped     how many gave none, because a line ended early.
    puzzle      int64 [m], the row's puzzle as an index into `puzzles`.
    plies       int64 [m], 2 or 4.
    activations layer → float32 [p, d] at p positions.
    value       float32 [p], the agent's w − l at these, for the side to move, who is the root's player.
    plus, minus int64 [m], the row's two positions as indices into them.
    """

    puzzles: list[SuitePuzzle]
    skipped: int
    puzzle: NDArray[np.int64]
    plies: NDArray[np.int64]
    activations: dict[str, NDArray[np.float32]]
    value: NDArray[np.float32]
    plus: NDArray[np.int64]
    minus: NDArray[np.int64]

    def differences(self, layer: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """z⁺ − z⁻ of some rows, float64 [len(rows), d]."""
        activations = self.activations[layer]
        return activations[self.plus[rows]].astype(np.float64) - activations[self.minus[rows]]


def suite_rows(
    agent: Agent, puzzles: Sequence[SuitePuzzle], layers: Sequence[str], simulations: int, seed: int
) -> SuiteRows:
    """Search the position after each move that is compared, and read the layers along the lines."""
    searched = _searched(agent, puzzles, simulations, seed)
    boards: list[chess.Board] = []
    place: dict[tuple[int, tuple[chess.Move, ...]], int] = {}
    kept: list[SuitePuzzle] = []
    rows: list[tuple[int, int, int, int]] = []
    for puzzle, moves in zip(puzzles, searched, strict=True):
        lines = suite_lines(puzzle, moves, RULE)
        compared = contrast_rows(lines, RULE) if lines is not None else []
        compared = [row for row in compared if all(_goes_on(puzzle.board, line) for line in (row.plus, row.minus))]
        if not compared:
            continue
        for row in compared:
            ends = []
            for line in (row.plus, row.minus):
                key = (len(kept), line)
                if key not in place:
                    place[key] = len(boards)
                    boards.append(_after(puzzle.board, line))
                ends.append(place[key])
            rows.append((len(kept), row.ply, ends[0], ends[1]))
        kept.append(puzzle)
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return SuiteRows(
        puzzles=kept,
        skipped=len(puzzles) - len(kept),
        puzzle=table[:, 0],
        plies=table[:, 1],
        activations=capture(agent, boards, layers),
        value=agent.evaluate(boards).value,
        plus=table[:, 2],
        minus=table[:, 3],
    )


def _searched(agent: Agent, puzzles: Sequence[SuitePuzzle], simulations: int, seed: int) -> list[list[SearchedMove]]:
    """For each puzzle its best move (of several the one of the highest prior) and the likeliest ones worth less."""
    policies = agent.evaluate([puzzle.board for puzzle in puzzles]).policy
    chosen = []
    for puzzle, policy in zip(puzzles, policies, strict=True):
        order = sorted(policy, key=lambda move: (-policy[move], move.uci()))
        best = [move for move in order if move in puzzle.best][:1]
        chosen.append(best + [move for move in order if move not in puzzle.best][:ALTERNATIVES])
    places = [
        (index, move)
        for index, (puzzle, moves) in enumerate(zip(puzzles, chosen, strict=True))
        for move in moves
        if _goes_on(puzzle.board, (move,))
    ]
    trees = search(
        agent, [_after(puzzles[i].board, (move,)) for i, move in places], simulations=simulations, seed=seed, threads=2
    )
    found: list[list[SearchedMove]] = [[] for _ in puzzles]
    for (index, move), tree in zip(places, trees, strict=True):
        found[index].append(SearchedMove((move, *tree.line()), -tree.value))
    return found


def _after(board: chess.Board, line: Sequence[chess.Move]) -> chess.Board:
    there = board.copy()
    for move in line:
        there.push(move)
    return there


def _goes_on(board: chess.Board, line: Sequence[chess.Move]) -> bool:
    return any(_after(board, line).legal_moves)
