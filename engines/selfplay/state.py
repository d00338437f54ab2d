"""A campaign's state as a few small files beside each other, of which one atomic rename makes the new ones count.

``state.safetensors`` holds the averaged weights, the counters and the campaign's settings, and names the files
``state-….safetensors`` that hold the rest: weights, optimiser, the games in play and the newest games played.  Those
are written first, under new names, and the old ones are removed last: whenever a process is killed, the state that
stands there and the files it names are whole.
"""

from __future__ import annotations

import itertools
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
"""Bytes of a file, unless a single array is larger."""

_POSITIONS_PER_PART: Final = 20_000  # so many positions take 6 MB at the very most


@dataclass
class Counters:
    """How far a campaign has come (all since its start).

    ``checkpoints``: how many of the campaign's marks were passed; ``unlearned``: positions of full searches that there
    was no time to learn from yet.
    """

    positions: int = 0
    games: int = 0
    draws: int = 0
    evaluations: int = 0
    rounds: int = 0
    seconds: float = 0.0
    checkpoints: int = 0
    unlearned: int = 0


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
    for prefix, module in (("average", learner.average), ("network", learner.network)):
        arrays |= {f"{prefix}.{name}": value.detach().cpu().numpy() for name, value in module.state_dict().items()}
    for index, state in learner.optimiser.state_dict()["state"].items():
        arrays |= {f"optimiser.{index}.{name}": value.cpu().numpy() for name, value in state.items()}
    arrays["resignation"] = saved.resignation
    for actor, unfinished in enumerate(saved.unfinished):
        arrays[f"unfinished.{actor}.games"] = unfinished.games.view(np.uint8).reshape(len(unfinished.games), -1)
    parts = {f"tail.{number}": part for number, part in enumerate(_in_parts(saved.tail))}
    for actor, unfinished in enumerate(saved.unfinished):
        parts |= {f"unfinished.{actor}.{n}": part for n, part in enumerate(_in_parts(unfinished.records))}
    for prefix, part in parts.items():
        arrays |= {f"{prefix}.{name}": array for name, array in pack_games(part).items()}
    notes = {
        "counters": json.dumps(asdict(saved.counters)),
        "steps": str(learner.steps),
        "campaign": json.dumps(saved.campaign),
        "actors": str(len(saved.unfinished)),
    }
    _write(folder, _Content(notes, arrays))


def trim_state(folder: Path, most: int) -> None:
    """Let a saved state take at most ``most`` files: as many of its newest games stay as have room in them.

    Weights and games in play stay in any case; where they alone take more files, no newest games are left.

    Raises ``ValueError`` when a file is damaged or missing.
    """
    notes, arrays = _read_all(folder)
    gone = 0
    while len(_in_files(arrays)) > most and f"tail.{gone}.plies" in arrays:
        arrays = {name: array for name, array in arrays.items() if not name.startswith(f"tail.{gone}.")}
        gone += 1
    if gone:
        _write(folder, _Content(notes, {_moved_up(name, gone): array for name, array in arrays.items()}))


def _moved_up(name: str, parts: int) -> str:
    """The name of an array when so many parts of the newest games are gone from before it."""
    prefix, *rest = name.split(".")
    return ".".join([prefix, str(int(rest[0]) - parts), *rest[1:]]) if prefix == "tail" else name


def _write(folder: Path, content: _Content) -> None:
    """Write a state's files and remove those of the one before; ``notes`` without the names of the files."""
    first, *others = _in_files(content.arrays)
    names = _new_names(folder, json.loads(content.notes["counters"])["positions"], len(others))
    for name, part in zip(names, others, strict=True):
        write_whole(folder / name, save(part))
    write_whole(folder / STATE_FILE, save(first, metadata=content.notes | {"files": json.dumps(names)}))
    for old in set(folder.glob("state-*.safetensors")) - {folder / name for name in names}:
        old.unlink()


def _new_names(folder: Path, positions: int, files: int) -> list[str]:
    """Names for files of which none is there yet: a state may be saved again before another position was counted."""
    names = (f"state-{positions:010d}-{number}.safetensors" for number in itertools.count(1))
    return list(itertools.islice((name for name in names if not (folder / name).exists()), files))


def load_state(folder: Path, learner: Learner) -> Saved:
    """Put a saved state back into ``learner``; give the rest of it.

    Raises ``ValueError`` when a file is damaged or missing, or does not fit the learner's network.
    """
    path = folder / STATE_FILE
    notes, arrays = _read_all(folder)
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
        return Saved(
            counters=Counters(**json.loads(notes["counters"])),
            campaign=json.loads(notes["campaign"]),
            tail=_games(arrays, "tail"),
            unfinished=[_unfinished(arrays, f"unfinished.{actor}") for actor in range(int(notes["actors"]))],
            resignation=arrays["resignation"],
        )
    except (IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}): give another state folder") from None


def read_games(folder: Path) -> list[GameRecord]:
    """The newest games of a saved campaign, oldest first.

    Raises ``ValueError`` when a file is damaged or missing.
    """
    try:
        return _games(_read_all(folder).arrays, "tail")
    except (IndexError, KeyError, ValueError) as error:
        raise ValueError(f"{folder} holds no campaign's games, or they are damaged ({error})") from None


def _read_all(folder: Path) -> _Content:
    """Everything in the files of a state."""
    path = folder / STATE_FILE
    notes, arrays = _read(path)
    try:
        names = [str(name) for name in json.loads(notes["files"])]
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{path} is of another version of this program: give another state folder") from None
    for name in names:
        arrays |= _read(folder / name).arrays
    return _Content(notes, arrays)


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


def _games(arrays: dict[str, NDArray[Any]], prefix: str) -> list[GameRecord]:
    """The games of all parts ``prefix.0``, ``prefix.1``, … in their order."""
    games: list[GameRecord] = []
    number = 0
    while f"{prefix}.{number}.plies" in arrays:
        start = f"{prefix}.{number}."
        games += unpack_games({key.removeprefix(start): arrays[key] for key in arrays if key.startswith(start)})
        number += 1
    return games


def _unfinished(arrays: dict[str, NDArray[Any]], prefix: str) -> Unfinished:
    games = np.ascontiguousarray(arrays[f"{prefix}.games"]).view(GAME).reshape(-1)
    return Unfinished(_games(arrays, prefix), games)


def _in_parts(games: Sequence[GameRecord]) -> list[list[GameRecord]]:
    """The games in parts of which each is far smaller than a file."""
    parts: list[list[GameRecord]] = []
    room = 0
    for game in games:
        if room <= 0:
            parts.append([])
            room = _POSITIONS_PER_PART
        parts[-1].append(game)
        room -= len(game.moves)
    return parts


def _in_files(arrays: dict[str, NDArray[Any]]) -> list[dict[str, NDArray[Any]]]:
    """The arrays, in their order, in files of at most LARGEST_FILE; in C order, as files hold them."""
    files: list[dict[str, NDArray[Any]]] = [{}]
    room = LARGEST_FILE
    for name, array in arrays.items():
        if array.nbytes > room and files[-1]:
            files.append({})
            room = LARGEST_FILE
        files[-1][name] = np.asarray(array, order="C")  # `ascontiguousarray` would give scalars a dimension
        room -= array.nbytes
    return files
