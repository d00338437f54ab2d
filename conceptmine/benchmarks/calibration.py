"""Is 5 % really at most 5 %? Data sets that hold nothing, and in how many of them a method claims a discovery."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import beta

from conceptmine.benchmarks.methods import METHODS, candidates_of, task_of
from conceptmine.benchmarks.planting import PlantedRows, planted_rows
from conceptmine.benchmarks.scoring import Score, score_candidates
from conceptmine.benchmarks.siblings import Siblings, sibling_rows
from conceptmine.errors import InputError
from engines.networks import Agent, Network

__all__ = [
    "FRESH_OWN_CHOICE",
    "FRESH_TURNED",
    "NOTHING_PLANTED",
    "FalseAlarms",
    "agent_alarms",
    "clopper_pearson",
    "false_alarms",
    "fresh_agent",
    "fresh_alarms",
]

NOTHING_PLANTED: Final = "the agent, pairs turned by a coin"
FRESH_TURNED: Final = "fresh networks, pairs turned by a coin"
FRESH_OWN_CHOICE: Final = "fresh networks, their own first choice the better line"


@dataclass(frozen=True)
class FalseAlarms:
    """In how many data sets of one source a method had at least one discovery.

    source       `NOTHING_PLANTED` and `FRESH_TURNED` hold no concept: a discovery is a false alarm. `FRESH_OWN_CHOICE`
                 holds one, the network's own choice, which its activations decide, though it is no knowledge of chess.
    method       whose candidates.
    runs         data sets.
    alarms       those with a discovery.
    discoveries  in all of them.
    candidates   in all of them.
    passing      the share of candidates, discovered or not, that would pass as true of directions not planted.
    """

    source: str
    method: str
    runs: int
    alarms: int
    discoveries: int
    candidates: int
    passing: float

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Clopper–Pearson interval of the probability that a run has a discovery."""
        return clopper_pearson(self.alarms, self.runs)


def clopper_pearson(successes: int, trials: int, *, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a probability, in [0, 1] (Clopper and Pearson 1934).

    Raises InputError unless 0 ≤ successes ≤ trials, trials ≥ 1 and 0 < level < 1.
    """
    if not (0 <= successes <= trials and trials >= 1 and 0 < level < 1):
        raise InputError(f"{successes} of {trials} at level {level} is no proportion to give an interval for.")
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(beta.ppf(1 - tail, successes + 1, trials - successes))
    return low, high


def agent_alarms(siblings: Siblings, roots: int, seeds: range, clusters: int) -> list[FalseAlarms]:
    """False alarms on an agent's own activations with nothing planted; each seed draws roots and coin anew."""
    return false_alarms(
        NOTHING_PLANTED, ((planted_rows(siblings, roots, strength=0.0, seed=seed), seed) for seed in seeds), clusters
    )


def fresh_alarms(agent: Agent, layer: str, roots: int, seeds: range, clusters: int) -> list[FalseAlarms]:
    """Alarms on networks that were never trained, one a seed, each with its own games and lines."""
    turned, own = [], []
    for seed in seeds:
        siblings = sibling_rows(fresh_agent(agent, seed), layer, roots, seed=seed, games=None)
        turned.append((planted_rows(siblings, roots, strength=0.0, seed=seed), seed))
        own.append((_unturned(siblings, roots, seed=seed), seed))
    return false_alarms(FRESH_TURNED, turned, clusters) + false_alarms(FRESH_OWN_CHOICE, own, clusters)


def fresh_agent(agent: Agent, seed: int) -> Agent:
    """A network of the agent's shape that was never trained, with weights from a seed."""
    network = Network(agent.config, seed=seed).eval()
    return Agent(network, f"fresh network {seed}", history_fill=agent.history_fill)


def false_alarms(source: str, data_sets: Iterable[tuple[PlantedRows, int]], clusters: int) -> list[FalseAlarms]:
    """Run every method on data sets (rows and seed) of one source and count, method by method."""
    scores: dict[str, list[Score]] = {name: [] for name in METHODS}
    for rows, seed in data_sets:
        task = task_of(rows, clusters, seed)
        for name, method in METHODS.items():
            scores[name].append(score_candidates(rows, candidates_of(method, task).vectors, seed=seed))
    return [
        FalseAlarms(
            source=source,
            method=name,
            runs=len(found),
            alarms=sum(score.discoveries > 0 for score in found),
            discoveries=sum(score.discoveries for score in found),
            candidates=sum(score.candidates for score in found),
            passing=float(np.mean([score.base_rate for score in found])),
        )
        for name, found in scores.items()
    ]


def _unturned(siblings: Siblings, roots: int, *, seed: int) -> PlantedRows:
    """Rows with nothing planted and no coin: the network's first choice is the better line in every root."""
    order = np.random.default_rng(seed).permutation(len(siblings))[:roots]
    return PlantedRows(
        natural=siblings.differences[order].astype(np.float64),
        planted=np.zeros((0, roots)),
        directions=(),
        prevalences=(),
        strength=0.0,
        mined=np.arange(roots // 2),
        tested=np.arange(roots // 2, roots),
    )
