"""The benchmark itself: data sets over sizes, strengths and seeds, every method on each, and data sets of nothing."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from conceptmine.benchmarks.calibration import agent_alarms, fresh_alarms
from conceptmine.benchmarks.directions import direction_of
from conceptmine.benchmarks.methods import METHODS, SLACKS, candidates_of, task_of
from conceptmine.benchmarks.planting import PlantedRows, planted_rows
from conceptmine.benchmarks.results import CEILING, FLOOR, Outcome, PlantedResult
from conceptmine.benchmarks.scoring import score_candidates
from conceptmine.benchmarks.settings import PlantedSettings
from conceptmine.benchmarks.siblings import sibling_rows
from conceptmine.positions import GameRecord, read_games, stable_rank
from engines.networks import load_agent

__all__ = ["bench_planted", "outcomes_of"]

_SHORTEST_GAME: Final = 20  # plies
_SPARE_GAMES: Final = 1.5

Say = Callable[[str], None]


def bench_planted(settings: PlantedSettings, *, say: Say = lambda _: None) -> PlantedResult:
    """Run the benchmark.

    Args:
        settings: from `planted_settings`.
        say: told what happens, line by line.

    Raises:
        InputError: the games hold too few roots.
        NetworkFormatError: the network cannot be read.
    """
    begun = time.perf_counter()
    agent = load_agent(settings.agent)
    largest = max(*settings.roots, settings.noise_roots if settings.noise_seeds else 0)
    games = None if settings.games is None else _chosen_games(Path(settings.games), largest, settings.seed)
    say(f"{agent.name}, {settings.layer}: the lines of {largest} roots")
    siblings = sibling_rows(agent, settings.layer, largest, seed=settings.seed, games=games)
    outcomes: list[Outcome] = []
    for roots in settings.roots:
        for strength in settings.strengths:
            say(f"{roots} roots, strength {strength:g}: {settings.seeds} data sets")
            for seed in range(settings.seed, settings.seed + settings.seeds):
                rows = planted_rows(siblings, roots, strength=strength, seed=seed)
                outcomes += outcomes_of(rows, seed, settings.clusters)
    alarms = []
    if settings.noise_seeds:
        seeds = range(settings.seed, settings.seed + settings.noise_seeds)
        say(f"nothing planted: {len(seeds)} data sets of {settings.noise_roots} roots")
        alarms += agent_alarms(siblings, settings.noise_roots, seeds, settings.clusters)
        say(f"{len(seeds)} fresh networks, {settings.noise_roots} roots each")
        alarms += fresh_alarms(agent, settings.layer, settings.noise_roots, seeds, settings.clusters)
    return PlantedResult(
        settings=settings,
        agent=agent.name,
        sha256=agent.sha256,
        features=siblings.differences.shape[-1],
        outcomes=tuple(outcomes),
        alarms=tuple(alarms),
        seconds=time.perf_counter() - begun,
    )


def outcomes_of(rows: PlantedRows, seed: int, clusters: int) -> Iterator[Outcome]:
    """Every method on one planted data set, and then the ceiling and the floor; `seed` is also of groups and flips."""
    roots = rows.natural.shape[0]
    task = task_of(rows, clusters, seed)
    for name, method in METHODS.items():
        found = candidates_of(method, task)
        yield Outcome(roots, rows.strength, seed, name, score_candidates(rows, found.vectors, seed=seed), found.seconds)
    generator = np.random.default_rng([seed, roots])
    natural = rows.natural[rows.mined].reshape(-1, rows.natural.shape[-1])
    blind = [direction_of("sparse", natural, generator).vector for _ in range(len(task.groups) * len(SLACKS))]
    for name, vectors in ((CEILING, rows.vectors), (FLOOR, np.array(blind))):
        yield Outcome(roots, rows.strength, seed, name, score_candidates(rows, vectors, seed=seed), 0.0)


def _chosen_games(path: Path, roots: int, seed: int) -> list[GameRecord]:
    """An even choice of the games of a file that are long enough, some more than there shall be roots."""
    long_enough = (game for game in read_games(path) if len(game.moves) >= _SHORTEST_GAME)
    count = int(_SPARE_GAMES * roots) + 16
    return heapq.nsmallest(count, long_enough, key=lambda game: stable_rank(seed, "planted", game.game_id))
