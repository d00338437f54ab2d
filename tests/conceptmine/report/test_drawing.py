"""Boards, charts and figures."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import chess
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptmine.report import figures
from conceptmine.report.boards import SIDE, SQUARE, Arrow, board_svg, sprite
from conceptmine.report.chart import Chart, Scale, ticks


def places(svg: str) -> dict[tuple[float, float], str]:
    """(column, row) -> piece, from the top left corner of a board."""
    found = {}
    for use in ElementTree.fromstring(svg).iter("use"):
        if "x" in use.attrib:
            found[int(use.attrib["x"]) / SQUARE, int(use.attrib["y"]) / SQUARE] = use.attrib["href"][1:]
    return found


def test_the_side_to_move_sits_below() -> None:
    board = chess.Board()
    white = places(board_svg(board, "start"))
    assert white[4, 7] == "white-king" and white[0, 0] == "black-rook" and len(white) == 32
    board.push_uci("e2e4")
    black = places(board_svg(board, "after e4"))
    assert black[3, 7] == "black-king" and black[3, 3] == "white-pawn"


def test_coordinates_follow_the_orientation() -> None:
    def letters(board: chess.Board) -> list[str]:
        return [
            text.text or "" for text in ElementTree.fromstring(board_svg(board, "x", coordinates=True)).iter("text")
        ]

    board = chess.Board()
    assert letters(board) == [*"abcdefgh", *"87654321"]
    board.push_uci("e2e4")
    assert letters(board) == [*"hgfedcba", *"12345678"]


def test_an_arrow_points_at_its_square() -> None:
    board = chess.Board()
    svg = board_svg(board, "e4", [Arrow(chess.Move.from_uci("e2e4"), "best")])
    tip = ElementTree.fromstring(svg).find(".//polygon")
    assert tip is not None
    x, y = map(float, tip.attrib["points"].split()[0].split(","))
    assert x == pytest.approx(4.5 * SQUARE) and 4 * SQUARE < y < 5 * SQUARE


def test_the_best_arrow_lies_on_top() -> None:
    moves = [Arrow(chess.Move.from_uci("e2e4"), "best"), Arrow(chess.Move.from_uci("d2d4"), "subpar")]
    svg = board_svg(chess.Board(), "two", moves)
    assert svg.index("arrow subpar") < svg.index("arrow best")


def test_the_last_move_is_tinted() -> None:
    board = chess.Board()
    assert 'class="last"' not in board_svg(board, "x")
    board.push_uci("g1f3")
    assert board_svg(board, "x").count('class="last"') == 2


def test_a_label_is_escaped() -> None:
    assert "<b>" not in board_svg(chess.Board(), '"><b>')


def test_the_sprite_holds_every_man_once() -> None:
    names = [item.attrib["id"] for item in ElementTree.fromstring(sprite()).iter() if "id" in item.attrib]
    assert len(names) == len(set(names)) == 13
    assert f"h{SIDE}" in sprite()


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.integers(2, 7))
def test_ticks_are_even_and_inside(low: float, length: float, about: int) -> None:
    scale = Scale(low, low + length)
    found = ticks(scale, about)
    values = [value for value, _ in found]
    slack = length * 1e-6
    assert all(scale.low - slack <= value <= scale.high + slack for value in values)
    steps = [b - a for a, b in pairwise(values)]
    assert all(step == pytest.approx(steps[0], rel=1e-6) for step in steps)
    assert len({name for _, name in found}) == len(found) <= about + 1
    assert not any(name in ("−0", "−0.0", "−0.00") for _, name in found)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_a_scale_holds_its_values(values: list[float]) -> None:
    scale = Scale.around(values, least=0.1, inside=(0, 1))
    assert 0 <= scale.low < scale.high <= 1
    assert all(scale.low - 1e-12 <= value <= scale.high + 1e-12 for value in values)


def test_a_chart_turns_its_axis_upwards() -> None:
    chart = Chart("x", Scale(0, 1), Scale(0, 1))
    assert chart.py(1) < chart.py(0) and chart.px(0) < chart.px(1)
    assert chart.py(1) == chart.top


def test_an_empty_figure_is_none() -> None:
    assert figures.evidence([]) is None
    assert figures.teaching([]) is None
    assert figures.novelty([]) is None
    assert figures.p_values([]) is None
    assert figures.satisfactions([]) is None
    assert figures.objectives([]) is None
    assert figures.yardsticks([], []) is None


def test_evidence_at_a_single_ply() -> None:
    svg = figures.evidence(
        [{"ply": 2, "satisfied": 0.6, "null_mean": 0.5, "null_low": 0.45, "null_high": 0.55, "rows": 80}]
    )
    assert svg is not None and "60.0\u202f% of 80 rows" in svg and 'class="null-band"' in svg


def test_evidence_is_drawn_in_order_of_plies() -> None:
    rows = [{"ply": ply, "satisfied": ply / 10} for ply in (4, 2, 3)]
    assert "20.0\u202f%, 30.0\u202f%, 40.0\u202f%" in str(figures.evidence(rows))


def test_teaching_shows_the_last_epoch_of_each_seed() -> None:
    rows = [
        {"seed": seed, "trained_on": "concept", "evaluated_on": "concept", "epoch": epoch, "top1": top1}
        for seed, epoch, top1 in ((0, 2, 0.5), (0, 1, 0.1), (1, 1, 0.2), (1, 2, 0.6))
    ]
    svg = str(figures.teaching(rows))
    assert sorted(re.findall(r"<title>on concept: ([\d.]+)", svg)) == ["50.0", "60.0"]
    assert "trained on concept, asked on concept: 55.0" in svg


def test_novelty_of_tiny_scores_names_its_unit() -> None:
    rows = [{"k": k, "score": 2e-4 * k, "null_low": -1e-4, "null_high": 1e-4} for k in (1, 2, 4)]
    assert "in units of 10⁻⁴" in str(figures.novelty(rows))
    assert "in units" not in str(figures.novelty([{"k": k, "score": 0.2} for k in (1, 2)]))


def test_novelty_marks_scores_below_zero() -> None:
    svg = str(figures.novelty([{"k": 1, "score": -0.1}, {"k": 2, "score": 0.2}]))
    assert svg.count("subpar-dot") == 1 and svg.count("signal-dot") == 1


@pytest.mark.parametrize("score", [0.0, 1e-300])
def test_novelty_of_nothing(score: float) -> None:
    svg = figures.novelty([{"k": 1, "score": score}])
    assert svg is not None and "nan" not in svg
