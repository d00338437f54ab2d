"""Learning: losses are what they are called and fall, steps are bounded, and the average follows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import chess
import numpy as np
import pytest
import torch

from engines.chess import pack_boards, policy_index, unpack_planes
from engines.networks import MovesLeftHead, Network, NetworkConfig, Tower, ValueHead
from engines.selfplay.learner import Learner, Losses, annealed, policy_cross_entropy, soft_cross_entropy
from engines.selfplay.records import TARGET_MOVES
from engines.selfplay.window import Batch

CONFIG = NetworkConfig(Tower(8, blocks=1, se_channels=2), value=ValueHead(4, 16), moves_left=MovesLeftHead(2, 8))


def learner(seed: int = 1, config: NetworkConfig = CONFIG, **settings: Any) -> Learner:
    settings = {"weight_decay": 1e-4, "average_decay": 0.9, "warm_up_steps": 4, **settings}
    return Learner(Network(config, batch_norm=True, seed=seed), **settings)


@pytest.fixture(scope="module")
def batch() -> Batch:
    """Sixteen positions, each with two moves to learn, a result and a length."""
    board = chess.Board()
    boards, moves = [], []
    for ply in range(16):
        legal = sorted(board.legal_moves, key=lambda move: move.uci())
        boards.append(board.copy())
        moves.append((legal[7 * ply % len(legal)], legal[(7 * ply + 1) % len(legal)]))
        board.push(moves[-1][0])
    masks, values = pack_boards(boards)
    slots = np.zeros((16, TARGET_MOVES), dtype=np.int64)
    for row, (b, pair) in enumerate(zip(boards, moves, strict=True)):
        others = [move for move in b.legal_moves if move not in pair]
        slots[row, : len(pair) + len(others)] = [policy_index(b, move) for move in (*pair, *others)]
    legal = np.array([b.legal_moves.count() for b in boards])
    policy = np.zeros((16, TARGET_MOVES), dtype=np.float32)
    policy[:, 0], policy[:, 1] = 0.75, 0.25
    outcomes = (1 - np.arange(16) % 3).astype(np.int8)
    wdl = np.eye(3, dtype=np.float32)[1 - outcomes]
    return Batch(masks, values, slots, legal, policy, wdl, np.arange(16, 0, -1, dtype=np.float32), outcomes)


def planes_of(batch: Batch) -> torch.Tensor:
    return torch.from_numpy(unpack_planes(batch.masks, batch.values))


def test_steps_lower_every_loss_on_a_fixed_batch(batch: Batch) -> None:
    pupil = learner()
    losses = [pupil.step(batch, 5e-3) for _ in range(100)]
    assert pupil.steps == 100
    first, last = losses[0], losses[-1]
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    expected = float(np.log(batch.legal).mean())
    assert first.policy == pytest.approx(expected, rel=0.1), "at first every legal move is as likely as any"
    assert all(loss.policy_entropy == pytest.approx(entropy, abs=1e-5) for loss in losses)
    assert entropy <= last.policy < entropy + 0.6 * (first.policy - entropy)
    assert last.value < 0.7 * first.value
    assert last.moves_left < 0.7 * first.moves_left
    assert last.value_accuracy > max(0.8, first.value_accuracy)


def test_losses_are_those_of_the_network_before_the_step(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    pupil = learner()
    with torch.no_grad():
        before = Network(CONFIG, batch_norm=True, seed=1).train()(planes_of(batch))
    found = pupil.step(batch, 5e-3)
    log_value = torch.log_softmax(before.value, dim=1)
    log_policy = [
        torch.log_softmax(before.policy[row, batch.slots[row, :count]], dim=0).numpy()
        for row, count in enumerate(batch.legal)
    ]
    expected = Losses(
        policy=-float(np.mean([0.75 * among_legal[0] + 0.25 * among_legal[1] for among_legal in log_policy])),
        value=float(-log_value[torch.arange(16), torch.from_numpy(1 - batch.outcomes).long()].mean()),
        moves_left=float(torch.nn.functional.huber_loss(before.moves_left / 20, torch.from_numpy(batch.left) / 20)),
        policy_entropy=float(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25))),
        value_accuracy=float((before.value.argmax(dim=1).numpy() == 1 - batch.outcomes).mean()),
    )
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("outcome", [1, 0, -1])
def test_wins_draws_and_losses_are_learned_as_such(outcome: int, batch: Batch) -> None:
    alike = np.full(16, outcome, dtype=np.int8)
    lesson = batch._replace(wdl=np.eye(3, dtype=np.float32)[1 - alike], outcomes=alike)
    pupil = learner()
    for _ in range(40):
        losses = pupil.step(lesson, 5e-3)
    with torch.no_grad():
        likeliest = pupil.network.eval()(planes_of(batch)).value.argmax(dim=1)
    assert likeliest.tolist() == [1 - outcome] * 16, "win, draw and loss stand in this order"
    assert losses.value_accuracy == 1
    assert losses.value < 0.5


def test_moves_that_are_not_legal_cost_nothing_and_learn_nothing() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(5, 1858, generator=generator, requires_grad=True)
    legal = torch.tensor([1, 3, 20, 40, 64])
    slots = torch.stack([torch.randperm(1858, generator=generator)[:TARGET_MOVES] for _ in range(5)])
    shares = torch.rand(5, TARGET_MOVES, generator=generator)
    for row, count in enumerate(legal.tolist()):
        slots[row, count:], shares[row, count:] = 0, 0  # as entries that are not used
    shares /= shares.sum(dim=1, keepdim=True)
    loss = policy_cross_entropy(logits, slots, legal, shares)
    alone = [
        soft_cross_entropy(logits[row : row + 1, slots[row, :count]], shares[row : row + 1, :count])
        for row, count in enumerate(legal.tolist())
    ]
    assert float(loss.detach()) == pytest.approx(float(sum(alone).detach()) / 5, abs=1e-5)
    loss.backward()
    for row, count in enumerate(legal.tolist()):
        learned = logits.grad[row].nonzero().flatten().tolist()
        assert set(learned) <= set(slots[row, :count].tolist())
    assert len(logits.grad[4].nonzero()) == 64


def test_a_network_that_does_not_count_plies_learns_the_rest(batch: Batch) -> None:
    pupil = learner(config=replace(CONFIG, moves_left=None))
    losses = [pupil.step(batch, 5e-3) for _ in range(20)]
    assert {loss.moves_left for loss in losses} == {0}
    assert losses[-1].policy < losses[0].policy


def test_gradients_are_cut_to_a_length_of_five(batch: Batch) -> None:
    def length(pupil: Learner) -> float:
        return float(torch.stack([weight.grad.norm() for weight in pupil.network.parameters()]).norm())

    usual, steep = learner(), learner()
    usual.step(batch, 1e-3)
    assert length(usual) < 4.9
    with torch.no_grad():
        steep.network.policy.weight.mul_(1000)
    steep.step(batch, 1e-3)
    assert length(steep) == pytest.approx(5, rel=1e-3)


def test_weights_decay_and_biases_and_norms_do_not() -> None:
    decayed, plain = learner(weight_decay=0.3).optimiser.param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.3, 0.0)
    assert {weight.ndim for weight in plain["params"]} == {1}
    assert min(weight.ndim for weight in decayed["params"]) == 2
    assert len(decayed["params"]) + len(plain["params"]) == len(list(learner().network.parameters()))


def dtypes_within_a_step(pupil: Learner, batch: Batch) -> set[torch.dtype]:
    """What the layers with many products give out in training."""
    found: set[torch.dtype] = set()
    for module in pupil.network.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            module.register_forward_hook(lambda _module, _inputs, output: found.add(output.dtype))
    losses = pupil.step(batch, 1e-3)
    assert np.isfinite(losses).all()
    assert {weight.dtype for weight in pupil.network.parameters()} == {torch.float32}
    return found


@pytest.mark.parametrize(("unit", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_steps_are_in_bfloat16_where_the_processor_has_a_unit_for_it(
    unit: bool, expected: torch.dtype, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: unit, raising=False)
    assert dtypes_within_a_step(learner(), batch) == {expected}


def test_steps_are_in_float32_where_torch_cannot_tell(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    assert dtypes_within_a_step(learner(), batch) == {torch.float32}


def test_bfloat16_changes_losses_by_little(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = []
    for unit in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda unit=unit: unit, raising=False)
        losses.append(learner().step(batch, 1e-3)[:3])
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] != losses[1]


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


def test_the_playing_network_does_not_change_while_the_learner_goes_on(batch: Batch) -> None:
    pupil = learner()
    pupil.step(batch, 5e-3)
    playing = pupil.playing_network()
    before = {name: value.clone() for name, value in playing.state_dict().items()}
    pupil.step(batch, 5e-3)
    assert all(torch.equal(value, before[name]) for name, value in playing.state_dict().items())


def test_the_average_moves_by_the_steps_taken_and_then_by_its_decay(batch: Batch) -> None:
    pupil = learner(average_decay=0.5)
    for step in range(1, 15):
        before = {name: value.clone() for name, value in pupil.average.state_dict().items()}
        pupil.step(batch, 5e-3)
        decay = min(0.5, step / (step + 10))
        averages = pupil.average.state_dict()
        for name, current in pupil.network.state_dict().items():
            if current.is_floating_point():
                expected = decay * before[name] + (1 - decay) * current
                assert torch.allclose(averages[name], expected, atol=1e-6), (step, name)
            else:
                assert torch.equal(averages[name], current), "batches are counted, not averaged"
    assert not any(weight.requires_grad for weight in pupil.average.parameters())
    assert not pupil.average.training


def test_the_first_steps_are_small(batch: Batch) -> None:
    cold, warm = learner(warm_up_steps=1000), learner(warm_up_steps=1)
    before = cold.network.policy.weight.detach().clone()
    cold.step(batch, 1e-2)
    warm.step(batch, 1e-2)
    assert (cold.network.policy.weight - before).abs().max() < 1e-4
    assert (warm.network.policy.weight - before).abs().max() > 1e-3
    rates = [group["lr"] for group in cold.optimiser.param_groups]
    assert rates == pytest.approx([1e-5, 1e-5])


def test_a_network_of_another_input_format_is_refused() -> None:
    with pytest.raises(ValueError, match="batches are in input format 1, and the network has format 3"):
        learner(config=replace(CONFIG, input_format=3))


def test_cross_entropy_and_annealing() -> None:
    logits = torch.tensor([[0.0, np.log(3.0)], [0.0, 0.0]])
    target = torch.tensor([[0.0, 1.0], [0.5, 0.5]])
    assert float(soft_cross_entropy(logits, target)) == pytest.approx((np.log(4 / 3) + np.log(2)) / 2, abs=1e-6)
    assert [annealed(2.0, 1.0, share) for share in (-1, 0, 0.5, 1, 7)] == pytest.approx([2, 2, 1.5, 1, 1])
