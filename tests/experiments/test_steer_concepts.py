"""The experiment goes through all its parts on a small made-up run, and refuses what is no run to steer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from conceptmine.runfolder import RunFolder, schemas, write_arrays, write_rows
from engines.networks import load_agent
from experiments import steer_concepts

LINES = {
    "a": ("", "e2e4 e7e5 g1f3 b8c6 f1b5", "d2d4 d7d5 g1f3 g8f6 c2c4"),
    "b": ("d2d4 d7d5", "c2c4 e7e6 b1c3 g8f6 c1g5", "g1f3 g8f6 c2c4 e7e6 b1c3"),
    "c": ("e2e4 c7c5", "g1f3 d7d6 d2d4 c5d4 f3d4", "b1c3 b8c6 g2g3 g7g6 f1g2"),
}
CONCEPTS = pa.schema(
    [
        *[(name, pa.string()) for name in ("concept_id", "layer", "kind", "players")],
        ("horizon", pa.int32()),
        *[(name, pa.float64()) for name in ("null_p", "q_value", "heldout_satisfaction")],
        ("prototypes", pa.int32()),
    ]
)


def run_folder(folder: Path, *, null: bool = False, taught: bool = True) -> Path:
    agent = load_agent("ladder-final")
    assert agent.path is not None
    with RunFolder.create(folder, arguments={"null": null}, seed=0, inputs={"agent": agent.path}, stages=["search"]):
        pass
    positions = [
        {
            "position_id": name, "game_id": f"g{name}", "ply": len(moves.split()), "fen": None, "moves": moves,
            "role": "root", "split": "mine" if name == "c" else "test",
            "agent_move": best.split()[0], "weaker_move": subpar.split()[0],
        }
        for name, (moves, best, subpar) in LINES.items()
    ]  # fmt: skip
    lines = [
        {
            "position_id": name, "horizon": 5, "branch_ply": 0, "best_line": best, "subpar_line": subpar,
            "best_q": 0.3, "subpar_q": 0.0,
        }
        for name, (_, best, subpar) in LINES.items()
    ]  # fmt: skip
    concepts = [
        {
            "concept_id": name, "layer": "block4", "kind": kind, "players": "two", "horizon": 5, "null_p": p,
            "q_value": 0.5, "heldout_satisfaction": 0.5, "prototypes": 9 if taught else None,
        }
        for name, kind, p in (("c1", "active", 0.5), ("c2", "prophylactic", 0.01), ("c3", "active", 0.9))
    ]  # fmt: skip
    write_rows(folder / "positions.parquet", positions, schemas.POSITIONS)
    write_rows(folder / "lines.parquet", lines, schemas.LINES)
    write_rows(folder / "concepts.parquet", concepts, CONCEPTS)
    write_arrays(folder / "vectors.safetensors", {"block4": np.random.default_rng(0).normal(size=(3, 2048))})
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["steer_concepts", *map(str, words)])
    steer_concepts.main()


def test_every_part_is_measured_and_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steer_concepts, "MATCH_SIMULATIONS", 1)
    suite = tmp_path / "pawns.epd"
    suite.write_text('4k3/8/8/8/8/8/4P3/4K3 w - - bm e4; id "Pawn.001";\n')
    out = tmp_path / "results"
    run(
        monkeypatch, run_folder(tmp_path / "run"), "--out", out, "--concepts", 2, "--draws", 2, "--alphas", "0.2,0.4",
        "--betas", "0.01,0.1", "--search", 8, "--suite", suite, "--match", 2,
    )  # fmt: skip
    results: dict[str, Any] = json.loads((out / "steer_concepts.json").read_text(encoding="utf-8"))
    # Best evidence first, and no more than asked for.
    assert [row["concept_id"] for row in results["concepts"]] == ["c2", "c1"]
    assert [(part["beta"], part["simulations"]) for part in results["doses"]] == [(0.01, None), (0.1, None), (0.1, 8)]
    for part in results["doses"]:
        names = {row["concept_id"] for row in part["controls"]}
        assert {"c1", "c2"} <= names and ("ascent at block4 (2 choices)" in names) == (part["simulations"] is None)
        assert {row["where"] for row in part["controls"]} == {"roots", "applies"}
    assert [(row["concept_id"], row["alpha"]) for row in results["suite"]] == [
        ("c2", 0.2), ("c2", 0.4), ("c1", 0.2), ("c1", 0.4),
    ]  # fmt: skip
    assert [(row["arm"], row["games"]) for row in results["match"]] == [("c2", 2), ("shuffled c2 0", 2)] * 2
    text = (out / "steer_concepts.md").read_text(encoding="utf-8")
    assert "--draws 2" in text and str(tmp_path) not in text
    assert (out / "steer_concepts.png").stat().st_size > 1000


def test_what_cannot_be_steered_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, message in (
        (tmp_path, "is not a run folder"),
        (run_folder(tmp_path / "null", null=True), "run with --null"),
        (run_folder(tmp_path / "untaught", taught=False), "no taught concept"),
    ):
        with pytest.raises(SystemExit) as ended:
            run(monkeypatch, folder)
        assert ended.value.code == 2 and message in capsys.readouterr().err
