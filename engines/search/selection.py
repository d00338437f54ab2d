"""Which move a simulation follows: the three formulas, on the visited prefix of a node's edges.

A simulation under way (``flying``) counts as a visit in the exploration term and has no value yet, as in lc0 and in
WU-UCT (Liu et al. 2020): the next one is drawn elsewhere without any result being made up.
"""

from __future__ import annotations

import math

import numpy as np

from engines.compiled import inlined, kernel, merged
from engines.search.exponential import exponential
from engines.search.settings import GUMBEL, PUCT_ALPHAZERO, PUCT_LC0


@inlined
def exploration(settings, visits):
    """What the prior of a move is multiplied by at a node with ``visits``, before the division by 1 + its own visits.

    ``lc0``: c(N) · √max(N − 1, 1); ``alphazero``: 2 · c(N + 1) · √N, doubled since values lie in [−1, 1] here; both
    with c(N) = c_puct + c_factor · ln((N + c_base) / c_base).
    """
    base = settings[0].c_base
    if settings[0].formula == PUCT_ALPHAZERO:
        growth = settings[0].c_puct + settings[0].c_factor * math.log((visits + base + 1) / base)
        return 2.0 * growth * math.sqrt(visits)
    growth = settings[0].c_puct + settings[0].c_factor * math.log((visits + base) / base)
    return growth * math.sqrt(max(visits - 1, 1))


@kernel
def fill_explorations(settings, table):
    """Write `exploration` for 0, 1, 2, … visits to ``table`` (float64): a logarithm and a root less at every step."""
    for visits in range(table.shape[0]):
        table[visits] = exploration(settings, visits)


@inlined
def select_puct(settings, table, nodes, choices, trials, node):
    """argmax Q + P · exploration(N) / (1 + n); what an unvisited move is worth depends on the formula.

    ``lc0``: the node's mean less ``fpu_reduction`` · √(policy already visited); ``alphazero``: lost.
    """
    visits = nodes[node].visits
    scale = table[visits] if visits < table.shape[0] else exploration(settings, visits)
    first, visited = nodes[node].first_edge, nodes[node].visited
    best, best_score, seen_policy, unanswered = -1, -1e30, 0.0, False
    for edge in range(first, first + visited):
        tried = trials[edge].visits
        prior = np.float64(choices[edge].prior)
        if tried == 0:
            unanswered = True
            continue
        seen_policy += prior
        score = trials[edge].total / tried + prior * scale / (1 + tried + choices[edge].flying)
        if score > best_score:
            best, best_score = edge, score
    if visited == nodes[node].edges and not unanswered:
        return best
    unvisited = -1.0
    if settings[0].formula == PUCT_LC0:
        unvisited = nodes[node].total / visits - settings[0].fpu_reduction * math.sqrt(seen_policy)
    if unanswered:
        for edge in range(first, first + visited):
            if trials[edge].visits == 0:
                score = unvisited + choices[edge].prior * scale / (1 + choices[edge].flying)
                if score > best_score:
                    best, best_score = edge, score
    if visited < nodes[node].edges and unvisited + choices[first + visited].prior * scale > best_score:
        best = first + visited
    return best


@inlined
def mixed_value(nodes, choices, trials, node):
    """Value of unvisited moves: the node's own evaluation mixed with the policy-weighted mean of the visited ones.

    Danihelka et al. 2022, appendix D.
    """
    visits, policy, weighted = 0, 0.0, 0.0
    first = nodes[node].first_edge
    for edge in range(first, first + nodes[node].edges):
        tried = trials[edge].visits
        if tried > 0:
            visits += tried
            policy += choices[edge].prior
            weighted += choices[edge].prior * trials[edge].total / tried
    if visits == 0:
        return np.float64(nodes[node].value)
    return (nodes[node].value + visits * weighted / max(policy, 1e-9)) / (1 + visits)


