"""How a game stands: the rules' endings, the length limit, and who leads in material."""

from __future__ import annotations

from typing import Final

import numpy as np

from engines.chess.bits import count
from engines.chess.movegen import in_check, legal_moves
from engines.chess.position import (
    DIAGONALS,
    KEY,
    KNIGHTS,
    ORTHOGONALS,
    OWN,
    PAWNS,
    STATE,
    black_to_move,
    halfmove_clock,
    insufficient_material,
    make_move,
)
from engines.compiled import kernel

WHITE_WINS, DRAW, BLACK_WINS = 1, 0, -1
RESULTS: Final = {WHITE_WINS: "1-0", DRAW: "1/2-1/2", BLACK_WINS: "0-1"}
"""As PGN writes them."""

GOING_ON, MATE, STALEMATE, REPETITION, FIFTY_MOVES, MATERIAL, LENGTH, RESIGNED = range(8)
ENDINGS: Final = (
    "going_on",
    "mated",
    "stalemate",
    "repeated",
    "fifty_moves",
    "insufficient",
    "too_long",
    "resigned",
)
"""Names of how a game ended, by number; the metrics have a column of each but the first."""


@kernel
def play_out(start, moves, rows):
    """Fill ``rows`` (``uint64 [n, 8]``) with the position ``start`` and those after the first n − 1 ``moves``."""
    rows[0] = start
    for ply in range(rows.shape[0] - 1):
        make_move(rows, ply, rows, ply + 1, np.uint64(moves[ply]))


@kernel
def material_lead(row):
    """Material of the side to move less its opponent's, in pawns (1, 3, 3, 5, 9)."""
    own = row[OWN]
    queens = row[DIAGONALS] & row[ORTHOGONALS]
    lead = 0
    for pieces, worth in (
        (row[PAWNS], 1),
        (row[KNIGHTS], 3),
        (row[DIAGONALS] & ~queens, 3),
        (row[ORTHOGONALS] & ~queens, 5),
        (queens, 9),
    ):
        lead += worth * (np.int64(count(pieces & own)) - np.int64(count(pieces & ~own)))
    return lead


@kernel
def judge(rows, repeated, ply, longest, decisive_lead, moves):
    """How a game stands at ``rows[ply]``: ``(ending, result)``, the result 1, 0 or −1 from White's side.

    ``rows`` uint64 [plies, 8] is the game so far; ``repeated[ply]`` is written: how often that position stood before.
    A game of ``longest`` plies is won by a lead of ``decisive_lead`` pawns of material, else drawn (0 = always drawn).
    ``moves`` is scratch space for 256 moves.  A game that goes on has result 0.
    """
    clock = np.int64(halfmove_clock(rows[ply, STATE]))
    again = 0
    distance = 4
    while distance <= min(clock, ply):
        if rows[ply - distance, KEY] == rows[ply, KEY]:
            again += 1
        distance += 2
    repeated[ply] = again
    black = black_to_move(rows[ply, STATE]) != 0
    if legal_moves(rows[ply], moves, 0) == 0:
        if not in_check(rows[ply]):
            return STALEMATE, DRAW
        return MATE, WHITE_WINS if black else BLACK_WINS
    if insufficient_material(rows[ply]):
        return MATERIAL, DRAW
    if clock >= 100:
        return FIFTY_MOVES, DRAW
    if again >= 2:
        return REPETITION, DRAW
    if ply < longest:
        return GOING_ON, DRAW
    lead = material_lead(rows[ply])
    if decisive_lead == 0 or abs(lead) < decisive_lead:
        return LENGTH, DRAW
    return LENGTH, WHITE_WINS if (lead > 0) == (not black) else BLACK_WINS
