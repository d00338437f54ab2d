"""Growing trees: each simulation walks down, adds a leaf, and carries its value back up.

``descend`` runs a tree until a leaf needs the network (or the limit is reached) and writes that leaf's input planes;
``absorb`` takes the network's answer.  Everything runs without the interpreter, one call for a whole batch of trees.
"""

from __future__ import annotations

import math

import numpy as np

from engines.chess.bits import U12
from engines.chess.movegen import MAX_MOVES, in_check, legal_moves
from engines.chess.moves import policy_slot
from engines.chess.planes import HISTORY_BOARDS, write_auxiliary, write_board, write_missing
from engines.chess.position import (
    KEY,
    STATE,
    halfmove_clock,
    insufficient_material,
    make_move,
)
from engines.compiled import kernel
from engines.search.forest import DRAWN, MATED, OPEN
from engines.search.selection import select
from engines.search.settings import GUMBEL, PUCT_ALPHAZERO

WANTS_EVALUATION, FINISHED, OUT_OF_EDGES = 1, 0, -1

_RULE_50_PLIES = 100


@kernel
def _random(trees, t):
    """Uniform draw in (0, 1) from the tree's own xorshift64* stream."""
    x = trees[t].random
    x ^= x >> U12
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    trees[t].random = x
    return (np.float64((x * np.uint64(2685821657736338717)) >> U12) + 0.5) / 4503599627370496.0  # 52 bits and a half


@kernel
def _gamma(trees, t, shape):
    """Gamma(shape, 1) by Marsaglia and Tsang (2000), boosted for shapes below 1."""
    boost = 1.0
    if shape < 1.0:
        boost = _random(trees, t) ** (1.0 / shape)
        shape += 1.0
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        normal = math.sqrt(-2.0 * math.log(_random(trees, t))) * math.cos(2.0 * math.pi * _random(trees, t))
        cube = (1.0 + c * normal) ** 3
        if cube > 0 and math.log(_random(trees, t)) < 0.5 * normal * normal + d - d * cube + d * math.log(cube):
            return d * cube * boost


@kernel
def _repetitions(tree_plies, positions, nodes, history, node):
    """How often the position of ``node`` stood before, in the tree above it and in the game before the root."""
    key = positions[node, KEY]
    reach = np.int64(halfmove_clock(positions[node, STATE]))
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


@kernel
def _prepare(settings, trees, t, positions, nodes, edges, node, moves):
    """Find out whether ``node`` ends the game; else write its edges (priors come with the network's answer)."""
    row = positions[node]
    found = legal_moves(row, moves, 0)
    if found == 0:
        nodes[node].terminal = MATED if in_check(row) else DRAWN
        return
    if node > 0:
        repetitions = nodes[node].repetitions
        if (
            insufficient_material(row)
            or np.int64(halfmove_clock(row[STATE])) >= _RULE_50_PLIES
            or repetitions >= 2
            or (repetitions == 1 and settings[0].two_fold_draws > 0)
        ):
            nodes[node].terminal = DRAWN
            return
    first = trees[t].edges
    nodes[node].first_edge = first
    nodes[node].edges = found
    for i in range(found):
        edges[first + i].move = moves[i]
        edges[first + i].policy = policy_slot(moves[i])
        edges[first + i].visits = 0
        edges[first + i].total = 0.0
        edges[first + i].child = -1
    trees[t].edges = first + found


@kernel
def _new_node(trees, t, nodes, parent, parent_edge):
    node = trees[t].nodes
    trees[t].nodes = node + 1
    nodes[node].parent = parent
    nodes[node].parent_edge = parent_edge
    nodes[node].visits = 0
    nodes[node].total = 0.0
    nodes[node].value = 0.0
    nodes[node].edges = 0
    nodes[node].visited = 0
    nodes[node].terminal = OPEN
    nodes[node].repetitions = 0
    return node


@kernel
def _write_planes(trees, t, positions, nodes, history, repeated, fill, node, masks, values):
    """Input planes of ``node``: up to eight boards through the tree and the game before it."""
    above, age = node, 0
    while age < HISTORY_BOARDS and above > 0:
        write_board(positions[above], age, nodes[above].repetitions > 0, masks)
        above = nodes[above].parent
        age += 1
    ply = trees[t].plies - 1
    while age < HISTORY_BOARDS and ply >= 0:
        write_board(history[ply], age, repeated[ply] > 0, masks)
        ply -= 1
        age += 1
    if age < HISTORY_BOARDS:
        write_missing(history[0], age - 1, fill, masks)
    write_auxiliary(positions[node], masks, values)


@kernel
def _back_up(trees, t, nodes, edges, node, value):
    """Add ``value`` (view of the mover at ``node``) to the node and, with alternating sign, to all above it."""
    nodes[node].visits += 1
    nodes[node].total += value
    while nodes[node].parent >= 0:
        edge = nodes[node].parent_edge
        value = -value
        edges[edge].visits += 1
        edges[edge].total += value
        node = nodes[node].parent
        nodes[node].visits += 1
        nodes[node].total += value
    trees[t].done += 1


