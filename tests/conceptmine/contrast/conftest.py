"""Tests that ask a real Stockfish: where there is none they are taken out of the run and counted at its end."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest

PLACES = (os.environ.get("PATH", os.defpath), "/usr/games")
STOCKFISH = shutil.which("stockfish", path=os.pathsep.join(PLACES))
_NOT_RUN = pytest.StashKey[int]()
_WORKER_KEY = "stockfish_tests_not_run"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if STOCKFISH is not None:
        return
    without = [item for item in items if "stockfish" in getattr(item, "fixturenames", ())]
    items[:] = [item for item in items if item not in without]
    config.stash[_NOT_RUN] = len(without)
    if without:
        config.hook.pytest_deselected(items=without)
    if hasattr(config, "workeroutput"):
        config.workeroutput[_WORKER_KEY] = len(without)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """With several processes, each worker collects all tests: take the count from any of them."""
    count = getattr(node, "workeroutput", {}).get(_WORKER_KEY, 0)
    node.config.stash[_NOT_RUN] = max(node.config.stash.get(_NOT_RUN, 0), count)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if count := config.stash.get(_NOT_RUN, 0):
        terminalreporter.write_line(f"{count} tests not run: there is no program stockfish", yellow=True)


@pytest.fixture(scope="session")
def stockfish() -> str:
    """The program."""
    assert STOCKFISH is not None
    return STOCKFISH
