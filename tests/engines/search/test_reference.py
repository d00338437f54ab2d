"""lc0's own searches: the preset "lc0" must find the same moves with nearly the same visits."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import chess
import numpy as np
import pytest

from engines.networks import Agent, load_agent
from engines.search import Tree, search

pytestmark = pytest.mark.reference

# lc0 rounds priors to 16 bits and has a fast exponential, so visits differ a little where two moves score alike.
MEAN_DISTANCE, WORST_DISTANCE, VALUE = 0.005, 0.03, 0.05


@pytest.fixture(scope="module")
def expected(reference: Path) -> list[dict[str, Any]]:
    with gzip.open(reference / "reference" / "search" / "maia-1500.json.gz") as file:
        positions: list[dict[str, Any]] = json.load(file)["positions"]
    assert len(positions) == 30
    return positions


@pytest.fixture(scope="module")
def agent(reference: Path) -> Agent:
    return load_agent(reference / "data" / "nets" / "maia-1500.pb.gz")


def board_of(position: dict[str, Any]) -> chess.Board:
    board = chess.Board(position["fen"] or chess.STARTING_FEN)
    for uci in position["moves"]:
        board.push_uci(uci)
    return board


def distance(tree: Tree, visits: dict[str, int]) -> float:
    """Total variation between the two distributions of visits over the root moves."""
    ours = {move.uci(): count for move, count in tree.visits.items()}
    assert set(ours) == set(visits)
    total, theirs = max(sum(ours.values()), 1), max(sum(visits.values()), 1)
    return sum(abs(ours[move] / total - visits[move] / theirs) for move in ours) / 2


@pytest.mark.parametrize(("nodes", "positions"), [(2, 30), (5, 30), (10, 30), (25, 30), (100, 30), (400, 30)])
def test_same_moves_and_visits(agent: Agent, expected: list[dict[str, Any]], nodes: int, positions: int) -> None:
    chosen = expected[:: len(expected) // positions][:positions]
    trees = search(agent, [board_of(position) for position in chosen], simulations=nodes)
    same_move = 0
    distances = []
    for position, tree in zip(chosen, trees, strict=True):
        theirs = next(found for found in position["searches"] if found["nodes"] == nodes)
        same_move += tree.best_move.uci() == theirs["best_move"]
        distances.append(distance(tree, theirs["visits"]))
        for move, visits in tree.visits.items():
            if visits and visits == theirs["visits"][move.uci()]:
                assert tree.q[move] == pytest.approx(theirs["q"][move.uci()], abs=VALUE), (position["id"], move)
        assert tree.root.visits == nodes
        if distances[-1] == 0:
            assert tree.line()[0].uci() == theirs["line"][0]
    assert same_move >= positions - 1
    if nodes == 400:
        assert same_move == positions == 30
        assert np.mean(distances) <= 0.003
        assert max(distances) <= 0.015
    if nodes > 2:  # there, one extra visit of lc0's (it stops late after a finished game) is half of all
        assert np.mean(distances) < MEAN_DISTANCE
        assert max(distances) < max(WORST_DISTANCE, 1.01 / (nodes - 1)), "more than 3 % and than one visit"
    else:
        assert sum(found > 0 for found in distances) <= 1
