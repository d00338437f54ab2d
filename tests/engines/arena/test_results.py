"""Elo and likelihood of superiority of one match, against numbers worked by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.arena import Tally

POINTS = st.sampled_from([0.0, 0.5, 1.0])
PAIRS = st.lists(st.tuples(POINTS, POINTS), max_size=30)


def test_numbers_of_an_example_worked_by_hand(tally: Callable[..., Tally]) -> None:
    """Four pairs with 2, 1.5, 1 and 1 points of 2."""
    result = tally("22", "21", "20", "11")
    assert (result.wins, result.draws, result.losses) == (4, 3, 1)
    assert (result.white, result.black, result.pairs) == ((3, 1, 0), (1, 2, 1), (0, 0, 2, 1, 1))
    assert result.score == pytest.approx(5.5 / 8)
    assert result.elo == pytest.approx(400 * math.log10(0.6875 / 0.3125))
    assert result.elo == pytest.approx(136.97, abs=0.01)
    # Shares of a pair 1, 0.75, 0.5, 0.5: mean 0.6875, sample variance 0.171875 / 3, of the mean a quarter of that.
    spread = math.sqrt(0.171875 / 3 / 4)
    assert result.elo_standard_error == pytest.approx(400 / math.log(10) * spread / (0.6875 * 0.3125))
    assert result.elo_standard_error == pytest.approx(96.77, abs=0.01)
    assert result.describe().startswith("score 68.8%, Elo +137 ± 97 (standard error), likelihood of superiority ")


@given(PAIRS)
def test_all_figures_go_into_json_and_back(pairs: list[tuple[float, float]]) -> None:
    tally = Tally.of(pairs)
    found = json.loads(json.dumps(tally.as_json(), allow_nan=False))
    assert Tally(*(tuple(found.pop(name)) for name in ("white", "black", "pairs"))) == tally
    assert found.pop("score") == (tally.score if pairs else None)
    assert found == {name: getattr(tally, name) for name in found}
    assert {"wins", "draws", "losses", "elo", "elo_standard_error", "likelihood_of_superiority"} == set(found)


@given(PAIRS)
def test_the_same_games_from_the_other_side(pairs: list[tuple[float, float]]) -> None:
    ours, theirs = Tally.of(pairs), Tally.of([(1 - with_black, 1 - with_white) for with_white, with_black in pairs])
    assert theirs == ours.reversed
    assert ours.reversed.reversed == ours
    assert (theirs.wins, theirs.draws, theirs.losses) == (ours.losses, ours.draws, ours.wins)
    assert ours.points + theirs.points == ours.games == 2 * len(pairs)
    assert theirs.likelihood_of_superiority == pytest.approx(1 - ours.likelihood_of_superiority)
    if ours.elo is not None:
        assert theirs.elo == pytest.approx(-ours.elo)
        assert theirs.elo_standard_error == pytest.approx(ours.elo_standard_error)


@given(PAIRS, PAIRS)
def test_games_add_up(one: list[tuple[float, float]], other: list[tuple[float, float]]) -> None:
    assert Tally.of(one) + Tally.of(other) == Tally.of(one + other)


@pytest.mark.parametrize("points", ["0", "2"])
def test_one_sided_matches_have_no_finite_difference(points: str, tally: Callable[..., Tally]) -> None:
    result = tally(2 * points, 2 * points)
    assert result.elo is None
    assert result.elo_standard_error is None
    assert "no finite Elo difference" in result.describe()


@pytest.mark.parametrize("pairs", [("21",), ("21", "12", "21")])
def test_pairs_without_spread_do_not_say_how_sure_the_score_is(
    pairs: tuple[str, ...], tally: Callable[..., Tally]
) -> None:
    result = tally(*pairs)
    assert result.elo == pytest.approx(190.85, abs=0.01)
    assert result.elo_standard_error is None
    assert "no standard error" in result.describe()


def test_superiority_is_sure_only_after_enough_games(tally: Callable[..., Tally]) -> None:
    assert Tally.of(()).likelihood_of_superiority == 0.5
    sweeps = [tally(*["22"] * n).likelihood_of_superiority for n in (1, 2, 4, 8, 30)]
    assert sweeps == sorted(sweeps)
    assert sweeps[0] < 0.9 < sweeps[2] < 0.99 < sweeps[3] < sweeps[4] <= 1
    assert tally("11", "11", "20").likelihood_of_superiority == 0.5


def test_equal_players_seem_superior_as_often_as_is_said() -> None:
    generator = np.random.default_rng(5)
    said = []
    for _ in range(1000):
        results = generator.choice([0.0, 0.5, 1.0], size=(20, 2), p=[0.35, 0.3, 0.35])
        said.append(Tally.of([(a, b) for a, b in results.tolist()]).likelihood_of_superiority)
    for level in (0.05, 0.2, 0.5, 0.8, 0.95):
        assert np.mean(np.array(said) < level) == pytest.approx(level, abs=0.05)


@pytest.mark.parametrize(
    ("white", "pairs"), [((1, 0, 0), (0, 0, 0, 0, 1)), ((-1, 0, 2), (0, 0, 1, 0, 0)), ((0, 1, 0), (1, 0, 0, 0, 0))]
)
def test_counts_that_contradict_each_other_are_refused(
    white: tuple[int, int, int], pairs: tuple[int, int, int, int, int]
) -> None:
    with pytest.raises(ValueError, match=r"counts below zero|do not come from"):
        Tally(white, (0, 1, 0), pairs)