@kernel
def _descend_one(settings, trees, t, positions, nodes, edges, history, repeated, noise, fill, moves, masks, values):
    if trees[t].nodes == 0:
        root = _new_node(trees, t, nodes, -1, -1)
        positions[root] = history[trees[t].plies - 1]
        nodes[root].repetitions = repeated[trees[t].plies - 1]
        _prepare(settings, trees, t, positions, nodes, edges, root, moves)
        if nodes[root].terminal != OPEN:
            trees[t].limit = 0
            return FINISHED
        trees[t].pending = root
        _write_planes(trees, t, positions, nodes, history, repeated, fill, root, masks, values)
        return WANTS_EVALUATION
    while trees[t].done < trees[t].limit:
        if trees[t].edges + MAX_MOVES > edges.shape[0]:
            return OUT_OF_EDGES
        node = 0
        while True:
            edge = select(settings, trees, t, nodes, edges, noise, node)
            child = edges[edge].child
            if child < 0:
                break
            node = child
            if nodes[node].terminal != OPEN:
                break
        if child < 0:
            child = _new_node(trees, t, nodes, node, edge)
            edges[edge].child = child
            if edge - nodes[node].first_edge == nodes[node].visited:
                nodes[node].visited += 1
            make_move(positions, node, positions, child, np.uint64(edges[edge].move))
            nodes[child].repetitions = _repetitions(trees[t].plies, positions, nodes, history, child)
            _prepare(settings, trees, t, positions, nodes, edges, child, moves)
            if nodes[child].terminal == OPEN:
                trees[t].pending = child
                _write_planes(trees, t, positions, nodes, history, repeated, fill, child, masks, values)
                return WANTS_EVALUATION
            nodes[child].value = -1.0 if nodes[child].terminal == MATED else 0.0
            node = child
        _back_up(trees, t, nodes, edges, node, np.float64(nodes[node].value))
    return FINISHED


@kernel
def descend(settings, trees, positions, nodes, edges, history, repeated, noise, fill, chosen, masks, values, waiting):
    """Run the trees ``chosen`` (``int64 [n]``) on until each waits for the network or has finished.

    Writes the input planes of the waiting leaves to the first rows of ``masks``/``values`` ([n, 112]) and their trees
    to ``waiting`` (``int64 [n]``).  Returns how many wait, or −1 when a tree has run out of room for edges (nothing is
    lost: widen the array and call again; trees that already wait are written again).
    """
    moves = np.empty(MAX_MOVES, dtype=np.uint64)
    found = 0
    for i in range(chosen.shape[0]):
        t = chosen[i]
        if trees[t].pending >= 0:
            leaf = trees[t].pending
            _write_planes(
                trees, t, positions[t], nodes[t], history[t], repeated[t], fill, leaf, masks[found], values[found]
            )
            outcome = WANTS_EVALUATION
        else:
            outcome = _descend_one(
                settings,
                trees,
                t,
                positions[t],
                nodes[t],
                edges[t],
                history[t],
                repeated[t],
                noise[t],
                fill,
                moves,
                masks[found],
                values[found],
            )
        if outcome == OUT_OF_EDGES:
            return -1
        if outcome == WANTS_EVALUATION:
            waiting[found] = t
            found += 1
    return found


@kernel
def _sort_by_prior(edges, first, moves):
    """Insertion sort, highest prior first, equal ones in the order of generation; only unvisited edges are sorted."""
    for i in range(first + 1, first + moves):
        prior, move, policy = edges[i].prior, edges[i].move, edges[i].policy
        j = i - 1
        while j >= first and edges[j].prior < prior:
            edges[j + 1].prior = edges[j].prior
            edges[j + 1].move = edges[j].move
            edges[j + 1].policy = edges[j].policy
            j -= 1
        edges[j + 1].prior = prior
        edges[j + 1].move = move
        edges[j + 1].policy = policy


@kernel
def _disturb_root(settings, trees, t, nodes, edges, noise):
    """Root noise of the preset: Gumbel draws kept beside the priors, or Dirichlet draws mixed into them."""
    first, moves = nodes[0].first_edge, nodes[0].edges
    if settings[0].formula == GUMBEL:
        for i in range(moves):
            noise[i] = -settings[0].gumbel_noise * math.log(-math.log(_random(trees, t)))
        return
    fraction = settings[0].noise_fraction
    if fraction <= 0:
        return
    drawn = 0.0
    for i in range(moves):
        noise[i] = _gamma(trees, t, settings[0].noise_alpha)
        drawn += noise[i]
    for i in range(moves):
        edges[first + i].prior = (1.0 - fraction) * edges[first + i].prior + fraction * noise[i] / max(drawn, 1e-30)
    _sort_by_prior(edges, first, moves)


@kernel
def _absorb_one(settings, trees, t, nodes, edges, noise, logits, value):
    node = trees[t].pending
    trees[t].pending = -1
    first, moves = nodes[node].first_edge, nodes[node].edges
    highest = -1e30
    for edge in range(first, first + moves):
        highest = max(highest, np.float64(logits[edges[edge].policy]))
    total = 0.0
    for edge in range(first, first + moves):
        weight = math.exp((np.float64(logits[edges[edge].policy]) - highest) / settings[0].policy_temperature)
        edges[edge].prior = weight
        total += weight
    for edge in range(first, first + moves):
        edges[edge].prior = edges[edge].prior / total
    _sort_by_prior(edges, first, moves)
    nodes[node].value = value
    _back_up(trees, t, nodes, edges, node, np.float64(value))
    if node == 0:
        _disturb_root(settings, trees, t, nodes, edges, noise)
        if settings[0].formula == PUCT_ALPHAZERO:  # the pseudocode does not count the root's own evaluation
            nodes[0].visits = 0
            nodes[0].total = 0.0
            trees[t].done = 0
        elif settings[0].formula == GUMBEL:  # the schedule counts visits of root moves only
            trees[t].done = 0


@kernel
def absorb(settings, trees, nodes, edges, noise, waiting, logits, values):
    """Take the network's answers for the trees ``waiting`` (``int64 [n]``): float32 [n, 1858] and [n], w − l."""
    for i in range(waiting.shape[0]):
        t = waiting[i]
        _absorb_one(settings, trees, t, nodes[t], edges[t], noise[t], logits[i], values[i])
