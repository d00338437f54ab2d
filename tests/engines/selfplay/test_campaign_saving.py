"""States are saved in time, on Ctrl-C, and so that a kill or a network that diverges spoils nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engines
from engines.selfplay import Campaign, campaign, read_campaign
from engines.selfplay.actors import InTurn, Threads
from engines.selfplay.learner import Learner, Losses
from engines.selfplay.metrics import METRICS_FILE
from engines.selfplay.state import Saved
from engines.selfplay.window import Batch, Window
from tests.engines.selfplay.legs import actors_alive, metrics, play_rounds, state_of, window_of

ROOT = Path(engines.__file__).parents[1]
LONG = 120.0
"""Seconds that nothing here takes unless something is wrong."""


@pytest.mark.parametrize(("seconds", "unsaved", "saves"), [(0.0, 0.0, 4), (1e6, 0.0, 1), (1e6, 0.6, 4)])
def test_states_are_saved_when_they_are_due_and_at_the_end(
    seconds: float, unsaved: float, saves: int, tiny: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when most of the room is used up that the window has for what is not saved."""
    saved: list[int] = []
    save_state = campaign.save_state

    def listen(folder: Path, learner: Learner, state: Saved) -> None:
        saved.append(state.counters.rounds)
        save_state(folder, learner, state)

    monkeypatch.setattr(campaign, "save_state", listen)
    monkeypatch.setattr(Window, "unsaved", unsaved)
    play_rounds(replace(tiny, save_every_seconds=seconds), tmp_path, 3)
    assert saved == [1, 2, 3, 3][-saves:]


def test_ctrl_c_saves(tiny: Campaign, tmp_path: Path) -> None:
    for overlapped in (False, True):
        rounds = 0

        def interrupting(text: str) -> None:
            nonlocal rounds
            rounds += text.startswith("round")
            if rounds == 2:
                raise KeyboardInterrupt

        folder = tmp_path / str(overlapped)
        settings = replace(tiny, overlapped=overlapped)
        with pytest.raises(KeyboardInterrupt):
            play_rounds(settings, folder, 1000, report=interrupting)
        assert not actors_alive()
        assert state_of(settings, folder)[1].counters.rounds == 2
        after = play_rounds(settings, folder, 1)
        assert after.rounds >= 3
        assert [row.round for row in metrics(folder)] == list(range(1, after.rounds + 1))


@pytest.mark.parametrize("overlapped", [False, True])
@pytest.mark.parametrize("done", [0, 2])
def test_ctrl_c_while_the_network_learns_keeps_the_round_and_what_is_left_to_learn(
    done: int, overlapped: bool, tiny: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(tiny, overlapped=overlapped, replay_ratio=4.0)
    before = play_rounds(settings, tmp_path, 2, actors=1)
    learner, saved = state_of(settings, tmp_path)
    steps = learner.steps
    # Games that ended with the leg would be learned from before there is a round.
    campaign.save_state(tmp_path, learner, replace(saved, counters=replace(before, unlearned=0)))
    taken: list[float] = []
    step = Learner.step

    def interrupted(learner: Learner, batch: Batch, rate: float) -> Losses:
        if len(taken) == done:
            raise KeyboardInterrupt
        losses = step(learner, batch, rate)
        taken.append(losses.policy)
        return losses

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Learner, "step", interrupted)
        play_rounds(replace(settings, positions_per_round=200), tmp_path, 1000, actors=1)
    learner, saved = state_of(settings, tmp_path)
    row = metrics(tmp_path)[-1]
    assert row.round == saved.counters.rounds == before.rounds + 1
    assert before.games < row.games <= saved.counters.games
    assert (row.steps, learner.steps) == (steps + done, steps + done)
    assert row.policy_loss == (pytest.approx(np.mean(taken)) if done else None)
    unlearned = saved.counters.unlearned
    assert unlearned > 30
    # A leg that ends before anything is played learns what was left.
    monkeypatch.setattr(InTurn, "collect", lambda *_: [])
    monkeypatch.setattr(Threads, "collect", lambda *_: [])
    after = play_rounds(settings, tmp_path, 1, actors=1)
    assert state_of(settings, tmp_path)[0].steps == steps + done + round(4.0 * unlearned / settings.batch_size)
    assert after.rounds == saved.counters.rounds


PROGRAM = """
import sys
from pathlib import Path
from engines.selfplay import read_campaign, run_campaign
run_campaign(read_campaign(Path(sys.argv[1])), Path(sys.argv[2]), 5.0, device="cpu", actors=2)
"""


def toml(settings: dict[str, Any]) -> str:
    """The settings as a TOML file has them; JSON writes their values alike."""
    network = settings.pop("network")
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    return "\n".join([*lines, "[network]", *(f"{name} = {value}" for name, value in network.items())])


def test_a_kill_loses_nothing_that_was_saved(tiny: Campaign, tmp_path: Path) -> None:
    settings = replace(tiny, overlapped=True, save_every_seconds=0.0)
    (tmp_path / "campaign.toml").write_text(toml(settings.as_json()), encoding="utf-8")
    assert read_campaign(tmp_path / "campaign.toml") == settings
    leg = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "campaign.toml"), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    until = time.monotonic() + LONG
    try:
        while not ((tmp_path / METRICS_FILE).exists() and len(metrics(tmp_path)) >= 4):
            assert leg.poll() is None, leg.stderr.read().decode() if leg.stderr else ""
            assert time.monotonic() < until
            time.sleep(0.02)
    finally:
        leg.send_signal(signal.SIGKILL)
        leg.communicate()
    before = metrics(tmp_path)
    with (tmp_path / METRICS_FILE).open("a", encoding="utf-8") as handle:
        handle.write(f"{len(before) + 1},999999,1")  # a row that the kill cut off
    saved = state_of(settings, tmp_path)[1]
    assert saved.counters.rounds >= len(before) - 1, "at most the round in hand is played again"
    assert len(window_of(settings, tmp_path, saved.counters)) == min(saved.counters.positions, settings.window)
    after = play_rounds(settings, tmp_path, 2)
    rows = metrics(tmp_path)
    assert [row.round for row in rows] == list(range(1, after.rounds + 1))
    assert rows[: saved.counters.rounds] == before[: saved.counters.rounds]
    assert [row.positions for row in rows] == sorted({row.positions for row in rows})


def test_a_network_that_diverges_leaves_the_last_state_alone(
    tiny: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_rounds(tiny, tmp_path, 1)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.safetensors")}
    step = Learner.step

    def diverging(learner: Learner, batch: Batch, rate: float) -> Losses:
        return step(learner, batch, rate)._replace(policy=float("nan"))

    monkeypatch.setattr(Learner, "step", diverging)
    with pytest.raises(ValueError, match="losses that are no numbers") as refused:
        play_rounds(tiny, tmp_path, 2)
    assert "\n" not in str(refused.value)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.safetensors")} == before