@inlined
def select_gumbel_inside(settings, nodes, choices, trials, node, improved):
    """argmax π'(a) − N(a) / (1 + ΣN), π' ∝ prior · exp(σ(q)), unvisited moves at the mixed value (as above, eq. 14).

    ``improved`` is scratch space, float32 [256].
    """
    first, visited = nodes[node].first_edge, nodes[node].visited
    most, total, flying = 0, 0, 0
    policy, weighted, highest = 0.0, 0.0, -1e30
    for edge in range(first, first + visited):
        tried = trials[edge].visits
        flying += choices[edge].flying
        if tried > 0:
            q = trials[edge].total / tried
            most = max(most, tried)
            total += tried
            policy += choices[edge].prior
            weighted += choices[edge].prior * q
            highest = max(highest, q)
    mixed = np.float64(nodes[node].value)
    if total > 0:
        mixed = (mixed + total * weighted / max(policy, 1e-9)) / (1 + total)
    # Every exponent is taken relative to the best move's, so that none overflows.
    highest = max(highest, mixed)
    sigma = (settings[0].gumbel_visit_offset + most) * settings[0].gumbel_scale
    unvisited = np.float64(exponential(np.float32(sigma * (mixed - highest))))
    normaliser = max(1.0 - policy, 0.0) * unvisited
    for i in range(visited):
        edge = first + i
        tried = trials[edge].visits
        weight = np.float64(choices[edge].prior)
        if tried > 0:
            grown = weight * exponential(np.float32(sigma * (trials[edge].total / tried - highest)))
            normaliser += grown
            improved[i] = grown
        else:  # under way for the first time: its part of the policy is among the unvisited
            improved[i] = weight * unvisited
    inverse = 1.0 / max(normaliser, 1e-30)
    share = 1.0 / (1.0 + total + flying)
    best, best_score = -1, -1e30
    for i in range(visited):
        edge = first + i
        score = improved[i] * inverse - (trials[edge].visits + choices[edge].flying) * share
        if score > best_score:
            best, best_score = edge, score
    if visited < nodes[node].edges and choices[first + visited].prior * unvisited * inverse > best_score:
        best = first + visited
    return best


@inlined
def considered_visits(considered, limit, done):
    """Visits that sequential halving's candidates have had before simulation ``done`` of ``limit`` (as in mctx)."""
    if considered <= 1:
        return done
    phases = 0
    while (1 << phases) < considered:
        phases += 1
    left, visits, spent = considered, 0, 0
    while True:
        rounds = max(1, limit // (phases * left))
        if done < spent + rounds * left:
            return visits + (done - spent) // left
        spent += rounds * left
        visits += rounds
        left = max(2, left // 2)


@inlined
def select_gumbel_root(settings, nodes, choices, trials, noise, logarithms, scheduled):
    """Among the root's moves with the ``scheduled`` number of visits, the best gumbel + logit + σ(q)."""
    first, moves = nodes[0].first_edge, nodes[0].edges
    most = 0
    for edge in range(first, first + moves):
        most = max(most, trials[edge].visits)
    sigma = (settings[0].gumbel_visit_offset + most) * settings[0].gumbel_scale
    best, best_score = -1, -1e30
    for i in range(moves):
        edge = first + i
        tried = trials[edge].visits
        score = np.float64(noise[i]) + np.float64(logarithms[i])
        if tried > 0:
            score += sigma * trials[edge].total / tried
        # Only a schedule that no longer fits (too few moves with that count) falls back to the nearest count.
        score -= 1e6 * abs(tried + choices[edge].flying - scheduled)
        if score > best_score:
            best, best_score = edge, score
    return best


@merged
def select(settings, table, nodes, choices, trials, noise, logarithms, scheduled, improved, node):
    """Edge that the simulation follows from ``node``, by the formula of ``settings``."""
    if settings[0].formula != GUMBEL:
        return select_puct(settings, table, nodes, choices, trials, node)
    if node == 0:
        return select_gumbel_root(settings, nodes, choices, trials, noise, logarithms, scheduled)
    return select_gumbel_inside(settings, nodes, choices, trials, node, improved)
