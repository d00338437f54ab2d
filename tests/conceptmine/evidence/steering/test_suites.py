"""Test suites and matches: points as the suite gives them, and what steering costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import engines
from conceptmine.contrast.known import read_suite
from conceptmine.errors import InputError
from conceptmine.evidence.steering import steered, strength_lost, suite_score

SCORED = '6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - bm Rd8#; id "Back Rank.001"; c0 "Rd8#=10, Rd7=3, g3=0";'
NAMED = '4k3/8/8/8/8/8/4P3/4K3 w - - bm e4 e3; id "Pawn.002";'
AVOIDED = '7k/8/5KQ1/8/8/8/8/8 w - - am Kf7; id "Stalemate";'


def test_points_are_those_of_the_moves_chosen(tmp_path: Path) -> None:
    agent = engines.load_agent("ladder-final")
    path = tmp_path / "suite.epd"
    path.write_text("\n".join((SCORED, NAMED, AVOIDED)), encoding="utf-8")
    suite = read_suite(path)
    for simulations in (None, 60):
        score = suite_score(agent, suite, simulations=simulations)
        assert score.points.tolist() == [p.points.get(m, 0.0) for p, m in zip(suite, score.moves, strict=True)]
        assert score.share == pytest.approx(score.points.mean())
    trees = engines.search(agent, [position.board for position in suite], simulations=60)
    assert score.moves == tuple(tree.best_move for tree in trees)
    vector = np.random.default_rng(0).normal(size=2048)
    still = suite_score(steered(agent, "block4", vector, alpha=0), suite)
    assert still.moves == suite_score(agent, suite).moves


def test_an_empty_suite_is_refused() -> None:
    with pytest.raises(InputError, match="suite is empty"):
        suite_score(engines.load_agent("ladder-final"), [])


def test_nothing_is_lost_at_strength_zero_and_much_when_the_layer_is_overwritten() -> None:
    agent = engines.load_agent("ladder-final")
    vector = np.random.default_rng(0).normal(size=2048)
    still = strength_lost(steered(agent, "block4", vector, alpha=0), games=4, simulations=1)
    assert still.tally.score == 0.5 and set(still.tally.pairs[:2] + still.tally.pairs[3:]) == {0}
    gone = strength_lost(steered(agent, "block4", vector, alpha=1, beta=1), games=20, simulations=1)
    assert gone.first.startswith("ladder-final steered") and gone.tally.score < 0.4
