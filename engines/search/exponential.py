"""exp in float32, the same bits on every machine, and a softmax over the moves of a node."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from engines.compiled import inlined

_LOG2_E = np.float32(1.4426950408889634)
# ln 2 in two parts (Cody and Waite): k · high is exact for the k that occur.
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_LOWEST = np.float32(-87.0)  # below, float32 runs out of exponents: the result is 0
# Taylor coefficients 1/2! … 1/6!; on |r| ≤ ln 2 / 2 what is left out is below half a unit in the last place.
_C2, _C3, _C4, _C5, _C6 = (np.float32(1 / math.factorial(n)) for n in range(2, 7))
_ONE, _ZERO = np.float32(1), np.float32(0)


@intrinsic
def _from_bits(typing_context: Any, bits: Any) -> Any:
    """The float32 with the given bits (``int32`` → ``float32``)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@inlined
def exponential(x):
    """exp(x) for float32 x ≤ 0, to about 2e-7 relative; 0 below −87.  No library, so no machine differs."""
    k = np.float32(np.int32(x * _LOG2_E - np.float32(0.5)))  # rounded: the cast cuts towards 0
    r = np.float32(x - k * _LN2_HIGH - k * _LN2_LOW)
    series = _C2 + r * (_C3 + r * (_C4 + r * (_C5 + r * _C6)))
    power = _from_bits(np.int32((np.int32(k) + np.int32(127)) << np.int32(23)))
    return np.float32((_ONE + r + r * r * series) * power) if x >= _LOWEST else _ZERO


@inlined
def softmax(weights, n, inverse_temperature):
    """Turn the first ``n`` logits in ``weights`` (float32) into probabilities, in place."""
    highest = weights[0]
    for i in range(1, n):
        highest = max(highest, weights[i])
    for i in range(n):
        weights[i] = exponential(np.float32((weights[i] - highest) * inverse_temperature))
    # Four sums side by side: one would wait for itself at every step.
    a, b, c, d = _ZERO, _ZERO, _ZERO, _ZERO
    whole = n - n % 4
    for i in range(0, whole, 4):
        a += weights[i]
        b += weights[i + 1]
        c += weights[i + 2]
        d += weights[i + 3]
    for i in range(whole, n):
        a += weights[i]
    scale = _ONE / ((a + b) + (c + d))
    for i in range(n):
        weights[i] *= scale
