"""Writing a residual tower and the convolutions of its heads."""

from __future__ import annotations

import numpy as np
from torch import nn

from engines.networks.architecture import Network
from engines.networks.compiled.first_layer import first_layer_weights
from engines.networks.compiled.operations import NOWHERE, Operation, Place
from engines.networks.compiled.products import WIDEST
from engines.networks.compiled.winograd import BOARD, TILES, TRANSFORMED, filters_transformed
from engines.networks.compiled.writer import Writer, filled_up, numbers_of
from engines.networks.modules.residual import Convolution, ResidualBlock

__all__ = ["convolution", "pointwise", "residual_tower", "tokens_of"]


def residual_tower(writer: Writer, network: Network) -> Place:
    """A residual tower, layer by layer; gives its board."""
    config = network.config
    assert config.tower is not None
    body, inner = writer.board(config.tower.filters), writer.board(config.tower.filters)
    _first_layer(writer, network.input, body, config.activation)
    writer.end("input", body)
    for i, block in enumerate(network.residual_blocks, start=1):
        _residual_block(writer, block, body, inner, config.activation)
        writer.end(f"block{i}", body)
    return body


def _first_layer(writer: Writer, module: Convolution, to: Place, activation: str) -> None:
    """The first convolution, from packed planes."""
    assert module.conv.bias is not None
    weights = writer.put(first_layer_weights(filled_up(numbers_of(module.conv.weight), 0)))
    bias = writer.put(numbers_of(module.conv.bias))
    writer.count(0, channels=to.filled)
    writer.row(
        Operation.FIRST_LAYER, target=to.start, columns=to.filled, weights=weights, bias=bias,
        rectified=activation == "relu",
    )  # fmt: skip
    writer.activation(activation, to.start, BOARD * to.filled)


def convolution(
    writer: Writer, module: nn.Conv2d, board: Place, to: Place, activation: str, skip: int = NOWHERE
) -> None:
    """A 3 × 3 convolution from board to board, and what stands on the board at `skip`."""
    assert module.bias is not None
    matrices = filters_transformed(filled_up(numbers_of(module.weight), 0, 1)).transpose(0, 2, 1)
    columns, depth = matrices.shape[1:]
    parts = [writer.put_matrix(matrix, WIDEST) for matrix in matrices]
    weights, width = parts[0]
    writer.count(TILES * TRANSFORMED * depth * columns, channels=max(depth, columns))
    writer.row(
        Operation.CONVOLUTION, board.start, to.start, skip, depth=depth, columns=columns, weights=weights,
        bias=writer.put(numbers_of(module.bias)), width=width, rectified=activation == "relu",
    )  # fmt: skip
    writer.activation(activation, to.start, BOARD * columns)


def _residual_block(writer: Writer, block: ResidualBlock, body: Place, inner: Place, activation: str) -> None:
    """Two convolutions, squeeze-and-excitation if there is any, and the skip connection."""
    convolution(writer, block.conv1.conv, body, inner, activation)
    if block.se is None:
        convolution(writer, block.conv2.conv, inner, body, activation, body.start)
        return
    convolution(writer, block.conv2.conv, inner, inner, "none")
    means = writer.units(body.channels)
    writer.row(Operation.POOL, inner.start, means.start, columns=means.filled)
    hidden = writer.dense_of_units(block.se.squeeze, means, activation)
    # Scales and shifts are each filled up for themselves.
    halves = np.split(numbers_of(block.se.expand.weight), 2), np.split(numbers_of(block.se.expand.bias), 2)
    weight = np.concatenate([filled_up(half, 0, 1) for half in halves[0]])
    offsets = np.concatenate([filled_up(half, 0) for half in halves[1]])
    gates = writer.units(2 * body.filled)
    writer.dense(weight, offsets, hidden.start, gates.start, "none")
    writer.row(
        Operation.EXCITE, inner.start, body.start, gates.start, columns=body.filled, rectified=activation == "relu"
    )
    writer.activation(activation, body.start, BOARD * body.filled)


def tokens_of(writer: Writer, board: Place) -> Place:
    """The squares of a board as tokens."""
    tokens = writer.tokens(board.channels)
    writer.row(Operation.TOKENS, board.start, tokens.start, columns=board.filled)
    return tokens


def pointwise(writer: Writer, module: nn.Conv2d, tokens: Place, activation: str) -> Place:
    """A 1 × 1 convolution of tokens."""
    assert module.bias is not None
    weight = filled_up(numbers_of(module.weight)[:, :, 0, 0], 0, 1)
    to = writer.tokens(module.out_channels)
    return writer.on_squares(weight, filled_up(numbers_of(module.bias), 0), tokens, to, activation)
