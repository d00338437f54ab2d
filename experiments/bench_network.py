"""Benchmark: evaluating positions on a processor, the compiled network against torch and onnxruntime.

    python -m experiments.bench_network [--family NAME ...] [--agent NAME_OR_FILE ...] [--rounds 3] [--out FOLDER]

Positions a second of processor time, on one thread, by kind of network and size of batch. The families have random
weights: a residual tower as Maia's; one with an attention policy; and attention bodies, up to the sizes of Leela's BT2
and BT4. Large batches of large networks are left out.

The compiled network is asked through ``Agent.evaluate_packed``, from packed positions to probabilities; the others are
given planes that were unpacked before the clock started. onnxruntime takes part where it is installed, with the network
as `engines.networks.write_onnx` exports it. All answers must agree. Who is measured takes turns within a
round, each for its best of a few runs; ratios to torch in float32 are taken round by round, and their median is shown.
The last line of each table says how near the compiled network comes to what its own matrix product does on data that
are at hand. With --out, all measurements are written there as bench_network.json, and the tables as bench_network.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from engines.chess import unpack_planes
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
    load_agent,
)
from engines.networks.compiled.lanes import pointer
from engines.networks.compiled.network import CompiledNetwork
from engines.networks.compiled.operations import aligned_zeros
from engines.networks.compiled.products import matrix_product
from engines.networks.onnx_export import ONNX_INPUT, onnx_model
from experiments.agreement import has_16_bits
from experiments.engine_benchmark.networks import packed_positions

BATCHES = (1, 8, 32, 256)
SECONDS = 0.1
RUNS = 2
MOST_OPERATIONS = 1.5e11
"""Floating point operations of the largest batch that is measured, a second of work; a batch of one always is."""
REFERENCE = "torch float32"
AGREEMENT = {"float32": 1e-3, "float16": 0.1, "bfloat16": 1.0}
"""The largest difference of two logits that is let pass, by type."""

Logits = NDArray[np.float32]
Evaluate = Callable[[NDArray[np.uint64], NDArray[np.float32], NDArray[np.float32]], Logits]
"""From masks, values and planes, of which it uses what it likes, to logits."""


def attention_body(
    channels: int, layers: int, heads: int, hidden: int, generated: int, **embedding: Any
) -> NetworkConfig:
    """A network of encoders with smolgen, gates and an attention policy, as wide as its embedding."""
    encoder = Encoder(heads, channels, hidden, Smolgen(32, generated, generated))
    body = AttentionBody(channels, (encoder,) * layers, gated=True, **embedding)
    return NetworkConfig(
        attention=body, policy=AttentionPolicy(channels, channels), moves_left=MovesLeftHead(), activation="mish",
        smolgen_activation="swish",
    )  # fmt: skip


FAMILIES: dict[str, NetworkConfig] = {
    "residual 6 × 64": NetworkConfig(Tower(64, 6, 8)),
    "residual 10 × 128, attention policy": NetworkConfig(
        Tower(128, 10, 32), policy=AttentionPolicy(128, 128), moves_left=MovesLeftHead(), activation="mish"
    ),
    "attention 4 × 256": attention_body(256, 4, 8, 256, 64),
    "attention 10 × 384": attention_body(384, 10, 12, 512, 256),
    "BT2-like, 15 × 768": attention_body(768, 15, 24, 1024, 256),
    "BT4-like, 15 × 1024": attention_body(
        1024, 15, 32, 1536, 256, embedding="dense", dense_channels=512, dense_hidden=1536
    ),
}


@dataclass(frozen=True)
class Rate:
    """One measurement: which network, batch and program, in which round, and positions a second of processor time."""

    network: str
    batch: int
    by: str
    round: int
    per_second: float


def by_torch(agent: Agent) -> Evaluate:
    """The agent's torch module, called on planes with the channels innermost, in its own type."""
    dtype = next(agent.network.parameters()).dtype
    kept: dict[int, torch.Tensor] = {}

    def evaluate(_: object, __: object, planes: NDArray[np.float32]) -> Logits:
        n = len(planes)
        if n not in kept:
            kept[n] = torch.from_numpy(planes).to(dtype).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            logits: Logits = agent.network(kept[n]).policy.float().numpy()
        return logits

    return evaluate


def contenders(agent: Agent) -> dict[str, Evaluate]:
    """Everything that can evaluate the network on this machine, by name; the name ends with the type."""
    found: dict[str, Evaluate] = {
        "compiled float32": lambda masks, values, _: agent.evaluate_packed(masks, values).logits,
        REFERENCE: by_torch(agent),
    }
    for dtype in ("float16", "bfloat16"):
        half = Agent(agent.network, agent.name, dtype=dtype)
        if has_16_bits(half.network):
            found[f"torch {dtype}"] = by_torch(half)
    if all(map(importlib.util.find_spec, ("onnx", "onnxruntime"))):
        onnxruntime: Any = importlib.import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(onnx_model(agent.network), options, providers=["CPUExecutionProvider"])
        found["onnxruntime float32"] = lambda _, __, planes: session.run(None, {ONNX_INPUT: planes})[0]
    return found


def rate(work: Callable[[], object], positions: int) -> float:
    """Positions a second of processor time, in the best of a few runs."""
    repeats, best = 1, 0.0
    for _ in range(RUNS + 1):
        start = time.process_time()
        for _ in range(repeats):
            work()
        seconds = max(time.process_time() - start, 1e-9)
        best = max(best, repeats * positions / seconds)
        repeats = max(1, round(SECONDS * best / positions))
    return best


