"""A table of positions and what was said of them: hashing, finding, keeping; all compiled.

An entry has a key of two words, the number of the batch that last used it (0: empty), and numbers: the logits of the
moves that pieces could make, in the order `conceivable_moves` lists them, and win, draw and loss. A position may lie in
any of eight entries in a row, which its key says.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engines.chess.attacks import KING, KNIGHT, PAWN_UP, diagonal_attacks, orthogonal_attacks
from engines.chess.bits import RANK_1, U1, U3, U6, U7, U8, lowest
from engines.chess.encoding import INPUT_PLANES
from engines.chess.moves import FROM_TO_INDEX, PROMOTION_INDEX
from engines.compiled import kernel

__all__ = ["KEPT_LOGITS", "KEY_WORDS", "NUMBERS", "WAYS", "conceivable_moves", "recall", "remember"]

KEPT_LOGITS: Final = 80
"""Room for logits in an entry. Positions with more conceivable moves, which are very rare, are not kept."""

NUMBERS: Final = KEPT_LOGITS + 3
"""Numbers of an entry."""

WAYS: Final = 8
KEY_WORDS: Final = 2

_LONG, _SHORT = 104, 105
_SIDE: Final = 6
_PAWN, _KNIGHT, _BISHOP, _ROOK, _QUEEN, _KING = range(_SIDE)
_NONE: Final = np.uint64(0)
_RANK_6: Final = np.uint64(0x0000_FF00_0000_0000)
_NOTHING: Final = np.float32(-np.inf)
# Odd numbers without structure, of the fractional bits of square roots of primes.
_SEEDS: Final = (np.uint64(0x6A09E667F3BCC909), np.uint64(0xBB67AE8584CAA73B))
_FACTORS: Final = (np.uint64(0x3C6EF372FE94F82B), np.uint64(0xA54FF53A5F1D36F1))
_HALF_WORD: Final = np.uint64(32)
_SHIFT: Final = np.uint64(29)


@kernel
def _mixed(state, word, factor):
    state = (state ^ word) * factor
    return state ^ (state >> _HALF_WORD)


@kernel
def _key_of(masks, bits, key):
    """Hash 112 masks, and 112 values given as their bits, to two words."""
    for k in range(2):
        state, factor = _SEEDS[k], _FACTORS[k]
        for plane in range(INPUT_PLANES):
            state = _mixed(state, masks[plane], factor)
        for plane in range(0, INPUT_PLANES, 2):
            state = _mixed(state, np.uint64(bits[plane]) | np.uint64(bits[plane + 1]) << _HALF_WORD, factor)
        state = (state ^ (state >> _SHIFT)) * _FACTORS[1 - k]
        key[k] = state ^ (state >> _HALF_WORD)


@kernel
def _listed(moves, n, origin, targets):
    while targets != _NONE and n < KEPT_LOGITS:
        move = FROM_TO_INDEX[origin, lowest(targets)]
        targets &= targets - U1
        if move >= 0:
            moves[n] = move
            n += 1
    return n


@kernel
def conceivable_moves(planes, moves):
    """List the policy indices of all moves that pieces could make, among them all legal ones.

    ``planes``: masks [112] of any input format; ``moves``: int64 [80]. Gives their number, or -1 if there may be more.
    Where a format turns the board, the moves are turned with it, as the policy has them: no right to castle is left
    then, and pawns still go up the board, or there are none.
    """
    own, others = _NONE, _NONE
    for kind in range(_SIDE):
        own |= planes[kind]
        others |= planes[_SIDE + kind]
    occupied = own | others
    n = 0
    pieces = own
    while pieces != _NONE:
        origin = lowest(pieces)
        bit = U1 << origin
        pieces &= pieces - U1
        targets = _NONE
        if planes[_KNIGHT] & bit:
            targets |= KNIGHT[origin]
        if (planes[_BISHOP] | planes[_QUEEN]) & bit:
            targets |= diagonal_attacks(origin, occupied)
        if (planes[_ROOK] | planes[_QUEEN]) & bit:
            targets |= orthogonal_attacks(origin, occupied)
        if planes[_KING] & bit:
            targets |= KING[origin]
        if planes[_PAWN] & bit:
            targets |= PAWN_UP[origin] & (others | _RANK_6)
            step = (bit << U8) & ~occupied
            targets |= step
            if origin >> U3 == U1:
                targets |= (step << U8) & ~occupied
        targets &= ~own
        if planes[_KING] & bit:
            # Castling is written as the king taking its own rook, which in Chess960 may stand on any file. The planes
            # of a right are full or, in other formats than the classical one, show both sides' rooks.
            rooks, left = planes[_ROOK] & own & RANK_1, bit - U1
            targets |= (planes[_LONG] & rooks & left) | (planes[_SHORT] & rooks & ~(left | bit))
        n = _listed(moves, n, origin, targets)
        if planes[_PAWN] & bit and origin >> U3 == U6:
            last = targets
            while last != _NONE and n < KEPT_LOGITS:
                file = lowest(last) & U7
                last &= last - U1
                for piece in range(3):
                    move = PROMOTION_INDEX[piece, origin & U7, file]
                    if move >= 0 and n < KEPT_LOGITS:
                        moves[n] = move
                        n += 1
    return n if n < KEPT_LOGITS else -1


@kernel
def _first_entry(key, entries):
    return np.int64(key[0] % np.uint64(entries // WAYS)) * WAYS


@kernel
def _entry_of(keys, used, key):
    """The entry that holds a key, else -1."""
    first = _first_entry(key, len(used))
    for entry in range(first, first + WAYS):
        if used[entry] and keys[entry, 0] == key[0] and keys[entry, 1] == key[1]:
            return entry
    return -1


@kernel
def recall(masks, bits, keys, table, used, kept, batch, logits, wdl, sources, unknown):
    """Fill in what is known; the number of known positions, and of others that are not doubles.

    ``masks`` uint64 and ``bits``, the values' bits, uint32 [n, 112]; ``keys`` uint64 [n, 2] is written; ``table``,
    ``used``, ``kept``: keys, batches and numbers of all entries; ``batch``: the number of this one. ``sources``
    int64 [n] gets -1 for known positions, else the place of the position among the ``unknown`` int64 [n].
    """
    n = len(masks)
    moves = np.empty(KEPT_LOGITS, dtype=np.int64)
    size = 16
    while size < 2 * n:
        size *= 2
    places = np.full(size, -1)
    known = count = 0
    for i in range(n):
        _key_of(masks[i], bits[i], keys[i])
        entry = _entry_of(table, used, keys[i])
        if entry >= 0:
            used[entry] = batch
            logits[i, :] = _NOTHING
            for k in range(conceivable_moves(masks[i], moves)):
                logits[i, moves[k]] = kept[entry, k]
            for k in range(3):
                wdl[i, k] = kept[entry, KEPT_LOGITS + k]
            sources[i] = -1
            known += 1
            continue
        place = np.int64(keys[i, 1] & np.uint64(size - 1))
        while places[place] >= 0:
            other = unknown[places[place]]
            if keys[other, 0] == keys[i, 0] and keys[other, 1] == keys[i, 1]:
                break
            place = (place + 1) % size
        if places[place] < 0:
            places[place] = count
            unknown[count] = i
            count += 1
        sources[i] = places[place]
    return known, count


@kernel
def remember(masks, keys, table, used, kept, batch, new_logits, new_wdl, sources, unknown, logits, wdl):
    """Keep new evaluations ``new_logits`` [k, 1858] and ``new_wdl`` [k, 3], and fill them in; else as for `recall`."""
    moves = np.empty(KEPT_LOGITS, dtype=np.int64)
    for new in range(len(unknown)):
        i = unknown[new]
        for k in range(3):
            wdl[i, k] = new_wdl[new, k]
        count = conceivable_moves(masks[i], moves)
        if count < 0:
            for move in range(logits.shape[1]):
                logits[i, move] = new_logits[new, move]
            continue
        entry = _entry_of(table, used, keys[i])
        if entry < 0:
            first = _first_entry(keys[i], len(used))
            entry = first
            for other in range(first + 1, first + WAYS):
                if used[other] < used[entry]:
                    entry = other
        used[entry] = batch
        for k in range(KEY_WORDS):
            table[entry, k] = keys[i, k]
        for k in range(3):
            kept[entry, KEPT_LOGITS + k] = new_wdl[new, k]
        logits[i, :] = _NOTHING
        for k in range(count):
            kept[entry, k] = logits[i, moves[k]] = new_logits[new, moves[k]]
    for i in range(len(masks)):
        if sources[i] >= 0 and unknown[sources[i]] != i:
            logits[i, :] = logits[unknown[sources[i]], :]
            wdl[i, :] = wdl[unknown[sources[i]], :]
