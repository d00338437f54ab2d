"""Stage "novelty": does the machine's basis explain a concept better than the human one; do people play its moves?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chess
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from conceptmine.activations import ActivationStore
from conceptmine.novelty import NoveltyNull, novelty_null, rank_comparison, rank_grid
from conceptmine.novelty.behavioural import human_likelihood, likelihood_by_concept, match_controls
from conceptmine.pipeline.candidates import CANDIDATES
from conceptmine.pipeline.context import RunContext, StageResult
from conceptmine.positions import board_of
from conceptmine.runfolder import schemas

NOVEL = pa.schema(
    [
        ("concept_id", pa.string()),
        ("novelty_min", pa.float64()),
        ("novelty_null_p", pa.float64()),
        ("human_likelihood", pa.float64()),
        ("human_likelihood_control", pa.float64()),
    ]
)
# Directions below a thousandth of the strongest are noise of the sample; the paper does not say where it stopped.
_RANK_TOLERANCE = 1e-3
# The first few basis vectors explain next to nothing of any sparse direction, so the sign of their score is a coin
# toss.
_FEWEST_VECTORS = 8
_GAME = pa.schema([("game_id", pa.string())])


@dataclass(frozen=True)
class _NullTask:
    human: str
    machine: str
    layer: str
    vectors: NDArray[np.float64]
    human_games: tuple[str, ...]
    machine_games: tuple[str, ...]
    permutations: int
    seed: int


@dataclass(frozen=True)
class _LayerNovelty:
    ranks: NDArray[np.int64]
    null: NoveltyNull


def measure_novelty(context: RunContext) -> StageResult:
    """S_k of every candidate with its permutation null, by layer; human likelihood of the moves of all prototypes."""
    settings = context.settings
    candidates = context.folder.read_table("scratch/concepts", CANDIDATES)
    vectors = context.folder.read_arrays("vectors")
    games = {
        corpus: tuple(row["game_id"] for row in context.folder.read_table(f"scratch/{corpus}", _GAME))
        for corpus in ("human", "machine")
    }
    layers = [layer for layer in settings.layers if len(vectors[layer])]
    context.say(f"comparing {len(games['human'])} human with as many machine positions at {len(layers)} layers")
    tasks = [
        _NullTask(
            human=str(context.scratch("human")),
            machine=str(context.scratch("machine")),
            layer=layer,
            vectors=vectors[layer],
            human_games=games["human"],
            machine_games=games["machine"],
            permutations=settings.permutations,
            seed=settings.seed,
        )
        for layer in layers
    ]
    measured = dict(zip(layers, context.workers.map(_layer_novelty, tasks), strict=True))
    likelihood = _likelihoods(context)
    rows: list[dict[str, Any]] = []
    curves: list[dict[str, Any]] = []
    place = dict.fromkeys(layers, 0)
    for candidate in candidates:
        found, i = measured[candidate["layer"]], place[candidate["layer"]]
        place[candidate["layer"]] += 1
        played, control = likelihood.get(candidate["concept_id"], (None, None))
        rows.append(
            {
                "concept_id": candidate["concept_id"],
                "novelty_min": float(found.null.observed[i].min()),
                "novelty_null_p": float(found.null.p[i]),
                "human_likelihood": played,
                "human_likelihood_control": control,
            }
        )
        curves += [
            {
                "concept_id": candidate["concept_id"],
                "k": int(k),
                "score": float(found.null.observed[i, column]),
                "null_low": float(found.null.low[i, column]),
                "null_high": float(found.null.high[i, column]),
            }
            for column, k in enumerate(found.ranks)
        ]
    context.folder.write_table("scratch/novel", rows, NOVEL)
    context.folder.write_table("novelty", curves, schemas.NOVELTY)
    positive = sum(row["novelty_min"] > 0 for row in rows)
    return StageResult({"scored": len(rows), "positive_for_all_k": positive, "corpus_positions": len(games["human"])})


def _layer_novelty(task: _NullTask) -> _LayerNovelty:
    human = ActivationStore.open(Path(task.human)).rows(task.layer)
    machine = ActivationStore.open(Path(task.machine)).rows(task.layer)
    compared = rank_comparison(human, machine, tolerances=(_RANK_TOLERANCE,))
    ranks = rank_grid(int(min(compared.human_ranks[0], compared.machine_ranks[0])), human.shape[1])
    ranks = ranks[ranks >= min(_FEWEST_VECTORS, int(ranks[-1]))]
    null = novelty_null(
        task.vectors,
        human,
        machine,
        ranks,
        np.array(task.human_games),
        np.array(task.machine_games),
        permutations=task.permutations,
        seed=task.seed,
    )
    return _LayerNovelty(np.asarray(ranks, dtype=np.int64), null)


def _likelihoods(context: RunContext) -> dict[str, tuple[float, float | None]]:
    """By concept, the mean human probability of its prototypes' moves and of matched moves from other positions."""
    rows = context.folder.read_table("prototypes", schemas.PROTOTYPES)
    if not rows:
        return {}
    shown = {row["position_id"] for row in rows}
    others = [
        row
        for row in context.folder.read_table("positions", schemas.POSITIONS)
        if row["position_id"] not in shown and row["agent_move"]
    ]
    boards, moves = _boards_and_moves(rows, "best_move")
    own = human_likelihood(context.human_network, boards, moves)
    control = np.full(len(own), np.nan)
    if others:
        control_boards, control_moves = _boards_and_moves(others, "agent_move")
        of_others = human_likelihood(context.human_network, control_boards, control_moves)
        control = of_others[match_controls(boards, moves, control_boards, control_moves)]
    names, numbers = np.unique([row["concept_id"] for row in rows], return_inverse=True)
    return {
        str(names[found.concept]): (found.mean, found.control_mean if others else None)
        for found in likelihood_by_concept(numbers, own, control)
    }


def _boards_and_moves(rows: Sequence[dict[str, Any]], column: str) -> tuple[list[chess.Board], list[chess.Move]]:
    boards = [board_of(row["fen"], row["moves"], check=False) for row in rows]
    return boards, [chess.Move.from_uci(row[column]) for row in rows]


__all__ = ["NOVEL", "measure_novelty"]
