"""The kings: their shelter, what aims at them, and where they stand."""

from __future__ import annotations

from typing import Final

import chess

from conceptmine.contrast.known.concept import KnownConcept, from_both_sides, whole_board
from conceptmine.contrast.known.geometry import adjacent_files, ahead_of, attacked_by, king_zone, men, relative_rank

__all__ = [
    "KING",
    "castling_rights",
    "in_check",
    "king_attackers",
    "king_centralisation",
    "king_on_wing",
    "king_open_files",
    "king_shield",
    "king_zone_attacked",
    "opposite_castling",
    "pawn_storm",
]


def king_shield(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's pawns one or two ranks ahead of its king, on the king's and the adjacent files."""
    king = _king(board, side)
    step = 8 if side == chess.WHITE else -8
    ranks = [
        chess.BB_RANKS[chess.square_rank(square)]
        for square in (king + step, king + 2 * step)
        if 0 <= square < len(chess.SQUARES)
    ]
    near = chess.BB_EMPTY
    for rank in ranks:
        near |= rank & _files_of(king)
    return float((board.pieces_mask(chess.PAWN, side) & near).bit_count())


def king_open_files(board: chess.Board, side: chess.Color) -> float:
    """Number of files, the king's and those beside it, on which the side has no pawn."""
    king = _king(board, side)
    own = board.pieces_mask(chess.PAWN, side)
    return float(sum(1 for file in chess.BB_FILES if file & _files_of(king) and not file & own))


def king_zone_attacked(board: chess.Board, side: chess.Color) -> float:
    """Number of squares, of the side's king's own and those next to it, that the opponent attacks."""
    return float((king_zone(board, side) & attacked_by(board, not side)).bit_count())


def king_attackers(board: chess.Board, side: chess.Color) -> float:
    """Number of opposing knights, bishops, rooks and queens that attack a square of the side's king's zone (its own
    square and those next to it)."""
    zone = king_zone(board, side)
    pieces = men(board, not side, chess.KNIGHT, chess.BISHOP, chess.ROOK, chess.QUEEN)
    return float(sum(1 for square in pieces if board.attacks_mask(square) & zone))


def king_centralisation(board: chess.Board, side: chess.Color) -> float:
    """3 less the king's distance in king's moves from the nearest of d4, e4, d5 and e5: 3 in the centre, 0 on the
    edge."""
    king = _king(board, side)
    centre = (chess.D4, chess.E4, chess.D5, chess.E5)
    return float(3 - min(chess.square_distance(king, square) for square in centre))


def king_on_wing(board: chess.Board, side: chess.Color) -> float:
    """1 if the side's king stands on its first two ranks on the a-, b-, c-, g- or h-file, as after castling, else 0."""
    king = _king(board, side)
    return float(relative_rank(king, side) <= 2 and chess.square_file(king) not in (3, 4, 5))


def castling_rights(board: chess.Board, side: chess.Color) -> float:
    """1 if the side may still castle to some side later on (its rights, whatever stands between), else 0."""
    return float(board.has_castling_rights(side))


def opposite_castling(board: chess.Board) -> float:
    """1 if one king stands on the a-, b- or c-file and the other on the g- or h-file, each on its first two ranks, else
    0."""
    wings = []
    for side in (chess.WHITE, chess.BLACK):
        king = _king(board, side)
        wings.append(chess.square_file(king) <= 2)
        if not king_on_wing(board, side):
            return 0.0
    return float(wings[0] != wings[1])


def pawn_storm(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's pawns on its fourth rank or further, on the opposing king's and the adjacent files, that
    still have that king's rank ahead of them."""
    king = _king(board, not side)
    own = men(board, side, chess.PAWN) & _files_of(king)
    return float(
        sum(1 for square in own if relative_rank(square, side) >= 4 and ahead_of(square, side) & chess.BB_SQUARES[king])
    )


def in_check(board: chess.Board) -> float:
    """1 if the side to move is in check, else 0."""
    return float(board.is_check())


def _king(board: chess.Board, side: chess.Color) -> chess.Square:
    square = board.king(side)
    if square is None:
        raise ValueError(f"{board.fen()} has no king on one side: give a legal position.")
    return square


def _files_of(king: chess.Square) -> chess.Bitboard:
    return adjacent_files(king) | chess.BB_FILES[chess.square_file(king)]


KING: Final[tuple[KnownConcept, ...]] = (
    *(
        concept
        for name, measure in (
            ("king shield", king_shield),
            ("king's open files", king_open_files),
            ("king zone under attack", king_zone_attacked),
            ("king attacked by pieces", king_attackers),
            ("king centralisation", king_centralisation),
            ("king on a wing", king_on_wing),
            ("castling rights", castling_rights),
            ("pawn storm", pawn_storm),
        )
        for concept in from_both_sides(name, "king", measure)
    ),
    whole_board("castled to opposite sides", "king", opposite_castling),
    whole_board("in check", "king", in_check),
)
"""All matched by ply and pieces."""
