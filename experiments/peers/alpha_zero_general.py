"""Tree search in the design of alpha-zero-general, the Python reading of AlphaZero that most projects start from.

Written anew after that design, not from its code: dictionaries keyed by a state's string and by (string, action), FEN
as the string, a board copied for every step, a loop over the whole vector of 4,672 actions (64 squares × 73 planes) for
each choice with a numpy mask of the valid ones, recursion, one evaluation a call. The formula is the published
pseudocode's, as in preset "alphazero", so that both must choose alike as long as no state is reached by two ways: the
dictionaries count such a state once, a tree twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import chess
import numpy as np
from numpy.typing import NDArray

from engines.search import PRESETS

ACTIONS = 64 * 73
Predict = Callable[[chess.Board], tuple[NDArray[np.float32], float]]
"""Gives the policy float32 [4672] (positive, any sum) and w − l of a position."""

_QUEEN_STEPS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
_KNIGHT_STEPS = ((1, 2), (2, 1), (2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2))
_UNDERPROMOTIONS = (chess.KNIGHT, chess.BISHOP, chess.ROOK)
_SETTINGS = PRESETS["alphazero"]
_TINY = 1e-8  # lets the policy decide where nothing was visited yet


def _plane(move: chess.Move) -> int:
    """Which of the 73 planes a move of White belongs to: 56 queen steps, 8 knight steps, 9 underpromotions."""
    files = chess.square_file(move.to_square) - chess.square_file(move.from_square)
    ranks = chess.square_rank(move.to_square) - chess.square_rank(move.from_square)
    if move.promotion in _UNDERPROMOTIONS:
        return 64 + 3 * (files + 1) + _UNDERPROMOTIONS.index(move.promotion)
    if (files, ranks) in _KNIGHT_STEPS:
        return 56 + _KNIGHT_STEPS.index((files, ranks))
    distance = max(abs(files), abs(ranks))
    return 7 * _QUEEN_STEPS.index((files // distance, ranks // distance)) + distance - 1


def action_of(board: chess.Board, move: chess.Move) -> int:
    """Place of a move in the vector of actions, as the side to move sees the board."""
    turn = 0 if board.turn else 56
    seen = chess.Move(move.from_square ^ turn, move.to_square ^ turn, move.promotion)
    return 73 * seen.from_square + _plane(seen)


class StateSearch:
    """What is known of each state and of each action in it, by string."""

    def __init__(self, predict: Predict) -> None:
        self._predict = predict
        self._mean: dict[tuple[str, int], float] = {}
        self._tried: dict[tuple[str, int], int] = {}
        self._visits: dict[str, int] = {}
        self._policy: dict[str, NDArray[np.float32]] = {}
        self._valid: dict[str, NDArray[np.uint8]] = {}
        self._moves: dict[str, dict[int, chess.Move]] = {}
        self._ended: dict[str, float | None] = {}

    def run(self, board: chess.Board, simulations: int) -> dict[chess.Move, int]:
        """Search a position; visits of each legal move, with those of earlier searches that came by."""
        state = board.fen()
        self._ended[state] = None
        if state not in self._policy:
            self._expand(state, board)
            self._visits[state] = 0  # the pseudocode does not count the root's own evaluation
        for _ in range(simulations):
            self._simulate(board)
        return {move: self._tried.get((state, action), 0) for action, move in self._moves[state].items()}

    @property
    def states(self) -> int:
        """How many different states were reached."""
        return len(self._ended)

    def _simulate(self, board: chess.Board) -> float:
        """One simulation from a state; its value for the player who moved there."""
        state = board.fen()
        if state not in self._ended:
            self._ended[state] = result_of(board)
        ended = self._ended[state]
        if ended is not None:
            return -ended
        if state not in self._policy:
            return -self._expand(state, board)
        action = self._choose(state)
        following = board.copy(stack=False)
        following.push(self._moves[state][action])
        value = self._simulate(following)
        known = (state, action)
        tried = self._tried.get(known, 0)
        self._mean[known] = (tried * self._mean.get(known, 0.0) + value) / (tried + 1)
        self._tried[known] = tried + 1
        self._visits[state] += 1
        return -value

    def _expand(self, state: str, board: chess.Board) -> float:
        policy, value = self._predict(board)
        moves = {action_of(board, move): move for move in board.legal_moves}
        valid = np.zeros(ACTIONS, dtype=np.uint8)
        valid[list(moves)] = 1
        policy = policy * valid
        self._policy[state] = policy / policy.sum()
        self._valid[state], self._moves[state], self._visits[state] = valid, moves, 1
        return value

    def _choose(self, state: str) -> int:
        valid, policy, visits = self._valid[state], self._policy[state], self._visits[state]
        growth = _SETTINGS.c_puct + _SETTINGS.c_factor * math.log((visits + _SETTINGS.c_base + 1) / _SETTINGS.c_base)
        scale = 2.0 * growth * math.sqrt(visits + _TINY)  # values are in [-1, 1], the pseudocode's in [0, 1]
        best, best_score = -1, -math.inf
        for action in range(ACTIONS):
            if valid[action]:
                known = (state, action)
                if known in self._mean:
                    score = self._mean[known] + scale * policy[action] / (1 + self._tried[known])
                else:
                    score = -1.0 + scale * policy[action]
                if score > best_score:
                    best, best_score = action, score
        return best


def result_of(board: chess.Board) -> float | None:
    """What a finished game is worth to the side to move, None if it goes on. Repetitions are not seen: no history."""
    if not any(board.generate_legal_moves()):
        return -1.0 if board.is_check() else 0.0
    return 0.0 if board.is_insufficient_material() or board.halfmove_clock >= 100 else None
