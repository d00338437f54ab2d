"""Networks as torch runs them: batches bounded by memory, filler that nobody sees, planes unpacked on the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import chess
import numpy as np
import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from engines.chess.encoding import pack_boards, unpack_planes
from engines.networks import (
    Agent,
    AttentionBody,
    AttentionPolicy,
    ClassicalPolicy,
    Encoder,
    Network,
    NetworkConfig,
    NetworkOutput,
    Smolgen,
    Tower,
)
from engines.networks.cuda_graphs import bucket_of
from engines.networks.precision import DTYPES, round_weights
from engines.networks.torch_network import TorchNetwork, _widest, planes_on_device

Packed = tuple[np.ndarray, np.ndarray]
BATCH = 16

_ENCODER = Encoder(heads=4, width=64, hidden=96, smolgen=Smolgen(compressed=4, hidden=32, generated=16))
WIDE: dict[str, NetworkConfig] = {
    "tower": NetworkConfig(Tower(64, 4, 8)),
    "map": NetworkConfig(attention=AttentionBody(64, (_ENCODER,) * 4), policy=AttentionPolicy(64, 32)),
}
"""Wide and deep enough for bfloat16."""


def packed(count: int) -> Packed:
    rng = np.random.default_rng(4)
    board, boards = chess.Board(), []
    while len(boards) < count:
        boards.append(board.copy())
        moves = list(board.legal_moves)
        board.push(moves[rng.integers(len(moves))])
        if not any(board.legal_moves):
            board = chess.Board()
    return pack_boards(boards)


def in_small_batches(network: Network) -> TorchNetwork:
    by_torch = TorchNetwork(network)
    by_torch.positions_at_once = BATCH
    return by_torch


def planes_of(masks: np.ndarray, values: np.ndarray) -> torch.Tensor:
    """Planes [n, 112, 8, 8]; those of an empty board if there are no positions, which modules cannot take."""
    return torch.from_numpy(unpack_planes(masks, values)) if len(masks) else torch.zeros(1, 112, 8, 8)


def probabilities(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).softmax(dim=1).numpy()


@pytest.mark.parametrize("size", [0, 1, 17, 40])
def test_every_kind_gives_what_its_module_gives(family: Network, size: int) -> None:
    masks, values = packed(size)
    outputs, finite = in_small_batches(family).evaluate(masks, values)
    assert finite
    with torch.inference_mode():
        found = family(planes_of(masks, values))
    expected = NetworkOutput(*(None if part is None else part[:size] for part in found))
    assert outputs.logits == pytest.approx(expected.policy.numpy(), rel=1e-4, abs=1e-4)
    if not family.config.value.scalar:
        assert outputs.wdl == pytest.approx(expected.value.softmax(dim=1).numpy(), abs=1e-5)
    else:
        assert outputs.wdl[:, 0] - outputs.wdl[:, 2] == pytest.approx(expected.value[:, 0].numpy(), abs=1e-5)
    if expected.moves_left is not None:
        assert outputs.moves_left == pytest.approx(expected.moves_left.numpy(), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("size", [0, 17])
def test_every_layer_of_every_kind_is_read_as_the_module_gives_it(family: Network, size: int) -> None:
    masks, values = packed(size)
    taken = in_small_batches(family).activations(masks, values, family.layer_names)
    with torch.inference_mode():
        _, expected = family.forward_with(planes_of(masks, values), family.layer_names)
    assert list(taken) == list(family.layer_names)
    for name, array in taken.items():
        assert array == pytest.approx(expected[name][:size].numpy(), rel=1e-4, abs=1e-4), name


def test_every_layer_of_every_kind_is_edited_as_in_the_module(family: Network) -> None:
    masks, values = packed(6)
    by_torch = in_small_batches(family)
    planes = planes_of(masks, values)
    plain, _ = by_torch.evaluate(masks, values)
    for name in family.layer_names:
        edit = {name: lambda x: 0.5 * x + 0.25}
        outputs, _ = by_torch.evaluate(masks, values, edit)
        with torch.inference_mode():
            expected = family(planes, edit)
        assert outputs.logits == pytest.approx(expected.policy.numpy(), rel=1e-4, abs=1e-4), name
        changed = (outputs.logits != plain.logits).any() or (outputs.wdl != plain.wdl).any()
        assert changed or (outputs.moves_left != plain.moves_left).any(), name


def test_edits_see_whole_batches(family: Network) -> None:
    seen: list[int] = []
    layer = family.layer_names[0]
    in_small_batches(family).evaluate(*packed(37), {layer: lambda x: seen.append(len(x)) or x})
    assert seen == [16, 16, 8]


def test_a_pass_on_a_device_asks_the_processor_for_nothing(family: Network) -> None:
    """On torch's device without memory nothing can be read back: such a pass can be recorded as a CUDA graph."""
    by_torch = TorchNetwork(family.to("meta"))
    masks = torch.zeros((8, 112), dtype=torch.int64, device="meta")
    with torch.inference_mode():
        results = by_torch._on_device(masks, torch.zeros((8, 112), device="meta"))
    assert {result.device.type for result in results} == {"meta"}
    assert [len(result) for result in results] == [8] * (3 if family.config.moves_left else 2)


