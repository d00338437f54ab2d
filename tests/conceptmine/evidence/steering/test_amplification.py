"""The amplified layer: the paper's formula, nothing at strength zero, and the same in search as outside."""

from __future__ import annotations

import chess
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import engines
from conceptmine.activations import capture
from conceptmine.errors import InputError
from conceptmine.evidence.steering import SteeredAgent, amplification, steered
from engines.chess import pack_boards
from engines.networks import (
    Agent,
    AttentionBody,
    AttentionPolicy,
    ClassicalPolicy,
    Encoder,
    EvaluationCache,
    Network,
    NetworkConfig,
    Smolgen,
    Tower,
    ValueHead,
)

_ENCODER = Encoder(heads=2, width=8, hidden=12, smolgen=Smolgen(compressed=2, hidden=6, generated=4))
SHAPES = {
    "residual": NetworkConfig(Tower(8, 2, 4), value=ValueHead(4, 16)),
    "classical": NetworkConfig(Tower(8, 2), policy=ClassicalPolicy(1), value=ValueHead(2, 8, scalar=True)),
    "attention": NetworkConfig(
        attention=AttentionBody(8, (_ENCODER, _ENCODER)), policy=AttentionPolicy(8, 8), value=ValueHead(4, 16)
    ),
}
MOVES = ("e2e4", "c7c5", "g1f3", "d7d6", "d2d4", "c5d4", "f3d4", "g8f6", "b1c3", "a7a6")


def boards() -> list[chess.Board]:
    board, found = chess.Board(), [chess.Board()]
    for move in MOVES:
        board.push_uci(move)
        found.append(board.copy())
    return found


@pytest.fixture(scope="module", params=[*SHAPES, "shipped", "shipped, run by torch"])
def agent(request: pytest.FixtureRequest) -> Agent:
    if request.param in SHAPES:
        return Agent(Network(SHAPES[request.param], seed=3), request.param)
    dtype = "bfloat16" if "torch" in request.param else "float32"
    return engines.load_agent("ladder-final", dtype=dtype)


def a_vector(agent: Agent, layer: str, seed: int = 0) -> np.ndarray:
    width = capture(agent, [chess.Board()], [layer])[layer].shape[1]
    return np.random.default_rng(seed).normal(size=width)


def assert_same_bits(agent: Agent, other: Agent | SteeredAgent) -> None:
    masks, values = pack_boards(boards(), agent.input_format, agent.history_fill)
    one, two = agent.evaluate_packed(masks, values), other.evaluate_packed(masks, values)
    assert one.logits.tobytes() == two.logits.tobytes()
    assert one.wdl.tobytes() == two.wdl.tobytes()
    assert (one.moves_left is None) == (two.moves_left is None)
    if one.moves_left is not None and two.moves_left is not None:
        assert one.moves_left.tobytes() == two.moves_left.tobytes()


def test_strength_zero_is_bit_identical_at_every_layer(agent: Agent) -> None:
    for layer in agent.layers:
        assert_same_bits(agent, steered(agent, layer, a_vector(agent, layer), alpha=0))
    masks, values = pack_boards(boards(), agent.input_format, agent.history_fill)
    plain = agent.evaluate_packed(masks, values)
    for layer in agent.layers:
        # The function itself, on the path that edited layers take.
        edit = {layer: amplification(a_vector(agent, layer), alpha=0, beta=0.01)}
        still = agent.evaluate_packed(masks, values, edit=edit)
        assert plain.logits.tobytes() == still.logits.tobytes() and plain.wdl.tobytes() == still.wdl.tobytes()


def test_strength_above_zero_acts_and_vanishes_with_alpha(agent: Agent) -> None:
    masks, values = pack_boards(boards(), agent.input_format, agent.history_fill)
    plain = agent.evaluate_packed(masks, values).logits
    for layer in agent.layers:
        if layer.startswith(("value", "moves_left")):
            continue
        vector = a_vector(agent, layer)
        strong, weak = (
            np.abs(steered(agent, layer, vector, alpha=alpha, beta=1.0).evaluate_packed(masks, values).logits - plain)
            for alpha in (0.5, 1e-5)
        )
        assert strong.max() > 0
        if agent.dtype == "float32":
            assert weak.max() < 0.01 * strong.max()


def test_the_network_goes_on_with_the_formula_of_the_paper(agent: Agent) -> None:
    layer = next(name for name in reversed(agent.layers) if name.startswith(("block", "encoder")))
    z = capture(agent, boards(), [layer])[layer].astype(np.float64)
    v, alpha, beta = a_vector(agent, layer), 0.3, 0.2
    lengths = np.linalg.norm(z, axis=1, keepdims=True)
    wanted = (1 - alpha) * z + alpha * beta * lengths / np.linalg.norm(v) * v
    seen: list[np.ndarray] = []

    def spy(tensor: torch.Tensor) -> torch.Tensor:
        out = amplification(v, alpha=alpha, beta=beta)(tensor)
        seen.append(out.float().numpy().reshape(len(out), -1))
        return out

    edited = agent.evaluate(boards(), edit={layer: spy})
    got = np.concatenate(seen)[: len(z)]
    tolerance = 1e-5 if agent.dtype == "float32" else 0.05
    assert np.abs(got - wanted).max() <= tolerance * np.abs(wanted).max()
    same = steered(agent, layer, v, alpha=alpha, beta=beta).evaluate(boards())
    assert edited.policy == same.policy and np.array_equal(edited.wdl, same.wdl)


