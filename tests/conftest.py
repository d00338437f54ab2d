"""What all tests share: the folder of reference data, and what happens to the tests that need it when it is not there.

Tests marked ``reference`` compare with other engines' numbers, which are not part of this repository. The environment
variable CONCEPTMINE_REFERENCE names their folder. Unset, these tests are taken out of the run and counted at its end;
set to a folder that is not there, the run stops.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# The first call of a compiled function may have to compile it: no time limit for a single example.
hypothesis.settings.register_profile("conceptmine", deadline=None)
hypothesis.settings.load_profile("conceptmine")

VARIABLE = "CONCEPTMINE_REFERENCE"
_NOT_RUN = pytest.StashKey[int]()
_WORKER_KEY = "reference_tests_not_run"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"reference: needs the folder of reference data that {VARIABLE} names")
    config.stash[_NOT_RUN] = 0
    folder = os.environ.get(VARIABLE)
    if folder and not Path(folder).is_dir():
        raise pytest.UsageError(f"{VARIABLE} is {folder!r}, which is no folder; mend it or unset it.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get(VARIABLE):
        return
    without = [item for item in items if _needs_reference(item)]
    items[:] = [item for item in items if not _needs_reference(item)]
    config.stash[_NOT_RUN] = len(without)
    if without:
        config.hook.pytest_deselected(items=without)
    if hasattr(config, "workeroutput"):
        config.workeroutput[_WORKER_KEY] = len(without)


def _needs_reference(item: pytest.Item) -> bool:
    return item.get_closest_marker("reference") is not None or "reference" in getattr(item, "fixturenames", ())


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """With several processes, each worker collects all tests: take the count from any of them."""
    count = getattr(node, "workeroutput", {}).get(_WORKER_KEY, 0)
    node.config.stash[_NOT_RUN] = max(node.config.stash[_NOT_RUN], count)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if count := config.stash[_NOT_RUN]:
        terminalreporter.write_line(f"{count} reference tests not run: set {VARIABLE}", yellow=True)


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference data."""
    return Path(os.environ[VARIABLE])
