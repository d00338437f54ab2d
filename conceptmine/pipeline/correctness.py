"""Stage "correctness": are the moves in a taught concept's positions right? "Novel" must not mean "wrong"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import chess
import pyarrow as pa

from conceptmine.evidence.correctness import (
    Verdict,
    judged_by_oracle,
    judged_by_search,
    judged_by_tablebases,
    most_authoritative,
    wilson_interval,
)
from conceptmine.pipeline.candidates import CANDIDATES
from conceptmine.pipeline.context import RunContext, StageResult, chunks
from conceptmine.pipeline.teaching import TAUGHT
from conceptmine.pipeline.workers import agent_at
from conceptmine.positions import board_of, stable_rank
from conceptmine.runfolder import schemas

JUDGED: Final = pa.schema(
    [
        ("concept_id", pa.string()),
        ("move_correct", pa.float64()),
        ("move_correct_low", pa.float64()),
        ("move_correct_high", pa.float64()),
        ("move_correct_control", pa.float64()),
        ("correctness_positions", pa.int32()),
        ("correctness_judges", pa.string()),
    ]
)

_BOARDS_A_TASK: Final = 8
_CONTROL_POSITIONS: Final = 24


@dataclass(frozen=True)
class _Judged:
    """A position whose move is to be judged."""

    position_id: str
    fen: str | None
    moves: str
    move: str


@dataclass(frozen=True)
class _JudgeTask:
    agent: str
    device: str
    simulations: int
    seed: int
    oracle: str | None
    oracle_nodes: int
    tablebases: str | None
    positions: tuple[_Judged, ...]


def judge_moves(context: RunContext) -> StageResult:
    """Judge the agent's move in positions of every taught concept: the roots it was mined from and its prototypes.

    Of more than ``judged_positions`` a concept those are judged that come first in an order of chance which is the same
    for all concepts, whatever their scores, so that the share stands for all of them. As many positions of no taught
    concept, chosen likewise, say how often the agent's moves are right anyway.
    """
    settings = context.settings
    records = {row["position_id"]: row for row in context.folder.read_table("positions", schemas.POSITIONS)}
    chosen = _chosen(context, records)
    positions = {
        position_id: _Judged(
            position_id, records[position_id]["fen"], records[position_id]["moves"], records[position_id]["agent_move"]
        )
        for members in chosen.values()
        for position_id in members
    }
    ordered = sorted(positions)
    tasks = [
        _JudgeTask(
            agent=context.input("agent"),
            device=settings.device,
            simulations=settings.judged_factor * settings.simulations,
            seed=settings.seed,
            oracle=settings.oracle,
            oracle_nodes=settings.oracle_nodes,
            tablebases=settings.tablebases,
            positions=tuple(positions[ordered[i]] for i in part),
        )
        for part in chunks(_BOARDS_A_TASK, len(ordered))
    ]
    context.say(f"judging the agent's moves in {len(ordered)} positions")
    verdicts: dict[str, list[Verdict]] = {}
    for task, answers in zip(tasks, context.workers.map(_judge, tasks), strict=True):
        verdicts |= dict(zip((position.position_id for position in task.positions), answers, strict=True))
    context.folder.write_table("correctness", _verdict_rows(chosen, positions, verdicts), schemas.CORRECTNESS)
    right = {position_id: most_authoritative(found).right for position_id, found in verdicts.items()}
    summaries = _summaries(chosen, verdicts, right)
    context.folder.write_table("scratch/judged", summaries, JUDGED)
    counts = {"judged": len(verdicts), "right": sum(right.values())}
    for judge in ("oracle", "tablebases"):
        found = sum(verdict.judge == judge for answers in verdicts.values() for verdict in answers)
        if found:
            counts[judge] = found
    return StageResult(counts)


def _chosen(context: RunContext, records: Mapping[str, dict[str, Any]]) -> dict[str | None, dict[str, str]]:
    """By concept (None: of no taught concept), the positions to judge and their roles."""
    settings = context.settings
    taught = {row["concept_id"] for row in context.folder.read_table("scratch/taught", TAUGHT)}
    members: dict[str | None, dict[str, str]] = {}
    for row in context.folder.read_table("scratch/concepts", CANDIDATES):
        if row["concept_id"] in taught:
            members[row["concept_id"]] = dict.fromkeys(row["roots"].split(), "root")
    for row in context.folder.read_table("prototypes", schemas.PROTOTYPES):
        members[row["concept_id"]].setdefault(row["position_id"], "prototype")
    of_concepts = {position_id for found in members.values() for position_id in found}
    members[None] = {
        position_id: "control"
        for position_id, row in records.items()
        if position_id not in of_concepts and row["agent_move"]
    }

    def first(found: Mapping[str, str], most: int) -> dict[str, str]:
        ranked = sorted(found, key=lambda position_id: stable_rank(settings.seed, "judged", position_id))
        return {position_id: found[position_id] for position_id in ranked[:most]}

    return {
        concept_id: first(found, _CONTROL_POSITIONS if concept_id is None else settings.judged_positions)
        for concept_id, found in members.items()
    }


def _judge(task: _JudgeTask) -> list[list[Verdict]]:
    """The verdicts of all judges on each position."""
    boards = [board_of(position.fen, position.moves, check=False) for position in task.positions]
    moves = [chess.Move.from_uci(position.move) for position in task.positions]
    agent = agent_at(task.agent, task.device)
    by_judge: list[Sequence[Verdict | None]] = [
        judged_by_search(agent, boards, moves, simulations=task.simulations, seed=task.seed)
    ]
    if task.oracle is not None:
        by_judge.append(judged_by_oracle(task.oracle, boards, moves, nodes=task.oracle_nodes))
    if task.tablebases is not None:
        by_judge.append(judged_by_tablebases(Path(task.tablebases), boards, moves))
    return [[verdict for verdict in found if verdict is not None] for found in zip(*by_judge, strict=True)]


def _verdict_rows(
    chosen: Mapping[str | None, Mapping[str, str]],
    positions: Mapping[str, _Judged],
    verdicts: Mapping[str, Sequence[Verdict]],
) -> list[dict[str, Any]]:
    return [
        {
            "concept_id": concept_id,
            "position_id": position_id,
            "role": role,
            "move": positions[position_id].move,
            "judge": verdict.judge,
            "judge_move": verdict.best.uci(),
            "agrees": verdict.agrees,
            "loss": verdict.loss,
            "unit": verdict.unit,
            "right": verdict.right,
            "counts": verdict is most_authoritative(verdicts[position_id]),
        }
        for concept_id, members in chosen.items()
        for position_id, role in members.items()
        for verdict in verdicts[position_id]
    ]


def _summaries(
    chosen: Mapping[str | None, Mapping[str, str]],
    verdicts: Mapping[str, Sequence[Verdict]],
    right: Mapping[str, bool],
) -> list[dict[str, Any]]:
    controls = [right[position_id] for position_id in chosen[None]]
    rows = []
    for concept_id, members in chosen.items():
        if concept_id is None:
            continue
        correct = sum(right[position_id] for position_id in members)
        low, high = wilson_interval(correct, len(members))
        judges = {most_authoritative(verdicts[position_id]).judge for position_id in members}
        rows.append(
            {
                "concept_id": concept_id,
                "move_correct": correct / len(members),
                "move_correct_low": low,
                "move_correct_high": high,
                "move_correct_control": sum(controls) / len(controls) if controls else None,
                "correctness_positions": len(members),
                "correctness_judges": " ".join(sorted(judges)),
            }
        )
    return rows


__all__ = ["JUDGED", "judge_moves"]
