"""Learning: losses fall, the average follows, and a saved state goes on exactly where it stood."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import chess
import numpy as np
import pytest
import torch

from engines.chess import pack_boards, policy_index, unpack_planes
from engines.networks import MovesLeftHead, Network, NetworkConfig, Tower, ValueHead
from engines.selfplay.learner import Learner, annealed, soft_cross_entropy
from engines.selfplay.replay import Batch
from engines.selfplay.state import STATE_FILE, Counters, Saved, load_state, save_state

CONFIG = NetworkConfig(Tower(8, blocks=1, se_channels=2), value=ValueHead(4, 16), moves_left=MovesLeftHead(2, 8))


def learner(seed: int = 1, config: NetworkConfig = CONFIG, **settings: Any) -> Learner:
    settings = {"weight_decay": 1e-4, "average_decay": 0.9, "warm_up_steps": 4, **settings}
    return Learner(Network(config, batch_norm=True, seed=seed), **settings)


@pytest.fixture(scope="module")
def batch() -> Batch:
    """Sixteen positions, each with one move to play, a result and a length."""
    board = chess.Board()
    boards, moves = [], []
    for ply in range(16):
        legal = sorted(board.legal_moves, key=lambda move: move.uci())
        boards.append(board.copy())
        moves.append(legal[7 * ply % len(legal)])
        board.push(moves[-1])
    masks, values = pack_boards(boards)
    policy = np.zeros((16, 1858), dtype=np.float32)
    policy[np.arange(16), [policy_index(*pair) for pair in zip(boards, moves, strict=True)]] = 1
    wdl = np.eye(3, dtype=np.float32)[np.arange(16) % 3]
    return Batch(masks, values, policy, wdl, np.arange(16, 0, -1, dtype=np.float32))


def planes_of(batch: Batch) -> torch.Tensor:
    return torch.from_numpy(unpack_planes(batch.masks, batch.values))


def test_steps_lower_every_loss_on_a_fixed_batch(batch: Batch) -> None:
    pupil = learner()
    losses = [pupil.step(batch, 5e-3) for _ in range(60)]
    assert pupil.steps == 60
    first, last = np.array(losses[0]), np.array(losses[-1])
    assert first[0] == pytest.approx(np.log(1858), rel=0.1), "at first every move is as likely as any"
    assert (last < 0.7 * first).all(), (first, last)


def test_the_playing_network_is_the_average_without_batch_normalisation(batch: Batch) -> None:
    pupil = learner()
    for _ in range(12):
        pupil.step(batch, 5e-3)
    playing = pupil.playing_network()
    assert not any("norm" in name for name in playing.state_dict())
    with torch.no_grad():
        expected, found = pupil.average(planes_of(batch)), playing(planes_of(batch))
    for name in ("policy", "value", "moves_left"):
        assert torch.allclose(getattr(expected, name), getattr(found, name), atol=2e-4), name


def test_the_average_lags_behind_and_forgets_the_random_start(batch: Batch) -> None:
    pupil = learner(average_decay=0.5)
    start = {name: value.clone() for name, value in pupil.network.named_parameters()}
    for _ in range(40):
        pupil.step(batch, 5e-3)
    averages = dict(pupil.average.named_parameters())
    for name, current in pupil.network.named_parameters():
        if current.ndim > 1 and (current - start[name]).norm() > 0:
            assert (averages[name] - current).norm() < 0.3 * (start[name] - current).norm(), name
    assert not any(weight.requires_grad for weight in averages.values())


def test_the_first_steps_are_small(batch: Batch) -> None:
    cold, warm = learner(warm_up_steps=1000), learner(warm_up_steps=1)
    before = cold.network.policy.weight.detach().clone()
    cold.step(batch, 1e-2)
    warm.step(batch, 1e-2)
    assert (cold.network.policy.weight - before).abs().max() < 1e-4
    assert (warm.network.policy.weight - before).abs().max() > 1e-3


def test_a_network_of_another_input_format_is_refused() -> None:
    with pytest.raises(ValueError, match="batches are in input format 1, and the network has format 3"):
        learner(config=replace(CONFIG, input_format=3))


def test_cross_entropy_and_annealing() -> None:
    logits = torch.tensor([[0.0, np.log(3.0)], [0.0, 0.0]])
    target = torch.tensor([[0.0, 1.0], [0.5, 0.5]])
    assert float(soft_cross_entropy(logits, target)) == pytest.approx((np.log(4 / 3) + np.log(2)) / 2, abs=1e-6)
    assert [annealed(2.0, 1.0, share) for share in (-1, 0, 0.5, 1, 7)] == pytest.approx([2, 2, 1.5, 1, 1])


def saved(**counted: int) -> Saved:
    return Saved(Counters(**counted), [], None, '{"network": 1}')


def test_a_saved_state_goes_on_exactly_where_it_stood(batch: Batch, tmp_path: Path) -> None:
    unbroken = learner()
    for _ in range(5):
        unbroken.step(batch, 5e-3)
    save_state(tmp_path, unbroken, saved(positions=7, games=2))
    resumed = learner(seed=2)
    found = load_state(tmp_path, resumed)
    assert found == saved(positions=7, games=2)
    assert resumed.steps == 5
    for _ in range(3):
        assert unbroken.step(batch, 5e-3) == resumed.step(batch, 5e-3)
    for one, other in ((unbroken.network, resumed.network), (unbroken.average, resumed.average)):
        theirs = other.state_dict()
        for name, value in one.state_dict().items():
            assert torch.equal(value, theirs[name]), name
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]


def test_a_state_of_another_network_is_refused(batch: Batch, tmp_path: Path) -> None:
    save_state(tmp_path, learner(), saved())
    other = NetworkConfig(Tower(16, blocks=1, se_channels=2))
    with pytest.raises(ValueError, match="belongs to a network of another size"):
        load_state(tmp_path, learner(config=other))


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    save_state(tmp_path, learner(), saved())
    whole = (tmp_path / STATE_FILE).read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"no state at all"):
        (tmp_path / STATE_FILE).write_bytes(damaged)
        with pytest.raises(ValueError, match="is damaged") as refused:
            load_state(tmp_path, learner())
        assert "\n" not in str(refused.value)
