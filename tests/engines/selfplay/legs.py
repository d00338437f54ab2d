"""Legs of campaigns that last so many rounds, and what they leave behind."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from engines.networks import Network
from engines.selfplay import Campaign, run_campaign
from engines.selfplay.campaign import WINDOW_FOLDER
from engines.selfplay.campaign_network import network_config
from engines.selfplay.learner import Learner
from engines.selfplay.metrics import METRICS_FILE, Round, read_metrics
from engines.selfplay.records import GameRecord
from engines.selfplay.state import STATE_FILE, Counters, Saved, load_state
from engines.selfplay.window import Window


class Rounds:
    """A clock by which every round takes a thousand seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1000
        return self.now


def play_rounds(settings: Campaign, folder: Path, rounds: int, **how: Any) -> Counters:
    """A leg of that many rounds."""
    how = {"report": lambda _: None, "device": "cpu", **how}
    return run_campaign(settings, folder, (1000 * rounds + 1500) / 60, clock=Rounds(), **how)


def metrics(folder: Path) -> list[Round]:
    return read_metrics(folder / METRICS_FILE)


def state_of(settings: Campaign, folder: Path) -> tuple[Learner, Saved]:
    """What the folder's state holds."""
    network = Network(network_config(settings), batch_norm=True)
    learner = Learner(network, weight_decay=0.0, average_decay=0.5, warm_up_steps=1)
    return learner, load_state(folder, learner)


def positions_of(games: list[GameRecord]) -> int:
    return sum(len(game.moves) for game in games)


def actors_alive() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("actor-")]


def window_of(settings: Campaign, folder: Path, counters: Counters) -> Window:
    return Window(folder / WINDOW_FOLDER, settings.window, counters.positions)


def arrays_of(folder: Path) -> dict[str, np.ndarray]:
    with safe_open(folder / STATE_FILE, framework="numpy") as stored:
        return {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
