"""Test suites as dynamic concepts: what the best move of a puzzle does that moves worth less do not.

Suites are read from EPD files by path; none is shipped. The points of moves stand in ``c8`` with the moves in ``c9``,
as in the Strategic Test Suite; where these are missing the moves of ``bm`` have 10 points and all others none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import chess

from conceptmine.contrast.lines import Lines, SubparLine
from conceptmine.contrast.rule import ContrastRule
from conceptmine.errors import InputError

__all__ = ["FULL_POINTS", "SearchedMove", "SuitePuzzle", "read_suite", "suite_lines"]

FULL_POINTS: Final = 10
"""Points of a best move."""

_IDENTITY: Final = re.compile(r"(?P<part>\S+\(v[\d.]+\))? ?(?P<name>.*?)\.?(?P<number>\d+)")


@dataclass(frozen=True)
class SuitePuzzle:
    """A position with the points of its moves.

    Attributes:
        puzzle_id: as the file names it.
        theme: the part of the suite that it belongs to, under the name that most of its puzzles have.
        board: the position.
        points: legal move -> points above 0; all other moves have none.
    """

    puzzle_id: str
    theme: str
    board: chess.Board
    points: Mapping[chess.Move, int]

    @property
    def best(self) -> tuple[chess.Move, ...]:
        """The moves with most points."""
        most = max(self.points.values())
        return tuple(move for move, points in self.points.items() if points == most)


@dataclass(frozen=True)
class SearchedMove:
    """A root move with the line that a search goes on with.

    Attributes:
        line: the move itself and what follows, at least one move.
        q: its value in [-1, 1] for the player who makes it.
    """

    line: tuple[chess.Move, ...]
    q: float


def read_suite(path: Path) -> list[SuitePuzzle]:
    """Read an EPD file of puzzles.

    Raises:
        InputError: the file is missing or empty; or a line is no position with an id and points, or names a move that
            is not legal.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}: give an EPD file of puzzles.")
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            found.append(_puzzle(line.strip(), f"{path}, line {number}"))
    if not found:
        raise InputError(f"{path} holds no puzzle: give an EPD file of puzzles.")
    names: dict[str, Counter[str]] = {}
    for part, name, _ in found:
        names.setdefault(part, Counter())[name] += 1
    usual = {part: counts.most_common(1)[0][0] for part, counts in names.items()}
    return [SuitePuzzle(puzzle.puzzle_id, usual[part], puzzle.board, puzzle.points) for part, _, puzzle in found]


def suite_lines(puzzle: SuitePuzzle, searched: Sequence[SearchedMove], rule: ContrastRule) -> Lines | None:
    """The line after a best move of a puzzle against the lines after moves with fewer points.

    The label is the suite's, not the search's: a move counts as best by its points, whatever its value.

    Args:
        puzzle: position and points.
        searched: lines after root moves; the first with most points is the best line, and each with fewer points is a
            subpar line that leaves it at the root.
        rule: its horizon is the length that lines must have; longer ones are cut.

    Returns:
        The lines; None if the best line or all others are shorter than the horizon.
    """
    long_enough = [move for move in searched if len(move.line) >= rule.horizon]
    best = next((move for move in long_enough if move.line[0] in puzzle.best), None)
    if best is None:
        return None
    subpar = tuple(
        SubparLine(0, move.line[: rule.horizon], best.q, move.q)
        for move in long_enough
        if move.line[0] not in puzzle.best
    )
    return Lines(puzzle.board.copy(), best.line[: rule.horizon], subpar) if subpar else None


def _puzzle(line: str, place: str) -> tuple[str, str, SuitePuzzle]:
    board = chess.Board()
    try:
        operations = board.set_epd(line)
    except ValueError as error:
        raise InputError(f"{place} cannot be read ({error}): correct the file.") from None
    if not board.is_valid():
        raise InputError(f"{place} has a position that is not legal: correct the file.")
    identity = operations.get("id")
    match = _IDENTITY.fullmatch(identity) if isinstance(identity, str) else None
    if match is None:
        raise InputError(f'{place} has no id that ends in a number: give each puzzle one, such as "Theme.001".')
    points = _points(board, operations, place)
    name = match["name"].strip()
    return match["part"] or name, name, SuitePuzzle(match[0], name, board, points)


def _points(board: chess.Board, operations: Mapping[str, object], place: str) -> dict[chess.Move, int]:
    moves, scores = operations.get("c9"), operations.get("c8")
    if isinstance(moves, str) and isinstance(scores, str):
        words, numbers = moves.split(), scores.split()
        if len(words) != len(numbers) or not all(number.isdecimal() for number in numbers):
            raise InputError(f"{place} has other numbers of moves (c9) and points (c8): correct the file.")
        try:
            points = {chess.Move.from_uci(word): int(number) for word, number in zip(words, numbers, strict=True)}
        except ValueError:
            raise InputError(f"{place} has a move in c9 that is not UCI: correct the file.") from None
    else:
        best = operations.get("bm")
        points = dict.fromkeys(best, FULL_POINTS) if isinstance(best, list) else {}
    points = {move: count for move, count in points.items() if count > 0}
    if not points:
        raise InputError(f"{place} says of no move that it is good (c8 and c9, or bm): give puzzles with a best move.")
    for move in points:
        if not board.is_legal(move):
            raise InputError(f"{place} gives points to {move.uci()}, which is not legal there: correct the file.")
    return points
