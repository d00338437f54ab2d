"""Small networks with weights that make every layer matter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from engines.networks import (
    ClassicalPolicy,
    ConvolutionPolicy,
    MovesLeftHead,
    Network,
    NetworkConfig,
    Tower,
    ValueHead,
)
from experiments.small_networks import FAMILIES, small_network

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


@pytest.fixture
def weighty() -> Callable[[NetworkConfig], Network]:
    """Builds a network of any shape; no two weights or statistics are the same."""
    return lambda config: every_weight_matters(Network(config, seed=1))


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Network:
    """A small network of every kind, with weights that make every layer matter, in evaluation mode."""
    return small_network(FAMILIES[request.param], seed=1)


@pytest.fixture
def families() -> dict[str, Network]:
    """All of them by name."""
    return {name: small_network(config, seed=1) for name, config in FAMILIES.items()}


@pytest.fixture
def planes() -> torch.Tensor:
    """Five positions' worth of planes of zeros and ones, and a rule-50 plane."""
    generator = torch.Generator().manual_seed(0)
    planes = (torch.rand((5, 112, 8, 8), generator=generator) < 0.1).float()
    planes[:, 109] = torch.arange(5.0)[:, None, None] * 7
    return planes
