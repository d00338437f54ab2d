"""Search with a real network, on one core and on two, beside the same network alone and beside other engines."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chess
import numpy as np
import torch
from numpy.typing import NDArray

from engines.chess import unpack_planes
from engines.networks import Agent, write_network
from engines.search import search
from experiments.engine_benchmark.measuring import Measurement, Section
from experiments.engine_benchmark.networks import TYPES, make_agent, packed_positions
from experiments.engine_benchmark.tree import ROOTS, TREES, offered, roots
from experiments.peers.lc0 import lc0_nodes_per_second, lc0_program
from experiments.peers.network_runtimes import Runtime, installed_runtimes

NODES, EVALUATIONS, ALONE, SHARE = "search: nodes", "search: evaluations", "network alone", "evaluations of alone"
LC0 = "lc0: nodes"
LEAVES = 32
MANY_SIMULATIONS, ONE_SIMULATIONS = 16, 1500
RUNTIME_BATCH = 32
SECONDS = 0.5


class Counting:
    """An agent that counts the positions it is asked about, from any number of threads."""

    def __init__(self, agent: Agent) -> None:
        self.history_fill, self.input_format = agent.history_fill, agent.input_format
        self._agent, self._lock, self.positions = agent, threading.Lock(), 0

    def evaluate_packed(self, masks: NDArray[np.uint64], values: NDArray[np.float32], *, threads: int = 1) -> Any:
        """As the agent's."""
        with self._lock:
            self.positions += len(masks)
        return self._agent.evaluate_packed(masks, values, threads=threads)


def rate_of(work: Callable[[], int], cores: int) -> tuple[float, float]:
    """How many a second ``cores`` threads do together that repeat ``work``: by CPU second, by second passed."""
    done = [0] * cores
    end = time.perf_counter() + SECONDS

    def repeat(place: int) -> None:
        torch.set_num_threads(1)  # a new thread begins with torch's default, one for each core
        while time.perf_counter() < end:
            done[place] += work()

    threads = [threading.Thread(target=repeat, args=(place,)) for place in range(cores)]
    cpu, wall = time.process_time(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.process_time() - cpu), sum(done) / (time.perf_counter() - wall)


def _searched(agent: Agent, boards: list[chess.Board], simulations: int, options: dict[str, Any]) -> list[float]:
    """Nodes and evaluations of one search, each by CPU second and by second passed."""
    counting = Counting(agent)
    cpu, wall = time.process_time(), time.perf_counter()
    search(counting, boards, simulations=simulations, **options)
    seconds = (time.process_time() - cpu, time.perf_counter() - wall)
    return [count / each for count in (len(boards) * simulations, counting.positions) for each in seconds]


def search_section(agent: str | None) -> Section:
    """256 trees, and one tree with many leaves a batch where the search offers that, by cores and type."""
    agents = {dtype: make_agent(agent, dtype) for dtype in TYPES}
    runtimes, absent = installed_runtimes(agents["float32"])
    program = lc0_program()
    boards = [board.copy() for board in roots()] * (TREES // ROOTS)
    shapes: dict[str, tuple[list[chess.Board], int, int, dict[str, Any]]] = {
        "256 trees": (boards, MANY_SIMULATIONS, TREES, {})
    }
    leaves = offered(search, leaves=LEAVES)
    one = f"1 tree, {LEAVES} leaves" if leaves else "1 tree"
    shapes[one] = (boards[:1], ONE_SIMULATIONS if leaves else 100, LEAVES if leaves else 1, leaves)
    masks, values = packed_positions()

    def by_search(subject: str, shape: str, dtype: str, cores: int, number: int) -> list[Measurement]:
        trees, simulations, batch, options = shapes[shape]
        nodes_cpu, nodes_wall, cpu, wall = _searched(
            agents[dtype], trees, simulations, options | offered(search, threads=cores)
        )
        rows = slice(0, max(1, batch // cores))  # cores share what there is, so that each sees smaller batches
        alone = rate_of(lambda: len(agents[dtype].evaluate_packed(masks[rows], values[rows]).wdl), cores)
        share = cpu / alone[0] if cores == 1 else wall / alone[1]
        return [
            Measurement(subject, NODES, number, nodes_cpu, nodes_wall),
            Measurement(subject, EVALUATIONS, number, cpu, wall),
            Measurement(subject, ALONE, number, *alone),
            Measurement(subject, SHARE, number, share, share),
        ]

    def by_others(cores: int, number: int) -> list[Measurement]:
        planes = unpack_planes(masks[:RUNTIME_BATCH], values[:RUNTIME_BATCH])

        def rate(runtime: Runtime) -> tuple[float, float]:
            return rate_of(lambda: len(runtime.evaluate(planes)[0]), cores)

        found = [
            Measurement(f"{runtime.name}, batch {RUNTIME_BATCH}, {_cores(cores)}", ALONE, number, *rate(runtime))
            for runtime in runtimes
        ]
        if program is not None:
            with tempfile.TemporaryDirectory() as folder:
                network = agents["float32"].path or Path(folder) / "network.pb.gz"
                if agents["float32"].path is None:
                    write_network(agents["float32"].network, network)
                wall = lc0_nodes_per_second(program, network, cores)
            found.append(Measurement(f"lc0 benchmark, {_cores(cores)}", LC0, number, wall / cores, wall))
        return found

    def measure_round(number: int) -> list[Measurement]:
        found = []
        for cores in (1, 2) if offered(search, threads=2) else (1,):
            for shape in shapes:
                for dtype in TYPES:
                    found += by_search(f"{shape}, {dtype}, {_cores(cores)}", shape, dtype, cores, number)
            found += by_others(cores, number)
        return found

    section = Section(
        "search",
        f"Search with a network ({agents['float32'].name}): a second that passed",
        measure_round,
        clock="wall",
        styles={SHARE: "share"},
    )
    section.notes.append("The share is taken by CPU time on one core, and by the time that passed on two.")
    section.notes.append(
        "lc0 runs its own benchmark with the same network."
        if program is not None
        else "There is no lc0 on the path: onnxruntime and OpenVINO with the same network stand in for its back ends "
        "on the CPU. They only evaluate, so their rates bound what a search on them could reach."
    )
    if absent:
        section.notes.append(f"Not installed here: {', '.join(absent)}.")
    if not offered(search, threads=2):
        section.notes.append("This version searches in one thread.")
    return section


def _cores(cores: int) -> str:
    return "one core" if cores == 1 else f"{cores} cores"
