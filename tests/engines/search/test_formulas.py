"""The three formulas: a slow search written from their published descriptions must grow the same trees."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import chess
import numpy as np
import pytest

from engines.chess import pack_boards, policy_index
from engines.search import PRESETS, SearchSettings, Tree, search
from engines.search.forest import CHOICE, NODE, TRIAL, plant_boards
from engines.search.growing import grow
from engines.search.gumbel import conclude
from engines.search.selection import considered_visits, select_gumbel_inside

Games = Callable[[int, int, int], Iterator[chess.Board]]


@dataclass
class Plain:
    """A node of the slow search; ``total`` and ``value`` are the views of the side to move here."""

    board: chess.Board
    """The position here; until the first visit, the one before ``move``."""
    prior: float
    move: chess.Move | None = None
    value: float = 0.0
    total: float = 0.0
    visits: int = 0
    over: bool = False
    children: dict[chess.Move, Plain] = field(default_factory=dict)

    @property
    def q(self) -> float:
        """Mean value for the side that moved here."""
        return -self.total / self.visits


class PlainSearch:
    """One simulation at a time, with dictionaries; ``noise`` are the Gumbel draws of the root moves."""

    def __init__(self, evaluator: Any, settings: SearchSettings, noise: dict[chess.Move, float] | None = None) -> None:
        self.evaluator, self.settings, self.noise = evaluator, settings, noise or {}

    def run(self, board: chess.Board, simulations: int) -> Plain:
        root = Plain(board.copy(), 1.0)
        value = self.expand(root, is_root=True)
        if self.settings.formula != "alphazero":
            root.visits, root.total = 1, value
        done = 1 if self.settings.formula == "lc0" else 0
        for simulation in range(done, simulations):
            self.simulate(root, simulation, simulations)
        return root

    def expand(self, node: Plain, *, is_root: bool = False) -> float:
        if node.move is not None:
            node.board = node.board.copy()
            node.board.push(node.move)
        board = node.board
        moves = list(board.legal_moves)
        drawn = board.is_insufficient_material() or board.halfmove_clock >= 100
        drawn = drawn or board.is_repetition(2 if self.settings.two_fold_draws else 3)
        if not moves or (drawn and not is_root):
            node.over = True
            node.value = -1.0 if board.is_checkmate() else 0.0
            return node.value
        answer = self.evaluator.evaluate_packed(*pack_boards([board]))
        logits = [float(answer.logits[0, policy_index(board, move)]) for move in moves]
        weights = [math.exp((logit - max(logits)) / self.settings.policy_temperature) for logit in logits]
        priors = {move: float(np.float32(weight / sum(weights))) for move, weight in zip(moves, weights, strict=True)}
        for move in sorted(moves, key=lambda move: -priors[move]):
            node.children[move] = Plain(board, priors[move], move)
        node.value = float(np.float32(answer.wdl[0, 0] - answer.wdl[0, 2]))
        return node.value

    def simulate(self, root: Plain, simulation: int, simulations: int) -> None:
        path, node = [root], root
        while node.children and (node.visits or node is root):
            node = self.choose(node, node is root, simulation, simulations)
            path.append(node)
            if not node.visits:
                break
        value = node.value if node.visits else self.expand(node)
        for above in reversed(path):
            above.visits += 1
            above.total += value
            value = -value

    def choose(self, node: Plain, is_root: bool, simulation: int, simulations: int) -> Plain:
        formula = self.settings.formula
        if formula == "gumbel":
            return self.choose_gumbel_root(node, simulation, simulations) if is_root else self.choose_gumbel(node)
        settings, visits = self.settings, node.visits
        seen = sum(child.prior for child in node.children.values() if child.visits)

        def lc0(child: Plain) -> float:
            growth = settings.c_puct + settings.c_factor * math.log((visits + settings.c_base) / settings.c_base)
            unvisited = node.total / node.visits - settings.fpu_reduction * math.sqrt(seen)
            mean = child.q if child.visits else unvisited
            return mean + child.prior * growth * math.sqrt(max(visits - 1, 1)) / (1 + child.visits)

        def alphazero(child: Plain) -> float:
            """The pseudocode: values in [0, 1], unvisited 0."""
            growth = settings.c_puct + settings.c_factor * math.log((visits + settings.c_base + 1) / settings.c_base)
            mean = (child.q + 1) / 2 if child.visits else 0.0
            return mean + growth * math.sqrt(visits) / (child.visits + 1) * child.prior

        return max(node.children.values(), key=lc0 if formula == "lc0" else alphazero)

    def completed(self, node: Plain) -> list[float]:
        """Mean values of the moves, the mixed value for unvisited ones."""
        tried = [child for child in node.children.values() if child.visits]
        total = sum(child.visits for child in tried)
        mixed = node.value
        if tried:
            mean = sum(child.prior * child.q for child in tried) / sum(child.prior for child in tried)
            mixed = (node.value + total * mean) / (1 + total)
        return [child.q if child.visits else mixed for child in node.children.values()]

    def scores(self, node: Plain) -> list[float]:
        """logit + σ(completed q)."""
        most = max(child.visits for child in node.children.values())
        sigma = (self.settings.gumbel_visit_offset + most) * self.settings.gumbel_scale
        children = node.children.values()
        return [math.log(child.prior) + sigma * q for child, q in zip(children, self.completed(node), strict=True)]

    def choose_gumbel(self, node: Plain) -> Plain:
        improved = softmax(self.scores(node))
        total = sum(child.visits for child in node.children.values())
        children = list(node.children.values())
        ratings = [policy - child.visits / (1 + total) for policy, child in zip(improved, children, strict=True)]
        return children[int(np.argmax(ratings))]

    def choose_gumbel_root(self, node: Plain, simulation: int, simulations: int) -> Plain:
        considered = min(self.settings.gumbel_moves, len(node.children))
        scheduled = schedule(considered, simulations)[simulation]
        rated = {
            self.noise.get(move, 0.0) + score: child
            for (move, child), score in zip(node.children.items(), self.scores(node), strict=True)
            if child.visits == scheduled
        }
        return rated[max(rated)]


def softmax(logits: list[float]) -> list[float]:
    weights = [math.exp(logit - max(logits)) for logit in logits]
    return [weight / sum(weights) for weight in weights]


def schedule(considered: int, simulations: int) -> list[int]:
    """Sequential halving: how many visits the move to be visited next must have, simulation by simulation.

    Each of log2(considered) phases spends an equal share of the simulations, in turn, on the moves still considered, at
    least one each; then the worse half is dropped, but two stay. What is left over goes on in the last phase's manner.
    """
    if considered <= 1:
        return list(range(simulations))
    phases = math.ceil(math.log2(considered))
    wanted: list[int] = []
    visits, left = 0, considered
    while len(wanted) < simulations:
        for _ in range(max(1, math.floor(simulations / (phases * left)))):
            wanted += [visits] * left
            visits += 1
        left = max(2, left // 2)
    return wanted[:simulations]


def assert_same(tree: Tree, plain: Plain) -> None:
    def compare(node: Any, slow: Plain) -> None:
        assert node.visits == slow.visits
        assert node.value == pytest.approx(slow.total / slow.visits, abs=1e-6)
        for edge in node.edges:
            assert edge.visits == slow.children[edge.move].visits
            below = node.follow(edge)
            if below is not None:
                compare(below, slow.children[edge.move])

    compare(tree.root, plain)


@pytest.fixture
def boards(random_games: Games) -> list[chess.Board]:
    return [game for game in random_games(31, 6, 24) if any(game.legal_moves)]


@pytest.mark.parametrize(
    ("preset", "settings"),
    [
        ("lc0", {}),
        ("lc0", {"policy_temperature": 1.8, "c_base": 40.0, "two_fold_draws": True}),
        ("alphazero", {}),
        ("alphazero", {"c_base": 30.0}),
        ("gumbel", {"gumbel_noise": 0.0}),
        ("gumbel", {"gumbel_noise": 0.0, "gumbel_moves": 5, "gumbel_scale": 3.0}),
    ],
)
def test_the_slow_search_grows_the_same_trees(
    preset: str, settings: dict[str, Any], boards: list[chess.Board], hashing: Callable[..., Any]
) -> None:
    full = SearchSettings(**{**PRESETS[preset].__dict__, **settings})
    trees = search(hashing(8), boards, simulations=56, preset=preset, **settings)
    for tree, board in zip(trees, boards, strict=True):
        assert_same(tree, PlainSearch(hashing(8), full).run(board, 56))


def test_gumbel_noise_chooses_and_concludes(boards: list[chess.Board], hashing: Callable[..., Any]) -> None:
    """With the tree's own draws the slow search agrees, and so do the move and the improved policy."""
    settings = PRESETS["gumbel"]
    forest = plant_boards(boards, 40, 3)
    grow(forest, hashing(1), settings, np.arange(len(boards)))
    trees = search(hashing(1), boards, simulations=40, seed=3, preset="gumbel")
    for index, (tree, board) in enumerate(zip(trees, boards, strict=True)):
        moves = [edge.move for edge in tree.root.edges]
        draws = dict(zip(moves, forest.noise[index, : len(moves)].astype(float).tolist(), strict=True))
        slow = PlainSearch(hashing(1), settings, draws)
        plain = slow.run(board, 40)
        assert_same(tree, plain)
        scores = dict(zip(plain.children, slow.scores(plain), strict=True))
        most = max(child.visits for child in plain.children.values())
        finalists = [move for move, child in plain.children.items() if child.visits == most]
        assert tree.best_move == max(finalists, key=lambda move: draws[move] + scores[move])
        assert tree.line()[0] == tree.best_move
        policy = np.zeros(256, dtype=np.float32)
        arrays = tree.arrays
        best = conclude(settings.record(), arrays.nodes, arrays.edges, arrays.edges, forest.noise[index], policy)
        assert moves[best] == tree.best_move
        expected = dict(zip(scores, softmax(list(scores.values())), strict=True))
        assert policy[: len(moves)] == pytest.approx([expected[move] for move in moves], abs=1e-5)
        assert policy[: len(moves)].sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("simulations", [1, 2, 3, 8, 16, 50, 200, 800])
