"""Residual networks: their layers can be read and replaced, and batch normalisation can be folded away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.networks import (
    AttentionBody,
    AttentionPolicy,
    ClassicalPolicy,
    ConvolutionPolicy,
    Encoder,
    MovesLeftHead,
    Network,
    NetworkConfig,
    Tower,
    ValueHead,
)

Make = Callable[..., Network]

TOWER = Tower(8, blocks=2)
ENCODER = Encoder(heads=2, width=8, hidden=12)
SHAPES: list[dict[str, Any]] = [
    {},
    {"policy": "classical", "policy_planes": 6, "value": "scalar", "moves_left": False},
    {"activation": "mish", "se_channels": (0, 4)},
    {"blocks": 0, "se_channels": ()},
]


def same(a: tuple[Tensor | None, ...], b: tuple[Tensor | None, ...]) -> bool:
    """Whether two outputs are equal bit by bit."""
    return all(x is y if x is None or y is None else torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("shape", SHAPES)
def test_output_shapes(make_network: Make, planes: Tensor, shape: dict[str, Any]) -> None:
    network = make_network(**shape)
    output = network(planes)
    assert output.policy.shape == (5, 1858)
    if not network.config.value.scalar:
        assert output.value.shape == (5, 3)
    else:
        assert output.value.shape == (5, 1)
        assert (output.value.abs() <= 1).all()
    if network.config.moves_left:
        assert output.moves_left.shape == (5,)
        assert (output.moves_left >= 0).all()
    else:
        assert output.moves_left is None


def test_layer_names_are_those_of_submodules_in_forward_order(make_network: Make, planes: Tensor) -> None:
    network = make_network()
    assert network.layer_names == (
        "input",
        "block1",
        "block2",
        "policy_hidden",
        "policy",
        "value_conv",
        "value_hidden",
        "value",
        "moves_left_conv",
        "moves_left_hidden",
        "moves_left",
    )
    called: list[str] = []
    for name in network.layer_names:
        module = network.get_submodule(name)
        module.register_forward_hook(lambda *_, name=name: called.append(name))
    network(planes)
    assert tuple(called) == network.layer_names


@pytest.mark.parametrize("shape", SHAPES)
def test_what_layers_give_is_what_the_modules_work_out(
    make_network: Make, planes: Tensor, shape: dict[str, Any]
) -> None:
    """The whole forward pass again, from the modules' weights and the published formulas."""
    network = make_network(**shape)
    config = network.config
    act = functional.relu if config.activation == "relu" else functional.mish

    def conv(module: nn.Module, x: Tensor) -> Tensor:
        plain = getattr(module, "conv", module)
        return functional.conv2d(x, plain.weight, plain.bias, padding=plain.kernel_size[0] // 2)

    expected = {"input": act(conv(network.input, planes))}
    x = expected["input"]
    for i, hidden in enumerate(config.tower.block_se_channels, start=1):
        block = network.get_submodule(f"block{i}")
        y = conv(block.conv2, act(conv(block.conv1, x)))
        if hidden:
            scale, shift = block.se.expand(act(block.se.squeeze(y.mean((2, 3))))).split(config.channels, dim=1)
            y = torch.sigmoid(scale)[:, :, None, None] * y + shift[:, :, None, None]
        x = expected[f"block{i}"] = act(x + y)
    expected["policy_hidden"] = act(conv(network.policy_hidden, x))
    if isinstance(config.policy, ClassicalPolicy):
        expected["policy"] = network.policy(expected["policy_hidden"].flatten(1))
    expected["value_conv"] = act(conv(network.value_conv, x))
    expected["value_hidden"] = act(network.value_hidden(expected["value_conv"].flatten(1)))
    value = network.value(expected["value_hidden"])
    expected["value"] = value.tanh() if config.value.scalar else value
    if config.moves_left:
        expected["moves_left_conv"] = act(conv(network.moves_left_conv, x))
        hidden_layer = act(network.moves_left_hidden(expected["moves_left_conv"].flatten(1)))
        expected["moves_left_hidden"] = hidden_layer
        expected["moves_left"] = network.moves_left(hidden_layer).relu()
    output, taken = network.forward_with(planes, network.layer_names)
    assert tuple(taken) == network.layer_names
    for name, tensor in expected.items():
        torch.testing.assert_close(taken[name], tensor, atol=1e-4, rtol=1e-4)
    assert taken["policy"] is output.policy
    assert taken["value"] is output.value


def test_reading_layers_changes_no_bit_of_the_output(make_network: Make, planes: Tensor) -> None:
    network = make_network()
    plain = network(planes)
    output, taken = network.forward_with(planes, ["value_conv", "block1"])
    assert same(plain, output)
    assert list(taken) == ["value_conv", "block1"]
    alone = network.layer_outputs(planes, ["value_conv", "block1"])
    assert all(torch.equal(alone[name], taken[name]) for name in taken)


def test_every_layer_can_be_read_without_running_the_heads_that_were_not_asked_for(
    make_network: Make, planes: Tensor
) -> None:
    network = make_network()
    _, taken = network.forward_with(planes, network.layer_names)
    for name in network.layer_names:
        assert torch.equal(network.layer_outputs(planes, [name])[name], taken[name])


def test_an_edit_that_changes_nothing_changes_no_bit(make_network: Make, planes: Tensor) -> None:
    network = make_network()
    plain = network(planes)
    direction = torch.randn(8, 8, 8, generator=torch.Generator().manual_seed(3))
    assert same(plain, network(planes, edit={name: lambda x: x for name in network.layer_names}))
    assert same(plain, network(planes, edit={"block1": lambda x: x + 0.0 * direction}))
    assert same(plain, network(planes, edit={}))


def test_an_edit_acts_from_its_layer_on_and_leaves_nothing_behind(make_network: Make, planes: Tensor) -> None:
    network = make_network()
    plain, before = network.forward_with(planes, network.layer_names)
    steered, after = network.forward_with(planes, network.layer_names, edit={"block1": lambda x: x + 1.0})
    assert torch.equal(after["input"], before["input"])
    assert torch.equal(after["block1"], before["block1"] + 1.0)
    assert not torch.equal(steered.policy, plain.policy)
    assert not torch.equal(steered.value, plain.value)
    assert same(network(planes), plain)


def test_an_edit_of_one_head_leaves_the_others(make_network: Make, planes: Tensor) -> None:
    network = make_network()
    plain = network(planes)
    steered = network(planes, edit={"value": lambda x: x * 0})
    assert torch.equal(steered.policy, plain.policy)
    assert (steered.value == 0).all()


def test_layers_and_edits_that_do_not_fit_are_refused(make_network: Make, planes: Tensor) -> None:
    network = make_network()
    with pytest.raises(ValueError, match=r"There is no layer 'block3'; the layers are input, block1"):
        network.forward_with(planes, ["block3"])
    with pytest.raises(ValueError, match="There is no layer 'block0'"):
        network(planes, edit={"block0": lambda x: x})
    with pytest.raises(ValueError, match=r"edit of layer 'block1' made \[5, 8, 64\] of \[5, 8, 8, 8\]"):
        network(planes, edit={"block1": lambda x: x.flatten(2)})


@pytest.mark.parametrize("shape", SHAPES)
def test_folding_batch_norm_away_changes_the_output_only_by_rounding(
    make_network: Make, planes: Tensor, shape: dict[str, Any]
) -> None:
    network = make_network(batch_norm=True, **shape)
    folded = network.folded()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    for ours, theirs in zip(network(planes), folded(planes), strict=True):
        if ours is not None:
            torch.testing.assert_close(theirs, ours, atol=2e-4, rtol=2e-4)


def test_folding_gives_copies(make_network: Make, planes: Tensor) -> None:
    network = make_network()
    before = network(planes)
    folded = network.folded()
    with torch.no_grad():
        for parameter in folded.parameters():
            parameter.fill_(1.0)
    assert same(network(planes), before)


def test_first_weights_depend_on_the_seed_alone() -> None:
    config = NetworkConfig(Tower(8, blocks=1))
    state = torch.get_rng_state()
    one, again, other = (Network(config, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one.policy.weight, again.policy.weight)
    assert not torch.equal(one.policy.weight, other.policy.weight)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_an_untrained_network_claims_nothing_and_learns(planes: Tensor, batch_norm: bool) -> None:
    network = Network(NetworkConfig(Tower(16, blocks=4, se_channels=4), moves_left=MovesLeftHead()), batch_norm)
    output = network.train()(planes)
    assert output.policy.softmax(1).max() < 0.02
    assert (output.value.softmax(1) - 1 / 3).abs().max() < 0.2
    loss = output.policy[:, 7].sum() + output.value[:, 0].sum() + output.moves_left.sum()
    loss.backward()
    grads = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert all(grad is not None and grad.isfinite().all() for grad in grads.values())
    assert all(grad.abs().max() > 0 for name, grad in grads.items() if grad is not None and "weight" in name)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Tower(0, blocks=2), "filters is 0"),
        (lambda: Tower(8, blocks=-1), "blocks is -1"),
        (lambda: Tower(8, blocks=2, se_channels=(4,)), "1 numbers for 2 blocks"),
        (lambda: ConvolutionPolicy(72), "needs 73"),
        (lambda: ValueHead(planes=0), "planes is 0"),
        (lambda: Encoder(heads=3, width=8, hidden=4), "cannot be shared out to 3 heads"),
        (lambda: AttentionBody(8, ()), "0 encoders"),
        (lambda: AttentionBody(8, (ENCODER,), embedding="sparse"), "embedding is 'sparse'"),
        (lambda: AttentionBody(8, (ENCODER,), embedding="dense"), "dense_channels is 0"),
        (lambda: NetworkConfig(), "neither a tower nor an attention body"),
        (lambda: NetworkConfig(TOWER, activation="selu"), "activation is 'selu'; expected 'relu' or 'mish'"),
        (lambda: NetworkConfig(TOWER, input_format=7), "input_format is 7"),
        (lambda: NetworkConfig(TOWER, AttentionBody(8, (ENCODER,))), '"tower" on a tower'),
        (lambda: NetworkConfig(attention=AttentionBody(8, (ENCODER,))), "needs attention policies"),
        (lambda: NetworkConfig(TOWER, ffn_activation="selu"), "Only an attention body"),
        (lambda: NetworkConfig(TOWER, other_policies=(("soft", AttentionPolicy(8, 8)),)), "must be of one kind"),
        (lambda: NetworkConfig(TOWER, other_values=(("q", ValueHead(scalar=True)),)), "must be scalar, or none"),
        (lambda: NetworkConfig(TOWER, policy_name="a\nb"), "printable characters"),
        (lambda: NetworkConfig(TOWER, other_values=(("winner", ValueHead()),)), "needs its own name"),
    ],
)
def test_impossible_shapes_are_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
