"""Threads play while the network learns: every game counts once, errors end the leg, and so does its time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines.selfplay import Campaign, run_campaign
from engines.selfplay.games import GamesAtOnce
from engines.selfplay.records import GameRecord
from tests.engines.selfplay.legs import actors_alive, metrics, play_rounds, positions_of, state_of


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
    run_campaign(settings, tmp_path, 1 / 60, device="cpu", actors=2, report=lambda _: None)
    assert 1 <= time.monotonic() - begun < 20
