"""When resigning is allowed: not before it was shown to be right, and no earlier than that."""

from __future__ import annotations

import numpy as np
import pytest

from engines.selfplay.endings import LENGTH
from engines.selfplay.records import GameRecord
from engines.selfplay.resignation import NEVER, Measured, Resignation


def game(white: float, black: float, result: int, played_on: bool = True) -> GameRecord:
    """One in which the sides held these lowest values two searches in a row."""
    return GameRecord(
        start=np.zeros(8, dtype=np.uint64),
        moves=np.zeros(0, dtype=np.uint16),
        kinds=np.zeros(0, dtype=np.uint8),
        slots=np.zeros((0, 64), dtype=np.uint16),
        policy=np.zeros((0, 64), dtype=np.float16),
        values=np.zeros(0, dtype=np.float32),
        result=result,
        ending=LENGTH,
        lowest=np.array([white, black], dtype=np.float32),
        played_on=played_on,
    )


def after(*games: GameRecord, errors: float = 0.05) -> Resignation:
    resignation = Resignation(errors)
    resignation.add(games)
    return resignation


def test_nobody_resigns_before_sixty_games_have_shown_it_right() -> None:
    lost = game(-0.99, 2.0, -1)
    assert after(*[lost] * 59).threshold() == NEVER
    assert after(*[lost] * 60).threshold() == -0.7
    assert after().threshold() == NEVER


def test_only_games_that_were_played_on_count() -> None:
    resignation = after(*[game(-0.99, 2.0, -1, played_on=False)] * 500, *[game(-0.99, 2.0, -1)] * 59)
    assert resignation.measured(-0.9) == Measured(-0.9, 59, 0)
    assert resignation.threshold() == NEVER


def test_only_games_in_which_a_side_would_have_resigned_count() -> None:
    resignation = after(*[game(-0.875, 2.0, -1)] * 70, *[game(-0.5, 0.1, 1)] * 400)
    assert resignation.measured(-0.8) == Measured(-0.8, 70, 0)
    assert resignation.measured(-0.875) == Measured(-0.875, 0, 0), "at the threshold nobody resigns yet"
    assert resignation.measured(-0.9) == Measured(-0.9, 0, 0)
    assert resignation.threshold() == -0.7


def test_the_threshold_is_the_highest_that_is_wrong_seldom_enough() -> None:
    """A side that stood at −0.75 was not lost as a rule; those that stood below −0.8 were."""
    saved = [game(2.0, -0.75, 0)] * 50
    lost = [game(-0.95, 2.0, -1), game(2.0, -0.95, 1)] * 50
    assert after(*saved, *lost).threshold() == -0.76
    assert after(*saved, *lost, errors=0.34).threshold() == -0.7
    assert after(*saved, *lost, errors=0.0).threshold() == NEVER


@pytest.mark.parametrize(("wrong", "expected"), [(5, -0.7), (6, NEVER)])
def test_the_rate_of_errors_may_be_just_what_is_allowed(wrong: int, expected: float) -> None:
    games = [game(-0.99, 2.0, 0)] * wrong + [game(-0.99, 2.0, -1)] * (100 - wrong)
    assert after(*games).threshold() == expected


@pytest.mark.parametrize(
    ("white", "black", "result", "wrong"),
    [
        (-0.9, 2.0, -1, 0),
        (-0.9, 2.0, 0, 1),
        (-0.9, 2.0, 1, 1),
        (2.0, -0.9, 1, 0),
        (2.0, -0.9, 0, 1),
        (2.0, -0.9, -1, 1),
        (-0.9, -0.8, -1, 0),  # both would have resigned: the one that stood lower counts
        (-0.9, -0.8, 1, 1),
        (-0.8, -0.9, 1, 0),
        (-0.8, -0.9, 0, 1),
    ],
)
def test_it_was_wrong_to_resign_a_game_that_was_not_lost(white: float, black: float, result: int, wrong: int) -> None:
    assert after(game(white, black, result)).measured(-0.7) == Measured(-0.7, 1, wrong)


def test_old_games_are_forgotten() -> None:
    resignation = after(*[game(-0.99, 2.0, 1)] * 1000)
    assert resignation.threshold() == NEVER
    resignation.add([game(-0.99, 2.0, -1)] * 1000)
    assert resignation.measured(-0.7) == Measured(-0.7, 1000, 0)
    assert resignation.threshold() == -0.7


def test_what_is_remembered_can_be_saved_and_restored() -> None:
    first = after(*[game(-0.75, 2.0, 0)] * 30, *[game(2.0, -0.9, 1)] * 80)
    stored = first.as_array()
    assert (stored.dtype, stored.shape) == (np.float32, (110, 3))
    second = after(*[game(-0.99, 2.0, 1)] * 200)
    second.restore(stored)
    for threshold in (-0.7, -0.76, -0.9):
        assert second.measured(threshold) == first.measured(threshold)
    assert second.threshold() == first.threshold() != NEVER
    assert np.array_equal(second.as_array(), stored)
    second.restore(after().as_array())
    assert second.as_array().shape == (0, 3)
