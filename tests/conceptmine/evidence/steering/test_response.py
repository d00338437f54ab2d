"""Dose and response: the experiment measures what it says, finds what is planted and nothing in what is not."""

from __future__ import annotations

import chess
import numpy as np
import pytest
import torch

import engines
from conceptmine.errors import InputError
from conceptmine.evidence.steering import (
    Arm,
    Choice,
    Doses,
    dose_response,
    measure_doses,
    other_concepts,
    random_arms,
    shrink_arm,
    shuffled_arms,
    steered,
    transplanted_arm,
)
from engines.chess import pack_boards, unpack_planes
from engines.chess.transforms import policy_indices
from engines.networks import Agent

LAYER, WIDTH = "block4", 2048
ALPHAS = (0.05, 0.1)


@pytest.fixture(scope="module")
def agent() -> Agent:
    return engines.load_agent("ladder-final")


@pytest.fixture(scope="module")
def choices(agent: Agent) -> list[Choice]:
    """The agent's second choice as "best" against its first, in positions of random games: nothing it already does."""
    rng = np.random.default_rng(5)
    found = []
    for game in range(24):
        board = chess.Board()
        for _ in range(14 + game):
            moves = sorted(board.legal_moves, key=chess.Move.uci)
            board.push(moves[rng.integers(len(moves))])
        policy = agent.evaluate([board]).policy[0]
        first, second = sorted(policy, key=policy.__getitem__)[-1:-3:-1]
        found.append(Choice(board, second, first, f"g{game}"))
    return found


def gradient(agent: Agent, choices: list[Choice]) -> np.ndarray:
    """Mean direction in which the log-odds rise: a vector that must work if steering does."""
    masks, values = pack_boards([c.board for c in choices], agent.input_format, agent.history_fill)
    taken: list[torch.Tensor] = []

    def keep(z: torch.Tensor) -> torch.Tensor:
        taken.append(z.detach().requires_grad_())
        return taken[-1]

    logits = agent.network(torch.from_numpy(unpack_planes(masks, values)), {LAYER: keep}).policy
    total = torch.zeros(())
    for row, choice in zip(logits, choices, strict=True):
        best, subpar = policy_indices(choice.board, [choice.best, choice.subpar], agent.input_format)
        total = total + row[int(best)] - row[int(subpar)]
    (slope,) = torch.autograd.grad(total, taken)
    return slope.flatten(1).mean(0).double().numpy()


def test_a_direction_made_to_work_is_found_and_its_opposite_and_random_ones_are_not(
    agent: Agent, choices: list[Choice]
) -> None:
    vector = gradient(agent, choices)
    arms = [
        Arm("made", "concept", LAYER, vector, 0.5),
        Arm("opposite", "concept", LAYER, -vector, 0.5),
        *random_arms(LAYER, WIDTH, 0.5, draws=19, seed=1),
    ]
    random = [arm.name for arm in arms if arm.kind == "random"]
    doses = measure_doses(agent, choices, arms, ALPHAS)
    made = dose_response(doses, "made", {"random": random})
    assert made.slope.low > 0 and made.change[0].mean == 0
    assert made.change[2].mean > made.change[1].mean > 0
    (compared,) = made.comparisons
    assert compared.excess.low > 0 and compared.sign_p < 0.01 and compared.rank_p == pytest.approx(1 / 20)
    assert made.chosen[2] >= made.chosen[0] == 0
    (opposite,) = dose_response(doses, "opposite", {"random": random}).comparisons
    assert opposite.excess.high < 0 and opposite.sign_p > 0.9 and opposite.rank_p == 1
    # A random direction among the others is nobody's concept.
    ranks = [
        dose_response(doses, name, {"random": [other for other in random if other != name]}).comparisons[0].rank_p
        for name in random
    ]
    assert sorted(ranks) == pytest.approx(np.arange(1, 20) / 19)