def test_planes_worked_out_on_a_device_are_the_same() -> None:
    masks, values = packed(40)
    planes = planes_on_device(torch.from_numpy(masks.view(np.int64)), torch.from_numpy(values))
    assert planes.is_contiguous(memory_format=torch.channels_last)
    assert (planes.numpy() == unpack_planes(masks, values)).all()


# --- 16 bits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WIDE)
@pytest.mark.parametrize(("dtype", "bound"), [("float16", 2e-3), ("bfloat16", 1e-2)])
@pytest.mark.parametrize("size", [0, 1, 17])
def test_16_bits_are_near_float32(
    weighty: Callable[..., Network], kind: str, dtype: str, bound: float, size: int
) -> None:
    masks, values = packed(size)
    exact, _ = in_small_batches(weighty(WIDE[kind])).evaluate(masks, values)
    rounded = weighty(WIDE[kind])
    round_weights(rounded, DTYPES[dtype])
    by_torch = in_small_batches(rounded)
    outputs, finite = by_torch.evaluate(masks, values)
    assert finite
    assert outputs.logits.dtype == outputs.wdl.dtype == np.float32
    assert probabilities(outputs.logits) == pytest.approx(probabilities(exact.logits), abs=bound)
    assert outputs.wdl == pytest.approx(exact.wdl, abs=2 * bound)
    if size:
        assert not (outputs.logits == exact.logits).all()
    taken = by_torch.activations(masks, values, rounded.layer_names)
    assert all(len(array) == size and array.dtype == np.float32 for array in taken.values())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bits_in_every_kind(family: Network, dtype: str) -> None:
    masks, values = packed(9)
    exact, _ = TorchNetwork(family).evaluate(masks, values)
    round_weights(family, DTYPES[dtype], fewest_channels=1)
    outputs, finite = TorchNetwork(family).evaluate(masks, values, {family.layer_names[0]: lambda x: x.float()})
    assert finite
    assert probabilities(outputs.logits) == pytest.approx(probabilities(exact.logits), abs=0.05)
    assert outputs.wdl == pytest.approx(exact.wdl, abs=0.05)


@pytest.mark.parametrize("kind", WIDE)
def test_what_stays_in_float32(kind: str) -> None:
    def rounded_modules(dtype: torch.dtype) -> tuple[set[str], set[str]]:
        network = Network(WIDE[kind])
        round_weights(network, dtype)
        tensors = {name: weight.dtype for name, weight in network.named_parameters()}
        assert set(tensors.values()) <= {torch.float32, dtype}
        return ({name.rpartition(".")[0] for name, type_ in tensors.items() if type_ == dtype}, set(tensors))

    half, every = rounded_modules(torch.float16)
    last = ("policy_query", "policy_key", "policy_promotion", "policy", "value")
    kept = {name.rpartition(".")[0] for name in every} - half
    assert kept == {name for name in last if any(weight.startswith(f"{name}.") for weight in every)}
    brain, _ = rounded_modules(torch.bfloat16)
    if kind == "tower":
        assert brain == {f"block{i}.conv2.conv" for i in (2, 3)}
    else:
        assert brain == {f"encoder{i}.{name}" for i in (2, 3) for name in ("attention.output", "feed_forward.dense2")}


def test_sums_of_skip_connections_stay_in_float32_beside_bfloat16(planes: torch.Tensor) -> None:
    for config in WIDE.values():
        network = Network(config).eval()
        round_weights(network, torch.bfloat16)
        with torch.inference_mode():
            taken = network.forward_with(planes, network.layer_names)[1]
        assert {name for name, x in taken.items() if x.dtype != torch.float32} == set()


def test_narrow_networks_are_not_rounded_to_bfloat16() -> None:
    network = Network(NetworkConfig(Tower(63, 4)))
    round_weights(network, torch.bfloat16)
    assert {weight.dtype for weight in network.parameters()} == {torch.float32}


# --- memory -----------------------------------------------------------------------------------------------------------


