"""Networks as torch runs them: batches bounded by memory, filler that nobody sees, planes unpacked on the device."""

from __future__ import annotations

from collections.abc import Callable

import chess
import numpy as np
import pytest
import torch

from engines.chess.encoding import pack_boards, unpack_planes
from engines.networks import Agent, Network, NetworkConfig, Tower
from engines.networks.compiled.network import CompiledNetwork
from engines.networks.cuda_graphs import bucket_of
from engines.networks.torch_network import TorchNetwork, _unpacked

Make = Callable[..., Network]


def packed(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    board, boards = chess.Board(), []
    while len(boards) < count:
        boards.append(board.copy())
        moves = list(board.legal_moves)
        board.push(moves[rng.integers(len(moves))])
        if not any(board.legal_moves):
            board = chess.Board()
    return pack_boards(boards)


@pytest.mark.parametrize("shape", [{}, {"value": "scalar", "moves_left": False}])
@pytest.mark.parametrize("size", [0, 1, 17, 40])
def test_it_agrees_with_the_compiled_network(make_network: Make, shape: dict[str, object], size: int) -> None:
    network = make_network(**shape).folded()
    masks, values = packed(size)
    by_torch = TorchNetwork(network)
    by_torch.positions_at_once = 16
    outputs, finite = by_torch.evaluate(masks, values)
    expected, _ = CompiledNetwork(network).evaluate(masks, values)
    assert finite
    assert outputs.logits == pytest.approx(expected.logits, rel=1e-4, abs=1e-4)
    assert outputs.wdl == pytest.approx(expected.wdl, abs=1e-5)
    assert outputs.moves_left == pytest.approx(expected.moves_left, rel=1e-4, abs=1e-4)
    taken = by_torch.activations(masks, values, ["block1", "value"])
    assert [len(array) for array in taken.values()] == [size, size]


def test_edits_see_whole_batches(make_network: Make) -> None:
    by_torch = TorchNetwork(make_network().folded())
    by_torch.positions_at_once = 16
    seen: list[int] = []
    by_torch.evaluate(*packed(37), {"block1": lambda x: seen.append(len(x)) or x})
    assert seen == [16, 16, 8]


def test_planes_worked_out_on_a_device_are_the_same() -> None:
    masks, values = packed(40)
    planes = _unpacked(torch.from_numpy(masks.view(np.int64)), torch.from_numpy(values))
    assert planes.is_contiguous(memory_format=torch.channels_last)
    assert (planes.numpy() == unpack_planes(masks, values)).all()


def test_batches_are_bounded_by_memory() -> None:
    limits = [
        Agent(Network(NetworkConfig(Tower(filters, blocks=0))), "a", dtype=dtype).batch_limit
        for filters in (8, 64, 512)
        for dtype in ("float32", "bfloat16")
    ]
    assert limits[1::2] == [512, 512, 128]
    assert limits[0] > limits[2] > limits[4] >= 4


def test_sizes_of_recorded_batches() -> None:
    assert [bucket_of(count) for count in (1, 8, 9, 16, 17, 256, 257)] == [8, 8, 16, 16, 32, 256, 512]
