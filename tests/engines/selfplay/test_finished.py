"""Finished games wait for the learner, and the learner for them: enough, the time, or a failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from engines.selfplay.finished import FinishedGames
from engines.selfplay.records import GameRecord

LONG = 60.0


def in_a_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_games_are_taken_once_when_there_are_enough_of_them(played: list[GameRecord]) -> None:
    finished = FinishedGames()
    enough = sum(len(game.moves) for game in played[:3])
    finished.add(played[:2])
    waiting = in_a_thread(lambda: finished.wait(enough, time.monotonic() + LONG))
    while finished.room(0) != len(played[2].moves):  # what is waited for and not there yet
        time.sleep(0.001)
    assert waiting.is_alive()
    finished.add(played[2:3])
    waiting.join(LONG)
    assert not waiting.is_alive()
    assert finished.take_sound() == played[:3]
    assert (finished.take(), finished.room(7)) == ([], 7)


def test_waiting_ends_in_time() -> None:
    finished = FinishedGames()
    began = time.monotonic()
    finished.wait(1, began + 0.1)
    assert 0.1 <= time.monotonic() - began < LONG
    finished.wait(1, began)


def test_who_is_too_far_ahead_waits_until_games_are_taken_or_all_is_stopped(played: list[GameRecord]) -> None:
    finished = FinishedGames()
    plies = len(played[0].moves)
    finished.add(played[:1])
    finished.wait_for_room(plies)
    for let_go in (finished.take, finished.stop):
        finished.add(played[:1])
        waiting = in_a_thread(lambda: finished.wait_for_room(plies - 1))
        waiting.join(0.1)
        assert waiting.is_alive()
        let_go()
        waiting.join(LONG)
        assert not waiting.is_alive()


def test_a_failure_is_heard_of_and_leaves_the_games(played: list[GameRecord]) -> None:
    finished = FinishedGames()
    finished.add(played[:1])
    finished.fail(RuntimeError("no answer"))
    finished.wait(10**9, time.monotonic() + LONG)
    with pytest.raises(RuntimeError, match="no answer"):
        finished.take_sound()
    assert finished.take() == played[:1]
