"""The cut of a concept's numbers, and the pairs that are made of positions."""

from __future__ import annotations

import chess
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptmine.contrast.known import Cut, find_cut, matched_positions, strata
from conceptmine.errors import InputError


@pytest.mark.parametrize(
    ("values", "cut"),
    [
        ([0, 1, 1, 0, 0], Cut(0, 1)),
        ([0] * 90 + [1] * 10, Cut(0, 1)),
        ([0] * 90 + [1] * 8 + [2] * 2, Cut(0, 1)),
        ([0] * 50 + [1] * 32 + [2] * 18, Cut(0, 2)),
        ([-1] * 15 + [0] * 70 + [1] * 15, Cut(-1, 1)),
        (list(range(100)), Cut(19, 80)),
        ([0, 1, np.nan, np.nan], Cut(0, 1)),
    ],
)
def test_cuts(values: list[float], cut: Cut) -> None:
    assert find_cut(values) == cut


@pytest.mark.parametrize("values", [[], [np.nan], [3, 3, 3], [3, np.nan]])
def test_numbers_that_agree_are_not_cut(values: list[float]) -> None:
    assert find_cut(values) is None


def test_refused_cuts() -> None:
    with pytest.raises(InputError, match=r"share is 0\.25"):
        find_cut([0, 1], share=0.25)
    with pytest.raises(InputError, match="infinite"):
        find_cut([0, np.inf])


@given(st.lists(st.integers(-4, 4), min_size=2, max_size=60), st.sampled_from([0.05, 0.2, 0.24]))
def test_a_cut_has_a_low_and_a_high_side(values: list[int], share: float) -> None:
    cut = find_cut(values, share)
    if cut is None:
        assert len(set(values)) == 1
        return
    assert cut.low < cut.high
    assert cut.low in values
    assert cut.high in values


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(0, 2)), min_size=1, max_size=80),
    st.integers(0, 5),
)
def test_pairs(rows: list[tuple[int, int, int]], seed: int) -> None:
    values = np.array([row[0] for row in rows], dtype=float)
    games, stratum = [f"game{row[1]}" for row in rows], np.array([row[2] for row in rows])
    cut = Cut(0, 2)
    pairs = matched_positions(values, cut, games, stratum, seed=seed)
    assert (values[pairs.positive] >= 2).all()
    assert (values[pairs.negative] <= 0).all()
    for side in (pairs.positive, pairs.negative):
        assert (stratum[side] == pairs.strata).all()
        assert len({games[i] for i in side.tolist()}) == len(side)
    again = matched_positions(values, cut, games, stratum, seed=seed)
    assert (again.positive == pairs.positive).all()
    assert (again.negative == pairs.negative).all()


def test_as_many_pairs_as_the_rarer_side_allows() -> None:
    values = np.array([1, 1, 1, 0, 1, 0, 0, np.nan])
    pairs = matched_positions(values, Cut(0, 1), list("abcdefgh"), [0, 0, 0, 0, 1, 1, 1, 1], seed=0)
    assert sorted(pairs.strata.tolist()) == [0, 1]
    assert 7 not in (*pairs.positive.tolist(), *pairs.negative.tolist())
    assert len(pairs.first(1)) == 1


def test_lengths_must_agree() -> None:
    with pytest.raises(InputError, match="2 numbers, 1 games and 2 strata"):
        matched_positions([0, 1], Cut(0, 1), ["a"], [0, 0], seed=0)


def test_strata() -> None:
    start = chess.Board()
    later = chess.Board("4k3/8/8/8/8/8/8/Q3K3 w - - 0 30")
    assert strata([start, later], "nothing").tolist() == [0, 0]
    assert strata([start, later], "ply").tolist() == [0, 5]
    one, other = strata([later, later.mirror()], "phase").tolist()
    assert one == other  # White to move with a queen, Black to move with a queen: plies 58 and 59
    assert strata([later], "phase") != strata([chess.Board("q3k3/8/8/8/8/8/8/4K3 w - - 0 30")], "phase")
    with pytest.raises(InputError, match="matching is 'colour'"):
        strata([start], "colour")  # type: ignore[arg-type]