def peak(network: Network, size: int) -> int:
    """Bytes that torch holds at most during a pass."""
    first = network.input.conv if network.config.tower is not None else network.embedding.dense
    planes = torch.zeros(size, 8, 8, 112, dtype=first.weight.dtype).permute(0, 3, 1, 2)
    with torch.inference_mode():
        network(planes)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            network(planes)
    waiting: list[Any] = list(profiler.profiler.kineto_results.experimental_event_tree())  # type: ignore[union-attr]
    changes = []
    while waiting:
        event = waiting.pop()
        waiting += event.children
        if event.tag.name == "Allocation":
            changes.append((event.start_time_ns, event.extra_fields.alloc_size))
    sizes = np.array([size for _, size in sorted(changes, key=lambda change: change[0])])
    return planes.nbytes + int(sizes.cumsum().max())


_LARGE = Encoder(heads=8, width=96, hidden=192, smolgen=Smolgen(compressed=8, hidden=32, generated=32))
_PLAIN = Encoder(heads=4, width=64, hidden=128)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize(
    "config",
    [
        NetworkConfig(Tower(64, 2, 8)),
        NetworkConfig(Tower(48, 1), policy=ClassicalPolicy(16)),
        NetworkConfig(Tower(64, 1), policy=AttentionPolicy(64, 32, (_PLAIN,))),
        NetworkConfig(attention=AttentionBody(64, (_PLAIN,) * 2), policy=AttentionPolicy(64, 64)),
        NetworkConfig(
            attention=AttentionBody(96, (_LARGE,) * 2, "dense", dense_channels=32, dense_hidden=192),
            policy=AttentionPolicy(96, 96),
        ),
    ],
    ids=["tower", "classical", "policy encoders", "map", "smolgen"],
)
def test_memory_of_a_position_is_what_batches_are_sized_by(config: NetworkConfig, dtype: torch.dtype) -> None:
    network = Network(config).eval().to(memory_format=torch.channels_last)
    round_weights(network, dtype)
    measured = (peak(network, 12) - peak(network, 4)) / 8
    assert 0.5 < measured / (64 * _widest(config) * dtype.itemsize) < 2


def test_batches_are_bounded_by_memory() -> None:
    limits = [
        Agent(Network(NetworkConfig(Tower(filters, blocks=1))), "a", dtype="float16").batch_limit
        for filters in (8, 64, 512)
    ]
    assert limits == [512, 512, 128]
    assert TorchNetwork(Network(NetworkConfig(Tower(512, blocks=1)))).positions_at_once == 64
    wide = AttentionBody(512, (Encoder(32, 512, 512),))
    assert TorchNetwork(Network(NetworkConfig(attention=wide, policy=AttentionPolicy(8, 8)))).positions_at_once == 32


@pytest.mark.parametrize("dtype", DTYPES)
def test_only_the_weights_of_convolutions_have_their_channels_innermost(dtype: str) -> None:
    config = NetworkConfig(Tower(64, 3, 8), policy=AttentionPolicy(16, 8, (_PLAIN,)))
    for name, module in Agent(Network(config), "a", dtype=dtype).network.named_modules():
        if isinstance(module, nn.Conv2d):
            assert module.weight.is_contiguous(memory_format=torch.channels_last), name
        elif isinstance(module, nn.Linear):
            assert module.weight.is_contiguous(), name


# --- what is said to the whole process --------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "tf32"), [("float32", False), ("bfloat16", True), ("float16", True)])
@pytest.mark.parametrize("before", [False, True])
def test_tf32_is_for_16_bits_only_and_cudnn_stays_on(dtype: str, tf32: bool, before: bool) -> None:
    network = Network(WIDE["tower"])
    round_weights(network, DTYPES[dtype])
    by_torch = TorchNetwork(network)
    by_torch._device = torch.device("cuda")  # the switches exist without one
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    kept = cudnn.allow_tf32, matmul.allow_tf32, cudnn.enabled
    try:
        cudnn.allow_tf32 = matmul.allow_tf32 = before
        with by_torch._products():
            assert (cudnn.allow_tf32, matmul.allow_tf32, cudnn.enabled) == (tf32, tf32, kept[2])
        assert (cudnn.allow_tf32, matmul.allow_tf32) == (before, before)
    finally:
        cudnn.allow_tf32, matmul.allow_tf32 = kept[:2]


def test_sizes_of_recorded_batches() -> None:
    assert [bucket_of(count) for count in (1, 8, 9, 16, 17, 256, 257)] == [8, 8, 16, 16, 32, 256, 512]
