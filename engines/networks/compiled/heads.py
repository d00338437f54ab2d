"""Writing the heads of a network, on a tower's board or on an attention body's tokens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from engines.chess.moves import POLICY_SIZE
from engines.networks.architecture import Network
from engines.networks.compiled.attention import PAIRS, PROMOTIONS
from engines.networks.compiled.encoders import EncoderWriter
from engines.networks.compiled.lanes import WIDTH
from engines.networks.compiled.operations import NOWHERE, Operation, Place
from engines.networks.compiled.products import NO_BIAS
from engines.networks.compiled.tower import convolution, pointwise, tokens_of
from engines.networks.compiled.winograd import EDGE
from engines.networks.compiled.writer import SQUARES, Writer, filled_up, numbers_of
from engines.networks.modules.residual import Convolution
from engines.networks.policy_planes import ATTENTION_POLICY_INDEX, CONVOLUTION_POLICY_INDEX
from engines.networks.shapes import AttentionPolicy

__all__ = ["attention_policy", "policy", "results"]

_LAST_RANK = 56


def policy(writer: Writer, network: Network, board: Place) -> NDArray[np.int64]:
    """A policy head on a tower; gives where each move's logit lies."""
    moves: NDArray[np.int64]
    activation = network.config.activation
    if isinstance(network.policy, nn.Conv2d):
        hidden = writer.board(board.channels)
        convolution(writer, network.policy_hidden.conv, board, hidden, activation)
        writer.end("policy_hidden", hidden)
        logits = writer.board(network.policy.out_channels)
        convolution(writer, network.policy, hidden, logits, "none")
        plane, square = np.divmod(CONVOLUTION_POLICY_INDEX, SQUARES)
        moves = ((square // 8 + 1) * EDGE + square % 8 + 1) * logits.filled + plane
    else:
        hidden = pointwise(writer, network.policy_hidden.conv, tokens_of(writer, board), activation)
        writer.end("policy_hidden", hidden)
        logits = writer.dense_of_squares(network.policy, hidden, "none", channels_first=True)
        moves = np.arange(POLICY_SIZE)
    writer.row(Operation.POLICY, logits.start)
    writer.end("policy", None)
    return moves


def attention_policy(writer: Writer, network: Network, tokens: Place, encoders: EncoderWriter) -> NDArray[np.int64]:
    """A policy head of queries and keys; gives where each move's logit lies."""
    assert isinstance(network.config.policy, AttentionPolicy)
    activation = network.config.policy_activation
    embedded = writer.linear(network.embedding_of_policy(), tokens, activation)
    writer.end("policy_embedding", embedded)
    encoders.encoders("policy_encoder", network.policy_encoders, embedded)
    query = writer.linear(network.policy_query, embedded, "none")
    writer.end("policy_query", query)
    key = writer.linear(network.policy_key, embedded, "none")
    writer.end("policy_key", key)
    logits, extra = writer.room(PAIRS + PROMOTIONS), writer.room(8 * WIDTH)
    writer.count(PAIRS * query.channels, head_channels=query.filled)
    writer.row(
        Operation.PAIRS, query.start, logits, key.start, depth=query.filled,
        weights=writer.put(np.array([query.channels**-0.5])),
    )  # fmt: skip
    weights = writer.put_matrix(filled_up(numbers_of(network.policy_promotion.weight), 0, 1))
    last_rank = key.start + _LAST_RANK * key.filled
    writer.product(last_rank, extra, weights, int(NO_BIAS), (8, key.filled, WIDTH), "none")
    writer.row(Operation.PROMOTIONS, extra, logits)
    writer.row(Operation.POLICY, logits)
    writer.end("policy", None)
    return ATTENTION_POLICY_INDEX


def results(writer: Writer, network: Network, body: Place) -> None:
    """The other heads, on a board or on tokens, and what becomes of their numbers."""
    config = network.config
    value = _head(writer, network, "value", body, "tanh" if config.value.scalar else "none")
    plies = NOWHERE if config.moves_left is None else _head(writer, network, "moves_left", body, "relu").start
    writer.row(Operation.RESULTS, value.start, other=plies, columns=value.channels)


def _head(writer: Writer, network: Network, name: str, body: Place, last: str) -> Place:
    """A few numbers a square, a hidden layer, and the last layer with its own activation function."""
    activation = network.config.activation
    on_board = network.config.attention is None
    if on_board:
        layer = f"{name}_conv"
        module: Convolution = getattr(network, layer)
        planes = pointwise(writer, module.conv, tokens_of(writer, body), activation)
    else:
        layer = f"{name}_embedding"
        planes = writer.linear(getattr(network, layer), body, activation)
    writer.end(layer, planes)
    hidden = writer.dense_of_squares(getattr(network, f"{name}_hidden"), planes, activation, channels_first=on_board)
    writer.end(f"{name}_hidden", hidden)
    output = writer.dense_of_units(getattr(network, name), hidden, last)
    writer.end(name, output)
    return output
