"""Benchmark: evaluating positions on a GPU, for every kind of network, by size of batch and type.

    python -m experiments.bench_gpu [--out DIR] [--minutes 8] [--family NAME ...] [--batch N ...] [--device cuda]

**It has never run on a GPU.** It was written on a machine without one and tried there with ``--device cpu --tiny``
only; until ``experiments/results`` holds a ``bench_gpu.md``, no speed on a GPU has been measured.

It needs no file and no network: the networks are built in memory, with random weights, in the shapes below. Beside
this checkout there must be torch, numpy, numba, python-chess and protobuf; where nothing can be installed, folders of
the last two on ``PYTHONPATH`` do.

Each network is measured in float32, float16 and bfloat16, three ways:

- *recorded*: from packed positions to numbers on the processor, each batch replayed as a CUDA graph, as agents do;
- *launched*: the same with every operation launched by itself;
- *device*: the network alone, on positions that lie on the GPU; nothing is copied back.

Positions a second, the best of three runs of the clock on the wall. Answers are compared with those of the same network
in float32 on the processor, on 500 positions of random games. Random weights say little about trained ones: their
policies are flat, and the best move changes more easily (``experiments.check_precision`` is about trained networks).

``DIR`` (default: experiments/results) gets ``bench_gpu.json`` and ``bench_gpu.md``, written anew after each network.
Nothing new is begun when the time is up; what was left out is named. Without a CUDA device nothing is measured.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import chess
import numpy as np
import torch

from engines.networks import (
    AttentionBody,
    AttentionPolicy,
    Encoder,
    MovesLeftHead,
    Network,
    NetworkConfig,
    Smolgen,
    Tower,
)
from engines.networks.precision import DTYPES, prepared
from engines.networks.torch_network import TorchNetwork
from experiments.agreement import Difference, Positions, answers, difference, has_16_bits, packed_positions

RESULTS: Final = Path(__file__).parent / "results"
BATCHES: Final = (256, 1024, 64, 4096, 16, 8, 32, 128, 512, 2048)
"""The telling ones first: the time may not last for all."""
WAYS: Final = ("recorded", "launched", "device")
RUNS: Final = 3
SECONDS: Final = 0.3
OUTPUT_SCALE: Final = 20.0
"""By what the last layers are multiplied: new networks have small ones, and claim nothing."""

_BT2 = Encoder(heads=24, width=768, hidden=1024, smolgen=Smolgen(compressed=32, hidden=256, generated=256))
_BT4 = Encoder(heads=32, width=1024, hidden=1536, smolgen=Smolgen(compressed=32, hidden=256, generated=256))
FAMILIES: Final[dict[str, NetworkConfig]] = {
    "6x64": NetworkConfig(Tower(64, 6, 8)),
    "20x256": NetworkConfig(Tower(256, 20, 32), moves_left=MovesLeftHead()),
    "BT2-like": NetworkConfig(
        attention=AttentionBody(768, (_BT2,) * 15, gated=True),
        policy=AttentionPolicy(768, 768),
        moves_left=MovesLeftHead(),
        activation="mish",
        smolgen_activation="swish",
    ),
    "BT4-like": NetworkConfig(
        attention=AttentionBody(1024, (_BT4,) * 15, "dense", dense_channels=512, dense_hidden=1536, gated=True),
        policy=AttentionPolicy(1024, 1024),
        moves_left=MovesLeftHead(),
        activation="mish",
        smolgen_activation="swish",
        ffn_activation="relu2",
    ),
}
"""The first in the shape of a maia, the last in those of Leela's BT2 and BT4, as nearly as files tell."""


@dataclass(frozen=True)
class Rate:
    """Positions a second of one network, in one type and size of batch, one way."""

    family: str
    dtype: str
    batch: int
    way: str
    per_second: float
    at_once: int
    """Most positions that lie on the device together; larger batches go through in parts."""


@dataclass
class Found:
    """All that was measured so far."""

    machine: dict[str, Any]
    rates: list[Rate] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def tiny(config: NetworkConfig) -> NetworkConfig:
    """A network of the same kind that any processor runs at once."""
    encoder = Encoder(heads=2, width=64, hidden=32, smolgen=Smolgen(compressed=2, hidden=8, generated=8))
    if config.attention is None:
        assert config.tower is not None
        return replace(config, tower=Tower(64, 3, 4))
    dense = {"dense_channels": 4, "dense_hidden": 32} if config.attention.embedding == "dense" else {}
    body = replace(config.attention, channels=64, encoders=(encoder,) * 3, **dense)
    return replace(config, attention=body, policy=AttentionPolicy(32, 32))


