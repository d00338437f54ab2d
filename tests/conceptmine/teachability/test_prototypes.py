"""Prototypes: the criterion is strict and per row, and nothing a concept was mined from may teach or examine it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptmine.errors import InputError
from conceptmine.teachability import (
    dynamic_prototypes,
    position_margins,
    row_norms,
    split_by_game,
    static_prototypes,
)
from conceptmine.teachability import prototypes as subject


def test_a_margin_is_the_smallest_cosine_of_a_positions_own_rows() -> None:
    vector = np.array([2.0, 0.0, 0.0])
    rows = np.array([[3.0, 4.0, 0.0], [1.0, 0.0, 0.0], [-1.0, 0.0, 1.0], [5.0, 0.0, 0.0]], dtype=np.float32)
    margins = position_margins(vector, rows, np.array([0, 0, 2, 2]), 4)
    assert margins.shape == (1, 4)
    np.testing.assert_allclose(margins[0, [0, 2]], [0.6, -np.sqrt(0.5)], rtol=1e-12)
    assert np.isnan(margins[0, [1, 3]]).all(), "a position without rows has no margin"


def test_a_tie_is_not_a_preference() -> None:
    rows = np.array([[0.0, 7.0], [0.0, 0.0], [1.0, 0.0]])
    margins = position_margins([1.0, 0.0], rows, [0, 1, 2], 3)[0]
    np.testing.assert_array_equal(margins, [0.0, 0.0, 1.0])
    found = dynamic_prototypes(margins, [0, 1, 2], minimum=1)
    np.testing.assert_array_equal(found.positions, [2])
    assert found.satisfying == 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 40))
def test_blocks_and_batches_of_concepts_give_what_one_row_at_a_time_gives(seed: int, k: int, n_rows: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n_rows, 5)).astype(np.float32)
    vectors = rng.standard_normal((k, 5)) * (rng.random((k, 5)) < 0.7)
    vectors[:, 0] += 3.0
    owner = rng.integers(0, 7, n_rows)
    expected = np.full((k, 7), np.nan)
    for c in range(k):
        for r in range(n_rows):
            row = rows[r].astype(np.float64)
            cosine = row @ vectors[c] / np.linalg.norm(row) / np.linalg.norm(vectors[c])
            expected[c, owner[r]] = np.fmin(expected[c, owner[r]], cosine)
    whole = subject._BLOCK_BYTES
    try:
        subject._BLOCK_BYTES = 3 * 8 * 5
        found = position_margins(vectors, rows, owner, 7, norms=row_norms(rows))
    finally:
        subject._BLOCK_BYTES = whole
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_best_are_kept_without_mined_games_duplicates_and_beyond_the_share() -> None:
    margins = np.array([0.9, 0.8, 0.7, 0.6, 0.5, -0.1, np.nan, 0.4])
    games = np.array([0, 1, 1, 2, 3, 3, 4, 5])
    keys = np.array([10, 11, 12, 12, 13, 14, 15, 10])
    found = dynamic_prototypes(margins, games, keys=keys, excluded_games=[0], minimum=1, top_fraction=1.0)
    # Place 0 is of a mined game, 7 is the same board as 0, 3 the same board as the better-ranked 2.
    np.testing.assert_array_equal(found.positions, [1, 2, 4])
    np.testing.assert_array_equal(found.scores, [0.8, 0.7, 0.5])
    assert found.satisfying == 6
    assert found.reason is None
    fewer = dynamic_prototypes(margins, games, minimum=1, top_fraction=0.25)
    np.testing.assert_array_equal(fewer.positions, [0, 1])
    capped = dynamic_prototypes(margins, games, minimum=1, maximum=1, top_fraction=1.0)
    np.testing.assert_array_equal(capped.positions, [0])


def test_too_few_prototypes_are_recorded_with_the_reason() -> None:
    found = dynamic_prototypes(np.r_[np.full(19, 0.5), np.full(481, -0.5)], np.arange(500))
    assert found.positions.size == 19
    assert found.reason == "only 19 of 500 pool positions are prototypes; at least 20 are needed"
    assert dynamic_prototypes(np.r_[np.full(20, 0.5), np.full(480, -0.5)], np.arange(500)).reason is None


def test_a_small_pool_is_not_cut_below_what_teaching_needs() -> None:
    found = dynamic_prototypes(np.full(400, 0.5), np.arange(400))
    assert found.positions.size == 20, "2.5 % of 400 is 10, but 20 are needed and there"
    assert dynamic_prototypes(np.full(4000, 0.5), np.arange(4000)).positions.size == 100


def test_static_prototypes_are_the_top_share_by_score() -> None:
    scores = np.random.default_rng(0).standard_normal(2000)
    found = static_prototypes(scores, np.arange(2000))
    np.testing.assert_array_equal(found.positions, np.argsort(-scores)[:50])


@given(st.integers(0, 2**32 - 1), st.integers(20, 120), st.integers(2, 40))
@settings(max_examples=60, deadline=None)
def test_no_game_is_on_both_sides_of_the_split(seed: int, n: int, n_games: int) -> None:
    rng = np.random.default_rng(seed)
    pool_games = rng.integers(0, n_games, 300)
    places = rng.permutation(300)[:n]
    split = split_by_game(places, pool_games, seed=seed)
    if split.reason is not None:
        assert split.train.size == split.test.size == 0
        return
    assert not set(pool_games[split.train]) & set(pool_games[split.test])
    assert sorted([*split.train, *split.test]) == sorted(places)
    assert split.test.size >= 5
    assert split.train.size >= 1
    again = split_by_game(places, pool_games, seed=seed)
    np.testing.assert_array_equal(split.test, again.test)


def test_with_a_position_a_game_a_fifth_is_the_test() -> None:
    split = split_by_game(np.arange(100), np.arange(100))
    assert (split.train.size, split.test.size) == (80, 20)


def test_prototypes_of_one_game_cannot_be_split() -> None:
    split = split_by_game(np.arange(30), np.zeros(30, dtype=int))
    assert split.reason is not None
    assert "30 prototypes from 1 games" in split.reason


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: position_margins(np.zeros(2), np.ones((1, 2)), [0], 1), "vector 0 is zero"),
        (lambda: position_margins(np.ones(3), np.ones((1, 2)), [0], 1), "do not fit rows of 2"),
        (lambda: position_margins(np.ones(2), np.ones((1, 2)), [1], 1), "the pool has 1 positions"),
        (lambda: position_margins(np.ones(2), np.full((1, 2), np.nan), [0], 1), "row 0 of the pool"),
        (lambda: position_margins(np.ones(2), np.ones(2), [0], 1), "must be [rows, d]"),
        (lambda: dynamic_prototypes([0.5], [1, 2]), "one game for each"),
        (lambda: dynamic_prototypes([0.5], [1], keys=[1, 2]), "one key for each"),
        (lambda: dynamic_prototypes([0.5], [1], top_fraction=0), "top_fraction is 0"),
        (lambda: dynamic_prototypes([], []), "one score for each"),
        (lambda: static_prototypes([np.nan], [1]), "not finite"),
        (lambda: split_by_game([3], [0]), "the pool has 1 positions"),
        (lambda: split_by_game([0.5], [0]), "list of integers"),
    ],
)
def test_wrong_input_gets_one_clear_sentence(call: object, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("[", r"\[")):
        call()  # type: ignore[operator]
