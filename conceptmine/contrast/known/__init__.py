"""Concepts that people have names for, to check on them what mining finds: the paper's validation (section 5).

`CONCEPTS` are written by hand with python-chess, each a function whose docstring says exactly what it counts: pieces,
material, pawns, king, activity, placement, tactics. `stockfish_concepts` reads Stockfish's classical terms,
`opening_concepts` named lines from TSV files, `read_suite` puzzles of a test suite (whose lines `suite_lines`
contrasts); these three read what is given by path, and nothing of it is shipped. `find_cut` and `matched_positions`
turn numbers into positions that show a concept and positions that do not.
"""

from typing import Final

from conceptmine.contrast.known.activity import ACTIVITY
from conceptmine.contrast.known.concept import ConceptValues, KnownConcept, Matching
from conceptmine.contrast.known.king import KING
from conceptmine.contrast.known.matching import Cut, MatchedPositions, find_cut, matched_positions, strata
from conceptmine.contrast.known.material import MATERIAL
from conceptmine.contrast.known.openings import OpeningBook, OpeningLine, opening_concepts, opening_files, read_openings
from conceptmine.contrast.known.pawns import PAWNS
from conceptmine.contrast.known.pieces import PIECES
from conceptmine.contrast.known.placement import PLACEMENT
from conceptmine.contrast.known.stockfish import ClassicalTrace, parse_traces, read_traces, stockfish_concepts
from conceptmine.contrast.known.suites import SearchedMove, SuitePuzzle, read_suite, suite_lines
from conceptmine.contrast.known.tactics import TACTICS

CONCEPTS: Final[tuple[KnownConcept, ...]] = (*PIECES, *MATERIAL, *PAWNS, *KING, *ACTIVITY, *PLACEMENT, *TACTICS)
"""All hand-written concepts."""

__all__ = [
    "CONCEPTS",
    "ClassicalTrace",
    "ConceptValues",
    "Cut",
    "KnownConcept",
    "MatchedPositions",
    "Matching",
    "OpeningBook",
    "OpeningLine",
    "SearchedMove",
    "SuitePuzzle",
    "find_cut",
    "matched_positions",
    "opening_concepts",
    "opening_files",
    "parse_traces",
    "read_openings",
    "read_suite",
    "read_traces",
    "stockfish_concepts",
    "strata",
    "suite_lines",
]
