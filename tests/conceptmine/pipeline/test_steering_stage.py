"""The steering stage: which choices it looks at, and which concepts share their controls."""

from __future__ import annotations

from typing import Any

import chess
import numpy as np
import pytest

from conceptmine.activations import capture
from conceptmine.pipeline.choices import ChoiceTable
from conceptmine.pipeline.steering import above_shuffled, curve_rows, presence_vectors, steer, steering_tasks
from conceptmine.positions import board_of
from engines.networks import load_agent


def position(name: str, *, role: str = "root", split: str = "test", moves: str = "") -> dict[str, Any]:
    return {
        "position_id": name,
        "game_id": f"game of {name}",
        "role": role,
        "split": split,
        "fen": None,
        "moves": moves,
    }


def line(name: str, branch: int, best: str, subpar: str, horizon: int = 5) -> dict[str, Any]:
    return {
        "position_id": name, "horizon": horizon, "branch_ply": branch, "best_line": best, "subpar_line": subpar,
    }  # fmt: skip


BEST = "e2e4 e7e5 g1f3 b8c6 f1b5"
POSITIONS = [
    position("a"),
    position("b", moves="d2d4 d7d5"),
    position("mined", split="mine"),
    position("pool", role="pool"),
]
LINES = [
    line("a", 0, BEST, "d2d4 d7d5 g1f3 g8f6 c2c4"),
    line("a", 1, BEST, "e2e4 c7c5 g1f3 d7d6 d2d4"),
    line("a", 2, BEST, "e2e4 e7e5 f2f4 e5f4 g1f3"),
    line("a", 0, BEST, "d2d4 d7d5", 10),
    line("b", 0, "c2c4 e7e6 b1c3 g8f6 c1g5", "g1f3 g8f6 c2c4 e7e6 b1c3"),
    line("mined", 0, BEST, "d2d4 d7d5 g1f3 g8f6 c2c4"),
    line("pool", 0, BEST, "d2d4 d7d5 g1f3 g8f6 c2c4"),
]


def told(choices: Any) -> list[tuple[str, int, str, str]]:
    return [(c.group, len(c.board.move_stack), c.best.uci(), c.subpar.uci()) for c in choices]


TABLE = ChoiceTable.of(POSITIONS, LINES)


def rule(horizon: int, players: str) -> dict[str, Any]:
    return {"horizon": horizon, "players": players}


def test_choices_are_the_branches_of_best_lines_where_the_concepts_player_chooses() -> None:
    roots = TABLE.roots("test", seed=0)
    assert sorted(roots) == ["a", "b"] and TABLE.roots("mine", seed=0) == ("mined",)
    assert len(TABLE.roots("test", seed=0, most=1)) == 1
    both = TABLE.choices(["a", "b"], rule(5, "two"))
    assert told(both) == [
        ("game of a", 0, "e2e4", "d2d4"),
        ("game of a", 1, "e7e5", "c7c5"),
        ("game of a", 2, "g1f3", "f2f4"),
        ("game of b", 2, "c2c4", "g1f3"),
    ]
    turned = ChoiceTable.of(POSITIONS, LINES, ["b"])
    assert told(turned.choices(["b", "a"], rule(5, "one"))) == [
        ("game of b", 2, "g1f3", "c2c4"),
        ("game of a", 0, "e2e4", "d2d4"),
        ("game of a", 2, "g1f3", "f2f4"),
    ]
    assert all(choice.best in choice.board.legal_moves for choice in both)
    assert TABLE.choices(["a", "b"], rule(7, "two")) == ()


def test_a_concept_applies_where_its_score_is_highest_in_games_not_mined() -> None:
    agent = load_agent("ladder-final")
    z = capture(agent, [chess.Board(), board_of(None, "d2d4 d7d5")], ["block4"])["block4"]
    # High in b's position and low in a's, or the other way round; "pool" has a's board and is of the test side too.
    vector = z[1] / np.linalg.norm(z[1]) - z[0] / np.linalg.norm(z[0])
    concepts = [{"concept_id": name, "layer": "block4", "kind": "active"} | rule(5, "two") for name in ("c1", "c2")]
    found = TABLE.where_they_apply(agent, concepts, {"c1": vector, "c2": -vector})
    assert found == {"c1": ("b", "a", "pool"), "c2": ("a", "pool", "b")}
    assert TABLE.where_they_apply(agent, concepts, {"c1": vector, "c2": -vector}, most=1)["c1"] == ("b",)
    # Only b and a have lines of this horizon, and a's alone those of a longer one.
    longer = [concepts[0] | rule(10, "one")]
    assert TABLE.where_they_apply(agent, longer, {"c1": vector}) == {"c1": ("a",)}


