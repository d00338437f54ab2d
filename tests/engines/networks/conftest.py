"""Small networks with weights that make every layer matter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

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

SMALL: dict[str, Any] = {
    "filters": 8,
    "blocks": 2,
    "se_channels": 4,
    "value_planes": 4,
    "value_hidden": 16,
}
MOVES_LEFT: dict[str, Any] = {"moves_left": True, "moves_left_planes": 2, "moves_left_hidden": 8}


def residual_config(
    *,
    filters: int,
    blocks: int,
    se_channels: int | tuple[int, ...] = 0,
    policy: str = "convolution",
    policy_planes: int = 80,
    value: str = "wdl",
    value_planes: int = 32,
    value_hidden: int = 128,
    moves_left: bool = False,
    moves_left_planes: int = 8,
    moves_left_hidden: int = 128,
    **others: Any,
) -> NetworkConfig:
    """The shape of a residual network with the classical heads, all sizes side by side."""
    return NetworkConfig(
        Tower(filters, blocks, se_channels),
        policy=ConvolutionPolicy(policy_planes) if policy == "convolution" else ClassicalPolicy(policy_planes),
        value=ValueHead(value_planes, value_hidden, scalar=value == "scalar"),
        moves_left=MovesLeftHead(moves_left_planes, moves_left_hidden) if moves_left else None,
        **others,
    )


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def every_weight_matters(network: Network, seed: int = 1) -> Network:
    """Give the network, in evaluation mode, other biases, norms and statistics, no two alike, and larger outputs."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
            if re.search(r"running_var$|norm\d?\.weight$|multiply$", name):
                tensor.uniform_(0.5, 2.0, generator=generator)
            elif name.endswith(("bias", "running_mean", "embedding.add")):
                tensor.add_(torch.randn(tensor.shape, generator=generator) * 0.3)
        outputs = [network.value]
        outputs.append(network.policy_query if hasattr(network, "policy_query") else network.policy)
        for output in outputs:
            output.weight.mul_(10)
    return network.eval()


@pytest.fixture
def make_network() -> Callable[..., Network]:
    """Builds a small network; keywords replace parts of its shape; no two weights or statistics are the same."""

    def make(*, batch_norm: bool = False, seed: int = 1, moves_left: bool = True, **shape: Any) -> Network:
        config = residual_config(**{**SMALL, **(MOVES_LEFT if moves_left else {}), **shape})
        return every_weight_matters(Network(config, batch_norm, seed=seed), seed)

    return make


def attention_config(**others: Any) -> NetworkConfig:
    """A small attention body with everything that bodies may have."""
    smolgen = Smolgen(compressed=2, hidden=10, generated=6)
    encoder = Encoder(heads=2, width=8, hidden=20, smolgen=smolgen)
    body = AttentionBody(12, (encoder, encoder), gated=True)
    settings: dict[str, Any] = {
        "attention": body,
        "policy": AttentionPolicy(channels=10, width=6),
        "value": ValueHead(4, 16),
        "moves_left": MovesLeftHead(2, 8),
        "activation": "mish",
        "smolgen_activation": "swish",
        "ffn_activation": "relu2",
    }
    return NetworkConfig(**{**settings, **others})


_PLAIN = Encoder(heads=4, width=8, hidden=12)
_DENSE = AttentionBody(12, (_PLAIN,), embedding="dense", dense_channels=5, dense_hidden=14, gated=True)
_SHARING = AttentionPolicy(channels=10, width=6, own_embedding=False)
_HEADS = AttentionPolicy(channels=8, width=6, encoders=(_PLAIN, _PLAIN))
FAMILIES: dict[str, NetworkConfig] = {
    "tower": residual_config(**SMALL, **MOVES_LEFT),
    "tower, classical heads": residual_config(filters=8, blocks=1, policy="classical", policy_planes=6, value="scalar"),
    "tower, mish, mixed blocks": residual_config(filters=8, blocks=2, se_channels=(0, 4), activation="mish"),
    "tower, attention policy": NetworkConfig(Tower(8, 1), policy=AttentionPolicy(10, 6)),
    "tower, policy encoders": NetworkConfig(Tower(8, 1, 4), policy=_HEADS, activation="mish"),
    "map": attention_config(),
    "map, no smolgen, scalar": attention_config(
        attention=AttentionBody(12, (_PLAIN,)), value=ValueHead(4, 16, scalar=True), moves_left=None, activation="relu"
    ),
    "dense": attention_config(attention=_DENSE, ffn_activation=None),
    "dense, policy encoders": attention_config(attention=_DENSE, policy=_HEADS, ffn_activation="selu"),
    "several heads": attention_config(
        attention=_DENSE,
        policy=_SHARING,
        other_policies=(("optimistic", _SHARING), ("my own", AttentionPolicy(9, 4))),
        other_values=(("q", ValueHead(4, 16)), ("st", ValueHead(5, 7, error=True, categories=3))),
    ),
    "attention on a tower": attention_config(
        tower=Tower(8, 1, 4), attention=AttentionBody(12, (_PLAIN,), embedding="tower", gated=True)
    ),
}
"""One small shape of every kind that Leela's files can hold."""


@pytest.fixture
def weighty() -> Callable[[NetworkConfig], Network]:
    """Builds a network of any shape; no two weights or statistics are the same."""
    return lambda config: every_weight_matters(Network(config, seed=1))


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Network:
    """A small network of every kind, with weights that make every layer matter, in evaluation mode."""
    return network_of_family(request.param)


@pytest.fixture
def families() -> dict[str, Network]:
    """All of them by name."""
    return {name: network_of_family(name) for name in FAMILIES}


def network_of_family(name: str) -> Network:
    network = Network(FAMILIES[name], seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.ndim == 1 or name.endswith(("multiply", "add")):
                weight.add_(torch.randn(weight.shape, generator=generator) * 0.3)
        for head in (network, *network.other_policies, *network.other_values):
            for name in ("policy", "policy_query", "value"):
                if hasattr(head, name):
                    getattr(head, name).weight.mul_(10)
    return network.eval()


@pytest.fixture
def planes() -> torch.Tensor:
    """Five positions' worth of planes of zeros and ones, and a rule-50 plane."""
    generator = torch.Generator().manual_seed(0)
    planes = (torch.rand((5, 112, 8, 8), generator=generator) < 0.1).float()
    planes[:, 109] = torch.arange(5.0)[:, None, None] * 7
    return planes
