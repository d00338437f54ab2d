"""Legal moves of a position, generated without trial moves: pins and checks are worked out first."""

from __future__ import annotations

import numpy as np

from engines.chess.attacks import (
    BETWEEN,
    EMPTY_DIAGONAL,
    EMPTY_ORTHOGONAL,
    KING,
    KNIGHT,
    LINE,
    PAWN_DOWN,
    PAWN_UP,
    diagonal_attacks,
    knight_attacks,
    orthogonal_attacks,
    pawn_attacks_down,
    slider_attacks_square,
)
from engines.chess.bits import (
    NOT_FILE_A,
    NOT_FILE_H,
    RANK_3,
    RANK_8,
    U0,
    U1,
    U6,
    U7,
    U8,
    U9,
    U12,
    U16,
    U35,
    U63,
    lowest,
)
from engines.chess.castling import LONG, SHORT, king_walk, rook_square
from engines.chess.position import (
    CASTLE_LONG,
    CASTLE_SHORT,
    DIAGONALS,
    DOUBLE_PUSH,
    EN_PASSANT,
    KINGS,
    KNIGHTS,
    ORTHOGONALS,
    OWN,
    PAWNS,
    PROMOTE_KNIGHT,
    PROMOTE_QUEEN,
    STATE,
)
from engines.compiled import kernel

MAX_MOVES = 256  # 218 is the most any legal position has

_SHORT, _LONG = np.uint64(CASTLE_SHORT << 12), np.uint64(CASTLE_LONG << 12)
_DOUBLE = np.uint64(DOUBLE_PUSH << 12)
_PASSANT = np.uint64(EN_PASSANT << 12)
_FIRST_PROMOTION, _LAST_PROMOTION = np.uint64(PROMOTE_KNIGHT), np.uint64(PROMOTE_QUEEN)


@kernel
def in_check(row):
    """Whether the side to move is in check."""
    own, diagonals, orthogonals = row[OWN], row[DIAGONALS], row[ORTHOGONALS]
    occupied = row[PAWNS] | row[KNIGHTS] | diagonals | orthogonals | row[KINGS]
    king = lowest(row[KINGS] & own)
    if (KNIGHT[king] & row[KNIGHTS] & ~own) or (PAWN_UP[king] & row[PAWNS] & ~own):
        return True
    return slider_attacks_square(king, occupied, diagonals & ~own, orthogonals & ~own)


@kernel
def _write_targets(moves, n, source, targets):
    while targets:
        moves[n] = source | lowest(targets) << U6
        targets &= targets - U1
        n += 1
    return n


@kernel
def _write_pawns(moves, n, targets, step, kind):
    """Pawn moves by a fixed ``step``; those that reach the last rank become the four promotions."""
    last = targets & RANK_8
    targets ^= last
    while last:
        target = lowest(last)
        last &= last - U1
        promotion = _LAST_PROMOTION
        while promotion >= _FIRST_PROMOTION:
            moves[n] = (target - step) | target << U6 | promotion << U12
            promotion -= U1
            n += 1
    while targets:
        target = lowest(targets)
        targets &= targets - U1
        moves[n] = (target - step) | target << U6 | kind
        n += 1
    return n


