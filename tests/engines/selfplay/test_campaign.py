"""Campaigns end in time, go on where they stood, survive a kill, and refuse what does not fit in one sentence."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import chess
import numpy as np
import pytest
import torch
from safetensors import safe_open

import engines
from engines.chess.position import start_position
from engines.networks import NetworkFormatError, load_agent
from engines.selfplay import Campaign, campaign, is_campaign, read_campaign, read_campaign_network, run_campaign
from engines.selfplay.actors import InTurn
from engines.selfplay.config import NetworkSize
from engines.selfplay.endings import ENDINGS
from engines.selfplay.games import GamesAtOnce
from engines.selfplay.learner import Learner, Losses
from engines.selfplay.metrics import METRICS_FILE, Round, read_metrics
from engines.selfplay.records import FULL, GameRecord
from engines.selfplay.resignation import NEVER, Resignation
from engines.selfplay.state import STATE_FILE, Counters, Saved, load_state
from engines.selfplay.window import Batch, Window

ROOT = Path(engines.__file__).parents[1]
A_SECOND = 1 / 60
LONG = 120.0
"""Seconds that nothing here takes unless something is wrong."""


class Rounds:
    """A clock by which every round takes a thousand seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1000
        return self.now


def play_rounds(settings: Campaign, folder: Path, rounds: int, **how: Any) -> Counters:
    """A leg of that many rounds."""
    how = {"report": lambda _: None, "device": "cpu", **how}
    return run_campaign(settings, folder, (1000 * rounds + 500) / 60, clock=Rounds(), **how)


def metrics(folder: Path) -> list[Round]:
    return read_metrics(folder / METRICS_FILE)


def state_of(settings: Campaign, folder: Path) -> tuple[Learner, Saved]:
    """What the folder's state holds."""
    network = campaign.Network(campaign.network_config(settings), batch_norm=True)
    learner = Learner(network, weight_decay=0.0, average_decay=0.5, warm_up_steps=1)
    return learner, load_state(folder, learner)


def positions_of(games: list[GameRecord]) -> int:
    return sum(len(game.moves) for game in games)


def actors_alive() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("actor-")]


def test_a_campaign_learns_publishes_and_goes_on(tiny: Campaign, tmp_path: Path) -> None:
    said: list[str] = []
    first = play_rounds(tiny, tmp_path, 3, report=said.append)
    assert first.rounds == 3
    assert first.positions >= 3 * tiny.positions_per_round
    assert any("checkpoint tiny-00000000" in line for line in said)
    assert sum(line.startswith("round ") for line in said) == 3
    second = play_rounds(tiny, tmp_path, 4)
    assert second.rounds == 7
    assert second.seconds > first.seconds
    assert second.evaluations > first.evaluations > first.positions
    rows = metrics(tmp_path)
    assert [row.round for row in rows] == list(range(1, 8))
    last = rows[-1]
    assert (last.positions, last.games, last.evaluations) == (second.positions, second.games, second.evaluations)
    learner, saved = state_of(tiny, tmp_path)
    assert saved.counters == second
    assert learner.steps == last.steps > 7
    names = sorted(path.name for path in (tmp_path / campaign.CHECKPOINT_FOLDER).iterdir())
    assert names == [f"tiny-{mark:08d}.pb.gz" for mark in (0, 100, 400)]
    agents = [load_agent(tmp_path / campaign.CHECKPOINT_FOLDER / name) for name in names]
    assert len({agent.sha256 for agent in agents}) == 3
    for agent in agents:
        evaluation = agent.evaluate([chess.Board()])
        assert sum(evaluation.policy[0].values()) == pytest.approx(1)
        assert evaluation.moves_left is not None
        assert agent.info.licence == "GPL-3.0-or-later"
    assert agents[0].info.training_steps < agents[1].info.training_steps < agents[2].info.training_steps
    network, info = read_campaign_network(tmp_path / STATE_FILE)
    assert torch.equal(network.policy.weight, learner.average.policy.weight)
    assert info.training_parameters == (
        f"tiny: {second.games} self-play games, {second.positions} positions, 4 simulations a move"
    )


