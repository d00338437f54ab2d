"""Benchmark: evaluating positions on a processor, the compiled network against torch, onnxruntime and OpenVINO.

    python -m experiments.bench_network [--agent NAME_OR_FILE ...] [--rounds 5] [--out network.json]

Positions a second of processor time, on one thread, by size of batch. The compiled network is asked through
``Agent.evaluate_packed``, from packed positions to probabilities; the others are given planes that were unpacked before
the clock started, and give logits. onnxruntime and OpenVINO take part where they are installed; they read the network
as torch exports it. All answers must agree. Who is measured takes turns within a round, each for its best of three
runs; ratios to torch in float32 are taken round by round, and their median is shown. The last line says how near the
compiled network comes to what its own matrix product does on data that are at hand.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from conceptmine.runfolder import write_bytes
from engines.chess import pack_boards, unpack_planes
from engines.networks import Agent, load_agent
from engines.networks.compiled.lanes import pointer
from engines.networks.compiled.network import CompiledNetwork
from engines.networks.compiled.products import matrix_product
from engines.networks.compiled.program import aligned_zeros
from experiments.agreement import has_16_bits
from experiments.bench_engine import random_positions

BATCHES = (1, 8, 32, 256)
SECONDS = 0.15
RUNS = 3
REFERENCE = "torch float32"
AGREEMENT = {"float32": 1e-3, "float16": 0.1, "bfloat16": 1.0}
"""The largest difference of two logits that is let pass, by type."""

Evaluate = Callable[[NDArray[np.uint64], NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
"""From masks, values and planes, of which it uses what it likes, to logits."""


@dataclass(frozen=True)
class Rate:
    """One measurement: which network, batch and program, in which round, and positions a second of processor time."""

    network: str
    batch: int
    by: str
    round: int
    per_second: float


class _PolicyAndValue(torch.nn.Module):
    """What exporters can follow: tensors in, tensors out."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, planes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        output = self.network(planes)
        return output.policy, output.value


