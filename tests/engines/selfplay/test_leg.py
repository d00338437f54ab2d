"""A leg takes a state in and leaves few small files, from which the campaign goes on."""

from __future__ import annotations

import json
import time
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engines.networks import load_agent
from engines.selfplay import Campaign, campaign, leg, run_campaign, state
from engines.selfplay.games import GamesAtOnce
from engines.selfplay.learner import Learner
from engines.selfplay.leg import MOST_BYTES, MOST_FILES, RESERVE_S, run_leg
from engines.selfplay.metrics import METRICS_FILE, read_metrics


def a_leg(settings: Campaign, before: Path | None, out: Path, seconds: float) -> int:
    """Positions after a leg of so many seconds of play."""
    until = time.monotonic() + RESERVE_S + seconds
    return run_leg(settings, before, out, until, "cpu", 1).positions


def test_a_leg_leaves_few_small_files_and_the_next_goes_on(tiny: Campaign, tmp_path: Path) -> None:
    tiny = replace(tiny, checkpoints=(0, 100))  # a quick machine passes further marks in a second
    first = 0
    for number in range(40):
        first = a_leg(tiny, tmp_path / str(number) if number else None, tmp_path / str(number + 1), 1.0)
        with zipfile.ZipFile(tmp_path / str(number + 1) / "checkpoints.zip") as archive:
            archive.extractall(tmp_path / "checkpoints")
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
    checkpoints = sorted((tmp_path / "checkpoints").iterdir())
    assert [file.name for file in checkpoints] == ["tiny-00000000.pb.gz", "tiny-00000100.pb.gz"]
    for file in checkpoints:
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
    legs = []
    monkeypatch.setattr(leg, "run_campaign", lambda *args, **how: legs.append(run_campaign(*args, **how)) or legs[-1])
    after = a_leg(all_kept, folder, tmp_path / "out", 1.0)
    assert len(legs) == 1, "the state is trimmed, and nothing played again"
    assert len(leg.state_files(tmp_path / "out")) == 1
    kept = sum(len(game.moves) for game in state.read_games(tmp_path / "out"))
    assert 0 < kept < positions <= after
    about = json.loads((tmp_path / "out" / "leg.json").read_text())
    assert about["counters"]["positions"] == after


class SlowMachine:
    """A clock for a machine on which every step of the games, every step of learning and every file takes seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.begun: dict[str, float] = {}
        """When each of them was begun last."""
        for place, name, seconds in (
            (GamesAtOnce, "step", 1.5),
            (Learner, "step", 7.0),
            (campaign, "write_network", 2.0),
            (campaign, "save_state", 3.0),
            (leg, "trim_state", 3.0),
            (leg, "write_whole", 1.0),
            (leg.shutil, "copy", 1.0),
        ):
            self._slow_down(monkeypatch, place, name, seconds)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(leg, "run_campaign", partial(run_campaign, clock=time.monotonic))

    def _slow_down(self, monkeypatch: pytest.MonkeyPatch, place: Any, name: str, seconds: float) -> None:
        function = getattr(place, name)

        def slow(*arguments: Any, **how: Any) -> Any:
            self.begun[f"{place.__name__}.{name}"] = self.now
            self.now += seconds
            return function(*arguments, **how)

        monkeypatch.setattr(place, name, slow)


def test_a_leg_ends_inside_its_minutes_on_a_slow_machine(
    tiny: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round's learning alone would take longer than the leg."""
    settings = replace(tiny, replay_ratio=40.0, save_every_seconds=100.0)
    machine = SlowMachine(monkeypatch)
    before = None
    unlearned = []
    for number in range(3):
        out = tmp_path / str(number)
        until = machine.now + 400.0
        copying = 0.0 if before is None else 2.0  # a state and its metrics
        counters = run_leg(settings, before, out, until, "cpu", 1)
        assert machine.now <= until
        end = until - RESERVE_S - leg._COPIES * copying
        assert end - 10.0 < machine.begun["Learner.step"] < end, "the time before that is used"
        assert read_metrics(out / METRICS_FILE)[-1].round == counters.rounds
        unlearned.append(counters.unlearned)
        before = out
    assert min(unlearned) > 0
    assert unlearned[1] < unlearned[0], "the next leg learns first what was left"


def test_checkpoints_beyond_one_file_are_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        (tmp_path / f"tiny-{number:08d}.pb.gz").write_bytes(bytes(1000))
    monkeypatch.setattr(leg, "MOST_BYTES", (1 << 16) + 3 * 1512)
    (tmp_path / "packed.zip").write_bytes(leg._packed(tmp_path))
    with zipfile.ZipFile(tmp_path / "packed.zip") as archive:
        assert archive.namelist() == [f"tiny-{number:08d}.pb.gz" for number in (2, 3, 4)]


def test_a_leg_without_time_is_refused(tiny: Campaign, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="30 seconds of a leg are kept back"):
        run_leg(tiny, None, tmp_path / "out", time.monotonic() + 29, "cpu", 1)
