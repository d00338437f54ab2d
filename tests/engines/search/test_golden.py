"""Whole trees of a small random network, as stored: a change of the search shows here first.

``python tests/engines/search/test_golden.py`` writes them anew; read the difference before you keep it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import chess
import numpy as np
import pytest
import torch

from engines.chess import pack_boards, unpack_planes
from engines.networks import Agent, Network, NetworkConfig, Tower, ValueHead
from engines.search import PRESETS, Node, search

STORED = Path(__file__).with_name("golden_trees.json")
SIMULATIONS = 48
GAMES = {
    "start": [],
    "open": ["e2e4", "e7e5", "g1f3", "b8c6", "f1b5", "a7a6", "b5a4", "g8f6", "e1g1"],
    "repeated": ["g1f3", "g8f6", "f3g1", "f6g8", "g1f3", "g8f6", "f3g1"],
}


def tiny_agent() -> Agent:
    """Random weights drawn by numpy, whose streams are the same on every machine and in every version."""
    network = Network(NetworkConfig(Tower(8, blocks=1, se_channels=4), value=ValueHead(4, 16)))
    generator = np.random.default_rng(11)
    with torch.no_grad():
        for weight in network.parameters():
            spread = 1.5 / np.sqrt(weight[0].numel()) if weight.ndim > 1 else 0.1
            weight.copy_(torch.from_numpy(generator.normal(0, spread, tuple(weight.shape)).astype(np.float32)))
        network.policy.weight.mul_(0.7)
        network.value.weight.mul_(10)
        # Without this one of win, draw and loss would be sure everywhere.
        start = torch.from_numpy(unpack_planes(*pack_boards([chess.Board()])))
        network.value.bias.sub_(network(start).value[0])
    return Agent(network, "tiny")


def shown(node: Node) -> list[Any]:
    """A node as nested lists: value, then move, visits and node of each visited edge."""
    followed = [(edge, node.follow(edge)) for edge in node.edges if edge.visits]
    return [round(node.value, 4), *([edge.move.uci(), edge.visits, shown(below)] for edge, below in followed if below)]


def grown(preset: str) -> dict[str, Any]:
    boards = []
    for moves in GAMES.values():
        board = chess.Board()
        for uci in moves:
            board.push_uci(uci)
        boards.append(board)
    trees = search(tiny_agent(), boards, simulations=SIMULATIONS, seed=7, preset=preset)
    return {
        name: {"best": tree.best_move.uci(), "line": [move.uci() for move in tree.line()], "tree": shown(tree.root)}
        for name, tree in zip(GAMES, trees, strict=True)
    }


def assert_same(found: Any, stored: Any) -> None:
    assert type(found) is type(stored)
    if isinstance(found, list):
        assert len(found) == len(stored)
        for one, other in zip(found, stored, strict=True):
            assert_same(one, other)
    elif isinstance(found, float):
        assert found == pytest.approx(stored, abs=2e-3)
    else:
        assert found == stored


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_stored_trees(preset: str) -> None:
    stored = json.loads(STORED.read_text(encoding="utf-8"))[preset]
    found = grown(preset)
    assert list(found) == list(stored)
    for name, tree in found.items():
        assert (tree["best"], tree["line"]) == (stored[name]["best"], stored[name]["line"])
        assert_same(tree["tree"], stored[name]["tree"])


if __name__ == "__main__":
    torch.set_num_threads(1)
    trees = {preset: grown(preset) for preset in sorted(PRESETS)}
    STORED.write_text(json.dumps(trees, separators=(",", ":")) + "\n", encoding="utf-8")