def test_the_schedule_of_sequential_halving(simulations: int) -> None:
    for considered in (1, 2, 3, 4, 5, 7, 8, 16, 20, 32):
        expected = schedule(considered, simulations)
        found = [considered_visits(considered, simulations, done) for done in range(simulations)]
        assert found == expected, (considered, simulations)


def test_the_schedule_of_an_example_worked_by_hand() -> None:
    """16 simulations on 4 moves: two phases of 8; two visits each for four, then four more each for two."""
    assert [considered_visits(4, 16, done) for done in range(16)] == [0] * 4 + [1] * 4 + [2, 2, 3, 3, 4, 4, 5, 5]


def test_a_large_gumbel_search_tells_good_moves_apart() -> None:
    """Where σ(q) runs into the hundreds, moves of different value must not look alike."""
    record = SearchSettings(formula="gumbel", gumbel_noise=0.0).record()
    nodes = np.zeros(1, dtype=NODE)
    nodes[0]["edges"], nodes[0]["visited"], nodes[0]["visits"] = 3, 3, 1500
    choices, trials = np.zeros(3, dtype=CHOICE), np.zeros(3, dtype=TRIAL)
    choices["prior"] = (0.30, 0.15, 0.55)
    trials["visits"] = (500, 700, 300)
    trials["total"] = np.array([0.9, 0.95, -1.0]) * trials["visits"]
    assert select_gumbel_inside(record, nodes, choices, trials, 0, np.empty(256, dtype=np.float32)) == 1


