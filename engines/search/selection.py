"""Which move a simulation follows: the three formulas, on the visited prefix of a node's edges."""

from __future__ import annotations

import math

import numpy as np

from engines.compiled import kernel
from engines.search.settings import GUMBEL, PUCT_LC0


@kernel
def select_puct_lc0(settings, nodes, edges, node):
    """Leela's PUCT: argmax Q + P · c(N) · √max(N − 1, 1) / (1 + n), unvisited Q = mean − reduction · √(policy seen)."""
    visits = nodes[node].visits
    growth = settings[0].c_puct + settings[0].c_factor * math.log((visits + settings[0].c_base) / settings[0].c_base)
    scale = growth * math.sqrt(max(visits - 1, 1))
    first, visited = nodes[node].first_edge, nodes[node].visited
    best, best_score, seen_policy = -1, -1e30, 0.0
    for edge in range(first, first + visited):
        prior, tried = edges[edge].prior, edges[edge].visits
        seen_policy += prior
        score = edges[edge].total / tried + prior * scale / (1 + tried)
        if score > best_score:
            best, best_score = edge, score
    if visited < nodes[node].edges:
        first_play = nodes[node].total / visits - settings[0].fpu_reduction * math.sqrt(seen_policy)
        if first_play + edges[first + visited].prior * scale > best_score:
            best = first + visited
    return best


@kernel
def select_puct_alphazero(settings, nodes, edges, node):
    """The published pseudocode on values in [−1, 1]: unvisited moves count as lost, exploration is doubled to match."""
    visits = nodes[node].visits
    base = settings[0].c_base
    growth = settings[0].c_puct + settings[0].c_factor * math.log((visits + base + 1) / base)
    scale = 2.0 * growth * math.sqrt(visits)
    first, visited = nodes[node].first_edge, nodes[node].visited
    best, best_score = -1, -1e30
    for edge in range(first, first + visited):
        tried = edges[edge].visits
        score = edges[edge].total / tried + edges[edge].prior * scale / (1 + tried)
        if score > best_score:
            best, best_score = edge, score
    if visited < nodes[node].edges and -1.0 + edges[first + visited].prior * scale > best_score:
        best = first + visited
    return best


@kernel
def mixed_value(nodes, edges, node):
    """Value of unvisited moves: the node's own evaluation mixed with the policy-weighted mean of the visited ones.

    Danihelka et al. 2022, appendix D.
    """
    visits, policy, weighted = 0, 0.0, 0.0
    first = nodes[node].first_edge
    for edge in range(first, first + nodes[node].edges):
        tried = edges[edge].visits
        if tried > 0:
            visits += tried
            policy += edges[edge].prior
            weighted += edges[edge].prior * edges[edge].total / tried
    if visits == 0:
        return np.float64(nodes[node].value)
    return (nodes[node].value + visits * weighted / max(policy, 1e-9)) / (1 + visits)


@kernel
def select_gumbel_inside(settings, nodes, edges, node):
    """argmax π'(a) − N(a) / (1 + ΣN), π' ∝ prior · exp(σ(q)), unvisited moves at the mixed value (as above, eq. 14)."""
    first, visited = nodes[node].first_edge, nodes[node].visited
    most, total = 0, 0
    policy, weighted = 0.0, 0.0
    for edge in range(first, first + visited):
        tried = edges[edge].visits
        most = max(most, tried)
        total += tried
        policy += edges[edge].prior
        weighted += edges[edge].prior * edges[edge].total / tried
    mixed = np.float64(nodes[node].value)
    if total > 0:
        mixed = (mixed + total * weighted / max(policy, 1e-9)) / (1 + total)
    sigma = (settings[0].gumbel_visit_offset + most) * settings[0].gumbel_scale
    highest = mixed  # every exponent is taken relative to the best move's, so that none overflows
    for edge in range(first, first + visited):
        highest = max(highest, edges[edge].total / edges[edge].visits)
    unvisited = math.exp(sigma * (mixed - highest))
    normaliser = max(1.0 - policy, 0.0) * unvisited
    for edge in range(first, first + visited):
        normaliser += edges[edge].prior * math.exp(sigma * (edges[edge].total / edges[edge].visits - highest))
    normaliser = max(normaliser, 1e-30)
    best, best_score = -1, -1e30
    for edge in range(first, first + visited):
        improved = edges[edge].prior * math.exp(sigma * (edges[edge].total / edges[edge].visits - highest)) / normaliser
        score = improved - edges[edge].visits / (1.0 + total)
        if score > best_score:
            best, best_score = edge, score
    if visited < nodes[node].edges and edges[first + visited].prior * unvisited / normaliser > best_score:
        best = first + visited
    return best


@kernel
def considered_visits(considered, limit, done):
    """Visits that sequential halving's candidates have had before simulation ``done`` of ``limit`` (as in mctx)."""
    if considered <= 1:
        return done
    phases = np.int64(math.ceil(math.log2(considered)))
    left, visits, spent = considered, 0, 0
    while True:
        rounds = max(1, int(limit / (phases * left)))
        if done < spent + rounds * left:
            return visits + (done - spent) // left
        spent += rounds * left
        visits += rounds
        left = max(2, left // 2)


@kernel
def select_gumbel_root(settings, trees, t, nodes, edges, noise):
    """Sequential halving: among the moves with the scheduled number of visits, the best gumbel + logit + σ(q)."""
    first, moves = nodes[0].first_edge, nodes[0].edges
    considered = min(np.int64(settings[0].gumbel_moves), np.int64(moves))
    scheduled = considered_visits(considered, np.int64(trees[t].limit), np.int64(trees[t].done))
    most = 0
    for edge in range(first, first + moves):
        most = max(most, edges[edge].visits)
    sigma = (settings[0].gumbel_visit_offset + most) * settings[0].gumbel_scale
    best, best_score = -1, -1e30
    for i in range(moves):
        edge = first + i
        tried = edges[edge].visits
        score = noise[i] + math.log(edges[edge].prior + 1e-30)
        if tried > 0:
            score += sigma * edges[edge].total / tried
        # Only a schedule that no longer fits (too few moves with that count) falls back to the nearest count.
        score -= 1e6 * abs(tried - scheduled)
        if score > best_score:
            best, best_score = edge, score
    return best


@kernel
def select(settings, trees, t, nodes, edges, noise, node):
    """Edge that the simulation follows from ``node``, by the formula of ``settings``."""
    if settings[0].formula == PUCT_LC0:
        return select_puct_lc0(settings, nodes, edges, node)
    if settings[0].formula == GUMBEL:
        if node == 0:
            return select_gumbel_root(settings, trees, t, nodes, edges, noise)
        return select_gumbel_inside(settings, nodes, edges, node)
    return select_puct_alphazero(settings, nodes, edges, node)
