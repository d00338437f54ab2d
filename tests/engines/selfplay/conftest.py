"""One thread for torch, and a campaign that a test can afford."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from engines.selfplay.config import Campaign, NetworkSize


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny() -> Campaign:
    return Campaign(
        name="tiny",
        seed=3,
        network=NetworkSize(filters=8, blocks=1, se_channels=2),
        games_at_once=8,
        simulations=2,
        considered_moves=2,
        longest_game=20,
        positions_per_round=64,
        window=1024,
        batch_size=8,
        warm_up_steps=1,
        checkpoints=(0, 100, 400),
        tail_positions=500,
    )