def test_a_position_gets_the_same_bits_alone_and_in_a_batch() -> None:
    agent = engines.load_agent("ladder-final")
    one = steered(agent, "block4", a_vector(agent, "block4"), alpha=0.2, beta=0.5)
    masks, values = pack_boards(boards(), agent.input_format, agent.history_fill)
    together = one.evaluate_packed(masks, values)
    for i in range(len(masks)):
        alone = one.evaluate_packed(masks[i : i + 1], values[i : i + 1])
        assert alone.logits[0].tobytes() == together.logits[i].tobytes()
        assert alone.wdl[0].tobytes() == together.wdl[i].tobytes()


@given(scale=st.floats(1e-200, 1e200), alpha=st.floats(0, 1), beta=st.floats(-2, 2), seed=st.integers(0, 2**16))
def test_scale_of_the_vector_does_not_matter_and_lengths_are_shares_of_z(
    scale: float, alpha: float, beta: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    z, v = torch.from_numpy(rng.normal(size=(3, 2, 4))), rng.normal(size=8)
    moved = amplification(scale * v, alpha=alpha, beta=beta)(z)
    assert torch.allclose(moved, amplification(v, alpha=alpha, beta=beta)(z), rtol=1e-9, atol=1e-12)
    step = (moved - (1 - alpha) * z).flatten(1).norm(dim=1)
    assert torch.allclose(step, abs(alpha * beta) * z.flatten(1).norm(dim=1), atol=1e-9)


def test_a_search_evaluates_every_leaf_steered_and_strength_zero_changes_no_tree() -> None:
    agent = engines.load_agent("ladder-final")
    vector = a_vector(agent, "block4")
    roots = boards()[3:6]
    plain = engines.search(agent, roots, simulations=60)
    still = engines.search(steered(agent, "block4", vector, alpha=0), roots, simulations=60)
    for one, two in zip(plain, still, strict=True):
        assert one.visits == two.visits and one.q == two.q and one.value == two.value
    moved = steered(agent, "block4", vector, alpha=0.5, beta=1.0)
    trees = engines.search(moved, roots, simulations=60)
    assert any(one.visits != two.visits for one, two in zip(plain, trees, strict=True))
    # Leaves too, and not the root alone: a child's prior is the steered agent's policy there.
    line = trees[0].line()
    board, node = roots[0].copy(), trees[0].root
    for move in line[:2]:
        board.push(move)
        edge = next(edge for edge in node.edges if edge.move == move)
        child = node.follow(edge)
        assert child is not None
        node = child
    below = moved.evaluate([board]).policy[0]
    priors = {edge.move: edge.prior for edge in node.edges}
    assert priors == pytest.approx(below, abs=1e-5)
    assert priors != pytest.approx(agent.evaluate([board]).policy[0], abs=1e-3)


def test_caches_do_not_mix_steered_and_plain_answers() -> None:
    agent = engines.load_agent("ladder-final")
    vector = a_vector(agent, "block4")
    masks, values = pack_boards(boards(), agent.input_format, agent.history_fill)
    agents = {
        "plain": agent,
        "steered": steered(agent, "block4", vector, alpha=0.3, beta=0.5),
        "other way": steered(agent, "block4", -vector, alpha=0.3, beta=0.5),
    }
    caches = {name: EvaluationCache(evaluator, 4) for name, evaluator in agents.items()}
    answers = {}
    for _ in range(2):
        for name, cache in caches.items():
            answers[name] = cache.evaluate_packed(masks, values)
    for name, evaluator in agents.items():
        own = evaluator.evaluate_packed(masks, values)
        assert caches[name].hits == len(masks)
        assert np.array_equal(answers[name].wdl, own.wdl)
    assert not np.array_equal(answers["plain"].wdl, answers["steered"].wdl)
    assert not np.array_equal(answers["other way"].wdl, answers["steered"].wdl)
    checksums = [evaluator.sha256 for evaluator in agents.values()]
    assert len(set(checksums)) == 3
    assert steered(agent, "block4", vector, alpha=0).sha256 == agent.sha256


def test_what_cannot_steer_is_refused_in_a_sentence() -> None:
    agent = Agent(Network(SHAPES["residual"], seed=3), "small")
    good = a_vector(agent, "block1")
    for layer, vector, alpha, beta, message in (
        ("block9", good, 0.1, 0.1, "no layer 'block9'"),
        ("block1", good[:-1], 0.1, 0.1, "has 511 features"),
        ("block1", good.reshape(8, 64), 0.1, 0.1, "shape"),
        ("block1", 0 * good, 0.1, 0.1, "zero"),
        ("block1", np.full(512, np.nan), 0.1, 0.1, "not finite"),
        ("block1", good, 1.1, 0.1, "alpha is 1.1"),
        ("block1", good, float("nan"), 0.1, "alpha is nan"),
        ("block1", good, 0.1, float("inf"), "beta is inf"),
    ):
        with pytest.raises(InputError, match=message):
            steered(agent, layer, vector, alpha=alpha, beta=beta)
    with pytest.raises(InputError, match="vector of this layer"):
        agent.evaluate([chess.Board()], edit={"policy_hidden": amplification(good[:64], alpha=0.1, beta=1)})
