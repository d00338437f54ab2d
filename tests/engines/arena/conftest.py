"""Games as data, and an engine that misbehaves when it is asked to."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engines.arena import Tally

FAKE_ENGINE = Path(__file__).with_name("fake_engine.py")


@pytest.fixture
def fake_engine() -> list[str]:
    """The words that start the fake engine; further words are its behaviour."""
    return [sys.executable, str(FAKE_ENGINE)]


@pytest.fixture
def tally() -> Callable[..., Tally]:
    """``tally("21", "x")``: pairs by the points of the two games, each 0, 1 (a half) or 2 half points."""

    def make(*pairs: str) -> Tally:
        return Tally.of([(int(pair[0]) / 2, int(pair[1]) / 2) for pair in pairs])

    return make
