"""The Bradley-Terry fit against planted strengths, closed forms, and its own optimality conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.arena import Meeting, Ratings, Tally, rate_players

ELO = 400 / math.log(10)


def chances(half_difference: float, draws: float) -> list[float]:
    """Davidson's model, written down once more: win, draw and loss."""
    weights = [math.exp(half_difference), draws, math.exp(-half_difference)]
    return [weight / sum(weights) for weight in weights]


def planted(
    generator: np.random.Generator, difference: float, pairs: int, *, draws: float, advantage: float, luck: float = 0.0
) -> Tally:
    """Pairs of games between players of a planted difference; ``luck``: how far openings favour White, in δ."""
    played = []
    for _ in range(pairs):
        opening = advantage + (generator.normal(0, luck) if luck else 0.0)
        with_white = generator.choice([1.0, 0.5, 0.0], p=chances((difference + opening) / 2, draws))
        with_black = 1 - generator.choice([1.0, 0.5, 0.0], p=chances((-difference + opening) / 2, draws))
        played.append((float(with_white), float(with_black)))
    return Tally.of(played)


STRENGTHS = {"a": 0.0, "b": 0.4, "c": 1.0, "d": 1.5, "e": 2.5}


def tournament(seed: int, pairs: int, *, draws: float = 1.0, advantage: float = 0.2, luck: float = 0.0) -> Ratings:
    generator = np.random.default_rng(seed)
    meetings = [
        Meeting(one, other, planted(generator, STRENGTHS[one] - STRENGTHS[other], pairs, **options))
        for one, other in combinations(STRENGTHS, 2)
        for options in [{"draws": draws, "advantage": advantage, "luck": luck}]
    ]
    return rate_players(meetings, anchor="a")


def test_planted_strengths_come_back() -> None:
    ratings = tournament(0, 4000, draws=1.0, advantage=0.2)
    scale = ELO * 2 / 3
    for name, strength in STRENGTHS.items():
        rating = ratings[name]
        assert rating.elo == pytest.approx(scale * strength, abs=4 * rating.standard_error + 1e-9)
        assert rating.standard_error < 4
    assert ratings.draw_share == pytest.approx(1 / 3, abs=0.01)
    assert ratings.white_advantage[0] == pytest.approx(scale * 0.2, abs=4)
    assert ratings.dispersion == pytest.approx(1, abs=0.05)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    scale = ELO * 2 / 3
    covered = []
    for seed in range(120):
        ratings = tournament(seed, 12)
        for one, other in combinations(STRENGTHS, 2):
            difference, error = ratings.difference(one, other)
            covered.append(abs(difference - scale * (STRENGTHS[one] - STRENGTHS[other])) < 1.96 * error)
    # A little more than 0.95, as the misfit is never taken for less than chance.
    assert 0.94 < np.mean(covered) < 0.98


def test_standard_errors_are_right_when_openings_favour_one_side() -> None:
    """Then the two games of a pair are far from independent, and the Hessian alone says too much."""
    found = [tournament(seed, 20, luck=1.5) for seed in range(150)]
    dispersion = np.mean([ratings.dispersion for ratings in found])
    said, spread = (
        np.mean([measure([ratings[name] for ratings in found]) for name in "bcde"])
        for measure in (
            lambda ratings: np.mean([rating.standard_error for rating in ratings]),
            lambda ratings: np.std([rating.elo for rating in ratings], ddof=1),
        )
    )
    assert dispersion < 0.9
    # One number for all pairs is not exact: those of equals spread less than those of a strong and a weak player.
    assert spread < said < 1.25 * spread
    assert said / math.sqrt(dispersion) > 1.1 * spread


def test_strength_that_is_not_one_number_widens_the_errors(tally: Callable[..., Tally]) -> None:
    """a beats b, b beats c, c beats a, and d draws with all."""
    strong = tally(*["22", "22", "21", "20"] * 4)
    even = tally(*["11", "20"] * 8)
    wheel = [Meeting("a", "b", strong), Meeting("b", "c", strong), Meeting("c", "a", strong)]
    ratings = rate_players([*wheel, *(Meeting(name, "d", even) for name in "abc")], anchor="d")
    assert [ratings[name].elo for name in "abc"] == pytest.approx([0, 0, 0], abs=1e-6)
    assert ratings.misfit > 2
    assert rate_players(wheel[:1]).misfit == 1


def test_two_players_without_draws_are_elo_s_formula() -> None:
    games = Tally((30, 0, 10), (20, 0, 20), (0, 0, 30, 0, 10))
    ratings = rate_players([Meeting("x", "y", games)], anchor="y", prior=1e-9)
    # Odds 3 with White and 1 with Black: strengths and advantage fit both exactly.
    assert ratings["x"].elo == pytest.approx(ELO * (math.log(3) + math.log(1)) / 2, abs=0.01)
    assert ratings.white_advantage[0] == pytest.approx(ELO * (math.log(3) - math.log(1)) / 2, abs=0.01)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.floats(0.1, 4), st.floats(-0.5, 0.5))
