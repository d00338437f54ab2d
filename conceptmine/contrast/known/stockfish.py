"""Stockfish's classical evaluation terms, read from what its command ``eval`` prints.

An optional extra: it needs a Stockfish program that still has the classical evaluation (up to 15.1, which Debian
ships). The numbers are in pawns, from White's view as printed; concepts turn them to the side to move's.

Stockfish ends its evaluation early where a side is far ahead or the endgame is known, and then prints zeros for what it
did not work out. A position whose mobility is zero throughout was cut short before all pieces, and gives no numbers;
one whose threats and space are zero throughout may have been cut short before those, and gives none for these two.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

import chess
import numpy as np

from conceptmine.contrast.known.concept import ConceptValues, Matching
from conceptmine.errors import InputError

__all__ = [
    "SIDED_TERMS",
    "TERMS",
    "ClassicalTrace",
    "Stage",
    "TermScore",
    "parse_traces",
    "read_traces",
    "stockfish_concepts",
]

Stage = Literal["middlegame", "endgame"]

TERMS: Final = (
    "Material",
    "Imbalance",
    "Pawns",
    "Knights",
    "Bishops",
    "Rooks",
    "Queens",
    "Mobility",
    "King safety",
    "Threats",
    "Passed",
    "Space",
    "Winnable",
    "Total",
)
"""The rows of the table that Stockfish prints, in its order."""

SIDED_TERMS: Final = TERMS[2:12]
"""The terms that are printed for each side by itself too."""

_LAST_TERMS: Final = ("Threats", "Space")
_BY_MATERIAL: Final = frozenset({"Material", "Imbalance", "Winnable", "Total"})
_TITLE: Final = "Contributing terms for the classical eval:"
_IN_CHECK: Final = "Final evaluation: none (in check)"
_CELL: Final = re.compile(r"\s*(-?\d+\.\d\d|----)\s+(-?\d+\.\d\d|----)\s*")
_SECONDS_A_POSITION: Final = 0.1
_SECONDS_TO_START: Final = 30.0


class TermScore(NamedTuple):
    """A term's score in pawns; NaN where the table has a dash."""

    middlegame: float
    endgame: float


@dataclass(frozen=True)
class ClassicalTrace:
    """The table of one position, from White's view.

    Attributes:
        white: term -> score of White's men; NaN for the terms that are not printed by side.
        black: likewise of Black's.
        total: term -> White's less Black's.
    """

    white: Mapping[str, TermScore]
    black: Mapping[str, TermScore]
    total: Mapping[str, TermScore]

    @property
    def cut_short(self) -> bool:
        """Whether the evaluation ended before the pieces were looked at (or there are none): mobility is all zero."""
        return not any(self.white["Mobility"] + self.black["Mobility"])

    def worked_out(self, term: str) -> bool:
        """Whether the number printed for a term is sure to be one that was worked out."""
        if self.cut_short:
            return False
        last = [score for side in (self.white, self.black) for name in _LAST_TERMS for score in side[name]]
        return term not in _LAST_TERMS or any(last)


def read_traces(command: str | Path, boards: Sequence[chess.Board]) -> list[ClassicalTrace | None]:
    """Ask a Stockfish program for the tables of n boards.

    Args:
        command: the program; a name is looked up as the shell does.
        boards: standard chess positions; their history is not used.

    Returns:
        A table each; None where the side to move is in check, which Stockfish does not evaluate.

    Raises:
        InputError: the program cannot be started, does not end, or prints something else than was asked for.
    """
    lines = ["setoption name Use NNUE value false"]
    for board in boards:
        lines += [f"position fen {board.fen()}", "eval"]
    try:
        done = subprocess.run(
            [str(command)],
            input="\n".join([*lines, "quit", ""]),
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS_TO_START + _SECONDS_A_POSITION * len(boards),
        )
    except OSError as error:
        raise InputError(
            f"{command} cannot be started ({error.strerror}): install Stockfish 15.1 or older, or give its path."
        ) from None
    except subprocess.TimeoutExpired:
        raise InputError(f"{command} does not answer: give the path of Stockfish 15.1 or older.") from None
    if done.returncode != 0:
        raise InputError(f"{command} ended with exit code {done.returncode}: give the path of Stockfish 15.1 or older.")
    return parse_traces(done.stdout, len(boards))


