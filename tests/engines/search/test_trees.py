"""What every tree must be: counts, priors, values and endings, checked against python-chess and plain arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import chess
import chess.variant
import numpy as np
import pytest

from engines.chess import INPUT_FORMATS, pack_boards, policy_indices
from engines.search import PRESETS, Node, Tree, forest, run, search

NOISY: dict[str, dict[str, Any]] = {
    "lc0": {},
    "alphazero": {"noise_fraction": 0.25},
    "gumbel": {},
}
Games = Callable[[int, int, int], Iterator[chess.Board]]


@pytest.fixture
def boards(random_games: Games) -> list[chess.Board]:
    """Positions in the middle of games, with their histories; some repeated, some close to a draw."""
    found = [game for game in random_games(99, 24, 30) if any(game.legal_moves)]
    assert len(found) > 15
    return found


def softmax(logits: list[float]) -> list[float]:
    weights = [math.exp(logit - max(logits)) for logit in logits]
    return [weight / sum(weights) for weight in weights]


def ends(board: chess.Board, two_fold: bool) -> bool:
    return (
        not any(board.legal_moves)
        or board.is_insufficient_material()
        or board.halfmove_clock >= 100
        or board.is_repetition(2 if two_fold else 3)
    )


def audit(node: Node, board: chess.Board, evaluator: Any, preset: str, *, is_root: bool = True) -> int:
    """Check a node and all below it against the rules and the evaluator's own words; the number of nodes."""
    two_fold = PRESETS[preset].two_fold_draws
    if not is_root or not any(board.legal_moves):
        assert node.terminal == ends(board, two_fold), board.fen()
    if node.terminal:
        assert node.edges == ()
        assert node.value == node.evaluation == (-1 if board.is_checkmate() else 0)
        return 1
    answer = evaluator.evaluate_packed(*pack_boards([board], evaluator.input_format, evaluator.history_fill))
    moves = [edge.move for edge in node.edges]
    assert set(moves) == set(board.legal_moves)
    assert len(set(moves)) == len(moves)
    priors = [edge.prior for edge in node.edges]
    assert sum(priors) == pytest.approx(1, abs=1e-5)
    assert priors == sorted(priors, reverse=True)
    if not (is_root and NOISY[preset].get("noise_fraction")):
        expected = softmax(answer.logits[0, policy_indices(board, moves, evaluator.input_format)].tolist())
        assert priors == pytest.approx(expected, abs=1e-6)
    assert node.evaluation == pytest.approx(float(answer.wdl[0, 0] - answer.wdl[0, 2]), abs=1e-6)
    seen, total = 1, node.evaluation
    for edge in node.edges:
        below = node.follow(edge)
        assert (below is not None) == (edge.visits > 0)
        if below is None:
            assert math.isnan(edge.q)
            continue
        assert below.visits == edge.visits
        assert edge.q == pytest.approx(-below.value, abs=1e-9)
        total += edge.visits * edge.q
        board.push(edge.move)
        seen += audit(below, board, evaluator, preset, is_root=False)
        board.pop()
    own = 0 if is_root and preset == "alphazero" else 1  # there the root's own evaluation is not counted
    assert node.visits == own + sum(edge.visits for edge in node.edges)
    assert node.value * node.visits == pytest.approx(total - (0 if own else node.evaluation), abs=1e-6)
    return seen


@pytest.mark.parametrize("fill", ["fen_only", "no"])
@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_node_is_what_rules_and_evaluator_say(
    preset: str, fill: str, boards: list[chess.Board], hashing: Callable[..., Any]
) -> None:
    evaluator = hashing(3, fill)
    trees = search(evaluator, boards, simulations=40, preset=preset, seed=1, **NOISY[preset])
    nodes = 0
    for tree, board in zip(trees, boards, strict=True):
        nodes += audit(tree.root, board.copy(), evaluator, preset)
    assert nodes > 20 * len(boards)


@pytest.mark.parametrize("fill", ["fen_only", "no"])
@pytest.mark.parametrize("input_format", [number for number in INPUT_FORMATS if number > 1])
def test_every_node_is_seen_in_the_evaluators_own_format(
    input_format: int, fill: str, boards: list[chess.Board], hashing: Callable[..., Any]
) -> None:
    evaluator = hashing(4, fill, input_format)
    few_men = [
        chess.Board("8/8/3k4/8/8/2K5/5q2/1R6 w - - 3 70"),
        chess.Board("k7/8/8/3K4/8/8/8/R6r b - - 0 70"),
        chess.Board("8/1p6/8/1K3k2/8/8/6n1/8 w - - 12 70"),
        chess.Board("1rk4r/8/8/8/8/8/8/1RK4R w HBhb - 1 20", chess960=True),
    ]
    for uci in ("c3d3", "f2a2", "d3c3", "a2f2", "c3d3"):
        few_men[0].push_uci(uci)
    trees = search(evaluator, [*boards[:10], *few_men], simulations=60)
    for tree, board in zip(trees, [*boards[:10], *few_men], strict=True):
        audit(tree.root, board.copy(), evaluator, "lc0")


