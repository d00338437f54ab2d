"""Test suites: puzzles in Extended Position Description, with what their moves are worth.

Suites are read by path; none is shipped. As dynamic concepts, they show what the best move of a puzzle does that moves
worth less do not (`suite_lines`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import chess

from conceptmine.contrast.lines import Lines, SubparLine
from conceptmine.contrast.rule import ContrastRule
from conceptmine.errors import InputError

__all__ = ["SearchedMove", "SuitePuzzle", "read_suite", "suite_lines"]

_SCORED: Final = re.compile(r"\s*(\S+?)\s*=\s*(\d+)\s*")
_IDENTITY: Final = re.compile(r"(?P<part>\S+\(v[\d.]+\))? ?(?P<name>.*?)\.?(?P<number>\d+)")


@dataclass(frozen=True)
class SuitePuzzle:
    """A position with the points of its moves.

    Attributes:
        puzzle_id: its ``id`` in the file; "" if it has none.
        theme: the part of the suite that it belongs to, under the name that most of its puzzles have; "" where themes
            were not asked for.
        board: the position; suites know no history.
        points: what each legal move that brings any is worth, as a share of the best one's points, in (0, 1].
    """

    puzzle_id: str
    theme: str
    board: chess.Board
    points: Mapping[chess.Move, float]

    @property
    def best(self) -> tuple[chess.Move, ...]:
        """The moves worth most."""
        return tuple(move for move, share in self.points.items() if share == 1.0)


@dataclass(frozen=True)
class SearchedMove:
    """A root move with the line that a search goes on with.

    Attributes:
        line: the move itself and what follows, at least one move.
        q: its value in [-1, 1] for the player who makes it.
    """

    line: tuple[chess.Move, ...]
    q: float


def read_suite(path: Path, *, themes: bool = False) -> list[SuitePuzzle]:
    """Read an EPD file of puzzles.

    Points are the numbers of ``c8`` for the UCI moves of ``c9``, as in the Strategic Test Suite; else those of ``c0``
    where it scores moves ("Rd1=10, Qe2=4"), divided by the largest; else all moves of ``bm`` are worth the same, or
    all moves that are none of ``am``. Empty lines are passed over.

    Args:
        path: of the file.
        themes: whether puzzles belong to themes: then each has an ``id`` that ends in a number, as "Theme.001" or
            "Suite(v1.0) Theme.001". What stands before the name, if anything, says which puzzles make a theme.

    Raises:
        InputError: the file cannot be read or is empty; or a line is no legal position, says of no move that it is
            good, names a move that is not legal, or has no id with a number where themes are asked for.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): give an EPD file of puzzles.") from None
    puzzles, places = [], []
    for number, line in enumerate(lines, 1):
        if line.strip():
            places.append(f"{path}, line {number}")
            puzzles.append(_puzzle(line.strip(), places[-1]))
    if not puzzles:
        raise InputError(f"{path} holds no puzzle: give an EPD file of puzzles.")
    if not themes:
        return puzzles
    parts = [_part_and_name(puzzle.puzzle_id, place) for puzzle, place in zip(puzzles, places, strict=True)]
    names: dict[str, Counter[str]] = {}
    for part, name in parts:
        names.setdefault(part, Counter())[name] += 1
    usual = {part: counts.most_common(1)[0][0] for part, counts in names.items()}
    return [replace(puzzle, theme=usual[part]) for puzzle, (part, _) in zip(puzzles, parts, strict=True)]


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


def _puzzle(line: str, place: str) -> SuitePuzzle:
    board = chess.Board()
    try:
        operations = board.set_epd(line)
    except ValueError as error:
        raise InputError(f"{place} cannot be read ({error}): correct the file.") from None
    if not board.is_valid():
        raise InputError(f"{place} has a position that is not legal: correct the file.")
    points = {move: count for move, count in _points(board, operations, place).items() if count > 0}
    if not points:
        raise InputError(
            f"{place} says of no move that it is good (c8 and c9, c0, bm or am): give puzzles with a best move."
        )
    for move in points:
        if not board.is_legal(move):
            raise InputError(f"{place} gives points to {move.uci()}, which is not legal there: correct the file.")
    most = max(points.values())
    return SuitePuzzle(str(operations.get("id", "")), "", board, {move: n / most for move, n in points.items()})


def _part_and_name(puzzle_id: str, place: str) -> tuple[str, str]:
    match = _IDENTITY.fullmatch(puzzle_id)
    if match is None:
        raise InputError(f'{place} has no id that ends in a number: give each puzzle one, such as "Theme.001".')
    name = match["name"].strip()
    return match["part"] or name, name


def _points(board: chess.Board, operations: Mapping[str, object], place: str) -> dict[chess.Move, int]:
    moves, numbers = operations.get("c9"), operations.get("c8")
    if isinstance(moves, str) and isinstance(numbers, str):
        return _listed(moves.split(), numbers.split(), place)
    if scored := _scored(board, str(operations.get("c0", "")), place):
        return scored
    best, avoided = operations.get("bm"), operations.get("am")
    if isinstance(best, list):
        return dict.fromkeys(best, 1)
    return {move: 1 for move in board.legal_moves if move not in avoided} if isinstance(avoided, list) else {}


def _listed(words: Sequence[str], numbers: Sequence[str], place: str) -> dict[chess.Move, int]:
    if len(words) != len(numbers) or not all(number.isdecimal() for number in numbers):
        raise InputError(f"{place} has other numbers of moves (c9) and points (c8): correct the file.")
    try:
        return {chess.Move.from_uci(word): int(number) for word, number in zip(words, numbers, strict=True)}
    except ValueError:
        raise InputError(f"{place} has a move in c9 that is not UCI: correct the file.") from None


def _scored(board: chess.Board, text: str, place: str) -> dict[chess.Move, int]:
    """Points in a comment; none if it is a comment of another kind."""
    matches = [_SCORED.fullmatch(part) for part in text.split(",")]
    found = [match for match in matches if match is not None]
    if len(found) < len(matches):
        return {}
    points = {}
    for match in found:
        try:
            points[board.parse_san(match[1])] = int(match[2])
        except ValueError:
            raise InputError(f"{place}: c0 scores {match[1]}, which is no legal move there.") from None
    return points
