"""Test suites and matches: points as the suite gives them, and what steering costs."""

from __future__ import annotations

from pathlib import Path

import chess
import numpy as np
import pytest

import engines
from conceptmine.errors import InputError
from conceptmine.evidence.steering import read_suite, steered, strength_lost, suite_score

SCORED = '6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - bm Rd8#; id "Back Rank.001"; c0 "Rd8#=10, Rd7=3, g3=0";'
NAMED = '4k3/8/8/8/8/8/4P3/4K3 w - - bm e4 e3; id "Pawn.002";'
AVOIDED = '7k/8/5KQ1/8/8/8/8/8 w - - am Kf7; id "Stalemate";'


def suite_file(folder: Path, *lines: str) -> Path:
    path = folder / "suite.epd"
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def test_scores_best_moves_and_moves_to_avoid_are_read(tmp_path: Path) -> None:
    scored, named, avoided = read_suite(suite_file(tmp_path, SCORED, "", NAMED, AVOIDED))
    uci = chess.Move.from_uci
    assert scored.points == {uci("d1d8"): 1.0, uci("d1d7"): 0.3}
    assert scored.best == (uci("d1d8"),) and (scored.name, scored.theme) == ("Back Rank.001", "Back Rank")
    assert named.points == {uci("e2e4"): 1.0, uci("e2e3"): 1.0} and named.theme == "Pawn"
    assert uci("f6f7") not in avoided.points and len(avoided.points) == avoided.board.legal_moves.count() - 1


def test_points_are_those_of_the_moves_chosen(tmp_path: Path) -> None:
    agent = engines.load_agent("ladder-final")
    suite = read_suite(suite_file(tmp_path, SCORED, NAMED, AVOIDED))
    for simulations in (None, 60):
        score = suite_score(agent, suite, simulations=simulations)
        assert score.points.tolist() == [p.points.get(m, 0.0) for p, m in zip(suite, score.moves, strict=True)]
        assert score.share == pytest.approx(score.points.mean())
    trees = engines.search(agent, [position.board for position in suite], simulations=60)
    assert score.moves == tuple(tree.best_move for tree in trees)
    vector = np.random.default_rng(0).normal(size=2048)
    still = suite_score(steered(agent, "block4", vector, alpha=0), suite)
    assert still.moves == suite_score(agent, suite).moves


def test_lines_that_are_no_suite_are_refused_with_their_number(tmp_path: Path) -> None:
    for lines, message in (
        ((), "no positions"),
        ((SCORED, "not a position"), "line 2"),
        ((SCORED, '4k3/8/8/8/8/8/4P3/4K3 w - - id "x";'), "line 2: neither bm"),
        (('4k3/8/8/8/8/8/4P3/4K3 w - - c0 "e5=10";',), "c0 scores e5, which is no legal move"),
        (("4k3/8/8/8/8/8/4P3/4K3 w - - bm e5;",), "line 1"),
    ):
        with pytest.raises(InputError, match=message):
            read_suite(suite_file(tmp_path, *lines))
    with pytest.raises(InputError, match="cannot be read"):
        read_suite(tmp_path / "nowhere.epd")
    with pytest.raises(InputError, match="suite is empty"):
        suite_score(engines.load_agent("ladder-final"), [])


def test_the_strategic_test_suite_is_read_whole(reference: Path) -> None:
    suite = read_suite(reference / "data" / "epd" / "sts_v3.epd")
    assert len(suite) == 1200
    assert all(max(position.points.values()) == 1 for position in suite)
    assert sum(position.theme == "STS(v4.0) Square Vacancy" for position in suite) == 80


def test_nothing_is_lost_at_strength_zero_and_much_when_the_layer_is_overwritten() -> None:
    agent = engines.load_agent("ladder-final")
    vector = np.random.default_rng(0).normal(size=2048)
    still = strength_lost(steered(agent, "block4", vector, alpha=0), games=4, simulations=1)
    assert still.tally.score == 0.5 and set(still.tally.pairs[:2] + still.tally.pairs[3:]) == {0}
    gone = strength_lost(steered(agent, "block4", vector, alpha=1, beta=1), games=20, simulations=1)
    assert gone.first.startswith("ladder-final steered") and gone.tally.score < 0.4