@pytest.mark.parametrize("simulations", [1, 2, 7, 60])
@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_visits_add_up_to_the_simulations(preset: str, simulations: int, hashing: Callable[..., Any]) -> None:
    tree = search(hashing(), [chess.Board()], simulations=simulations, preset=preset)[0]
    assert sum(tree.visits.values()) == simulations - (preset == "lc0")
    assert len(tree.visits) == len(tree.prior) == 20
    assert tree.root.visits == simulations + (preset == "gumbel")
    assert set(tree.q) == {move for move, visits in tree.visits.items() if visits}


def identical(one: Tree, other: Tree) -> bool:
    """Whether two trees hold the same numbers, bit for bit."""
    pairs = ((one.arrays.nodes, other.arrays.nodes), (one.arrays.edges, other.arrays.edges))
    same = all((a[name] == b[name]).all() for a, b in pairs if len(a) == len(b) for name in a.dtype.names or ())
    return same and all(len(a) == len(b) for a, b in pairs) and one.best_move == other.best_move


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_tree_does_not_depend_on_its_company(
    preset: str, boards: list[chess.Board], hashing: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"simulations": 30, "preset": preset, "seed": 5, **NOISY[preset]}
    together = search(hashing(), boards, **settings)
    alone = [search(hashing(), [board], **settings)[0] for board in boards]
    monkeypatch.setattr(run, "MOST_TREES", 4)
    in_parts = search(hashing(), boards[::-1], **settings)[::-1]
    for one, two, three in zip(together, alone, in_parts, strict=True):
        assert identical(one, two)
        assert identical(one, three)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_the_seed_decides(preset: str, boards: list[chess.Board], hashing: Callable[..., Any]) -> None:
    def grown(seed: int) -> list[Tree]:
        return search(hashing(), boards[:6], simulations=20, preset=preset, seed=seed, **NOISY[preset])

    first, again, other = grown(1), grown(1), grown(2)
    assert all(identical(one, two) for one, two in zip(first, again, strict=True))
    changed = [one.visits != two.visits for one, two in zip(first, other, strict=True)]
    assert any(changed) == (preset != "lc0"), "only noise hangs on the seed"


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_room_for_edges_grows_without_a_trace(
    preset: str, boards: list[chess.Board], hashing: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"simulations": 50, "preset": preset, "seed": 2, **NOISY[preset]}
    usual = search(hashing(), boards, **settings)
    widened = []
    reserve = forest.Forest.reserve
    monkeypatch.setattr(forest, "_EDGES_PER_NODE", 0)
    monkeypatch.setattr(run, "_NODES_AT_FIRST", 3)
    monkeypatch.setattr(forest.Forest, "reserve", lambda self: (widened.append(1), reserve(self))[1])
    narrow = search(hashing(), boards, **settings)
    assert widened
    assert all(identical(one, two) for one, two in zip(usual, narrow, strict=True))


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize(
    ("fen", "mate"),
    [
        ("6k1/5ppp/8/8/8/8/8/R3K3 w - - 0 1", "a1a8"),
        ("r1bqkb1r/pppp1ppp/2n2n2/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR w KQkq - 4 4", "h5f7"),
        ("3qk3/8/8/8/8/8/5PPP/6K1 b - - 0 1", "d8d1"),
        ("7k/P7/6K1/8/8/8/8/8 w - - 99 80", "a7a8q"),
        ("7k/5Q2/5K2/8/8/8/8/8 w - - 99 80", "f7g7"),  # mate goes before the fiftieth move
    ],
)
def test_mate_in_one_is_found(preset: str, fen: str, mate: str, constant: Callable[..., Any]) -> None:
    board = chess.Board(fen)
    # With no opinion to go by, the search must be made to look at every move.
    tree = search(constant(), [board], simulations=120, preset=preset, gumbel_moves=64, c_puct=25.0)[0]
    board.push(tree.best_move)
    assert board.is_checkmate()
    assert tree.q[tree.best_move] == 1
    edge = next(edge for edge in tree.root.edges if edge.move == tree.best_move)
    below = tree.root.follow(edge)
    assert below is not None
    assert below.terminal
    assert below.value == -1
    assert tree.line()[0] == tree.best_move
    assert len(tree.line()) == 1
    assert tree.q[chess.Move.from_uci(mate)] == 1


