"""What the men on the board are worth together."""

from __future__ import annotations

from typing import Final

import chess

from conceptmine.contrast.known.concept import KnownConcept, balance, from_both_sides, whole_board
from conceptmine.contrast.known.geometry import POINTS

__all__ = [
    "MATERIAL",
    "bishop_pair",
    "exchange_up",
    "material",
    "opposite_bishops",
    "pawns",
    "phase",
    "piece_points",
]


def material(board: chess.Board, side: chess.Color) -> float:
    """Points of the side's men: pawn 1, knight and bishop 3, rook 5, queen 9."""
    return float(sum(points * board.pieces_mask(kind, side).bit_count() for kind, points in POINTS.items()))


def piece_points(board: chess.Board, side: chess.Color) -> float:
    """Points of the side's men without its pawns: knight and bishop 3, rook 5, queen 9."""
    return material(board, side) - board.pieces_mask(chess.PAWN, side).bit_count()


def pawns(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's pawns."""
    return float(board.pieces_mask(chess.PAWN, side).bit_count())


def phase(board: chess.Board) -> float:
    """How far the game is from its opening: 62 less the points of both sides' pieces without pawns, at least 0."""
    return max(0.0, 62.0 - piece_points(board, chess.WHITE) - piece_points(board, chess.BLACK))


def bishop_pair(board: chess.Board, side: chess.Color) -> float:
    """1 if the side has a bishop on light and one on dark squares, else 0."""
    bishops = board.pieces_mask(chess.BISHOP, side)
    return float(bool(bishops & chess.BB_LIGHT_SQUARES) and bool(bishops & chess.BB_DARK_SQUARES))


def opposite_bishops(board: chess.Board) -> float:
    """1 if each side has one bishop and they stand on squares of different colours, else 0."""
    white, black = (board.pieces_mask(chess.BISHOP, side) for side in (chess.WHITE, chess.BLACK))
    if white.bit_count() != 1 or black.bit_count() != 1:
        return 0.0
    return float(bool(white & chess.BB_LIGHT_SQUARES) != bool(black & chess.BB_LIGHT_SQUARES))


def exchange_up(board: chess.Board, side: chess.Color) -> float:
    """1 if the side has more rooks than the other, by as many fewer knights and bishops together, and as many queens,
    else 0: a rook for two of them is another trade."""
    rooks, minors, queens = (
        sum(board.pieces_mask(kind, side).bit_count() - board.pieces_mask(kind, not side).bit_count() for kind in kinds)
        for kinds in ((chess.ROOK,), (chess.KNIGHT, chess.BISHOP), (chess.QUEEN,))
    )
    return float(rooks > 0 and minors == -rooks and queens == 0)


MATERIAL: Final[tuple[KnownConcept, ...]] = (
    *from_both_sides("material", "material", material, matched="ply"),
    balance("material", "material", material, matched="ply"),
    balance("pieces' points", "material", piece_points, matched="ply"),
    balance("pawns", "material", pawns),
    whole_board("phase", "material", phase, matched="nothing"),
    *from_both_sides("bishop pair", "material", bishop_pair),
    whole_board("opposite bishops", "material", opposite_bishops),
    *from_both_sides("exchange up", "material", exchange_up, matched="ply"),
)
"""Points and the exchange are matched by ply only, and the phase by nothing, since they are what the other matchings
hold fixed; pairs of bishops, opposite bishops and the balance of pawns by ply and pieces like all other concepts."""
