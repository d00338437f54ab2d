"""A leg takes a state in and leaves few small files, from which the campaign goes on."""

from __future__ import annotations

import json
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from engines.networks import load_agent
from engines.selfplay import Campaign, leg, run_campaign, state
from engines.selfplay.leg import MOST_BYTES, MOST_FILES, run_leg
from engines.selfplay.metrics import METRICS_FILE, read_metrics


def a_leg(campaign: Campaign, before: Path | None, out: Path, seconds: float) -> int:
    """Positions after a leg of so many seconds of play."""
    until = time.monotonic() + leg._PACKING_S + seconds
    return run_leg(campaign, before, out, until, "cpu", 1).positions


def test_a_leg_leaves_few_small_files_and_the_next_goes_on(tiny: Campaign, tmp_path: Path) -> None:
    first = 0
    for number in range(40):
        first = a_leg(tiny, tmp_path / str(number) if number else None, tmp_path / str(number + 1), 1.0)
        if first > 150:
            break
    out = tmp_path / str(number + 1)
    files = list(out.iterdir())
    assert len(files) <= MOST_FILES
    assert max(file.stat().st_size for file in files) <= MOST_BYTES
    rounds = read_metrics(out / METRICS_FILE)
    assert rounds[-1].positions == first
    about = json.loads((out / "leg.json").read_text())
    assert about["counters"]["positions"] == first
    assert 0 < about["rounds"] <= len(rounds)
    with zipfile.ZipFile(out / "checkpoints.zip") as archive:
        archive.extractall(tmp_path / "checkpoints")
    assert (out / "checkpoints.zip").stat().st_size > 0
    for file in (tmp_path / "checkpoints").iterdir():
        assert load_agent(file).config.tower is not None
    after = run_campaign(tiny, out, 1e-9, report=lambda _: None)
    assert after.positions >= first


def test_what_does_not_fit_is_left_out_from_the_oldest_games_on(
    tiny: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, all_kept = tmp_path / "state", replace(tiny, tail_positions=100_000)
    positions = 0
    while positions < 800:
        positions = run_campaign(all_kept, folder, 1 / 60, report=lambda _: None).positions
    run_campaign(replace(tiny, tail_positions=0), tmp_path / "empty", 1 / 60, report=lambda _: None)
    without_tail = (tmp_path / "empty" / state.STATE_FILE).stat().st_size
    monkeypatch.setattr(state, "_POSITIONS_PER_PART", 50)
    monkeypatch.setattr(state, "LARGEST_FILE", without_tail + 15_000)
    monkeypatch.setattr(leg, "MOST_FILES", leg._BESIDE_THE_STATE + 1)
    a_leg(all_kept, folder, tmp_path / "out", 0.5)
    assert len(leg.state_files(tmp_path / "out")) == 1
    kept = sum(len(game.moves) for game in state.read_games(tmp_path / "out"))
    assert 0 < kept < positions


def test_checkpoints_beyond_one_file_are_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        (tmp_path / f"tiny-{number:08d}.pb.gz").write_bytes(bytes(1000))
    monkeypatch.setattr(leg, "MOST_BYTES", (1 << 16) + 3 * 1512)
    (tmp_path / "packed.zip").write_bytes(leg._packed(tmp_path))
    with zipfile.ZipFile(tmp_path / "packed.zip") as archive:
        assert archive.namelist() == [f"tiny-{number:08d}.pb.gz" for number in (2, 3, 4)]


def test_a_leg_without_time_is_refused(tiny: Campaign, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="more than 0 minutes"):
        run_leg(tiny, None, tmp_path / "out", time.monotonic(), "cpu", 1)
