"""A new leaf: what the rules say of it, and the planes that the network is shown."""

from __future__ import annotations

import numpy as np

from engines.chess.input_formats import CANONICAL, ROOK_SQUARES
from engines.chess.movegen import in_check, legal_moves
from engines.chess.planes import (
    HISTORY_BOARDS,
    finish_canonical,
    write_auxiliary,
    write_board,
    write_missing,
    write_other_auxiliary,
    write_reversible,
)
from engines.chess.position import KEY, STATE, halfmove_clock, insufficient_material
from engines.compiled import inlined, kernel
from engines.search.forest import DRAWN, MATED, OPEN

_RULE_50_PLIES = 100


@inlined
def count_earlier(tree_plies, positions, nodes, history, node):
    """How often the position of ``node`` stood before, in the tree above it and in the game before the root."""
    key = positions[node, KEY]
    reach = np.int64(halfmove_clock(positions[node, STATE]))
    if reach < 4:
        return 0
    found, distance, above = 0, 0, node
    while distance < reach and nodes[above].parent >= 0:
        above = nodes[above].parent
        distance += 1
        if distance >= 4 and distance % 2 == 0 and positions[above, KEY] == key:
            found += 1
    ply = tree_plies - 1
    while distance < reach and ply > 0:
        ply -= 1
        distance += 1
        if distance >= 4 and distance % 2 == 0 and history[ply, KEY] == key:
            found += 1
    return found


@inlined
def find_ending(settings, row, repetitions, moves):
    """``(number of legal moves, how the game stands)``: OPEN, MATED or DRAWN; the moves (uint64) go to ``moves``."""
    found = legal_moves(row, moves, 0)
    if found == 0:
        return 0, MATED if in_check(row) else DRAWN
    if (
        insufficient_material(row)
        or np.int64(halfmove_clock(row[STATE])) >= _RULE_50_PLIES
        or repetitions >= 2
        or (repetitions == 1 and settings[0].two_fold_draws > 0)
    ):
        return found, DRAWN
    return found, OPEN


@inlined
def write_planes(tree_plies, positions, nodes, history, repeated, encoding, node, masks, values):
    """Input planes of ``node``: its board and those before it, through the tree and the game before the tree.

    ``encoding``: how they are written, see ``input_formats.encoding_of``.
    """
    if encoding & CANONICAL:
        _write_canonical(tree_plies, positions, nodes, history, repeated, encoding, node, masks, values)
        return
    above, age = node, 0
    while age < HISTORY_BOARDS and above > 0:
        write_board(positions[above], age, age, nodes[above].repetitions > 0, masks)
        above = nodes[above].parent
        age += 1
    ply = tree_plies - 1
    while age < HISTORY_BOARDS and ply >= 0:
        write_board(history[ply], age, age, repeated[ply] > 0, masks)
        ply -= 1
        age += 1
    if age < HISTORY_BOARDS:
        write_missing(history[0], age - 1, encoding, masks)
    if encoding & ROOK_SQUARES:
        write_other_auxiliary(positions[node], encoding, masks, values)
    else:
        write_auxiliary(positions[node], masks, values)


@kernel
def _write_canonical(tree_plies, positions, nodes, history, repeated, encoding, node, masks, values):
    newest = positions[node]
    above, ply, age, place, going = node, tree_plies - 1, 0, 0, True
    while going and place < HISTORY_BOARDS and above > 0:
        again = nodes[above].repetitions > 0
        place, going = write_reversible(newest, positions[above], age, place, again, encoding, masks)
        above = nodes[above].parent
        age += 1
    while going and place < HISTORY_BOARDS and ply >= 0:
        again = repeated[ply] > 0
        place, going = write_reversible(newest, history[ply], age, place, again, encoding, masks)
        ply -= 1
        age += 1
    finish_canonical(history[0], newest, place, going, encoding, masks, values)