def value_of(tree: Tree, uci: str) -> float:
    return tree.q[chess.Move.from_uci(uci)]


def widely(evaluator: Any, board: chess.Board, **settings: Any) -> Tree:
    """A search that visits every root move."""
    return search(evaluator, [board], simulations=400, preset="lc0", c_puct=50.0, **settings)[0]


def test_the_fiftieth_move_is_a_draw(constant: Callable[..., Any]) -> None:
    board = chess.Board("8/8/8/4k3/8/8/8/3QK2r w - - 99 120")
    tree = widely(constant(0.5), board)
    assert board.is_check()
    quiet = [move for move in tree.q if not board.is_capture(move)]
    assert quiet
    assert all(tree.q[move] == 0 for move in quiet)
    fresh = widely(constant(0.5), chess.Board("8/8/8/4k3/8/8/8/3QK2r w - - 40 120"))
    assert all(fresh.q[move] != 0 for move in quiet)


def test_insufficient_material_is_a_draw(constant: Callable[..., Any]) -> None:
    tree = widely(constant(0.5), chess.Board("8/8/8/4k3/8/8/1r6/K7 w - - 0 1"))
    assert value_of(tree, "a1b2") == 0


def test_a_third_occurrence_is_a_draw_and_a_second_only_if_asked(constant: Callable[..., Any]) -> None:
    board = chess.Board()
    for uci in ("g1f3", "g8f6", "f3g1"):
        board.push_uci(uci)
    once, twice = board.copy(), board.copy()
    for uci in ("f6g8", "g1f3", "g8f6", "f3g1"):
        twice.push_uci(uci)
    returning = "f6g8"
    assert value_of(widely(constant(0.5), once), returning) != 0
    assert value_of(widely(constant(0.5), once, two_fold_draws=True), returning) == 0
    assert value_of(widely(constant(0.5), twice), returning) == 0
    assert value_of(widely(constant(0.5), twice), "e7e5") != 0


@pytest.mark.parametrize("preset", ["lc0", "gumbel"])
def test_repetitions_inside_the_tree_are_seen(preset: str, constant: Callable[..., Any]) -> None:
    """Two kings that can do little but step to and fro."""
    board = chess.Board("k7/p7/P7/8/8/7p/7P/7K w - - 0 1")
    evaluator = constant(0.3)
    tree = search(evaluator, [board], simulations=400, preset=preset)[0]
    audit(tree.root, board.copy(), evaluator, preset)
    assert any(record["terminal"] == forest.DRAWN for record in tree.arrays.nodes)
    assert PRESETS["gumbel"].two_fold_draws
    assert not PRESETS["lc0"].two_fold_draws


def played(board: chess.Board, moves: list[chess.Move]) -> chess.Board:
    board = board.copy()
    for move in moves:
        board.push(move)
    return board


def test_values_are_the_root_players(constant: Callable[..., Any]) -> None:
    """The side to move at each leaf believes it is winning: the view changes with the player at every ply."""
    tree = search(constant(0.5), [chess.Board()], simulations=2)[0]
    assert list(tree.q.values()) == [-0.5]
    assert tree.value == 0
    mating = chess.Board("6k1/5ppp/8/8/8/8/8/R3K3 w - - 0 1")
    for board in (mating, mating.mirror()):
        assert search(constant(), [board], simulations=200)[0].value > 0.5


def test_a_line_after_a_move_starts_with_it(hashing: Callable[..., Any]) -> None:
    board = chess.Board()
    board.push_uci("e2e4")
    tree = search(hashing(), [board], simulations=100)[0]
    assert tree.line()[0] == tree.best_move
    assert tree.line(after=tree.best_move) == tree.line()
    for move, visits in tree.visits.items():
        line = tree.line(after=move)
        assert line[0] == move
        assert len(line) >= min(visits, 2) or visits <= 1
        if visits == 0:
            assert line == [move]
        played(board, line)
    with pytest.raises(ValueError, match="e2e4 is not a legal move of rnbqkbnr"):
        tree.line(after=chess.Move.from_uci("e2e4"))


