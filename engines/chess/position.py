"""A chess position as eight 64-bit words, always seen from the side to move.

====  =============  ====================================================================
word  name           content
====  =============  ====================================================================
0     OWN            squares of the side to move
1     PAWNS          pawns of both sides
2     KNIGHTS        knights of both sides
3     DIAGONALS      bishops and queens of both sides
4     ORTHOGONALS    rooks and queens of both sides
5     KINGS          both kings
6     STATE          en-passant square, castling rights, side, clocks (see below)
7     KEY            Zobrist key of the position (placement, rights, en passant, side)
====  =============  ====================================================================

The board is turned so that the mover's pawns go up; ``make_move`` ends by turning it.  One code path serves both
colours, the policy map and the input planes need no flipping, and a row fills one cache line.

STATE bits: 0–5 en-passant target (0 = none; set only when an enemy pawn stands beside the pushed pawn, or when a FEN
says so), 6 own short castling, 7 own long, 8 their short, 9 their long, 10 Black to move, 11–18 half-move clock (stops
at 255), 19–34 plies since the start of move 1 (modulo 65,536), 35–46 the distances of the four rights' rooks from
their corners (see ``castling``; all 0 in standard chess).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from engines.chess.bits import (
    NOT_FILE_A,
    NOT_FILE_H,
    U0,
    U1,
    U2,
    U3,
    U6,
    U7,
    U8,
    U10,
    U11,
    U12,
    U15,
    U19,
    U35,
    U56,
    U63,
    U255,
    count,
    mirror,
)
from engines.chess.castling import (
    KING_TARGETS,
    LONG,
    RIGHTS_OF_CORNERS,
    ROOK_TARGETS,
    SHORT,
    castling_rooks,
    exchange_rights,
    exchange_rooks,
    rights_of_rooks,
    rook_distance,
)
from engines.chess.names import A1, BISHOP, C1, G1, H1, KNIGHT, PAWN, QUEEN, ROOK, rank_set, square_set
from engines.compiled import kernel
from engines.python_chess import chess

WORDS = 8
OWN, PAWNS, KNIGHTS, DIAGONALS, ORTHOGONALS, KINGS, STATE, KEY = range(WORDS)

# A move is from | to << 6 | kind << 12; promotion kinds carry the piece, castling is the king taking its rook (e1h1).
QUIET, DOUBLE_PUSH, EN_PASSANT, CASTLE_SHORT, CASTLE_LONG = 0, 1, 2, 3, 4
PROMOTE_KNIGHT, PROMOTE_BISHOP, PROMOTE_ROOK, PROMOTE_QUEEN = 5, 6, 7, 8
PROMOTION_KINDS = {
    KNIGHT: PROMOTE_KNIGHT,
    BISHOP: PROMOTE_BISHOP,
    ROOK: PROMOTE_ROOK,
    QUEEN: PROMOTE_QUEEN,
}
PROMOTION_PIECES = {kind: piece for piece, kind in PROMOTION_KINDS.items()}
_CASTLING_TARGETS = {CASTLE_SHORT: G1, CASTLE_LONG: C1}

_PAWN, _KNIGHT, _BISHOP, _ROOK, _QUEEN, _KING = range(6)
_DOUBLE_PUSH, _EN_PASSANT, _CASTLE_SHORT, _CASTLE_LONG, _PROMOTE_KNIGHT = (np.uint64(k) for k in range(1, 6))
_SIXTEEN_BITS = np.uint64(65535)

_random = np.random.default_rng(20231011)
PIECE_KEYS = _random.integers(0, 2**64, size=(2, 6, 64), dtype=np.uint64)  # [black?, piece, absolute square]
CASTLING_KEYS = _random.integers(0, 2**64, size=16, dtype=np.uint64)  # by rights: white short, white long, black …
EN_PASSANT_KEYS = _random.integers(0, 2**64, size=8, dtype=np.uint64)  # by file
BLACK_KEY = np.uint64(_random.integers(0, 2**64, dtype=np.uint64))

ROOK_KEYS = _random.integers(0, 2**64, size=(4, 8), dtype=np.uint64)  # by right, as above, and distance from the corner
ROOK_KEYS[:, 0] = 0  # one key for a position of standard chess, whatever kind of board it comes from


# By four bits: a pawn, a knight, one that moves diagonally, one that moves straight stands there.
_PIECE_OF_BITS = np.full(16, _KING, dtype=np.uint8)
_PIECE_OF_BITS[[1, 2, 4, 8, 12]] = (_PAWN, _KNIGHT, _BISHOP, _ROOK, _QUEEN)


@kernel
def _piece_on(pawns, knights, diagonals, orthogonals, square):
    """Piece on a ``square`` that is not empty: 0 pawn, 1 knight, 2 bishop, 3 rook, 4 queen, 5 king."""
    bits = (pawns >> square) & U1
    bits |= ((knights >> square) & U1) << U1
    bits |= ((diagonals >> square) & U1) << U2
    bits |= ((orthogonals >> square) & U1) << U3
    return np.int64(_PIECE_OF_BITS[bits])


@kernel
def black_to_move(state):
    """1 where Black is to move, else 0 (``uint64``)."""
    return (state >> U10) & U1


@kernel
def halfmove_clock(state):
    """Plies since the last capture or pawn move, at most 255 (``uint64``)."""
    return (state >> U11) & U255


@kernel
def make_move(rows, i, out, j, move):
    """Play ``move`` (legal in ``rows[i]``) and write the position, turned to the next mover, to ``out[j]``."""
    own, pawns, knights = rows[i, OWN], rows[i, PAWNS], rows[i, KNIGHTS]
    diagonals, orthogonals, kings = rows[i, DIAGONALS], rows[i, ORTHOGONALS], rows[i, KINGS]
    state, key = rows[i, STATE], rows[i, KEY]
    source, target, kind = move & U63, (move >> U6) & U63, (move >> U12) & U15
    black = black_to_move(state)
    white = black ^ U1
    turn = black * U56  # squares are turned for Black; keys are for absolute squares

    piece = _piece_on(pawns, knights, diagonals, orthogonals, source)
    key ^= PIECE_KEYS[black, piece, source ^ turn]
    clock = U0 if piece == _PAWN else min(halfmove_clock(state) + U1, U255)
    landing, castled_rook = target, U0
    if ((pawns | knights | diagonals | orthogonals | kings) >> target) & U1:
        if kind in (_CASTLE_SHORT, _CASTLE_LONG):  # the mover's own rook stands there
            side = SHORT if kind == _CASTLE_SHORT else LONG
            landing, rook_landing = KING_TARGETS[side], ROOK_TARGETS[side]
            castled_rook = U1 << rook_landing
            key ^= PIECE_KEYS[black, _ROOK, target ^ turn] ^ PIECE_KEYS[black, _ROOK, rook_landing ^ turn]
        else:
            captured = _piece_on(pawns, knights, diagonals, orthogonals, target)
            key ^= PIECE_KEYS[white, captured, target ^ turn]
            clock = U0

    # A bit that moves in every word costs less than a jump by the kind of piece, which cannot be predicted.
    touched, landing_bit = U1 << source | U1 << target, U1 << landing
    keep = ~touched
    own = (own & keep) | landing_bit | castled_rook
    pawns = (pawns & keep) | ((pawns >> source) & U1) << landing
    knights = (knights & keep) | ((knights >> source) & U1) << landing
    diagonals = (diagonals & keep) | ((diagonals >> source) & U1) << landing
    orthogonals = (orthogonals & keep) | ((orthogonals >> source) & U1) << landing | castled_rook
    kings = (kings & keep) | ((kings >> source) & U1) << landing

    old_passant = state & U63
    if old_passant:
        key ^= EN_PASSANT_KEYS[old_passant & U7]
    passant = U0
    if kind == _DOUBLE_PUSH:
        beside = ((landing_bit & NOT_FILE_A) >> U1) | ((landing_bit & NOT_FILE_H) << U1)
        if beside & pawns & ~own:
            passant = source + U8
            key ^= EN_PASSANT_KEYS[passant & U7]
            passant ^= U56
    elif kind == _EN_PASSANT:
        pawns &= ~(landing_bit >> U8)
        key ^= PIECE_KEYS[white, _PAWN, (target - U8) ^ turn]
    elif kind >= _PROMOTE_KNIGHT:
        piece = np.int64(kind - _PROMOTE_KNIGHT) + _KNIGHT
        pawns ^= landing_bit
        if piece == _KNIGHT:
            knights |= landing_bit
        else:
            if piece != _ROOK:
                diagonals |= landing_bit
            if piece != _BISHOP:
                orthogonals |= landing_bit
    key ^= PIECE_KEYS[black, piece, landing ^ turn]

    rights, rooks = (state >> U6) & U15, state >> U35
    own_rights = U3 if piece == _KING else U0
    if rooks:
        lost = rights & (own_rights | rights_of_rooks(rooks, touched))
        for right in (U0, U1, U2, U3):
            if (lost >> right) & U1:
                key ^= ROOK_KEYS[right ^ (black << U1), rook_distance(rooks, right)]
                rooks &= ~(U7 << (U3 * right))
        rooks = exchange_rooks(rooks)
    else:
        lost = rights & (own_rights | RIGHTS_OF_CORNERS[source] | RIGHTS_OF_CORNERS[target])
    if lost:
        kept = rights ^ lost
        if black:
            key ^= CASTLING_KEYS[exchange_rights(rights)] ^ CASTLING_KEYS[exchange_rights(kept)]
        else:
            key ^= CASTLING_KEYS[rights] ^ CASTLING_KEYS[kept]
        rights = kept

    out[j, OWN] = mirror((pawns | knights | diagonals | orthogonals | kings) & ~own)
    out[j, PAWNS] = mirror(pawns)
    out[j, KNIGHTS] = mirror(knights)
    out[j, DIAGONALS] = mirror(diagonals)
    out[j, ORTHOGONALS] = mirror(orthogonals)
    out[j, KINGS] = mirror(kings)
    plies = ((state >> U19) + U1) & _SIXTEEN_BITS
    castling = exchange_rights(rights) << U6 | rooks << U35
    out[j, STATE] = passant | castling | white << U10 | clock << U11 | plies << U19
    out[j, KEY] = key ^ BLACK_KEY


@kernel
def insufficient_material(row):
    """Nobody can mate by any play: kings plus at most one minor piece, or plus bishops all on one square colour."""
    if row[PAWNS] | row[ORTHOGONALS]:
        return False
    bishops, knights = row[DIAGONALS], row[KNIGHTS]
    if knights:
        return count(knights | bishops) == U1
    dark = np.uint64(0xAA55AA55AA55AA55)
    return (bishops & dark) == U0 or (bishops & ~dark) == U0


def start_position() -> NDArray[np.uint64]:
    """The eight words (``uint64 [8]``, a new array) of the position that games of standard chess start from."""
    all_rights = 0b1111
    key = CASTLING_KEYS[all_rights]
    for file, piece in enumerate((_ROOK, _KNIGHT, _BISHOP, _QUEEN, _KING, _BISHOP, _KNIGHT, _ROOK)):
        for color, rank, pawn_rank in ((0, 0, 1), (1, 7, 6)):
            key ^= PIECE_KEYS[color, piece, 8 * rank + file] ^ PIECE_KEYS[color, _PAWN, 8 * pawn_rank + file]
    words = {
        OWN: rank_set("12"),
        PAWNS: rank_set("27"),
        KNIGHTS: square_set("b1 g1 b8 g8"),
        DIAGONALS: square_set("c1 d1 f1 c8 d8 f8"),
        ORTHOGONALS: square_set("a1 d1 h1 a8 d8 h8"),
        KINGS: square_set("e1 e8"),
        STATE: all_rights << 6,
        KEY: key,
    }
    return np.array([words[word] for word in range(WORDS)], dtype=np.uint64)


_MEN_AT_FIRST = {PAWN: 0, KNIGHT: 2, BISHOP: 2, ROOK: 2, QUEEN: 1}


def position_of(board: chess.Board) -> NDArray[np.uint64]:
    """The eight words (``uint64 [8]``) of a python-chess board.

    Raises ``ValueError`` for variants, for rights of Chess960 on a board that is not of that kind, and for boards that
    no game can reach: not one king a side, the side not to move in check, pawns on the outer ranks, more pieces than
    pawns could become, an impossible en-passant square.
    """
    if type(board).uci_variant != "chess":
        raise ValueError(f"the engine plays chess and Chess960, not {type(board).uci_variant}: give a chess.Board")
    # A right to castle with a rook that stands there, and yet not one of standard chess, is one of Chess960.
    if not board.chess960 and board.castling_rights & board.rooks & ~board.clean_castling_rights():
        raise ValueError(
            f"'{board.fen(en_passant='fen')}' has castling rights of Chess960: give a chess.Board with chess960=True"
        )
    status = board.status()
    faults = [fault for flags, fault in _faults().items() if status & flags]
    if any(_pawns_needed(board, color) > 8 for color in chess.COLORS):
        faults.append("it has more pieces than eight pawns could become")
    if faults:
        raise ValueError(f"'{board.fen(en_passant='fen')}' is no position of chess: {faults[0]}")

    def seen(bits: int) -> np.uint64:
        return np.uint64(bits if board.turn else chess.flip_vertical(bits))

    black = 0 if board.turn else 1
    rights = rooks = 0  # White's first
    castling_key = U0
    for right, distance in castling_rooks(board).items():
        rights |= 1 << right
        rooks |= distance << 3 * right
        castling_key = castling_key ^ ROOK_KEYS[right, distance]
    passant = 0
    if board.ep_square is not None and _passant_counts(board):
        passant = board.ep_square if board.turn else board.ep_square ^ 56
    key = castling_key ^ CASTLING_KEYS[rights]
    for square, piece in board.piece_map().items():
        key = key ^ PIECE_KEYS[0 if piece.color else 1, piece.piece_type - 1, square]
    if passant:
        key = key ^ EN_PASSANT_KEYS[passant & 7]
    if black:
        key = key ^ BLACK_KEY
    if black:
        rights, rooks = rights >> 2 | (rights & 3) << 2, rooks >> 6 | (rooks & 63) << 6
    state = passant | rights << 6 | black << 10 | rooks << 35
    state |= min(board.halfmove_clock, 255) << 11 | (board.ply() & int(_SIXTEEN_BITS)) << 19
    return np.array(
        [
            seen(board.occupied_co[board.turn]),
            seen(board.pawns),
            seen(board.knights),
            seen(board.bishops | board.queens),
            seen(board.rooks | board.queens),
            seen(board.kings),
            np.uint64(state),
            key,
        ],
        dtype=np.uint64,
    )


@cache
def _faults() -> dict[chess.Status, str]:
    """By python-chess's flags, what the move generator takes for granted; python-chess lets a FEN say otherwise."""
    kings = chess.STATUS_NO_WHITE_KING | chess.STATUS_NO_BLACK_KING | chess.STATUS_TOO_MANY_KINGS
    return {
        kings: "it needs exactly one king a side",
        chess.STATUS_PAWNS_ON_BACKRANK: "it has a pawn on the first or the last rank",
        chess.STATUS_OPPOSITE_CHECK: "the side that is not to move is in check",
        chess.STATUS_INVALID_EP_SQUARE: "no pawn has just passed its en-passant square",
    }


