"""Cutting a finished tree out of its forest for reading, and keeping the part below a move for the next search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.chess.position import WORDS
from engines.compiled import kernel
from engines.search.forest import CHOICE, EDGE, NODE, TRIAL, Forest
from engines.search.noise import sort_unvisited


@kernel
def _join(nodes, choices, trials, edges):
    """Write every node's choices and trials as edges, in the order that they stand in."""
    for node in range(nodes.shape[0]):
        first, last = nodes[node].first_edge, nodes[node].first_edge + nodes[node].edges
        tried = first + (nodes[node].visited if node > 0 else nodes[node].edges)
        for i in range(first, last):
            edges[i].prior, edges[i].move = choices[i].prior, choices[i].move
            edges[i].total = trials[i].total if i < tried else 0.0
            edges[i].visits = trials[i].visits if i < tried else 0
            edges[i].child = trials[i].child if i < tried else -1


def cut_out(forest: Forest, tree: int) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """Copies of the nodes (NODE) and edges (EDGE) of ``tree``; nothing may be under way in it.

    The root's edges stand by falling prior, those of other nodes in no order.
    """
    record = forest.trees[tree]
    nodes = forest.nodes[tree, : record["nodes"]].copy()
    edges = np.empty(record["edges"], dtype=EDGE)
    _join(nodes, forest.choices[tree], forest.trials[tree], edges)
    return nodes, edges


@kernel
def _move_down(positions, nodes, choices, trials, root, kept_positions, kept_nodes, kept_choices, kept_trials, origin):
    """Copy what hangs below ``root``, parents first; ``origin`` (int32) is scratch space.  ``(nodes, edges)`` kept."""
    origin[0] = root
    kept_nodes[0] = nodes[root]
    for word in range(WORDS):
        kept_positions[0, word] = positions[root, word]
    kept_nodes[0].parent = -1
    kept_nodes[0].parent_edge = -1
    found, used, at = 1, 0, 0
    while at < found:
        source = origin[at]
        first = nodes[source].first_edge
        kept_nodes[at].first_edge = used
        for edge in range(first, first + nodes[source].edges):
            kept_choices[used] = choices[edge]
            if edge < first + nodes[source].visited:
                kept_trials[used] = trials[edge]
                child = trials[edge].child
                kept_nodes[found] = nodes[child]
                for word in range(WORDS):
                    kept_positions[found, word] = positions[child, word]
                kept_nodes[found].parent = at
                kept_nodes[found].parent_edge = used
                kept_trials[used].child = found
                origin[found] = child
                found += 1
            elif at == 0:  # all edges of a root can be read
                kept_trials[used].total = 0.0
                kept_trials[used].visits = 0
                kept_trials[used].child = -1
            used += 1
        at += 1
    # At a root, whose moves noise may choose, all edges stand in order.
    sort_unvisited(kept_choices, kept_nodes[0].visited, kept_nodes[0].edges)
    return found, used


def keep_below(forest: Forest, tree: int, node: int) -> None:
    """Make ``node`` the root of ``tree`` and drop all that does not hang below it.

    Nothing may be under way in the tree, and its formula is ``lc0``: the others count a root's visits in ways of their
    own.  The history is the caller's to set.
    """
    record = forest.trees[tree]
    positions, nodes = forest.positions[tree], forest.nodes[tree]
    choices, trials = forest.choices[tree], forest.trials[tree]
    kept_positions = np.empty((int(record["nodes"]), positions.shape[1]), dtype=np.uint64)
    kept_nodes = np.empty(int(record["nodes"]), dtype=NODE)
    kept_choices = np.empty(int(record["edges"]), dtype=CHOICE)
    kept_trials = np.empty(int(record["edges"]), dtype=TRIAL)
    origin = np.empty(len(kept_nodes), dtype=np.int32)
    found, used = _move_down(
        positions, nodes, choices, trials, node, kept_positions, kept_nodes, kept_choices, kept_trials, origin
    )
    positions[:found], nodes[:found] = kept_positions[:found], kept_nodes[:found]
    choices[:used], trials[:used] = kept_choices[:used], kept_trials[:used]
    record["nodes"], record["edges"] = found, used
    record["done"] = nodes[0]["visits"]


@kernel
def _fill_depths(nodes, depths):
    depths[0] = 0
    for node in range(1, nodes.shape[0]):
        depths[node] = depths[nodes[node].parent] + 1


def depths_of(nodes: NDArray[np.void]) -> NDArray[np.int32]:
    """Plies of each node below the root, int32 [n]."""
    depths = np.empty(len(nodes), dtype=np.int32)
    _fill_depths(nodes, depths)
    return depths
