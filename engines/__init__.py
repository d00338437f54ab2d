"""Agents that play chess: rules, networks, search, self-play and matches.

`load_agent` reads a Leela network file, or a shipped agent by name, and gives an `Agent` that evaluates python-chess
boards. The names below are loaded when they are first used, so that importing the package alone costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engines.networks import Agent, Evaluation, NetworkFormatError, load_agent

__all__ = ["Agent", "Evaluation", "NetworkFormatError", "load_agent"]

_HOMES = {
    "Agent": "engines.networks",
    "Evaluation": "engines.networks",
    "NetworkFormatError": "engines.networks",
    "load_agent": "engines.networks",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'engines' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
