"""The section on steering and right moves: shown for what was measured, left out where nothing was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conceptmine.report import build_report, steered
from conceptmine.report.data import read_run
from conceptmine.runfolder import schemas, write_rows

ALPHAS = (0.0, 0.1, 0.2)


def curve(concept_id: str, arm: str, slope: float, *, draws: int, half: float | None) -> list[dict[str, Any]]:
    return [
        {
            "concept_id": concept_id, "arm": arm, "draws": draws, "alpha": alpha, "log_odds": slope * alpha,
            "low": None if half is None else slope * alpha - half * alpha,
            "high": None if half is None else slope * alpha + half * alpha, "value": None, "chosen": None,
        }
        for alpha in ALPHAS
    ]  # fmt: skip


@pytest.fixture
def steered_run(make_run: Callable[..., Path], tmp_path: Path) -> Path:
    """A run in which c0001 was steered and judged, c0002 only judged."""
    folder = make_run(tmp_path / "run", candidates=12, taught=4, supported=2, teachable=1, novel=1, prototypes_each=8)
    rows = [*curve("c0001", "concept", 1.5, draws=1, half=0.5), *curve("c0001", "shuffled", -0.2, draws=19, half=0.3)]
    write_rows(folder / "steering.parquet", rows, schemas.STEERING)
    control = {
        "concept_id": "c0001", "arm": "shuffled", "draws": 19, "excess": 1.7, "excess_low": 1.1, "excess_high": 2.2,
        "better": 41, "roots": 50, "sign_p": 1e-6, "rank_p": 0.05,
    }  # fmt: skip
    write_rows(folder / "steering_controls.parquet", [control], schemas.STEERING_CONTROLS)
    table = pq.read_table(folder / "concepts.parquet")
    judged = {"c0001": (0.75, "search"), "c0002": (0.5, "oracle tablebases")}
    shares = [judged.get(name, (None, None)) for name in table["concept_id"].to_pylist()]
    for name, values in {
        "move_correct": [share for share, _ in shares],
        "move_correct_low": [None if share is None else share - 0.25 for share, _ in shares],
        "move_correct_high": [None if share is None else share + 0.15 for share, _ in shares],
        "move_correct_control": [None if share is None else 0.875 for share, _ in shares],
        "correctness_positions": [None if share is None else 12 for share, _ in shares],
        "correctness_judges": [judges for _, judges in shares],
    }.items():
        table = table.append_column(name, pa.array(values))
    pq.write_table(table, folder / "concepts.parquet")
    return folder


def test_steered_and_judged_concepts_get_a_figure_and_a_sentence(steered_run: Path) -> None:
    one, two = steered.concepts(read_run(steered_run, detailed=12))
    assert one.concept_id == "c0001" and one.chart is not None
    svg = ElementTree.fromstring(str(one.chart))
    assert len([element for element in svg.iter() if element.tag.endswith("circle")]) == len(ALPHAS)
    assert "+0.150 at α = 0.1" in svg.attrib["aria-label"]
    assert "+1.70 (+1.10 to +2.20), higher at 41 of 50 roots" in one.note and "p = 0.05" in one.note
    assert "by a deeper search of the agent itself; elsewhere" in one.note
    assert two.chart is None and "Slope" not in two.note
    assert "12 positions by another engine and tablebases" in two.note


def test_the_page_has_the_section_and_the_column(steered_run: Path) -> None:
    html = build_report(steered_run).read_text(encoding="utf-8")
    assert html.count('<section id="steering">') == 1 and 'href="#steering"' in html
    assert ">Right</th>" in html
    assert "No test root has lines of this length." in html


def test_a_run_without_these_tables_has_no_such_section(small_run: Path) -> None:
    assert steered.concepts(read_run(small_run, detailed=12)) == []
    assert 'id="steering"' not in build_report(small_run).read_text(encoding="utf-8")
