"""The dose–response experiment: what every arm does to every choice at every strength."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import chess
import numpy as np
from numpy.typing import NDArray

from conceptmine.errors import InputError
from conceptmine.evidence.steering.amplification import SteeredAgent, amplification, steered
from conceptmine.evidence.steering.arms import Arm
from engines.chess import pack_boards
from engines.chess.transforms import policy_indices
from engines.networks import Agent
from engines.search import search

__all__ = ["Choice", "Doses", "measure_doses"]


@dataclass(frozen=True)
class Choice:
    """A position with a move that is best and one that is subpar.

    Attributes:
        board: the position, with its history.
        best: a legal move, such as that of the best line at the branch.
        subpar: another one, such as that of the line that branches off.
        group: what is independent of other groups: the game, or the root.
    """

    board: chess.Board
    best: chess.Move
    subpar: chess.Move
    group: str


@dataclass(frozen=True, eq=False)
class Doses:
    """What a arms did to n choices at k strengths.

    Attributes:
        arms: names, [a].
        alphas: float64 [k], ascending, the first one 0: the agent as it is, the same for every arm.
        groups: [n], the group of each choice.
        log_odds: float64 [a, k, n], nats. Without search log p(best) − log p(subpar) of the policy. In search
            log (N(best) + ½) − log (N(subpar) + ½), N the visits at the root.
        value: float64 [a, k, n] in [-1, 1], for the player to move: of the network, or of the searched root.
        chosen: bool [a, k, n], whether the first choice among all legal moves is the best move.
        simulations: of each search; None without search.
    """

    arms: tuple[str, ...]
    alphas: NDArray[np.float64]
    groups: NDArray[Any]
    log_odds: NDArray[np.float64]
    value: NDArray[np.float64]
    chosen: NDArray[np.bool_]
    simulations: int | None

    def place(self, name: str) -> int:
        """Where an arm stands in the arrays; raises InputError if it was not measured."""
        if name not in self.arms:
            raise InputError(f"The arm {name!r} was not measured: choose from {', '.join(self.arms)}.")
        return self.arms.index(name)


def measure_doses(
    agent: Agent,
    choices: Sequence[Choice],
    arms: Sequence[Arm],
    alphas: Sequence[float],
    *,
    simulations: int | None = None,
    preset: str = "lc0",
    seed: int = 0,
) -> Doses:
    """Steer an agent by every arm at every strength and look at its choices.

    Args:
        agent: from `engines.load_agent`.
        choices: n ≥ 1.
        arms: a ≥ 1, no two of one name.
        alphas: strengths α in (0, 1], ascending; 0 is put before them.
        simulations: None asks the network alone; otherwise each position is searched with so many visits, every leaf
            steered.
        preset, seed: of the search.

    Raises:
        InputError: nothing to measure, strengths out of order or range, two arms of one name, a move that is not legal
            or no choice, and what `amplification` raises.
    """
    strengths = np.array(alphas, dtype=np.float64)
    if not len(choices) or not len(arms):
        raise InputError("There is nothing to measure: give at least one choice and one arm.")
    if strengths.ndim != 1 or not len(strengths) or not (np.diff(np.concatenate([[0.0], strengths])) > 0).all():
        raise InputError(f"alphas are {list(alphas)}: give at least one, above 0 and ascending.")
    names = tuple(arm.name for arm in arms)
    if len(set(names)) < len(names):
        raise InputError("Two arms have the same name: give each its own.")
    for number, choice in enumerate(choices):
        for move in (choice.best, choice.subpar):
            if move not in choice.board.legal_moves:
                raise InputError(f"Choice {number}: {move.uci()} is not legal in {choice.board.fen()}.")
        if choice.best == choice.subpar:
            raise InputError(f"Choice {number}: {choice.best.uci()} is both the best and the subpar move.")
    ask = _Policies(agent, choices) if simulations is None else _Searches(agent, choices, simulations, preset, seed)
    shape = (len(arms), 1 + len(strengths), len(choices))
    log_odds, value, chosen = np.empty(shape), np.empty(shape), np.empty(shape, dtype=bool)
    log_odds[:, 0], value[:, 0], chosen[:, 0] = ask(None, 0.0)
    for place, arm in enumerate(arms):
        for dose, alpha in enumerate(strengths, start=1):
            log_odds[place, dose], value[place, dose], chosen[place, dose] = ask(arm, float(alpha))
    return Doses(
        arms=names,
        alphas=np.concatenate([[0.0], strengths]),
        groups=np.array([choice.group for choice in choices]),
        log_odds=log_odds,
        value=value,
        chosen=chosen,
        simulations=simulations,
    )


_Answer = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]


class _Policies:
    """The network alone. Positions are packed once; a search's bookkeeping would cost more than the network."""

    def __init__(self, agent: Agent, choices: Sequence[Choice]) -> None:
        self._agent = agent
        boards = [choice.board for choice in choices]
        self._packed = pack_boards(boards, agent.input_format, agent.history_fill)
        moves = [list(board.legal_moves) for board in boards]
        self._best = np.array([found.index(choice.best) for found, choice in zip(moves, choices, strict=True)])
        self._subpar = np.array([found.index(choice.subpar) for found, choice in zip(moves, choices, strict=True)])
        # Places of the legal moves among the logits, filled up with −1.
        self._legal = np.full((len(boards), max(map(len, moves))), -1)
        for row, board, found in zip(self._legal, boards, moves, strict=True):
            row[: len(found)] = policy_indices(board, found, agent.input_format)

    def __call__(self, arm: Arm | None, alpha: float) -> _Answer:
        edit = None if arm is None else {arm.layer: amplification(arm.vector, alpha=alpha, beta=arm.beta)}
        answer = self._agent.evaluate_packed(*self._packed, edit=edit)
        rows = np.arange(len(self._legal))
        logits = np.where(self._legal < 0, -np.inf, answer.logits[rows[:, None], self._legal].astype(np.float64))
        log_odds = logits[rows, self._best] - logits[rows, self._subpar]
        return log_odds, answer.value.astype(np.float64), logits.argmax(axis=1) == self._best


class _Searches:
    """One tree a choice."""

    def __init__(self, agent: Agent, choices: Sequence[Choice], simulations: int, preset: str, seed: int) -> None:
        self._agent, self._choices = agent, choices
        self._simulations, self._preset, self._seed = simulations, preset, seed

    def __call__(self, arm: Arm | None, alpha: float) -> _Answer:
        agent: Agent | SteeredAgent = self._agent
        if arm is not None:
            agent = steered(self._agent, arm.layer, arm.vector, alpha=alpha, beta=arm.beta)
        boards = [choice.board for choice in self._choices]
        trees = search(agent, boards, simulations=self._simulations, preset=self._preset, seed=self._seed)
        pairs = list(zip(trees, self._choices, strict=True))
        return (
            np.array([np.log((t.visits[c.best] + 0.5) / (t.visits[c.subpar] + 0.5)) for t, c in pairs]),
            np.array([tree.value for tree in trees]),
            np.array([tree.best_move == choice.best for tree, choice in pairs]),
        )