def test_the_first_gumbel_move_is_a_draw_from_the_policy(hashing: Callable[..., Any]) -> None:
    """argmax of gumbel + logit is a sample of the softmax (Gumbel-max)."""
    draws = 1500
    counts: dict[chess.Move, int] = {}
    for seed in range(draws):
        tree = search(hashing(4), [chess.Board()], simulations=1, seed=seed, preset="gumbel")[0]
        counts[tree.best_move] = counts.get(tree.best_move, 0) + 1
    distance = sum(abs(counts.get(move, 0) / draws - prior) for move, prior in tree.prior.items()) / 2
    assert distance < 0.06


@pytest.mark.parametrize("alpha", [0.3, 2.0])
def test_dirichlet_noise_is_mixed_into_the_root_alone(alpha: float, hashing: Callable[..., Any]) -> None:
    fraction, draws = 0.25, 400
    plain = search(hashing(4), [chess.Board()], simulations=30, preset="alphazero")[0]
    noises = []
    for seed in range(draws):
        tree = search(
            hashing(4),
            [chess.Board()],
            simulations=30 if seed < 3 else 1,
            seed=seed,
            preset="alphazero",
            noise_fraction=fraction,
            noise_alpha=alpha,
        )[0]
        priors = [edge.prior for edge in tree.root.edges]
        assert priors == sorted(priors, reverse=True)
        noises.append([(tree.prior[move] - (1 - fraction) * prior) / fraction for move, prior in plain.prior.items()])
        for edge in tree.root.edges:
            below = tree.root.follow(edge)
            same = next(other for other in plain.root.edges if other.move == edge.move)
            unchanged = plain.root.follow(same)
            if below is not None and unchanged is not None:
                assert [e.prior for e in below.edges] == [e.prior for e in unchanged.edges]
    noise = np.array(noises)
    assert noise.min() > -1e-6
    assert noise.sum(axis=1) == pytest.approx(1, abs=1e-5)
    moves = noise.shape[1]
    assert noise.mean(axis=0) == pytest.approx(1 / moves, abs=0.02)
    # Variance of one component of a symmetric Dirichlet distribution.
    assert noise.var() == pytest.approx((moves - 1) / moves**2 / (moves * alpha + 1), rel=0.15)


