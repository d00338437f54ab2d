"""Some plies of self-play with the shipped network: where their time goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from engines.search import PRESETS
from engines.search.growing import Grower
from engines.selfplay.games import GameRules, GamesAtOnce
from experiments.engine_benchmark.free_network import FreeNetwork
from experiments.engine_benchmark.measuring import Measurement, Section
from experiments.engine_benchmark.networks import SHIPPED, TYPES, make_agent

EVALUATIONS, TREE, NETWORK, REST = "evaluations a CPU s", "tree", "network", "rest"
GAMES, LONGEST = 256, 160
PLIES, PLIES_BEFORE = 2, 12
SHAPES = {"16 simulations, 8 moves": (16, 8), "32 simulations, 16 moves": (32, 16)}
"""Simulations of a move and moves considered: the shipped campaign's, and a larger search."""


class Timed:
    """A function, or an evaluator, that adds up the CPU seconds of its calls and the positions it evaluates."""

    def __init__(self, function: Callable[..., Any], history_fill: str = "fen_only", input_format: int = 1) -> None:
        self.history_fill, self.input_format = history_fill, input_format
        self.seconds, self.positions = 0.0, 0
        self._function = function

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        start = time.process_time()
        try:
            return self._function(*arguments, **keywords)
        finally:
            self.seconds += time.process_time() - start

    def evaluate_packed(self, masks: NDArray[np.uint64], values: NDArray[np.float32], *, threads: int = 1) -> Any:
        """As an agent's."""
        self.positions += len(masks)
        return self(masks, values)


def steps_of(plies: int, simulations: int) -> int:
    """Steps in which all games make so many moves: the root, the simulations, and one that makes the move."""
    return plies * (simulations + 2)


def measure_plies(
    playing: GamesAtOnce, simulations: int, evaluator: Any, subject: str, number: int
) -> list[Measurement]:
    """CPU seconds of tree, network and rest, as shares of a few plies; and evaluations a second."""
    network = Timed(evaluator.evaluate_packed, evaluator.history_fill, evaluator.input_format)
    searching = Timed(Grower.step)
    start, begun = time.process_time(), time.perf_counter()
    with mock.patch.object(Grower, "step", lambda grower, chosen: searching(grower, chosen)):
        for _ in range(steps_of(PLIES, simulations)):
            playing.step(network)
    total, passed = time.process_time() - start, time.perf_counter() - begun
    shares = {
        TREE: (searching.seconds - network.seconds) / total,
        NETWORK: network.seconds / total,
        REST: (total - searching.seconds) / total,
    }
    rate = Measurement(subject, EVALUATIONS, number, network.positions / total, network.positions / passed)
    return [rate, *(Measurement(subject, part, number, share, share) for part, share in shares.items())]


def selfplay_section() -> Section:
    """256 games at once, two moves of each a round; the games have begun with twelve random plies."""
    cases = {}
    for shape, (simulations, moves) in SHAPES.items():
        settings = replace(PRESETS["gumbel"], gumbel_moves=moves)
        for dtype in TYPES:
            rules = GameRules(simulations, longest=LONGEST, decisive_lead=3)
            playing, free = GamesAtOnce(GAMES, rules, settings, seed=0), FreeNetwork()
            for _ in range(steps_of(PLIES_BEFORE, simulations)):
                playing.step(free)
            cases[f"{shape}, {dtype}"] = (playing, simulations, make_agent(SHIPPED, dtype))

    def measure_round(number: int) -> list[Measurement]:
        return [
            one
            for subject, (playing, simulations, agent) in cases.items()
            for one in measure_plies(playing, simulations, agent, subject, number)
        ]

    return Section(
        "selfplay",
        f"Self-play with the shipped network ({SHIPPED}), {GAMES} games at once, one thread",
        measure_round,
        styles={TREE: "share", NETWORK: "share", REST: "share"},
        notes=[
            "Tree: descending, rules, planes, carrying values up. Rest: choosing and judging the moves, keeping games."
        ],
    )
