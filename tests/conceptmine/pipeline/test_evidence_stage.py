"""The evidence of a whole run: sides that share nothing, tests that agree with the concepts, honest controls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import chess
import numpy as np
import pytest

from conceptmine.evidence import one_p, q_values
from conceptmine.pipeline import MiningSettings
from conceptmine.pipeline.context import RunContext
from conceptmine.pipeline.examining import AT_LARGE, OWN_TESTS, VALUE_BALANCED, WHERE_ACTIVE, WHERE_SURE
from conceptmine.pipeline.leaks import find_leaks
from conceptmine.pipeline.pairs import STATES, PairTable
from conceptmine.pipeline.readings import read_states
from conceptmine.pipeline.workers import Workers
from conceptmine.positions import board_of, symmetry_key
from conceptmine.runfolder import RunFolder, read_rows, schemas
from engines.networks import load_agent

Tables = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def tables(unbroken: Path) -> Tables:
    return {path.stem: read_rows(path) for path in unbroken.glob("*.parquet")}


def test_no_position_stands_on_both_sides_in_any_guise(tables: Tables) -> None:
    sides: dict[str, set[str]] = {"mine": set(), "test": set()}
    for row in tables["positions"]:
        sides[row["split"]].add(symmetry_key(board_of(row["fen"], row["moves"])))
    assert sides["mine"] and sides["test"] and not sides["mine"] & sides["test"]
    leaks = {row["kind"]: row for row in tables["leakage"]}
    assert leaks["game"]["shared"] == leaks["root position or its mirror image"]["shared"] == 0
    for row in leaks.values():
        assert row["shared"] <= min(row["mine"], row["test"])
        assert row["set_aside"] <= row["test_roots"]
    assert (
        leaks["position of a line or its mirror image"]["set_aside"]
        == (leaks["position of a line or its mirror image"]["test_roots"])
    )


def test_each_concept_has_its_tests_and_its_p_is_made_of_its_own(tables: Tables) -> None:
    tests: dict[str, dict[str, dict[str, Any]]] = {}
    for row in tables["evidence"]:
        assert row["test"] not in tests.setdefault(row["concept_id"], {})
        tests[row["concept_id"]][row["test"]] = row
    for concept in tables["concepts"]:
        own = tests[concept["concept_id"]]
        at_large = own[AT_LARGE]
        assert at_large["p"] == concept["p_at_large"]
        assert at_large["satisfaction"] == pytest.approx(concept["heldout_satisfaction"])
        assert at_large["effect"] == pytest.approx(concept["heldout_satisfaction"] - concept["heldout_null"])
        assert concept["effect_low"] <= concept["effect"] <= concept["effect_high"]
        assert at_large["value_head"] == pytest.approx(concept["value_baseline"])
        if concept["root_games"] > 1:
            assert not {WHERE_ACTIVE, WHERE_SURE} & own.keys()
        p = [own[name]["p"] if name in own else np.nan for name in OWN_TESTS]
        assert concept["null_p"] == pytest.approx(one_p([p])[0])
    assert q_values([row["null_p"] for row in tables["concepts"]]) == pytest.approx(
        [row["q_value"] for row in tables["concepts"]]
    )


def test_where_value_is_balanced_value_itself_is_at_chance(tables: Tables) -> None:
    balanced = [row for row in tables["evidence"] if row["test"] == VALUE_BALANCED]
    assert balanced
    for row in balanced:
        assert row["value_head"] <= 0.5 + 1e-9


def test_controls_stand_beside_every_concept(tables: Tables) -> None:
    for row in tables["concepts"]:
        for name in ("random_satisfaction", "policy_baseline", "material_baseline", "score_outside_controls"):
            assert 0 <= row[name] <= 1
        assert 1 / 40 <= row["random_p"] <= 1
        assert 0.5 < row["outside_readouts"] <= 1
        if row["half_cosine"] is None:
            assert row["half_rank_correlation"] is None
    names = {row["name"].split(",")[0] for row in tables["controls"]}
    assert names == {"value head", "policy", "material"} | {
        f"{name} read-out" for name in ("value", "policy", "material", "ply")
    }


@pytest.fixture
def small(tiny_settings: MiningSettings, tiny_networks: Mapping[str, Path], tmp_path: Path) -> RunContext:
    """A run with two roots whose lines are known: the second has the first's position with colours reversed."""
    folder = RunFolder.create(
        tmp_path / "run",
        arguments=tiny_settings.as_arguments(),
        seed=0,
        inputs={"agent": tiny_networks["agent"]},
        stages=["evidence"],
    )
    folder.scratch.mkdir(exist_ok=True)
    first, second = "6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - 0 1", "r5k1/5ppp/8/8/8/8/5PPP/6K1 b - - 0 1"
    folder.write_table(
        "positions",
        [
            {
                "position_id": name, "game_id": name, "ply": 0, "fen": fen, "moves": "", "role": "root",
                "split": split, "agent_move": None, "weaker_move": None,
            }
            for name, fen, split in (("a", first, "mine"), ("b", second, "test"), ("c", first[:-3] + "5 1", "test"))
        ],
        schemas.POSITIONS,
    )  # fmt: skip
    paths = [("a", ""), ("b", ""), ("c", ""), ("c", "a1a7 h7h6"), ("c", "g2g3 h7h6"), ("a", "h2h3"), ("a", "g2g3")]
    folder.write_table("scratch/states", [{"position_id": position, "path": path} for position, path in paths], STATES)
    return RunContext(folder, tiny_settings, Workers(1), lambda text: None)


