"""Small random networks of every family that network files hold, to try readers, writers and exports on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import torch
from torch import nn

from engines.networks import (
    AttentionBody,
    AttentionPolicy,
    ClassicalPolicy,
    ConvolutionPolicy,
    Encoder,
    MovesLeftHead,
    Network,
    NetworkConfig,
    Smolgen,
    Tower,
    ValueHead,
)
from engines.networks.leela.writing import serialise_network

# No two sizes that could be taken for each other are the same.
_SMOLGEN = Encoder(heads=2, width=8, hidden=20, smolgen=Smolgen(compressed=2, hidden=10, generated=6))
_PLAIN = Encoder(heads=4, width=8, hidden=12)
_MIXED = (_SMOLGEN, Encoder(heads=2, width=8, hidden=12))  # a file has one number of heads for a stack
_DENSE = AttentionBody(12, (_PLAIN, _PLAIN), "dense", dense_channels=3, dense_hidden=14, gated=True)
_POLICY = AttentionPolicy(channels=10, width=6)
_VALUE, _MOVES_LEFT = ValueHead(4, 16), MovesLeftHead(2, 8)

FAMILIES: Mapping[str, NetworkConfig] = {
    "residual": NetworkConfig(
        Tower(8, 3, (4, 0, 6)), policy=ConvolutionPolicy(80), value=_VALUE, moves_left=_MOVES_LEFT
    ),
    "residual with mish": NetworkConfig(Tower(8, 2, (0, 4)), value=_VALUE, activation="mish"),
    "classical": NetworkConfig(
        Tower(8, 2), policy=ClassicalPolicy(2), value=ValueHead(2, 8, scalar=True), activation="mish"
    ),
    "attention policy": NetworkConfig(Tower(8, 1), policy=_POLICY, value=_VALUE),
    "policy encoders": NetworkConfig(
        Tower(8, 2, 4),
        policy=AttentionPolicy(12, 6, _MIXED),
        value=_VALUE,
        moves_left=_MOVES_LEFT,
        activation="mish",
    ),
    "map embedding": NetworkConfig(
        attention=AttentionBody(12, (_SMOLGEN, _SMOLGEN), gated=True),
        policy=_POLICY,
        value=_VALUE,
        moves_left=_MOVES_LEFT,
        activation="mish",
        smolgen_activation="swish",
        ffn_activation="relu2",
    ),
    "map embedding with one value": NetworkConfig(
        attention=AttentionBody(12, (_PLAIN,)), policy=_POLICY, value=ValueHead(4, 16, scalar=True)
    ),
    "dense embedding": NetworkConfig(
        attention=_DENSE,
        policy=_POLICY,
        value=ValueHead(4, 16, scalar=True),
        activation="mish",
        ffn_activation="selu",
    ),
    "dense embedding and policy encoders": NetworkConfig(
        attention=_DENSE,
        policy=AttentionPolicy(8, 6, _MIXED[::-1]),
        value=_VALUE,
        moves_left=_MOVES_LEFT,
        activation="mish",
        smolgen_activation="swish",
    ),
    "several heads": NetworkConfig(
        attention=AttentionBody(12, (_SMOLGEN, _SMOLGEN), "dense", dense_channels=1, dense_hidden=6, gated=True),
        policy=AttentionPolicy(10, 6, own_embedding=False),
        value=ValueHead(4, 16, error=True, categories=5),
        moves_left=_MOVES_LEFT,
        activation="mish",
        smolgen_activation="swish",
        ffn_activation="relu2",
        other_policies=(
            ("optimistic", AttentionPolicy(10, 14, own_embedding=False)),
            ("soft", AttentionPolicy(12, 8, (_SMOLGEN, _SMOLGEN))),
            ("my own", AttentionPolicy(9, 4)),
        ),
        other_values=(("q", ValueHead(2, 8)), ("st", ValueHead(5, 7, error=True, categories=3)), ("my own", _VALUE)),
    ),
    "encoders on a tower": NetworkConfig(
        Tower(8, 1, 4),
        AttentionBody(12, _MIXED, "tower", gated=True),
        policy=_POLICY,
        value=_VALUE,
        smolgen_activation="relu",
        ffn_activation="swish",
    ),
}
"""A shape of every kind that Leela's files can hold, by what sets it apart."""


def small_network(config: NetworkConfig, *, batch_norm: bool = False, seed: int = 0) -> Network:
    """Give a network, as readers give them, in which no two weights or statistics are the same."""
    network = Network(config, batch_norm, seed=seed)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for name, module in network.named_modules():
            for key, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
                if not tensor.is_floating_point() or key == "positions":
                    continue
                if key == "running_var" or (key == "weight" and isinstance(module, nn.BatchNorm2d | nn.LayerNorm)):
                    tensor.uniform_(0.5, 2.0, generator=generator)
                elif key != "weight":
                    tensor.add_(torch.randn(tensor.shape, generator=generator) * 0.3)
                elif name in ("policy", "policy_query", "value"):
                    tensor.mul_(10)
    return network.eval().requires_grad_(False)


@cache
def small_files() -> Mapping[str, bytes]:
    """Give a file of every family in every encoding, and one with batch normalisation, by name."""
    files = {}
    for number, (name, config) in enumerate(FAMILIES.items()):
        for encoding in ("linear16", "float16", "bfloat16", "float32"):
            network = small_network(config, batch_norm=encoding == "float32", seed=number)
            files[f"{name}, {encoding}"] = serialise_network(network, encoding=encoding)
    return files
