"""`puzzles.csv`: one row per puzzle, the columns of the Lichess puzzle database first, then ours.

As in the Lichess database, `FEN` is the position before the opponent's last move and `Moves` is that move followed by
the solution, in UCI. Rating, popularity and the other figures that only players can give are left empty, never guessed.
`StartFEN` and `StartMoves` give the question again with the whole game before it: the position after playing
`StartMoves` from `StartFEN`. Truth values are `true`, `false`, or empty where a filter was not run.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

import chess

from conceptmine.errors import InputError
from conceptmine.puzzles.model import Puzzle, PuzzleConcept, parse_moves, play
from conceptmine.runfolder import write_bytes

LICHESS_COLUMNS = (
    "PuzzleId", "FEN", "Moves", "Rating", "RatingDeviation", "Popularity", "NbPlays",
    "Themes", "GameUrl", "OpeningTags",
)  # fmt: skip
OUR_COLUMNS = (
    "ConceptId", "Phase", "ConceptRank", "Split", "Score", "HumanLikelihood", "Supported", "Teachable", "Novel",
    "StartFEN", "StartMoves", "PositionId",
)  # fmt: skip
COLUMNS = LICHESS_COLUMNS + OUR_COLUMNS
"""The header of `puzzles.csv`."""


def write_puzzles(puzzles: Sequence[Puzzle], path: Path) -> None:
    """Write `puzzles` to `path` as CSV, atomically; the same puzzles give the same bytes."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(puzzle) for puzzle in puzzles)
    write_atomically(path, text.getvalue())


def read_puzzles(path: Path) -> list[Puzzle]:
    """Read a `puzzles.csv` back; InputError names the first line that is not as `write_puzzles` left it."""
    if not path.is_file():
        raise InputError(f"{path} does not exist; name the folder of a finished run (conceptmine resume finishes one)")
    with path.open(newline="", encoding="utf-8") as file:
        try:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(f"{path} has no column {missing[0]!r}; {_MEND}")
            return [_puzzle(row, f"{path}, line {reader.line_num}") for row in reader]
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not a CSV file in UTF-8 ({error}); {_MEND}") from error


def write_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text so that `path` holds its old content or all of the new; InputError if it cannot be written."""
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: the folder {path.parent} does not exist; make it first")
    try:
        write_bytes(path, text.encode())
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; choose another place") from error


def uci(moves: Sequence[chess.Move]) -> str:
    """Moves as UCI separated by spaces."""
    return " ".join(move.uci() for move in moves)


def _row(puzzle: Puzzle) -> dict[str, str]:
    concept = puzzle.concept
    return {
        "PuzzleId": puzzle.puzzle_id,
        "FEN": puzzle.fen_before,
        "Moves": uci((puzzle.last_move, *puzzle.solution)),
        "Themes": _length_theme(puzzle),
        "ConceptId": concept.concept_id,
        "Phase": str(puzzle.phase),
        "ConceptRank": "" if concept.rank is None else str(concept.rank),
        "Split": puzzle.split,
        "Score": _float_text(puzzle.score),
        "HumanLikelihood": _float_text(concept.human_likelihood),
        "Supported": _flag_text(concept.supported),
        "Teachable": _flag_text(concept.teachable),
        "Novel": _flag_text(concept.novel),
        "StartFEN": puzzle.start_fen,
        "StartMoves": uci(puzzle.start_moves),
        "PositionId": puzzle.position_id,
    }


def _length_theme(puzzle: Puzzle) -> str:
    """The Lichess theme for the number of moves to find; themes that need judgement are not claimed."""
    solver_moves = (len(puzzle.solution) + 1) // 2
    return {1: "oneMove", 2: "short", 3: "long"}.get(solver_moves, "veryLong")


def _puzzle(row: dict[str, str], where: str) -> Puzzle:
    if None in row.values():
        raise InputError(f"{where}: the row is cut short; {_MEND}")
    try:
        phase = int(row["Phase"])
        rank = int(row["ConceptRank"]) if row["ConceptRank"] else None
        score, likelihood = (_number(row[name]) for name in ("Score", "HumanLikelihood"))
        supported, teachable, novel = (_FLAGS[row[name]] for name in ("Supported", "Teachable", "Novel"))
    except (ValueError, KeyError) as error:
        raise InputError(f"{where}: {error} is not a value of its column; {_MEND}") from error
    if phase not in (1, 3):
        raise InputError(f"{where}: phase {phase} is not 1 or 3; {_MEND}")
    moves = parse_moves(row["Moves"], where)
    puzzle = Puzzle(
        concept=PuzzleConcept(row["ConceptId"], rank, likelihood, supported, teachable, novel),
        phase=phase,
        position_id=row["PositionId"],
        split=row["Split"],
        score=score,
        start_fen=row["StartFEN"],
        start_moves=parse_moves(row["StartMoves"], where),
        solution=moves[1:],
    )
    if not puzzle.start_moves or not puzzle.solution:
        raise InputError(f"{where}: there is no move before the question, or no solution; {_MEND}")
    play(puzzle.board(), puzzle.solution, where)
    if puzzle.fen_before != row["FEN"] or puzzle.last_move != moves[0]:
        raise InputError(f"{where}: FEN and Moves disagree with StartFEN and StartMoves; {_MEND}")
    return puzzle


def _number(text: str) -> float | None:
    number = float(text) if text else None
    if number is not None and not math.isfinite(number):
        raise ValueError(text)
    return number


_MEND = "rebuild the puzzles of the run with conceptmine resume"
_FLAGS = {"true": True, "false": False, "": None}


def _flag_text(flag: bool | None) -> str:
    return {True: "true", False: "false", None: ""}[flag]


def _float_text(number: float | None) -> str:
    return "" if number is None else f"{number:.6g}"
