"""Stage "teachability": prototypes of the best-supported candidates, and what a student learns from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from conceptmine.activations import ActivationStore
from conceptmine.pipeline.candidates import CANDIDATES
from conceptmine.pipeline.context import RunContext, StageResult
from conceptmine.pipeline.judging import EVIDENCE, oriented_vectors
from conceptmine.pipeline.pairs import PairTable, differences, load_pairs
from conceptmine.positions import board_of, transposition_key
from conceptmine.runfolder import schemas
from conceptmine.teachability import (
    Lessons,
    PackedPositions,
    Prototypes,
    Split,
    TeachingResult,
    TeachingTask,
    dynamic_prototypes,
    pack_positions,
    position_margins,
    random_positions,
    row_norms,
    split_by_game,
    teach_from_files,
)

TAUGHT = pa.schema(
    [
        ("concept_id", pa.string()),
        ("teach_gain", pa.float64()),
        ("teach_ci_low", pa.float64()),
        ("teach_ci_high", pa.float64()),
        ("teach_concept_concept", pa.float64()),
        ("teach_random_concept", pa.float64()),
        ("teach_concept_random", pa.float64()),
        ("teach_random_random", pa.float64()),
        ("student", pa.string()),
        ("student_agreement", pa.float64()),
        ("student_rule_met", pa.bool_()),
        ("prototypes", pa.int32()),
        ("satisfying", pa.int32()),
        ("reason", pa.string()),
    ]
)


@dataclass(frozen=True)
class _Pool:
    """All searched positions as a pool for prototypes; arrays run over the places of the pair table."""

    pairs: PairTable
    games: NDArray[np.int64]
    keys: NDArray[np.int64]
    packed: PackedPositions


@dataclass(frozen=True)
class _Shown:
    """One concept's prototypes and their split, and two bool [pool] masks.

    ``barred``: what passes the concept's criterion, or has no lines to apply it to; the control's positions then
    differ from the prototypes in the concept, not in having a sharp choice. ``own_games``: what is of the games it was
    mined from.
    """

    prototypes: Prototypes
    split: Split
    barred: NDArray[np.bool_]
    own_games: NDArray[np.bool_]


def teach_candidates(context: RunContext) -> StageResult:
    """Teach the ``taught`` candidates with the smallest p-values, supported or not: the table shows both kinds.

    Prototypes come from all searched positions but those of the games that the concept was mined from.
    """
    settings = context.settings
    candidates = {row["concept_id"]: row for row in context.folder.read_table("scratch/concepts", CANDIDATES)}
    evidence = {row["concept_id"]: row for row in context.folder.read_table("scratch/evidence", EVIDENCE)}
    best_first = sorted(evidence, key=lambda i: (evidence[i]["null_p"], -evidence[i]["heldout_satisfaction"], i))
    chosen = best_first[: settings.taught]
    pool = _load_pool(context)
    store = ActivationStore.open(context.scratch("states"))
    oriented = oriented_vectors(context.folder.read_arrays("vectors"), list(candidates.values()))
    prepared = {
        concept_id: _show(context, pool, store, candidates[concept_id], oriented[concept_id]) for concept_id in chosen
    }
    tasks: dict[str, TeachingTask] = {}
    reasons: dict[str, str] = {}
    for concept_id, shown in prepared.items():
        lessons = shown.prototypes.reason or shown.split.reason or _lessons(pool, shown, settings.seed)
        if isinstance(lessons, str):
            reasons[concept_id] = lessons
            continue
        tasks[concept_id] = TeachingTask(
            teacher=context.input("agent"),
            students=context.student_paths,
            lessons=lessons,
            seeds=tuple(settings.seed + seed for seed in settings.seeds),
            device=settings.device,
        )
    context.say(f"teaching {len(tasks)} concepts, {len(settings.seeds)} seeds and two students each")
    results = dict(zip(tasks, context.workers.map(teach_from_files, list(tasks.values())), strict=True))
    context.folder.write_table(
        "teachability",
        [
            {
                "concept_id": concept_id,
                "seed": seed,
                "trained_on": trained,
                "evaluated_on": evaluated,
                "epoch": epoch,
                "top1": top1,
            }
            for concept_id, result in results.items()
            for seed, trained, evaluated, epoch, top1 in result.rows()
        ],
        schemas.TEACHABILITY,
    )
    context.folder.write_table("prototypes", _prototype_rows(context, pool, prepared), schemas.PROTOTYPES)
    context.folder.write_table(
        "scratch/taught",
        [
            _taught_row(concept_id, shown.prototypes, results.get(concept_id), reasons.get(concept_id))
            for concept_id, shown in prepared.items()
        ],
        TAUGHT,
    )
    gained = sum(result.teachable for result in results.values())
    return StageResult({"examined": len(chosen), "taught": len(tasks), "teachable_alone": gained})


def _load_pool(context: RunContext) -> _Pool:
    pairs = load_pairs(context)
    records = {row["position_id"]: row for row in context.folder.read_table("positions", schemas.POSITIONS)}
    boards = [board_of(records[i]["fen"], records[i]["moves"], check=False) for i in pairs.positions]
    return _Pool(
        pairs=pairs,
        games=_numbered([records[i]["game_id"] for i in pairs.positions]),
        keys=_numbered([transposition_key(board) for board in boards]),
        packed=pack_positions(boards, input_format=context.agent.input_format, history_fill=context.agent.history_fill),
    )


def _numbered(names: list[str]) -> NDArray[np.int64]:
    return np.unique(np.array(names), return_inverse=True)[1].astype(np.int64)


def _show(
    context: RunContext, pool: _Pool, store: ActivationStore, candidate: dict[str, Any], vector: NDArray[np.float64]
) -> _Shown:
    rows = np.flatnonzero(pool.pairs.of(candidate["horizon"], candidate["players"]))
    rows_here = differences(store, candidate["layer"], pool.pairs, rows)
    margins = position_margins(
        vector[None], rows_here, pool.pairs.position[rows], len(pool.games), norms=row_norms(rows_here)
    )[0]
    place = {position_id: number for number, position_id in enumerate(pool.pairs.positions)}
    mined_from = pool.games[[place[i] for i in candidate["roots"].split()]]
    prototypes = dynamic_prototypes(
        margins,
        pool.games,
        keys=pool.keys,
        excluded_games=mined_from,
        top_fraction=context.settings.prototype_share,
    )
    return _Shown(
        prototypes=prototypes,
        split=split_by_game(prototypes.positions, pool.games, seed=context.settings.seed),
        barred=~(margins <= 0),
        own_games=np.isin(pool.games, mined_from),
    )


def _lessons(pool: _Pool, shown: _Shown, seed: int) -> Lessons | str:
    """Prototypes, and random positions that pass none of the concept's tests; or why there are too few of those."""
    exam = np.isin(pool.keys, pool.keys[shown.split.test])
    others = random_positions(shown.split, pool.games, shown.barred | shown.own_games | exam, seed=seed)
    if others.reason is not None:
        return others.reason
    return Lessons(
        concept_train=pool.packed.take(shown.split.train),
        concept_test=pool.packed.take(shown.split.test),
        random_train=pool.packed.take(others.train),
        random_test=pool.packed.take(others.test),
        test_games=pool.games[shown.split.test],
    )


