"""Leela's input formats: what each shows beside the boards, and how the choice reaches compiled code.

====  ==========================  ====================================================================================
  no  lc0's name                  what is another than in the classical planes
====  ==========================  ====================================================================================
   1  CLASSICAL_112_PLANE         nothing
   2  WITH_CASTLING_PLANE         rights to castle are shown by the squares of their rooks
   3  WITH_CANONICALIZATION       also: a file to take en passant on for the side to move, history ends where nothing
                                  can come back from, and the board is turned the way that `transforms` says
   4  … HECTOPLIES                also: the count of the fifty-move rule is divided by 100
   5  … V2                        also: of older boards, only those that had occurred before are shown
 132  … HECTOPLIES_ARMAGEDDON     4, and a plane of ones for Black to move
 133  … V2_ARMAGEDDON             5, and a plane of ones for Black to move
====  ==========================  ====================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = [
    "ARMAGEDDON",
    "CANONICAL",
    "CLASSICAL_112",
    "FILL_OLDEST",
    "HECTOPLIES",
    "HISTORY_FILLS",
    "INPUT_FORMATS",
    "REPEATED_ONLY",
    "ROOK_SQUARES",
    "encoding_of",
]

CLASSICAL_112: Final = 1
"""Leela's number of the classical format (INPUT_CLASSICAL_112_PLANE)."""

FILL_OLDEST: Final = 1
ROOK_SQUARES: Final = 2
CANONICAL: Final = 4
HECTOPLIES: Final = 8
REPEATED_ONLY: Final = 16
ARMAGEDDON: Final = 32

_HECTOPLIES: Final = ROOK_SQUARES | CANONICAL | HECTOPLIES

INPUT_FORMATS: Final[Mapping[int, int]] = {
    CLASSICAL_112: 0,
    2: ROOK_SQUARES,
    3: ROOK_SQUARES | CANONICAL,
    4: _HECTOPLIES,
    5: _HECTOPLIES | REPEATED_ONLY,
    132: _HECTOPLIES | ARMAGEDDON,
    133: _HECTOPLIES | REPEATED_ONLY | ARMAGEDDON,
}
"""The formats by Leela's numbers: the flags above that hold."""

HISTORY_FILLS: Final[Mapping[str, int]] = {"fen_only": FILL_OLDEST, "no": 0}
"""What is shown in place of history that is not known, see `encoding.pack_boards`."""


def encoding_of(input_format: int, history_fill: str) -> int:
    """The way to write planes as one number, the flags of the format and of the history fill.

    Raises:
        ValueError: an unknown format or history fill.
    """
    if input_format not in INPUT_FORMATS:
        formats = ", ".join(map(str, INPUT_FORMATS))
        raise ValueError(f"Input format {input_format} is not supported; use one of {formats}.")
    if history_fill not in HISTORY_FILLS:
        raise ValueError(f"history_fill is {history_fill!r}; expected one of {', '.join(map(repr, HISTORY_FILLS))}.")
    return INPUT_FORMATS[input_format] | HISTORY_FILLS[history_fill]
