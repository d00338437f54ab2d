"""What the controls say of the states of lines: value, material, the policy's opinion of each move, and the ply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import chess
import numpy as np
from numpy.typing import NDArray

from conceptmine.contrast.known.material import material as points
from conceptmine.pipeline.context import RunContext
from conceptmine.pipeline.pairs import STATES, PairTable
from conceptmine.positions import board_of, stable_rank
from conceptmine.runfolder import schemas
from engines.chess import pack_boards, policy_indices
from engines.networks import Agent

_BATCH: Final = 256
READOUT_STATES: Final = 1_000
"""Most states of the mining side that read-outs are fitted on."""

ROW_CONTROLS: Final = ("value head", "policy", "material")


@dataclass(frozen=True)
class Readings:
    """Controls at states, as their player to move sees them; NaN at states that were not asked about.

    ``value`` float64 [states] in [−1, 1]; ``material`` [states], in pawns; ``policy`` [states], the log-probability of
    the last move of the path, NaN at a root; ``ply`` [states], from the start of the game; ``mined`` int64: states of
    the mining side, to fit read-outs on. ``log_prior`` maps (position, path) to the log-probability of the path's last
    move.
    """

    value: NDArray[np.float64]
    material: NDArray[np.float64]
    policy: NDArray[np.float64]
    ply: NDArray[np.float64]
    mined: NDArray[np.int64]
    paths: tuple[tuple[str, str], ...]
    log_prior: Mapping[tuple[str, str], float]

    def row_controls(self, pairs: PairTable, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Best line minus subpar line for `ROW_CONTROLS`, float64 [rows, 3], as the chooser at the branch sees it.

        Where the opponent chose (odd branches), his best line is the worse one for the root's player. The policy is
        that of the branch: log-probability of the best line's move there minus that of the subpar one.
        """
        # Both states of a pair stand at one depth, so that the player to move there is the same.
        sees = np.where((pairs.ply[rows] - pairs.branch[rows]) % 2 == 0, 1.0, -1.0)
        value, material = (
            sees * (read[pairs.plus[rows]] - read[pairs.minus[rows]]) for read in (self.value, self.material)
        )
        policy = [
            self._at_branch(pairs.plus[row], pairs.branch[row]) - self._at_branch(pairs.minus[row], pairs.branch[row])
            for row in rows
        ]
        return np.stack([value, np.array(policy, dtype=np.float64), material], axis=1)

    def _at_branch(self, state: int, branch: int) -> float:
        position_id, path = self.paths[state]
        return self.log_prior[position_id, " ".join(path.split()[: branch + 1])]

    def targets(self) -> dict[str, NDArray[np.float64]]:
        """What read-outs are fitted to at the states `mined`, by name."""
        return {
            name: read[self.mined]
            for name, read in (
                ("value", self.value),
                ("policy", self.policy),
                ("material", self.material),
                ("ply", self.ply),
            )
        }


def read_states(context: RunContext, pairs: PairTable, tested: NDArray[np.bool_], mined: NDArray[np.bool_]) -> Readings:
    """Ask the agent about all states of the tested roots, and about up to `READOUT_STATES` of the mined ones."""
    states = context.folder.read_table("scratch/states", STATES)
    records = {row["position_id"]: row for row in context.folder.read_table("positions", schemas.POSITIONS)}
    place = {position_id: number for number, position_id in enumerate(pairs.positions)}
    paths = tuple((row["position_id"], row["path"]) for row in states)
    at = np.array([place[position_id] for position_id, _ in paths])
    fitted = sorted(
        np.flatnonzero(mined[at]).tolist(),
        key=lambda state: stable_rank(context.settings.seed, "readout", *paths[state]),
    )[:READOUT_STATES]
    wanted = sorted({*np.flatnonzero(tested[at]).tolist(), *fitted})
    value, material, policy, ply = np.full((4, len(states)), np.nan)
    log_prior: dict[tuple[str, str], float] = {}
    # A path's moves are judged at the positions before them; those come first, then what only needs a value.
    queue = _Queue(context.agent, log_prior)
    asked: dict[tuple[str, str], int] = {}
    for state in wanted:
        position_id, path = paths[state]
        record = records[position_id]
        moves = path.split()
        board = board_of(record["fen"], record["moves"], check=False)
        asked[position_id, path] = state
        for depth in range(len(moves) + 1):
            queue.add(position_id, moves[:depth], board, moves[depth] if depth < len(moves) else None)
            if depth < len(moves):
                board.push(chess.Move.from_uci(moves[depth]))
        material[state] = points(board, board.turn) - points(board, not board.turn)
        ply[state] = len(board.move_stack)
    queue.flush()
    for key, state in asked.items():
        value[state] = queue.values[key]
        policy[state] = log_prior.get(key, np.nan)
    return Readings(value, material, policy, ply, np.array(sorted(fitted), dtype=np.int64), paths, log_prior)


class _Queue:
    """Positions waiting for the agent: each is asked once, for its value and for every move that is played there."""

    def __init__(self, agent: Agent, log_prior: dict[tuple[str, str], float]) -> None:
        self.values: dict[tuple[str, str], float] = {}
        self._agent, self._log_prior = agent, log_prior
        self._waiting: dict[tuple[str, str], chess.Board] = {}
        self._policies: dict[tuple[str, str], dict[str, float]] = {}
        self._moves: dict[tuple[str, str], set[str]] = {}

    def add(self, position_id: str, path: Sequence[str], board: chess.Board, move: str | None) -> None:
        key = (position_id, " ".join(path))
        if key not in self._waiting and key not in self.values:
            if len(self._waiting) == _BATCH:
                self.flush()
            self._waiting[key] = board.copy()
        if move is not None:
            if key in self._policies:
                self._judge(key, move)
            else:
                self._moves.setdefault(key, set()).add(move)

    def flush(self) -> None:
        boards = list(self._waiting.values())
        if not boards:
            return
        agent = self._agent
        masks, planes = pack_boards(boards, agent.input_format, agent.history_fill)
        answer = agent.evaluate_packed(masks, planes)
        for key, board, value, logits in zip(self._waiting, boards, answer.value, answer.logits, strict=True):
            self.values[key] = float(value)
            self._policies[key] = _log_policy(agent, board, logits)
            for move in self._moves.pop(key, ()):
                self._judge(key, move)
        self._waiting.clear()

    def _judge(self, key: tuple[str, str], move: str) -> None:
        position_id, path = key
        self._log_prior[position_id, f"{path} {move}".strip()] = self._policies[key][move]


def _log_policy(agent: Agent, board: chess.Board, logits: NDArray[np.float32]) -> dict[str, float]:
    """Log-probability of each legal move, by UCI; empty where the game is over."""
    legal = list(board.legal_moves)
    if not legal:
        return {}
    chosen = logits[policy_indices(board, legal, agent.input_format)].astype(np.float64)
    chosen -= chosen.max()
    chosen -= np.log(np.exp(chosen).sum())
    return {move.uci(): float(number) for move, number in zip(legal, chosen, strict=True)}


__all__ = ["READOUT_STATES", "ROW_CONTROLS", "Readings", "read_states"]
