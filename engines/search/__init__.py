"""Batched tree search over a policy/value network: many roots as one batch, trees kept as arrays and readable as lines."""

from engines.search.run import search
from engines.search.settings import PRESETS, SearchSettings
from engines.search.tree import Edge, Node, Tree

__all__ = ["PRESETS", "Edge", "Node", "SearchSettings", "Tree", "search"]
