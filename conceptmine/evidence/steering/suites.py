"""Test suites: positions whose good moves somebody has named or scored, and how many points an agent gets there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import chess
import numpy as np
from numpy.typing import NDArray

from conceptmine.errors import InputError
from engines.networks import Evaluation
from engines.search import search
from engines.search.growing import Evaluator

__all__ = ["SuitePosition", "SuiteScore", "read_suite", "suite_score"]

_SCORED = re.compile(r"^\s*(\S+?)\s*=\s*(\d+)\s*$")
_NUMBER = re.compile(r"[.\s]*\d+\s*$")


@dataclass(frozen=True)
class SuitePosition:
    """One position of a suite.

    Attributes:
        name: its ``id``; "" if it has none.
        board: the position; suites know no history.
        points: what each move that brings any is worth, as a share of the best one, in (0, 1].
    """

    name: str
    board: chess.Board
    points: Mapping[chess.Move, float]

    @property
    def theme(self) -> str:
        """The name without the number at its end: what the Strategic Test Suite calls a theme."""
        return _NUMBER.sub("", self.name)

    @property
    def best(self) -> tuple[chess.Move, ...]:
        """The moves worth most."""
        most = max(self.points.values())
        return tuple(move for move, worth in self.points.items() if worth == most)


@dataclass(frozen=True, eq=False)
class SuiteScore:
    """What an agent got.

    Attributes:
        moves: its move in each position.
        points: float64 [n] in [0, 1], what each was worth.
    """

    moves: tuple[chess.Move, ...]
    points: NDArray[np.float64]

    @property
    def share(self) -> float:
        """The mean, in [0, 1]."""
        return float(self.points.mean())


class _Evaluating(Evaluator, Protocol):
    """What a suite asks of an agent; `engines.networks.Agent` and `SteeredAgent` have it."""

    @property
    def evaluate(self) -> Any:
        """Boards to an `Evaluation`."""


def read_suite(path: Path) -> list[SuitePosition]:
    """Read a suite in Extended Position Description.

    Points are those of ``c0`` where it holds scored moves ("Rd1=10, Qe2=4", as in the Strategic Test Suite), divided by
    the largest; else every move of ``bm`` brings the whole point, or every move that is none of ``am``. Empty lines are
    passed over.

    Raises:
        InputError: a file that cannot be read, or a line that is no EPD, has none of these, or names a move that is not
            legal; the message has its number.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): give a text file of EPD lines.") from None
    found = [_position(line, path, number) for number, line in enumerate(lines, start=1) if line.strip()]
    if not found:
        raise InputError(f"{path} holds no positions: give a file of EPD lines.")
    return found


def suite_score(
    agent: _Evaluating, suite: Sequence[SuitePosition], *, simulations: int | None = None, seed: int = 0
) -> SuiteScore:
    """Let an agent, steered or not, choose a move in every position.

    Args:
        agent: from `engines.load_agent` or `steered`.
        suite: n ≥ 1 positions.
        simulations: None takes the first choice of the policy; otherwise each position is searched with so many visits.
        seed: of the search.

    Raises:
        InputError: no positions.
    """
    if not suite:
        raise InputError("The suite is empty: give at least one position.")
    boards = [position.board for position in suite]
    if simulations is None:
        evaluation: Evaluation = agent.evaluate(boards)
        moves = [max(policy, key=policy.__getitem__) for policy in evaluation.policy]
    else:
        moves = [tree.best_move for tree in search(agent, boards, simulations=simulations, seed=seed)]
    points = [position.points.get(move, 0.0) for position, move in zip(suite, moves, strict=True)]
    return SuiteScore(tuple(moves), np.array(points))


def _position(line: str, path: Path, number: int) -> SuitePosition:
    board = chess.Board()
    try:
        operations = board.set_epd(line)
    except ValueError as error:
        raise InputError(f"{path}, line {number}: {error}.") from None
    scored = _scored(board, str(operations.get("c0", "")), f"{path}, line {number}")
    if not scored:
        best, avoided = (_moves(operations.get(name)) for name in ("bm", "am"))
        scored = dict.fromkeys(best or (set(board.legal_moves) - avoided if avoided else ()), 1.0)
    if not scored:
        raise InputError(f"{path}, line {number}: neither bm, am nor a c0 with scored moves says which move is good.")
    return SuitePosition(str(operations.get("id", "")), board, scored)


def _moves(operand: object) -> set[chess.Move]:
    return set(operand) if isinstance(operand, list) else set()


def _scored(board: chess.Board, text: str, where: str) -> dict[chess.Move, float]:
    parts = [_SCORED.match(part) for part in text.split(",")]
    if not text or not all(parts):
        return {}
    scores: dict[chess.Move, float] = {}
    for part in parts:
        assert part is not None
        try:
            scores[board.parse_san(part[1])] = float(part[2])
        except ValueError:
            raise InputError(f"{where}: c0 scores {part[1]}, which is no legal move there.") from None
    most = max(scores.values())
    return {move: score / most for move, score in scores.items() if score > 0}