def test_rows_of_the_metrics_say_what_was_played_and_learned(tiny: Campaign, tmp_path: Path) -> None:
    settings = replace(tiny, tail_positions=10_000)
    counters = play_rounds(settings, tmp_path, 4)
    games = state_of(settings, tmp_path)[1].tail
    assert (len(games), positions_of(games)) == (counters.games, counters.positions)
    assert counters.draws == sum(game.result == 0 for game in games)
    steps = 0
    for row in metrics(tmp_path):
        count = row.games - sum(earlier.games for earlier in metrics(tmp_path)[row.round - 2 : row.round - 1])
        of_round, games = games[:count], games[count:]
        full = sum(int((game.kinds == FULL).sum()) for game in of_round)
        steps += max(1, round(settings.replay_ratio * full / settings.batch_size))
        assert row.steps == steps
        assert row.plies == pytest.approx(positions_of(of_round) / count)
        assert row.drawn == pytest.approx(np.mean([game.result == 0 for game in of_round]))
        assert row.white_score == pytest.approx(np.mean([(1 + game.result) / 2 for game in of_round]))
        for number, name in enumerate(ENDINGS[1:], 1):
            assert getattr(row, name) == pytest.approx(np.mean([game.ending == number for game in of_round]))
        assert row.policy_kl == pytest.approx(row.policy_loss - row.policy_entropy, abs=1e-5)
        assert row.learning_rate == pytest.approx(settings.learning_rate, rel=1e-3)
        assert (row.resign_checked, row.resign_false_positives) == (None, None)
    assert not games
    spent = [sum(getattr(row, name) for row in metrics(tmp_path)) for name in ("playing_seconds", "learning_seconds")]
    assert min(spent) > 0
    assert sum(spent) <= metrics(tmp_path)[-1].seconds + 0.2, "in turns; rounded to hundredths and tenths"


def arrays_of(folder: Path) -> dict[str, np.ndarray]:
    with safe_open(folder / STATE_FILE, framework="numpy") as stored:
        return {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)


