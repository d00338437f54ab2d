"""Growing trees: each simulation walks down, adds a leaf, and carries its value back up.

`advance` takes what the network said of the leaves that waited for it, and runs every tree on until it has the next
leaves to ask about.  Everything runs without the interpreter, one call for a whole batch of trees, and nothing that
happens to one tree depends on another.
"""

from __future__ import annotations

import numpy as np

from engines.chess.input_formats import CANONICAL
from engines.chess.movegen import legal_moves
from engines.chess.moves import policy_slot
from engines.chess.position import WORDS, make_move
from engines.chess.transforms import POLICY_AFTER
from engines.chess.turning import canonical_transform
from engines.compiled import borrowed, inlined, kernel, merged
from engines.search.exponential import softmax
from engines.search.forest import MATED, OPEN, WAITING
from engines.search.leaves import count_earlier, find_ending, write_planes
from engines.search.noise import disturb_root
from engines.search.selection import considered_visits, select
from engines.search.settings import GUMBEL, PUCT_ALPHAZERO

_VISITS_PER_LEAF = 8
"""A tree has one more leaf under way for every so many visits: a young tree that guesses ahead guesses badly."""

_MOST_ENDINGS = 4096
"""Simulations in a row that may end in finished games before a step returns: a solved tree must not be deaf."""


@inlined
def _new_node(trees, t, nodes, parent, parent_edge):
    node = trees[t].nodes
    trees[t].nodes = node + 1
    nodes[node].parent = parent
    nodes[node].parent_edge = parent_edge
    nodes[node].first_edge = 0
    nodes[node].visits = 0
    nodes[node].total = 0.0
    nodes[node].value = 0.0
    nodes[node].edges = 0
    nodes[node].visited = 0
    nodes[node].terminal = OPEN
    nodes[node].repetitions = 0
    return node


@inlined
def _bring_best_forward(choices, first, last):
    """Put the unvisited edge with the highest prior (ties: the lowest move) in the first place of a range."""
    best = first
    for edge in range(first + 1, last):
        if choices[edge].prior > choices[best].prior or (
            choices[edge].prior == choices[best].prior and choices[edge].move < choices[best].move
        ):
            best = edge
    if best != first:
        prior, move = choices[best].prior, choices[best].move
        choices[best].prior, choices[best].move = choices[first].prior, choices[first].move
        choices[first].prior, choices[first].move = prior, move


@inlined
def _back_up(trees, t, nodes, choices, trials, node, value, flown):
    """Add ``value`` (view of the mover at ``node``) to the node and, with alternating sign, to all above it.

    ``flown``: 1 when the simulation counts as under way on its edges, else 0.
    """
    nodes[node].visits += 1
    nodes[node].total += value
    while nodes[node].parent >= 0:
        edge = nodes[node].parent_edge
        value = -value
        trials[edge].visits += 1
        trials[edge].total += value
        choices[edge].flying -= flown
        node = nodes[node].parent
        nodes[node].visits += 1
        nodes[node].total += value
    trees[t].done += 1


@inlined
def _call_back(nodes, choices, node):
    """Take back that a simulation is under way on the edges above ``node``."""
    while nodes[node].parent >= 0:
        choices[nodes[node].parent_edge].flying -= 1
        node = nodes[node].parent


@inlined
def _wait(trees, t, positions, nodes, history, repeated, leaf, encoding, node, count, masks, values):
    """Let ``node`` be the ``count``-th leaf of the tree that waits for the network, and write its planes."""
    nodes[node].terminal = WAITING
    leaf[count] = node
    write_planes(trees[t].plies, positions, nodes, history, repeated, encoding, node, masks[count], values[count])


@merged
def _plant_root(trees, t, positions, nodes, history, repeated, leaf, moves, encoding, scratch, masks, values):
    """Make the root and let it wait; how many leaves wait: 1, or 0 where there is no move to search."""
    root = _new_node(trees, t, nodes, -1, -1)
    ply = trees[t].plies - 1
    for word in range(WORDS):
        positions[root, word] = history[ply, word]
    nodes[root].repetitions = repeated[ply]
    found = np.int64(trees[t].root_moves)
    if found == 0:
        found = legal_moves(positions[root], scratch, 0)
        for i in range(found):
            moves[0, i] = scratch[i]
    if found == 0:
        trees[t].limit = 0
        return 0
    nodes[root].edges = found
    _wait(trees, t, positions, nodes, history, repeated, leaf, encoding, root, 0, masks, values)
    return 1


