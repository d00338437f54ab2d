"""The 112 input planes straight from kernel rows: what ``encoding.pack_boards`` says, compiled.

A row shows a position from its own mover.  The planes show all eight boards from the newest mover, so rows an odd
number of plies older are turned and their sides exchanged.  ``encoding`` is the number that
``input_formats.encoding_of`` gives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.chess.bits import U0, U1, U2, U3, U4, U5, U6, U7, U8, U9, U10, U11, U12, U15, U35, U63, mirror
from engines.chess.castling import exchange_rights, exchange_rooks, rook_distance
from engines.chess.input_formats import (
    ARMAGEDDON,
    CANONICAL,
    CLASSICAL_112,
    FILL_OLDEST,
    HECTOPLIES,
    REPEATED_ONLY,
    ROOK_SQUARES,
    encoding_of,
)
from engines.chess.names import A1, A8, H1, H8
from engines.chess.position import (
    DIAGONALS,
    KEY,
    KINGS,
    KNIGHTS,
    ORTHOGONALS,
    OWN,
    PAWNS,
    STATE,
    black_to_move,
    halfmove_clock,
    start_position,
)
from engines.chess.turning import turn_planes
from engines.compiled import inlined, kernel

HISTORY_BOARDS = 8

_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_NONE = np.uint64(0)
_AUXILIARY = 104
_TURNED = 109
_A1, _H1, _A8, _H8 = (np.uint64(1 << square) for square in (A1, H1, A8, H8))
_START = start_position()


@inlined
def write_board(row, age, place, repeated, masks):
    """Write the board ``row`` of ``age`` plies ago (its mover's view) to the 13 planes at ``place`` of ``masks``."""
    own, pawns, knights = row[OWN], row[PAWNS], row[KNIGHTS]
    diagonals, orthogonals, kings = row[DIAGONALS], row[ORTHOGONALS], row[KINGS]
    theirs = (pawns | knights | diagonals | orthogonals | kings) & ~own
    if age & 1:
        own, theirs = mirror(theirs), mirror(own)
        pawns, knights, kings = mirror(pawns), mirror(knights), mirror(kings)
        diagonals, orthogonals = mirror(diagonals), mirror(orthogonals)
    queens = diagonals & orthogonals
    bishops, rooks = diagonals ^ queens, orthogonals ^ queens
    # Unsigned places: numba would have to allow for negative ones at every store.
    base = np.uint64(13) * np.uint64(place)
    masks[base] = pawns & own
    masks[base + U1] = knights & own
    masks[base + U2] = bishops & own
    masks[base + U3] = rooks & own
    masks[base + U4] = queens & own
    masks[base + U5] = kings & own
    masks[base + U6] = pawns & theirs
    masks[base + U7] = knights & theirs
    masks[base + U8] = bishops & theirs
    masks[base + U9] = rooks & theirs
    masks[base + U10] = queens & theirs
    masks[base + U11] = kings & theirs
    masks[base + U12] = _ALL if repeated else _NONE


@inlined
def write_missing(oldest, age, encoding, masks):
    """Write the boards older than the first known one, which is ``age`` plies old (see ``encoding.pack_boards``)."""
    passant = oldest[STATE] & U63
    boards = HISTORY_BOARDS - age - 1
    if not encoding & FILL_OLDEST:
        if passant == U0:
            boards = 0
        boards = min(boards, 1)
    elif oldest[KEY] == _START[KEY]:
        boards = 0
    source = 13 * age
    for board in range(age + 1, HISTORY_BOARDS):
        for plane in range(13):
            filled = board <= age + boards and plane < 12
            masks[13 * board + plane] = masks[source + plane] if filled else _NONE
        if passant and board <= age + boards:
            # The double step that gave the en-passant square is taken back; its pawn is not the mover's of `oldest`.
            moved = U1 << (passant - U8) | U1 << (passant + U8)
            if age & 1:
                masks[13 * board] ^= mirror(moved)
            else:
                masks[13 * board + 6] ^= moved


@inlined
def write_auxiliary(row, masks, values):
    """Write planes 104–111 of the newest position (castling, side, rule 50, zeros, ones), as format 1 has them.

    Of ``values`` (float32 [112]) only the count of rule 50 is written; all others are 1 and have to stand there.
    """
    state = row[STATE]
    rights = state >> U6
    masks[_AUXILIARY] = _ALL if (rights >> U1) & U1 else _NONE
    masks[_AUXILIARY + 1] = _ALL if rights & U1 else _NONE
    masks[_AUXILIARY + 2] = _ALL if (rights >> np.uint64(3)) & U1 else _NONE
    masks[_AUXILIARY + 3] = _ALL if (rights >> np.uint64(2)) & U1 else _NONE
    masks[_AUXILIARY + 4] = _ALL if black_to_move(state) else _NONE
    masks[_AUXILIARY + 5] = _ALL
    values[_AUXILIARY + 5] = np.float32(halfmove_clock(state))
    masks[_AUXILIARY + 6] = _NONE
    masks[_AUXILIARY + 7] = _ALL


@kernel
def write_other_auxiliary(row, encoding, masks, values):
    """Write planes 104–111 of the newest position as the formats other than 1 have them; else as `write_auxiliary`."""
    state = row[STATE]
    rights, rooks = (state >> U6) & U15, state >> U35
    long = short = _NONE
    if rights & U1:
        short |= _H1 >> rook_distance(rooks, U0)
    if rights & U2:
        long |= _A1 << rook_distance(rooks, U1)
    if rights & U4:
        short |= _H8 >> rook_distance(rooks, U2)
    if rights & U8:
        long |= _A8 << rook_distance(rooks, U3)
    masks[_AUXILIARY] = long
    masks[_AUXILIARY + 1] = short
    masks[_AUXILIARY + 2] = _NONE
    masks[_AUXILIARY + 3] = _NONE
    passant, black = state & U63, black_to_move(state)
    if encoding & CANONICAL:
        masks[_AUXILIARY + 4] = _A8 << (passant & U7) if passant else _NONE
    else:
        masks[_AUXILIARY + 4] = _ALL if black else _NONE
    masks[_AUXILIARY + 5] = _ALL
    clock = np.float32(halfmove_clock(state))
    values[_AUXILIARY + 5] = clock / np.float32(100) if encoding & HECTOPLIES else clock
    masks[_AUXILIARY + 6] = _ALL if black and encoding & ARMAGEDDON != 0 else _NONE
    masks[_AUXILIARY + 7] = _ALL


@kernel
def write_reversible(newest, row, age, place, repeated, encoding, masks):
    """Write ``row`` of ``age`` plies ago if a canonical format shows it: ``(next place, whether older ones count)``."""
    if age > 0 and (row[STATE] & U63 or _rights_seen(row, age) != _rights_seen(newest, 0)):
        return place, False
    if age == 0 or repeated or not encoding & REPEATED_ONLY:
        write_board(row, age, place, repeated, masks)
        place += 1
    return place, halfmove_clock(row[STATE]) > U0


@kernel
def finish_canonical(oldest, newest, place, whole, encoding, masks, values):
    """Write all planes behind those of ``place`` boards in a canonical format, and turn them.

    ``oldest``: the first known position of the game; ``whole``: whether history did not end after it.
    """
    filled = (
        whole
        and encoding & FILL_OLDEST
        and not encoding & REPEATED_ONLY
        and not oldest[STATE] & U63
        and oldest[KEY] != _START[KEY]
    )
    source = 13 * (place - 1)
    for board in range(place, HISTORY_BOARDS):
        for plane in range(13):
            masks[13 * board + plane] = masks[source + plane] if filled and plane < 12 else _NONE
    write_other_auxiliary(newest, encoding, masks, values)
    turn_planes(newest, _TURNED, masks)


@kernel
def _rights_seen(row, age):
    """Rights to castle and their rooks, from the side to move ``age`` plies later."""
    rights, rooks = (row[STATE] >> U6) & U15, row[STATE] >> U35
    if age & 1:
        rights, rooks = exchange_rights(rights), exchange_rooks(rooks)
    return rights | rooks << U4


@kernel
def count_repetitions(rows, repetitions):
    """Write how often each position of a game (``uint64 [n, 8]``, oldest first) stood before (``uint8 [n]``)."""
    for ply in range(rows.shape[0]):
        repetitions[ply] = 0
        reach = min(np.int64(halfmove_clock(rows[ply, STATE])), ply)
        earlier = 4
        while earlier <= reach:
            if rows[ply - earlier, KEY] == rows[ply, KEY]:
                repetitions[ply] += 1
            earlier += 2


@kernel
def pack_game_plies(rows, repetitions, plies, encoding, masks, values):
    """Encode positions ``plies`` (``int64 [n]``) of one game to ``masks``/``values`` ([n, 112]) with true history."""
    for i in range(plies.shape[0]):
        ply = plies[i]
        newest = rows[ply]
        if encoding & CANONICAL:
            age, place, going = 0, 0, True
            while going and place < HISTORY_BOARDS and age <= ply:
                again = repetitions[ply - age] > 0
                place, going = write_reversible(newest, rows[ply - age], age, place, again, encoding, masks[i])
                age += 1
            finish_canonical(rows[0], newest, place, going, encoding, masks[i], values[i])
            continue
        known = min(ply, HISTORY_BOARDS - 1)
        for age in range(known + 1):
            write_board(rows[ply - age], age, age, repetitions[ply - age] > 0, masks[i])
        if known < HISTORY_BOARDS - 1:
            write_missing(rows[0], ply, encoding, masks[i])
        if encoding & ROOK_SQUARES:
            write_other_auxiliary(newest, encoding, masks[i], values[i])
        else:
            write_auxiliary(newest, masks[i], values[i])


def pack_game(
    rows: NDArray[np.uint64],
    plies: NDArray[np.int64],
    history_fill: str = "fen_only",
    input_format: int = CLASSICAL_112,
) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """Packed planes (``uint64 [n, 112]``, ``float32 [n, 112]``) of chosen plies of one game.

    ``rows`` are the game's positions, oldest first (``uint64 [m, 8]``, see ``history.game_rows``); ``plies`` are
    indices into them.  Equal to ``encoding.pack_boards`` on the boards with their move stacks.

    Raises ``ValueError`` for an unknown ``history_fill`` or ``input_format``.
    """
    encoding = encoding_of(input_format, history_fill)
    repetitions = np.zeros(len(rows), dtype=np.uint8)
    count_repetitions(rows, repetitions)
    masks = np.zeros((len(plies), 112), dtype=np.uint64)
    values = np.ones((len(plies), 112), dtype=np.float32)
    pack_game_plies(rows, repetitions, plies, encoding, masks, values)
    return masks, values
