"""Campaigns end in time, go on where they stood, survive a kill, and refuse what does not fit in one sentence."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import chess
import pytest

import engines
from engines.networks import load_agent
from engines.selfplay import Campaign, campaign, read_campaign, run_campaign
from engines.selfplay.config import NetworkSize
from engines.selfplay.state import STATE_FILE, Counters

ROOT = Path(engines.__file__).parents[1]
A_SECOND = 1 / 60
LEG = 0.4 * A_SECOND
SHIPPED = Path(campaign.__file__).with_name("small.toml")


def metrics(folder: Path) -> list[dict[str, str]]:
    with (folder / campaign.METRICS_FILE).open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def run_until(tiny: Campaign, folder: Path, positions: int, said: list[str] | None = None) -> Counters:
    """Short legs, until that many positions were played; what they report goes to ``said``."""
    for _ in range(150):
        counters = run_campaign(tiny, folder, LEG, report=(said if said is not None else []).append)
        if counters.positions >= positions:
            return counters
    raise AssertionError("no progress in 150 legs")


def test_a_campaign_learns_publishes_and_goes_on(tiny: Campaign, tmp_path: Path) -> None:
    said: list[str] = []
    first = run_until(tiny, tmp_path, 1, said)
    assert first.games >= first.draws
    assert any("checkpoint tiny-00000000" in line for line in said)
    second = run_until(tiny, tmp_path, max(420, first.positions + 1))
    assert (second.games, second.rounds) > (first.games, first.rounds)
    assert second.seconds > first.seconds
    rows = metrics(tmp_path)
    assert [int(row["round"]) for row in rows] == list(range(1, second.rounds + 1))
    assert int(rows[-1]["positions"]) == second.positions
    assert int(rows[-1]["games"]) == second.games
    names = sorted(path.name for path in (tmp_path / campaign.CHECKPOINT_FOLDER).iterdir())
    assert names == [f"tiny-{mark:08d}.pb.gz" for mark in (0, 100, 400)]
    for name in names:
        agent = load_agent(tmp_path / campaign.CHECKPOINT_FOLDER / name)
        evaluation = agent.evaluate([chess.Board()])
        assert sum(evaluation.policy[0].values()) == pytest.approx(1)
        assert agent.info.licence == "GPL-3.0-or-later"
        assert evaluation.moves_left is not None
    untrained, trained = (load_agent(tmp_path / campaign.CHECKPOINT_FOLDER / names[i]) for i in (0, -1))
    assert untrained.sha256 != trained.sha256
    assert trained.info.training_steps > 0


def test_a_leg_too_short_for_a_round_still_counts(tiny: Campaign, tmp_path: Path) -> None:
    long_round = tiny.model_copy(update={"positions_per_round": 1_000_000})
    counters = run_until(long_round, tmp_path, 1)
    assert counters.positions < 1_000_000


PROGRAM = """
import sys
from pathlib import Path
import torch
from engines.selfplay import campaign, read_campaign, run_campaign
torch.set_num_threads(1)
campaign._SAVE_EVERY_S = 0.0
run_campaign(read_campaign(Path(sys.argv[1])), Path(sys.argv[2]), 5.0)
"""


def start_leg(tiny: Campaign, folder: Path) -> subprocess.Popen[bytes]:
    config = folder / "campaign.toml"
    if not config.exists():
        size = tiny.network
        lines = [f"{name} = {value!r}" for name, value in tiny.model_dump(exclude={"network", "checkpoints"}).items()]
        lines += [f"checkpoints = {list(tiny.checkpoints)}", "[network]", f"filters = {size.filters}"]
        lines += [f"blocks = {size.blocks}", f"se_channels = {size.se_channels}"]
        config.write_text("\n".join(lines).replace("'", '"'), encoding="utf-8")
        assert read_campaign(config) == tiny
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = [sys.executable, "-c", PROGRAM, str(config), str(folder)]
    return subprocess.Popen(program, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def wait_for_rounds(leg: subprocess.Popen[bytes], folder: Path, rounds: int) -> None:
    until = time.monotonic() + 120
    while not ((folder / campaign.METRICS_FILE).exists() and len(metrics(folder)) >= rounds):
        assert leg.poll() is None, leg.stderr.read().decode() if leg.stderr else ""
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_kill_loses_nothing_that_was_saved(tiny: Campaign, tmp_path: Path) -> None:
    leg = start_leg(tiny, tmp_path)
    try:
        wait_for_rounds(leg, tmp_path, 3)
    finally:
        leg.send_signal(signal.SIGKILL)
        leg.communicate()
    before = metrics(tmp_path)
    with (tmp_path / campaign.METRICS_FILE).open("a", encoding="utf-8") as handle:
        handle.write(f"{len(before) + 1},999999,1")  # a row that the kill cut off
    after = run_until(tiny, tmp_path, int(before[1]["positions"]) + 1)
    assert after.rounds >= len(before) - 1, "at most the round in hand is played again"
    rows = metrics(tmp_path)
    assert [int(row["round"]) for row in rows] == list(range(1, after.rounds + 1))


def test_ctrl_c_saves(tiny: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = 0

    def interrupting(text: str) -> None:
        nonlocal rounds
        rounds += text.startswith("round")
        if rounds == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_campaign(tiny, tmp_path, 5.0, report=interrupting)
    after = run_campaign(tiny, tmp_path, A_SECOND / 100, report=lambda _: None)
    assert after.rounds >= 2
    assert len(metrics(tmp_path)) == after.rounds


def test_what_does_not_fit_is_refused_in_one_sentence(tiny: Campaign, tmp_path: Path) -> None:
    run_campaign(tiny, tmp_path, A_SECOND / 100, report=lambda _: None)
    state = (tmp_path / STATE_FILE).read_bytes()
    for size in (NetworkSize(filters=16, blocks=1, se_channels=2), NetworkSize(filters=8, blocks=2, se_channels=2)):
        with pytest.raises(ValueError, match="network") as refused:
            run_campaign(tiny.model_copy(update={"network": size}), tmp_path, A_SECOND, report=lambda _: None)
        assert "\n" not in str(refused.value)
    assert (tmp_path / STATE_FILE).read_bytes() == state, "a refusal changes nothing"
    for minutes in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="more than 0 minutes"):
            run_campaign(tiny, tmp_path, minutes)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot hold a campaign"):
        run_campaign(tiny, tmp_path / "file", A_SECOND)


def test_the_shipped_campaign_is_valid() -> None:
    shipped = read_campaign(SHIPPED)
    assert shipped.checkpoints[0] == 0
    assert shipped.network == NetworkSize(filters=32, blocks=4, se_channels=8)
    sequel = read_campaign(SHIPPED.with_name("small-to-mate.toml"))
    assert (sequel.name, sequel.network) == (shipped.name, shipped.network), "it goes on with the same state"
    assert sequel.decisive_lead == 0 < shipped.decisive_lead


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("games_at_once = ", "is not a TOML file"),
        ("\x00", "is not a TOML file"),
        ("games_at_once = 0", "games_at_once: Input should be greater than or equal to 1"),
        ("games_at_once = 'many'", "games_at_once: Input should be a valid integer"),
        ("game_at_once = 3", "game_at_once: Extra inputs are not permitted"),
        ("[network]\nfilters = 7", "network.filters: Input should be greater than or equal to 8"),
        ("checkpoints = [100, 50]", "checkpoints: .*each above the one before"),
        ("name = '../elsewhere'", "name: String should match pattern"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "campaign.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as refused:
        read_campaign(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no campaign file at"):
        read_campaign(tmp_path / "none.toml")
    with pytest.raises(ValueError, match="cannot be read"):
        read_campaign(tmp_path)


def test_a_campaign_ends_in_time(tiny: Campaign, tmp_path: Path) -> None:
    run_until(tiny, tmp_path, 1)  # what is slow the first time is done
    begun = time.monotonic()
    run_campaign(tiny, tmp_path, A_SECOND, report=lambda _: None)
    assert 1 <= time.monotonic() - begun < 15
