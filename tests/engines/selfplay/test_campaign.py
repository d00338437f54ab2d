"""Campaigns learn, publish checkpoints and write what they measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import chess
import numpy as np
import pytest
import torch

from engines.networks import load_agent
from engines.selfplay import Campaign, campaign, read_campaign_network
from engines.selfplay.endings import ENDINGS
from engines.selfplay.records import FULL
from engines.selfplay.state import STATE_FILE
from tests.engines.selfplay.legs import arrays_of, metrics, play_rounds, positions_of, state_of


def test_a_campaign_learns_publishes_and_goes_on(tiny: Campaign, tmp_path: Path) -> None:
    said: list[str] = []
    first = play_rounds(tiny, tmp_path, 3, report=said.append)
    assert first.rounds == 3
    assert first.positions >= 3 * tiny.positions_per_round
    assert any("checkpoint tiny-00000000" in line for line in said)
    assert sum(line.startswith("round ") for line in said) == 3
    second = play_rounds(tiny, tmp_path, 4)
    assert second.rounds == 7
    assert second.seconds > first.seconds
    assert second.evaluations > first.evaluations > first.positions
    rows = metrics(tmp_path)
    assert [row.round for row in rows] == list(range(1, 8))
    last = rows[-1]
    assert (last.positions, last.games, last.evaluations) == (second.positions, second.games, second.evaluations)
    learner, saved = state_of(tiny, tmp_path)
    assert saved.counters == second
    assert learner.steps == last.steps > 7
    names = sorted(path.name for path in (tmp_path / campaign.CHECKPOINT_FOLDER).iterdir())
    assert names == [f"tiny-{mark:08d}.pb.gz" for mark in (0, 100, 400)]
    agents = [load_agent(tmp_path / campaign.CHECKPOINT_FOLDER / name) for name in names]
    assert len({agent.sha256 for agent in agents}) == 3
    for agent in agents:
        evaluation = agent.evaluate([chess.Board()])
        assert sum(evaluation.policy[0].values()) == pytest.approx(1)
        assert evaluation.moves_left is not None
        assert agent.info.licence == "GPL-3.0-or-later"
    assert agents[0].info.training_steps < agents[1].info.training_steps < agents[2].info.training_steps
    network, info = read_campaign_network(tmp_path / STATE_FILE)
    assert torch.equal(network.policy.weight, learner.average.policy.weight)
    assert info.training_parameters == (
        f"tiny: {second.games} self-play games, {second.positions} positions, 4 simulations a move"
    )


def test_rows_of_the_metrics_say_what_was_played_and_learned(tiny: Campaign, tmp_path: Path) -> None:
    settings = replace(tiny, tail_positions=10_000)
    counters = play_rounds(settings, tmp_path, 4)
    games = state_of(settings, tmp_path)[1].tail
    assert (len(games), positions_of(games)) == (counters.games, counters.positions)
    assert counters.draws == sum(game.result == 0 for game in games)
    steps = 0
    for row in metrics(tmp_path):
        count = row.games - sum(earlier.games for earlier in metrics(tmp_path)[row.round - 2 : row.round - 1])
        of_round, games = games[:count], games[count:]
        full = sum(int((game.kinds == FULL).sum()) for game in of_round)
        steps += max(1, round(settings.replay_ratio * full / settings.batch_size))
        assert row.steps == steps
        assert row.plies == pytest.approx(positions_of(of_round) / count)
        assert row.drawn == pytest.approx(np.mean([game.result == 0 for game in of_round]))
        assert row.white_score == pytest.approx(np.mean([(1 + game.result) / 2 for game in of_round]))
        for number, name in enumerate(ENDINGS[1:], 1):
            assert getattr(row, name) == pytest.approx(np.mean([game.ending == number for game in of_round]))
        assert row.policy_kl == pytest.approx(row.policy_loss - row.policy_entropy, abs=1e-5)
        assert row.learning_rate == pytest.approx(settings.learning_rate, rel=1e-3)
        assert (row.resign_threshold, row.resign_checked, row.resign_false_positives) == (None, None, None)
    assert not games
    spent = [sum(getattr(row, name) for row in metrics(tmp_path)) for name in ("playing_seconds", "learning_seconds")]
    assert min(spent) > 0
    assert sum(spent) <= metrics(tmp_path)[-1].seconds + 0.2, "in turns; rounded to hundredths and tenths"


def test_playing_and_learning_in_turns_is_the_same_every_time(tiny: Campaign, tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        for rounds in (2, 1):
            play_rounds(replace(tiny, seed=seed), tmp_path / name, rounds)
    one, same, other = (arrays_of(tmp_path / name) for name in ("one", "same", "other"))
    weights = [name for name in one if name.startswith(("network.", "optimiser."))]
    assert len(weights) > 20
    assert all(np.array_equal(one[name], same[name]) for name in weights)
    assert not any(np.array_equal(one[name], other[name]) for name in weights if name.endswith("exp_avg"))
    games = [state_of(tiny, tmp_path / name)[1].unfinished[0].records for name in ("one", "same", "other")]
    under_way = [[record.moves.tolist() for record in records] for records in games]
    assert under_way[0] == under_way[1] != under_way[2]


def test_a_checkpoint_is_written_of_the_last_mark_that_was_passed(tiny: Campaign, tmp_path: Path) -> None:
    settings = replace(tiny, checkpoints=(0, 1, 2, 3, 100_000))
    assert play_rounds(settings, tmp_path, 1).checkpoints == 4
    assert play_rounds(settings, tmp_path, 1).checkpoints == 4
    names = {path.name for path in (tmp_path / campaign.CHECKPOINT_FOLDER).iterdir()}
    assert names == {"tiny-00000000.pb.gz", "tiny-00000003.pb.gz"}
    assert play_rounds(replace(tiny, checkpoints=()), tmp_path / "none", 1).checkpoints == 0
    assert not list((tmp_path / "none" / campaign.CHECKPOINT_FOLDER).iterdir())


def test_a_round_without_a_full_search_teaches_nothing(tiny: Campaign, tmp_path: Path) -> None:
    said: list[str] = []
    counters = play_rounds(replace(tiny, full_share=1e-9), tmp_path, 2, report=said.append)
    assert counters.rounds == 2
    for row in metrics(tmp_path):
        assert (row.steps, row.policy_loss, row.value_loss, row.policy_kl) == (0, None, None, None)
        assert row.games > 0
    assert sum("nothing learned" in line for line in said) == 2
