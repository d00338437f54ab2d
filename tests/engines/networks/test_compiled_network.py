"""The compiled forward pass: the torch module's numbers, and the same bits whatever goes through beside them."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import chess
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.chess.encoding import pack_boards, unpack_planes
from engines.networks import (
    Agent,
    AttentionBody,
    AttentionPolicy,
    Encoder,
    MovesLeftHead,
    Network,
    NetworkConfig,
    Smolgen,
    Tower,
    ValueHead,
)
from engines.networks.compiled.network import CompiledNetwork
from engines.networks.outputs import Outputs
from engines.networks.shapes import ACTIVATIONS
from tests.engines.networks.conftest import every_weight_matters

Make = Callable[..., Network]
Positions = tuple[NDArray[np.uint64], NDArray[np.float32]]

SIZES = (0, 1, 5, 17, 257)
TOLERANCE = 2e-5
"""Between float32 results of the two ways to calculate, relative to the largest number of a layer."""

GENERATOR = Smolgen(compressed=4, hidden=12, generated=20)
HEADS: dict[str, Any] = {"value": ValueHead(4, 16), "moves_left": MovesLeftHead(2, 8)}
ATTENTION = {
    "map": NetworkConfig(
        attention=AttentionBody(24, (Encoder(3, 60, 40, GENERATOR),) * 2, "map", gated=True),
        policy=AttentionPolicy(20, 24), activation="mish", smolgen_activation="swish", ffn_activation="relu2", **HEADS,
    ),
    "dense": NetworkConfig(
        attention=AttentionBody(32, (Encoder(4, 32, 48),) * 2, "dense", 12, 40, gated=True),
        policy=AttentionPolicy(32, 32, (Encoder(2, 24, 16),)), **HEADS,
    ),
    "tower": NetworkConfig(
        Tower(16, 1, 4), AttentionBody(16, (Encoder(1, 16, 20, GENERATOR),), "tower"),
        policy=AttentionPolicy(16, 8), activation="mish", **HEADS,
    ),
    "policy": NetworkConfig(
        Tower(8, 2, (0, 4)), policy=AttentionPolicy(20, 24, (Encoder(2, 24, 16, GENERATOR),)), **HEADS
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def positions() -> Positions:
    """257 positions of random games, with histories, repetitions and every kind of plane."""
    rng = np.random.default_rng(11)
    there_and_back = ["g1f3", "g8f6", "f3g1", "f6g8"]
    board, boards = chess.Board(), []
    while len(boards) < 257:
        boards.append(board.copy())
        moves = list(board.legal_moves)
        ply = len(board.move_stack)
        board.push(chess.Move.from_uci(there_and_back[ply]) if ply < 4 else moves[rng.integers(len(moves))])
        if ply == 60 or not any(board.legal_moves):
            board = chess.Board()
    masks, values = pack_boards(boards)
    assert (masks[:, 12::13] != 0).any()
    return masks, values


def with_attention(kind: str, make_network: Make) -> Network:
    """A network of one of the kinds above, or a residual one."""
    return every_weight_matters(Network(ATTENTION[kind])) if kind in ATTENTION else make_network(se_channels=(0, 4))


def outputs_of(outputs: Outputs) -> tuple[NDArray[np.float32], ...]:
    return outputs.logits, outputs.wdl, outputs.moves_left


def same(one: Outputs, other: Outputs, rows: slice = slice(None)) -> bool:
    """Whether the first outputs are, bit by bit, some rows of the others."""
    pairs = zip(outputs_of(one), outputs_of(other), strict=True)
    return all(a.tobytes() == (b[rows] if len(b) else b).tobytes() for a, b in pairs)


def planes_of(positions: Positions) -> torch.Tensor:
    return torch.from_numpy(unpack_planes(*positions))


configurations = st.builds(
    lambda policy, **shape: {"policy": policy[0], "policy_planes": policy[1], **shape},
    filters=st.sampled_from([1, 8, 16, 24, 33, 64, 100, 130]),
    se_channels=st.lists(st.sampled_from([0, 3, 8, 16, 20]), max_size=3).map(tuple),
    activation=st.sampled_from(["relu", "mish"]),
    policy=st.sampled_from([("convolution", 73), ("convolution", 80), ("classical", 5), ("classical", 20)]),
    value=st.sampled_from(["wdl", "scalar"]),
    value_planes=st.sampled_from([1, 8, 32, 50]),
    value_hidden=st.sampled_from([1, 16, 100, 128]),
    moves_left=st.booleans(),
    moves_left_planes=st.sampled_from([1, 8, 20]),
    moves_left_hidden=st.sampled_from([5, 16]),
)


@st.composite
def encoders(draw: st.DrawFn, most: int, generated: int) -> tuple[Encoder, ...]:
    """Encoders of one shape, since a file has only one; with smolgen if something is to be generated."""
    heads = draw(st.sampled_from([1, 2, 3, 5, 8]))
    width = heads * draw(st.sampled_from([1, 8, 12, 16, 20, 32]))
    sizes = st.sampled_from([1, 4, 16, 20])
    smolgen = Smolgen(draw(sizes), draw(sizes), generated) if generated else None
    encoder = Encoder(heads, width, draw(st.sampled_from([8, 24, 33])), smolgen)
    return (encoder,) * draw(st.integers(1, most))


@st.composite
def attention_configurations(draw: st.DrawFn) -> NetworkConfig:
    """Networks with an attention body, or an attention policy on a tower."""
    generated = draw(st.sampled_from([0, 1, 8, 16, 20]))
    embedding = draw(st.sampled_from(["map", "dense", "tower", "none"]))
    channels = st.sampled_from([1, 8, 16, 24, 33, 64])
    body = None
    if embedding != "none":
        body = AttentionBody(
            draw(channels), draw(encoders(3, generated)), embedding,
            gated=draw(st.booleans()),
            **({"dense_channels": draw(channels), "dense_hidden": draw(channels)} if embedding == "dense" else {}),
        )  # fmt: skip
    own = st.none() | st.sampled_from(ACTIVATIONS) if body is not None else st.none()
    tower = Tower(draw(channels), draw(st.integers(0, 1))) if embedding in ("tower", "none") else None
    of_policy = draw(encoders(2, generated)) if draw(st.booleans()) else ()
    return NetworkConfig(
        tower, body, AttentionPolicy(draw(channels), draw(channels), of_policy),
        ValueHead(draw(st.integers(1, 20)), 20, scalar=draw(st.booleans())),
        draw(st.sampled_from([None, MovesLeftHead(5, 8)])),
        activation=draw(st.sampled_from(["relu", "mish"])),
        smolgen_activation=draw(own), ffn_activation=draw(own),
    )  # fmt: skip


@given(shape=configurations, seed=st.integers(0, 5))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_layer_is_the_torch_modules(
    positions: Positions, make_network: Make, shape: dict[str, Any], seed: int
) -> None:
    check_layers(make_network(**shape, blocks=len(shape["se_channels"]), seed=seed).folded(), positions)


@given(config=attention_configurations(), seed=st.integers(0, 5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_layer_is_the_torch_modules_with_attention(
    positions: Positions, config: NetworkConfig, seed: int
) -> None:
    check_layers(every_weight_matters(Network(config, seed=seed), seed).folded(), positions)


def check_layers(network: Network, positions: Positions) -> None:
    """Hold all layers and outputs of the compiled network against the module's.

    Random shapes with attention include ill-conditioned ones (layer norms of numbers that hardly differ), in which the
    module itself is far from what it gives in float64. Those are held against float64: the compiled network may be ten
    times as far from it as the module is.
    """
    attention = network.config.attention is not None or isinstance(network.config.policy, AttentionPolicy)
    some = positions[0][:5], positions[1][:5]
    compiled = CompiledNetwork(network)
    with torch.inference_mode():
        _, layers = network.forward_with(planes_of(some), network.layer_names)
        _, exact = copy.deepcopy(network).double().forward_with(planes_of(some).double(), network.layer_names)
    taken = compiled.activations(*some, network.layer_names)
    assert list(taken) == list(layers)
    for name, expected in layers.items():
        assert taken[name].shape == expected.shape
        allowed = TOLERANCE * max(1, float(expected.abs().max()))
        if attention:
            allowed += 10 * float((expected - exact[name]).abs().max())
            assert np.abs(taken[name] - exact[name].numpy()).max() <= allowed, name
        else:
            assert np.abs(taken[name] - expected.numpy()).max() <= allowed, name
    outputs, finite = compiled.evaluate(*some)
    assert finite
    assert (outputs.logits == taken["policy"]).all()
    if network.config.value.scalar:
        assert outputs.wdl[:, 0] - outputs.wdl[:, 2] == pytest.approx(taken["value"][:, 0], abs=1e-6)
        assert (outputs.wdl[:, 1] == 0).all()
    else:
        expected = torch.from_numpy(taken["value"]).double().softmax(1).numpy()
        assert outputs.wdl == pytest.approx(expected, abs=1e-6)
    if network.config.moves_left:
        assert (outputs.moves_left == taken["moves_left"][:, 0]).all()
    else:
        assert len(outputs.moves_left) == 0


@pytest.mark.parametrize("shape", [{"filters": 40}, {"policy": "classical", "policy_planes": 6, "activation": "mish"}])
def test_a_position_gets_the_same_bits_in_any_company(
    make_network: Make, positions: Positions, shape: dict[str, Any]
) -> None:
    check_company(CompiledNetwork(make_network(**shape)), positions)


@pytest.mark.parametrize("kind", ATTENTION)
def test_attention_too_gives_the_same_bits_in_any_company(positions: Positions, kind: str) -> None:
    check_company(CompiledNetwork(every_weight_matters(Network(ATTENTION[kind]))), positions)


def check_company(network: CompiledNetwork, positions: Positions) -> None:
    masks, values = positions
    together, _ = network.evaluate(masks, values)
    for size in SIZES:
        for start in {0, (257 - size) // 2, 257 - size}:
            rows = slice(start, start + size)
            assert same(network.evaluate(masks[rows], values[rows])[0], together, rows)
    backwards, _ = network.evaluate(masks[::-1], values[::-1])
    assert backwards.logits.tobytes() == together.logits[::-1].tobytes()


@pytest.mark.parametrize(("kind", "threads"), [("residual", 2), ("residual", 3), ("residual", 8), ("map", 3)])
def test_the_number_of_threads_changes_no_bit(
    make_network: Make, positions: Positions, kind: str, threads: int
) -> None:
    module = with_attention(kind, make_network)
    network, layer = CompiledNetwork(module), module.layer_names[1]
    edit = {layer: lambda x: x * 2}
    for size in SIZES:
        some = positions[0][:size], positions[1][:size]
        assert same(network.evaluate(*some, threads=threads)[0], network.evaluate(*some)[0])
        assert same(network.evaluate(*some, edit, threads)[0], network.evaluate(*some, edit)[0])
    alone = network.activations(*positions, [layer, "value"])
    shared = network.activations(*positions, [layer, "value"], threads)
    assert all((alone[name] == shared[name]).all() for name in alone)


def test_one_network_answers_several_threads_at_once(make_network: Make, positions: Positions) -> None:
    network = CompiledNetwork(make_network(filters=32))
    expected, _ = network.evaluate(*positions)
    right: list[bool] = []

    def ask(first: int) -> None:
        for size in range(first, 200, 13):
            rows = slice(first, first + size)
            answer, _ = network.evaluate(positions[0][rows], positions[1][rows], threads=1 + first % 2)
            right.append(same(answer, expected, rows))

    askers = [threading.Thread(target=ask, args=(first,)) for first in range(6)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(right) > 80
    assert all(right)


@pytest.mark.parametrize("kind", ["residual", *ATTENTION])
def test_an_edit_that_changes_nothing_changes_no_bit(make_network: Make, positions: Positions, kind: str) -> None:
    module = with_attention(kind, make_network)
    network = CompiledNetwork(module)
    plain, _ = network.evaluate(*positions)
    seen: dict[str, tuple[int, ...]] = {}

    def look(name: str) -> Callable[[torch.Tensor], torch.Tensor]:
        def edit(x: torch.Tensor) -> torch.Tensor:
            seen[name] = tuple(x.shape)
            return x

        return edit

    assert same(network.evaluate(*positions, {name: look(name) for name in module.layer_names})[0], plain)
    assert list(seen) == list(module.layer_names)
    assert seen[module.layer_names[0]] == (257, module.config.channels, 8, 8)
    assert seen["policy"] == (257, 1858)
    assert same(network.evaluate(*positions, {module.layer_names[1]: lambda x: x + 0.0})[0], plain)
    assert same(network.evaluate(*positions, {})[0], plain)


@pytest.mark.parametrize("kind", ["convolution", "classical", *ATTENTION])
def test_an_edit_of_any_layer_does_what_it_does_to_the_torch_module(
    make_network: Make, positions: Positions, kind: str
) -> None:
    classical = {"policy": "classical", "policy_planes": 6, "se_channels": (0, 4)}
    module = (make_network(**classical) if kind == "classical" else with_attention(kind, make_network)).folded()
    network = CompiledNetwork(module)
    some = positions[0][:6], positions[1][:6]
    plain, _ = network.evaluate(*some)
    for name in module.layer_names:
        edit = {name: lambda x: 0.5 * x + 0.25}
        outputs, _ = network.evaluate(*some, edit)
        with torch.inference_mode():
            expected = module(planes_of(some), edit)
        assert not same(outputs, plain)
        assert outputs.logits == pytest.approx(expected.policy.numpy(), rel=2e-4, abs=2e-4)
        assert outputs.wdl == pytest.approx(expected.value.softmax(1).numpy(), rel=2e-4, abs=2e-4)
        assert outputs.moves_left == pytest.approx(expected.moves_left.numpy(), rel=2e-4, abs=2e-4)


def test_positions_whose_layers_are_edited_go_through_in_parts(
    make_network: Make, positions: Positions, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = CompiledNetwork(make_network())
    plain, _ = network.evaluate(*positions)
    taken = network.activations(*positions, ["block1", "value"])
    network.positions_at_once = 100
    sizes: list[int] = []
    same_again, _ = network.evaluate(*positions, {"block1": lambda x: sizes.append(len(x)) or x})
    assert sizes == [100, 100, 57]
    assert same(same_again, plain)
    again = network.activations(*positions, ["block1", "value"])
    assert all((taken[name] == again[name]).all() for name in taken)


def test_any_value_of_a_plane_is_seen(make_network: Make) -> None:
    """Boards have ones only and one count; others may give what they like, also on all squares of a history plane."""
    rng = np.random.default_rng(3)
    masks = rng.integers(0, 1 << 63, (9, 112), dtype=np.uint64) & rng.integers(0, 1 << 63, (9, 112), dtype=np.uint64)
    masks[:, rng.integers(0, 112, 20)] = 0xFFFF_FFFF_FFFF_FFFF
    masks[4:, 13:104] = np.tile(masks[4:, :13], 7)
    values = rng.normal(size=(9, 112)).astype(np.float32)
    values[6:] = 1
    module = make_network().folded()
    outputs, _ = CompiledNetwork(module).evaluate(masks, values)
    expected = module(planes_of((masks, values)))
    assert outputs.logits == pytest.approx(expected.policy.numpy(), rel=1e-4, abs=1e-4)
    assert outputs.wdl == pytest.approx(expected.value.softmax(1).numpy(), rel=1e-4, abs=1e-4)


def test_read_only_and_strided_positions_are_taken(make_network: Make, positions: Positions) -> None:
    network = CompiledNetwork(make_network())
    masks, values = (array[::3].copy() for array in positions)
    masks.flags.writeable = values.flags.writeable = False
    expected, _ = network.evaluate(masks.copy(), values.copy())
    assert same(network.evaluate(masks, values)[0], expected)
    assert same(network.evaluate(positions[0][::3], positions[1][::3])[0], expected)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layer", ["input.conv", "block1.conv2.conv", "block2.se.expand", "policy", "value_hidden"])
def test_weights_that_are_not_finite_are_refused(make_network: Make, layer: str, number: float) -> None:
    network = make_network()
    with torch.no_grad():
        network.get_submodule(layer).weight[0].fill_(number)
    with pytest.raises(ValueError, match="The network of a gives numbers that are not finite"):
        Agent(network, "a").evaluate([chess.Board()])


def test_the_network_is_copied(make_network: Make, positions: Positions) -> None:
    module = make_network().folded()
    network = CompiledNetwork(module)
    before, _ = network.evaluate(*positions)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert same(network.evaluate(*positions)[0], before)


def test_multiplications_are_counted() -> None:
    config = NetworkConfig(Tower(64, blocks=1), value=ValueHead(32, 128))
    network = CompiledNetwork(Network(config))
    convolutions = 4 * 36 * 64 * (64 + 64 + 64 + 80)
    assert network.multiplications == convolutions + 64 * 64 * 32 + 64 * 32 * 128 + 128 * 16
