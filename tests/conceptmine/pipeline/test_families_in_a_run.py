"""What a run writes about families and about the rows that every vector was mined from agrees with itself."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conceptmine.mining import SolverError
from conceptmine.pipeline import MiningSettings
from conceptmine.pipeline.families import FamilyTask, family_tasks, solve_families
from conceptmine.pipeline.pairs import PairTable
from conceptmine.pipeline.programmes import Programme, Solved
from conceptmine.runfolder import read_manifest, read_rows, schemas

OF_FAMILIES = schemas.FAMILIES.names[schemas.FAMILIES.names.index("slack") :]


@pytest.fixture(scope="module")
def concepts(unbroken: Path) -> list[dict[str, Any]]:
    return read_rows(unbroken / "concepts.parquet")


@pytest.fixture(scope="module")
def mined_rows(unbroken: Path) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in read_rows(unbroken / "mined_rows.parquet"):
        rows[row["concept_id"]].append(row)
    return rows


def test_both_forms_are_there_and_only_families_have_their_columns(concepts: list[dict[str, Any]]) -> None:
    assert {row["form"] for row in concepts} == {"root", "family"}
    for row in concepts:
        assert all((row[name] is not None) == (row["form"] == "family") for name in OF_FAMILIES)


def test_families_are_mined_at_every_layer_at_the_short_horizon(
    concepts: list[dict[str, Any]], tiny_settings: MiningSettings
) -> None:
    families = [row for row in concepts if row["form"] == "family"]
    assert {row["layer"] for row in families} == set(tiny_settings.layers)
    assert {row["horizon"] for row in families} == {min(tiny_settings.horizons)}
    for row in families:
        assert row["slack_ratio"] in tiny_settings.family_prices
        assert row["rounds"] <= tiny_settings.family_rounds
        assert 0 < row["cohesion_p"] <= 1
        assert -1 <= row["stability_low"] <= row["stability"] <= row["stability_high"] <= 1


def test_every_row_of_every_programme_leads_back_to_a_pair_of_lines(
    unbroken: Path, concepts: list[dict[str, Any]], mined_rows: dict[str, list[dict[str, Any]]]
) -> None:
    branches = {
        (row["position_id"], row["horizon"], row["branch_ply"]) for row in read_rows(unbroken / "lines.parquet")
    }
    assert mined_rows.keys() == {row["concept_id"] for row in concepts}
    for concept in concepts:
        rows = mined_rows[concept["concept_id"]]
        assert len(rows) == len({(row["position_id"], row["ply"], row["branch"]) for row in rows}) == concept["n_rows"]
        assert {row["position_id"] for row in rows} == set(concept["root_position_ids"].split())
        for row in rows:
            assert (row["position_id"], concept["horizon"], row["branch"]) in branches
            assert row["branch"] < row["ply"] <= concept["horizon"]
            assert concept["players"] == "two" or row["ply"] % 2 == 0


def test_scores_and_multipliers_are_the_certificate(
    concepts: list[dict[str, Any]], mined_rows: dict[str, list[dict[str, Any]]]
) -> None:
    for concept in concepts:
        rows = mined_rows[concept["concept_id"]]
        hinges = [max(0.0, 1 - row["score"]) for row in rows]
        assert sum(row["multiplier"] > 0 for row in rows) == concept["active_rows"]
        assert sum(row["multiplier"] for row in rows) == pytest.approx(concept["objective"], rel=1e-6)
        if concept["form"] == "root":
            assert max(hinges) < 1e-9
            assert concept["objective"] == pytest.approx(concept["l1"])
            assert concept["mined_satisfaction"] == concept["mined_margin"] == 1
        else:
            slack = concept["slack"] * sum(hinges)
            assert concept["objective"] == pytest.approx(concept["l1"] + slack)
            assert max(row["multiplier"] for row in rows) <= concept["slack"]
            assert concept["mined_margin"] <= concept["mined_satisfaction"] <= 1


def test_what_was_solved_is_a_candidate_or_counted_as_a_duplicate(
    unbroken: Path, concepts: list[dict[str, Any]]
) -> None:
    counts = next(stage.counts for stage in read_manifest(unbroken).stages if stage.name == "mining")
    assert sum(row["duplicates"] for row in concepts) == counts["duplicates"]
    assert len(concepts) + counts["duplicates"] == counts["optimal"]
    assert counts["optimal"] + counts["infeasible"] + counts["failed"] == counts["programmes"]


def test_families_are_looked_for_among_a_bounded_number_of_roots(tiny_settings: MiningSettings) -> None:
    nothing = np.zeros(0, dtype=np.int64)
    pairs = PairTable(tuple(f"p{i}" for i in range(9)), *[nothing] * 7)
    solved = [Solved(Programme("block1", "one", 5, (i,), nothing), "optimal", np.full(3, i)) for i in range(1, 9)]
    few = replace(tiny_settings, family_most=4)
    tasks = family_tasks("", pairs, few, solved)
    assert len(tasks) == 2 and tasks[0].roots == tasks[1].roots
    assert len(tasks[0].roots) == 4 and list(tasks[0].roots) == sorted(tasks[0].roots)
    np.testing.assert_array_equal(tasks[0].vectors[:, 0], tasks[0].roots)
    chosen = {family_tasks("", pairs, replace(few, seed=seed), solved)[0].roots for seed in range(5)}
    assert len(chosen) > 1
    assert family_tasks("", pairs, tiny_settings, solved)[0].roots == tuple(range(1, 9))
    assert family_tasks("", pairs, replace(tiny_settings, family_least=9), solved) == []


class _Noise:
    """A store of one layer: 24 pairs of states, with a feature that is larger in the first of each."""

    def __init__(self) -> None:
        self.states = np.random.default_rng(0).normal(size=(56, 20)).astype(np.float32)
        self.states[:24, 0] += 4

    def rows(self, layer: str, indices: np.ndarray) -> np.ndarray:
        return self.states[indices]


@pytest.mark.parametrize("failing", ["", "bootstrap_stability", "joint_solution"])
def test_what_the_solver_cannot_prove_costs_no_more_than_itself(
    failing: str, tiny_settings: MiningSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: Any, **options: Any) -> None:
        raise SolverError("nothing is proved")

    store = _Noise()
    monkeypatch.setattr("conceptmine.pipeline.families.ActivationStore.open", lambda folder: store)
    if failing:
        module = "mining" if failing == "joint_solution" else "pipeline"
        monkeypatch.setattr(f"conceptmine.{module}.families.{failing}", fail)
    position, numbers = np.repeat(np.arange(8), 3), np.arange(24)
    horizon, ply = np.full(24, 5, dtype=np.int32), np.tile(np.array([0, 2, 4], dtype=np.int32), 8)
    names = tuple(f"p{i}" for i in range(8))
    pairs = PairTable(names, position, horizon, ply, ply, numbers, numbers + 24, np.arange(48, 56))
    few = replace(tiny_settings, family_least=4, family_resamples=3)
    task = FamilyTask("", pairs, few, "block1", "one", 5, tuple(range(8)), np.eye(20)[[0] * 8], together=True)
    families, failed = solve_families(task)
    assert (len(families), failed) == ((0, 1) if failing == "joint_solution" else (1, 0))
    for family in families:
        assert family.answer.programme.roots == tuple(range(8))
        assert (family.stability is None) == bool(failing)
