"""A campaign's state as a few files beside each other, of which one atomic rename makes the new ones count.

``state.safetensors`` holds weights, their average, the optimiser, the counters and the games in play, and names the
files ``games-….safetensors`` that hold the newest games played.  Those are written first, under new names, and the old
ones are removed last: whenever a process is killed, the state that stands there and the games it names are whole.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from engines.networks.whole_files import write_whole
from engines.selfplay.games import GAME, Unfinished
from engines.selfplay.learner import Learner
from engines.selfplay.records import GameRecord, pack_games, unpack_games

STATE_FILE: Final = "state.safetensors"
LARGEST_FILE: Final = 15 << 20
"""Bytes of a file of games, or a little more (a whole game)."""

_BYTES_PER_POSITION: Final = 170  # at most, in nearly all games


@dataclass
class Counters:
    """How far a campaign has come (all since its start)."""

    positions: int = 0
    games: int = 0
    draws: int = 0
    evaluations: int = 0
    rounds: int = 0
    seconds: float = 0.0
    checkpoints: int = 0


@dataclass(frozen=True)
class Saved:
    """What a state holds besides the learner.

    ``campaign``: its settings, as `Campaign.as_json` gives them; ``tail``: the newest games, oldest first;
    ``unfinished``: the games in play, by actor; ``resignation``: as `Resignation.as_array` gives it.
    """

    counters: Counters
    campaign: dict[str, Any]
    tail: list[GameRecord] = field(default_factory=list)
    unfinished: list[Unfinished] = field(default_factory=list)
    resignation: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 3), dtype=np.float32))


class _Content(NamedTuple):
    notes: dict[str, str]
    arrays: dict[str, NDArray[Any]]


def save_state(folder: Path, learner: Learner, saved: Saved) -> None:
    """Write weights, averages, optimiser and ``saved`` to ``folder``, all of it or nothing."""
    arrays: dict[str, NDArray[Any]] = {}
    for prefix, module in (("network", learner.network), ("average", learner.average)):
        arrays |= {f"{prefix}.{name}": value.detach().cpu().numpy() for name, value in module.state_dict().items()}
    for index, state in learner.optimiser.state_dict()["state"].items():
        arrays |= {f"optimiser.{index}.{name}": value.cpu().numpy() for name, value in state.items()}
    for actor, unfinished in enumerate(saved.unfinished):
        arrays |= {f"unfinished.{actor}.{name}": array for name, array in pack_games(unfinished.records).items()}
        arrays[f"unfinished.{actor}.games"] = unfinished.games.view(np.uint8).reshape(len(unfinished.games), -1)
    arrays["resignation"] = saved.resignation
    files = [
        (f"games-{saved.counters.positions:010d}-{number}.safetensors", part)
        for number, part in enumerate(_in_files(saved.tail))
    ]
    notes = {
        "counters": json.dumps(asdict(saved.counters)),
        "steps": str(learner.steps),
        "campaign": json.dumps(saved.campaign),
        "actors": str(len(saved.unfinished)),
        "games": json.dumps([name for name, _ in files]),
    }
    for name, part in files:
        write_whole(folder / name, save(_in_order(pack_games(part))))
    write_whole(folder / STATE_FILE, save(_in_order(arrays), metadata=notes))
    for old in set(folder.glob("games-*.safetensors")) - {folder / name for name, _ in files}:
        old.unlink()


def load_state(folder: Path, learner: Learner) -> Saved:
    """Put a saved state back into ``learner``; give the rest of it.

    Raises ``ValueError`` when a file is damaged or missing, or does not fit the learner's network.
    """
    path = folder / STATE_FILE
    notes, arrays = _read(path)
    try:
        for prefix, module in (("network", learner.network), ("average", learner.average)):
            module.load_state_dict({name: torch.from_numpy(arrays[f"{prefix}.{name}"]) for name in module.state_dict()})
    except (KeyError, RuntimeError):
        raise ValueError(
            f"{path} belongs to a network of another size: use the campaign file it was started with"
        ) from None
    try:
        learner.optimiser.load_state_dict(_optimiser_state(arrays, learner.optimiser))
        learner.steps = int(notes["steps"])
        saved = Saved(
            counters=Counters(**json.loads(notes["counters"])),
            campaign=json.loads(notes["campaign"]),
            unfinished=[_unfinished(arrays, f"unfinished.{actor}.") for actor in range(int(notes["actors"]))],
            resignation=arrays["resignation"],
        )
        names = json.loads(notes["games"])
    except (IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is of another version of this program or damaged ({error})") from None
    for name in names:
        try:
            saved.tail.extend(unpack_games(_read(folder / name).arrays))
        except (KeyError, IndexError) as error:
            raise ValueError(f"{folder / name} does not hold games ({error}): give another state folder") from None
    return saved


def _read(path: Path) -> _Content:
    try:
        with safe_open(path, framework="numpy") as stored:
            arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
            return _Content(stored.metadata() or {}, arrays)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is missing or damaged ({error}): give another state folder") from None


def _optimiser_state(arrays: dict[str, NDArray[Any]], optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """What `load_state_dict` takes.

    torch's fused step goes through weights and averages side by side in memory, without a look at how each is laid out:
    the averages must be laid out as their weights are.
    """
    state = optimiser.state_dict()
    state["state"] = {}
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    for name, array in arrays.items():
        if name.startswith("optimiser."):
            _, index, key = name.split(".")
            stored = torch.from_numpy(array)
            if stored.ndim:
                stored = torch.empty_like(weights[int(index)], device="cpu").copy_(stored)
            state["state"].setdefault(int(index), {})[key] = stored
    return state


def _unfinished(arrays: dict[str, NDArray[Any]], prefix: str) -> Unfinished:
    packed = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    games = packed.pop("games")
    return Unfinished(unpack_games(packed), np.ascontiguousarray(games).view(GAME).reshape(-1))


def _in_files(games: Sequence[GameRecord]) -> list[list[GameRecord]]:
    """The games in parts that each fit into a file."""
    parts: list[list[GameRecord]] = []
    room = 0
    for game in games:
        if len(game.moves) > room:
            parts.append([])
            room = LARGEST_FILE // _BYTES_PER_POSITION
        parts[-1].append(game)
        room -= len(game.moves)
    return parts


def _in_order(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """C order, as files hold it; `ascontiguousarray` would give scalars a dimension."""
    return {name: np.asarray(array, order="C") for name, array in arrays.items()}
