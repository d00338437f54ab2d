"""The benchmark of self-play runs, and counts what it says it counts; how fast anything is is not tested here."""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engines.networks import load_agent
from experiments import bench_selfplay
from experiments.engine_benchmark.measuring import Measurement, Section
from experiments.engine_benchmark.selfplay_loop import (
    ALONE,
    BY_CPU,
    DICTIONARIES,
    ENGINE,
    IN_LOOP,
    Contender,
    Loop,
    Shape,
    Watched,
    count_games,
    rates,
)

SMALL = Shape(games=4, simulations=2, considered=2, longest=240)


def test_games_begin_in_different_stages_and_are_watched() -> None:
    loop, watch = Loop(SMALL, 0), Watched(load_agent("ladder-final"))
    assert len(set(loop.plies)) > 1
    steps = 4 * (SMALL.simulations + 2)
    moves = sum(loop.step(watch) for _ in range(steps))
    assert moves >= 4 * 4, "a search takes its simulations, the root's evaluation and at most one step more"
    assert watch.positions == sum(len(masks) for masks, _ in watch.batches)
    assert 4 * steps / 2 <= watch.positions <= 4 * steps


def test_games_are_as_long_as_those_that_ended() -> None:
    shape = Shape(games=8, simulations=2, considered=2, longest=30)
    one = Contender(load_agent("ladder-final"), [Loop(shape, seed) for seed in range(2)])
    moves = Section("moves", "", lambda _: [], notes=["how they are played"])
    rate = Measurement("ladder-final: moves", ENGINE, 3, 100.0, 50.0)
    moves.measurements = [rate, replace(rate, subject="another: moves")]
    one.loops[0].ended = one.loops[1].ended = 0
    count_games(moves, [one])
    assert len(moves.measurements) == 2, "no game has ended"
    for loop in one.loops:
        loop.moves = 0
    while one.ended < 100:
        for place in range(2):
            one.play(place)
    # Games are drawn at 30 plies, and hardly any is over before.
    assert 26 < one.plies_a_game <= 31
    count_games(moves, [one])
    added = moves.measurements[2:]
    games = replace(
        rate, subject="ladder-final: games an hour", cpu=360_000 / one.plies_a_game, wall=180_000 / one.plies_a_game
    )
    assert added == [games]
    assert f"counted as {one.plies_a_game:.0f} moves" in moves.notes[-1]


def test_games_in_play_are_of_all_ages() -> None:
    """Of games that are all of one length every ply is as likely."""
    plies = np.concatenate(
        [Loop(Shape(games=64, simulations=2, considered=2, longest=20), seed).plies for seed in (1, 2)]
    )
    assert set(plies) <= set(range(20))
    assert len(set(plies)) > 15
    assert 7.5 < plies.mean() < 11.5


def test_threads_work_at_the_same_time_and_their_work_is_added_up() -> None:
    together = threading.Barrier(2, timeout=30)

    def work() -> int:
        together.wait()
        time.sleep(0.1)
        return 5

    by_cpu, by_wall = rates([work, work], 0.0)
    assert 10 < by_wall <= 100 < by_cpu, "two threads that sleep do five things each in a tenth of a second or more"


def test_the_command_writes_its_two_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--agent", "ladder-final", "--games", "4", "--simulations", "2", "--rounds", "1", "--seconds", "0.01"]
    monkeypatch.setattr(sys, "argv", ["bench_selfplay", *words, "--out", str(tmp_path / "new")])
    bench_selfplay.main()
    assert "Targets" in capsys.readouterr().out
    record = json.loads((tmp_path / "new" / "bench_selfplay.json").read_text())
    assert record["shape"]["games"] == 4
    evaluations, moves = (record["sections"][name]["measurements"] for name in ("evaluations", "moves"))
    found = {(one["subject"], one["by"]): one["cpu"] for one in evaluations}
    for subject in ("ladder-final, one thread", "ladder-final, 2 threads"):
        assert found[subject, BY_CPU] == pytest.approx(found[subject, IN_LOOP] / found[subject, ALONE])
    found = {(one["subject"], one["by"]): one["cpu"] for one in moves}
    assert {by for subject, by in found if subject == "ladder-final: moves"} == {ENGINE, DICTIONARIES}
    page = (tmp_path / "new" / "bench_selfplay.md").read_text()
    assert "| ladder-final: moves, against alpha-zero-general | ≥ 20 × |" in page


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--games", "0"], ["--simulations", "1"]])
def test_bad_arguments(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["bench_selfplay", *words])
    with pytest.raises(SystemExit) as stopped:
        bench_selfplay.main()
    assert stopped.value.code == 2
    assert f"{words[0]} is" in capsys.readouterr().err
