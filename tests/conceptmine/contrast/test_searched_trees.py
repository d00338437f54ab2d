"""The trees of the search can be contrasted as they are."""

from __future__ import annotations

import chess
import pytest
import torch

from conceptmine.contrast import ContrastRule, Lines, contrast_rows, examine_tree
from engines.networks import Network, NetworkConfig, Tower, ValueHead
from engines.networks.agent import Agent
from engines.search import Tree, search

FENS = (chess.STARTING_FEN, "8/8/8/4k3/8/4K3/4P3/8 w - - 0 1", "8/5k2/8/8/8/2K5/2Q5/8 b - - 3 40")


@pytest.fixture(scope="module")
def trees() -> list[Tree]:
    """Searches with random weights, whose policy is sharpened so that the trees grow deep."""
    torch.manual_seed(0)
    agent = Agent(Network(NetworkConfig(Tower(8, blocks=1), value=ValueHead(4, 16))), "small")
    return search(agent, [chess.Board(fen) for fen in FENS], simulations=800, policy_temperature=0.005)


@pytest.mark.parametrize("players", ["one", "two"])
def test_lines_and_rows_of_a_searched_tree(trees: list[Tree], players: str) -> None:
    rule = ContrastRule(horizon=6, players=players)  # type: ignore[arg-type]
    found = [examine_tree(tree, rule) for tree in trees]
    assert any(isinstance(lines, Lines) for lines in found)
    for tree, lines in zip(trees, found, strict=True):
        if not isinstance(lines, Lines):
            continue
        assert list(lines.best) == tree.line()[:6], "the search and the contrast mean the same best line"
        for row in contrast_rows(lines, rule):
            for path in (row.plus, row.minus):
                board = tree.board.copy()
                for move in path:
                    assert board.is_legal(move)
                    board.push(move)
                assert players == "two" or board.turn == tree.board.turn
        for line in lines.subpar:
            if line.branch_ply == 0:
                assert line.subpar_q == pytest.approx(tree.q[line.moves[0]])
                assert line.best_q == pytest.approx(tree.q[lines.best[0]])
