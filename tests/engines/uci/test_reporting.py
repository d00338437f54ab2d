"""Numbers of the info lines, and the order of moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import chess
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.search import Searcher, Simulations, Tree
from engines.uci.mates import Prover
from engines.uci.reporting import Progress, centipawns, info_lines, info_string, per_mille, ranked


def test_centipawns_are_lc0s() -> None:
    # 90 · tan(1.5637541897 · q), by hand
    assert [centipawns(q) for q in (0, 0.1, 0.5, 0.9, 1)] == [0, 14, 89, 546, 12780]
    assert centipawns(-0.5) == -89
    assert centipawns(1 + 1e-9) == 12780


@given(st.floats(-1.0001, 1.0001), st.floats(0, 1))
def test_win_draw_loss_add_up(q: float, draw: float) -> None:
    win, drawn, loss = per_mille(q, draw)
    assert win + drawn + loss == 1000
    assert min(win, drawn, loss) >= 0
    assert abs((win - loss) / 1000 - q) <= 0.0015


def test_info_string_is_one_line() -> None:
    assert info_string("a\nb\r\n  c") == "info string a b c"


def searched(evaluator: Any, fen: str, simulations: int, **settings: Any) -> Tree:
    searcher = Searcher(evaluator, megabytes=16, **settings)
    searcher.set_position(chess.Board(fen))
    return searcher.run(Simulations(simulations))


def test_moves_are_ordered_as_the_tree_orders_them(hashing: Callable[..., Any]) -> None:
    for simulations in (1, 2, 60):
        tree = searched(hashing(), chess.STARTING_FEN, simulations)
        order = ranked(tree)
        assert order[0].move == tree.best_move
        assert [move.edge.visits for move in order] == sorted(tree.visits.values(), reverse=True)
    allowed = [chess.Move.from_uci("a2a3"), chess.Move.from_uci("h2h4")]
    assert {move.move for move in ranked(tree, allowed)} == set(allowed)


def test_an_unsearched_root_has_a_line(hashing: Callable[..., Any]) -> None:
    tree = searched(hashing(), chess.STARTING_FEN, 1)
    lines = info_lines(tree, ranked(tree), Progress(0.0), multipv=5)
    assert lines == [
        f"info depth 1 seldepth 1 time 0 nodes 1 score cp {centipawns(tree.value)} multipv 1 pv {tree.best_move.uci()}"
    ]


def wide(constant: Callable[..., Any], fen: str, simulations: int) -> Tree:
    """A search to whose network all moves are alike, and all positions even."""
    return searched(constant(), fen, simulations)


@pytest.mark.parametrize(
    ("fen", "simulations", "first", "mate"),
    [
        ("6k1/5ppp/8/8/8/8/8/R3K3 w - - 0 1", 60, "a1a8", 1),
        ("r3k3/8/8/8/8/8/5PPP/6K1 b - - 0 1", 60, "a8a1", 1),
        ("kbK5/pp6/1P6/8/8/8/8/R7 w - - 0 1", 6000, "a1a6", 2),
        ("k7/8/1K6/8/8/8/8/6RR b - - 0 1", 200, "a8b8", -1),
    ],
)
def test_proven_mates_are_told_and_come_first(
    constant: Callable[..., Any], fen: str, simulations: int, first: str, mate: int | None
) -> None:
    tree = wide(constant, fen, simulations)
    order = ranked(tree)
    assert (order[0].move.uci(), order[0].mate) == (first, mate)
    score = info_lines(tree, order, Progress(1.0, 100.0), multipv=1)[0].split(" score ")[1].split(" multipv ")[0]
    assert mate is None or score == f"mate {mate}"


def test_a_proof_needs_every_reply(constant: Callable[..., Any]) -> None:
    # After Ra6 Black can take, or move the bishop along the diagonal: each reply runs into b7 mate or Rxa7 mate.
    board = chess.Board("kbK5/pp6/1P6/8/8/8/8/R7 w - - 0 1")
    few = wide(constant, board.fen(), 60)
    for edge in few.root.edges:
        assert Prover(6, 1000).after(few.root, edge) is None
    many = wide(constant, board.fen(), 6000)
    key = next(edge for edge in many.root.edges if edge.move.uci() == "a1a6")
    assert Prover(2, 1000).after(many.root, key) == 2
    assert Prover(1, 1000).after(many.root, key) is None, "longer than asked for"
    assert Prover(2, 2).after(many.root, key) is None, "not within the budget"


def test_a_quick_loss_is_last(constant: Callable[..., Any]) -> None:
    # The rook threatens mate on h8; only some moves of the bishop do anything about it.
    board = chess.Board("k7/8/1K6/8/8/8/8/1b5R b - - 0 1")
    order = ranked(wide(constant, board.fen(), 2000))
    mated = [move for move in order if allows_mate(board, move.move)]
    assert 0 < len(mated) < len(order)
    assert order[-len(mated) :] == mated
    assert [move.mate for move in order] == [None] * (len(order) - len(mated)) + [-1] * len(mated)


def allows_mate(board: chess.Board, move: chess.Move) -> bool:
    """Whether some reply to ``move`` mates."""
    after = board.copy()
    after.push(move)
    for reply in after.legal_moves:
        after.push(reply)
        if after.is_checkmate():
            return True
        after.pop()
    return False
