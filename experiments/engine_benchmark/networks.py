"""Networks alone: positions a CPU second by size of batch, ours and in other runtimes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import chess
import numpy as np
from numpy.typing import NDArray

from engines.chess import pack_boards, unpack_planes
from engines.networks import Agent, Network, NetworkConfig, Tower, load_agent, shipped_agents
from experiments.engine_benchmark.measuring import Case, Section, taking_turns
from experiments.peers.network_runtimes import Runtime, installed_runtimes

SHIPPED = "ladder-final"
RANDOM = "random 6 × 64"
BATCHES = (1, 8, 32, 256)
TYPES = ("float32", "bfloat16")
SECONDS = 0.25


def make_agent(path_or_name: str | None, dtype: str) -> Agent:
    """An agent from a file or a shipped one; None for 6 blocks of 64 filters with squeeze-and-excitation, the size of
    the Maia networks, with random weights."""
    if path_or_name is not None:
        return load_agent(path_or_name, dtype=dtype)
    return Agent(Network(NetworkConfig(Tower(64, blocks=6, se_channels=8))), RANDOM, dtype=dtype)


def ours(dtype: str) -> str:
    """What the tables call our own network of a type."""
    return f"engines, {dtype}"


@lru_cache(maxsize=1)
def packed_positions() -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """256 positions of games of random moves, with their histories, as packed planes."""
    generator = np.random.default_rng(0)
    boards: list[chess.Board] = []
    board = chess.Board()
    while len(boards) < max(BATCHES):
        moves = list(board.legal_moves)
        if not moves or board.is_game_over() or len(board.move_stack) > 100:
            board = chess.Board()
            continue
        boards.append(board.copy())
        board.push(moves[int(generator.integers(len(moves)))])
    return pack_boards(boards)


def _agent_work(agent: Agent, batch: int) -> Callable[[], int]:
    masks, values = packed_positions()

    def work() -> int:
        agent.evaluate_packed(masks[:batch], values[:batch])
        return batch

    return work


def _runtime_work(runtime: Runtime, planes: NDArray[np.float32]) -> Callable[[], int]:
    return lambda: len(runtime.evaluate(planes)[0])


def network_section(agent: str | None) -> Section:
    """The shipped network, if there is one, and the network ``agent`` (None: random weights), also in the runtimes."""
    cases: list[Case] = []
    absent: list[str] = []
    masks, values = packed_positions()
    shipped = [SHIPPED] if SHIPPED in shipped_agents() and agent != SHIPPED else []
    for name in (*shipped, agent):
        agents = {dtype: make_agent(name, dtype) for dtype in TYPES}
        for batch in BATCHES:
            subject = f"{agents['float32'].name}, batch {batch}"
            cases += [Case(subject, ours(dtype), _agent_work(agents[dtype], batch)) for dtype in TYPES]
            if name == agent:
                planes = unpack_planes(masks[:batch], values[:batch])
                runtimes, absent = installed_runtimes(agents["float32"])
                cases += [Case(subject, runtime.name, _runtime_work(runtime, planes)) for runtime in runtimes]
    for case in cases:
        case.work()
    section = Section(
        "network",
        "Networks alone: positions a CPU second, one thread",
        taking_turns(cases, SECONDS),
        against=ours("float32"),
    )
    section.notes.append(
        "An agent unpacks the planes and checks the outputs itself; the other runtimes get planes ready unpacked. They "
        "stand in for lc0's back ends on the CPU, which are onnxruntime or do the same float32 convolutions."
    )
    if absent:
        section.notes.append(f"Not installed here: {', '.join(absent)}.")
    return section
