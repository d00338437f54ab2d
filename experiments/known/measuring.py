"""The numbers of all concepts that need no search, on the positions of a pool, and which of them can be judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import chess
import numpy as np
from numpy.typing import NDArray

from conceptmine.contrast.known import (
    CONCEPTS,
    ConceptValues,
    opening_concepts,
    read_openings,
    read_traces,
    stockfish_concepts,
    strata,
)
from conceptmine.contrast.known.concept import MATCHINGS
from conceptmine.contrast.known.material import material
from conceptmine.pipeline.workers import Workers
from engines import Agent
from experiments.known.positions import Pool
from experiments.known.static import Examples, Refused, examples_of

BOARDS_A_TASK = 250
GENERAL_OPENINGS = 10
SPECIFIC_OPENINGS = 10

Say = Callable[[str], None]


def embedded_concepts(boards: Sequence[chess.Board], workers: Workers) -> list[ConceptValues]:
    """All hand-written concepts on n boards."""
    tasks = [list(boards[start : start + BOARDS_A_TASK]) for start in range(0, len(boards), BOARDS_A_TASK)]
    numbers = np.concatenate(list(workers.map(_numbers, tasks)))
    return [
        ConceptValues(concept.name, concept.family, concept.definition, concept.matched, column)
        for concept, column in zip(CONCEPTS, numbers.T, strict=True)
    ]


def _numbers(boards: list[chess.Board]) -> NDArray[np.float64]:
    return np.array([[concept.measure(board) for concept in CONCEPTS] for board in boards])


def game_concepts(pool: Pool, stockfish: str | None, workers: Workers, say: Say) -> list[ConceptValues]:
    """The hand-written concepts and, with a Stockfish program, its terms."""
    say(f"measuring {len(CONCEPTS)} hand-written concepts on {len(pool.boards)} positions")
    concepts = embedded_concepts(pool.boards, workers)
    if stockfish is not None:
        say("reading Stockfish's classical terms")
        concepts += stockfish_concepts(pool.boards, read_traces(stockfish, pool.boards))
    return concepts


def openings_of(pool: Pool, folder: Path, fewest: int) -> list[ConceptValues]:
    """The most frequent openings and lines of a pool's games."""
    return opening_concepts(
        read_openings(folder), pool.boards, fewest=fewest, general=GENERAL_OPENINGS, specific=SPECIFIC_OPENINGS
    )


def examples_in(pool: Pool, concepts: Sequence[ConceptValues], seed: int) -> tuple[list[Examples], list[Refused]]:
    """Pairs for each concept, and the concepts that a pool has too few positions for."""
    by_matching = {matching: strata(pool.boards, matching) for matching in MATCHINGS}
    found = [examples_of(concept, pool, by_matching[concept.matched], seed) for concept in concepts]
    return [e for e in found if isinstance(e, Examples)], [r for r in found if isinstance(r, Refused)]


def controls_of(agent: Agent, pool: Pool) -> dict[str, NDArray[np.float64]]:
    """What is known of a position without a layer: the agent's value, the material balance, all material, the ply."""
    return {
        "value head": agent.evaluate(pool.boards).value.astype(np.float64),
        "material balance": np.array([material(b, b.turn) - material(b, not b.turn) for b in pool.boards]),
        "all material": np.array([material(b, b.turn) + material(b, not b.turn) for b in pool.boards]),
        "ply": np.array([float(b.ply()) for b in pool.boards]),
    }
