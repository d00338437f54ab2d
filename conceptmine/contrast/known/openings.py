"""Openings, by the named lines that a game has passed through, whatever the order of its moves.

Lines are read from TSV files with the columns ``eco``, ``name`` and ``pgn``, as the collection of lichess has them;
none is shipped. A game has a line if its position after the line's last move occurred in it.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import chess
import numpy as np

from conceptmine.contrast.known.concept import ConceptValues
from conceptmine.errors import InputError
from conceptmine.positions import transposition_key

__all__ = ["OpeningBook", "OpeningLine", "opening_concepts", "opening_files", "read_openings"]

_COLUMNS: Final = ["eco", "name", "pgn"]


@dataclass(frozen=True)
class OpeningLine:
    """A named line.

    Attributes:
        eco: its code, a letter from A to E and two digits.
        name: in full, such as "Sicilian Defense: Najdorf Variation".
        plies: its length.
    """

    eco: str
    name: str
    plies: int

    @property
    def family(self) -> str:
        """The name up to its colon: the opening that the line belongs to."""
        return self.name.partition(":")[0].strip()


@dataclass(frozen=True)
class OpeningBook:
    """Named lines by the position that they end in (its `transposition_key`)."""

    lines: dict[str, OpeningLine]

    def passed(self, board: chess.Board) -> tuple[OpeningLine, ...]:
        """The lines whose last position occurred in the game on the board's move stack, in the game's order.

        None for a game that does not begin at the usual start, or a board without a history.
        """
        moves = board.move_stack
        if not moves or board.root().fen() != chess.STARTING_FEN:
            return ()
        there = chess.Board()
        longest = max((line.plies for line in self.lines.values()), default=0)
        found = []
        for move in moves[:longest]:
            there.push(move)
            line = self.lines.get(transposition_key(there))
            if line is not None:
                found.append(line)
        return tuple(found)


def opening_files(folder: Path) -> list[Path]:
    """The TSV files of a folder that `read_openings` reads, in its order.

    Raises:
        InputError: there is no such folder or no TSV file in it.
    """
    files = sorted(folder.glob("*.tsv")) if folder.is_dir() else []
    if not files:
        raise InputError(f"There is no TSV file in {folder}: give a folder of opening lines (eco, name, pgn).")
    return files


def read_openings(folder: Path) -> OpeningBook:
    """Read all TSV files of a folder.

    Raises:
        InputError: there is no such folder or no TSV file in it; a file has other columns, or a line that cannot be
            played.
    """
    lines: dict[str, OpeningLine] = {}
    for path in opening_files(folder):
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t")
            if rows.fieldnames is None or list(rows.fieldnames) != _COLUMNS:
                raise InputError(f"{path} has the columns {rows.fieldnames}: give a file with {', '.join(_COLUMNS)}.")
            for row in rows:
                board = _played(row["pgn"], f"{path}, line {rows.line_num}")
                lines.setdefault(transposition_key(board), OpeningLine(row["eco"], row["name"], board.ply()))
    return OpeningBook(lines)


def opening_concepts(
    book: OpeningBook, boards: Sequence[chess.Board], *, fewest: int, general: int, specific: int
) -> list[ConceptValues]:
    """The most frequent openings among some games as binary concepts.

    General ones are the five letters of ECO and families ("Sicilian Defense"), by the last named line that the game has
    passed; specific ones are lines with a colon in their name, by whether the game has passed them.

    Args:
        book: named lines.
        boards: n positions with their history.
        fewest: positions that must have an opening, and that must not.
        general: most families.
        specific: most lines.

    Returns:
        Concepts of the families "openings, general" and "openings, specific", matched by ply; the most frequent first,
        equals by name. A position that has passed no named line is on neither side.
    """
    passed = [book.passed(board) for board in boards]
    letters = [{lines[-1].eco[:1]} if lines else set() for lines in passed]
    families = [{lines[-1].family} if lines else set() for lines in passed]
    names = [{line.name for line in lines if ":" in line.name} for lines in passed]
    known = np.array([bool(lines) for lines in passed])
    concepts = []
    for kind, labels, most, what in (
        ("general", letters, 5, "has an ECO code that begins with {}"),
        ("general", families, general, "passed a line of the {} last"),
        ("specific", names, specific, "passed the position of the {}"),
    ):
        counts = Counter(label for found in labels for label in found)
        frequent = [
            label
            for label, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            if fewest <= count <= known.sum() - fewest
        ]
        for label in frequent[:most]:
            has = np.array([label in found for found in labels], dtype=np.float64)
            name = f"ECO {label}" if labels is letters else label
            definition = f"1 if the game {what.format(label)}, else 0."
            concepts.append(ConceptValues(name, f"openings, {kind}", definition, "ply", np.where(known, has, np.nan)))
    return concepts


def _played(movetext: str, place: str) -> chess.Board:
    board = chess.Board()
    for word in movetext.split():
        if word[0].isdigit():
            continue
        try:
            board.push_san(word)
        except ValueError:
            raise InputError(f"{place} has the move {word}, which cannot be played there: correct the file.") from None
    return board