def test_without_search_the_log_odds_are_those_of_the_policy(agent: Agent, choices: list[Choice]) -> None:
    arm = random_arms(LAYER, WIDTH, 0.3, draws=1, seed=3)[0]
    doses = measure_doses(agent, choices, [arm], ALPHAS)
    for dose, evaluated in ((0, agent), (2, steered(agent, LAYER, arm.vector, alpha=ALPHAS[1], beta=0.3))):
        evaluation = evaluated.evaluate([c.board for c in choices])
        wanted = [np.log(p[c.best] / p[c.subpar]) for p, c in zip(evaluation.policy, choices, strict=True)]
        assert doses.log_odds[0, dose] == pytest.approx(wanted, abs=1e-6)
        assert np.array_equal(doses.value[0, dose], evaluation.value.astype(np.float64))
        first = [max(p, key=p.__getitem__) == c.best for p, c in zip(evaluation.policy, choices, strict=True)]
        assert doses.chosen[0, dose].tolist() == first


def test_in_search_the_steered_agent_is_searched(agent: Agent, choices: list[Choice]) -> None:
    arm = random_arms(LAYER, WIDTH, 1.0, draws=1, seed=3)[0]
    few = choices[:4]
    doses = measure_doses(agent, few, [arm], [0.3], simulations=40)
    boards = [c.board for c in few]
    moved = steered(agent, LAYER, arm.vector, alpha=0.3, beta=1.0)
    for dose, evaluated in ((0, agent), (1, moved)):
        trees = engines.search(evaluated, boards, simulations=40)
        for i, (tree, choice) in enumerate(zip(trees, few, strict=True)):
            visits = tree.visits
            odds = np.log((visits[choice.best] + 0.5) / (visits[choice.subpar] + 0.5))
            assert doses.log_odds[0, dose, i] == pytest.approx(odds)
            assert doses.value[0, dose, i] == tree.value
            assert doses.chosen[0, dose, i] == (tree.best_move == choice.best)
    assert not np.array_equal(doses.log_odds[0, 0], doses.log_odds[0, 1])


def made_up(slopes: np.ndarray, groups: list[str] | None = None) -> Doses:
    """Doses whose log-odds are straight lines with the given slopes, [arms, choices], from uneven starts."""
    alphas = np.array([0.0, 0.1, 0.2])
    number = slopes.shape[1]
    start = np.linspace(-3, 3, number)
    log_odds = start + alphas[None, :, None] * slopes[:, None, :]
    return Doses(
        arms=tuple(f"a{i}" for i in range(len(slopes))),
        alphas=alphas,
        groups=np.array(groups or [f"g{i:03}" for i in range(number)]),
        log_odds=log_odds,
        value=np.zeros_like(log_odds),
        chosen=np.zeros(log_odds.shape, dtype=bool),
        simulations=None,
    )


