"""How much the men can do: mobility, space and the centre."""

from __future__ import annotations

from typing import Final

import chess

from conceptmine.contrast.known.concept import KnownConcept, SideMeasure, balance, from_both_sides
from conceptmine.contrast.known.geometry import CENTRE, men, pawn_attacks

__all__ = ["ACTIVITY", "centre_control", "development", "king_steps", "mobility", "space"]

_PIECES: Final = (chess.KNIGHT, chess.BISHOP, chess.ROOK, chess.QUEEN)
_SPACE_FILES: Final = chess.BB_FILE_C | chess.BB_FILE_D | chess.BB_FILE_E | chess.BB_FILE_F
_HOMES: Final = {
    chess.WHITE: {chess.KNIGHT: chess.BB_B1 | chess.BB_G1, chess.BISHOP: chess.BB_C1 | chess.BB_F1},
    chess.BLACK: {chess.KNIGHT: chess.BB_B8 | chess.BB_G8, chess.BISHOP: chess.BB_C8 | chess.BB_F8},
}


def mobility(board: chess.Board, side: chess.Color) -> float:
    """Number of squares that the side's knights, bishops, rooks and queens attack, each piece's counted by itself, less
    those held by the side's own men or attacked by opposing pawns; pins are not looked at."""
    return _mobility(board, side, *_PIECES)


def king_steps(board: chess.Board, side: chess.Color) -> float:
    """Number of squares next to the side's king that neither its own men hold nor the opponent attacks."""
    king = board.king(side)
    if king is None:
        return float("nan")
    steps = chess.BB_KING_ATTACKS[king] & ~board.occupied_co[side]
    return float(sum(1 for square in chess.scan_forward(steps) if not board.is_attacked_by(not side, square)))


def space(board: chess.Board, side: chess.Color) -> float:
    """Number of squares on the c- to f-file and the side's second to fourth rank that hold no pawn of its own and that
    no opposing pawn attacks (Stockfish's, without what it adds behind pawns)."""
    ranks = range(1, 4) if side == chess.WHITE else range(4, 7)
    area = sum(chess.BB_RANKS[rank] for rank in ranks) & _SPACE_FILES
    return float((area & ~board.pieces_mask(chess.PAWN, side) & ~pawn_attacks(board, not side)).bit_count())


def centre_control(board: chess.Board, side: chess.Color) -> float:
    """Number of attacks of the side's men on d4, e4, d5 and e5, every man and square counted."""
    return float(sum(board.attackers_mask(side, square).bit_count() for square in chess.scan_forward(CENTRE)))


def development(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's knights and bishops that are not on their kind's first squares."""
    return float(sum((board.pieces_mask(kind, side) & ~home).bit_count() for kind, home in _HOMES[side].items()))


def _mobility(board: chess.Board, side: chess.Color, *kinds: chess.PieceType) -> float:
    closed = board.occupied_co[side] | pawn_attacks(board, not side)
    return float(sum((board.attacks_mask(square) & ~closed).bit_count() for square in men(board, side, *kinds)))


def _mobility_of(kind: chess.PieceType) -> SideMeasure:
    def squares(board: chess.Board, side: chess.Color) -> float:
        return _mobility(board, side, kind) if board.pieces_mask(kind, side) else float("nan")

    squares.__doc__ = (
        f"Mobility of the side's {chess.piece_name(kind)}s alone: squares attacked that its own men do not hold and "
        "opposing pawns do not attack. Without meaning where it has none."
    )
    return squares


ACTIVITY: Final[tuple[KnownConcept, ...]] = (
    *from_both_sides("mobility", "activity", mobility),
    balance("mobility", "activity", mobility),
    *(
        concept
        for kind in _PIECES
        for concept in from_both_sides(f"{chess.piece_name(kind)} mobility", "activity", _mobility_of(kind))
    ),
    *from_both_sides("king steps", "activity", king_steps),
    *from_both_sides("space", "activity", space),
    balance("space", "activity", space),
    *from_both_sides("centre control", "activity", centre_control),
    *from_both_sides("development", "activity", development),
)
"""All matched by ply and pieces."""
