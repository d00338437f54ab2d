"""The network of a campaign: its shape, and reading it out of a saved state."""

from __future__ import annotations

import json
from pathlib import Path

from engines.networks import (
    MovesLeftHead,
    Network,
    NetworkConfig,
    NetworkFormatError,
    NetworkInfo,
    Tower,
    ValueHead,
)
from engines.networks.checkpoint import network_of, read_notes, read_tensors
from engines.networks.leela.container import UnusableFileError
from engines.selfplay.config import Campaign, campaign_of
from engines.selfplay.state import Counters


def network_config(campaign: Campaign) -> NetworkConfig:
    """The network that the campaign trains: convolution policy, win–draw–loss value, plies-left head."""
    size = campaign.network
    return NetworkConfig(
        Tower(size.filters, size.blocks, size.se_channels),
        value=ValueHead(planes=8, hidden=64),
        moves_left=MovesLeftHead(planes=4, hidden=32),
    )


def is_campaign(path: str | Path) -> bool:
    """Say whether a file is the state of a campaign."""
    try:
        return "campaign" in read_notes(path)
    except NetworkFormatError:
        return False


def read_campaign_network(path: str | Path) -> tuple[Network, NetworkInfo]:
    """Read the network out of a campaign's state: the averaged weights, which are those that play.

    Args:
        path: the state file.

    Returns:
        ``(network, info)``, the network with batch normalisation, in evaluation mode and taking no gradients.

    Raises:
        NetworkFormatError: the file is missing, damaged or no campaign's state.
    """
    notes, tensors = read_notes(path), read_tensors(path, "average.")
    try:
        campaign = campaign_of(json.loads(notes["campaign"]))
        counters = Counters(**json.loads(notes["counters"]))
        return network_of(network_config(campaign), tensors), info_of(campaign, counters, int(notes["steps"]))
    except (KeyError, TypeError, ValueError):
        raise NetworkFormatError(f"{path} is no state of a self-play campaign, or is damaged.") from None
    except UnusableFileError as reason:
        raise NetworkFormatError(f"{path} {reason}.") from None


def info_of(campaign: Campaign, counters: Counters, steps: int) -> NetworkInfo:
    """What a file of the network says about it."""
    return NetworkInfo(
        licence="GPL-3.0-or-later",
        training_steps=steps,
        training_parameters=(
            f"{campaign.name}: {counters.games} self-play games, {counters.positions} positions, "
            f"{campaign.simulations} simulations a move"
        ),
    )
