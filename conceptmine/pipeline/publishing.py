"""Stages "ranking", "puzzles" and "report": what a run hands to people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import chess
import pyarrow as pa

from conceptmine.pipeline.candidates import CANDIDATES
from conceptmine.pipeline.context import RunContext, StageResult, chunks
from conceptmine.pipeline.judging import EVIDENCE
from conceptmine.pipeline.originality import NOVEL
from conceptmine.pipeline.settings import SUPPORT_LEVEL
from conceptmine.pipeline.teaching import TAUGHT
from conceptmine.pipeline.workers import agent_at
from conceptmine.puzzles import read_prototypes, select_puzzles, write_puzzles
from conceptmine.ranking import concept_score, filters_passed, rank_concepts
from conceptmine.report import build_report
from conceptmine.runfolder import schemas
from engines.search import search

_VERIFY_FACTOR = 4  # a puzzle's move must still be best with four times the simulations
_BOARDS_A_TASK = 4  # puzzles are proposed a few at a time

CONCEPTS = pa.schema(
    [
        *schemas.CONCEPTS,
        pa.field("score", pa.float64()),
        pa.field("heldout_null_low", pa.float64()),
        pa.field("heldout_null_high", pa.float64()),
        pa.field("heldout_all_plies", pa.float64()),
        pa.field("heldout_roots", pa.int32()),
        pa.field("value_baseline", pa.float64()),
        pa.field("n_rows", pa.int32()),
        pa.field("active_rows", pa.int32()),
        pa.field("nonzeros", pa.int32()),
        pa.field("root_position_ids", pa.string()),
        *schemas.FAMILIES,
        *[
            pa.field(name, TAUGHT.field(name).type)
            for name in TAUGHT.names
            if name not in {"concept_id", "reason"} and name not in schemas.CONCEPTS.names
        ],
        pa.field("not_taught_because", pa.string()),
        pa.field("human_likelihood_control", pa.float64()),
    ]
)


def rank_candidates(context: RunContext) -> StageResult:
    """Join what the filters measured into ``concepts.parquet`` (in the order of the vectors) and settle the funnel."""
    by_id = {}
    for name, schema in (("evidence", EVIDENCE), ("taught", TAUGHT), ("novel", NOVEL)):
        by_id[name] = {row["concept_id"]: row for row in context.folder.read_table(f"scratch/{name}", schema)}
    rows: list[dict[str, Any]] = []
    for candidate in context.folder.read_table("scratch/concepts", CANDIDATES):
        row: dict[str, Any] = dict.fromkeys(CONCEPTS.names)
        row |= {name: candidate[name] for name in candidate if name in row}
        roots = candidate["roots"]
        row |= {"root_position_ids": roots, "root_games": len(roots.split())}
        for name in ("evidence", "taught", "novel"):
            measured = by_id[name].get(candidate["concept_id"], {})
            row |= {key: value for key, value in measured.items() if key in row}
            if name == "taught":
                row["not_taught_because"] = measured.get("reason")
        rows.append(row)
    filters = [filters_passed(row, support_level=SUPPORT_LEVEL) for row in rows]
    for row, verdicts, rank in zip(rows, filters, rank_concepts(rows, filters), strict=True):
        row |= {
            "supported": verdicts.supported,
            "teachable": verdicts.teachable,
            "novel": verdicts.novel,
            "rank": rank,
            "score": concept_score(row),
        }
    context.folder.write_table("concepts", rows, CONCEPTS)
    passed = [verdicts.passed for verdicts in filters]
    funnel = {
        "candidates": len(rows),
        "supported": sum(number >= 1 for number in passed),
        "teachable": sum(number >= 2 for number in passed),
        "novel": sum(number >= 3 for number in passed),
    }
    return StageResult(funnel, funnel)


@dataclass(frozen=True)
class _VerifyTask:
    agent: str
    device: str
    simulations: int
    seed: int
    boards: tuple[chess.Board, ...]


def make_puzzles(context: RunContext) -> StageResult:
    """Write ``puzzles.csv``: positions of the taught concepts whose move a four times larger search still prefers."""
    concepts, prototypes = read_prototypes(context.folder.path)
    shown = {prototype.concept_id for prototype in prototypes}
    wanted = [concept for concept in concepts if concept.concept_id in shown]
    searched = 0

    def verify(boards: Sequence[chess.Board], moves: Sequence[chess.Move]) -> list[bool]:
        nonlocal searched
        searched += len(boards)
        tasks = [
            _VerifyTask(
                agent=context.input("agent"),
                device=context.settings.device,
                simulations=_VERIFY_FACTOR * context.settings.simulations,
                seed=context.settings.seed,
                boards=tuple(boards[i] for i in part),
            )
            for part in chunks(_BOARDS_A_TASK, len(boards))
        ]
        best = [move for batch in context.workers.map(_best_moves, tasks) for move in batch]
        return [a == b for a, b in zip(best, moves, strict=True)]

    context.say("choosing puzzles and searching them four times as deep")
    puzzles = select_puzzles(wanted, prototypes, verify)
    write_puzzles(puzzles, context.folder.path / "puzzles.csv")
    return StageResult({"puzzles": len(puzzles), "verified": searched})


def _best_moves(task: _VerifyTask) -> list[chess.Move]:
    agent = agent_at(task.agent, task.device)
    return [tree.best_move for tree in search(agent, list(task.boards), simulations=task.simulations, seed=task.seed)]


def write_report(context: RunContext) -> StageResult:
    """Write ``report.html``."""
    path = build_report(context.folder.path)
    return StageResult({"bytes": path.stat().st_size})


__all__ = ["CONCEPTS", "make_puzzles", "rank_candidates", "write_report"]