def network_of(config: NetworkConfig) -> Network:
    """A network with random weights whose last layers have a say."""
    network = Network(config, seed=0).eval()
    last = network.policy_query if isinstance(config.policy, AttentionPolicy) else network.policy
    with torch.no_grad():
        last.weight.mul_(OUTPUT_SCALE)
        network.value.weight.mul_(OUTPUT_SCALE)
    return network


def random_positions(count: int, seed: int = 0) -> Positions:
    """Positions of random games, with their history."""
    rng = np.random.default_rng(seed)
    board, boards = chess.Board(), []
    while len(boards) < count:
        moves = list(board.legal_moves)
        if not moves or board.is_game_over():
            board = chess.Board()
            continue
        boards.append(board.copy(stack=16))
        board.push(moves[rng.integers(len(moves))])
    return packed_positions(boards)


def repeated(positions: Positions, count: int) -> Positions:
    """As many positions as asked for, over and over again."""
    rows = np.arange(count) % len(positions.masks)
    return Positions(positions.masks[rows], positions.values[rows], positions.moves[rows])


def per_second(work: Callable[[], object], batch: int) -> float:
    """Positions a second, in the best of a few runs; `work` returns when its batch is done."""
    work()
    begun = time.perf_counter()
    work()
    repeats = max(1, round(SECONDS / max(time.perf_counter() - begun, 1e-6)))
    best = 0.0
    for _ in range(RUNS):
        begun = time.perf_counter()
        for _ in range(repeats):
            work()
        best = max(best, batch * repeats / (time.perf_counter() - begun))
    return best


def on_device(network: TorchNetwork, positions: Positions, device: torch.device) -> Callable[[], None]:
    """The pass alone, on positions that are there; one part, if there are more than fit."""
    rows = slice(min(len(positions.masks), network.positions_at_once))
    masks = torch.from_numpy(positions.masks[rows].view(np.int64)).to(device)
    values = torch.from_numpy(positions.values[rows]).to(device)

    def work() -> None:
        with torch.inference_mode():
            network._on_device(masks, values)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return work


def rates_of(
    family: str, dtype: str, network: Network, batch: int, positions: Positions, device: torch.device
) -> Iterator[Rate | str]:
    """One size of batch, every way; recordings only where there are any, and in words where they failed."""
    some = repeated(positions, batch)
    for way in WAYS if device.type == "cuda" else WAYS[1:]:
        by_torch = TorchNetwork(network, recorded=way == "recorded")
        if way == "device":
            work: Callable[[], object] = on_device(by_torch, some, device)
            counted = min(batch, by_torch.positions_at_once)
        else:
            work = partial(by_torch.evaluate, some.masks, some.values)
            counted = batch
        speed = per_second(work, counted)
        if by_torch.unrecorded:
            yield f"{family} {dtype} {batch} (cannot be recorded)"
        else:
            yield Rate(family, dtype, batch, way, speed, by_torch.positions_at_once)


def measure(
    found: Found,
    families: dict[str, NetworkConfig],
    batches: Sequence[int],
    dtypes: Sequence[str],
    positions: Positions,
    device: torch.device,
    seconds: float,
    save: Callable[[], None],
) -> None:
    """Fill `found`, until the time is up; each network gets an even share of what is left."""
    end = time.monotonic() + seconds
    for place, (family, config) in enumerate(families.items()):
        until = time.monotonic() + (end - time.monotonic()) / (len(families) - place)
        original = network_of(config)
        exact = answers(TorchNetwork(prepared(original, torch.device("cpu"), "float32")), positions)
        networks: dict[str, Network] = {}
        for dtype in dtypes:
            networks[dtype] = network = prepared(original, device, dtype)
            other = answers(TorchNetwork(network), positions)
            found.differences.append(difference(family, dtype, has_16_bits(network), exact, other, positions))
        for batch in batches:
            for dtype, network in networks.items():
                if time.monotonic() > until:
                    found.left_out.append(f"{family} {dtype} {batch}")
                    continue
                try:
                    for rate in rates_of(family, dtype, network, batch, positions, device):
                        if isinstance(rate, str):
                            found.left_out.append(rate)
                            continue
                        found.rates.append(rate)
                        print(f"{family} {dtype} {batch} {rate.way}: {rate.per_second:,.0f} a second", flush=True)
                except torch.cuda.OutOfMemoryError:
                    found.left_out.append(f"{family} {dtype} {batch} (out of memory)")
            save()


