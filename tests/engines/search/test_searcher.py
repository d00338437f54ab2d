"""A tree that is kept from move to move: what is kept, what is not, and how a run ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import chess
import numpy as np
import pytest

import engines
from engines.chess import INPUT_FORMATS, pack_boards, policy_indices
from engines.search import Node, Nodes, Searcher, Seconds, Simulations, Tree, search

Games = Callable[[int, int, int], Iterator[chess.Board]]


@pytest.fixture
def searcher(hashing: Callable[..., Any]) -> Searcher:
    return Searcher(hashing(6), leaves=1)


def same(one: Tree, other: Tree) -> bool:
    return one.visits == other.visits and one.q == other.q and one.line() == other.line()


def test_a_first_run_is_a_search(searcher: Searcher, hashing: Callable[..., Any]) -> None:
    board = chess.Board()
    searcher.set_position(board)
    assert same(searcher.run(Simulations(70)), search(hashing(6), [board], simulations=70)[0])


def test_a_run_in_parts_is_a_run(searcher: Searcher, hashing: Callable[..., Any]) -> None:
    searcher.set_position(chess.Board())
    for visits in (1, 2, 30, 31, 90):
        tree = searcher.run(Simulations(visits))
        assert tree.root.visits == visits
    assert same(tree, search(hashing(6), [chess.Board()], simulations=90)[0])
    assert same(searcher.run(Simulations(10)), tree), "what has been searched already is not searched again"


def below(tree: Tree, moves: list[chess.Move]) -> dict[chess.Move, int]:
    node = tree.root
    for move in moves:
        node = next(child for edge in node.edges if edge.move == move and (child := node.follow(edge)) is not None)
    return {edge.move: edge.visits for edge in node.edges}


@pytest.mark.parametrize("plies", [1, 2, 3])
def test_the_tree_below_the_moves_played_is_kept(searcher: Searcher, plies: int) -> None:
    board = chess.Board()
    searcher.set_position(board)
    before = searcher.run(Simulations(600))
    played = before.line()[:plies]
    assert len(played) == plies
    for move in played:
        board.push(move)
    searcher.set_position(board)
    kept = below(before, played)
    after = searcher.run(Simulations(1))
    assert after.visits == kept
    assert sum(kept.values()) > 0
    assert after.root.visits == 1 + sum(kept.values())
    grown = searcher.run(Simulations(after.root.visits + 50))
    assert grown.root.visits == after.root.visits + 50
    assert all(grown.visits[move] >= visits for move, visits in kept.items())


def test_a_kept_tree_is_the_tree_that_a_search_below_would_have_grown(random_games: Games) -> None:
    """Every number of the kept part equals that of the tree it was cut from, whatever was searched around it."""

    class Flat:
        history_fill = "fen_only"
        input_format = 1

        def evaluate_packed(self, masks: Any, values: Any, *, threads: int = 1) -> Any:
            class Answer:
                logits = np.zeros((len(masks), 1858), dtype=np.float32)
                wdl = np.tile(np.array([0.3, 0.4, 0.3], dtype=np.float32), (len(masks), 1))

            return Answer

    for board in random_games(8, 6, 20):
        if not any(board.legal_moves):
            continue
        searcher = Searcher(Flat(), leaves=4)
        searcher.set_position(board)
        tree = searcher.run(Simulations(300))
        board.push(tree.best_move)
        if not any(board.legal_moves) or board.is_repetition(3) or board.is_insufficient_material():
            continue
        edge = next(edge for edge in tree.root.edges if edge.move == tree.best_move)
        node = tree.root.follow(edge)
        searcher.set_position(board)
        kept = searcher.run(Simulations(1))

        def compare(one: Any, other: Any) -> int:
            assert (one.visits, one.value, one.evaluation, one.terminal) == (
                other.visits,
                other.value,
                other.evaluation,
                other.terminal,
            )
            nodes = 1
            for left, right in zip(one.edges, other.edges, strict=True):
                assert (left.move, left.visits, left.prior) == (right.move, right.visits, right.prior)
                under = one.follow(left)
                if under is not None:
                    nodes += compare(under, other.follow(right))
            return nodes

        assert compare(node, kept.root) == len(kept.arrays.nodes)


@pytest.mark.parametrize("input_format", INPUT_FORMATS)
def test_a_kept_tree_holds_the_evaluators_words_in_every_format(input_format: int, hashing: Callable[..., Any]) -> None:
    evaluator = hashing(2, "fen_only", input_format)
    searcher = Searcher(evaluator, leaves=4)
    board = chess.Board("8/8/3k4/5r2/8/2K5/5q2/1R6 w - - 3 70")
    for _ in range(4):
        searcher.set_position(board)
        tree = searcher.run(Simulations(150))
        boards = [board]
        for move in tree.line():
            boards.append(boards[-1].copy())
            boards[-1].push(move)
        answer = evaluator.evaluate_packed(*pack_boards(boards, input_format, "fen_only"))
        node: Node | None = tree.root
        for ply, seen in enumerate(boards):
            if node is None or node.terminal:
                break
            moves = [edge.move for edge in node.edges]
            weights = np.exp(answer.logits[ply, policy_indices(seen, moves, input_format)].astype(np.float64))
            assert [edge.prior for edge in node.edges] == pytest.approx(list(weights / weights.sum()), abs=1e-6)
            assert node.evaluation == pytest.approx(float(answer.wdl[ply, 0] - answer.wdl[ply, 2]), abs=1e-6)
            played = next(
                (edge for edge in node.edges if ply < len(tree.line()) and edge.move == tree.line()[ply]), None
            )
            node = node.follow(played) if played else None
        board = board.copy()
        board.push(tree.best_move)


def test_a_kept_root_has_its_moves_in_order(searcher: Searcher) -> None:
    """Inside a tree only the best unvisited move is in its place; as a root's, all have to be."""
    board = chess.Board()
    searcher.set_position(board)
    tree = searcher.run(Simulations(900))
    for move in tree.line()[:2]:
        board.push(move)
    searcher.set_position(board)
    for visits in (1, 400):
        root = searcher.run(Simulations(searcher.run(Simulations(1)).root.visits + visits)).root
        tried = [edge.visits > 0 for edge in root.edges]
        assert tried == sorted(tried, reverse=True), "no move is tried before one with a higher prior"
        assert any(tried)
        assert not all(tried)


