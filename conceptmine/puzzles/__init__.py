"""Puzzles: the positions of each concept that a person can be asked about (Schut et al., section 6).

`select_puzzles` picks them from the prototypes, `write_puzzles` and `read_puzzles` keep them as `puzzles.csv` (the
column names of the Lichess puzzle database first), and `export_puzzles` turns that file into PGN, EPD or JSON.
"""

from conceptmine.puzzles.export import FORMATS, export_puzzles
from conceptmine.puzzles.model import Prototype, Puzzle, PuzzleConcept
from conceptmine.puzzles.rules import exchange_gain, unsuitable
from conceptmine.puzzles.selection import Verify, select_puzzles
from conceptmine.puzzles.source import read_prototypes
from conceptmine.puzzles.table import COLUMNS, read_puzzles, write_puzzles

__all__ = [
    "COLUMNS",
    "FORMATS",
    "Prototype",
    "Puzzle",
    "PuzzleConcept",
    "Verify",
    "exchange_gain",
    "export_puzzles",
    "read_prototypes",
    "read_puzzles",
    "select_puzzles",
    "unsuitable",
    "write_puzzles",
]