def test_playing_and_learning_in_turns_is_the_same_every_time(tiny: Campaign, tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        for rounds in (2, 1):
            play_rounds(replace(tiny, seed=seed), tmp_path / name, rounds)
    one, same, other = (arrays_of(tmp_path / name) for name in ("one", "same", "other"))
    weights = [name for name in one if name.startswith(("network.", "optimiser."))]
    assert len(weights) > 20
    assert all(np.array_equal(one[name], same[name]) for name in weights)
    assert not any(np.array_equal(one[name], other[name]) for name in weights if name.endswith("exp_avg"))
    games = [state_of(tiny, tmp_path / name)[1].unfinished[0].records for name in ("one", "same", "other")]
    under_way = [[record.moves.tolist() for record in records] for records in games]
    assert under_way[0] == under_way[1] != under_way[2]


def test_games_under_way_are_gone_on_with_and_later_ones_are_new(tiny: Campaign, tmp_path: Path) -> None:
    settings = replace(tiny, tail_positions=10_000)
    play_rounds(settings, tmp_path, 2)
    before = state_of(settings, tmp_path)[1]
    (under_way,) = before.unfinished
    moves = [record.moves.tolist() for record in under_way.records]
    assert sum(len(played) > 2 for played in moves) > 4
    play_rounds(settings, tmp_path, 3)
    after = state_of(settings, tmp_path)[1]
    new = [game.moves.tolist() for game in after.tail[len(before.tail) :]]
    for played in moves:
        assert any(game[: len(played)] == played for game in new)
    games = [(game.start.tobytes(), game.moves.tobytes()) for game in after.tail]
    assert len(set(games)) == len(games), "no game is played twice"


def test_a_shorter_tail_holds_from_the_start_of_a_leg(tiny: Campaign, tmp_path: Path) -> None:
    play_rounds(tiny, tmp_path, 3)
    before = state_of(tiny, tmp_path)[1].tail
    run_campaign(replace(tiny, tail_positions=60), tmp_path, 1e-9, device="cpu", report=lambda _: None)
    after = state_of(tiny, tmp_path)[1].tail
    assert 0 < positions_of(after) <= 60 < positions_of(before)
    assert [game.moves.tobytes() for game in after] == [game.moves.tobytes() for game in before[-len(after) :]]


def test_a_checkpoint_is_written_of_the_last_mark_that_was_passed(tiny: Campaign, tmp_path: Path) -> None:
    settings = replace(tiny, checkpoints=(0, 1, 2, 3, 100_000))
    assert play_rounds(settings, tmp_path, 1).checkpoints == 4
    assert play_rounds(settings, tmp_path, 1).checkpoints == 4
    names = {path.name for path in (tmp_path / campaign.CHECKPOINT_FOLDER).iterdir()}
    assert names == {"tiny-00000000.pb.gz", "tiny-00000003.pb.gz"}
    assert play_rounds(replace(tiny, checkpoints=()), tmp_path / "none", 1).checkpoints == 0
    assert not list((tmp_path / "none" / campaign.CHECKPOINT_FOLDER).iterdir())


def test_a_round_without_a_full_search_teaches_nothing(tiny: Campaign, tmp_path: Path) -> None:
    said: list[str] = []
    counters = play_rounds(replace(tiny, full_share=1e-9), tmp_path, 2, report=said.append)
    assert counters.rounds == 2
    for row in metrics(tmp_path):
        assert (row.steps, row.policy_loss, row.value_loss, row.policy_kl) == (0, None, None, None)
        assert row.games > 0
    assert sum("nothing to learn" in line for line in said) == 2


def test_a_leg_too_short_for_a_round_still_counts(tiny: Campaign, tmp_path: Path) -> None:
    long_round = replace(tiny, positions_per_round=1_000_000)
    for _ in range(150):
        counters = run_campaign(long_round, tmp_path, 0.4 * A_SECOND, device="cpu", report=lambda _: None)
        if counters.positions:
            break
    assert 0 < counters.positions < 1_000_000
    assert counters.rounds == len(metrics(tmp_path)) > 0


# --- the window -----------------------------------------------------------------------------------------------------


def window_of(settings: Campaign, folder: Path, counters: Counters) -> Window:
    return Window(folder / campaign.WINDOW_FOLDER, settings.window, counters.positions)


def test_the_window_goes_on_on_the_same_machine_and_begins_with_the_tail_on_another(
    tiny: Campaign, tmp_path: Path
) -> None:
    settings = replace(tiny, tail_positions=150, window=4096)
    here, there = tmp_path / "here", tmp_path / "there"
    before = play_rounds(settings, here, 4)
    assert len(window_of(settings, here, before)) == before.positions
    tail = positions_of(state_of(settings, here)[1].tail)
    assert 100 < tail <= 150
    there.mkdir()
    for path in (*here.glob("*.safetensors"), here / METRICS_FILE):
        shutil.copy(path, there)
    after = play_rounds(settings, here, 1)
    assert len(window_of(settings, here, after)) == after.positions
    after = play_rounds(settings, there, 1)
    assert len(window_of(settings, there, after)) == after.positions - before.positions + tail


def test_a_window_that_the_state_has_left_behind_begins_with_the_tail(tiny: Campaign, tmp_path: Path) -> None:
    """Window files of a machine on which the campaign was played before it went on elsewhere."""
    settings = replace(tiny, tail_positions=150, window=4096)
    play_rounds(settings, tmp_path, 2)
    shutil.copytree(tmp_path / campaign.WINDOW_FOLDER, tmp_path / "old")
    before = play_rounds(settings, tmp_path, 2)
    shutil.rmtree(tmp_path / campaign.WINDOW_FOLDER)
    (tmp_path / "old").rename(tmp_path / campaign.WINDOW_FOLDER)
    tail = positions_of(state_of(settings, tmp_path)[1].tail)
    after = play_rounds(settings, tmp_path, 1)
    assert len(window_of(settings, tmp_path, after)) == after.positions - before.positions + tail


# --- rules that change as the campaign goes on ------------------------------------------------------------------------


def published_rules(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int]]:
    """What will be published: where sides resign, and the lead that decides."""
    found: list[tuple[float, int]] = []
    publish = InTurn.publish

    def listen(actors: InTurn, network: Any, *, resign_below: float, decisive_lead: int) -> None:
        found.append((resign_below, decisive_lead))
        publish(actors, network, resign_below=resign_below, decisive_lead=decisive_lead)

    monkeypatch.setattr(InTurn, "publish", listen)
    return found


