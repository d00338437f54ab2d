"""The functions between layers, sixteen numbers at a time."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np

from engines.compiled import kernel
from engines.networks.compiled.lanes import (
    WIDTH,
    add,
    divide,
    fma,
    higher,
    load,
    lower,
    multiply,
    power_of_two,
    splat,
    store,
    subtract,
)

__all__ = ["Activation", "activate", "exponential", "sigmoid"]


class Activation(IntEnum):
    """An activation function; relu is often part of the operation before."""

    RELU = 0
    MISH = 1
    SWISH = 2
    """x · sigmoid(x)."""
    RELU2 = 3
    """The square of relu."""
    SELU = 4
    TANH = 5
    SIGMOID = 6


_IS_RELU, _IS_MISH, _IS_SWISH, _IS_RELU2, _IS_SELU, _IS_TANH, _IS_SIGMOID = map(int, Activation)

# exp(x) = 2ⁿ · exp(r), n the whole number nearest to x / ln 2 and |r| ≤ ln 2 / 2. ln 2 is subtracted in two parts, the
# first so short that n times it is exact. Adding 1.5 · 2²³ rounds to a whole number.
_ROUNDER: Final = np.float32(1.5 * 2.0**23)
_PER_LN2: Final = np.float32(1.4426950408889634)
_LN2_HIGH: Final = np.float32(0.693145751953125)
_LN2_LOW: Final = np.float32(1.42860682030941723212e-6)
_LOWEST: Final = np.float32(-87.0)
_HIGHEST: Final = np.float32(88.0)
# mish(x) is x to the last bit from here on, and exp(x)² is still finite.
_MISH_IS_IDENTITY: Final = np.float32(40.0)
# 1/k!, the Taylor series; its seventh term is below 2⁻²⁵ at |r| = ln 2 / 2 once divided by exp(r).
_C2, _C3, _C4, _C5, _C6, _C7 = (np.float32(1 / k) for k in (2, 6, 24, 120, 720, 5040))
_ZERO: Final = np.float32(0.0)
_ONE: Final = np.float32(1.0)
_TWO: Final = np.float32(2.0)
_SELU_ABOVE: Final = np.float32(1.0507009873554804934)
_SELU_BELOW: Final = np.float32(1.0507009873554804934 * 1.6732632423543772848)


@kernel
def exponential(x):
    """exp(x) to about one unit in the last place, of x brought into [-87, 88]; NaN of NaN."""
    x = higher(splat(_LOWEST), lower(splat(_HIGHEST), x))
    shifted = fma(x, splat(_PER_LN2), splat(_ROUNDER))
    n = subtract(shifted, splat(_ROUNDER))
    r = fma(n, splat(-_LN2_HIGH), x)
    r = fma(n, splat(-_LN2_LOW), r)
    p = fma(splat(_C7), r, splat(_C6))
    p = fma(p, r, splat(_C5))
    p = fma(p, r, splat(_C4))
    p = fma(p, r, splat(_C3))
    p = fma(p, r, splat(_C2))
    p = fma(p, r, splat(_ONE))
    p = fma(p, r, splat(_ONE))
    return multiply(p, power_of_two(shifted))


@kernel
def sigmoid(x):
    """1 / (1 + exp(−x))."""
    return divide(splat(_ONE), add(splat(_ONE), exponential(subtract(splat(_ZERO), x))))


@kernel
def _mish(x):
    """x · tanh(ln(1 + exp(x))), which is x · n / (n + 2) with n = exp(x) · (exp(x) + 2)."""
    e = exponential(lower(splat(_MISH_IS_IDENTITY), x))
    n = multiply(e, add(e, splat(_TWO)))
    return multiply(x, divide(n, add(n, splat(_TWO))))


@kernel
def _selu(x):
    """The scaled exponential linear unit (Klambauer et al. 2017)."""
    below = subtract(exponential(lower(splat(_ZERO), x)), splat(_ONE))
    return fma(splat(_SELU_BELOW), below, multiply(splat(_SELU_ABOVE), higher(splat(_ZERO), x)))


@kernel
def _tanh(x):
    """2 · sigmoid(2 · x) − 1."""
    return fma(splat(_TWO), sigmoid(multiply(splat(_TWO), x)), splat(-_ONE))


@kernel
def activate(numbers, start, size, function):
    """Replace ``size`` numbers, a multiple of sixteen, by an `Activation`; zeros stay, save in a sigmoid."""
    for i in range(start, start + size, WIDTH):
        x = load(numbers, i)
        if function == _IS_MISH:
            x = _mish(x)
        elif function == _IS_SWISH:
            x = multiply(x, sigmoid(x))
        elif function == _IS_RELU:
            x = higher(splat(_ZERO), x)
        elif function == _IS_RELU2:
            x = higher(splat(_ZERO), x)
            x = multiply(x, x)
        elif function == _IS_SELU:
            x = _selu(x)
        elif function == _IS_TANH:
            x = _tanh(x)
        else:
            x = sigmoid(x)
        store(numbers, i, x)
