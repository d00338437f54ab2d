"""Root noise from a tree's own random stream: Gumbel draws kept beside the priors, or Dirichlet draws mixed in."""

from __future__ import annotations

import math

import numpy as np

from engines.chess.bits import U12
from engines.compiled import inlined
from engines.search.settings import GUMBEL


@inlined
def uniform(trees, t):
    """Uniform draw in (0, 1) from the tree's own xorshift64* stream."""
    x = trees[t].random
    x ^= x >> U12
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    trees[t].random = x
    return (np.float64((x * np.uint64(2685821657736338717)) >> U12) + 0.5) / 4503599627370496.0  # 52 bits and a half


@inlined
def _gamma(trees, t, shape):
    """Gamma(shape, 1) by Marsaglia and Tsang (2000), boosted for shapes below 1."""
    boost = 1.0
    if shape < 1.0:
        boost = uniform(trees, t) ** (1.0 / shape)
        shape += 1.0
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        normal = math.sqrt(-2.0 * math.log(uniform(trees, t))) * math.cos(2.0 * math.pi * uniform(trees, t))
        cube = (1.0 + c * normal) ** 3
        if cube > 0 and math.log(uniform(trees, t)) < 0.5 * normal * normal + d - d * cube + d * math.log(cube):
            return d * cube * boost


@inlined
def sort_unvisited(choices, first, last):
    """Sort edges that nobody has visited by falling prior, equal priors by rising move."""
    for i in range(first + 1, last):
        prior, move = choices[i].prior, choices[i].move
        j = i - 1
        while j >= first and (choices[j].prior < prior or (choices[j].prior == prior and choices[j].move > move)):
            choices[j + 1].prior = choices[j].prior
            choices[j + 1].move = choices[j].move
            j -= 1
        choices[j + 1].prior = prior
        choices[j + 1].move = move


@inlined
def disturb_root(settings, trees, t, nodes, choices, noise, logarithms):
    """Sort the root's edges and draw the noise of the preset.

    Gumbel: beside the priors, into which a share of the uniform policy is mixed first; else Dirichlet, mixed in.
    """
    first, moves = nodes[0].first_edge, nodes[0].edges
    sort_unvisited(choices, first, first + moves)
    if settings[0].formula == GUMBEL:
        fraction = np.float32(settings[0].noise_fraction)
        for i in range(moves):
            choices[first + i].prior += fraction * (np.float32(1) / moves - choices[first + i].prior)
            noise[i] = -settings[0].gumbel_noise * math.log(-math.log(uniform(trees, t)))
            logarithms[i] = math.log(choices[first + i].prior + 1e-30)
        return
    fraction = settings[0].noise_fraction
    if fraction <= 0:
        return
    drawn = 0.0
    for i in range(moves):
        noise[i] = _gamma(trees, t, settings[0].noise_alpha)
        drawn += noise[i]
    for i in range(moves):
        choices[first + i].prior = (1.0 - fraction) * choices[first + i].prior + fraction * noise[i] / max(drawn, 1e-30)
    sort_unvisited(choices, first, first + moves)
