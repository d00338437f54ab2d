"""Benchmark: rules, tree search and network on one core, the compiled kernel against python-chess, in one run.

    python -m experiments.bench_engine [--agent NAME_OR_FILE] [--rounds 3] [--out engine.json]

Three tables. *Rules*: perft, nodes a second, the last ply counted and not walked in both. *Tree*: simulations a second
of a search whose network costs nothing (it hands out numbers made beforehand), by `engines.search` and by the plain
python-chess search below; both use Leela's PUCT with the settings of the preset "lc0"; ours writes the 112 input planes
of every leaf as well, the plain one none. *Network*: positions a second of a 6 × 64 network with random weights, and of
a shipped or given agent, by size of batch, on one thread.

What is compared takes turns within a round, so that a machine that is slow for a while is slow for all; ratios are
taken round by round, and their median is shown. Both sides must agree: on the counts of perft, and, given the same
numbers, on the visits of every move of a search. The kernels are compiled and cached before the clock starts.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import chess
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from conceptmine.runfolder import write_bytes
from engines.chess import POLICY_SIZE, pack_boards, perft, policy_index
from engines.networks import Agent, NetworkConfig, ResidualNetwork, load_agent, shipped_agents
from engines.search import PRESETS, search

POSITIONS = {
    "start": chess.STARTING_FEN,
    "middlegame": "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
}
KERNEL_DEPTH = {"start": 6, "middlegame": 5}
PYTHON_DEPTH = {"start": 4, "middlegame": 3}

TREES, SIMULATIONS = 256, 800
BATCHES = (1, 8, 32, 256)
SECONDS_A_BATCH = 0.6
SHIPPED = "ladder-final"


@dataclass(frozen=True)
class Rate:
    """One measurement: what was measured, by what, in which round, and how many a second."""

    subject: str
    by: str
    round: int
    per_second: float


def timed(work: Callable[..., int], *arguments: object) -> float:
    """How many things a second ``work`` did, which returns their number."""
    start = time.perf_counter()
    done = work(*arguments)
    return done / (time.perf_counter() - start)


# --- rules ------------------------------------------------------------------------------------------------------------


def python_perft(board: chess.Board, depth: int) -> int:
    """Legal move sequences of ``depth`` ≥ 1 plies, by python-chess."""
    if depth == 1:
        return board.legal_moves.count()
    total = 0
    for move in board.legal_moves:
        board.push(move)
        total += python_perft(board, depth - 1)
        board.pop()
    return total


def measure_rules(round_number: int) -> list[Rate]:
    """Perft of both positions by the kernel and by python-chess."""
    found = []
    for name, fen in POSITIONS.items():
        board = chess.Board(fen)
        shallow = PYTHON_DEPTH[name]
        if perft(board, shallow) != python_perft(board, shallow):
            raise RuntimeError(f"the two disagree on perft {shallow} of {fen}")
        found += [
            Rate(name, "kernel", round_number, timed(perft, board, KERNEL_DEPTH[name])),
            Rate(name, "python-chess", round_number, timed(python_perft, board, shallow)),
        ]
    return found


# --- tree -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FreeAnswer:
    """Logits float32 [n, 1858] and win, draw, loss float32 [n, 3], as an agent gives them."""

    logits: NDArray[np.float32]
    wdl: NDArray[np.float32]


class FreeNetwork:
    """An evaluator that costs nothing: it hands out rows of fixed random numbers, in turn."""

    history_fill = "fen_only"

    def __init__(self, rows: int = 4096) -> None:
        generator = np.random.default_rng(0)
        self._logits = (1.5 * generator.standard_normal((rows, POLICY_SIZE))).astype(np.float32)
        self._wdl = generator.dirichlet([2.0, 2.0, 2.0], size=rows).astype(np.float32)
        self._next = 0

    def evaluate_packed(self, masks: NDArray[np.uint64], values: NDArray[np.float32]) -> FreeAnswer:
        """Numbers for ``len(masks)`` positions."""
        self._next = self._next if self._next + len(masks) <= len(self._logits) else 0
        rows = slice(self._next, self._next + len(masks))
        self._next += len(masks)
        return FreeAnswer(self._logits[rows], self._wdl[rows])

    def evaluate_one(self) -> tuple[NDArray[np.float32], float]:
        """Logits [1858] and w − l for one position."""
        answer = self.evaluate_packed(np.empty((1, 0), dtype=np.uint64), np.empty((1, 0), dtype=np.float32))
        return answer.logits[0], float(answer.wdl[0, 0] - answer.wdl[0, 2])


class PlainNode:
    """A node of the plain search: its moves with priors, visits and totals as lists, by falling prior."""

    __slots__ = ("children", "moves", "priors", "totals", "tried", "value", "visits")

    def __init__(self) -> None:
        self.moves: list[chess.Move] = []
        self.priors: list[float] = []
        self.tried: list[int] = []
        self.totals: list[float] = []
        self.children: list[PlainNode | None] = []
        self.visits, self.value = 0, 0.0

    def expand(self, board: chess.Board, network: FreeNetwork) -> float:
        """Find the moves and their priors, or that the game is over; gives the value for the side to move."""
        moves = list(board.legal_moves)
        if not moves:
            return -1.0 if board.is_check() else 0.0
        if board.is_insufficient_material() or board.halfmove_clock >= 100 or board.is_repetition(3):
            return 0.0
        logits, value = network.evaluate_one()
        chosen = [float(logits[policy_index(board, move)]) for move in moves]
        highest = max(chosen)
        weights = [math.exp(logit - highest) for logit in chosen]
        total = sum(weights)
        order = sorted(range(len(moves)), key=lambda i: -weights[i])
        self.moves = [moves[i] for i in order]
        self.priors = [weights[i] / total for i in order]
        self.tried, self.totals = [0] * len(moves), [0.0] * len(moves)
        self.children = [None] * len(moves)
        return value

    def select(self) -> int:
        """Leela's PUCT: the place of the move to follow."""
        settings = PRESETS["lc0"]
        growth = math.log((self.visits + settings.c_base) / settings.c_base)
        scale = (settings.c_puct + settings.c_factor * growth) * math.sqrt(max(self.visits - 1, 1))
        seen = sum(prior for prior, tried in zip(self.priors, self.tried, strict=True) if tried)
        unvisited = self.value / self.visits - settings.fpu_reduction * math.sqrt(seen)
        best, best_score = 0, -math.inf
        for i, tried in enumerate(self.tried):
            score = (self.totals[i] / tried if tried else unvisited) + self.priors[i] * scale / (1 + tried)
            if score > best_score:
                best, best_score = i, score
        return best