def test_a_lead_in_material_decides_in_the_first_positions_only(
    tiny: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(tiny, decisive_lead=4, lead_until=200)
    rules = published_rules(monkeypatch)
    play_rounds(settings, tmp_path, 4)
    played = [0, *(row.positions for row in metrics(tmp_path))]
    assert [lead for _, lead in rules] == [4 if positions < 200 else 0 for positions in played]
    assert {lead for _, lead in rules} == {0, 4}
    assert {threshold for threshold, _ in rules} == {NEVER}


def test_sides_resign_at_the_threshold_that_follows_from_the_games_played_on(
    tiny: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(tiny, played_on=0.3, tail_positions=10_000)
    threshold = 0.0
    monkeypatch.setattr(Resignation, "threshold", lambda resignation: threshold)
    rules = published_rules(monkeypatch)
    play_rounds(settings, tmp_path, 4)
    assert {below for below, _ in rules} == {0.0}
    rows = metrics(tmp_path)
    assert sum(row.resigned * row.games for row in rows) > 0
    checked = [game for game in state_of(settings, tmp_path)[1].tail if game.played_on]
    assert 0 < len(checked) < rows[-1].games
    assert rows[-1].resign_checked == sum(min(game.lowest) < 0 for game in checked) > 0
    assert 0 <= rows[-1].resign_false_positives <= 1
    remembered = state_of(settings, tmp_path)[1].resignation
    assert remembered.tolist() == [[*game.lowest.tolist(), game.result] for game in checked]
    threshold = NEVER
    play_rounds(settings, tmp_path, 1)
    assert len(state_of(settings, tmp_path)[1].resignation) >= len(remembered), "they are remembered across legs"
    assert rules[-1] == (NEVER, 0)
    assert metrics(tmp_path)[-1].resign_checked is None


# --- threads ----------------------------------------------------------------------------------------------------------


def counted_games(monkeypatch: pytest.MonkeyPatch) -> list[GameRecord]:
    """Every game that ends on any table from now on."""
    found: list[GameRecord] = []
    step = GamesAtOnce.step

    def listen(games: GamesAtOnce, evaluator: Any) -> list[GameRecord]:
        ended = step(games, evaluator)
        found.extend(ended)
        return ended

    monkeypatch.setattr(GamesAtOnce, "step", listen)
    return found


def test_with_threads_every_game_that_ends_is_learned_from(
    tiny: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, boards_of: Callable[..., Any]
) -> None:
    settings = replace(tiny, overlapped=True, tail_positions=100_000)
    ended = counted_games(monkeypatch)
    for rounds in (4, 3):
        counters = play_rounds(settings, tmp_path, rounds, actors=2)
        assert not actors_alive()
        assert counters.games == len(ended)
        assert counters.positions == positions_of(ended)
    saved = state_of(settings, tmp_path)[1]
    assert sorted(game.moves.tobytes() for game in saved.tail) == sorted(game.moves.tobytes() for game in ended)
    assert [len(unfinished.records) for unfinished in saved.unfinished] == [4, 4]
    for game in saved.tail[-20:]:
        assert len(boards_of(game)) == len(game.moves) + 1
    rows = metrics(tmp_path)
    assert rows[-1].games == counters.games
    assert rows[-1].evaluations <= counters.evaluations


def test_an_error_of_an_actor_ends_the_leg_and_loses_nothing(
    tiny: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(tiny, overlapped=True)
    play_rounds(settings, tmp_path, 2, actors=2)
    before = len(metrics(tmp_path))
    steps, step = 0, GamesAtOnce.step

    def fail(games: GamesAtOnce, evaluator: Any) -> list[GameRecord]:
        nonlocal steps
        steps += 1
        if steps > 500:
            raise RuntimeError("the network gives no answer")
        return step(games, evaluator)

    monkeypatch.setattr(GamesAtOnce, "step", fail)
    with pytest.raises(RuntimeError, match="the network gives no answer"):
        play_rounds(settings, tmp_path, 1_000_000, actors=2)
    assert not actors_alive()
    monkeypatch.undo()
    rounds = len(metrics(tmp_path))
    assert rounds > before
    assert play_rounds(settings, tmp_path, 1, actors=2).rounds > rounds


def test_a_leg_ends_in_time(tiny: Campaign, tmp_path: Path) -> None:
    settings = replace(tiny, overlapped=True)
    play_rounds(settings, tmp_path, 1)  # what is slow the first time is done
    begun = time.monotonic()
    run_campaign(settings, tmp_path, A_SECOND, device="cpu", actors=2, report=lambda _: None)
    assert 1 <= time.monotonic() - begun < 20


# --- saving -----------------------------------------------------------------------------------------------------------


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


# --- what is refused --------------------------------------------------------------------------------------------------


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


def test_games_begin_from_the_usual_position_unless_the_campaign_says_otherwise(tiny: Campaign, tmp_path: Path) -> None:
    for share, usual in ((0.0, {True}), (1.0, {False})):
        settings = replace(tiny, endgame_share=share)
        play_rounds(settings, tmp_path / str(share), 1)
        games = state_of(settings, tmp_path / str(share))[1].tail
        assert {bool((game.start == start_position()).all()) for game in games} == usual


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
