"""Rows compare positions after the branch that differ, and the two plans mirror each other."""

from __future__ import annotations

import chess
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linprog

from conceptmine.contrast import ContrastRow, ContrastRule, Lines, SubparLine, contrast_rows
from conceptmine.errors import InputError


def moves(text: str) -> tuple[chess.Move, ...]:
    return tuple(map(chess.Move.from_uci, text.split()))


def lines_of(best: str, *subpar: str, root: chess.Board | None = None) -> Lines:
    played = moves(best)
    found = []
    for text in subpar:
        other = moves(text)
        branch = next(depth for depth, (one, two) in enumerate(zip(played, other, strict=True)) if one != two)
        found.append(SubparLine(branch, other, 0.2, 0.0))
    return Lines(root or chess.Board(), played, tuple(found))


TEN = "e2e4 e7e5 g1f3 b8c6 f1b5 a7a6 b5a4 g8f6 d2d3 f8e7"
FROM_ROOT = "d2d4 d7d5 c2c4 e7e6 b1c3 g8f6 c1g5 f8e7 e2e3 e8g8"
FROM_THREE = "e2e4 e7e5 g1f3 g8f6 f3e5 d7d6 e5f3 f6e4 d2d4 d6d5"


def test_rows_begin_after_the_branch() -> None:
    lines = lines_of(TEN, FROM_ROOT, FROM_THREE)
    rows = contrast_rows(lines, ContrastRule(horizon=10, players="two"))
    assert [(row.branch, row.ply) for row in rows] == [(0, t) for t in range(1, 11)] + [(3, t) for t in range(4, 11)]
    for row in rows:
        assert row.plus == lines.best[: row.ply]
        assert row.minus == lines.subpar[0 if row.branch == 0 else 1].moves[: row.ply]


def test_one_player_rows_have_the_root_player_to_move() -> None:
    rows = contrast_rows(lines_of(TEN, FROM_ROOT, FROM_THREE), ContrastRule(horizon=10, players="one"))
    assert [(row.branch, row.ply) for row in rows] == [(0, t) for t in (2, 4, 6, 8, 10)] + [
        (3, t) for t in (4, 6, 8, 10)
    ]


def test_positions_reached_by_another_order_are_left_out() -> None:
    best, subpar = "g1f3 g8f6 b1c3 b8c6 e2e4", "b1c3 b8c6 g1f3 g8f6 d2d4"
    rows = contrast_rows(lines_of(best, subpar), ContrastRule(players="two"))
    assert [row.ply for row in rows] == [1, 2, 3, 5]
    same_replies = lines_of(best, "b1c3 g8f6 g1f3 b8c6 e2e4")
    assert [row.ply for row in contrast_rows(same_replies, ContrastRule(players="one"))] == [2]


def test_rights_to_castle_tell_positions_apart() -> None:
    root = chess.Board("4k3/8/8/8/8/8/8/4K2R w K - 0 1")
    best, subpar = "e1e2 e8d8 e2e1 d8e8 h1h2", "e1d1 e8d8 d1e1 d8e8 h1h2"
    assert contrast_rows(lines_of(best, subpar, root=root), ContrastRule(players="one"))[0].ply == 2
    late = lines_of("h1h2 e8d8 h2h1 d8e8 e1e2", "h1h3 e8d8 h3h1 d8e8 e1e2", root=root)
    assert [row.ply for row in contrast_rows(late, ContrastRule(players="two"))] == [1, 2]


def test_a_prophylactic_plan_turns_the_rows_around() -> None:
    lines = lines_of(TEN, FROM_ROOT, FROM_THREE)
    active = contrast_rows(lines, ContrastRule(horizon=10, players="two"))
    prophylactic = contrast_rows(lines, ContrastRule(horizon=10, players="two", plan="prophylactic"))
    assert prophylactic == [ContrastRow(row.ply, row.branch, row.minus, row.plus) for row in active]


def test_lines_of_another_horizon_are_refused() -> None:
    with pytest.raises(InputError, match="10 plies and the rule 5"):
        contrast_rows(lines_of(TEN, FROM_ROOT), ContrastRule(horizon=5))


def sparsest(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """min ||v||_1 subject to differences @ v >= 1, with v the difference of two vectors that are not negative."""
    count = differences.shape[1]
    result = linprog(np.ones(2 * count), A_ub=np.hstack([-differences, differences]), b_ub=-np.ones(len(differences)))
    assert result.success
    return np.asarray(result.x[:count] - result.x[count:])


def test_the_vector_of_a_prophylactic_plan_is_the_mirrored_one() -> None:
    generator = np.random.default_rng(0)
    activations: dict[tuple[chess.Move, ...], NDArray[np.float64]] = {}

    def differences(plan: str) -> NDArray[np.float64]:
        rule = ContrastRule(horizon=10, plan=plan)  # type: ignore[arg-type]
        rows = contrast_rows(lines_of(TEN, FROM_ROOT, FROM_THREE), rule)
        for path in sorted({path for row in rows for path in (row.plus, row.minus)}, key=str):
            activations.setdefault(path, generator.normal(size=12))
        return np.array([activations[row.plus] - activations[row.minus] for row in rows])

    active, prophylactic = differences("active"), differences("prophylactic")
    np.testing.assert_array_equal(prophylactic, -active)
    vector = sparsest(active)
    assert 0 < np.count_nonzero(vector) <= len(active)
    np.testing.assert_allclose(sparsest(prophylactic), -vector, atol=1e-12)
