"""Real activations with no meaning in their sign: differences of positions on two lines from one root.

From each root the agent's two most probable moves open two lines, both continued by the agent's most probable moves.
The lines are what search lines look like to a layer, without the price of a search. Which of the two is called the
better one is left to whoever uses the rows: a coin, where nothing must be found.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import chess
import numpy as np
from numpy.typing import NDArray

from conceptmine.activations import capture
from conceptmine.errors import InputError
from conceptmine.positions import GameRecord, path_id, sample_positions, transposition_key
from engines.networks import Agent
from engines.selfplay.policy_games import play_policy_games

__all__ = ["PLIES", "Siblings", "continued", "contrast_of", "own_games", "roots_of", "sibling_rows"]

PLIES: Final = (2, 4, 6)
"""Plies below the root at which positions are compared: the root's player is to move, as with ``players="one"``."""

_LONGEST: Final = 120
_SPARE: Final = (1.3, 3.0, 8.0)
"""Games played for a root, tried in this order: some end before they have one, and some lines before their last ply."""


@dataclass(frozen=True, eq=False)
class Siblings:
    """Differences of two lines, root by root.

    differences  float32 [r, p, d]: activations on the first line minus those on the second, at each of `PLIES`.
    boards       the roots, with their history; r of them, each of a game of its own.
    """

    differences: NDArray[np.float32]
    boards: tuple[chess.Board, ...]

    def __len__(self) -> int:
        """Number of roots, r."""
        return len(self.boards)


def own_games(agent: Agent, count: int, *, seed: int) -> list[GameRecord]:
    """Different games that an agent plays by its own policy from the start position; at most `count`."""
    played = play_policy_games(agent, [()] * count, temperature=1.0, longest=_LONGEST, seed=seed)
    games = (GameRecord(path_id(None, moves), None, moves, result) for moves, result in played)
    return list({game.game_id: game for game in games}.values())


def roots_of(games: Sequence[GameRecord], *, seed: int) -> list[chess.Board]:
    """One position of each game after its twelfth ply, no position twice, with its history."""
    return [position.board() for position in sample_positions(games, per_game=1, seed=seed)]


def sibling_rows(agent: Agent, layer: str, roots: int, *, seed: int, games: Sequence[GameRecord] | None) -> Siblings:
    """So many roots and their two lines.

    Args:
        agent: plays the lines, and the games where none are given.
        layer: whose activations are compared.
        roots: how many, r.
        seed: of games and positions.
        games: to take one root each from; None for games of the agent's own.

    Raises:
        InputError: the games give fewer roots.
    """
    if games is not None:
        return _enough(agent, layer, roots, games, seed)
    for spare in _SPARE[:-1]:
        with suppress(InputError):
            return _enough(agent, layer, roots, own_games(agent, int(spare * roots) + 16, seed=seed), seed)
    return _enough(agent, layer, roots, own_games(agent, int(_SPARE[-1] * roots) + 16, seed=seed), seed)


def _enough(agent: Agent, layer: str, roots: int, games: Sequence[GameRecord], seed: int) -> Siblings:
    boards = roots_of(games, seed=seed)
    if not boards:
        raise InputError(f"{len(games)} games hold no position after their twelfth ply: give longer ones.")
    first, second = _two_choices(agent, boards)
    found = contrast_of(agent, agent, layer, boards, first, second)
    if len(found) < roots:
        raise InputError(
            f"{len(games)} games give {len(found)} roots with two lines of {PLIES[-1]} plies, and {roots} are needed:"
            " give more games or fewer --roots."
        )
    return Siblings(found.differences[:roots], found.boards[:roots])


def contrast_of(
    player: Agent,
    reader: Agent,
    layer: str,
    boards: Sequence[chess.Board],
    first: Sequence[chess.Move],
    second: Sequence[chess.Move],
) -> Siblings:
    """The differences of two lines that open with the given moves and go on with a player's most probable ones.

    Roots are left out where a line ends before its last ply, or where both lines come to one position at a compared
    ply: that difference would be zero, and no margin could be kept.

    Args:
        player: continues the lines.
        reader: sees their positions.
        layer: the reader's, whose activations are compared.
        boards: the roots, with history.
        first: a legal move of each root.
        second: another one.

    Raises:
        InputError: nothing is left.
    """
    lines = [continued(player, boards, moves) for moves in (first, second)]
    kept = [
        i
        for i in range(len(boards))
        if all(line[i] is not None for line in lines) and _apart(lines[0][i] or [], lines[1][i] or [])
    ]
    if not kept:
        raise InputError(f"No position has two lines of {PLIES[-1]} plies with {player.name}: give other games.")
    plus, minus = (
        capture(reader, [board for i in kept for board in line[i] or []], [layer])[layer].reshape(
            len(kept), len(PLIES), -1
        )
        for line in lines
    )
    return Siblings(plus - minus, tuple(boards[i] for i in kept))


def continued(
    agent: Agent, boards: Sequence[chess.Board], moves: Sequence[chess.Move]
) -> list[list[chess.Board] | None]:
    """For each root the positions at `PLIES` after a move and the agent's most probable replies; None if it ends."""
    going: dict[int, chess.Board] = {}
    kept: list[list[chess.Board]] = [[] for _ in boards]
    for i, (board, move) in enumerate(zip(boards, moves, strict=True)):
        going[i] = board.copy()
        going[i].push(move)
    for ply in range(2, PLIES[-1] + 1):
        going = {i: board for i, board in going.items() if any(board.generate_legal_moves())}
        if not going:
            break
        waiting = list(going.values())
        for board, policy in zip(waiting, agent.evaluate(waiting).policy, strict=True):
            board.push(max(policy, key=policy.__getitem__))
        if ply in PLIES:
            for i, board in going.items():
                kept[i].append(board.copy())
    return [states if len(states) == len(PLIES) else None for states in kept]


def _two_choices(agent: Agent, boards: Sequence[chess.Board]) -> tuple[list[chess.Move], list[chess.Move]]:
    first, second = [], []
    for policy in agent.evaluate(boards).policy:
        ordered = sorted(policy, key=policy.__getitem__, reverse=True)  # stable: of equals the first legal one
        first.append(ordered[0])
        second.append(ordered[1])
    return first, second


def _apart(first: Sequence[chess.Board], second: Sequence[chess.Board]) -> bool:
    return all(transposition_key(a) != transposition_key(b) for a, b in zip(first, second, strict=True))