def _pawns_needed(board: chess.Board, color: chess.Color) -> int:
    """Pawns of ``color`` on the board and pieces that can only have been pawns."""
    return sum(max(len(board.pieces(kind, color)) - first, 0) for kind, first in _MEN_AT_FIRST.items())


def _passant_counts(board: chess.Board) -> bool:
    """An en-passant square counts when a pawn stands beside the pushed one (pins ignored), or when a FEN gives it."""
    return not board.move_stack or board.has_pseudo_legal_en_passant()


def encode_move(board: chess.Board, move: chess.Move) -> int:
    """The 16-bit move of a legal python-chess move on ``board`` (mover's view)."""
    turn = 0 if board.turn else 56
    target, kind = move.to_square, QUIET
    if move.promotion:
        kind = PROMOTION_KINDS[move.promotion]
    elif board.is_castling(move):
        short = target > move.from_square
        kind = CASTLE_SHORT if short else CASTLE_LONG
        if not board.rooks & board.occupied_co[board.turn] & chess.BB_SQUARES[target]:  # e1g1
            target = (H1 if short else A1) ^ turn
    elif board.is_en_passant(move):
        kind = EN_PASSANT
    elif board.piece_type_at(move.from_square) == PAWN and abs(move.from_square - move.to_square) == 16:
        kind = DOUBLE_PUSH
    return (move.from_square ^ turn) | (target ^ turn) << 6 | kind << 12


def decode_move(move: int, black: bool, chess960: bool = False) -> chess.Move:
    """The python-chess move of a 16-bit move; ``black`` says whose view it was written from.

    Castling is spelt as boards of that kind spell it: king to its target (e1g1), or with ``chess960`` king to its rook
    (e1h1).
    """
    turn = 56 if black else 0
    source, target, kind = move & 63, move >> 6 & 63, move >> 12
    if not chess960 and kind in _CASTLING_TARGETS:
        target = _CASTLING_TARGETS[kind]
    return chess.Move(source ^ turn, target ^ turn, PROMOTION_PIECES.get(kind))