def test_a_mirrored_root_is_reported_and_set_aside(small: RunContext) -> None:
    records = {row["position_id"]: row for row in small.folder.read_table("positions", schemas.POSITIONS)}
    assert find_leaks(small, records) == {"b", "c"}
    leaks = {row["kind"]: row for row in small.folder.read_table("leakage", schemas.LEAKAGE)}
    assert leaks["root position"]["test_roots"] == 1
    assert leaks["root position or its mirror image"]["test_roots"] == 2
    small.folder.close()


def test_controls_of_a_row_are_those_of_its_chooser(small: RunContext, tiny_networks: Mapping[str, Path]) -> None:
    # The same pair, as if White had chosen at the root, and as if Black had at the move after it.
    pairs = PairTable(
        positions=("a", "b", "c"),
        position=np.array([2, 2]),
        horizon=np.array([5, 5], dtype=np.int32),
        ply=np.array([2, 2], dtype=np.int32),
        branch=np.array([0, 1], dtype=np.int32),
        plus=np.array([3, 3]),
        minus=np.array([4, 4]),
        root_state=np.array([0, 1, 2]),
    )
    mined, tested = np.array([True, False, False]), np.array([False, False, True])
    readings = read_states(small, pairs, tested, mined)
    small.folder.close()
    agent = load_agent(str(tiny_networks["agent"]))
    start = chess.Board("6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - 5 1")
    before, after = [], []
    for first, second in (("a1a7", "h7h6"), ("g2g3", "h7h6")):
        board = start.copy()
        board.push_uci(first)
        before.append(board.copy())
        board.push_uci(second)
        after.append(board)
    value = agent.evaluate(after).value
    policy = agent.evaluate([start, *before]).policy
    at_root = np.log(policy[0][chess.Move.from_uci("a1a7")] / policy[0][chess.Move.from_uci("g2g3")])
    reply = chess.Move.from_uci("h7h6")
    at_reply = np.log(policy[1][reply] / policy[2][reply])
    np.testing.assert_allclose(
        readings.row_controls(pairs, np.array([0, 1])),
        [[value[0] - value[1], at_root, 0.0], [value[1] - value[0], at_reply, 0.0]],
        atol=1e-5,
    )
    assert readings.targets()["material"].tolist() == [5.0, -5.0, -5.0]
    assert readings.targets()["ply"].tolist() == [0.0, 1.0, 1.0]
    assert np.isnan(readings.targets()["policy"]).tolist() == [True, False, False]