def _prototype_rows(context: RunContext, pool: _Pool, prepared: Mapping[str, _Shown]) -> list[dict[str, Any]]:
    records = {row["position_id"]: row for row in context.folder.read_table("positions", schemas.POSITIONS)}
    best = json.loads(context.scratch("best_lines.json").read_text(encoding="utf-8"))
    rows = []
    for concept_id, shown in prepared.items():
        tested = set(shown.split.test.tolist())
        found = shown.prototypes
        for place, score in zip(found.positions.tolist(), found.scores.tolist(), strict=True):
            position_id = pool.pairs.positions[place]
            rows.append(
                {
                    "concept_id": concept_id,
                    "position_id": position_id,
                    "fen": records[position_id]["fen"],
                    "moves": records[position_id]["moves"],
                    "split": "test" if place in tested else "train",
                    "score": score,
                    "best_move": records[position_id]["agent_move"],
                    "line": best[position_id],
                }
            )
    return rows


def _taught_row(
    concept_id: str, prototypes: Prototypes, result: TeachingResult | None, reason: str | None
) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(TAUGHT.names)
    row |= {
        "concept_id": concept_id,
        "prototypes": len(prototypes.positions),
        "satisfying": prototypes.satisfying,
        "reason": reason,
    }
    if result is not None:
        row |= {
            "teach_gain": result.gain.mean,
            "teach_ci_low": result.gain.low,
            "teach_ci_high": result.gain.high,
            "teach_concept_concept": result.top1("concept", "concept"),
            "teach_random_concept": result.top1("random", "concept"),
            "teach_concept_random": result.top1("concept", "random"),
            "teach_random_random": result.top1("random", "random"),
            "student": result.student,
            "student_agreement": result.choice.agreement,
            "student_rule_met": result.choice.rule_met,
        }
    return row


__all__ = ["TAUGHT", "teach_candidates"]
