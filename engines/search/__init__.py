"""Batched tree search over a policy/value network: many roots as one batch, trees kept as arrays and readable as lines.

``engines.search(agent, boards, simulations=800)`` is the function `engines.search.search`: the folder and the function
share their name, so the module itself can be called.
"""

import sys
from types import ModuleType
from typing import Any

from engines.search.export import load_trees, save_trees
from engines.search.limits import Limit, Nodes, Seconds, Simulations
from engines.search.run import search
from engines.search.searcher import Searcher
from engines.search.settings import PRESETS, SearchSettings
from engines.search.tree import Edge, Node, Tree

__all__ = [
    "PRESETS",
    "Edge",
    "Limit",
    "Node",
    "Nodes",
    "SearchSettings",
    "Searcher",
    "Seconds",
    "Simulations",
    "Tree",
    "load_trees",
    "save_trees",
    "search",
]


class _CallableModule(ModuleType):
    def __call__(self, *arguments: Any, **keywords: Any) -> list[Tree]:
        return search(*arguments, **keywords)


sys.modules[__name__].__class__ = _CallableModule