def test_a_prophylactic_concept_is_present_where_its_oriented_score_is_low() -> None:
    kinds = [{"concept_id": "c1", "kind": "active"}, {"concept_id": "c2", "kind": "prophylactic"}]
    found = presence_vectors({"c1": np.ones(3), "c2": np.ones(3)}, kinds)
    assert found["c1"].tolist() == [1, 1, 1] and found["c2"].tolist() == [-1, -1, -1]


def test_concepts_of_one_layer_and_the_same_choices_share_a_task() -> None:
    concepts = [
        {"concept_id": name, "layer": layer} | rule(horizon, players)
        for name, layer, horizon, players in (
            ("c1", "block4", 10, "one"), ("c2", "block4", 10, "two"), ("c3", "block3", 10, "one"),
            ("c4", "block4", 5, "two"), ("c5", "block4", 7, "two"),
        )
    ]  # fmt: skip
    vectors = {row["concept_id"]: np.full(2048, 1.0 + i) for i, row in enumerate(concepts)}
    tasks = steering_tasks(
        concepts, vectors, {row["concept_id"]: TABLE.choices(["a", "b"], row) for row in concepts},
        agent="ladder-final", device="cpu", alphas=(0.1,), beta=0.1, seed=0,
    )  # fmt: skip
    assert [(task.layer, list(task.vectors), list(task.others), len(task.choices)) for task in tasks] == [
        ("block4", ["c1", "c2"], ["c4", "c5"], 1),
        ("block3", ["c3"], [], 1),
        ("block4", ["c4"], ["c1", "c2", "c5"], 4),
    ]


def test_a_concept_is_measured_against_every_kind_of_control() -> None:
    sparse = np.zeros(2048)
    sparse[[5, 700]] = 1.0, -2.0
    dense = np.random.default_rng(0).normal(size=2048)
    path = str(load_agent("ladder-final").path)
    concepts = [{"concept_id": name, "layer": "block4"} | rule(5, "two") for name in ("c1", "c2")]
    choices = TABLE.choices(["a", "b"], concepts[0])
    (task,) = steering_tasks(
        concepts, {"c1": sparse, "c2": dense}, dict.fromkeys(("c1", "c2"), choices),
        agent=path, device="cpu", alphas=(0.1, 0.2), beta=0.1, seed=0, random_draws=3, shuffled_draws=2,
    )  # fmt: skip
    found = steer(task)
    assert list(found) == ["c1", "c2"]
    for response in found.values():
        assert {c.kind: c.draws for c in response.comparisons} == {
            "random": 3, "shuffled": 2, "other layer": 1, "other concept": 1, "shrink": 1,
        }  # fmt: skip
        assert all(compared.groups == 2 for compared in response.comparisons)
    kinds = {row["arm"] for row in curve_rows(found, "roots")}
    assert kinds == {"concept", "random", "shuffled", "other layer", "other concept", "shrink"}
    # What c2 is to c1 as "other concept" is c2's own curve.
    c1, c2 = found["c1"], found["c2"]
    assert c1.control_change["other concept"][0] == pytest.approx([change.mean for change in c2.change])


@pytest.mark.parametrize(
    ("changed", "counted"),
    [
        ({}, 1),
        ({"excess_low": 0.0}, 0),
        ({"games": 9}, 0),
        ({"rank_p": 0.1}, 0),
        ({"arm": "random"}, 0),
        ({"where": "applies"}, 0),
    ],
)
def test_above_shuffled_is_by_games_and_by_draws(changed: dict[str, Any], counted: int) -> None:
    row = {"where": "roots", "arm": "shuffled", "excess_low": 0.01, "games": 10, "rank_p": 1 / 20} | changed
    assert above_shuffled([row], "roots") == counted
