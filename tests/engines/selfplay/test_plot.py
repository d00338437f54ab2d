"""The page of a campaign: which panels it has, what they show, and what is refused."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import engines
from engines.selfplay.metrics import Round, read_metrics
from engines.selfplay.plot import (
    LADDER_FILE,
    Strength,
    Strengths,
    draw_metrics,
    metrics_figure,
    read_strengths,
    smoothed,
)

ROOT = Path(engines.__file__).parents[1]
OLD_PANELS = ["Policy loss", "Other losses", "Results", "Length of games"]
ALL_PANELS = [
    "Policy loss",
    "Policy loss less entropy (KL)",
    "Other losses",
    "Result foretold by the value",
    "Results",
    "Length of games",
    "How games end",
    "Resigned below",
    "Wrong resignations",
    "Speed of play",
    "Time of a round",
    "Learning rate",
]
ENDINGS = ("mated", "resigned", "too_long", "repeated", "fifty_moves", "stalemate", "insufficient")
LADDER = Strengths(
    "random",
    (
        Strength("early", 0, 50.0, 10.0),
        Strength("late", 2_000_000, 450.0, 20.0),
        Strength("random", None, 0.0, 0.0),
        Strength("material", None, 320.0, 15.0),
    ),
)


def full_rounds(rounds: int) -> list[Round]:
    """Rounds in which everything was measured; each share of endings is a seventh."""
    kept = {"policy_loss": 2.0, "policy_entropy": 1.5, "policy_kl": 0.5, "resign_checked": 4, "drawn": 0.4}
    first = {column.name: 0.25 for column in fields(Round)} | kept | dict.fromkeys(ENDINGS, 1 / 7)
    return [
        Round(**(first | {"round": n, "positions": 1000 * n, "games": 10 * n, "steps": n, "plies": 100.0 + n}))
        for n in range(1, rounds + 1)
    ]


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


def panel(figure: Figure, title: str) -> Axes:
    return figure.axes[titles(figure).index(title)]


def test_a_campaign_of_the_first_version_has_the_panels_that_it_measured() -> None:
    rounds = read_metrics(Path(__file__).with_name("first_version_metrics.csv"))
    figure = metrics_figure(rounds)
    assert titles(figure) == OLD_PANELS
    assert figure.get_suptitle() == "3,036,063 positions of 19,938 games, 17,786 steps, 5.2 hours, 235 rounds (dots)"
    dots, line = panel(figure, "Length of games").lines
    assert dots.get_xdata().tolist() == line.get_xdata().tolist() == [row.positions for row in rounds]
    assert dots.get_ydata().tolist() == [row.plies for row in rounds]
    assert np.std(np.diff(line.get_ydata())) < np.std(np.diff(dots.get_ydata())) / 4


def test_a_full_campaign_has_all_panels_with_their_units() -> None:
    figure = metrics_figure(full_rounds(5), LADDER)
    assert titles(figure) == ["Strength", *ALL_PANELS]
    assert all(axes.get_xlabel() == "positions" and axes.get_ylabel() for axes in figure.axes)
    assert panel(figure, "Policy loss").get_ylabel() == "nats"
    limits = {axes.get_xlim() for axes in figure.axes}
    assert len(limits) == 1, "one scale of positions"
    assert limits.pop()[1] >= 2_000_000, "and the ladder's checkpoints are on it"
    figure.draw_without_rendering()
    ticks = panel(figure, "Strength").get_xticklabels()
    assert {"0", "1M", "2M"} <= {tick.get_text() for tick in ticks}
    assert "40 %" in {tick.get_text() for tick in panel(figure, "Results").get_yticklabels()}


def test_endings_are_stacked_to_all_games() -> None:
    areas = panel(metrics_figure(full_rounds(5)), "How games end").collections
    assert len(areas) == len(ENDINGS)
    for place, area in enumerate(areas):
        heights = area.get_paths()[0].vertices[:, 1]
        assert (heights.min(), heights.max()) == pytest.approx((place / 7, (place + 1) / 7))


def test_rounds_that_checked_nothing_are_no_resignation_in_error() -> None:
    rounds = full_rounds(40)
    rounds[::2] = [replace(row, resign_checked=0, resign_false_positives=None) for row in rounds[::2]]
    rounds[21] = replace(rounds[21], resign_checked=1, resign_false_positives=1.0)
    dots, line = panel(metrics_figure(rounds), "Wrong resignations").lines
    assert len(dots.get_xdata()) == 20
    assert 0.25 < np.max(line.get_ydata()) < 0.5, "one wrong game of one weighs less than a quarter of four"
    assert "Wrong resignations" not in titles(metrics_figure(rounds[:1]))


def test_losses_that_are_no_numbers_are_left_out() -> None:
    rounds = full_rounds(9)
    rounds[4] = replace(rounds[4], policy_loss=math.nan, policy_kl=math.inf)
    figure = metrics_figure(rounds)
    assert len(panel(figure, "Policy loss").lines[0].get_xdata()) == 8
    assert len(panel(figure, "Policy loss less entropy (KL)").lines[0].get_xdata()) == 8


def test_strengths_have_bars_and_opponents_lines() -> None:
    axes = panel(metrics_figure(full_rounds(3), LADDER), "Strength")
    assert axes.get_ylabel() == "Elo above random"
    (curve,) = axes.containers
    assert curve.lines[0].get_xydata().tolist() == [[0, 50], [2_000_000, 450]]
    bars = [bar.get_paths() for bar in curve.lines[2]]
    assert [path.vertices[:, 1].tolist() for path in bars[0]] == [[40, 60], [430, 470]]
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()][:2] == ["random", "material"]


@pytest.mark.parametrize("rounds", [1, 2, 150])
def test_the_page_is_a_picture(rounds: int) -> None:
    picture = draw_metrics(full_rounds(rounds))
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 20_000
    assert picture == draw_metrics(full_rounds(rounds))


def test_without_rounds_there_is_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="no round has ended yet"):
        draw_metrics([], LADDER)


def test_a_straight_line_stays_one_to_its_ends() -> None:
    line = np.linspace(5, 1, 300)
    np.testing.assert_allclose(smoothed(line, np.ones(300)), line, atol=1e-6)
    noise = np.random.default_rng(1).normal(size=300)
    assert np.abs(smoothed(line + noise, np.ones(300)) - line)[5:-5].mean() < 0.35
    for few in ([3.0], [3.0, 5.0]):
        assert smoothed(np.array(few), np.ones(len(few))).tolist() == pytest.approx(few)


def test_strengths_are_those_of_a_ladder() -> None:
    strengths = read_strengths(ROOT / "experiments" / "results" / "ladder" / LADDER_FILE)
    assert strengths.anchor == "random"
    assert strengths.players[0] == Strength("ladder-01", 0, 120.3, 48.7)
    assert strengths.players[-1].name == "maia-1100@1"
    assert strengths.players[-1].positions is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"settings": {}, "matches": []}, "has no ratings yet: end the ladder first"),
        ({}, "is no ladder's"),
        ([1], "is no ladder's"),
        ({"anchor": "a", "players": [{"name": "a", "elo": 0, "elo_standard_error": 1}]}, "is no ladder's"),
        (
            {"anchor": "a", "players": [{"name": "a", "positions": "x", "elo": 0, "elo_standard_error": 1}]},
            "is no ladder's",
        ),
    ],
)
def test_what_is_no_ladder_is_refused(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / LADDER_FILE
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=message) as refused:
        read_strengths(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_ladder_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no ladder\.json in"):
        read_strengths(tmp_path / LADDER_FILE)
    (tmp_path / LADDER_FILE).write_bytes(b"\xff{")
    with pytest.raises(ValueError, match="is damaged: it is not JSON"):
        read_strengths(tmp_path / LADDER_FILE)
    with pytest.raises(ValueError, match="cannot be read"):
        read_strengths(tmp_path)
