"""A campaign goes on where it stood: with its games under way, its newest games, its window and its checkpoints."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from engines.selfplay import Campaign, campaign, run_campaign
from engines.selfplay.metrics import METRICS_FILE
from engines.selfplay.state import save_state
from tests.engines.selfplay.legs import metrics, play_rounds, positions_of, state_of, window_of


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


def test_a_leg_too_short_for_a_round_still_counts(tiny: Campaign, tmp_path: Path) -> None:
    long_round = replace(tiny, positions_per_round=1_000_000)
    for _ in range(150):
        counters = run_campaign(long_round, tmp_path, 0.4 / 60, device="cpu", report=lambda _: None)
        if counters.positions:
            break
    assert 0 < counters.positions < 1_000_000
    assert counters.rounds == len(metrics(tmp_path)) > 0


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


# --- checkpoints ------------------------------------------------------------------------------------------------------


def marks_of(folder: Path) -> list[int]:
    """The marks of which there are checkpoints."""
    return sorted(int(path.name[5:13]) for path in (folder / campaign.CHECKPOINT_FOLDER).iterdir())


def test_marks_that_change_are_compared_with_what_was_played(tiny: Campaign, tmp_path: Path) -> None:
    first = replace(tiny, checkpoints=(0, 10, 20, 30, 40))
    played = play_rounds(first, tmp_path, 1).positions
    assert marks_of(tmp_path) == [0, 40]
    ahead = (played + 10, played + 10_000)
    fewer = play_rounds(replace(tiny, checkpoints=ahead), tmp_path, 1)
    assert (fewer.checkpoints, marks_of(tmp_path)) == (1, [0, 40, played + 10])
    more = play_rounds(replace(tiny, checkpoints=(0, 1, 2, 3, 4, 5, *ahead)), tmp_path, 1)
    assert (more.checkpoints, marks_of(tmp_path)) == (7, [0, 40, played + 10]), "of the past there are no networks"
    assert play_rounds(replace(tiny, checkpoints=(more.positions + 1,)), tmp_path, 1).checkpoints == 1
    assert marks_of(tmp_path)[-1] == more.positions + 1


def test_a_mark_that_was_passed_as_the_state_was_saved_is_still_due(tiny: Campaign, tmp_path: Path) -> None:
    """Also when other marks are added around it: games that end while a state is saved may have passed it."""
    before = play_rounds(replace(tiny, checkpoints=(0,)), tmp_path, 2)
    learner, saved = state_of(tiny, tmp_path)
    due = before.positions - 5
    settings = replace(tiny, checkpoints=(0, due)).as_json()
    save_state(tmp_path, learner, replace(saved, campaign=settings, counters=replace(before, checkpoints=1)))
    marks = (0, 1, due, due + 1, before.positions + 10_000)
    assert play_rounds(replace(tiny, checkpoints=marks), tmp_path, 1).checkpoints == 4
    assert marks_of(tmp_path) == [0, due + 1], "of the marks that are due the last one has the checkpoint"