@kernel
def legal_moves(row, moves, start):
    """Write the legal moves of ``row`` (``uint64 [8]``) to ``moves`` (``uint64``) from ``start`` on; their number."""
    n = start
    own, pawns, knights = row[OWN], row[PAWNS], row[KNIGHTS]
    diagonals, orthogonals, kings, state = row[DIAGONALS], row[ORTHOGONALS], row[KINGS], row[STATE]
    occupied = pawns | knights | diagonals | orthogonals | kings
    enemies = occupied & ~own
    enemy_pawns, enemy_knights = pawns & enemies, knights & enemies
    enemy_diagonals, enemy_orthogonals = diagonals & enemies, orthogonals & enemies
    king = lowest(kings & own)
    king_bit = kings & own

    checkers = (KNIGHT[king] & enemy_knights) | (PAWN_UP[king] & enemy_pawns)
    pinned = U0
    snipers = (EMPTY_ORTHOGONAL[king] & enemy_orthogonals) | (EMPTY_DIAGONAL[king] & enemy_diagonals)
    while snipers:
        sniper = lowest(snipers)
        snipers &= snipers - U1
        shield = BETWEEN[king, sniper] & occupied
        if shield == U0:
            checkers |= U1 << sniper
        elif (shield & (shield - U1)) == U0:
            pinned |= shield & own

    stepped_on = pawn_attacks_down(enemy_pawns) | knight_attacks(enemy_knights) | KING[lowest(kings & enemies)]
    steps = KING[king] & ~own & ~stepped_on
    without_king = occupied ^ king_bit
    while steps:
        target = lowest(steps)
        steps &= steps - U1
        if not slider_attacks_square(target, without_king, enemy_diagonals, enemy_orthogonals):
            moves[n] = king | target << U6
            n += 1

    targets = ~own
    if checkers:
        if checkers & (checkers - U1):
            return n - start
        targets = BETWEEN[king, lowest(checkers)] | checkers
    else:
        rooks = state >> U35
        short_walk = king_walk(SHORT, king, rooks, occupied, pinned) if (state >> U6) & U1 else U0
        long_walk = king_walk(LONG, king, rooks, occupied, pinned) if (state >> U7) & U1 else U0
        walk = short_walk | long_walk
        if walk:
            attacked = walk & stepped_on
            while walk:
                if slider_attacks_square(lowest(walk), without_king, enemy_diagonals, enemy_orthogonals):
                    attacked |= walk & (~walk + U1)
                walk &= walk - U1
            if short_walk and (short_walk & attacked) == U0:
                moves[n] = king | rook_square(SHORT, rooks) << U6 | _SHORT
                n += 1
            if long_walk and (long_walk & attacked) == U0:
                moves[n] = king | rook_square(LONG, rooks) << U6 | _LONG
                n += 1

    pieces = knights & own & ~pinned
    while pieces:
        source = lowest(pieces)
        pieces &= pieces - U1
        n = _write_targets(moves, n, source, KNIGHT[source] & targets)
    pieces = (diagonals | orthogonals) & own
    while pieces:
        source = lowest(pieces)
        pieces &= pieces - U1
        reach = U0
        if (diagonals >> source) & U1:
            reach = diagonal_attacks(source, occupied)
        if (orthogonals >> source) & U1:
            reach |= orthogonal_attacks(source, occupied)
        reach &= targets
        if (pinned >> source) & U1:
            reach &= LINE[king, source]
        n = _write_targets(moves, n, source, reach)

    # Pawns: all free ones as one set, then each pinned one alone on the line of its pin.
    group = pawns & own & ~pinned
    waiting = pawns & own & pinned
    allowed = targets
    while True:
        single = (group << U8) & ~occupied
        n = _write_pawns(moves, n, ((single & RANK_3) << U8) & ~occupied & allowed, U16, _DOUBLE)
        n = _write_pawns(moves, n, single & allowed, U8, U0)
        n = _write_pawns(moves, n, ((group & NOT_FILE_A) << U7) & enemies & allowed, U7, U0)
        n = _write_pawns(moves, n, ((group & NOT_FILE_H) << U9) & enemies & allowed, U9, U0)
        if waiting == U0:
            break
        group = waiting & (~waiting + U1)
        waiting ^= group
        allowed = targets & LINE[king, lowest(group)]

    passant = state & U63
    if passant:
        takers = PAWN_DOWN[passant] & pawns & own
        victim = U1 << (passant - U8)
        while takers:
            source = lowest(takers)
            takers &= takers - U1
            after = (occupied ^ (U1 << source) ^ victim) | (U1 << passant)
            still_checked = checkers & (enemy_knights | enemy_pawns) & ~victim
            if still_checked == U0 and not slider_attacks_square(king, after, enemy_diagonals, enemy_orthogonals):
                moves[n] = source | passant << U6 | _PASSANT
                n += 1
    return n - start
