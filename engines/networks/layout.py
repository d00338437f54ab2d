"""Which message of a network file holds the weights of which layer: one list for reading and for writing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from engines.networks.architecture import Convolution, ResidualNetwork

__all__ = ["convolutions", "dense_layers"]


def convolutions(weights: Any, network: ResidualNetwork) -> Iterator[tuple[str, Any, nn.Conv2d | Convolution]]:
    """Give ``(name, ConvBlock message, module)`` of every convolution; the file must have all residual messages."""
    yield "input", weights.input, network.input
    for i, (message, block) in enumerate(zip(weights.residual, network.residual_blocks, strict=True), start=1):
        yield f"block{i}.conv1", message.conv1, block.conv1
        yield f"block{i}.conv2", message.conv2, block.conv2
    if network.config.policy == "convolution":
        yield "policy_hidden", weights.policy1, network.policy_hidden
        assert isinstance(network.policy, nn.Conv2d)
        yield "policy", weights.policy, network.policy
    else:
        yield "policy_hidden", weights.policy, network.policy_hidden
    yield "value_conv", weights.value, network.value_conv
    if network.config.moves_left:
        yield "moves_left_conv", weights.moves_left, network.moves_left_conv


def dense_layers(weights: Any, network: ResidualNetwork) -> Iterator[tuple[str, Any, Any, nn.Linear]]:
    """Give ``(name, Layer message of the weight, of the bias, module)`` of every dense layer."""
    for i, (message, block) in enumerate(zip(weights.residual, network.residual_blocks, strict=True), start=1):
        if block.se is not None:
            yield f"block{i}.se.squeeze", message.se.w1, message.se.b1, block.se.squeeze
            yield f"block{i}.se.expand", message.se.w2, message.se.b2, block.se.expand
    if isinstance(network.policy, nn.Linear):
        yield "policy", weights.ip_pol_w, weights.ip_pol_b, network.policy
    yield "value_hidden", weights.ip1_val_w, weights.ip1_val_b, network.value_hidden
    yield "value", weights.ip2_val_w, weights.ip2_val_b, network.value
    if network.config.moves_left:
        yield "moves_left_hidden", weights.ip1_mov_w, weights.ip1_mov_b, network.moves_left_hidden
        yield "moves_left", weights.ip2_mov_w, weights.ip2_mov_b, network.moves_left
