"""The ranking stage joins what the filters measured, and counts the funnel from the verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from conceptmine.pipeline import MiningSettings
from conceptmine.pipeline.candidates import CANDIDATES
from conceptmine.pipeline.context import RunContext
from conceptmine.pipeline.judging import EVIDENCE
from conceptmine.pipeline.originality import NOVEL
from conceptmine.pipeline.publishing import CONCEPTS, rank_candidates
from conceptmine.pipeline.teaching import TAUGHT
from conceptmine.pipeline.workers import Workers
from conceptmine.runfolder import RunFolder, schemas

SUPPORTED, NOT_SUPPORTED, UNTESTED = {"null_p": 0.001, "q_value": 0.01}, {"null_p": 0.5, "q_value": 0.9}, None
TEACHABLE, NOT_TEACHABLE, UNTAUGHT = {"teach_ci_low": 0.1}, {"teach_ci_low": -0.1}, None
NOVEL_, NOT_NOVEL = {"novelty_min": 0.2, "novelty_null_p": 0.01}, {"novelty_min": -0.2, "novelty_null_p": 0.01}
# Every concept with what the three filters measured, and how many of them it passes in turn.
CONCEPTS_AND_PASSED: dict[str, tuple[tuple[Any, Any, Any], int]] = {
    "c1": ((NOT_SUPPORTED, TEACHABLE, NOVEL_), 0),
    "c2": ((SUPPORTED, NOT_TEACHABLE, NOVEL_), 1),
    "c3": ((SUPPORTED, TEACHABLE, NOT_NOVEL), 2),
    "c4": ((SUPPORTED, TEACHABLE, NOVEL_), 3),
    "c5": ((SUPPORTED, UNTAUGHT, NOVEL_), 1),
    "c6": ((UNTESTED, UNTAUGHT, NOVEL_), 0),
    "c7": ((SUPPORTED, TEACHABLE, NOVEL_), 3),
}


@pytest.fixture
def context(tiny_settings: MiningSettings, tiny_networks: Mapping[str, Path], tmp_path: Path) -> Iterator[RunContext]:
    folder = RunFolder.create(
        tmp_path / "run",
        arguments=tiny_settings.as_arguments(),
        seed=0,
        inputs={"agent": tiny_networks["agent"]},
        stages=["ranking"],
    )
    folder.scratch.mkdir(exist_ok=True)
    tables: dict[str, list[dict[str, Any]]] = {"concepts": [], "evidence": [], "taught": [], "novel": []}
    for concept_id, (measured, _) in CONCEPTS_AND_PASSED.items():
        tables["concepts"].append(
            dict.fromkeys(CANDIDATES.names)
            | {
                "concept_id": concept_id,
                "layer": "block1",
                "kind": "active",
                "players": "one",
                "horizon": 5,
                "roots": "a b c" if concept_id == "c4" else "a",
                "l1": 2.0,
                "gap": 0.0,
                "n_rows": 2,
                "active_rows": 2,
                "nonzeros": 2,
            }
        )
        schemas_of = (("evidence", EVIDENCE), ("taught", TAUGHT), ("novel", NOVEL))
        for (name, schema), values in zip(schemas_of, measured, strict=True):
            if values is not None:
                tables[name].append(dict.fromkeys(schema.names) | {"concept_id": concept_id} | values)
    tables["taught"][0]["reason"] = "only 3 of 9 pool positions are prototypes"
    for name, schema in (("concepts", CANDIDATES), ("evidence", EVIDENCE), ("taught", TAUGHT), ("novel", NOVEL)):
        folder.write_table(f"scratch/{name}", tables[name], schema)
    with folder:
        yield RunContext(folder, tiny_settings, Workers(1), lambda text: None)


def test_the_funnel_counts_what_passed_every_filter_so_far(context: RunContext) -> None:
    result = rank_candidates(context)
    passed = [number for _, number in CONCEPTS_AND_PASSED.values()]
    assert result.funnel == {
        "candidates": 7,
        "supported": sum(number >= 1 for number in passed),
        "teachable": sum(number >= 2 for number in passed),
        "novel": sum(number >= 3 for number in passed),
    }


def test_the_table_keeps_each_filters_own_verdict(context: RunContext) -> None:
    rank_candidates(context)
    rows = {row["concept_id"]: row for row in context.folder.read_table("concepts", CONCEPTS)}
    assert list(rows) == list(CONCEPTS_AND_PASSED)
    verdicts = {name: (row["supported"], row["teachable"], row["novel"]) for name, row in rows.items()}
    assert verdicts["c1"] == (False, True, True)
    assert verdicts["c5"] == (True, None, True)
    assert verdicts["c6"] == (None, None, True)
    assert rows["c4"]["root_games"] == 3
    assert rows["c4"]["root_position_ids"] == "a b c"
    assert rows["c1"]["not_taught_because"] == "only 3 of 9 pool positions are prototypes"


def test_who_got_further_stands_first(context: RunContext) -> None:
    rank_candidates(context)
    rows = sorted(context.folder.read_table("concepts", CONCEPTS), key=lambda row: row["rank"])
    assert [row["rank"] for row in rows] == list(range(1, 8))
    passed = [CONCEPTS_AND_PASSED[row["concept_id"]][1] for row in rows]
    assert passed == sorted(passed, reverse=True)


def test_the_columns_of_the_contract_come_first() -> None:
    leading = [CONCEPTS.field(number) for number in range(len(schemas.CONCEPTS.names))]
    assert leading == list(schemas.CONCEPTS)
