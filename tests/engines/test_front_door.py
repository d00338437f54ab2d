"""``import engines`` costs nothing, and what it offers is there in every order of import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import engines

ROOT = Path(engines.__file__).parents[1]

# Both `engines.search` as a function and as the folder of that name must work, whatever was imported first.
FUNCTION_FIRST = """
import sys
import engines
assert not {"numba", "torch", "chess"} & set(sys.modules), "importing the package alone loads nothing"
try:
    engines.search(None, [], simulations=0)
except ValueError as error:
    assert "at least 1" in str(error)
else:
    raise AssertionError
assert engines.search(None, []) == []
from engines.search import Tree, search
assert engines.search.search is search and engines.Tree is Tree
import engines.search.tree
assert engines.search(None, []) == []
"""
FOLDER_FIRST = """
import engines.search.settings
import engines
assert engines.search(None, []) == []
from engines import search
from engines.search import search as function
assert search(None, []) == function(None, []) == []
assert engines.search.PRESETS is engines.search.settings.PRESETS
assert engines.perft.__name__ == "perft"
assert set(engines.__all__) <= set(dir(engines))
"""


@pytest.mark.parametrize("program", [FUNCTION_FIRST, FOLDER_FIRST], ids=["function first", "folder first"])
def test_search_is_a_function_and_a_folder(program: str) -> None:
    finished = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="module 'engines' has no attribute 'solve'"):
        engines.solve  # noqa: B018