def test_everybody_scores_what_is_expected_of_them(seed: int, pairs: int, draws: float, advantage: float) -> None:
    """The condition of the maximum: with a vanishing prior, points and numbers of draws are those of the model."""
    generator = np.random.default_rng(seed)
    # Enough games of equals that nobody has swept everybody.
    meetings = [
        Meeting(one, other, planted(generator, 0.0, 40 + pairs, draws=draws, advantage=advantage))
        for one, other in combinations("abc", 2)
    ]
    ratings = rate_players(meetings, prior=1e-9)
    nu = 2 * ratings.draw_share / (1 - ratings.draw_share)
    scale = ELO * 2 / (2 + nu)
    expected = dict.fromkeys("abc", 0.0)
    again = dict.fromkeys("abc", 0.0)
    drawn = 0.0
    for meeting in meetings:
        difference, _ = ratings.difference(meeting.first, meeting.second)
        for sign, games in ((1, sum(meeting.tally.white)), (-1, sum(meeting.tally.black))):
            win, draw, loss = chances((difference + sign * ratings.white_advantage[0]) / scale / 2, nu)
            expected[meeting.first] += games * (win + draw / 2)
            expected[meeting.second] += games * (loss + draw / 2)
            drawn += games * draw
        games = meeting.tally.games
        shares = (
            ratings.expected_score(meeting.first, meeting.second),
            ratings.expected_score(meeting.second, meeting.first),
        )
        assert sum(shares) == pytest.approx(1)
        again[meeting.first] += games * shares[0]
        again[meeting.second] += games * shares[1]
    assert again == pytest.approx(expected)
    for name, points in expected.items():
        assert ratings[name].points == pytest.approx(points, abs=1e-4)
    assert sum(meeting.tally.draws for meeting in meetings) == pytest.approx(drawn, abs=1e-4)


def test_the_order_of_tables_and_sides_does_not_matter(tally: Callable[..., Tally]) -> None:
    one, two = tally("22", "20", "11", "01"), tally("21", "10", "00", "12")
    ours = rate_players([Meeting("a", "b", one), Meeting("b", "c", two)], anchor="a")
    theirs = rate_players([Meeting("c", "b", two.reversed), Meeting("b", "a", one.reversed)], anchor="a")
    for name in "abc":
        assert theirs[name].elo == pytest.approx(ours[name].elo)
        assert theirs[name].standard_error == pytest.approx(ours[name].standard_error)
    assert theirs.white_advantage == pytest.approx(ours.white_advantage)


def test_the_anchor_moves_all_and_changes_no_difference(tally: Callable[..., Tally]) -> None:
    meetings = [Meeting("a", "b", tally("22", "20", "11")), Meeting("b", "c", tally("21", "10"))]
    from_a, from_c = rate_players(meetings), rate_players(meetings, anchor="c", anchor_elo=1000)
    assert (from_a["a"].elo, from_a["a"].standard_error) == (0, 0)
    assert (from_c["c"].elo, from_c["c"].standard_error) == (1000, 0)
    assert from_c.difference("a", "b") == pytest.approx(from_a.difference("a", "b"))
    assert from_c.likelihood_of_superiority("a", "b") == pytest.approx(from_a.likelihood_of_superiority("a", "b"))


def test_clean_sweeps_stay_finite_and_say_how_unsure_they_are(tally: Callable[..., Tally]) -> None:
    few, many = (
        rate_players([Meeting("a", "b", tally(*["22"] * n)), Meeting("b", "c", tally("11", "20"))]) for n in (3, 30)
    )
    for ratings in (few, many):
        difference, error = ratings.difference("a", "b")
        assert 100 < difference < 2000
        assert 50 < error < 1000
    assert many.difference("a", "b")[0] > few.difference("a", "b")[0] + 100
    assert few.likelihood_of_superiority("a", "b") < many.likelihood_of_superiority("a", "b")


@pytest.mark.parametrize("pairs", [["11"] * 10, ["20"] * 10, ["02"] * 10])
def test_games_that_are_all_alike_stay_finite(pairs: list[str], tally: Callable[..., Tally]) -> None:
    ratings = rate_players([Meeting("a", "b", tally(*pairs))])
    assert ratings.difference("a", "b")[0] == pytest.approx(0, abs=1e-6)
    assert math.isfinite(ratings.difference("a", "b")[1])
    assert math.isfinite(ratings.white_advantage[0])


def test_what_cannot_be_rated_is_refused(tally: Callable[..., Tally]) -> None:
    games = tally("21")
    with pytest.raises(ValueError, match="there are no games"):
        rate_players([Meeting("a", "b", Tally.of(()))])
    with pytest.raises(ValueError, match="'a' met itself"):
        rate_players([Meeting("a", "a", games)])
    with pytest.raises(ValueError, match="the anchor 'z' has played no game: give one of a, b"):
        rate_players([Meeting("a", "b", games)], anchor="z")
    with pytest.raises(ValueError, match="no games link c, d to a"):
        rate_players([Meeting("a", "b", games), Meeting("c", "d", games)])
    with pytest.raises(ValueError, match="prior is 0"):
        rate_players([Meeting("a", "b", games)], prior=0)
    with pytest.raises(KeyError):
        rate_players([Meeting("a", "b", games)])["z"]
