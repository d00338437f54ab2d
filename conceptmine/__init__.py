"""Concept discovery for game-playing agents: mine directions in a chess network, test them, and hand them to people.

The names below are the library's surface; they are loaded when first used, so that importing the package alone costs
nothing.  `capture` reads a network's layers, `minimal_vector` and `separating_vector` solve the convex programmes,
`novelty_scores` compares two corpora.  The whole pipeline is the command ``conceptmine mine``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conceptmine.activations import capture
    from conceptmine.errors import InputError
    from conceptmine.mining import Solution, minimal_vector, separating_vector
    from conceptmine.novelty import novelty_scores

__all__ = ["InputError", "Solution", "capture", "minimal_vector", "novelty_scores", "separating_vector"]

_HOMES = {
    "InputError": "conceptmine.errors",
    "Solution": "conceptmine.mining",
    "capture": "conceptmine.activations",
    "minimal_vector": "conceptmine.mining",
    "novelty_scores": "conceptmine.novelty",
    "separating_vector": "conceptmine.mining",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'conceptmine' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
