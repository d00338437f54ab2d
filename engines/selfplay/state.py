"""A campaign's state as one file, so that one atomic rename saves all of it or nothing."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from engines.selfplay.learner import Learner
from engines.selfplay.replay import Positions

STATE_FILE = "state.safetensors"


@dataclass
class Counters:
    """How far a campaign has come (all since its start)."""

    positions: int = 0
    games: int = 0
    draws: int = 0
    rounds: int = 0
    seconds: float = 0.0
    checkpoints: int = 0


def save_state(folder: Path, learner: Learner, counters: Counters, tail: list[Positions], campaign: str) -> None:
    """Write weights, averages, optimiser, counters and the newest games to ``folder``/state.safetensors, atomically."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for prefix, module in (("network", learner.network), ("average", learner.average)):
        arrays |= {f"{prefix}.{name}": value.detach().cpu().numpy() for name, value in module.state_dict().items()}
    for index, state in learner.optimiser.state_dict()["state"].items():
        arrays |= {f"optimiser.{index}.{name}": value.cpu().numpy() for name, value in state.items()}
    for number, positions in enumerate(tail):
        arrays |= {f"tail.{number}.{field.name}": getattr(positions, field.name) for field in fields(Positions)}
    notes = {
        "counters": json.dumps(asdict(counters)),
        "steps": str(learner.steps),
        "campaign": campaign,
        "tail": str(len(tail)),
    }
    target = folder / STATE_FILE
    scratch = target.with_suffix(".part")
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, scratch, metadata=notes)
    os.replace(scratch, target)


def load_state(folder: Path, learner: Learner) -> tuple[Counters, list[Positions], str]:
    """Put a saved state back into ``learner``; the counters, the newest games and the campaign's text as saved.

    Raises ``ValueError`` when the file does not fit the learner's network.
    """
    path = folder / STATE_FILE
    with safe_open(path, framework="numpy") as stored:
        notes = stored.metadata()
        arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
    try:
        for prefix, module in (("network", learner.network), ("average", learner.average)):
            module.load_state_dict({name: torch.from_numpy(arrays[f"{prefix}.{name}"]) for name in module.state_dict()})
    except (KeyError, RuntimeError):
        raise ValueError(
            f"{path} belongs to a network of another size: use the campaign file it was started with"
        ) from None
    optimiser = learner.optimiser.state_dict()
    optimiser["state"] = {}
    for name, array in arrays.items():
        if name.startswith("optimiser."):
            _, index, key = name.split(".")
            optimiser["state"].setdefault(int(index), {})[key] = torch.from_numpy(array)
    learner.optimiser.load_state_dict(optimiser)
    learner.steps = int(notes["steps"])
    tail = [
        Positions(**{field.name: arrays[f"tail.{number}.{field.name}"] for field in fields(Positions)})
        for number in range(int(notes["tail"]))
    ]
    return Counters(**json.loads(notes["counters"])), tail, notes["campaign"]
