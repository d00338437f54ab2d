"""The four ways in which a network file stores the numbers of a layer."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engines.networks.leela.schema import LayerEncoding

__all__ = ["ENCODINGS", "decode", "element_count", "encode", "encode_by_channel"]

ENCODINGS: Final = {
    "linear16": LayerEncoding.LINEAR16,
    "float16": LayerEncoding.FLOAT16,
    "bfloat16": LayerEncoding.BFLOAT16,
    "float32": LayerEncoding.FLOAT32,
}
"""Encodings by the name used in this package."""

_STEPS: Final = 65535
_GAIN_BITS: Final = 15
_FINE_STEP: Final = 2.0**-_GAIN_BITS
_SMALLEST: Final = 2.0**-60
_PIECE: Final = 1 << 20
_BYTES: Final = {
    LayerEncoding.LINEAR16: 2,
    LayerEncoding.FLOAT16: 2,
    LayerEncoding.BFLOAT16: 2,
    LayerEncoding.FLOAT32: 4,
}


def element_count(layer: Any, default: LayerEncoding) -> int:
    """Give how many numbers a layer message holds.

    Args:
        layer: a ``Layer`` message.
        default: the file's encoding, for a layer that names none.

    Raises:
        ValueError: an encoding that does not exist, or a length that is no whole number of elements.
    """
    width = _BYTES[_encoding(layer, default)]
    count, rest = divmod(len(layer.params), width)
    if rest:
        raise ValueError(f"has {len(layer.params)} bytes, no multiple of {width}")
    return count


def decode(layer: Any, default: LayerEncoding) -> NDArray[np.float32]:
    """Give the numbers of a layer message.

    Args:
        layer: a ``Layer`` message.
        default: the file's encoding, for a layer that names none.

    Returns:
        float32 [count], all finite.

    Raises:
        ValueError: an encoding that does not exist, a broken length, a range the wrong way round, or a number that is
            not finite.
    """
    encoding = _encoding(layer, default)
    element_count(layer, default)
    numbers: NDArray[np.float32]
    if encoding == LayerEncoding.LINEAR16:
        if layer.min_val > layer.max_val:
            raise ValueError(f"has a range from {layer.min_val:.9g} down to {layer.max_val:.9g}")
        numbers = _from_steps(np.frombuffer(layer.params, dtype="<u2"), layer.min_val, layer.max_val)
    elif encoding == LayerEncoding.FLOAT16:
        numbers = np.frombuffer(layer.params, dtype="<f2").astype(np.float32)
    elif encoding == LayerEncoding.BFLOAT16:
        numbers = (np.frombuffer(layer.params, dtype="<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        numbers = np.frombuffer(layer.params, dtype="<f4").astype(np.float32)
    if not np.isfinite(numbers).all():
        raise ValueError("holds a number that is not finite")
    return numbers


def encode(layer: Any, numbers: NDArray[np.float32], encoding: LayerEncoding) -> None:
    """Write numbers into a layer message.

    LINEAR16 divides the range of the layer into 65,535 equal steps; its largest error is half a step. It is what a
    layer means that names no encoding, and none is named then, so that versions of lc0 before 0.33 read it.

    Args:
        layer: the ``Layer`` message to fill.
        numbers: float32, any shape; written in C order.
        encoding: how to store them.

    Raises:
        ValueError: a number that is not finite, or too large for 16-bit floating point.
    """
    if not np.isfinite(numbers).all():
        raise ValueError("holds a number that is not finite")
    if encoding == LayerEncoding.LINEAR16:
        low, high = float(numbers.min()), float(numbers.max())
        scale = _STEPS / (high - low) if high > low else 0.0
        layer.params = np.rint((numbers.astype(np.float64) - low) * scale).astype("<u2").tobytes()
        layer.min_val, layer.max_val = low, high
        return
    layer.encoding = encoding
    if encoding == LayerEncoding.FLOAT16:
        if np.abs(numbers).max() > np.finfo(np.float16).max:
            raise ValueError("holds a number too large for float16")
        layer.params = numbers.astype("<f2").tobytes()
    elif encoding == LayerEncoding.BFLOAT16:
        layer.params = _to_bfloat16(numbers).astype("<u2").tobytes()
    else:
        layer.params = numbers.astype("<f4").tobytes()


def encode_by_channel(weight: Any, gain: Any, numbers: NDArray[np.float32]) -> None:
    """Write a convolution's weight in LINEAR16 with a power of two taken out of each output channel.

    The channels of a convolution into which batch normalisation was folded differ in size by orders of magnitude, and
    65,535 steps over all of them would leave few for the small ones. What is taken out goes where lc0 expects the gains
    of batch normalisation; being powers of two they decode exactly, so that what was read and is written again gives
    the same bytes. The largest error is a 32,768th of the channel's largest number; channels smaller than a 32,768th of
    the largest channel share the smallest gain.

    Args:
        weight: the ``Layer`` message for the numbers divided by their channel's gain.
        gain: the ``Layer`` message for the gains.
        numbers: float32 [channels, ...].

    Raises:
        ValueError: a number that is not finite.
    """
    if not np.isfinite(numbers).all():
        raise ValueError("holds a number that is not finite")
    channels = numbers.reshape(len(numbers), -1).astype(np.float64)
    largest = np.abs(channels).max(axis=1)
    # A channel's largest number, over its gain, is to round to a step from a half (included) to one (excluded). The
    # limits lie between steps: rounding carries no channel over them.
    limit = 1 - _FINE_STEP / 2
    exponents = np.ceil(np.log2(np.maximum(largest, _SMALLEST) / limit)).astype(int)
    exponents = np.maximum(exponents, exponents.max() - _GAIN_BITS)
    lowest = exponents.max() - _GAIN_BITS
    steps = np.rint(np.ldexp(channels, -exponents[:, None]) / _FINE_STEP) + 2**_GAIN_BITS
    weight.params = np.clip(steps, 0, _STEPS).astype("<u2").tobytes()
    weight.min_val, weight.max_val = -1.0, _STEPS * _FINE_STEP - 1.0
    gain.params = (1 << (exponents - lowest)).astype("<u2").tobytes()
    gain.min_val, gain.max_val = 0.0, float(np.ldexp(float(_STEPS), lowest))


def _encoding(layer: Any, default: LayerEncoding) -> LayerEncoding:
    number = layer.encoding or default or LayerEncoding.LINEAR16
    try:
        return LayerEncoding(number)
    except ValueError:
        raise ValueError(f"names weights encoding {number}, which does not exist") from None


def _from_steps(steps: NDArray[np.uint16], low: float, high: float) -> NDArray[np.float32]:
    """low · (1 − t) + high · t with t = steps / 65535, rounded where lc0 rounds.

    lc0 works in single precision, with the last product and the sum fused. The last bits matter: large inputs, such as
    a rule-50 count near 100, carry the difference to exact arithmetic into the fifth decimal of a probability.
    """
    if len(steps) > 2 * _STEPS:
        # Each step once, and looked up piece by piece: faster, and little is in memory beside the numbers themselves.
        table = _from_steps(np.arange(_STEPS + 1, dtype=np.uint16), low, high)
        numbers = np.empty(len(steps), dtype=np.float32)
        for at in range(0, len(steps), _PIECE):
            numbers[at : at + _PIECE] = table[steps[at : at + _PIECE]]
        return numbers
    share = steps.astype(np.float32) / np.float32(_STEPS)
    upper = np.float32(high) * share
    lower = np.float64(low) * (1 - share).astype(np.float64)  # exact in float64, as within a fused operation
    return (lower + upper).astype(np.float32)


def _to_bfloat16(numbers: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The upper halves of the numbers, rounded to nearest, ties to even."""
    bits = np.ascontiguousarray(numbers, dtype=np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
