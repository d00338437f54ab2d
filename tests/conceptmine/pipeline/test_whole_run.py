"""What a finished run leaves behind is what the contract promises, and its tables agree with each other."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import chess
import numpy as np
import pyarrow.parquet as pq
import pytest

from conceptmine.pipeline import STAGES, MiningSettings
from conceptmine.pipeline.programmes import PLAYERS
from conceptmine.runfolder import read_arrays, read_manifest, read_rows, schemas
from engines.networks import load_agent

CONCEPT_COLUMNS = [
    "concept_id", "layer", "kind", "players", "horizon", "root_games", "l1", "gap", "null_p", "q_value",
    "heldout_satisfaction", "heldout_null", "supported", "teach_gain", "teach_ci_low", "teach_ci_high", "teachable",
    "novelty_min", "novelty_null_p", "human_likelihood", "novel", "rank",
]  # fmt: skip
PROTOTYPE_COLUMNS = ["concept_id", "position_id", "fen", "moves", "split", "score", "best_move", "line"]
FILES = {
    "manifest.json", "games.parquet", "positions.parquet", "lines.parquet", "trees.parquet", "concepts.parquet",
    "vectors.safetensors", "prototypes.parquet", "heldout_plies.parquet", "teachability.parquet", "novelty.parquet",
    "controls.parquet", "mined_rows.parquet", "infeasible_rows.parquet", "evidence.parquet", "leakage.parquet",
    "steering.parquet", "steering_controls.parquet", "correctness.parquet", "puzzles.csv", "report.html",
}  # fmt: skip


@pytest.fixture(scope="module")
def tables(unbroken: Path) -> dict[str, list[dict[str, Any]]]:
    return {path.stem: read_rows(path) for path in unbroken.glob("*.parquet")}


def _board(row: dict[str, Any]) -> chess.Board:
    """The position of a row, with every move checked."""
    board = chess.Board(row["fen"] or chess.STARTING_FEN)
    for text in row["moves"].split():
        board.push(board.parse_uci(text))
    return board


def test_a_run_leaves_exactly_the_promised_files(unbroken: Path) -> None:
    assert {path.name for path in unbroken.iterdir()} == FILES


def test_every_stage_is_recorded_as_done(unbroken: Path, tiny_settings: MiningSettings) -> None:
    manifest = read_manifest(unbroken)
    assert [stage.name for stage in manifest.stages] == list(STAGES)
    assert {stage.state for stage in manifest.stages} == {"done"}
    assert all(stage.counts for stage in manifest.stages)
    assert MiningSettings.from_arguments(manifest.arguments) == tiny_settings
    assert manifest.seed == tiny_settings.seed
    assert set(manifest.inputs) == {"agent", "weaker", "student1", "student2", "human_network"}
    assert manifest.inputs["agent"].sha256 == load_agent(tiny_settings.agent).sha256


def test_concepts_begin_with_the_columns_of_the_contract(unbroken: Path) -> None:
    assert pq.read_schema(unbroken / "concepts.parquet").names[: len(CONCEPT_COLUMNS)] == CONCEPT_COLUMNS
    assert pq.read_schema(unbroken / "prototypes.parquet").names == PROTOTYPE_COLUMNS


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("games", schemas.GAMES),
        ("positions", schemas.POSITIONS),
        ("lines", schemas.LINES),
        ("heldout_plies", schemas.HELDOUT_PLIES),
        ("teachability", schemas.TEACHABILITY),
        ("novelty", schemas.NOVELTY),
        ("controls", schemas.CONTROLS),
        ("mined_rows", schemas.MINED_ROWS),
        ("evidence", schemas.EVIDENCE),
        ("leakage", schemas.LEAKAGE),
        ("steering", schemas.STEERING),
        ("steering_controls", schemas.STEERING_CONTROLS),
        ("correctness", schemas.CORRECTNESS),
    ],
)
def test_every_table_has_its_schema_and_rows(unbroken: Path, name: str, schema: Any) -> None:
    table = pq.read_table(unbroken / f"{name}.parquet")
    assert table.schema.equals(schema)
    assert table.num_rows


def test_every_infeasible_programme_names_the_rows_that_contradict_each_other(
    unbroken: Path, tables: dict[str, list[dict[str, Any]]]
) -> None:
    assert pq.read_schema(unbroken / "infeasible_rows.parquet").equals(schemas.INFEASIBLE_ROWS)
    weights: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for row in tables["infeasible_rows"]:
        weights[row["layer"], row["players"], row["horizon"], row["position_id"]].append(row["weight"])
    counts = next(stage.counts for stage in read_manifest(unbroken).stages if stage.name == "mining")
    assert len(weights) == counts["infeasible"]
    for each in weights.values():
        assert min(each) > 0 and sum(each) == pytest.approx(1)


def test_candidates_are_of_every_layer_and_choice_of_players(
    tables: dict[str, list[dict[str, Any]]], tiny_settings: MiningSettings
) -> None:
    concepts = tables["concepts"]
    assert {row["layer"] for row in concepts} == set(tiny_settings.layers)
    assert {row["players"] for row in concepts} == set(PLAYERS)
    assert {row["horizon"] for row in concepts} <= set(tiny_settings.horizons)
    assert {row["kind"] for row in concepts} <= {"active", "prophylactic"}
    assert len({row["concept_id"] for row in concepts}) == len(concepts)
    assert all(row["gap"] < 1e-6 for row in concepts)
    by_form = {form: [row["root_games"] for row in concepts if row["form"] == form] for form in ("root", "family")}
    assert set(by_form["root"]) == {1}
    assert min(by_form["family"]) >= tiny_settings.family_least
    roots_with_rows = {i for row in concepts for i in row["root_position_ids"].split() if row["horizon"] == 5}
    assert max(by_form["family"]) == len(roots_with_rows), "all roots were never mined together"


def test_vectors_stand_in_the_order_of_the_table(
    unbroken: Path, tables: dict[str, list[dict[str, Any]]], tiny_settings: MiningSettings
) -> None:
    vectors = read_arrays(unbroken / "vectors.safetensors")
    assert set(vectors) == set(tiny_settings.layers)
    agent = load_agent(tiny_settings.agent)
    width = {"block1": 64 * agent.config.channels, "policy_hidden": 64 * agent.config.channels}
    place: Counter[str] = Counter()
    for row in tables["concepts"]:
        vector = vectors[row["layer"]][place[row["layer"]]]
        place[row["layer"]] += 1
        # The norm and the number of entries tell a vector from its neighbours.
        assert np.abs(vector).sum() == pytest.approx(row["l1"], rel=1e-9)
        assert np.count_nonzero(vector) == row["nonzeros"]
    assert {layer: array.shape for layer, array in vectors.items()} == {
        layer: (place[layer], width[layer]) for layer in vectors
    }


def test_the_funnel_is_what_the_table_says(unbroken: Path, tables: dict[str, list[dict[str, Any]]]) -> None:
    manifest = read_manifest(unbroken)
    concepts = tables["concepts"]
    supported = [row for row in concepts if row["supported"]]
    teachable = [row for row in supported if row["teachable"]]
    novel = [row for row in teachable if row["novel"]]
    assert (manifest.candidates, manifest.supported, manifest.teachable, manifest.novel) == (
        len(concepts),
        len(supported),
        len(teachable),
        len(novel),
    )
    assert len(concepts) > 0


def test_each_verdict_follows_from_its_own_columns(tables: dict[str, list[dict[str, Any]]]) -> None:
    for row in tables["concepts"]:
        assert row["supported"] == (None if row["q_value"] is None else row["q_value"] <= 0.05)
        assert row["teachable"] == (None if row["teach_ci_low"] is None else row["teach_ci_low"] > 0)
        assert row["novel"] == (row["novelty_min"] > 0 and row["novelty_null_p"] <= 0.05)


def test_ranks_are_a_permutation(tables: dict[str, list[dict[str, Any]]]) -> None:
    ranks = sorted(row["rank"] for row in tables["concepts"])
    assert ranks == list(range(1, len(ranks) + 1))


def test_what_was_not_taught_says_why(
    tables: dict[str, list[dict[str, Any]]], unbroken: Path, tiny_settings: MiningSettings
) -> None:
    examined = [row for row in tables["concepts"] if row["prototypes"] is not None]
    assert len(examined) == tiny_settings.taught
    for row in examined:
        assert (row["teach_gain"] is None) == (row["not_taught_because"] is not None)
    taught = {row["concept_id"] for row in examined if row["teach_gain"] is not None}
    assert taught, "no concept was taught, so that stage has shown nothing"
    assert {row["concept_id"] for row in tables["teachability"]} == taught
    arms = {(row["trained_on"], row["evaluated_on"]) for row in tables["teachability"]}
    assert arms == {(a, b) for a in ("concept", "random", "none") for b in ("concept", "random")}


def test_the_best_supported_candidates_are_taught(tables: dict[str, list[dict[str, Any]]]) -> None:
    p = {row["concept_id"]: row["null_p"] for row in tables["concepts"] if row["null_p"] is not None}
    examined = [row["concept_id"] for row in tables["concepts"] if row["prototypes"] is not None]
    assert max(p[i] for i in examined) <= min(p[i] for i in p if i not in examined)


def test_prototypes_lead_to_positions_where_their_move_is_legal(tables: dict[str, list[dict[str, Any]]]) -> None:
    assert tables["prototypes"]
    for row in tables["prototypes"]:
        board = _board(row)
        line = row["line"].split()
        assert line[0] == row["best_move"]
        for text in line:
            board.push(board.parse_uci(text))
        assert 0 < row["score"] <= 1


def test_no_prototype_is_of_a_game_that_its_concept_was_mined_from(tables: dict[str, list[dict[str, Any]]]) -> None:
    game = {row["position_id"]: row["game_id"] for row in tables["positions"]}
    mined = {row["concept_id"]: {game[i] for i in row["root_position_ids"].split()} for row in tables["concepts"]}
    assert all(game[row["position_id"]] not in mined[row["concept_id"]] for row in tables["prototypes"])


def test_prototypes_to_learn_from_and_to_be_examined_on_share_no_game(
    tables: dict[str, list[dict[str, Any]]],
) -> None:
    game = {row["position_id"]: row["game_id"] for row in tables["positions"]}
    sides: dict[str, dict[str, set[str]]] = defaultdict(lambda: {"train": set(), "test": set()})
    for row in tables["prototypes"]:
        sides[row["concept_id"]][row["split"]].add(game[row["position_id"]])
    assert any(side["test"] for side in sides.values())
    assert all(not side["train"] & side["test"] for side in sides.values())


def test_roots_are_one_a_game_and_a_game_is_on_one_side(
    tables: dict[str, list[dict[str, Any]]], tiny_settings: MiningSettings
) -> None:
    roots = [row for row in tables["positions"] if row["role"] == "root"]
    assert len(roots) == len({row["game_id"] for row in roots}) == tiny_settings.roots
    assert Counter(row["split"] for row in roots) == {"mine": 12, "test": 12}
    sides: dict[str, set[str]] = defaultdict(set)
    for row in tables["positions"]:
        sides[row["game_id"]].add(row["split"])
    assert all(len(side) == 1 for side in sides.values())


def test_roots_are_where_the_two_strengths_differ(tables: dict[str, list[dict[str, Any]]]) -> None:
    for row in tables["positions"]:
        if row["role"] == "root":
            assert row["agent_move"] != row["weaker_move"]
            assert chess.Move.from_uci(row["weaker_move"]) in _board(row).legal_moves
        else:
            assert row["weaker_move"] is None
        assert chess.Move.from_uci(row["agent_move"]) in _board(row).legal_moves


def test_concepts_are_mined_from_roots_of_their_side_only(tables: dict[str, list[dict[str, Any]]]) -> None:
    mined = {row["position_id"] for row in tables["positions"] if (row["role"], row["split"]) == ("root", "mine")}
    for row in tables["concepts"]:
        roots = row["root_position_ids"].split()
        assert set(roots) <= mined
        assert len(roots) == row["root_games"]


def test_positions_stand_in_the_agents_own_games(tables: dict[str, list[dict[str, Any]]]) -> None:
    games = {row["game_id"]: row for row in tables["games"] if row["corpus"] == "machine"}
    for row in tables["positions"]:
        game = games[row["game_id"]]
        assert game["fen"] == row["fen"]
        assert game["moves"].split()[: row["ply"]] == row["moves"].split()


def test_both_corpora_share_their_openings(
    tables: dict[str, list[dict[str, Any]]], tiny_settings: MiningSettings
) -> None:
    openings = {
        corpus: {
            tuple(row["moves"].split()[: tiny_settings.opening_plies])
            for row in tables["games"]
            if row["corpus"] == corpus
        }
        for corpus in ("human", "machine")
    }
    assert openings["machine"] == openings["human"]


def test_lines_part_where_they_say(tables: dict[str, list[dict[str, Any]]]) -> None:
    positions = {row["position_id"]: row for row in tables["positions"]}
    for row in tables["lines"]:
        best, subpar, branch = row["best_line"].split(), row["subpar_line"].split(), row["branch_ply"]
        assert len(best) == len(subpar) == row["horizon"]
        assert best[:branch] == subpar[:branch]
        assert best[branch] != subpar[branch]
        assert best[0] == positions[row["position_id"]]["agent_move"]
        board = _board(positions[row["position_id"]])
        for text in subpar:
            board.push(board.parse_uci(text))


def test_trees_are_kept_for_the_roots_and_add_up(
    tables: dict[str, list[dict[str, Any]]], tiny_settings: MiningSettings
) -> None:
    trees: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in tables["trees"]:
        trees[row["position_id"]].append(row)
    assert set(trees) == {row["position_id"] for row in tables["positions"] if row["role"] == "root"}
    for nodes in trees.values():
        assert [row["node"] for row in nodes] == list(range(len(nodes)))
        assert nodes[0]["visits"] == tiny_settings.simulations
        below = Counter({row["node"]: 0 for row in nodes})
        for row in nodes[1:]:
            assert row["parent"] < row["node"]
            below[row["parent"]] += row["visits"]
        assert all(below[row["node"]] <= row["visits"] for row in nodes)


def test_puzzles_ask_for_moves_of_prototypes(unbroken: Path, tables: dict[str, list[dict[str, Any]]]) -> None:
    with (unbroken / "puzzles.csv").open(newline="", encoding="utf-8") as file:
        puzzles = list(csv.DictReader(file))
    shown = {(row["concept_id"], row["position_id"]): row["best_move"] for row in tables["prototypes"]}
    assert puzzles
    for row in puzzles:
        assert row["Moves"].split()[1] == shown[row["ConceptId"], row["PositionId"]]


def test_the_report_stands_alone(unbroken: Path) -> None:
    page = (unbroken / "report.html").read_text(encoding="utf-8")
    assert "<script src" not in page
    assert "<link" not in page


def test_the_manifest_is_plain_json(unbroken: Path) -> None:
    assert json.loads((unbroken / "manifest.json").read_text())["arguments"]["roots"] == 24


def test_taught_concepts_are_steered_against_every_kind_of_control(
    tables: dict[str, list[dict[str, Any]]], tiny_settings: MiningSettings
) -> None:
    curves: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in tables["steering"]:
        curves[row["concept_id"], row["where"], row["arm"]].append(row)
    compared = {(row["concept_id"], row["where"], row["arm"]): row for row in tables["steering_controls"]}
    alphas = np.array([0, *tiny_settings.steering_alphas])
    for (concept_id, where, arm), rows in curves.items():
        assert [row["alpha"] for row in rows] == alphas.tolist()
        assert rows[0]["log_odds"] == 0
        assert arm == "concept" or compared[concept_id, where, arm]["draws"] == rows[0]["draws"]
    test_games = {row["game_id"] for row in tables["positions"] if row["split"] == "test"}
    steered = 0
    for concept in tables["concepts"]:
        name = concept["concept_id"]
        for where, prefix in (("roots", "steer"), ("applies", "steer_applies")):
            if concept[f"{prefix}_slope"] is None:
                assert (name, where, "concept") not in curves
                continue
            steered += 1
            own = [row["log_odds"] for row in curves[name, where, "concept"]]
            assert concept[f"{prefix}_slope"] == pytest.approx(alphas @ own / (alphas @ alphas))
            shuffled = compared[name, where, "shuffled"]
            assert concept[f"{prefix}_excess"] == shuffled["excess"]
            assert concept[f"{prefix}_p"] == shuffled["rank_p"]
            assert concept[f"{prefix}_excess_low"] <= concept[f"{prefix}_excess"] <= concept[f"{prefix}_excess_high"]
            kinds = {arm for key, place, arm in compared if (key, place) == (name, where)}
            assert {"random", "shuffled", "shrink"} <= kinds
            assert 0 < shuffled["games"] <= len(test_games)
    assert 0 < steered <= 2 * tiny_settings.taught


def test_the_moves_of_taught_concepts_are_judged_by_a_deeper_search(
    tables: dict[str, list[dict[str, Any]]], tiny_settings: MiningSettings
) -> None:
    by_concept: dict[str | None, list[dict[str, Any]]] = defaultdict(list)
    for row in tables["correctness"]:
        by_concept[row["concept_id"]].append(row)
        assert row["judge"] == "search" and row["unit"] == "value w − l" and row["counts"]
        assert row["agrees"] == (row["move"] == row["judge_move"])
        assert row["right"] == (row["agrees"] or (row["loss"] is not None and row["loss"] <= 0.05))
    controls = by_concept.pop(None)
    assert {row["role"] for row in controls} == {"control"}
    prototypes = {(row["concept_id"], row["position_id"]) for row in tables["prototypes"]}
    moves = {row["position_id"]: row["agent_move"] for row in tables["positions"]}
    judged = {row["concept_id"]: row for row in tables["concepts"] if row["move_correct"] is not None}
    assert set(judged) == set(by_concept)
    for concept_id, rows in by_concept.items():
        concept = judged[concept_id]
        assert 0 < len(rows) <= tiny_settings.judged_positions
        assert not {row["position_id"] for row in rows} & {row["position_id"] for row in controls}
        for row in rows:
            assert row["move"] == moves[row["position_id"]]
            if row["role"] == "root":
                assert row["position_id"] in concept["root_position_ids"].split()
            else:
                assert (concept_id, row["position_id"]) in prototypes
        assert concept["move_correct"] == pytest.approx(np.mean([row["right"] for row in rows]))
        assert concept["move_correct_low"] <= concept["move_correct"] <= concept["move_correct_high"]
        assert concept["move_correct_control"] == pytest.approx(np.mean([row["right"] for row in controls]))
        assert (concept["correctness_positions"], concept["correctness_judges"]) == (len(rows), "search")
