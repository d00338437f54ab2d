"""Controls: random lessons share no game with any exam and show nothing of the concept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptmine.errors import InputError
from conceptmine.teachability import Split, random_concept, random_positions, split_by_game


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_no_game_of_an_exam_is_in_any_lesson(seed: int) -> None:
    rng = np.random.default_rng(seed)
    games = rng.integers(0, 80, 600)
    prototypes = rng.permutation(600)[:50]
    barred = rng.random(600) < 0.3
    split = split_by_game(prototypes, games, seed=seed)
    control = random_positions(split, games, barred, seed=seed)
    assert control.reason is None
    lessons = {*games[split.train], *games[control.train]}
    assert lessons.isdisjoint({*games[split.test], *games[control.test]})
    drawn = [*control.train, *control.test]
    assert len(set(drawn)) == len(drawn)
    assert not barred[drawn].any()
    assert set(drawn).isdisjoint(prototypes)
    assert control.test.size == split.test.size
    assert split.train.size <= control.train.size <= 2 * split.train.size
    again = random_positions(split, games, barred, seed=seed)
    np.testing.assert_array_equal(control.train, again.train)


def test_a_pool_without_enough_other_positions_is_recorded_with_the_reason() -> None:
    games = np.arange(40)
    split = split_by_game(np.arange(30), games)
    control = random_positions(split, games, np.zeros(40, dtype=bool))
    assert control.train.size == control.test.size == 0
    assert control.reason is not None
    assert "24 and 6 are needed" in control.reason


def test_the_random_concept_is_seeded_and_scaled() -> None:
    vector = random_concept(4096, 7)
    np.testing.assert_array_equal(vector, random_concept(4096, 7))
    assert vector.std() * 4096 == pytest.approx(1.0, abs=0.05)


def test_wrong_input_gets_one_clear_sentence() -> None:
    games, none = np.arange(9), np.zeros(9, dtype=bool)
    empty = Split(np.empty(0, np.int64), np.empty(0, np.int64), "why")
    split = Split(np.array([0]), np.array([1]), None)
    with pytest.raises(InputError, match="no split"):
        random_positions(empty, games, none)
    with pytest.raises(InputError, match="barred must be bool"):
        random_positions(split, games, np.zeros(9))
    with pytest.raises(InputError, match="train_factor is 0"):
        random_positions(split, games, none, train_factor=0.5)