def by_torch(agent: Agent) -> Evaluate:
    """The agent's torch module, called on planes with the channels innermost, in its own type."""
    dtype = next(agent.network.parameters()).dtype
    kept: dict[int, torch.Tensor] = {}

    def evaluate(_: object, __: object, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        n = len(planes)
        if n not in kept:
            kept[n] = torch.from_numpy(planes).to(dtype).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            logits: NDArray[np.float32] = agent.network(kept[n]).policy.float().numpy()
        return logits

    return evaluate


def contenders(agent: Agent, folder: Path) -> dict[str, Evaluate]:
    """Everything that can evaluate the network on this machine, by name."""
    found: dict[str, Evaluate] = {
        "compiled": lambda masks, values, _: agent.evaluate_packed(masks, values).logits,
        REFERENCE: by_torch(agent),
    }
    for dtype in ("float16", "bfloat16"):
        half = Agent(agent.network, agent.name, dtype=dtype)
        if has_16_bits(half.network):
            found[f"torch {dtype}"] = by_torch(half)
    if importlib.util.find_spec("onnxruntime") is None and importlib.util.find_spec("openvino") is None:
        return found
    path = str(folder / "network.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = torch.zeros(2, 112, 8, 8)
        torch.onnx.export(
            _PolicyAndValue(agent.network).eval(), (example,), path, input_names=["planes"],
            dynamic_axes={"planes": {0: "n"}}, dynamo=False,
        )  # fmt: skip
    if importlib.util.find_spec("onnxruntime") is not None:
        onnxruntime: Any = importlib.import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        found["onnxruntime float32"] = lambda _, __, planes: session.run(None, {"planes": planes})[0]
    if importlib.util.find_spec("openvino") is not None:
        openvino: Any = importlib.import_module("openvino")
        settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        model = openvino.Core().compile_model(path, "CPU", settings)
        found["openvino float32"] = lambda _, __, planes: model([planes])[0]
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


def measure(name: str, agent: Agent, rounds: int) -> list[Rate]:
    """Rates of all contenders at all sizes of batch."""
    masks, values = pack_boards(random_positions(max(BATCHES)))
    planes = unpack_planes(masks, values)
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        programs = contenders(agent, Path(folder))
        expected = agent.evaluate_packed(masks, values).logits
        for by, evaluate in programs.items():
            difference = float(np.abs(evaluate(masks, values, planes) - expected).max())
            if not difference <= AGREEMENT[by.split()[-1] if by != "compiled" else "float32"]:
                raise RuntimeError(f"{by} and the compiled {name} differ by {difference:.2g} in a logit")
        for number in range(rounds):
            for batch in BATCHES:
                some = masks[:batch], values[:batch], planes[:batch]
                for by, evaluate in programs.items():
                    per_second = rate(lambda evaluate=evaluate, some=some: evaluate(*some), batch)  # type: ignore[misc]
                    rates.append(Rate(name, batch, by, number, per_second))
    return rates


@numba.njit  # type: ignore[misc]
def _products(a: Any, b: Any, c: Any, times: int) -> None:
    for _ in range(times):
        matrix_product(pointer(a), 0, 64, 256, 4, pointer(b), 0, pointer(c), 0, 64, 256, 64, 64, 4)


def peak() -> float:
    """Multiplications a second of the matrix product, 16 × 64 by 64 × 64, with all its data in the nearest cache."""
    a, b, c = aligned_zeros(16 * 64), aligned_zeros(64 * 64), aligned_zeros(16 * 64)
    return rate(lambda: _products(a, b, c, 1000), 1000 * 16 * 64 * 64)


def table_of(name: str, rates: list[Rate]) -> Table:
    """Medians, and the median ratio to torch in float32."""
    table = Table(title=f"{name} (positions a second of processor time, median)")
    table.add_column("batch")
    programs = list(dict.fromkeys(one.by for one in rates))
    for by in programs:
        table.add_column(by, justify="right")
    found = {(one.batch, one.by, one.round): one.per_second for one in rates}
    rounds = sorted({one.round for one in rates})
    for batch in BATCHES:
        cells = []
        for by in programs:
            cell = f"{statistics.median(found[batch, by, number] for number in rounds):,.0f}"
            ratio = statistics.median(found[batch, by, number] / found[batch, REFERENCE, number] for number in rounds)
            cells.append(cell if by == REFERENCE else f"{cell} (× {ratio:.2f})")
        table.add_row(str(batch), *cells)
    return table


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Time the evaluation of positions on one core.")
    parser.add_argument("--agent", action="append", help="a network to time, any number of times [ladder-final]")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (default 5)")
    parser.add_argument("--out", type=Path, help="write all measurements to this file, as JSON")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error(f"--rounds is {arguments.rounds}: give at least 1")
    torch.set_num_threads(1)
    console = Console(width=140)
    rates: list[Rate] = []
    highest = peak()
    for source in arguments.agent or ["ladder-final"]:
        agent = load_agent(source)
        found = measure(agent.name, agent, arguments.rounds)
        rates += found
        console.print(table_of(repr(agent), found))
        multiplications = CompiledNetwork(agent.network).multiplications
        best = max(one.per_second for one in found if one.by == "compiled")
        console.print(
            f"{2 * multiplications / 1e6:.1f} million floating point operations a position in products; the product "
            f"alone does {2 * highest / 1e9:.0f} thousand million a second, the whole network "
            f"{2 * multiplications * best / 1e9:.0f} of them ({multiplications * best / highest:.0%})."
        )
    if arguments.out is not None:
        machine = {"processor": platform.processor(), "cores": os.cpu_count(), "python": sys.version.split()[0]}
        content = {"machine": machine, "torch": torch.__version__, "rates": [asdict(one) for one in rates]}
        write_bytes(arguments.out, json.dumps(content, indent=1).encode())


if __name__ == "__main__":
    main()
