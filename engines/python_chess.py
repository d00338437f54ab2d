"""python-chess, imported once something of it is used.

Legs of a self-play campaign also run on machines that do not have it and where nothing can be installed. Kernels,
networks, searches and self-play need only rows of numbers; boards, moves and games of python-chess stand at the border.
Modules that have to do with both take ``chess`` from here::

    from engines.python_chess import chess
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["chess"]


def _imported_late() -> ModuleType:
    """A module that is empty until something of it is asked for, and from then on has all that python-chess has."""
    late = ModuleType("chess", "python-chess, not imported yet.")

    def find(name: str) -> Any:
        try:
            found = import_module("chess")
        except ModuleNotFoundError as error:
            if error.name != "chess":
                raise
            raise ModuleNotFoundError(
                "python-chess is needed for boards, moves and games: install it with 'pip install chess'.", name="chess"
            ) from None
        # Python finds the names of a module faster where there is no such function; so from here on nothing is slower.
        vars(late).update(vars(found))
        vars(late).pop("__getattr__", None)  # another thread may have been here as well
        return getattr(found, name)

    vars(late)["__getattr__"] = find
    return late


if TYPE_CHECKING:
    import chess
else:
    chess = sys.modules.get("chess") or _imported_late()
