"""Carrying out a program on packed positions: the compiled forward pass.

Positions go through in blocks of eight, each operation on the whole block, so that what a block needs stays in the
second-level cache and each weight read from beyond it serves eight positions. No sum runs over more than one position,
and none depends on the block: a position gets the same bits alone, in any company and at any place.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from engines.compiled import kernel
from engines.networks.first_layer import TAPS, first_layer
from engines.networks.lanes import WIDTH, add, fma, load, multiply, splat, store
from engines.networks.nonlinear import activate, sigmoid
from engines.networks.products import ROWS, matrix_product
from engines.networks.program import FIELDS, Operation
from engines.networks.winograd import BOARD, EDGE, TILES, TRANSFORMED, from_tiles, to_tiles

__all__ = ["BLOCK", "run", "work_size"]

BLOCK: Final = 8
"""Positions that go through an operation together; a multiple of four."""

(
    _OPERATION, _SOURCE, _TARGET, _OTHER, _DEPTH, _COLUMNS, _WEIGHTS, _BIAS, _WIDTH, _FUNCTION
) = range(len(FIELDS))  # fmt: skip
_FIRST_LAYER, _CONVOLUTION, _POOL, _DENSE, _EXCITE, _POINTWISE, _POLICY, _VALUE, _RESULTS = (
    int(operation) for operation in Operation
)
_ZERO: Final = np.float32(0.0)
_HALF: Final = np.float32(0.5)
_ONE: Final = np.float32(1.0)
_A_SQUARE: Final = np.float32(1 / 64)


def work_size(channels: int) -> tuple[int, int]:
    """Numbers of scratch memory for tiles (and as many for products), and for the work of one position."""
    return BLOCK * TRANSFORMED * _step(channels), max((BOARD + TAPS) * channels, TRANSFORMED * WIDTH)


@kernel
def _step(channels):
    """From one of a tile's 36 numbers to the next; an odd number of cache lines, so that they fall into all sets."""
    return TILES * channels + WIDTH


@kernel
def _convolve(row, weights, state, base, stride, count, tiles, products, work):
    depth, columns = row[_DEPTH], row[_COLUMNS]
    step, to_step = _step(depth), _step(columns)
    for i in range(count):
        to_tiles(state, base + i * stride + row[_SOURCE], depth, tiles, i * TRANSFORMED * step, step, work)
    for part in range(TRANSFORMED):
        matrix_product(
            tiles, part * step, depth, TRANSFORMED * step, count,
            weights, row[_WEIGHTS] + part * depth * columns,
            products, part * to_step, columns, TRANSFORMED * to_step, depth, columns, row[_WIDTH],
        )  # fmt: skip
    for i in range(count):
        start = base + i * stride
        skip = start + row[_OTHER] if row[_OTHER] >= 0 else -1
        from_tiles(
            products, i * TRANSFORMED * to_step, to_step, columns,
            weights, row[_BIAS], skip, row[_FUNCTION], state, start + row[_TARGET], work,
        )  # fmt: skip


@kernel
def _pool(row, state, base, stride, count):
    columns = row[_COLUMNS]
    for i in range(count):
        start = base + i * stride
        for c in range(0, columns, WIDTH):
            total = splat(_ZERO)
            for rank in range(1, 9):
                place = start + row[_SOURCE] + (rank * EDGE + 1) * columns + c
                for file in range(8):
                    total = add(total, load(state, place + file * columns))
            store(state, start + row[_TARGET] + c, multiply(total, splat(_A_SQUARE)))


@kernel
def _shift(state, start, size, weights, bias, columns, function):
    """Add the bias to rows of ``columns`` numbers and apply the function."""
    for place in range(start, start + size, columns):
        for c in range(0, columns, WIDTH):
            total = add(load(state, place + c), load(weights, bias + c))
            store(state, place + c, activate(total, function))


@kernel
def _dense(row, weights, state, base, stride, count):
    columns = row[_COLUMNS]
    # Rows go in fours; what is calculated for rows behind the last position is never read.
    groups = (count + ROWS - 1) // ROWS
    matrix_product(
        state, base + row[_SOURCE], stride, ROWS * stride, groups,
        weights, row[_WEIGHTS],
        state, base + row[_TARGET], stride, ROWS * stride, row[_DEPTH], columns, row[_WIDTH],
    )  # fmt: skip
    for i in range(count):
        _shift(state, base + i * stride + row[_TARGET], columns, weights, row[_BIAS], columns, row[_FUNCTION])


