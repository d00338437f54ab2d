"""What a known concept is: a number read off a position, from the side to move's view, with its exact definition."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import chess
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MATCHINGS",
    "ConceptValues",
    "KnownConcept",
    "Matching",
    "SideMeasure",
    "balance",
    "from_both_sides",
    "whole_board",
]

Matching = Literal["nothing", "ply", "phase"]
"""What presence and absence must agree in: nothing, the ply, or the ply and the pieces that each side has."""

MATCHINGS: Final[tuple[Matching, ...]] = ("nothing", "ply", "phase")

SideMeasure = Callable[[chess.Board, chess.Color], float]
"""A number for one side of a position; NaN where it has no meaning."""


@dataclass(frozen=True)
class KnownConcept:
    """A concept that people have a name for.

    Attributes:
        name: unique, such as "own passed pawns"; own is the side to move's.
        family: the table that it stands in.
        definition: what exactly is counted.
        measure: board -> number; 0 or 1 for what is there or not; NaN where it has no meaning.
        matched: what the examples of presence and absence must agree in, so that the concept is not told by it.
    """

    name: str
    family: str
    definition: str
    measure: Callable[[chess.Board], float]
    matched: Matching = "phase"

    def on(self, boards: Sequence[chess.Board]) -> ConceptValues:
        """The concept measured on n boards."""
        values = np.array([self.measure(board) for board in boards], dtype=np.float64)
        return ConceptValues(self.name, self.family, self.definition, self.matched, values)


@dataclass(frozen=True, eq=False)
class ConceptValues:
    """A concept measured on positions.

    Attributes:
        name, family, definition, matched: as of `KnownConcept`.
        values: float64 [n]; NaN where it has no meaning.
    """

    name: str
    family: str
    definition: str
    matched: Matching
    values: NDArray[np.float64]


def from_both_sides(
    name: str, family: str, measure: SideMeasure, matched: Matching = "phase"
) -> tuple[KnownConcept, KnownConcept]:
    """A measure of one side as two concepts: of the side to move ("own") and of the other ("opponent")."""
    return (
        KnownConcept(f"own {name}", family, _definition(measure), lambda board: measure(board, board.turn), matched),
        KnownConcept(
            f"opponent {name}", family, _definition(measure), lambda board: measure(board, not board.turn), matched
        ),
    )


def balance(name: str, family: str, measure: SideMeasure, matched: Matching = "phase") -> KnownConcept:
    """A measure of the side to move less that of the other side."""
    definition = f"The side to move's less the opponent's. {_definition(measure)}"
    return KnownConcept(
        f"{name} balance",
        family,
        definition,
        lambda board: measure(board, board.turn) - measure(board, not board.turn),
        matched,
    )


def whole_board(
    name: str, family: str, measure: Callable[[chess.Board], float], matched: Matching = "phase"
) -> KnownConcept:
    """A measure that belongs to no side."""
    return KnownConcept(name, family, _definition(measure), measure, matched)


def _definition(measure: Callable[..., float]) -> str:
    text = inspect.getdoc(measure)
    if not text:
        raise ValueError(f"{measure!r} has no docstring to define it")
    return " ".join(text.split())