def test_a_failing_network_leaves_nothing_half_done(hashing: Callable[..., Any]) -> None:
    class Failing:
        history_fill = "fen_only"
        input_format = 1
        fails = False

        def evaluate_packed(self, masks: Any, values: Any, *, threads: int = 1) -> Any:
            if self.fails:
                raise RuntimeError("out of memory")
            return hashing(6).evaluate_packed(masks, values)

    agent = Failing()
    searcher = Searcher(agent, leaves=4)
    searcher.set_position(chess.Board())
    searcher.run(Simulations(100))
    agent.fails = True
    with pytest.raises(RuntimeError, match="out of memory"):
        searcher.run(Simulations(200))
    agent.fails = False
    tree = searcher.run(Simulations(60))
    assert tree.root.visits == 60
    assert np.isfinite(list(tree.prior.values())).all()


@pytest.mark.parametrize("part", ["logits", "wdl"])
def test_answers_that_are_no_numbers_are_refused(part: str, hashing: Callable[..., Any]) -> None:
    class Broken:
        history_fill = "fen_only"
        input_format = 1

        def evaluate_packed(self, masks: Any, values: Any, *, threads: int = 1) -> Any:
            answer = hashing(6).evaluate_packed(masks, values)
            getattr(answer, part)[:] = np.nan
            return answer

    with pytest.raises(ValueError, match="cannot be searched"):
        search(Broken(), [chess.Board()], simulations=20)


def test_chess960_castling_is_searched_like_everywhere(hashing: Callable[..., Any]) -> None:
    board = chess.Board("4k3/8/8/8/8/8/PPPPPPPP/1R2K1R1 w GB - 0 1", chess960=True)
    castling = chess.Move.from_uci("e1g1")
    assert board.is_castling(castling)
    searcher = Searcher(hashing(6), leaves=1)
    searcher.set_position(board)
    tree = searcher.run(Simulations(80))
    assert same(tree, search(hashing(6), [board], simulations=80)[0])
    assert tree.prior[castling] > 0
    assert searcher.run(Simulations(20), moves=[castling]).visits == {castling: 19}


def test_noise_belongs_to_one_root(hashing: Callable[..., Any]) -> None:
    searcher = Searcher(hashing(6), leaves=1, noise_fraction=0.25)
    board = chess.Board()
    searcher.set_position(board)
    board.push(searcher.run(Simulations(100)).best_move)
    searcher.set_position(board)
    assert searcher.run(Simulations(5)).root.visits == 5


def test_an_edit_steers_a_kept_search() -> None:
    agent = engines.load_agent("ladder-final")

    def visits(edit: Any) -> dict[chess.Move, int]:
        searcher = Searcher(agent, edit=edit)
        searcher.set_position(chess.Board())
        return searcher.run(Simulations(60)).visits

    assert visits(None) == visits({"block2": lambda z: z}) != visits({"block2": lambda z: 0.3 * z})


def test_another_game_starts_anew(searcher: Searcher, hashing: Callable[..., Any]) -> None:
    searcher.set_position(chess.Board())
    searcher.run(Simulations(50))
    other = chess.Board("r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1")
    searcher.set_position(other)
    assert same(searcher.run(Simulations(40)), search(hashing(6), [other], simulations=40)[0])
    searcher.set_position(chess.Board())
    assert searcher.run(Simulations(3)).root.visits == 3
    searcher.forget()
    with pytest.raises(ValueError, match="no position to search: call set_position"):
        searcher.run(Simulations(3))


def test_a_repetition_that_was_a_draw_in_the_tree_is_searched_as_a_root(hashing: Callable[..., Any]) -> None:
    searcher = Searcher(hashing(6), leaves=1, c_puct=30.0)
    board = chess.Board()
    for uci in ("g1f3", "g8f6", "f3g1", "f6g8", "g1f3", "g8f6", "f3g1"):
        board.push_uci(uci)
    searcher.set_position(board)
    tree = searcher.run(Simulations(300))
    third = chess.Move.from_uci("f6g8")
    assert tree.q[third] == 0
    board.push(third)
    searcher.set_position(board)
    tree = searcher.run(Simulations(20))
    assert tree.root.visits == 20
    assert not tree.root.terminal


