"""The whole benchmark on a tiny network: complete, the same for a seed, and shown as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from conceptmine.benchmarks import (
    PlantedResult,
    as_markdown,
    bench_planted,
    picture_of,
    planted_settings,
    sheets_of,
)
from conceptmine.benchmarks.calibration import FRESH_OWN_CHOICE, FRESH_TURNED, NOTHING_PLANTED
from conceptmine.benchmarks.methods import METHODS
from conceptmine.benchmarks.planted import outcomes_of
from conceptmine.benchmarks.planting import PlantedRows, planted_rows
from conceptmine.benchmarks.results import CEILING, FLOOR
from conceptmine.benchmarks.scoring import Score, score_candidates
from conceptmine.benchmarks.siblings import Siblings


def _result(network: Path, seed: int) -> PlantedResult:
    settings = planted_settings(
        agent=str(network),
        layer="block1",
        games=None,
        roots="20,28",
        strengths="12,6",
        seeds=1,
        noise_seeds=1,
        noise_roots=20,
        seed=seed,
    )
    return bench_planted(settings)


@pytest.fixture(scope="module")
def result(tiny_networks: Mapping[str, Path]) -> PlantedResult:
    return _result(tiny_networks["agent"], 0)


@pytest.mark.parametrize("seed", [0, 3])
def test_each_data_set_is_judged_by_flips_of_its_own_seed(
    seed: int, siblings: Callable[..., Siblings], monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []

    def recorded(rows: PlantedRows, vectors: Any, *, seed: int = 0) -> Score:
        seeds.append(seed)
        return score_candidates(rows, vectors[:0], seed=seed)

    monkeypatch.setattr("conceptmine.benchmarks.planted.score_candidates", recorded)
    found = list(outcomes_of(planted_rows(siblings(24), 24, strength=5.0, seed=1), seed, 2))
    assert len(found) == len(METHODS) + 2
    assert seeds == [seed] * len(found)


def test_every_method_is_on_every_data_set(result: PlantedResult) -> None:
    cells = [(each.roots, each.strength, each.seed, each.method) for each in result.outcomes]
    assert cells == [
        (roots, strength, 0, method)
        for roots in (20, 28)
        for strength in (6.0, 12.0)
        for method in (*METHODS, CEILING, FLOOR)
    ]
    assert [(each.source, each.method) for each in result.alarms] == [
        (source, method) for source in (NOTHING_PLANTED, FRESH_TURNED, FRESH_OWN_CHOICE) for method in METHODS
    ]
    assert result.features == 512


def test_the_ceiling_is_never_wrong_and_the_null_is_what_false_means(result: PlantedResult) -> None:
    for each in result.outcomes:
        assert 0 <= each.score.true <= each.score.discoveries <= each.score.candidates
        assert each.score.true + each.score.useless <= each.score.discoveries
        if each.method == CEILING:
            assert each.score.true == each.score.discoveries


def test_the_same_seed_gives_the_same_json_and_another_one_another(
    result: PlantedResult, tiny_networks: Mapping[str, Path]
) -> None:
    def untimed(found: PlantedResult) -> str:
        answer = found.as_json()
        assert set(answer.pop("timing")) == {"seconds", "mining_seconds"}
        return json.dumps(answer, allow_nan=False)

    assert untimed(_result(tiny_networks["agent"], 0)) == untimed(result)
    other = json.loads(untimed(_result(tiny_networks["agent"], 1)))
    assert other["outcomes"] != json.loads(untimed(result))["outcomes"]


def test_json_says_what_was_run(result: PlantedResult) -> None:
    answer = result.as_json()
    assert answer["settings"]["roots"] == [20, 28]
    assert answer["settings"]["strengths"] == [6.0, 12.0]
    assert answer["fixed"]["fdr"] == 0.05
    assert {"conceptmine", "numpy", "python"} <= set(answer["versions"])
    assert len(answer["network"]["sha256"]) == 64


def test_tables_and_picture(result: PlantedResult) -> None:
    sheets = sheets_of(result)
    assert [sheet.title.split(",")[0] for sheet in sheets[:2]] == ["Strength 6", "Strength 12"]
    for sheet in sheets:
        assert all(len(row) == len(sheet.headings) for row in sheet.rows)
        text = as_markdown(sheet)
        assert text.count("\n|") == len(sheet.rows) + 2
    assert "of 1 (0–98 %)" in as_markdown(sheets[-1])
    picture = picture_of(result)
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture == picture_of(result)