def test_a_gumbel_root_spreads_a_share_of_its_policy_evenly(hashing: Callable[..., Any]) -> None:
    """The noise of the policy is drawn for the spread policy: a move without any prior can be chosen."""
    board, share = chess.Board(), 0.4
    plain, spread = (
        search(hashing(4), [board], simulations=30, preset="gumbel", noise_fraction=fraction)[0]
        for fraction in (0.0, share)
    )
    assert [edge.move for edge in plain.root.edges] == [edge.move for edge in spread.root.edges]
    for move, prior in plain.prior.items():
        assert spread.prior[move] == pytest.approx((1 - share) * prior + share / 20, abs=1e-6)
    below = {edge.move: spread.root.follow(edge) for edge in spread.root.edges}
    for edge in plain.root.edges:
        one, other = plain.root.follow(edge), below[edge.move]
        if one is not None and other is not None:
            assert sorted(e.prior for e in one.edges) == sorted(e.prior for e in other.edges), "the root's alone"
    draws = 1500
    counts: dict[chess.Move, int] = {}
    for seed in range(draws):
        tree = search(hashing(4), [board], simulations=1, seed=seed, preset="gumbel", noise_fraction=share)[0]
        counts[tree.best_move] = counts.get(tree.best_move, 0) + 1
    distance = sum(abs(counts.get(move, 0) / draws - prior) for move, prior in spread.prior.items()) / 2
    assert distance < 0.06