def test_only_some_moves_are_searched(searcher: Searcher) -> None:
    board = chess.Board()
    searcher.set_position(board)
    searcher.run(Simulations(30))
    few = [chess.Move.from_uci("a2a3"), chess.Move.from_uci("h2h4")]
    tree = searcher.run(Simulations(50), moves=few)
    assert set(tree.visits) == set(few)
    assert sum(tree.prior.values()) == pytest.approx(1, abs=1e-6)
    assert tree.root.visits == 50
    board.push(tree.best_move)
    searcher.set_position(board)
    assert searcher.run(Simulations(5)).root.visits == 5, "a restricted tree is not kept"
    with pytest.raises(ValueError, match="a2a3 is not a legal move"):
        searcher.run(Simulations(5), moves=few)
    with pytest.raises(ValueError, match="moves is empty"):
        searcher.run(Simulations(5), moves=[])
    with pytest.raises(TypeError, match="'a2a3', which is no"):
        searcher.run(Simulations(5), moves=["a2a3"])  # type: ignore[list-item]
    assert searcher.run(Simulations(1)).root.visits == 5, "what was asked wrongly has dropped nothing"


def test_nodes_bound_the_tree(searcher: Searcher) -> None:
    searcher.set_position(chess.Board())
    tree = searcher.run(Nodes(40))
    assert len(tree.arrays.nodes) == 40
    assert len(searcher.run([Nodes(60), Simulations(10_000)]).arrays.nodes) == 60
    assert searcher.run([Nodes(10_000), Simulations(70)]).root.visits == 70


def test_time_ends_a_run_and_one_evaluation_is_always_made(searcher: Searcher) -> None:
    searcher.set_position(chess.Board())
    tree = searcher.run(Seconds(0))
    assert tree.root.visits >= 1
    assert tree.best_move in tree.prior
    started = time.monotonic()
    longer = searcher.run(Seconds(0.2))
    assert 0.19 <= time.monotonic() - started < 5
    assert longer.root.visits > tree.root.visits


def test_memory_ends_a_run(hashing: Callable[..., Any]) -> None:
    searcher = Searcher(hashing(6), leaves=16, megabytes=2)
    searcher.set_position(chess.Board())
    tree = searcher.run()
    assert 1000 < len(tree.arrays.nodes) < 8000


@pytest.mark.parametrize("fen", [chess.STARTING_FEN, "7k/8/8/8/8/8/8/KR6 w - - 0 1"])
def test_stop_ends_a_run(fen: str, hashing: Callable[..., Any]) -> None:
    searcher = Searcher(hashing(6), leaves=8, threads=2)
    searcher.set_position(chess.Board(fen))
    stop = threading.Event()
    seen: list[tuple[int, float]] = []

    def watch(tree: Tree, seconds: float) -> None:
        seen.append((tree.root.visits, seconds))
        if len(seen) == 3:
            stop.set()

    tree = searcher.run(stop=stop, watch=watch, watch_every=0.02)
    assert len(seen) == 3
    assert [visits for visits, _ in seen] == sorted(visits for visits, _ in seen)
    assert tree.root.visits >= seen[-1][0]


def test_a_solved_tree_still_hears_the_stop(constant: Callable[..., Any]) -> None:
    """Every simulation ends in a finished game: nothing is ever asked of the network."""
    searcher = Searcher(constant(), leaves=8)
    searcher.set_position(chess.Board("k7/8/1K6/8/8/8/8/7R w - - 99 80"))
    started = time.monotonic()
    tree = searcher.run(Seconds(0.1))
    assert time.monotonic() - started < 5
    assert tree.best_move == chess.Move.from_uci("h1h8")


def test_long_games_fit(searcher: Searcher) -> None:
    board = chess.Board()
    shuffle = ["g1f3", "g8f6", "f3g1", "f6g8"]
    for ply in range(300):
        searcher.set_position(board)
        if ply % 37 == 0:
            assert searcher.run(Simulations(4)).root.visits >= 4
        board.push_uci(shuffle[ply % 4])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threads": 0}, "threads is 0"),
        ({"leaves": 0}, "leaves is 0"),
        ({"megabytes": 0}, "megabytes is 0"),
        ({"preset": "x"}, "unknown search preset"),
        ({"speed": 3}, "unknown search setting"),
        ({"cache_megabytes": -1}, "cache_megabytes is -1"),
        ({"leaves": True}, "leaves is True"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str, constant: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=message):
        Searcher(constant(), **settings)


def test_a_bad_position_leaves_the_old_one(searcher: Searcher) -> None:
    searcher.set_position(chess.Board())
    with pytest.raises(ValueError, match="no legal move"):
        searcher.set_position(chess.Board("7k/5Q2/6K1/8/8/8/8/8 b - - 0 1"))
    assert searcher.run(Simulations(3)).board == chess.Board()
