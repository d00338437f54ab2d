"""One unbroken run of the whole chain, which many tests look at and none changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from conceptmine.pipeline import MiningSettings, mine


@pytest.fixture(scope="session")
def unbroken(tiny_settings: MiningSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished run with one worker."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    mine(tiny_settings, folder)
    return folder
