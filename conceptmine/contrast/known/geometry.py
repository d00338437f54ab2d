"""Squares as a side sees them, and the sets of squares that definitions are made of (bitboards, a1 = bit 0)."""

from __future__ import annotations

from typing import Final

import chess

__all__ = [
    "CENTRE",
    "POINTS",
    "adjacent_files",
    "ahead_of",
    "attacked_by",
    "king_zone",
    "men",
    "pawn_attacks",
    "relative_rank",
    "rooks_and_queens",
    "worth",
]

CENTRE: Final = chess.BB_D4 | chess.BB_E4 | chess.BB_D5 | chess.BB_E5

POINTS: Final = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9}
"""The usual worth of men in pawns; a king has none."""

_KING_WORTH: Final = 100


def relative_rank(square: chess.Square, side: chess.Color) -> int:
    """The rank of a square from 1 to 8 as a side counts them."""
    rank = chess.square_rank(square)
    return rank + 1 if side == chess.WHITE else 8 - rank


def adjacent_files(square: chess.Square) -> chess.Bitboard:
    """The files next to a square's."""
    file = chess.square_file(square)
    left = chess.BB_FILES[file - 1] if file > 0 else chess.BB_EMPTY
    right = chess.BB_FILES[file + 1] if file < 7 else chess.BB_EMPTY
    return left | right


def ahead_of(square: chess.Square, side: chess.Color) -> chess.Bitboard:
    """All squares on ranks further from a side than a square is."""
    rank = chess.square_rank(square)
    if side == chess.WHITE:
        return chess.BB_ALL & ~((1 << 8 * (rank + 1)) - 1)
    return (1 << 8 * rank) - 1


def men(board: chess.Board, side: chess.Color, *kinds: chess.PieceType) -> chess.SquareSet:
    """The squares of a side's men of some kinds."""
    found = chess.BB_EMPTY
    for kind in kinds:
        found |= board.pieces_mask(kind, side)
    return chess.SquareSet(found)


def rooks_and_queens(board: chess.Board, side: chess.Color) -> chess.SquareSet:
    """The squares of a side's rooks and queens."""
    return men(board, side, chess.ROOK, chess.QUEEN)


def pawn_attacks(board: chess.Board, side: chess.Color) -> chess.Bitboard:
    """The squares that a side's pawns attack."""
    found = chess.BB_EMPTY
    for square in men(board, side, chess.PAWN):
        found |= chess.BB_PAWN_ATTACKS[side][square]
    return found


def attacked_by(board: chess.Board, side: chess.Color) -> chess.Bitboard:
    """The squares that any of a side's men attacks, pinned men too."""
    found = chess.BB_EMPTY
    for square in chess.scan_forward(board.occupied_co[side]):
        found |= board.attacks_mask(square)
    return found


def king_zone(board: chess.Board, side: chess.Color) -> chess.Bitboard:
    """A side's king's square and those next to it."""
    king = board.king(side)
    return chess.BB_EMPTY if king is None else chess.BB_KING_ATTACKS[king] | chess.BB_SQUARES[king]


def worth(board: chess.Board, square: chess.Square) -> int:
    """The points of the man on a square, more than all others for a king; 0 if it is empty."""
    kind = board.piece_type_at(square)
    return 0 if kind is None else POINTS.get(kind, _KING_WORTH)