def measure(agent: Agent, rounds: int) -> list[Rate]:
    """Rates of all contenders at all sizes of batch that do not take too long."""
    multiplications = CompiledNetwork(agent.network).multiplications
    batches = [batch for batch in BATCHES if batch == 1 or 2 * multiplications * batch <= MOST_OPERATIONS]
    masks, values = (array[: max(batches)] for array in packed_positions())
    planes = unpack_planes(masks, values)
    rates = []
    programs = contenders(agent)
    expected = agent.evaluate_packed(masks, values).logits
    for by, evaluate in programs.items():
        difference = float(np.abs(evaluate(masks, values, planes) - expected).max())
        if not difference <= AGREEMENT[by.split()[-1]]:
            raise RuntimeError(f"{by} and the compiled {agent.name} differ by {difference:.2g} in a logit")
    for number in range(rounds):
        for batch in batches:
            some = masks[:batch], values[:batch], planes[:batch]
            for by, evaluate in programs.items():
                per_second = rate(lambda evaluate=evaluate, some=some: evaluate(*some), batch)  # type: ignore[misc]
                rates.append(Rate(agent.name, batch, by, number, per_second))
    return rates


@numba.njit  # type: ignore[untyped-decorator]
def _products(a: Any, b: Any, c: Any, times: int) -> None:
    for _ in range(times):
        matrix_product(
            pointer(a), 0, 64, 256, 0, 1, pointer(b), 64, 0, pointer(b), 0, pointer(c), 0, 64, 256, 0, 64, 64, 4, 4, 1,
            np.float32(-np.inf),
        )  # fmt: skip


def peak() -> float:
    """Multiplications a second of the matrix product, 16 × 64 by 64 × 64, with all its data in the nearest cache."""
    a, b, c = aligned_zeros(16 * 64), aligned_zeros(64 + 64 * 64), aligned_zeros(16 * 64)
    return rate(lambda: _products(a, b, c, 1000), 1000 * 16 * 64 * 64)


def table_of(agent: Agent, rates: list[Rate], highest: float) -> str:
    """Medians, the median ratio to torch in float32, and how near to its product's rate the compiled network comes."""
    programs = list(dict.fromkeys(one.by for one in rates))
    found = {(one.batch, one.by, one.round): one.per_second for one in rates}
    rounds = sorted({one.round for one in rates})
    lines = [f"## {agent.name}", "", f"| batch | {' | '.join(programs)} |", f"| ---: |{' ---: |' * len(programs)}"]
    for batch in dict.fromkeys(one.batch for one in rates):
        cells = []
        for by in programs:
            median = statistics.median(found[batch, by, number] for number in rounds)
            ratio = statistics.median(found[batch, by, number] / found[batch, REFERENCE, number] for number in rounds)
            cells.append(f"{median:,.{0 if median >= 100 else 1}f}" + ("" if by == REFERENCE else f" (× {ratio:.2f})"))
        lines.append(f"| {batch} | {' | '.join(cells)} |")
    multiplications = CompiledNetwork(agent.network).multiplications
    best = max(one.per_second for one in rates if one.by.startswith("compiled"))
    lines += [
        "",
        f"{2 * multiplications / 1e6:,.1f} million floating point operations a position in products; the product alone "
        f"does {2 * highest / 1e9:.0f} thousand million a second, the whole network "
        f"{2 * multiplications * best / 1e9:.0f} of them ({multiplications * best / highest:.0%}).",
        "",
    ]
    return "\n".join(lines)


def agents(families: Iterable[str], files: Iterable[str]) -> Iterable[Agent]:
    """The networks to measure, one at a time: they are large."""
    for family in families:
        yield Agent(Network(FAMILIES[family], seed=1).eval(), family)
    for file in files:
        yield load_agent(file)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Time the evaluation of positions on one core.")
    parser.add_argument("--family", action="append", choices=FAMILIES, help="a kind of network, any number [all]")
    parser.add_argument("--agent", action="append", default=[], help="a network of yours, any number")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured (default 3)")
    parser.add_argument("--out", type=Path, help="a folder for bench_network.json and bench_network.md")
    arguments = parser.parse_args()
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.rounds < 1:
        parser.error(f"--rounds is {arguments.rounds}: give at least 1")
    torch.set_num_threads(1)
    families = arguments.family or ([] if arguments.agent else list(FAMILIES))
    machine = {"processor": platform.processor(), "cores": os.cpu_count(), "python": sys.version.split()[0]}
    rates: list[Rate] = []
    tables = [
        "# Networks alone",
        "",
        f"Positions a second of processor time on one thread, median of {arguments.rounds} rounds; in brackets, how "
        f"many times {REFERENCE}. Random weights; torch {torch.__version__}, numba {numba.__version__}.",
        "",
    ]
    for agent in agents(families, arguments.agent):
        found = measure(agent, arguments.rounds)
        rates += found
        tables.append(table_of(agent, found, peak()))
        print(tables[-1], flush=True)
        if arguments.out is not None:
            content = {"machine": machine, "torch": torch.__version__, "rates": [asdict(one) for one in rates]}
            (arguments.out / "bench_network.json").write_text(json.dumps(content, indent=1) + "\n")
            (arguments.out / "bench_network.md").write_text("\n".join(tables))


if __name__ == "__main__":
    main()
