"""Players as one writes them on a command line.

=============================================  =====================================================================
``ladder-final``, ``maia-1100.pb.gz``          a shipped network or a file, with the number of simulations of the match
``maia-1100.pb.gz@1``                          with its own number
``ladder-final@64?preset=gumbel``              settings: ``preset``, ``temperature``, ``seed``, ``history_fill``
``random``, ``random?seed=3``                  the player of random moves
``material``                                   the one that takes what it can
``uci:stockfish?nodes=1000&Skill Level=0``     a UCI engine: ``nodes``, ``depth``, ``movetime`` (milliseconds) limit its
                                               moves, ``processes`` and ``patience`` (seconds) are those of `UciPlayer`,
                                               every other key is an option of the engine's
=============================================  =====================================================================

Keys and values may be percent-encoded (``%26`` for ``&``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from engines.arena.errors import ArenaError
from engines.arena.players import MaterialTaker, NetworkPlayer, Player, RandomMover
from engines.arena.uci_player import UciLimit, UciPlayer
from engines.networks import load_agent
from engines.search import PRESETS

__all__ = ["player_of"]

_UCI = "uci:"
_WITH_NODES = re.compile(r"(?P<network>.+)@(?P<nodes>\d+)")
_NETWORK_KEYS = ("preset", "temperature", "seed", "history_fill")
_LIMITS = ("nodes", "depth", "movetime")
Number = TypeVar("Number", int, float)


def player_of(text: str, simulations: int) -> Player:
    """The player that ``text`` describes; a network without a number of its own gets ``simulations``.

    Raises `ArenaError` for descriptions that cannot be read and engines that cannot be used, and
    ``engines.NetworkFormatError`` for networks.
    """
    head, mark, tail = text.partition("?")
    if mark and Path(text).is_file():
        head, tail = text, ""
    settings = _settings_of(text, tail)
    if head.startswith(_UCI):
        return _uci(text, head.removeprefix(_UCI), settings)
    if head in ("random", "material"):
        _refuse_unknown(text, settings, ("seed",))
        make: Callable[..., Player] = RandomMover if head == "random" else MaterialTaker
        return make(_number(text, settings, "seed", int, 0), name=text)
    return _network(text, head, settings, simulations)


def _settings_of(text: str, tail: str) -> dict[str, str]:
    settings: dict[str, str] = {}
    for part in filter(None, tail.split("&")):
        key, sign, value = part.partition("=")
        if not sign or not key:
            raise ArenaError(f"{part!r} in the player {text!r} is no setting: write name=value, and & between two.")
        settings[unquote(key)] = unquote(value)
    return settings


def _network(text: str, head: str, settings: Mapping[str, str], simulations: int) -> Player:
    _refuse_unknown(text, settings, _NETWORK_KEYS)
    own = _WITH_NODES.fullmatch(head)
    if own and not Path(head).is_file():
        head, simulations = own["network"], int(own["nodes"])
    if simulations < 1:
        raise ArenaError(f"The player {text!r} has {simulations} simulations: give at least 1.")
    preset, fill = settings.get("preset", "lc0"), settings.get("history_fill", "fen_only")
    if preset not in PRESETS:
        raise ArenaError(f"The preset of the player {text!r} is {preset!r}: give one of {', '.join(PRESETS)}.")
    if fill not in ("fen_only", "no"):
        raise ArenaError(f"The history_fill of the player {text!r} is {fill!r}: give fen_only or no.")
    agent = load_agent(head, history_fill=fill)
    return NetworkPlayer(
        agent,
        simulations,
        preset=preset,
        temperature=_number(text, settings, "temperature", float, 0.0),
        seed=_number(text, settings, "seed", int, 0),
        name="".join([f"{agent.name}@{simulations}", *(f" {key}={value}" for key, value in settings.items())]),
    )


def _uci(text: str, command: str, settings: Mapping[str, str]) -> Player:
    own = (*_LIMITS, "processes", "patience")
    limits = {name: _number(text, settings, name, int, 0, least=1) for name in _LIMITS if name in settings}
    if not limits:
        raise ArenaError(f"The player {text!r} has no limit for its moves: add ?nodes=N, ?depth=N or ?movetime=MS.")
    return UciPlayer(
        command,
        UciLimit(**limits),
        options={key: value for key, value in settings.items() if key not in own},
        processes=_number(text, settings, "processes", int, 1, least=1),
        patience=_number(text, settings, "patience", float, 60.0, least=0.1),
        name=text,
    )


def _refuse_unknown(text: str, settings: Mapping[str, str], known: tuple[str, ...]) -> None:
    for key in settings:
        if key not in known:
            raise ArenaError(f"The player {text!r} has no setting {key!r}: give {' or '.join(known)}.")


def _number(
    text: str, settings: Mapping[str, str], key: str, kind: type[Number], default: Number, least: float = 0
) -> Number:
    if key not in settings:
        return default
    try:
        value = kind(settings[key])
    except ValueError:
        value = kind(-1)
    if not least <= value < 2**31:
        what = "whole number" if kind is int else "number"
        raise ArenaError(f"{key} of the player {text!r} is {settings[key]!r}: give a {what} from {least:g} up.")
    return value