@merged
def _gather(
    settings,
    table,
    trees,
    t,
    positions,
    nodes,
    choices,
    trials,
    history,
    repeated,
    noise,
    logarithms,
    leaf,
    moves,
    encoding,
    leaves,
    scratch,
    improved,
    masks,
    values,
):
    """Run tree ``t`` on until ``leaves`` of its leaves wait, its limit is reached or ways collide; how many wait."""
    if leaves == 0:
        return 0
    if trees[t].nodes == 0:
        return _plant_root(trees, t, positions, nodes, history, repeated, leaf, moves, encoding, scratch, masks, values)
    most = moves.shape[0]
    flown = 1 if most > 1 else 0  # a tree that asks about one leaf at a time need not keep count
    room = min(leaves, 1 + nodes[0].visits // _VISITS_PER_LEAF)
    gumbel = settings[0].formula == GUMBEL
    considered = min(np.int64(settings[0].gumbel_moves), np.int64(nodes[0].edges))
    count, collided, ended, scheduled = 0, 0, 0, 0
    most_nodes = min(np.int64(trees[t].node_limit), nodes.shape[0])
    while count < room and trees[t].done + count < trees[t].limit and trees[t].nodes < most_nodes:
        if gumbel:
            due = considered_visits(considered, np.int64(trees[t].limit), np.int64(trees[t].done + count))
            if count > 0 and due != scheduled:  # the next round chooses by the values of this one
                break
            scheduled = due
        node, state = 0, OPEN
        edge, child = -1, -1
        while state == OPEN:
            edge = select(settings, table, nodes, choices, trials, noise, logarithms, scheduled, improved, node)
            choices[edge].flying += flown
            if node > 0 and edge == nodes[node].first_edge + nodes[node].visited:
                child = -1
                break
            child = np.int64(trials[edge].child)
            if child < 0:
                break
            node = child
            state = np.int64(nodes[node].terminal)
        if child < 0:
            child = _new_node(trees, t, nodes, node, edge)
            trials[edge].total = 0.0
            trials[edge].visits = 0
            trials[edge].child = child
            if not (gumbel and node == 0):  # there noise chooses, and the order stays
                place = edge - nodes[node].first_edge + 1
                nodes[node].visited = place
                if node > 0:
                    _bring_best_forward(choices, edge + 1, nodes[node].first_edge + nodes[node].edges)
            make_move(positions, node, positions, child, np.uint64(choices[edge].move))
            repetitions = count_earlier(trees[t].plies, positions, nodes, history, child)
            nodes[child].repetitions = repetitions
            found, state = find_ending(settings, positions[child], repetitions, scratch)
            if state == OPEN:
                for i in range(found):
                    moves[count, i] = scratch[i]
                nodes[child].edges = found
                _wait(trees, t, positions, nodes, history, repeated, leaf, encoding, child, count, masks, values)
                count += 1
                continue
            nodes[child].terminal = state
            nodes[child].value = -1.0 if state == MATED else 0.0
            node = child
        elif state == WAITING:
            leaf[most + collided] = node
            collided += 1
            if collided == most:
                break
            continue
        _back_up(trees, t, nodes, choices, trials, node, np.float64(nodes[node].value), flown)
        ended += 1
        if ended == _MOST_ENDINGS:
            break
    trees[t].collided = collided
    return count


@inlined
def _read_logits(row, encoding, moves, found, logits, weights):
    """Write the logits of the first ``found`` of ``moves`` in the position ``row`` to ``weights``."""
    transform = canonical_transform(row) if encoding & CANONICAL else 0
    if transform:
        for i in range(found):
            weights[i] = logits[POLICY_AFTER[transform, policy_slot(moves[i])]]
    else:
        for i in range(found):
            weights[i] = logits[policy_slot(moves[i])]


@inlined
def _absorb(
    settings,
    trees,
    t,
    positions,
    nodes,
    choices,
    trials,
    noise,
    logarithms,
    node,
    moves,
    encoding,
    weights,
    logits,
    value,
    flown,
):
    """Give ``node`` its edges (``moves``), their priors and its value, and carry that up; whether they are numbers."""
    first, found = np.int64(trees[t].edges), np.int64(nodes[node].edges)
    trees[t].edges = first + found
    nodes[node].first_edge = first
    _read_logits(positions[node], encoding, moves, found, logits, weights)
    softmax(weights, found, np.float32(1.0 / settings[0].policy_temperature))
    sound = weights[0] >= 0.0 and -1.0 <= value <= 1.0  # one that is no number makes all of them none
    if not sound:
        value = 0.0
        for i in range(found):
            weights[i] = np.float32(1.0) / found
    best = 0
    for i in range(found):
        edge = first + i
        choices[edge].prior = weights[i]
        choices[edge].move = moves[i]
        choices[edge].flying = 0
        if weights[i] > weights[best] or (weights[i] == weights[best] and moves[i] < moves[best]):
            best = i
    if best:
        choices[first].prior, choices[first].move = weights[best], moves[best]
        choices[first + best].prior, choices[first + best].move = weights[0], moves[0]
    nodes[node].terminal = OPEN
    nodes[node].value = value
    _back_up(trees, t, nodes, choices, trials, node, np.float64(value), flown)
    if node == 0:
        for edge in range(first, first + found):
            trials[edge].total = 0.0
            trials[edge].visits = 0
            trials[edge].child = -1
        disturb_root(settings, trees, t, nodes, choices, noise, logarithms)
        if settings[0].formula == PUCT_ALPHAZERO:  # the pseudocode does not count the root's own evaluation
            nodes[0].visits = 0
            nodes[0].total = 0.0
            trees[t].done = 0
        elif settings[0].formula == GUMBEL:  # the schedule counts visits of root moves only
            trees[t].done = 0
    return sound


@kernel
def advance(
    settings,
    table,
    trees,
    positions,
    nodes,
    choices,
    trials,
    history,
    repeated,
    noise,
    logarithms,
    leaf,
    moves,
    encoding,
    leaves,
    chosen,
    logits,
    scores,
    masks,
    values,
    going_on,
    scratch,
    weights,
):
    """Take the network's answers for the trees ``chosen`` (``int64 [n]``) and run each on until it waits again.

    ``encoding``: how the network sees positions, see ``input_formats.encoding_of``.
    ``logits`` float32 [m, 1858] and ``scores`` float32 [m], w − l, answer the leaves that wait, tree by tree in the
    order of ``chosen``.  The input planes of up to ``leaves`` new leaves a tree go to the first rows of ``masks`` and
    ``values`` ([·, 112]; of ``values`` only what differs from 1 is written), and the trees that are not finished to
    ``going_on`` (``int64 [n]``).  With ``leaves`` 0 trees only take their answers.  There must be room for ``leaves``
    more nodes and the edges of as many nodes (`Forest.needs_room`).

    Returns ``(rows, trees, sound)``: how many leaves wait now, how many trees go on, and whether all answers were
    probabilities of some legal move and values in [−1, 1].
    """
    settings, table = borrowed(settings), borrowed(table)
    trees, positions, nodes = borrowed(trees), borrowed(positions), borrowed(nodes)
    choices, trials = borrowed(choices), borrowed(trials)
    history, repeated = borrowed(history), borrowed(repeated)
    noise, logarithms = borrowed(noise), borrowed(logarithms)
    leaf, moves, logits = borrowed(leaf), borrowed(moves), borrowed(logits)
    masks, values = borrowed(masks), borrowed(values)
    scratch, weights = borrowed(scratch), borrowed(weights)
    answered, found, unfinished, sound = 0, 0, 0, True
    flown = 1 if moves.shape[1] > 1 else 0
    for i in range(chosen.shape[0]):
        t = chosen[i]
        tree_nodes, tree_choices, tree_trials = nodes[t], choices[t], trials[t]
        for k in range(trees[t].collided):
            _call_back(tree_nodes, tree_choices, leaf[t, moves.shape[1] + k])
        trees[t].collided = 0
        for k in range(trees[t].waiting):
            sound &= _absorb(
                settings,
                trees,
                t,
                positions[t],
                tree_nodes,
                tree_choices,
                tree_trials,
                noise[t],
                logarithms[t],
                np.int64(leaf[t, k]),
                moves[t, k],
                encoding,
                weights,
                logits[answered],
                scores[answered],
                flown if leaf[t, k] > 0 else 0,
            )
            answered += 1
        gathered = _gather(
            settings,
            table,
            trees,
            t,
            positions[t],
            tree_nodes,
            tree_choices,
            tree_trials,
            history[t],
            repeated[t],
            noise[t],
            logarithms[t],
            leaf[t],
            moves[t],
            encoding,
            leaves,
            scratch,
            weights,
            masks[found:],
            values[found:],
        )
        trees[t].waiting = gathered
        found += gathered
        if gathered > 0 or (trees[t].done < trees[t].limit and trees[t].nodes < trees[t].node_limit):
            going_on[unfinished] = t
            unfinished += 1
    return found, unfinished, sound
