"""Which men are on the board: the paper's first family of known concepts."""

from __future__ import annotations

from typing import Final

import chess

from conceptmine.contrast.known.concept import KnownConcept, SideMeasure, from_both_sides

__all__ = ["PIECES"]


def _presence(kind: chess.PieceType) -> SideMeasure:
    def present(board: chess.Board, side: chess.Color) -> float:
        return float(board.pieces_mask(kind, side) != 0)

    present.__doc__ = f"1 if the side has a {chess.piece_name(kind)}, else 0."
    return present


PIECES: Final[tuple[KnownConcept, ...]] = tuple(
    concept
    for kind in (chess.PAWN, chess.KNIGHT, chess.BISHOP, chess.ROOK, chess.QUEEN)
    for concept in from_both_sides(chess.piece_name(kind), "pieces", _presence(kind), matched="ply")
)
"""Presence of each kind of man but the king, for both sides; presence and absence are matched by ply only, since the
material must differ."""
