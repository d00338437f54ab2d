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
from engines.networks.compiled.attention import attention, pairs, promotions
from engines.networks.compiled.embedding import embed_board, embed_planes
from engines.networks.compiled.first_layer import TAPS, first_layer
from engines.networks.compiled.lanes import WIDTH, add, fma, higher, load, multiply, number, pointer, put, splat, store
from engines.networks.compiled.nonlinear import activate, sigmoid
from engines.networks.compiled.norms import gate, layer_norm
from engines.networks.compiled.operations import FIELDS, Operation
from engines.networks.compiled.products import ADJACENT, IN_PANELS, NO_BIAS, ROWS, matrix_product
from engines.networks.compiled.winograd import BOARD, EDGE, TILES, TRANSFORMED, from_tiles, to_tiles

__all__ = ["BLOCK", "run", "scratch_size"]

BLOCK: Final = 16
"""Positions that go through an operation together; a multiple of four."""

(
    _OPERATION, _SOURCE, _TARGET, _OTHER, _ROWS, _DEPTH, _COLUMNS, _WEIGHTS, _BIAS, _WIDTH, _KIND, _RECTIFIED
) = range(len(FIELDS))  # fmt: skip
(
    _FIRST_LAYER, _CONVOLUTION, _POOL, _EXCITE, _TOKENS, _EMBED_PLANES, _EMBED_BOARD, _DENSE, _PRODUCT, _ACTIVATION,
    _NORM, _GATE, _ATTENTION, _PAIRS, _PROMOTIONS, _POLICY, _RESULTS,
) = (int(operation) for operation in Operation)  # fmt: skip
_SQUARES: Final = 64
_ZERO: Final = np.float32(0.0)
_HALF: Final = np.float32(0.5)
_ONE: Final = np.float32(1.0)
_LOWEST: Final = np.float32(-np.inf)
_A_SQUARE: Final = np.float32(1 / 64)


def scratch_size(channels: int, head_channels: int) -> int:
    """Numbers of scratch memory that a run needs when no convolution and no attention head has more channels."""
    tiles: int = BLOCK * TRANSFORMED * _step(channels)
    convolution = 2 * tiles + max((BOARD + TAPS) * channels, TRANSFORMED * WIDTH)
    return max(convolution, _SQUARES * (_SQUARES + head_channels))


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
def _tokens(memory, source, target, columns):
    for rank in range(1, 9):
        place = source + (rank * EDGE + 1) * columns
        for c in range(0, 8 * columns, WIDTH):
            store(memory, target + c, load(memory, place + c))
        target += 8 * columns


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
            rows, depth, columns = program[index, _ROWS], program[index, _DEPTH], program[index, _COLUMNS]
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

            a, row, group, a_step = base + source, depth, ROWS * depth, 0
            c, to_row, to_group, c_step = base + target, columns, ROWS * columns, 0
            groups, blocks, first_sum, lowest = (rows + ROWS - 1) // ROWS, count, bias, floor
            if operation == _CONVOLUTION:
                for i in range(count):
                    place = base + i * stride + source
                    to_tiles(memory, place, depth, tiles + i * TRANSFORMED * step, step, work)
                factors = TRANSFORMED
                a, group, a_step = tiles, TRANSFORMED * step, step
                c, to_group, c_step = products, TRANSFORMED * to_step, to_step
                groups, blocks, first_sum, lowest = count, 1, NO_BIAS, _LOWEST
            elif operation == _DENSE:
                # Rows go in fours; what is calculated for rows behind the last position is never read.
                factors = 1
                row, group, to_row, to_group = stride, ROWS * stride, stride, ROWS * stride
                groups, blocks = (count + ROWS - 1) // ROWS, 1
            else:
                factors = 1 if operation == _PRODUCT else 0
            for k in range(factors):
                matrix_product(
                    memory, a + k * a_step, row, group, stride, ADJACENT, weights, weight + k * depth * columns,
                    IN_PANELS, weights, first_sum, memory, c + k * c_step, to_row, to_group, stride, depth, columns,
                    width, groups, blocks, lowest,
                )  # fmt: skip
            for i in range(count):
                start = base + i * stride
                here = (block + i) * planes
                if operation == _CONVOLUTION:
                    skip = start + other if other >= 0 else -1
                    place = products + i * TRANSFORMED * to_step
                    from_tiles(memory, place, to_step, columns, weights, bias, skip, floor, start + target, work)
                elif operation == _FIRST_LAYER:
                    first_layer(
                        masks, values, here, weights, weight, bias, columns, floor, memory, start + target, scratch
                    )
                elif operation == _POOL:
                    _pool(memory, start, source, target, columns)
                elif operation == _EXCITE:
                    _excite(memory, start, source, target, other, columns, floor)
                elif operation == _TOKENS:
                    _tokens(memory, start + source, start + target, columns)
                elif operation == _EMBED_PLANES:
                    embed_planes(
                        masks, values, here, weights, weight, bias, columns, memory, start + target, start + other
                    )
                elif operation == _EMBED_BOARD:
                    embed_board(masks, values, here, depth, weights, weight, bias, columns, memory, start + target)
                elif operation == _ACTIVATION:
                    activate(memory, start + target, columns, program[index, _KIND])
                elif operation == _NORM:
                    skip = start + other if other >= 0 else -1
                    layer_norm(memory, start + source, skip, start + target, rows, columns, weights, weight)
                elif operation == _GATE:
                    gate(memory, start + target, columns, weights, weight)
                elif operation == _ATTENTION:
                    more = start + other if other >= 0 else -1
                    scale = number(weights, weight)
                    attention(
                        memory, start + source, more, start + target, rows, depth, columns, scale, weights, scratch
                    )
                elif operation == _PAIRS:
                    scale = number(weights, weight)
                    pairs(memory, start + source, start + other, depth, start + target, scale, weights, scratch)
                elif operation == _PROMOTIONS:
                    promotions(memory, start + source, start + target)
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
