"""A taught network prefers what it was taught, and what is known of its disagreements is right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import chess
import numpy as np
import pytest

from conceptmine.benchmarks import MotifResult, as_markdown, bench_motif, motif_settings, motif_sheets
from conceptmine.benchmarks.fine_tuning import NATS, moved_targets, taught_copy
from conceptmine.benchmarks.methods import METHODS
from conceptmine.benchmarks.motif_bench import _judged, area_under_curve
from conceptmine.benchmarks.motifs import castles, pushes_flank_pawn
from conceptmine.benchmarks.siblings import own_games, roots_of
from conceptmine.errors import InputError
from conceptmine.evidence import HeldOut, SignFlipNull, sign_flip_null
from conceptmine.teachability.lessons import pack_positions
from engines.chess.transforms import policy_indices
from engines.networks import Agent, load_agent


@pytest.fixture(scope="module")
def agent(tiny_networks: Mapping[str, Path]) -> Agent:
    return load_agent(tiny_networks["agent"])


@pytest.mark.parametrize("dislike", [False, True])
def test_targets_move_the_odds_of_the_motif_and_of_nothing_else(agent: Agent, dislike: bool) -> None:
    boards = [chess.Board(), chess.Board("4k3/8/8/8/8/8/8/R3K3 w - - 0 1")]
    targets = moved_targets(agent, boards, pack_positions(boards), pushes_flank_pawn, dislike=dislike)
    np.testing.assert_allclose(targets.sum(axis=1), 1.0, rtol=1e-5)
    for i, (board, policy) in enumerate(zip(boards, agent.evaluate(boards).policy, strict=True)):
        moves = list(policy)
        now = targets[i, policy_indices(board, moves, agent.input_format)]
        shift = np.log(now) - np.log([policy[move] for move in moves])
        shows = np.array([pushes_flank_pawn(board, move) for move in moves])
        if shows.any():
            expected = -NATS if dislike else NATS
            np.testing.assert_allclose(shift[shows] - shift[~shows][0], expected, atol=1e-3)
        np.testing.assert_allclose(shift[~shows], shift[~shows][0], atol=1e-3)


def test_a_copy_learns_the_motif_and_the_agent_stays(agent: Agent) -> None:
    boards = roots_of(own_games(agent, 40, seed=0), seed=0)

    def share(network: Agent) -> float:
        policies = network.evaluate(boards).policy
        return float(
            np.mean(
                [
                    sum(p for move, p in policy.items() if pushes_flank_pawn(board, move))
                    for board, policy in zip(boards, policies, strict=True)
                ]
            )
        )

    before, checksum = share(agent), agent.sha256
    taught = taught_copy(agent, boards, pushes_flank_pawn, dislike=False, steps=30, seed=0)
    again = taught_copy(agent, boards, pushes_flank_pawn, dislike=False, steps=30, seed=0)
    shy = taught_copy(agent, boards, pushes_flank_pawn, dislike=True, steps=30, seed=0)
    assert share(shy) < before < share(taught)
    assert agent.sha256 == checksum != taught.sha256
    assert again.sha256 == taught.sha256


def test_a_motif_that_no_position_offers_cannot_be_taught(agent: Agent) -> None:
    with pytest.raises(InputError, match="no legal move shows the motif"):
        taught_copy(agent, [chess.Board()], castles, dislike=False, steps=1, seed=0)


@pytest.mark.parametrize(
    ("scores", "positive", "expected"),
    [
        ([1.0, 2.0, 3.0, 4.0], [False, False, True, True], 1.0),
        ([4.0, 3.0, 2.0, 1.0], [False, False, True, True], 0.0),
        ([1.0, 1.0, 1.0], [False, True, True], 0.5),
    ],
)
def test_area_under_the_curve(scores: list[float], positive: list[bool], expected: float) -> None:
    assert area_under_curve(np.array(scores), np.array(positive)) == expected
    assert np.isnan(area_under_curve(np.array(scores), np.ones(len(scores), dtype=bool)))


@pytest.fixture(scope="module")
def result(tiny_networks: Mapping[str, Path]) -> MotifResult:
    settings = motif_settings(
        agent=str(tiny_networks["agent"]),
        layer="block1",
        motif="flank-pawn",
        dislike=False,
        roots="24",
        seeds=1,
        seed=0,
    )
    return bench_motif(replace(settings, lessons=320, steps=40, exam_games=80))


def test_the_bench_knows_what_it_taught(result: MotifResult) -> None:
    assert result.played_after > result.played_before
    assert 0 < result.roots_with_motif <= result.roots == 24
    assert [(each.method, each.turned) for each in result.outcomes] == [
        (method, turned) for turned in (False, True) for method in METHODS
    ]
    for each in result.outcomes:
        assert 0 <= each.true <= each.discoveries <= each.candidates


def test_nothing_is_the_motif_where_not_even_the_probe_finds_it() -> None:
    rows = np.random.default_rng(0).normal(size=(10, 3, 6))
    shows = np.arange(10) % 2 == 0
    vectors = np.array([rows.mean(axis=(0, 1))])
    assert _judged("any", vectors, 0.0, rows, shows, rows, 0.6, 0)["base_rate"] == 1.0
    assert _judged("any", vectors, 0.0, rows, shows, rows, 0.4, 0)["base_rate"] == 0.0


def test_each_division_is_judged_by_flips_of_its_own_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    def recorded(counts: HeldOut, *, flips: int, seed: int = 0) -> SignFlipNull:
        seeds.append(seed)
        return sign_flip_null(counts, flips=flips, seed=seed)

    monkeypatch.setattr("conceptmine.benchmarks.motif_bench.sign_flip_null", recorded)
    rows, shows = np.random.default_rng(0).normal(size=(10, 3, 6)), np.arange(10) % 2 == 0
    for seed in (2, 5):
        _judged("any", np.eye(6), 0.0, rows, shows, rows, 0.6, seed)
    assert seeds == [2, 5]


def test_its_json_and_tables(result: MotifResult) -> None:
    answer = json.loads(json.dumps(result.as_json(), allow_nan=False))
    assert answer["settings"]["motif"] == "flank-pawn"
    assert len(answer["timing"]["mining_seconds"]) == len(answer["outcomes"])
    assert all("seconds" not in outcome for outcome in answer["outcomes"])
    sheets = motif_sheets(result)
    assert len(sheets) == 3
    assert "taught to prefer flank-pawn" in as_markdown(sheets[0])