def plain_search(board: chess.Board, simulations: int, network: FreeNetwork) -> PlainNode:
    """Search with ``simulations`` visits on python-chess, one position at a time; returns the root."""
    root = PlainNode()
    root.value, root.visits = root.expand(board, network), 1
    while root.visits < simulations:
        node, path = root, []
        while True:
            place = node.select()
            path.append((node, place))
            board.push(node.moves[place])
            child = node.children[place]
            if child is None:
                child = node.children[place] = PlainNode()
                value = child.expand(board, network)
                break
            node = child
            if not node.moves:
                value = node.value / node.visits
                break
        child.visits, child.value = child.visits + 1, child.value + value
        for above, taken in reversed(path):
            value = -value
            above.tried[taken] += 1
            above.totals[taken] += value
            above.visits, above.value = above.visits + 1, above.value + value
            board.pop()
    return root


def plain_visits(board: chess.Board, simulations: int, network: FreeNetwork) -> int:
    """The visits of the root of a plain search."""
    return plain_search(board, simulations, network).visits


def batched_search(boards: list[chess.Board], simulations: int, network: FreeNetwork) -> int:
    """Search all boards as one batch; returns the visits of their roots together."""
    return sum(tree.root.visits for tree in search(network, boards, simulations=simulations))


def check_trees() -> None:
    """Raise RuntimeError unless both searches, given the same numbers in the same order, visit every move as often."""
    for fen in POSITIONS.values():
        plain = plain_search(chess.Board(fen), SIMULATIONS, FreeNetwork())
        ours = search(FreeNetwork(), [chess.Board(fen)], simulations=SIMULATIONS)[0]
        if dict(zip(plain.moves, plain.tried, strict=True)) != ours.visits:
            raise RuntimeError(f"the two searches differ in their visits of the moves in {fen}")


def measure_tree(round_number: int) -> list[Rate]:
    """Simulations a second from both positions, by ``TREES`` trees at once, by one, and by the plain search."""
    network = FreeNetwork()
    found = []
    for name, fen in POSITIONS.items():
        board = chess.Board(fen)
        for number in (TREES, 1):
            rate = timed(batched_search, [board] * number, SIMULATIONS, network)
            found.append(Rate(name, f"engines, {number} tree{'s' if number > 1 else ''}", round_number, rate))
        rate = timed(plain_visits, board.copy(), SIMULATIONS, network)
        found.append(Rate(name, "python-chess", round_number, rate))
    return found


