"""Carrying out a program on packed positions: the compiled forward pass.

Positions go through in blocks, each operation on the whole block, so that what a block needs stays in the second-level
cache and each weight read from beyond it serves all its positions. No sum runs over more than one position, and none
depends on the block: a position gets the same bits alone, in any company and at any place.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from engines.compiled import kernel
from engines.networks.compiled.first_layer import TAPS, first_layer
from engines.networks.compiled.lanes import WIDTH, add, fma, higher, load, multiply, number, pointer, put, splat, store
from engines.networks.compiled.nonlinear import mish, sigmoid
from engines.networks.compiled.products import ROWS, matrix_product
from engines.networks.compiled.program import FIELDS, Operation
from engines.networks.compiled.winograd import BOARD, EDGE, TILES, TRANSFORMED, from_tiles, to_tiles

__all__ = ["BLOCK", "run", "scratch_size"]

BLOCK: Final = 16
"""Positions that go through an operation together; a multiple of four."""

(
    _OPERATION, _SOURCE, _TARGET, _OTHER, _DEPTH, _COLUMNS, _WEIGHTS, _BIAS, _WIDTH, _RECTIFIED
) = range(len(FIELDS))  # fmt: skip
_FIRST_LAYER, _CONVOLUTION, _POOL, _DENSE, _EXCITE, _POINTWISE, _MISH, _TANH, _POLICY, _RESULTS = (
    int(operation) for operation in Operation
)
_ZERO: Final = np.float32(0.0)
_HALF: Final = np.float32(0.5)
_ONE: Final = np.float32(1.0)
_LOWEST: Final = np.float32(-np.inf)
_A_SQUARE: Final = np.float32(1 / 64)


def scratch_size(channels: int) -> int:
    """Numbers of scratch memory that a run needs when no convolution has more channels than this."""
    tiles: int = BLOCK * TRANSFORMED * _step(channels)
    return 2 * tiles + max((BOARD + TAPS) * channels, TRANSFORMED * WIDTH)


@kernel
def _step(channels):
    """From one of a tile's 36 numbers to the next; an odd number of cache lines, so that they fall into all sets."""
    return TILES * channels + WIDTH


@kernel
def _pool(memory, start, source, target, columns):
    for c in range(0, columns, WIDTH):
        total = splat(_ZERO)
        for rank in range(1, 9):
            place = start + source + (rank * EDGE + 1) * columns + c
            for _ in range(8):
                total = add(total, load(memory, place))
                place += columns
        store(memory, start + target + c, multiply(total, splat(_A_SQUARE)))


@kernel
def _excite(memory, start, source, target, gates, columns, floor):
    lowest = splat(floor)
    for c in range(0, columns, WIDTH):
        scale = sigmoid(load(memory, start + gates + c))
        shift = load(memory, start + gates + columns + c)
        for rank in range(1, 9):
            place = start + (rank * EDGE + 1) * columns + c
            for _ in range(8):
                skip = add(load(memory, target + place), shift)
                total = fma(scale, load(memory, source + place), skip)
                store(memory, target + place, higher(lowest, total))
                place += columns


@kernel
def _shift(memory, start, rows, weights, bias, columns, floor):
    """Add the bias to ``rows`` rows of ``columns`` numbers, and make them at least ``floor``."""
    lowest = splat(floor)
    for place in range(start, start + rows * columns, columns):
        for c in range(0, columns, WIDTH):
            store(memory, place + c, higher(lowest, add(load(memory, place + c), load(weights, bias + c))))


@kernel
def _win_draw_loss(memory, value, columns):
    """Three probabilities from three logits, or from a number in [-1, 1]."""
    if columns == 1:
        win = (_ONE + number(memory, value)) * _HALF
        return win, _ZERO, _ONE - win
    a, b, c = number(memory, value), number(memory, value + 1), number(memory, value + 2)
    highest = max(a, b, c)
    x, y, z = math.exp(a - highest), math.exp(b - highest), math.exp(c - highest)
    return np.float32(x / (x + y + z)), np.float32(y / (x + y + z)), np.float32(z / (x + y + z))