def parse_traces(text: str, positions: int) -> list[ClassicalTrace | None]:
    """Read the tables out of what Stockfish printed for so many positions.

    Raises:
        InputError: a table is incomplete, has other rows than `TERMS` or a cell that is no number; or there are more or
            fewer answers than positions.
    """
    found: list[ClassicalTrace | None] = []
    lines = iter(text.splitlines())
    for line in lines:
        if line.strip() == _IN_CHECK:
            found.append(None)
        elif line.strip() == _TITLE:
            found.append(_table(lines))
    if len(found) != positions:
        raise InputError(
            f"Stockfish gave {len(found)} classical evaluations for {positions} positions: use version 15.1 or older,"
            " which still prints them."
        )
    return found


def stockfish_concepts(
    boards: Sequence[chess.Board], traces: Sequence[ClassicalTrace | None], stage: Stage = "middlegame"
) -> list[ConceptValues]:
    """The terms as concepts, from the side to move's view: each term's balance, and of `SIDED_TERMS` both sides' own.

    Args:
        boards: n positions.
        traces: their tables, None in check.
        stage: which of the two scores of a term is taken.

    Returns:
        34 concepts of family "stockfish" with n numbers in pawns each; NaN where there is no table or the term was
        not worked out.

    Raises:
        InputError: there is not one table a board.
    """
    if len(boards) != len(traces):
        raise InputError(f"There are {len(boards)} boards and {len(traces)} evaluations: give one of each.")
    concepts = []
    for term in TERMS:
        matched: Matching = "ply" if term in _BY_MATERIAL else "phase"
        views = ("balance", "own", "opponent") if term in SIDED_TERMS else ("balance",)
        for view in views:
            name = f"{term.lower()} balance" if view == "balance" else f"{view} {term.lower()}"
            values = [
                _seen(trace, term, view, board.turn, stage) if trace is not None else float("nan")
                for board, trace in zip(boards, traces, strict=True)
            ]
            definition = f"Stockfish's classical term {term}, {stage} score in pawns, {view}."
            concepts.append(ConceptValues(name, "stockfish", definition, matched, np.array(values)))
    return concepts


def _seen(trace: ClassicalTrace, term: str, view: str, turn: chess.Color, stage: Stage) -> float:
    if not trace.worked_out(term):
        return float("nan")
    if view == "balance":
        score = getattr(trace.total[term], stage)
        return float(score if turn == chess.WHITE else -score)
    side = turn if view == "own" else not turn
    return float(getattr((trace.white if side == chess.WHITE else trace.black)[term], stage))


def _table(lines: Iterator[str]) -> ClassicalTrace:
    """The rows of a table whose title was just read."""
    head = [next(lines, "") for _ in range(4)]
    if [word for word in re.split(r"[|\s]+", head[1]) if word] != ["Term", "White", "Black", "Total"]:
        raise InputError(f"Stockfish's table has the heading {head[1].strip()!r}: use version 15.1 or older.")
    white: dict[str, TermScore] = {}
    black: dict[str, TermScore] = {}
    total: dict[str, TermScore] = {}
    for term in TERMS:
        row = next(lines, "")
        if row.startswith("+---"):
            row = next(lines, "")
        cells = row.strip().strip("|").split("|")
        if len(cells) != 4 or cells[0].strip() != term:
            raise InputError(f"Stockfish's table has {row.strip()!r} in place of the row {term}: use 15.1 or older.")
        white[term], black[term], total[term] = (_score(cell, term) for cell in cells[1:])
    if not next(lines, "").startswith("+---"):
        raise InputError("Stockfish's table goes on after its row Total: use version 15.1 or older.")
    return ClassicalTrace(white, black, total)


def _score(cell: str, term: str) -> TermScore:
    match = _CELL.fullmatch(cell)
    if match is None:
        raise InputError(f"Stockfish's row {term} has the cell {cell!r}, which is no pair of scores.")
    middlegame, endgame = (float("nan") if text == "----" else float(text) for text in match.groups())
    return TermScore(middlegame, endgame)
