"""Every kind of network can be trained further, and batch normalisation does what was asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from engines.networks import BATCH_NORM_RULES, Network, trainable
from engines.networks.leela.reading import parse_network
from engines.networks.leela.writing import serialise_network

Make = Callable[..., Network]


def loss_of(network: Network, planes: Tensor) -> Tensor:
    output = network(planes)
    moves = torch.arange(len(planes)) * 300
    loss = functional.cross_entropy(output.policy, moves)
    value = output.value
    loss = loss + (value.square().sum() if value.shape[1] == 1 else functional.cross_entropy(value, moves % 3))
    return loss if output.moves_left is None else loss + 1e-3 * (output.moves_left - 30).abs().mean()


def test_every_weight_in_use_learns(family: Network, planes: Tensor) -> None:
    student = trainable(family)
    assert student.training
    before = loss_of(student, planes)
    before.backward()
    idle = ("other_policies", "other_values")
    for name, weight in student.named_parameters():
        assert weight.requires_grad
        if name.startswith(idle) or name.startswith(("value_error", "value_categories")):
            assert weight.grad is None, name
        else:
            assert weight.grad is not None and weight.grad.isfinite().all(), name
            # A constant on all keys of a head changes none of the shares of attention.
            assert weight.grad.abs().max() > 0 or name.endswith("attention.key.bias"), name
    assert all(weight.grad is None and not weight.requires_grad for weight in family.folded().parameters())


def test_learning_gets_somewhere_and_can_be_written(family: Network, planes: Tensor) -> None:
    student = trainable(family)
    optimiser = torch.optim.Adam(student.parameters(), lr=3e-3)
    first = loss_of(student, planes).item()
    for _ in range(12):
        optimiser.zero_grad()
        loss = loss_of(student, planes)
        loss.backward()
        optimiser.step()
    assert loss_of(student, planes).item() < first - 0.2
    student.eval()
    again, _ = parse_network(serialise_network(student, encoding="float32"), "student")
    assert again.config == family.config
    trained = student.state_dict()
    assert all(torch.equal(weight, trained[name]) for name, weight in again.state_dict().items())
    torch.testing.assert_close(again(planes).policy, student(planes).policy, atol=1e-4, rtol=1e-4)
    assert not torch.equal(again(planes).policy, family(planes).policy)


@pytest.mark.parametrize("rule", BATCH_NORM_RULES)
def test_batch_norm_does_what_was_asked(make_network: Make, planes: Tensor, rule: str) -> None:
    network = make_network(batch_norm=True)
    with torch.no_grad():
        evaluated = network(planes).policy
    statistics = {name: tensor.clone() for name, tensor in network.named_buffers() if "running" in name}
    student = trainable(network, rule)
    policy = student(planes).policy
    same = torch.allclose(policy, evaluated, atol=1e-3, rtol=1e-3)
    assert same == (rule != "updated")
    after = {name: tensor for name, tensor in student.named_buffers() if "running" in name}
    assert (after == {}) == (rule == "folded")
    for name, tensor in after.items():
        assert torch.equal(tensor, statistics[name]) == (rule == "frozen"), name
    student.eval()
    student.train()
    if rule == "frozen":
        gains = student.input.norm.weight
        assert gains.requires_grad
        assert torch.allclose(student(planes).policy, evaluated, atol=1e-3, rtol=1e-3)
    for name, tensor in network.named_buffers():
        assert "running" not in name or torch.equal(tensor, statistics[name]), "the network itself is only read"


def test_what_a_rule_needs(make_network: Make) -> None:
    for rule in ("frozen", "updated"):
        with pytest.raises(ValueError, match=f"no batch normalisation to be {rule}; use 'folded'"):
            trainable(make_network(), rule)
    with pytest.raises(ValueError, match="batch_norm is 'thawed'; expected 'folded' or 'frozen' or 'updated'"):
        trainable(make_network(), "thawed")
