"""python-chess is imported once it is used, and is then the same as ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import chess

import engines
from engines import python_chess

ROOT = Path(engines.__file__).parents[1]

OURS_FIRST = """
import sys
from engines.chess import perft
from engines.python_chess import chess as ours
from engines.search import search
assert "chess" not in sys.modules
assert ours.square(4, 0) == 4
assert "chess" in sys.modules
import chess
assert ours is not chess and ours.Board is chess.Board and isinstance(chess.Board(), ours.Board)
assert perft(chess.Board(), 1) == 20
try:
    ours.Bord
except AttributeError as error:
    assert "module 'chess' has no attribute 'Bord'" in str(error)
else:
    raise AssertionError
"""


def test_it_is_imported_when_something_of_it_is_used() -> None:
    finished = subprocess.run([sys.executable, "-c", OURS_FIRST], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_it_is_the_module_itself_where_it_was_imported_before() -> None:
    assert python_chess.chess is chess
