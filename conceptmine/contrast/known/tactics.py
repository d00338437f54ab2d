"""What can happen at once: pins, forks, hanging men, checks, mates, captures.

For the side that is not to move a measure over its moves asks what it could do if it were to move now (a null move); it
has no meaning while the side to move is in check.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import chess

from conceptmine.contrast.known.concept import KnownConcept, from_both_sides
from conceptmine.contrast.known.geometry import men, pawn_attacks, worth

__all__ = [
    "TACTICS",
    "can_capture_queen",
    "can_promote",
    "captures",
    "checks",
    "fork_moves",
    "forks",
    "hanging_men",
    "mate_in_one",
    "pieces_attacked_by_pawns",
    "pinned_men",
    "winning_captures",
]


def pinned_men(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's men, pawns too, that are pinned to their king."""
    return float(sum(1 for square in chess.scan_forward(board.occupied_co[side]) if board.is_pinned(side, square)))


def forks(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's men that attack at least two opposing men each worth more than themselves (points 1, 3, 3,
    5, 9; a king is worth most)."""
    count = 0
    for square in chess.scan_forward(board.occupied_co[side]):
        own = worth(board, square)
        targets = chess.scan_forward(board.attacks_mask(square) & board.occupied_co[not side])
        count += sum(worth(board, target) > own for target in targets) >= 2
    return float(count)


def fork_moves(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's legal moves of a knight or a pawn, promotions apart, to a square from which it attacks at
    least two opposing men each worth more than itself."""
    there = _to_move(board, side)
    if there is None:
        return float("nan")
    count = 0
    for move in there.generate_legal_moves(from_mask=there.knights | there.pawns):
        knight = bool(there.knights & chess.BB_SQUARES[move.from_square])
        attacked = chess.BB_KNIGHT_ATTACKS[move.to_square] if knight else chess.BB_PAWN_ATTACKS[side][move.to_square]
        own = worth(there, move.from_square)
        targets = chess.scan_forward(attacked & there.occupied_co[not side])
        count += not move.promotion and sum(worth(there, target) > own for target in targets) >= 2
    return float(count)


def hanging_men(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's men, without the king, that the opponent attacks and the side does not defend."""
    occupied = board.occupied_co[side] & ~board.kings
    return float(
        sum(
            1
            for square in chess.scan_forward(occupied)
            if board.is_attacked_by(not side, square) and not board.is_attacked_by(side, square)
        )
    )


def pieces_attacked_by_pawns(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's knights, bishops, rooks and queens that opposing pawns attack."""
    pieces = men(board, side, chess.KNIGHT, chess.BISHOP, chess.ROOK, chess.QUEEN)
    return float(len(pieces & pawn_attacks(board, not side)))


def checks(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's legal moves that give check."""
    there = _to_move(board, side)
    return float("nan") if there is None else float(len(_checking_moves(there.epd())))


def mate_in_one(board: chess.Board, side: chess.Color) -> float:
    """1 if a legal move of the side's mates, else 0: for the opponent, the threat of mate."""
    there = _to_move(board, side)
    if there is None:
        return float("nan")
    for move in _checking_moves(there.epd()):
        there.push(move)
        mate = there.is_checkmate()
        there.pop()
        if mate:
            return 1.0
    return 0.0


def captures(board: chess.Board, side: chess.Color) -> float:
    """Number of the side's legal captures."""
    there = _to_move(board, side)
    return float("nan") if there is None else float(sum(1 for _ in there.generate_legal_captures()))


def winning_captures(board: chess.Board, side: chess.Color) -> float:
    """1 if the side has a legal capture, en passant apart, of a man worth more than the one that takes it, or of a man
    on a square that the opponent does not attack, else 0."""
    there = _to_move(board, side)
    if there is None:
        return float("nan")
    for move in there.generate_legal_captures():
        if there.is_en_passant(move):
            continue
        taken = worth(there, move.to_square)
        if taken > worth(there, move.from_square) or not there.is_attacked_by(not side, move.to_square):
            return 1.0
    return 0.0


def can_capture_queen(board: chess.Board, side: chess.Color) -> float:
    """1 if the side has a legal capture of a queen, else 0."""
    there = _to_move(board, side)
    if there is None:
        return float("nan")
    queens = there.pieces_mask(chess.QUEEN, not side)
    return float(any(there.generate_legal_moves(to_mask=queens)))


def can_promote(board: chess.Board, side: chess.Color) -> float:
    """1 if a legal move of the side's promotes, else 0."""
    there = _to_move(board, side)
    if there is None:
        return float("nan")
    return float(any(move.promotion for move in there.generate_legal_moves(from_mask=there.pawns)))


@lru_cache(maxsize=16)
def _checking_moves(position: str) -> tuple[chess.Move, ...]:
    """The legal moves that give check in a position (its EPD); kept, since several measures ask for them in turn."""
    board, _ = chess.Board.from_epd(position)
    return tuple(move for move in board.legal_moves if board.gives_check(move))


def _to_move(board: chess.Board, side: chess.Color) -> chess.Board | None:
    """The position with the side to move, on a board of its own; None where passing is not possible."""
    there = board.copy(stack=False)
    if board.turn != side:
        if board.is_check():
            return None
        there.push(chess.Move.null())
        there.clear_stack()
    return there


TACTICS: Final[tuple[KnownConcept, ...]] = tuple(
    concept
    for name, measure in (
        ("pinned men", pinned_men),
        ("forks", forks),
        ("fork moves", fork_moves),
        ("hanging men", hanging_men),
        ("pieces attacked by pawns", pieces_attacked_by_pawns),
        ("checks", checks),
        ("mate in one", mate_in_one),
        ("captures", captures),
        ("winning captures", winning_captures),
        ("capture of the queen", can_capture_queen),
        ("promotion", can_promote),
    )
    for concept in from_both_sides(name, "tactics", measure)
)
"""All for both sides, matched by ply and pieces."""