def describe(device: torch.device) -> dict[str, Any]:
    """What was measured on."""
    facts: dict[str, Any] = {"python": platform.python_version(), "torch": torch.__version__, "device": str(device)}
    facts |= {"system": platform.platform(), "numpy": np.__version__, "threads": torch.get_num_threads()}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts |= {"gpu": properties.name, "memory": properties.total_memory, "cuda": torch.version.cuda}
        facts |= {"cudnn": torch.backends.cudnn.version()}
    return facts


def page(found: Found) -> str:
    """The results as Markdown."""
    lines = ["# GPU benchmark", "", ", ".join(f"{name} {value}" for name, value in found.machine.items()) + "."]
    for family in dict.fromkeys(one.family for one in found.rates):
        rates = {(one.batch, one.dtype, one.way): one.per_second for one in found.rates if one.family == family}
        columns = list(dict.fromkeys((dtype, way) for _, dtype, way in rates))
        lines += ["", f"## {family}: positions a second", ""]
        lines += ["| batch | " + " | ".join(f"{dtype}, {way}" for dtype, way in columns) + " |"]
        lines += ["| ---: " * (1 + len(columns)) + "|"]
        for batch in sorted({batch for batch, _, _ in rates}):
            cells = [f"{rates[batch, *column]:,.0f}" if (batch, *column) in rates else "–" for column in columns]
            lines += [f"| {batch} | " + " | ".join(cells) + " |"]
    lines += ["", "## Against float32 on the processor", ""]
    lines += ["| network | type | positions | same best move | probability: max (mean) | q | plies |"]
    lines += ["| --- | --- | ---: | ---: | ---: | ---: | ---: |"]
    for one in found.differences:
        left = "–" if one.largest_moves_left is None else f"{one.largest_moves_left:.2g}"
        lines += [
            f"| {one.network} | {one.dtype} | {one.positions} | {one.same_best_move:.1%} | "
            f"{one.largest_probability:.2g} ({one.mean_probability:.2g}) | {one.largest_value:.2g} | {left} |"
        ]
    if found.left_out:
        lines += ["", f"Left out: {', '.join(found.left_out)}."]
    return "\n".join(lines) + "\n"


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    part = path.with_suffix(f"{path.suffix}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Time the evaluation of positions on a GPU.")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for bench_gpu.json and bench_gpu.md")
    parser.add_argument("--minutes", type=float, default=8.0, help="begin nothing new after so long (default 8)")
    parser.add_argument("--family", action="append", choices=FAMILIES, help="[all]")
    parser.add_argument("--batch", action="append", type=int, help=f"{sorted(BATCHES)}")
    parser.add_argument("--dtype", action="append", choices=DTYPES, help="[all]")
    parser.add_argument("--positions", type=int, default=500, help="how many to compare on (default 500)")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small networks of the same kinds, to try the command out")
    arguments = parser.parse_args()
    batches, dtypes = arguments.batch or BATCHES, arguments.dtype or tuple(DTYPES)
    if min(arguments.positions, *batches, 1) < 1:
        parser.error("positions and batches must be at least 1")
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("There is no CUDA device here, so nothing is measured; --device cpu --tiny tries the command out.")
        return
    families = {name: FAMILIES[name] for name in arguments.family or FAMILIES}
    if arguments.tiny:
        families = {f"{name}, tiny": tiny(config) for name, config in families.items()}
    arguments.out.mkdir(parents=True, exist_ok=True)
    found = Found(describe(device))

    def save() -> None:
        write_whole(arguments.out / "bench_gpu.json", json.dumps(asdict(found), indent=1))
        write_whole(arguments.out / "bench_gpu.md", page(found))

    positions = random_positions(arguments.positions)
    measure(found, families, batches, dtypes, positions, device, 60 * arguments.minutes, save)
    save()
    print(page(found))


if __name__ == "__main__":
    main()
