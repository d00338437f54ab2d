"""The correctness stage with judges beside the network itself: who counts, and what the manifest keeps of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import chess
import pytest

from conceptmine.evidence.correctness import Verdict
from conceptmine.pipeline import MiningSettings, correctness
from conceptmine.pipeline.candidates import CANDIDATES
from conceptmine.pipeline.context import RunContext
from conceptmine.pipeline.correctness import JUDGED, judge_moves
from conceptmine.pipeline.teaching import TAUGHT
from conceptmine.pipeline.workers import Workers
from conceptmine.runfolder import RunFolder, schemas

MOVES = ["e2e4", "e7e5", "g1f3", "b8c6", "f1b5", "a7a6", "b5a4", "g8f6"]
CANDIDATE = {
    "layer": "block1", "kind": "active", "players": "one", "horizon": 5, "l1": 1.0, "gap": 0.0,
    "n_rows": 1, "active_rows": 1, "nonzeros": 1,
}  # fmt: skip


def row(number: int) -> dict[str, Any]:
    return {
        "position_id": f"p{number}", "game_id": f"g{number}", "ply": number, "fen": None,
        "moves": " ".join(MOVES[:number]), "role": "root" if number < 2 else "pool", "split": "mine",
        "agent_move": MOVES[number], "weaker_move": None,
    }  # fmt: skip


@pytest.fixture
def context(tiny_settings: MiningSettings, tiny_networks: Mapping[str, Path], tmp_path: Path) -> Iterator[RunContext]:
    """A run in which c1 was taught, from root p0, with prototypes p2 and p3; the rest is of no concept."""
    settings = replace(tiny_settings, simulations=16, oracle="engine", tablebases="tables")
    folder = RunFolder.create(
        tmp_path / "run",
        arguments=settings.as_arguments(),
        seed=0,
        inputs={"agent": tiny_networks["agent"]},
        stages=["correctness"],
    )
    folder.scratch.mkdir(exist_ok=True)
    folder.write_table("positions", [row(number) for number in range(8)], schemas.POSITIONS)
    blank = dict.fromkeys(CANDIDATES.names) | CANDIDATE
    candidates = [blank | {"concept_id": name, "roots": root} for name, root in (("c1", "p0"), ("c2", "p1"))]
    folder.write_table("scratch/concepts", candidates, CANDIDATES)
    folder.write_table("scratch/taught", [dict.fromkeys(TAUGHT.names) | {"concept_id": "c1"}], TAUGHT)
    prototypes = [
        {
            "concept_id": "c1", "position_id": f"p{number}", "fen": None, "moves": " ".join(MOVES[:number]),
            "split": "train", "score": 0.5, "best_move": MOVES[number], "line": MOVES[number],
        }
        for number in (2, 3)
    ]  # fmt: skip
    folder.write_table("prototypes", prototypes, schemas.PROTOTYPES)
    with folder:
        yield RunContext(folder, settings, Workers(1), lambda text: None)


def test_tablebases_count_before_the_oracle_and_the_oracle_before_the_search(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def by_oracle(program: str, boards: Any, moves: Any, *, nodes: int) -> list[Verdict]:
        asked["oracle"] = (program, nodes)
        return [
            Verdict("oracle", move, True, 0.0, "expected points", len(board.move_stack) % 2 == 0)
            for board, move in zip(boards, moves, strict=True)
        ]

    def by_tablebases(folder: Path, boards: Any, moves: Any) -> list[Verdict | None]:
        asked["tablebases"] = folder
        known = [len(board.move_stack) == 3 for board in boards]
        return [
            Verdict("tablebases", move, True, 0.0, "result classes", True) if here else None
            for move, here in zip(moves, known, strict=True)
        ]

    monkeypatch.setattr(correctness, "judged_by_oracle", by_oracle)
    monkeypatch.setattr(correctness, "judged_by_tablebases", by_tablebases)
    result = judge_moves(context)
    assert asked == {"oracle": ("engine", context.settings.oracle_nodes), "tablebases": Path("tables")}
    # p0, p2 by the oracle, p3 by the tablebases; p1, p4, p5, p6, p7 are the controls, of which p4 and p6 are right.
    assert result.counts == {"judged": 8, "right": 5, "oracle": 8, "tablebases": 1}
    (judged,) = context.folder.read_table("scratch/judged", JUDGED)
    assert judged["concept_id"] == "c1"
    assert (judged["move_correct"], judged["correctness_positions"]) == (1.0, 3)
    assert judged["move_correct_low"] == pytest.approx(0.4385, abs=1e-3) and judged["move_correct_high"] == 1
    assert judged["move_correct_control"] == pytest.approx(2 / 5)
    assert judged["correctness_judges"] == "oracle tablebases"
    rows = context.folder.read_table("correctness", schemas.CORRECTNESS)
    counting = {(r["concept_id"], r["position_id"]): r["judge"] for r in rows if r["counts"]}
    assert counting == {
        ("c1", "p0"): "oracle", ("c1", "p2"): "oracle", ("c1", "p3"): "tablebases",
        **{(None, f"p{number}"): "oracle" for number in (1, 4, 5, 6, 7)},
    }  # fmt: skip
    roles = {r["position_id"]: r["role"] for r in rows}
    assert (roles["p0"], roles["p3"], roles["p1"]) == ("root", "prototype", "control")
    searched = [r for r in rows if r["judge"] == "search"]
    assert len(searched) == 8 and all(chess.Move.from_uci(r["judge_move"]) for r in searched)


def test_at_most_so_many_positions_are_judged_and_not_those_with_the_best_scores(context: RunContext) -> None:
    few = replace(context.settings, judged_positions=2, oracle=None, tablebases=None)
    judge_moves(RunContext(context.folder, few, context.workers, context.say))
    rows = context.folder.read_table("correctness", schemas.CORRECTNESS)
    assert len([r for r in rows if r["concept_id"] == "c1"]) == 2
    chosen = set()
    for seed in range(12):
        other = replace(few, seed=seed, judged_positions=1)
        judge_moves(RunContext(context.folder, other, context.workers, context.say))
        rows = context.folder.read_table("correctness", schemas.CORRECTNESS)
        chosen |= {r["position_id"] for r in rows if r["concept_id"] == "c1"}
    assert chosen == {"p0", "p2", "p3"}