# --- network ----------------------------------------------------------------------------------------------------------


def random_agent() -> Agent:
    """6 blocks of 64 filters with squeeze-and-excitation, the size of the Maia networks, with random weights."""
    return Agent(ResidualNetwork(NetworkConfig(filters=64, blocks=6, se_channels=8)), "random 6 × 64")


def random_positions(number: int) -> list[chess.Board]:
    """Positions of games of random moves, with their histories."""
    generator = np.random.default_rng(0)
    boards: list[chess.Board] = []
    board = chess.Board()
    while len(boards) < number:
        moves = list(board.legal_moves)
        if not moves or board.is_game_over() or len(board.move_stack) > 100:
            board = chess.Board()
            continue
        boards.append(board.copy())
        board.push(moves[int(generator.integers(len(moves)))])
    return boards


def evaluate_for_a_while(agent: Agent, masks: NDArray[np.uint64], values: NDArray[np.float32]) -> int:
    """Evaluate one batch again and again; returns the number of positions."""
    done, end = 0, time.perf_counter() + SECONDS_A_BATCH
    while time.perf_counter() < end:
        agent.evaluate_packed(masks, values)
        done += len(masks)
    return done


def measure_network(round_number: int, agents: list[Agent]) -> list[Rate]:
    """Positions a second of each agent at each size of batch."""
    masks, values = pack_boards(random_positions(max(BATCHES)))
    found = []
    for batch in BATCHES:
        for agent in agents:
            agent.evaluate_packed(masks[:batch], values[:batch])
            rate = timed(evaluate_for_a_while, agent, masks[:batch], values[:batch])
            found.append(Rate(f"batch {batch}", agent.name, round_number, rate))
    return found


# --- table ------------------------------------------------------------------------------------------------------------


def table_of(title: str, unit: str, rates: list[Rate], *, against: str | None) -> Table:
    """Median rates by subject and means, and how many times the rate of ``against`` each is."""
    table = Table(title=f"{title} ({unit} a second, median)")
    table.add_column("")
    names = list(dict.fromkeys(rate.by for rate in rates))
    for name in names:
        table.add_column(name, justify="right")
    for subject in dict.fromkeys(rate.subject for rate in rates):
        by_round = {(rate.by, rate.round): rate.per_second for rate in rates if rate.subject == subject}
        rounds = sorted({number for _, number in by_round})
        cells = []
        for name in names:
            cell = f"{statistics.median(by_round[name, number] for number in rounds):,.0f}"
            if against is not None and name != against:
                ratio = statistics.median(by_round[name, number] / by_round[against, number] for number in rounds)
                cell += f"  (× {ratio:,.0f})"
            cells.append(cell)
        table.add_row(subject, *cells)
    return table


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Time rules, tree search and network on one core.")
    parser.add_argument("--agent", help=f"a network to time as well [{SHIPPED}, where it is shipped]")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured (default 3)")
    parser.add_argument("--out", type=Path, help="write all measurements to this file, as JSON")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error(f"--rounds is {arguments.rounds}: give at least 1")
    torch.set_num_threads(1)
    agents = [random_agent()]
    if arguments.agent is not None or SHIPPED in shipped_agents():
        agents.append(load_agent(arguments.agent or SHIPPED))
    perft(chess.Board(), 2)
    check_trees()
    rates: dict[str, list[Rate]] = {"rules": [], "tree": [], "network": []}
    for number in range(arguments.rounds):
        rates["rules"] += measure_rules(number)
        rates["tree"] += measure_tree(number)
        rates["network"] += measure_network(number, agents)
    console = Console()
    console.print(table_of("Rules: perft", "nodes", rates["rules"], against="python-chess"))
    console.print(table_of("Tree search without a network", "simulations", rates["tree"], against="python-chess"))
    console.print(table_of("Network, one thread", "positions", rates["network"], against=None))
    console.print(f"Load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    if arguments.out is not None:
        record = {
            "benchmark": "engine",
            "python": platform.python_version(),
            "versions": {"chess": chess.__version__, "numpy": np.__version__, "torch": torch.__version__},
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
            "agents": [{"name": agent.name, "sha256": agent.sha256} for agent in agents],
            "measurements": {name: [asdict(rate) for rate in found] for name, found in rates.items()},
        }
        write_bytes(arguments.out, (json.dumps(record, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