@kernel
def _excite(row, state, base, stride, count):
    columns = row[_COLUMNS]
    for i in range(count):
        start = base + i * stride
        gates = start + row[_OTHER]
        for c in range(0, columns, WIDTH):
            scale = sigmoid(load(state, gates + c))
            shift = load(state, gates + columns + c)
            for rank in range(1, 9):
                place = start + (rank * EDGE + 1) * columns + c
                for _ in range(8):
                    target = row[_TARGET] + place
                    total = fma(scale, load(state, row[_SOURCE] + place), add(load(state, target), shift))
                    store(state, target, activate(total, row[_FUNCTION]))
                    place += columns


@kernel
def _pointwise(row, weights, state, base, stride, count):
    depth, columns = row[_DEPTH], row[_COLUMNS]
    for i in range(count):
        source, target = base + i * stride + row[_SOURCE], base + i * stride + row[_TARGET]
        for rank in range(8):
            matrix_product(
                state, source + ((rank + 1) * EDGE + 1) * depth, depth, ROWS * depth, 2,
                weights, row[_WEIGHTS],
                state, target + 8 * rank * columns, columns, ROWS * columns, depth, columns, row[_WIDTH],
            )  # fmt: skip
        _shift(state, target, 64 * columns, weights, row[_BIAS], columns, row[_FUNCTION])


@kernel
def _results(row, state, start, wdl):
    """Win, draw and loss of one position, as ``wdl`` [3]."""
    value = start + row[_SOURCE]
    if row[_COLUMNS] == 1:
        wdl[0] = (_ONE + state[value]) * _HALF
        wdl[1] = _ZERO
        wdl[2] = _ONE - wdl[0]
        return
    a, b, c = np.float64(state[value]), np.float64(state[value + 1]), np.float64(state[value + 2])
    highest = max(a, b, c)
    a, b, c = math.exp(a - highest), math.exp(b - highest), math.exp(c - highest)
    wdl[0], wdl[1], wdl[2] = a / (a + b + c), b / (a + b + c), c / (a + b + c)


@kernel
def _all_finite(numbers):
    total = _ZERO
    for number in numbers:
        total += abs(number * _ZERO)
    return total == _ZERO


@kernel
def run(
    program, first, last, weights, moves, masks, values, begin, end, state, stride, held, tiles, products, work,
    logits, wdl, moves_left,
):  # fmt: skip
    """Carry out the operations ``first`` to ``last`` (not itself) for the positions ``begin`` to ``end`` (not itself).

    ``program``, ``weights``, ``moves``: of a `Program`. ``masks``, ``values``: uint64 and float32 [n, 112]. ``state``:
    the rows of the positions, one after the other, ``stride`` numbers each; with ``held`` those of all n positions
    (filled up to a multiple of ``BLOCK``), which keep what was calculated for a later call to go on with, else those of
    one block. ``tiles``, ``products``, ``work``: scratch memory of `work_size`. Results go to ``logits`` float32
    [n, 1858], ``wdl`` [n, 3] and ``moves_left`` [n], which may be empty. Says whether logits and value are finite, as
    far as they were calculated.
    """
    finite = True
    for start in range(begin, end, BLOCK):
        count = min(BLOCK, end - start)
        base = start * stride if held else 0
        for index in range(first, last):
            row = program[index]
            operation = row[_OPERATION]
            if operation == _CONVOLUTION:
                _convolve(row, weights, state, base, stride, count, tiles, products, work)
            elif operation == _FIRST_LAYER:
                for i in range(count):
                    first_layer(
                        masks[start + i], values[start + i], weights, row[_WEIGHTS], row[_BIAS], row[_COLUMNS],
                        row[_FUNCTION], state, base + i * stride + row[_TARGET], work,
                    )  # fmt: skip
            elif operation == _POOL:
                _pool(row, state, base, stride, count)
            elif operation == _DENSE:
                _dense(row, weights, state, base, stride, count)
            elif operation == _EXCITE:
                _excite(row, state, base, stride, count)
            elif operation == _POINTWISE:
                _pointwise(row, weights, state, base, stride, count)
            elif operation == _POLICY:
                for i in range(count):
                    source = base + i * stride + row[_SOURCE]
                    for move in range(len(moves)):
                        logits[start + i, move] = state[source + moves[move]]
            elif operation == _VALUE:
                for i in range(count):
                    place = base + i * stride + row[_SOURCE]
                    state[place] = math.tanh(np.float64(state[place]))
            elif operation == _RESULTS:
                for i in range(count):
                    _results(row, state, base + i * stride, wdl[start + i])
                    finite &= _all_finite(wdl[start + i]) and _all_finite(logits[start + i])
                    if row[_OTHER] >= 0:
                        moves_left[start + i] = state[base + i * stride + row[_OTHER]]
    return finite
