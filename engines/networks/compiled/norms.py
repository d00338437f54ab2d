"""Layer norms, and the weights that a square and channel is multiplied by."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from engines.compiled import kernel
from engines.networks.compiled.lanes import WIDTH, add, fma, load, multiply, number, splat, store, total

__all__ = ["gate", "layer_norm"]

_ZERO: Final = np.float32(0.0)
_ONE: Final = np.float32(1.0)


@kernel
def layer_norm(memory, source, skip, target, rows, columns, weights, start):
    """Add rows to others and normalise each: (y − mean) / √(variance + ε) · gain + offset with y = skip + scale · row.

    ``source``, ``skip``, ``target``: where the rows, those to add (none if below zero) and the results begin, each
    [rows, columns], and the same place if need be; ``weights``, ``start``: where gains [columns], offsets [columns], a
    mask [columns] of ones where a row has numbers and zeros where it is filled up, and then the scale, ε and one over
    the count of numbers lie.
    """
    offset, mask = start + columns, start + 2 * columns
    scale = splat(number(weights, start + 3 * columns))
    epsilon, share = number(weights, start + 3 * columns + 1), number(weights, start + 3 * columns + 2)
    for row in range(0, rows * columns, columns):
        sums = splat(_ZERO)
        for c in range(0, columns, WIDTH):
            y = multiply(scale, load(memory, source + row + c))
            if skip >= 0:
                y = add(y, load(memory, skip + row + c))
            y = multiply(y, load(weights, mask + c))
            store(memory, target + row + c, y)
            sums = add(sums, y)
        mean = splat(-total(sums) * share)
        squares = splat(_ZERO)
        for c in range(0, columns, WIDTH):
            y = fma(mean, load(weights, mask + c), load(memory, target + row + c))
            store(memory, target + row + c, y)
            squares = fma(y, y, squares)
        factor = splat(_ONE / math.sqrt(total(squares) * share + epsilon))
        for c in range(0, columns, WIDTH):
            y = multiply(factor, load(memory, target + row + c))
            store(memory, target + row + c, fma(y, load(weights, start + c), load(weights, offset + c)))


@kernel
def gate(memory, place, size, weights, start):
    """Multiply ``size`` numbers by as many weights and add as many more."""
    for i in range(0, size, WIDTH):
        scaled = fma(load(memory, place + i), load(weights, start + i), load(weights, start + size + i))
        store(memory, place + i, scaled)
