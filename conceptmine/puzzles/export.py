"""Puzzles in the formats other programs read.

csv   `puzzles.csv` itself, checked and copied.
pgn   One game per puzzle: FEN and SetUp tags hold the question, the solution is the main line, the comment in front
      names the concept and the opponent's last move.
epd   One position per line with `bm` (the move to find), `pv` (the whole line), `id` (the puzzle's name), `hmvc` and
      `fmvn` (the move counters EPD leaves out) and `c0` (the concept).
json  {"format": "conceptmine-puzzles", "version": 1, "puzzles": [...]}; each puzzle has `id`, `fen` (the question),
      `fen_before` and `last_move` (how it arose), `start_fen` and `start_moves` (with the whole game), `solution` (UCI)
      and `solution_san`, `phase` (1 or 3), `split`, `score`, `position_id`, and `concept` with `id`, `rank`,
      `human_likelihood`, `supported`, `teachable`, `novel` (null where unknown).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import chess
import chess.pgn

from conceptmine.errors import InputError
from conceptmine.puzzles.model import Puzzle
from conceptmine.puzzles.table import read_puzzles, uci, write_atomically, write_puzzles


def export_puzzles(run_dir: Path, format: str, out: Path) -> int:
    """Write the puzzles of a run folder to `out` as "csv", "pgn", "epd" or "json"; returns how many there are.

    The file appears whole or not at all, and the same run folder gives the same bytes. Raises InputError for an unknown
    format, a folder without a good `puzzles.csv`, and a place that cannot be written to.
    """
    if format not in FORMATS:
        raise InputError(f"unknown puzzle format {format!r}: choose one of {', '.join(FORMATS)}")
    puzzles = read_puzzles(run_dir / "puzzles.csv")
    if format == "csv":
        write_puzzles(puzzles, out)
    else:
        write_atomically(out, _TEXTS[format](puzzles))
    return len(puzzles)


def _pgn(puzzles: Sequence[Puzzle]) -> str:
    games = []
    for number, puzzle in enumerate(puzzles, start=1):
        board = puzzle.board()
        game = chess.pgn.Game()
        game.headers["Event"] = f"Concept {_plain(puzzle.concept.concept_id)}, phase {puzzle.phase}"
        game.headers["Site"] = puzzle.puzzle_id
        game.headers["Round"] = str(number)
        game.setup(chess.Board(board.fen()))
        game.comment = f"{_about(puzzle)} Last move: {_last_san(puzzle)}."
        game.add_line(puzzle.solution)
        games.append(str(game) + "\n")
    return "\n".join(games)


def _epd(puzzles: Sequence[Puzzle]) -> str:
    lines = []
    for puzzle in puzzles:
        board = puzzle.board()
        operations: dict[str, Any] = {
            "bm": [puzzle.solution[0]],
            "pv": list(puzzle.solution),
            "hmvc": board.halfmove_clock,
            "fmvn": board.fullmove_number,
            "id": puzzle.puzzle_id,
            "c0": _about(puzzle),
        }
        lines.append(board.epd(**operations) + "\n")
    return "".join(lines)


def _json(puzzles: Sequence[Puzzle]) -> str:
    # One puzzle a line: still one JSON document, and readable in a diff.
    records = [json.dumps(_record(puzzle), ensure_ascii=False, allow_nan=False) for puzzle in puzzles]
    body = "".join(f"\n{record}," for record in records).removesuffix(",")
    return f'{{"format": "conceptmine-puzzles", "version": 1, "puzzles": [{body}\n]}}\n'


def _record(puzzle: Puzzle) -> dict[str, Any]:
    board = puzzle.board()
    concept = puzzle.concept
    return {
        "id": puzzle.puzzle_id,
        "fen": board.fen(),
        "fen_before": puzzle.fen_before,
        "last_move": puzzle.last_move.uci(),
        "start_fen": puzzle.start_fen,
        "start_moves": uci(puzzle.start_moves).split(),
        "solution": uci(puzzle.solution).split(),
        "solution_san": board.variation_san(puzzle.solution),
        "phase": puzzle.phase,
        "split": puzzle.split,
        "score": puzzle.score,
        "position_id": puzzle.position_id,
        "concept": {
            "id": concept.concept_id,
            "rank": concept.rank,
            "human_likelihood": concept.human_likelihood,
            "supported": concept.supported,
            "teachable": concept.teachable,
            "novel": concept.novel,
        },
    }


def _about(puzzle: Puzzle) -> str:
    concept = puzzle.concept
    rank = "" if concept.rank is None else f" (rank {concept.rank})"
    verdicts = {"supported": concept.supported, "teachable": concept.teachable, "novel": concept.novel}
    words = ", ".join(
        f"{name}: {'not tested' if verdict is None else 'yes' if verdict else 'no'}"
        for name, verdict in verdicts.items()
    )
    return f"Concept {_plain(concept.concept_id)}{rank}, phase {puzzle.phase}; {words}."


def _last_san(puzzle: Puzzle) -> str:
    board = puzzle.board()
    move = board.pop()
    return board.variation_san([move])


def _plain(text: str) -> str:
    """Text that can stand in a PGN tag or an EPD operand: one line, no quotes, semicolons or braces."""
    return " ".join("".join(" " if letter in '";{}\\' else letter for letter in text).split())


_TEXTS: dict[str, Callable[[Sequence[Puzzle]], str]] = {"pgn": _pgn, "epd": _epd, "json": _json}
FORMATS = ("csv", *_TEXTS)
"""The formats `export_puzzles` writes."""
