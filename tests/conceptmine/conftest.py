"""Tiny networks that play, disagree and are searched in no time, for the tests of the whole chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from conceptmine.pipeline import MiningSettings, checked_settings, mine
from engines.networks import Network, NetworkConfig, NetworkInfo, Tower, ValueHead, write_network

_SHAPE = NetworkConfig(Tower(8, blocks=1, se_channels=4), value=ValueHead(4, 16))
# A network fresh from its seed finds all moves alike; with louder heads its searches go deep enough for lines.
_POLICY_LOUDNESS, _VALUE_LOUDNESS = 300.0, 10.0


def _network(seed: int, *, astray: float = 0.0) -> Network:
    """The network of a seed; ``astray`` adds that share of noise, for one that mostly agrees with it."""
    network = Network(_SHAPE, seed=seed).eval()
    generator = torch.Generator().manual_seed(100 + seed)
    with torch.no_grad():
        for tensor in network.parameters():
            if astray and tensor.numel() > 1:
                tensor.add_(torch.randn(tensor.shape, generator=generator) * tensor.std() * astray)
        network.policy.weight.mul_(_POLICY_LOUDNESS)
        network.value.weight.mul_(_VALUE_LOUDNESS)
    return network


@pytest.fixture(scope="session")
def tiny_networks(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Files of four networks: "agent", "weaker" (the agent led astray), "student" and "human"."""
    folder = tmp_path_factory.mktemp("networks")
    networks = {
        "agent": _network(1),
        "weaker": _network(1, astray=0.3),
        "student": _network(3),
        "human": _network(4),
    }
    for name, network in networks.items():
        write_network(network, folder / f"{name}.pb.gz", NetworkInfo())
    return {name: folder / f"{name}.pb.gz" for name in networks}


@pytest.fixture(scope="session")
def tiny_settings(tiny_networks: Mapping[str, Path]) -> MiningSettings:
    """Settings of a run of a few seconds that goes through every stage."""
    settings = checked_settings(
        agent=str(tiny_networks["agent"]),
        weaker=str(tiny_networks["weaker"]),
        students=f"{tiny_networks['student']},{tiny_networks['weaker']}",
        human=None,
        roots=24,
        simulations=64,
        layers="block1,policy_hidden",
        seed=1,
        device="cpu",
        workers=1,
        null=False,
    )
    return replace(
        settings,
        human_network=str(tiny_networks["human"]),
        samples_per_game=6,
        pool=180,
        family_least=2,
        family_resamples=4,
        family_flips=19,
        taught=8,
        seeds=(0,),
        prototype_share=0.5,
        corpus_positions=48,
        permutations=19,
        flips=499,
    )


@pytest.fixture(scope="session")
def unbroken(tiny_settings: MiningSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a whole run with one worker, which many tests look at and none changes."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    mine(tiny_settings, folder)
    return folder
