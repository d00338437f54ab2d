"""What a campaign refuses, in one sentence, without changing anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines.networks import NetworkFormatError
from engines.selfplay import Campaign, campaign, is_campaign, read_campaign_network, run_campaign
from engines.selfplay.config import NetworkSize
from engines.selfplay.metrics import METRICS_FILE
from engines.selfplay.state import STATE_FILE
from tests.engines.selfplay.legs import play_rounds


def refusal(*arguments: Any, **how: Any) -> str:
    with pytest.raises(ValueError) as refused:
        run_campaign(*arguments, report=lambda _: None, **how)
    said = str(refused.value)
    assert "\n" not in said
    return said


def test_a_campaign_with_another_network_is_refused_and_nothing_is_changed(tiny: Campaign, tmp_path: Path) -> None:
    play_rounds(tiny, tmp_path, 1)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for size in (NetworkSize(16, 1, 2), NetworkSize(8, 2, 2), NetworkSize(8, 1, 4)):
        assert "network" in refusal(replace(tiny, network=size), tmp_path, 1.0)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_times_folders_and_devices_that_cannot_be_are_refused(tiny: Campaign, tmp_path: Path) -> None:
    for minutes in (0, -1, float("nan")):
        assert "a campaign needs more than 0 minutes" in refusal(tiny, tmp_path / "state", minutes)
    assert "the device 'cuda:99' cannot be used" in refusal(tiny, tmp_path / "state", 1.0, device="cuda:99")
    assert not (tmp_path / "state").exists()
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "state"):
        assert f"{folder} cannot hold a campaign (" in refusal(tiny, folder, 1.0)


def test_damaged_files_are_refused(tiny: Campaign, tmp_path: Path) -> None:
    play_rounds(tiny, tmp_path, 1)
    for name in (METRICS_FILE, STATE_FILE):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(b"nothing that is known\n")
        assert str(tmp_path / name) in refusal(tiny, tmp_path, 1.0)
        (tmp_path / name).write_bytes(whole)
    assert play_rounds(tiny, tmp_path, 1).rounds == 2


def test_only_states_of_campaigns_are_read_as_such(tiny: Campaign, tmp_path: Path) -> None:
    play_rounds(tiny, tmp_path, 1)
    assert is_campaign(tmp_path / STATE_FILE)
    (checkpoint, *_) = (tmp_path / campaign.CHECKPOINT_FOLDER).iterdir()
    for path in (checkpoint, tmp_path / "none", tmp_path / METRICS_FILE):
        assert not is_campaign(path)
        with pytest.raises(NetworkFormatError):
            read_campaign_network(path)