def test_slopes_and_tests_are_what_they_are_called() -> None:
    slopes = np.array([[2.0, 1.0, -1.0, 0.5], [1.0, 1.0, -2.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    response = dose_response(made_up(slopes), "a0", {"random": ["a1", "a2"], "shuffled": []})
    assert response.slope.mean == pytest.approx(0.625)
    assert [change.mean for change in response.change] == pytest.approx([0, 0.0625, 0.125])
    (compared,) = response.comparisons
    assert compared.kind == "random" and compared.draws == 2 and compared.groups == 4
    # Excesses 1.5, 0, 0, 0.5: ties are failures, so 2 of 4, and P(Binomial(4, ½) ≥ 2) = 11/16.
    assert compared.better == 2 and compared.sign_p == pytest.approx(11 / 16)
    assert compared.excess.mean == pytest.approx(0.5)
    assert compared.rank_p == pytest.approx(1 / 3)
    assert response.control_change["random"] == pytest.approx(np.array([[0, 0, 0], [0, 0.025, 0.05]]))
    same = dose_response(made_up(np.ones((2, 9))), "a0", {"random": ["a1"]}).comparisons[0]
    assert same.better == 0 and same.sign_p == 1 and same.rank_p == 1


def test_every_group_counts_once() -> None:
    slopes = np.array([[4.0, 4.0, 4.0, 1.0], [0.0, 0.0, 0.0, 2.0]])
    one = dose_response(made_up(slopes, ["a", "a", "a", "b"]), "a0", {"random": ["a1"]})
    two = dose_response(made_up(slopes[:, 2:], ["a", "b"]), "a0", {"random": ["a1"]})
    assert [one.slope.mean, one.slope.low, one.slope.high] == pytest.approx([2.5, 1, 4])
    assert [two.slope.mean, two.slope.low, two.slope.high] == pytest.approx([2.5, 1, 4])
    for response in (one, two):
        assert (response.comparisons[0].groups, response.comparisons[0].better) == (2, 1)


def test_the_rank_is_level_where_the_concept_is_one_more_draw() -> None:
    rng = np.random.default_rng(0)
    ranks = []
    for _ in range(200):
        # Vectors lean on all positions alike: what the sign test takes for evidence and the rank does not.
        leaning = rng.normal(size=(20, 1)) + 0.3 * rng.normal(size=(20, 30))
        doses = made_up(leaning)
        ranks.append(dose_response(doses, "a0", {"random": doses.arms[1:]}, resamples=10).comparisons[0].rank_p)
    assert np.mean(np.array(ranks) <= 0.1) == pytest.approx(0.1, abs=0.06)
    assert np.mean(ranks) == pytest.approx(0.525, abs=0.06)


def test_controls_keep_what_they_should_keep() -> None:
    sparse = np.zeros(64)
    sparse[[3, 9, 40]] = 2.0, -1.0, 0.5
    concept = Arm("c1", "concept", "block2", sparse, 0.1)
    for arm in shuffled_arms(concept, draws=5, seed=1):
        assert sorted(arm.vector) == sorted(sparse) and arm.kind == "shuffled"
        assert not np.array_equal(arm.vector, sparse)
        assert (arm.layer, arm.beta) == ("block2", 0.1)
    widths = {"input": 32, "block1": 64, "block2": 64, "block3": 64, "policy": 1858}
    moved = transplanted_arm(concept, widths)
    assert moved is not None and moved.layer == "block1" and moved.vector is sparse
    first = transplanted_arm(Arm("c2", "concept", "block1", sparse, 0.1), widths)
    assert first is not None and first.layer == "block2"
    assert transplanted_arm(Arm("c3", "concept", "input", sparse[:32], 0.1), widths) is None
    others = [concept, Arm("c4", "concept", "block2", sparse[::-1], 0.1), Arm("c5", "concept", "block3", sparse, 0.1)]
    assert [(arm.name, arm.kind) for arm in other_concepts(concept, others)] == [("c4", "other concept")]
    one, two = (random_arms("block2", 64, 0.1, draws=2, seed=seed) for seed in (1, 2))
    assert not np.array_equal(one[0].vector, two[0].vector) and not np.array_equal(one[0].vector, one[1].vector)
    assert np.array_equal(one[0].vector, random_arms("block2", 64, 0.2, draws=9, seed=1)[0].vector)
    assert shrink_arm("block2", sparse).beta == 0


def test_what_cannot_be_measured_is_refused_in_a_sentence(agent: Agent, choices: list[Choice]) -> None:
    arms = random_arms(LAYER, WIDTH, 0.1, draws=2, seed=0)
    one = choices[0]
    illegal = Choice(one.board, chess.Move.from_uci("a1h8"), one.subpar, "g")
    for chosen, given, alphas, message in (
        ([], arms, [0.1], "nothing to measure"),
        ([one], [], [0.1], "nothing to measure"),
        ([one], arms, [], "above 0 and ascending"),
        ([one], arms, [0.2, 0.1], "above 0 and ascending"),
        ([one], [arms[0], arms[0]], [0.1], "same name"),
        ([illegal], arms, [0.1], "not legal"),
        ([Choice(one.board, one.best, one.best, "g")], arms, [0.1], "both the best and the subpar"),
        ([one], arms, [1.5], "alpha is 1.5"),
    ):
        with pytest.raises(InputError, match=message):
            measure_doses(agent, chosen, given, alphas)
    doses = measure_doses(agent, [one], arms, [0.1])
    with pytest.raises(InputError, match="was not measured"):
        dose_response(doses, "nobody", {})
