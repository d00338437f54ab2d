"""Where pieces stand: files, outposts, the seventh rank, good and bad bishops."""

from __future__ import annotations

from typing import Final

import chess

from conceptmine.contrast.known.concept import KnownConcept, from_both_sides, whole_board
from conceptmine.contrast.known.geometry import (
    adjacent_files,
    ahead_of,
    men,
    pawn_attacks,
    relative_rank,
    rooks_and_queens,
)

__all__ = [
    "PLACEMENT",
    "bad_bishop_pawns",
    "battery",
    "connected_rooks",
    "fianchetto",
    "half_open_files",
    "knight_outposts",
    "knights_on_rim",
    "minor_outposts",
    "open_files",
    "rooks_on_half_open_files",
    "rooks_on_open_files",
    "rooks_on_seventh",
]


def open_files(board: chess.Board) -> float:
    """Number of files without a pawn of either side."""
    return float(sum(1 for file in chess.BB_FILES if not file & board.pawns))


def half_open_files(board: chess.Board, side: chess.Color) -> float:
    """Number of files with a pawn of the opponent's and none of the side's."""
    own, other = board.pieces_mask(chess.PAWN, side), board.pieces_mask(chess.PAWN, not side)
    return float(sum(1 for file in chess.BB_FILES if file & other and not file & own))


def rooks_on_open_files(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's rooks on files without a pawn."""
    return float(sum(1 for square in men(board, side, chess.ROOK) if not _file(square) & board.pawns))


def rooks_on_half_open_files(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's rooks on files with a pawn of the opponent's and none of the side's."""
    own, other = board.pieces_mask(chess.PAWN, side), board.pieces_mask(chess.PAWN, not side)
    return float(sum(1 for square in men(board, side, chess.ROOK) if _file(square) & other and not _file(square) & own))


def rooks_on_seventh(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's rooks and queens on its seventh rank while the opponent has a pawn there or its king stands
    on the side's eighth rank."""
    seventh, eighth = (6, 7) if side == chess.WHITE else (1, 0)
    targets = board.pieces_mask(chess.PAWN, not side) & chess.BB_RANKS[seventh]
    targets |= board.pieces_mask(chess.KING, not side) & chess.BB_RANKS[eighth]
    return float(len(rooks_and_queens(board, side) & chess.BB_RANKS[seventh])) if targets else 0.0


def connected_rooks(board: chess.Board, side: chess.Color) -> float:
    """1 if one of the side's rooks defends another, else 0."""
    rooks = board.pieces_mask(chess.ROOK, side)
    return float(any(board.attacks_mask(square) & rooks for square in chess.scan_forward(rooks)))


def battery(board: chess.Board, side: chess.Color) -> float:
    """1 if a queen of the side's defends one of its rooks along a file or one of its bishops along a diagonal, else
    0."""
    rooks, bishops = board.pieces_mask(chess.ROOK, side), board.pieces_mask(chess.BISHOP, side)
    for square in men(board, side, chess.QUEEN):
        reached = board.attacks_mask(square)
        if reached & ((rooks & _file(square)) | (bishops & _diagonals(square))):
            return 1.0
    return 0.0


def knight_outposts(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's knights on its fourth to sixth rank that a pawn of its own defends and that no opposing pawn
    can ever attack (none stands ahead of them on an adjacent file)."""
    return _outposts(board, side, chess.KNIGHT)


def minor_outposts(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's knights and bishops on outposts, as defined for knights."""
    return _outposts(board, side, chess.KNIGHT) + _outposts(board, side, chess.BISHOP)


def bad_bishop_pawns(board: chess.Board, side: chess.Color) -> float:
    """For the side's only bishop, the number of the side's pawns on squares of its colour. Without meaning where the
    side has none or several."""
    bishops = board.pieces_mask(chess.BISHOP, side)
    if bishops.bit_count() != 1:
        return float("nan")
    colour = chess.BB_LIGHT_SQUARES if bishops & chess.BB_LIGHT_SQUARES else chess.BB_DARK_SQUARES
    return float((board.pieces_mask(chess.PAWN, side) & colour).bit_count())


def fianchetto(board: chess.Board, side: chess.Color) -> float:
    """1 if a bishop of the side's stands on its b2 or g2 (b7 or g7) with a pawn of its own right ahead of it or beyond,
    on the same file, no further than its fourth rank, else 0."""
    home, limit = (1, 3) if side == chess.WHITE else (6, 4)
    own = board.pieces_mask(chess.PAWN, side)
    for file in (1, 6):
        square = chess.square(file, home)
        between = sum(chess.BB_RANKS[rank] for rank in range(min(home, limit), max(home, limit) + 1))
        if board.pieces_mask(chess.BISHOP, side) & chess.BB_SQUARES[square] and own & _file(square) & between:
            return 1.0
    return 0.0


def knights_on_rim(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's knights on the a- or h-file."""
    rim = chess.BB_FILE_A | chess.BB_FILE_H
    return float((board.pieces_mask(chess.KNIGHT, side) & rim).bit_count())


def _outposts(board: chess.Board, side: chess.Color, kind: chess.PieceType) -> float:
    defended = pawn_attacks(board, side)
    opposing = board.pieces_mask(chess.PAWN, not side)
    return float(
        sum(
            1
            for square in men(board, side, kind)
            if 4 <= relative_rank(square, side) <= 6
            and defended & chess.BB_SQUARES[square]
            and not opposing & adjacent_files(square) & ahead_of(square, side)
        )
    )


def _file(square: chess.Square) -> chess.Bitboard:
    return chess.BB_FILES[chess.square_file(square)]


def _diagonals(square: chess.Square) -> chess.Bitboard:
    return chess.BB_DIAG_ATTACKS[square][0]


PLACEMENT: Final[tuple[KnownConcept, ...]] = (
    whole_board("open files", "placement", open_files),
    *(
        concept
        for name, measure in (
            ("half-open files", half_open_files),
            ("rooks on open files", rooks_on_open_files),
            ("rooks on half-open files", rooks_on_half_open_files),
            ("rooks on the seventh", rooks_on_seventh),
            ("connected rooks", connected_rooks),
            ("battery", battery),
            ("knight outposts", knight_outposts),
            ("minor outposts", minor_outposts),
            ("pawns on the bishop's colour", bad_bishop_pawns),
            ("fianchetto", fianchetto),
            ("knights on the rim", knights_on_rim),
        )
        for concept in from_both_sides(name, "placement", measure)
    ),
)
"""All matched by ply and pieces."""
