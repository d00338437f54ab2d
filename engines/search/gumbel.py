"""What a Gumbel search concludes: the move to play and the policy to learn (Danihelka et al. 2022, eqs. 7 and 11)."""

from __future__ import annotations

import math

import numpy as np

from engines.compiled import kernel
from engines.search.exponential import softmax
from engines.search.selection import mixed_value


@kernel
def conclude(settings, nodes, choices, trials, noise, policy):
    """Index (among the root's edges) of the move to play; the improved policy (``float32``, sums to 1) to ``policy``.

    The improved policy is softmax(log prior + σ(completed Q)); the move maximises gumbel + log prior + σ(Q) over the
    most visited moves.
    """
    first, moves = nodes[0].first_edge, nodes[0].edges
    most = 0
    for edge in range(first, first + moves):
        most = max(most, trials[edge].visits)
    sigma = (settings[0].gumbel_visit_offset + most) * settings[0].gumbel_scale
    mixed = mixed_value(nodes, choices, trials, 0)
    best, best_score = 0, -1e30
    for i in range(moves):
        edge = first + i
        tried = trials[edge].visits
        completed = trials[edge].total / tried if tried > 0 else mixed
        logit = math.log(choices[edge].prior + 1e-30)
        if tried == most and noise[i] + logit + sigma * completed > best_score:
            best, best_score = i, noise[i] + logit + sigma * completed
        policy[i] = logit + sigma * completed
    softmax(policy, moves, np.float32(1))
    return best
