"""Agents that play chess: rules, networks, search, self-play and matches.

`load_agent` reads a Leela network file, or a shipped agent by name, and gives an `Agent` that evaluates python-chess
boards. The names below are loaded when they are first used, so that importing the package alone costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engines.chess import perft
    from engines.networks import Agent, Evaluation, NetworkFormatError, load_agent
    from engines.search import Tree, search

__all__ = ["Agent", "Evaluation", "NetworkFormatError", "Tree", "load_agent", "perft", "search"]

_HOMES = {
    "Agent": "engines.networks",
    "Evaluation": "engines.networks",
    "NetworkFormatError": "engines.networks",
    "Tree": "engines.search",
    "load_agent": "engines.networks",
    "perft": "engines.chess",
    "search": "engines.search",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'engines' has no attribute {name!r}")
    home = import_module(_HOMES[name])
    # The folder `search` is called like the function it offers, and can itself be called.
    value = home if name == "search" else getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
