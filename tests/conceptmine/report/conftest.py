"""The made-up run folders the report is tested on."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Path]:
    """`make_run(folder, ...)`, which writes a run folder; see make_run.py."""
    spec = importlib.util.spec_from_file_location("make_run", Path(__file__).with_name("make_run.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Callable[..., Path] = module.make_run
    return function


@pytest.fixture(scope="session")
def full_run(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with 412 candidates, of which 15, 6 and 2 pass; not to be changed."""
    return make_run(tmp_path_factory.mktemp("runs") / "full")


@pytest.fixture(scope="session")
def small_run(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with 40 candidates, of which 8 were taught; not to be changed."""
    return make_run(tmp_path_factory.mktemp("runs") / "small", candidates=40, taught=8, prototypes_each=8)
