"""What a concept is learned from: the line an agent chose against lines it looked at and rejected.

`contrast_lines` reads the best line and the subpar lines out of a search tree under a `ContrastRule` (`examine_tree`
also says why a tree has none); `contrast_rows` turns them into the comparisons, position against position, that a
concept vector has to satisfy.
"""

from conceptmine.contrast.lines import Lines, NoContrast, SubparLine, contrast_lines, examine_tree
from conceptmine.contrast.rows import ContrastRow, contrast_rows
from conceptmine.contrast.rule import ContrastRule
from conceptmine.contrast.trees import SearchEdge, SearchNode, SearchTree

__all__ = [
    "ContrastRow",
    "ContrastRule",
    "Lines",
    "NoContrast",
    "SearchEdge",
    "SearchNode",
    "SearchTree",
    "SubparLine",
    "contrast_lines",
    "contrast_rows",
    "examine_tree",
]