def test_a_line_always_takes_the_most_visited_move(hashing: Callable[..., Any]) -> None:
    tree = search(hashing(), [chess.Board()], simulations=300)[0]
    node: Node | None = tree.root
    for move in tree.line():
        assert node is not None
        edges = {edge.move: edge for edge in node.edges}
        assert edges[move].visits == max(edge.visits for edge in node.edges)
        node = node.follow(edges[move])
    assert node is None or not any(edge.visits for edge in node.edges)


def test_a_tree_keeps_its_own_board(hashing: Callable[..., Any]) -> None:
    board = chess.Board()
    board.push_uci("e2e4")
    tree = search(hashing(), [board], simulations=3)[0]
    board.push_uci("e7e5")
    assert tree.board.move_stack == [chess.Move.from_uci("e2e4")]


def test_one_legal_move(hashing: Callable[..., Any]) -> None:
    only = chess.Board("k7/8/8/8/8/8/1r6/K7 w - - 0 1")
    assert only.legal_moves.count() == 1
    for preset in PRESETS:
        tree = search(hashing(), [only], simulations=5, preset=preset)[0]
        assert tree.best_move == chess.Move.from_uci("a1b2")
        assert tree.prior == {tree.best_move: pytest.approx(1)}


def test_progress_counts_the_boards(
    boards: list[chess.Board], hashing: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "MOST_TREES", 7)
    counted: list[int] = []
    search(hashing(), boards, simulations=2, progress=counted.append)
    assert sum(counted) == len(boards)
    assert set(counted[:-1]) == {7}
    assert search(hashing(), [], simulations=2) == []


def test_what_needs_no_evaluation_asks_for_none(hashing: Callable[..., Any]) -> None:
    evaluator = hashing()
    tree = search(evaluator, [chess.Board()], simulations=50)[0]
    assert evaluator.evaluated == len(tree.arrays.nodes) == 50


@pytest.mark.parametrize(
    ("boards", "settings", "error", "message"),
    [
        ([chess.Board()], {"simulations": 0}, ValueError, "simulations is 0"),
        ([chess.Board()], {"simulations": -3}, ValueError, "at least 1"),
        ([chess.Board()], {"simulations": 1.5}, ValueError, "simulations is 1.5"),
        ([chess.Board()], {"preset": "stockfish"}, ValueError, "unknown search preset 'stockfish': choose one of lc0"),
        ([chess.Board()], {"cpuct": 2}, ValueError, "unknown search setting 'cpuct': choose among"),
        ([chess.Board()], {"c_puct": float("nan")}, ValueError, "c_puct is nan; it must be a finite number"),
        ([chess.Board()], {"c_puct": "2"}, ValueError, "c_puct is '2'; it must be a finite number"),
        ([chess.Board()], {"c_base": 0}, ValueError, "c_base is 0; it must be above 0"),
        ([chess.Board()], {"policy_temperature": 0}, ValueError, "policy_temperature is 0; it must be above 0"),
        ([chess.Board()], {"noise_fraction": 1.1}, ValueError, "noise_fraction is 1.1; it must lie between 0 and 1"),
        ([chess.Board()], {"noise_alpha": 0}, ValueError, "noise_alpha is 0; it must be above 0"),
        ([chess.Board()], {"gumbel_moves": 0}, ValueError, "gumbel_moves is 0; it must be at least 1"),
        ([chess.Board()], {"formula": "ucb"}, ValueError, "unknown search formula 'ucb'"),
        (chess.Board(), {}, TypeError, "boards is a Board: give a sequence of chess.Board"),
        ([chess.Board(), "e4"], {}, TypeError, r"boards\[1\] is a str, not a chess.Board"),
        ([chess.variant.AtomicBoard()], {}, ValueError, "plays chess and Chess960, not atomic"),
        ([chess.Board("8/8/8/8/8/8/8/K7 w - - 0 1")], {}, ValueError, "exactly one king a side"),
        ([chess.Board("7k/5Q2/6K1/8/8/8/8/8 b - - 0 1")], {}, ValueError, r"boards\[0\] has no legal move"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    boards: Any, settings: dict[str, Any], error: type[Exception], message: str, constant: Callable[..., Any]
) -> None:
    with pytest.raises(error, match=message) as refused:
        search(constant(), boards, **settings)
    assert "\n" not in str(refused.value)


def test_the_policy_temperature_flattens_the_priors(hashing: Callable[..., Any]) -> None:
    def root_priors(**settings: Any) -> np.ndarray:
        tree = search(hashing(), [chess.Board()], simulations=2, **settings)[0]
        return np.array(list(tree.prior.values()))

    warm = root_priors(policy_temperature=3.0)
    assert warm.max() < root_priors().max()
