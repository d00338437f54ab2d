"""The steering stage: which choices it looks at, and which concepts share their controls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conceptmine.pipeline import steering
from conceptmine.pipeline.steering import held_out_choices, steer, steering_tasks
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


def test_choices_are_the_branches_of_test_roots_where_the_concepts_player_chooses() -> None:
    both = held_out_choices(POSITIONS, LINES, 5, "two", seed=0, turned=set())
    assert told(both) == [
        ("game of a", 0, "e2e4", "d2d4"),
        ("game of a", 1, "e7e5", "c7c5"),
        ("game of a", 2, "g1f3", "f2f4"),
        ("game of b", 2, "c2c4", "g1f3"),
    ]
    one = held_out_choices(POSITIONS, LINES, 5, "one", seed=0, turned={"b"})
    assert told(one) == [
        ("game of a", 0, "e2e4", "d2d4"),
        ("game of a", 2, "g1f3", "f2f4"),
        ("game of b", 2, "g1f3", "c2c4"),
    ]
    assert all(choice.best in choice.board.legal_moves for choice in both)
    few = {c.group for c in held_out_choices(POSITIONS, LINES, 5, "two", seed=0, turned=set(), most_roots=1)}
    assert len(few) == 1
    assert held_out_choices(POSITIONS, LINES, 7, "two", seed=0, turned=set()) == ()


def test_concepts_of_one_layer_and_the_same_choices_share_a_task() -> None:
    concepts = [
        {"concept_id": name, "layer": layer, "horizon": horizon, "players": players}
        for name, layer, horizon, players in (
            ("c1", "block4", 10, "one"), ("c2", "block4", 10, "two"), ("c3", "block3", 10, "one"),
            ("c4", "block4", 5, "two"), ("c5", "block4", 7, "two"),
        )
    ]  # fmt: skip
    vectors = {row["concept_id"]: np.full(2048, 1.0 + i) for i, row in enumerate(concepts)}
    tasks = steering_tasks(
        concepts,
        vectors,
        lambda horizon, players: held_out_choices(POSITIONS, LINES, horizon, players, seed=0, turned=set()),
        agent="ladder-final", device="cpu", alphas=(0.1,), beta=0.1, seed=0,
    )  # fmt: skip
    assert [(task.layer, list(task.vectors), len(task.choices)) for task in tasks] == [
        ("block4", ["c1", "c2"], 1),
        ("block3", ["c3"], 1),
        ("block4", ["c4"], 4),
    ]


def test_a_concept_is_measured_against_every_kind_of_control() -> None:
    sparse = np.zeros(2048)
    sparse[[5, 700]] = 1.0, -2.0
    dense = np.random.default_rng(0).normal(size=2048)
    path = str(load_agent("ladder-final").path)
    (task,) = steering_tasks(
        [{"concept_id": name, "layer": "block4", "horizon": 5, "players": "two"} for name in ("c1", "c2")],
        {"c1": sparse, "c2": dense},
        lambda horizon, players: held_out_choices(POSITIONS, LINES, horizon, players, seed=0, turned=set()),
        agent=path, device="cpu", alphas=(0.1, 0.2), beta=0.1, seed=0, random_draws=3, shuffled_draws=2,
    )  # fmt: skip
    found = steer(task)
    assert list(found) == ["c1", "c2"]
    for response in found.values():
        assert {c.kind: c.draws for c in response.comparisons} == {
            "random": 3, "shuffled": 2, "other layer": 1, "other concept": 1, "shrink": 1,
        }  # fmt: skip
        assert all(compared.groups == 2 for compared in response.comparisons)
    kinds = {row["arm"] for row in steering.curve_rows(found)}
    assert kinds == {"concept", "random", "shuffled", "other layer", "other concept", "shrink"}
    # What c2 is to c1 as "other concept" is c2's own curve.
    c1, c2 = found["c1"], found["c2"]
    assert c1.control_change["other concept"][0] == pytest.approx([change.mean for change in c2.change])
