"""The funnel of a run beside its null: counted by form, and only for a run and its own null."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from conceptmine.runfolder import RunFolder, schemas, write_rows
from engines.networks import load_agent
from experiments import funnels

CONCEPTS = pa.schema(
    [
        *[(name, pa.string()) for name in ("concept_id", "form")],
        *[(name, pa.float64()) for name in ("q_value", "heldout_satisfaction", "move_correct")],
        *[(name, pa.bool_()) for name in ("supported", "beyond_value", "teachable", "novel")],
    ]
)
EVIDENCE = pa.schema([("concept_id", pa.string()), ("test", pa.string()), ("p", pa.float64())])


def concept(name: str, form: str, q: float, satisfaction: float, *, supported: bool) -> dict[str, Any]:
    return {
        "concept_id": name, "form": form, "q_value": q, "heldout_satisfaction": satisfaction, "move_correct": None,
        "supported": supported, "beyond_value": False, "teachable": None, "novel": None,
    }  # fmt: skip


def run_folder(folder: Path, *, null: bool, seed: int = 0, finished: bool = True) -> Path:
    agent = load_agent("ladder-final")
    assert agent.path is not None
    arguments = {
        "agent": "ladder-final", "weaker": "ladder-weaker", "roots": 8, "simulations": 16, "seed": seed,
        "layers": ["block4"], "null": null, "human": None, "oracle": None, "tablebases": None,
    }  # fmt: skip
    with RunFolder.create(folder, arguments=arguments, seed=seed, inputs={"agent": agent.path}, stages=["all"]) as run:
        if finished:
            run.complete("all", {}, 2.0, funnel={})
    concepts = [
        concept("c1", "root", 0.04, 0.7, supported=not null),
        concept("c2", "root", 0.5, 0.5, supported=False),
        concept("c3", "family", 0.9, 0.4, supported=False),
    ]
    write_rows(folder / "concepts.parquet", concepts, CONCEPTS)
    tests = [("c1", "at large", 0.01), ("c1", "where active", 0.2), ("c2", "at large", 0.3), ("c3", "at large", None)]
    write_rows(folder / "evidence.parquet", [dict(zip(EVIDENCE.names, row, strict=True)) for row in tests], EVIDENCE)
    controls = [
        {"name": "value head", "layer": "", "heldout_satisfaction": 0.6, "heldout_null": 0.5, "p": 0.01},
        {"name": "ply read-out", "layer": "block4", "heldout_satisfaction": 0.5, "heldout_null": 0.5, "p": 0.5},
    ]
    write_rows(folder / "controls.parquet", controls, schemas.CONTROLS)
    return folder


def test_filters_are_counted_by_form(tmp_path: Path) -> None:
    found = funnels.funnel_of(run_folder(tmp_path / "run", null=False))
    roots, families = found["forms"]["root"], found["forms"]["family"]
    assert (roots["candidates"], roots["supported"], roots["smallest_q"]) == (2, 1, 0.04)
    assert roots["median_satisfaction"] == pytest.approx(0.6)
    assert roots["share_of_p_at_level"]["at large"] == {"tests": 2, "share": 0.5}
    assert (families["candidates"], families["supported"], families["share_of_p_at_level"]) == (1, 0, {})
    assert list(found["yardsticks"]) == ["value head"]


def test_a_run_and_its_null_stand_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, null = run_folder(tmp_path / "run", null=False), run_folder(tmp_path / "null", null=True)
    monkeypatch.setattr(sys, "argv", ["funnels", str(run), str(null), "--out", str(tmp_path / "out")])
    funnels.main()
    stored = json.loads((tmp_path / "out" / "main_run.json").read_text())
    assert stored["run"]["forms"]["root"]["supported"] == 1
    assert stored["null"]["forms"]["root"]["supported"] == 0
    assert "| supported | 1 | 0 | 0 | 0 |" in (tmp_path / "out" / "main_run.md").read_text()


@pytest.mark.parametrize(
    "other", [{"null": False}, {"null": True, "seed": 1}], ids=["both as they are", "another seed"]
)
def test_other_pairs_of_runs_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: dict[str, Any]
) -> None:
    run, second = run_folder(tmp_path / "run", null=False), run_folder(tmp_path / "other", **other)
    monkeypatch.setattr(sys, "argv", ["funnels", str(run), str(second), "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="no run and its null"):
        funnels.main()
    assert not (tmp_path / "out").exists()


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(funnels.InputError, match="not finished"):
        funnels.funnel_of(run_folder(tmp_path / "run", null=False, finished=False))
