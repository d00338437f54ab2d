"""The reader in docs/trees.md, run as it stands there and where this package cannot be imported."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chess
import pytest

from conceptmine.contrast import ContrastRule, Lines, examine_tree
from engines.search import Tree, load_trees, save_trees, search

DOCUMENT = Path(__file__).parents[3] / "docs" / "trees.md"
WITHOUT_US = (
    "import sys; sys.modules.update(engines=None, conceptmine=None); exec(compile(sys.stdin.read(), '-', 'exec'))"
)
GAME = ("e2e4", "a7a6", "e4e5", "d7d5", "e5d6", "a6a5", "d6c7", "a5a4")  # a pawn that promotes next
FENS = (chess.STARTING_FEN, "8/8/8/4k3/8/4K3/4P3/8 w - - 0 1", "8/5k2/8/8/8/2K5/2Q5/8 b - - 3 40")


@pytest.fixture(scope="module")
def reader() -> str:
    _, marked = DOCUMENT.read_text(encoding="utf-8").split("<!-- test: reads a tree file -->\n```python\n")
    snippet = marked.split("```")[0]
    assert len([line for line in snippet.splitlines() if line]) <= 25
    return snippet


def tree_of(board: chess.Board, hashing: Callable[..., Any]) -> Tree:
    """A tree that is deep enough to have lines."""
    return search(hashing(6), [board], simulations=400, policy_temperature=0.4)[0]


def played() -> chess.Board:
    board = chess.Board()
    for move in GAME:
        board.push_uci(move)
    return board


@pytest.mark.parametrize("board", [*map(chess.Board, FENS), played()])
def test_the_reader_prints_what_the_tree_says(
    board: chess.Board, reader: str, hashing: Callable[..., Any], tmp_path: Path
) -> None:
    tree = tree_of(board, hashing)
    save_trees([tree, tree], tmp_path / "trees.safetensors")
    command = [sys.executable, "-c", WITHOUT_US, str(tmp_path / "trees.safetensors")]
    ran = subprocess.run(command, input=reader, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert lines[0] == ["root", *board.root().fen().split(), *(move.uci() for move in board.move_stack)]
    moves = {chess.Move.from_uci(words[1]): words[2:] for words in lines if words[0] == "move"}
    assert {move: int(visits) for move, (visits, _) in moves.items()} == {m: n for m, n in tree.visits.items() if n}
    for move, (_, q) in moves.items():
        assert float(q) == pytest.approx(tree.q[move], abs=1e-6)
    best = [words for words in lines if words[0] == "best"]
    assert [words[1] for words in best] == [move.uci() for move in tree.line()]
    node, rule = tree.root, ContrastRule()
    for words in best:
        edge = next(edge for edge in node.edges if edge.move.uci() == words[1])
        subpar = {
            other.move.uci()
            for other in node.edges
            if other.visits
            and other is not edge
            and (edge.q - other.q >= rule.value_gap or (edge.visits - other.visits) / edge.visits >= rule.visit_gap)
        }
        assert set(words[3:]) == subpar
        below = node.follow(edge)
        assert below is not None
        node = below


@pytest.mark.parametrize("players", ["one", "two"])
def test_loaded_trees_are_contrasted_as_the_searched_ones(
    players: str, hashing: Callable[..., Any], tmp_path: Path
) -> None:
    trees = [tree_of(board, hashing) for board in (*map(chess.Board, FENS), played())]
    save_trees(trees, tmp_path / "trees")
    rule = ContrastRule(horizon=6, players=players)  # type: ignore[arg-type]
    found = [examine_tree(tree, rule) for tree in load_trees(tmp_path / "trees")]
    assert found == [examine_tree(tree, rule) for tree in trees]
    assert any(isinstance(lines, Lines) for lines in found)
