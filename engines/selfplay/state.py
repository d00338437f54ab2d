"""A campaign's state as one file, so that one atomic rename saves all of it or nothing."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import NamedTuple

import chess
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from engines.chess.position import CASTLE_LONG, CASTLE_SHORT
from engines.selfplay.games import Unfinished
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


class Saved(NamedTuple):
    """What a state holds besides the learner: counters, the newest rounds, the games in play, the campaign's text."""

    counters: Counters
    tail: list[Positions]
    unfinished: Unfinished | None
    campaign: str


def save_state(folder: Path, learner: Learner, saved: Saved) -> None:
    """Write weights, averages, optimiser and ``saved`` to ``folder``/state.safetensors, all of it or nothing."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for prefix, module in (("network", learner.network), ("average", learner.average)):
        arrays |= {f"{prefix}.{name}": value.detach().cpu().numpy() for name, value in module.state_dict().items()}
    for index, state in learner.optimiser.state_dict()["state"].items():
        arrays |= {f"optimiser.{index}.{name}": value.cpu().numpy() for name, value in state.items()}
    for number, positions in enumerate(saved.tail):
        arrays |= {f"tail.{number}.{field.name}": getattr(positions, field.name) for field in fields(Positions)}
    if saved.unfinished is not None:
        arrays |= {f"unfinished.{name}": array for name, array in saved.unfinished._asdict().items()}
    notes = {
        "counters": json.dumps(asdict(saved.counters)),
        "steps": str(learner.steps),
        "campaign": saved.campaign,
        "tail": str(len(saved.tail)),
    }
    target = folder / STATE_FILE
    scratch = target.with_suffix(".part")
    # Not `ascontiguousarray`: it gives scalars a dimension.
    save_file({name: np.asarray(array, order="C") for name, array in arrays.items()}, scratch, metadata=notes)
    scratch.replace(target)


def load_state(folder: Path, learner: Learner) -> Saved:
    """Put a saved state back into ``learner``; give the rest of it.

    Raises ``ValueError`` when the file is damaged or does not fit the learner's network.
    """
    path = folder / STATE_FILE
    try:
        with safe_open(path, framework="numpy") as stored:
            notes = stored.metadata()
            arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}): give another state folder") from None
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
    if (moves := arrays.get("unfinished.moves")) is not None:
        arrays["unfinished.moves"] = _king_takes_rook(moves)
    games_in_play = [arrays[key] for name in Unfinished._fields if (key := f"unfinished.{name}") in arrays]
    return Saved(
        counters=Counters(**json.loads(notes["counters"])),
        tail=tail,
        unfinished=Unfinished(*games_in_play) if len(games_in_play) == len(Unfinished._fields) else None,
        campaign=notes["campaign"],
    )


def _king_takes_rook(moves: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Kernel moves with castling as the king taking its rook; states of earlier versions name the king's target."""
    moves = moves.copy()
    for kind, rook in ((CASTLE_SHORT, chess.H1), (CASTLE_LONG, chess.A1)):
        moves[moves >> 12 == kind] = chess.E1 | rook << 6 | kind << 12
    return moves