@kernel
def run(
    program, first, last, weights_array, moves_array, masks_array, values_array, begin, end, memory_array, scratch,
    state, stride, held, logits_array, wdl_array, moves_left_array,
):  # fmt: skip
    """Carry out the operations ``first`` to ``last`` (not itself) for the positions ``begin`` to ``end`` (not itself).

    ``program``, ``weights_array``, ``moves_array``: of a `Program`. ``masks_array``, ``values_array``: uint64 and
    float32 [n, 112], contiguous. ``memory_array``: float32, in which scratch memory of `scratch_size` begins at
    ``scratch``, and at ``state`` the rows of positions, ``stride`` numbers each: with ``held`` those of all n positions
    (filled up to a multiple of ``BLOCK``), which keep what was calculated for a later call to go on with, else those of
    one block. Results go to ``logits_array`` float32 [n, 1858], ``wdl_array`` [n, 3] and ``moves_left_array`` [n], or
    [0] without that head. Says whether all results so far are finite, save plies left.
    """
    weights, memory, moves = pointer(weights_array), pointer(memory_array), pointer(moves_array)
    masks, values = pointer(masks_array), pointer(values_array)
    logits, wdl, moves_left = pointer(logits_array), pointer(wdl_array), pointer(moves_left_array)
    planes, policy = masks_array.shape[1], logits_array.shape[1]
    total = _ZERO
    for block in range(begin, end, BLOCK):
        count = min(BLOCK, end - block)
        base = state + (block * stride if held else 0)
        for index in range(first, last):
            operation = program[index, _OPERATION]
            source, target, other = program[index, _SOURCE], program[index, _TARGET], program[index, _OTHER]
            depth, columns = program[index, _DEPTH], program[index, _COLUMNS]
            weight, bias, width = program[index, _WEIGHTS], program[index, _BIAS], program[index, _WIDTH]
            floor = _ZERO if program[index, _RECTIFIED] else _LOWEST
            # A product that fits into one panel may take the place of its factor, which halves what the cache must
            # hold; the steps from one to the next must then be the same.
            tiles = scratch
            step = _step(depth)
            to_step = _step(columns)
            products = tiles + BLOCK * TRANSFORMED * step
            if columns <= WIDTH * width:
                step = to_step = max(step, to_step)
                products = tiles
            work = products + BLOCK * TRANSFORMED * to_step

            outer = inner = 1
            if operation == _CONVOLUTION:
                for i in range(count):
                    place = base + i * stride + source
                    to_tiles(memory, place, depth, tiles + i * TRANSFORMED * step, step, work)
                inner, groups = TRANSFORMED, count
                a, row, group, a_outer, a_inner = tiles, depth, TRANSFORMED * step, 0, step
                c, to_row, to_group, c_outer, c_inner = products, columns, TRANSFORMED * to_step, 0, to_step
                b_inner = depth * columns
            elif operation == _POINTWISE:
                outer, inner, groups = count, 8, 2
                a, row, group = base + source + (EDGE + 1) * depth, depth, ROWS * depth
                a_outer, a_inner = stride, EDGE * depth
                c, to_row, to_group, c_outer, c_inner = base + target, columns, ROWS * columns, stride, 8 * columns
                b_inner = 0
            else:
                # Rows go in fours; what is calculated for rows behind the last position is never read.
                groups = (count + ROWS - 1) // ROWS if operation == _DENSE else 0
                a, row, group, a_outer, a_inner = base + source, stride, ROWS * stride, 0, 0
                c, to_row, to_group, c_outer, c_inner = base + target, stride, ROWS * stride, 0, 0
                b_inner = 0
            if groups > 0:
                for i in range(outer):
                    for k in range(inner):
                        matrix_product(
                            memory, a + i * a_outer + k * a_inner, row, group, groups,
                            weights, weight + k * b_inner,
                            memory, c + i * c_outer + k * c_inner, to_row, to_group, depth, columns, width,
                        )  # fmt: skip
            for i in range(count):
                start = base + i * stride
                if operation == _CONVOLUTION:
                    skip = start + other if other >= 0 else -1
                    place = products + i * TRANSFORMED * to_step
                    from_tiles(memory, place, to_step, columns, weights, bias, skip, floor, start + target, work)
                elif operation in (_DENSE, _POINTWISE):
                    rows = 64 if operation == _POINTWISE else 1
                    _shift(memory, start + target, rows, weights, bias, columns, floor)
                elif operation == _FIRST_LAYER:
                    place = (block + i) * planes
                    first_layer(
                        masks, values, place, weights, weight, bias, columns, floor, memory, start + target, scratch
                    )
                elif operation == _POOL:
                    _pool(memory, start, source, target, columns)
                elif operation == _EXCITE:
                    _excite(memory, start, source, target, other, columns, floor)
                elif operation == _MISH:
                    mish(memory, start + target, columns)
                elif operation == _TANH:
                    put(memory, start + target, np.float32(math.tanh(number(memory, start + target))))
                elif operation == _POLICY:
                    for move in range(policy):
                        logit = number(memory, start + source + number(moves, move))
                        put(logits, (block + i) * policy + move, logit)
                elif operation == _RESULTS:
                    win, draw, loss = _win_draw_loss(memory, start + source, columns)
                    put(wdl, 3 * (block + i), win)
                    put(wdl, 3 * (block + i) + 1, draw)
                    put(wdl, 3 * (block + i) + 2, loss)
                    if other >= 0:
                        put(moves_left, block + i, number(memory, start + other))
                    # Zero times a number is zero only if it is finite.
                    total += abs(_ZERO * win) + abs(_ZERO * draw) + abs(_ZERO * loss)
                    for move in range(policy):
                        total += abs(_ZERO * number(logits, (block + i) * policy + move))
    return total == _ZERO
