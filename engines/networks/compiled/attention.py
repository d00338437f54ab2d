"""Attention between the 64 squares, and the logits of moves from square to square.

Queries, keys and values are *tokens*, rows of channels, one a square. Weights are worked out as [64 (to), 64 (from)],
keys before queries: what is summed over the keys then goes through whole vectors, and no sum runs across one.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engines.compiled import kernel
from engines.networks.compiled.lanes import (
    WIDTH,
    add,
    divide,
    higher,
    load,
    multiply,
    number,
    put,
    splat,
    store,
    subtract,
    transposed,
)
from engines.networks.compiled.nonlinear import exponential
from engines.networks.compiled.products import (
    ADJACENT,
    NO_BIAS,
    ONE_BLOCK,
    ROWS,
    WIDEST,
    WIDEST_OF_TWO,
    matrix_product,
    panel_width,
)

__all__ = ["PAIRS", "PROMOTIONS", "attention", "pairs", "promotions"]

_SQUARES: Final = np.int64(64)  # numpy's, as `products` explains
PAIRS: Final = 64 * 64
PROMOTIONS: Final = 8 * 8 * 3
"""Logits of promotions: file from, file to, and queen, rook or bishop."""

_ACROSS: Final = np.int64(panel_width(64, WIDEST))
_TO_VALUES: Final = np.int64(WIDEST_OF_TWO or WIDEST)
_FOUR: Final = np.int64(ROWS)
_GROUPS: Final = np.int64(_SQUARES // ROWS)
_ZERO: Final = np.float32(0.0)
_ONE: Final = np.float32(1.0)
_LOWEST: Final = np.float32(-np.inf)


@kernel
def _turned(memory, source, step, depth, to):
    """Write the first ``depth`` channels, filled up to a multiple of sixteen, of 64 rows as [channels, 64]."""
    for c in range(0, depth, WIDTH):
        for square in range(0, _SQUARES, WIDTH):
            transposed(memory, source + square * step + c, step, memory, to + c * _SQUARES + square, _SQUARES)


@kernel
def _softmax(memory, start, bias, scale):
    """Replace [64, 64] numbers x by exp(scale · x + bias) over its sum along each column; no bias if below zero."""
    factor = splat(scale)
    for column in range(start, start + _SQUARES, WIDTH):
        highest = splat(_LOWEST)
        other = bias + column - start
        for place in range(column, column + PAIRS, _SQUARES):
            x = load(memory, place)
            # Not fused, so that a bias of zero and none give the same.
            x = multiply(factor, x) if bias < 0 else add(multiply(factor, x), load(memory, other))
            store(memory, place, x)
            highest = higher(highest, x)
            other += _SQUARES
        total = splat(_ZERO)
        for place in range(column, column + PAIRS, _SQUARES):
            x = exponential(subtract(load(memory, place), highest))
            store(memory, place, x)
            total = add(total, x)
        share = divide(splat(_ONE), total)
        for place in range(column, column + PAIRS, _SQUARES):
            store(memory, place, multiply(load(memory, place), share))


@kernel
def attention(memory, source, bias, target, heads, depth, columns, scale, weights, work):
    """Multi-head attention of one position.

    ``source``: where tokens [64, 3, heads, columns] begin, queries, keys and values, ``columns`` being the channels of
    a head, ``depth``, filled up; ``bias``: where what is added to scale · query · key, [heads, 64 (to), 64 (from)],
    lies, or below zero; ``target``: where tokens [64, heads, columns] are to begin; ``work``: where 64 · (64 + columns)
    numbers may be kept.
    """
    row = heads * columns
    step = 3 * row
    scores = work + _SQUARES * columns
    width = min(_TO_VALUES, columns // WIDTH)
    for head in range(heads):
        query = source + head * columns
        _turned(memory, query, step, depth, work)
        matrix_product(
            memory, query + row, step, ROWS * step, step, ADJACENT, memory, work, _SQUARES, weights, NO_BIAS,
            memory, scores, _SQUARES, ROWS * _SQUARES, depth, depth, _SQUARES, _ACROSS, _GROUPS, ONE_BLOCK, _LOWEST,
        )  # fmt: skip
        _softmax(memory, scores, bias + head * PAIRS if bias >= 0 else bias, scale)
        matrix_product(
            memory, scores, ADJACENT, _FOUR, _SQUARES, _SQUARES, memory, query + 2 * row, step, weights, NO_BIAS,
            memory, target + head * columns, row, ROWS * row, row, _SQUARES, columns, width, _GROUPS, ONE_BLOCK,
            _LOWEST,
        )  # fmt: skip


@kernel
def pairs(memory, query, key, depth, target, scale, weights, work):
    """Scale times the product of each query and each key, [64 (from), 64 (to)].

    ``query``, ``key``: where tokens [64, depth] begin, depth a multiple of sixteen; ``work``: where 64 · depth numbers
    may be kept.
    """
    _turned(memory, key, depth, depth, work)
    matrix_product(
        memory, query, depth, ROWS * depth, depth, ADJACENT, memory, work, _SQUARES, weights, NO_BIAS,
        memory, target, _SQUARES, ROWS * _SQUARES, depth, depth, _SQUARES, _ACROSS, _GROUPS, ONE_BLOCK, _LOWEST,
    )  # fmt: skip
    factor = splat(scale)
    for place in range(target, target + PAIRS, WIDTH):
        store(memory, place, multiply(factor, load(memory, place)))


@kernel
def promotions(memory, extra, logits):
    """Write the logits of promotions [8 files from, 8 files to, 3] behind those of pairs [64, 64].

    Each is that of the pair, from the seventh rank to the eighth, plus what the piece adds and what all pieces add;
    ``extra``: where those begin, [8 files to, 16], of which four numbers are used: queen, rook, bishop and all.
    """
    to = logits + PAIRS
    for start in range(_SQUARES - 16, _SQUARES - 8):
        for file in range(8):
            pair = number(memory, logits + start * _SQUARES + _SQUARES - 8 + file)
            place = extra + file * WIDTH
            for piece in range(3):
                more = number(memory, place + piece) + number(memory, place + 3)
                put(memory, to, pair + more)
                to += 1
