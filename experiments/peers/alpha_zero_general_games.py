"""Self-play in the design of alpha-zero-general: one game at a time, one evaluation by torch a call.

What is known of a game's states is kept from move to move until it ends. The search itself is in a module of its own,
which needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import chess
import numpy as np
import torch
from numpy.typing import NDArray

from engines.chess import pack_boards, policy_indices, unpack_planes
from engines.networks import Agent
from experiments.peers.alpha_zero_general import ACTIONS, Predict, StateSearch, action_of, result_of


def torch_predict(agent: Agent) -> Predict:
    """The agent's torch module, asked for one position at a time."""

    def predict(board: chess.Board) -> tuple[NDArray[np.float32], float]:
        planes = torch.from_numpy(unpack_planes(*pack_boards([board])))
        with torch.inference_mode():
            output = agent.network(planes.contiguous(memory_format=torch.channels_last))
        win, _, loss = torch.softmax(output.value[0], dim=0).tolist()
        moves = list(board.legal_moves)
        logits = output.policy[0].numpy()[policy_indices(board, moves)]
        policy = np.zeros(ACTIONS, dtype=np.float32)
        policy[[action_of(board, move) for move in moves]] = np.exp(logits - logits.max())
        return policy, win - loss

    return predict


@dataclass(frozen=True)
class Example:
    """What is learned from: a position, the shares of visits float32 [4672], the game's result for the side to move."""

    fen: str
    policy: NDArray[np.float32]
    result: int


class SelfPlay:
    """Games against itself, one after the other; ``move`` plays one move, ``examples`` holds those of the last game.

    A game ends as the engine's do: by its rules, at the third time of a position, and drawn after ``longest`` plies.
    """

    DRAWN_BY_VISITS = 30
    """Plies of a game in which moves are drawn in proportion to their visits; after them the most visited is played."""

    def __init__(self, predict: Predict, simulations: int, longest: int, seed: int = 0) -> None:
        self._predict, self._simulations, self._longest = predict, simulations, longest
        self._generator = np.random.default_rng(seed)
        self.examples: list[Example] = []
        self._begin()

    def _begin(self) -> None:
        self._board, self._search = chess.Board(), StateSearch(self._predict)
        self._played: list[tuple[str, bool, NDArray[np.float32]]] = []

    def move(self) -> None:
        """Search, keep the targets, play; a new game begins where this one ends."""
        board = self._board
        visits = self._search.run(board, self._simulations)
        policy = np.zeros(ACTIONS, dtype=np.float32)
        policy[[action_of(board, move) for move in visits]] = list(visits.values())
        self._played.append((board.fen(), board.turn, policy / policy.sum()))
        board.push(self._choice(visits))
        result = result_of(board)
        if result is None and (board.is_repetition(3) or board.ply() >= self._longest):
            result = 0.0
        if result is not None:
            for_white = int(result if board.turn else -result)
            self.examples = [
                Example(fen, shares, for_white if turn else -for_white) for fen, turn, shares in self._played
            ]
            self._begin()

    def _choice(self, visits: dict[chess.Move, int]) -> chess.Move:
        if self._board.ply() >= self.DRAWN_BY_VISITS:
            return max(visits, key=visits.__getitem__)
        moves, counts = list(visits), np.array(list(visits.values()), dtype=np.float64)
        return moves[int(self._generator.choice(len(moves), p=counts / counts.sum()))]
