"""The pawns' structure."""

from __future__ import annotations

from typing import Final

import chess

from conceptmine.contrast.known.concept import KnownConcept, from_both_sides
from conceptmine.contrast.known.geometry import CENTRE, adjacent_files, ahead_of, men, pawn_attacks, relative_rank

__all__ = [
    "PAWNS",
    "advanced_pawns",
    "backward_pawns",
    "centre_pawns",
    "connected_pawns",
    "doubled_pawns",
    "isolated_pawns",
    "passed_pawns",
    "pawn_islands",
    "pawn_levers",
    "protected_passed_pawns",
]


def passed_pawns(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's pawns with no opposing pawn ahead of them on their own and the adjacent files."""
    return float(len(_passed(board, side)))


def protected_passed_pawns(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's passed pawns that a pawn of its own defends."""
    defended = pawn_attacks(board, side)
    return float(sum(1 for square in _passed(board, side) if defended & chess.BB_SQUARES[square]))


def isolated_pawns(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's pawns with no pawn of its own on an adjacent file."""
    own = board.pieces_mask(chess.PAWN, side)
    return float(sum(1 for square in chess.scan_forward(own) if not own & adjacent_files(square)))


def doubled_pawns(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's pawns that have another of its pawns ahead of them on their file."""
    own = board.pieces_mask(chess.PAWN, side)
    return float(
        sum(
            1
            for square in chess.scan_forward(own)
            if own & chess.BB_FILES[chess.square_file(square)] & ahead_of(square, side)
        )
    )


def backward_pawns(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's pawns that have pawns of their own on adjacent files, all of them further on, and whose next
    square is attacked by an opposing pawn."""
    own = board.pieces_mask(chess.PAWN, side)
    attacked = pawn_attacks(board, not side)
    count = 0
    for square in chess.scan_forward(own):
        beside = own & adjacent_files(square)
        further = beside & ahead_of(square, side)
        step = square + 8 if side == chess.WHITE else square - 8
        count += bool(beside) and beside == further and bool(attacked & chess.BB_SQUARES[step])
    return float(count)


def connected_pawns(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's pawns that a pawn of its own defends or stands right beside."""
    own = board.pieces_mask(chess.PAWN, side)
    defended = pawn_attacks(board, side)
    return float(
        sum(
            1
            for square in chess.scan_forward(own)
            if defended & chess.BB_SQUARES[square]
            or own & adjacent_files(square) & chess.BB_RANKS[chess.square_rank(square)]
        )
    )


def pawn_islands(board: chess.Board, side: chess.Color) -> float:
    """Number of groups of adjacent files that hold pawns of the side."""
    own = board.pieces_mask(chess.PAWN, side)
    held = [bool(own & file) for file in chess.BB_FILES]
    return float(sum(here and not before for before, here in zip([False, *held], held, strict=False)))


def advanced_pawns(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's pawns on its fifth, sixth and seventh rank."""
    return float(sum(1 for square in men(board, side, chess.PAWN) if relative_rank(square, side) >= 5))


def centre_pawns(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's pawns on d4, e4, d5 and e5."""
    return float((board.pieces_mask(chess.PAWN, side) & CENTRE).bit_count())


def pawn_levers(board: chess.Board, side: chess.Color) -> float:
    """Number of opposing pawns that the side's pawns attack."""
    return float((pawn_attacks(board, side) & board.pieces_mask(chess.PAWN, not side)).bit_count())


def _passed(board: chess.Board, side: chess.Color) -> list[chess.Square]:
    opposing = board.pieces_mask(chess.PAWN, not side)
    return [
        square
        for square in men(board, side, chess.PAWN)
        if not opposing & ahead_of(square, side) & (adjacent_files(square) | chess.BB_FILES[chess.square_file(square)])
    ]


PAWNS: Final[tuple[KnownConcept, ...]] = tuple(
    concept
    for name, measure in (
        ("passed pawns", passed_pawns),
        ("protected passed pawns", protected_passed_pawns),
        ("isolated pawns", isolated_pawns),
        ("doubled pawns", doubled_pawns),
        ("backward pawns", backward_pawns),
        ("connected pawns", connected_pawns),
        ("pawn islands", pawn_islands),
        ("advanced pawns", advanced_pawns),
        ("centre pawns", centre_pawns),
        ("pawn levers", pawn_levers),
    )
    for concept in from_both_sides(name, "pawns", measure)
)
"""All for both sides, matched by ply and pieces."""
