"""Squares, sets of squares and pieces by name, as plain numbers: the same ones that python-chess gives them.

Tables that are made when modules are imported take the numbers from here, for they have to come about on machines
without python-chess too.
"""

from __future__ import annotations

from typing import Final

SQUARE_NAMES: Final = tuple(file + rank for rank in "12345678" for file in "abcdefgh")
"""a1, b1, …, h8, each at its number."""

A1, B1, C1, D1, E1, F1, G1, H1 = range(8)
A8, B8, C8, D8, E8, F8, G8, H8 = range(56, 64)

PAWN, KNIGHT, BISHOP, ROOK, QUEEN, KING = range(1, 7)
PIECE_LETTERS: Final = {PAWN: "p", KNIGHT: "n", BISHOP: "b", ROOK: "r", QUEEN: "q", KING: "k"}


def square_set(names: str) -> int:
    """The set (bit ``s`` for square ``s``) of the named squares: ``square_set("b1 g1")``."""
    return sum(1 << SQUARE_NAMES.index(name) for name in names.split())


def file_set(letters: str) -> int:
    """The set of all squares of the named files: ``file_set("abcd")`` is the left half."""
    return sum(1 << square for square, name in enumerate(SQUARE_NAMES) if name[0] in letters)


def rank_set(digits: str) -> int:
    """The set of all squares of the numbered ranks: ``rank_set("27")`` is where pawns start."""
    return sum(1 << square for square, name in enumerate(SQUARE_NAMES) if name[1] in digits)
