"""Writing the embedding of an attention body, and encoders, also those of a policy head."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from torch import nn

from engines.chess.encoding import INPUT_PLANES
from engines.networks.architecture import Network
from engines.networks.compiled.embedding import embedding_weights
from engines.networks.compiled.operations import NOWHERE, ONTO, Operation, Place
from engines.networks.compiled.products import NO_BIAS, ROWS
from engines.networks.compiled.tower import tokens_of
from engines.networks.compiled.writer import SQUARES, Writer, filled, filled_up, numbers_of
from engines.networks.modules.attention import EncoderLayer, FeedForward, SelfAttention, SmolgenLayers
from engines.networks.modules.embedding import POSITION_MAP
from engines.networks.shapes import BOARD_PLANES

__all__ = ["EncoderWriter"]

_PAIRS = SQUARES * SQUARES


class EncoderWriter:
    """Writes encoders.

    They all work in the same room: queries, keys and values, and later the hidden layer on each square, lie in a wide
    part of it, what becomes of them in a narrow one. The tokens themselves are written over by each layer.
    """

    def __init__(self, writer: Writer, network: Network) -> None:
        self._writer = writer
        self._network = network
        if network.config.generated:
            weight = numbers_of(network.smolgen_weights.weight)
            # Attention goes through the keys first: from [from, to] to [to, from].
            weight = weight.reshape(SQUARES, SQUARES, -1).transpose(1, 0, 2).reshape(_PAIRS, -1)
            self._generate = writer.put_matrix(filled_up(weight, 1))

    def embedding(self, tower: Place | None) -> Place:
        """The first layers of an attention body, from packed planes or from a tower's board; they are ended."""
        writer, config, module = self._writer, self._network.config, self._network.embedding
        assert config.attention is not None
        tokens = writer.tokens(config.attention.channels)
        if tower is None:
            self._from_planes(tokens)
        else:
            writer.linear(module.dense, tokens_of(writer, tower), config.activation, tokens)
        if module.norm is not None:
            writer.norm(module.norm, tokens.start, tokens.start, SQUARES)
        if module.multiply is not None and module.add is not None:
            gates = np.concatenate([filled_up(numbers_of(part).T, 1).ravel() for part in (module.multiply, module.add)])
            writer.row(Operation.GATE, target=tokens.start, columns=gates.size // 2, weights=writer.put(gates))
        if module.feed_forward is not None:
            self._feed_forward(module.feed_forward, tokens)
        writer.end("embedding", tokens)
        return tokens

    def encoders(self, name: str, layers: Iterable[EncoderLayer], tokens: Place) -> None:
        """Encoders, one after the other, each of which is two layers of the network."""
        for i, layer in enumerate(layers, start=1):
            self._attention(layer.attention, tokens)
            self._writer.end(f"{name}{i}_attention", tokens)
            self._feed_forward(layer.feed_forward, tokens)
            self._writer.end(f"{name}{i}", tokens)

    def _from_planes(self, tokens: Place) -> None:
        """The dense layer on the planes of each square and on what it knows beside them."""
        writer, config, module = self._writer, self._network.config, self._network.embedding
        weight = filled_up(numbers_of(module.dense.weight), 0)
        each = np.tile(filled_up(numbers_of(module.dense.bias), 0), (SQUARES, 1))
        if module.board is None:
            each += numbers_of(POSITION_MAP) @ weight[:, INPUT_PLANES:].T
        writer.row(
            Operation.EMBED_PLANES, target=tokens.start, other=writer.room(tokens.filled), columns=tokens.filled,
            weights=writer.put(embedding_weights(weight[:, :INPUT_PLANES].T)), bias=writer.put(each),
        )  # fmt: skip
        if module.board is None:
            writer.activation(config.activation, tokens.start, SQUARES * tokens.filled, rectified=False)
            return
        board = writer.tokens(module.board.out_features // SQUARES, "wide")
        writer.row(
            Operation.EMBED_BOARD, target=board.start, depth=BOARD_PLANES, columns=SQUARES * board.filled,
            weights=writer.put(_weights_of_board(module.board)), bias=writer.put(_by_square(module.board.bias)),
        )  # fmt: skip
        more = writer.put_matrix(filled_up(weight[:, INPUT_PLANES:], 1))
        shape = (SQUARES, board.filled, tokens.filled)
        writer.product(board.start, tokens.start, more, ONTO, shape, config.activation)

    def _attention(self, module: SelfAttention, tokens: Place) -> None:
        """Attention between squares, added to the tokens and normalised."""
        writer, heads = self._writer, module.heads
        depth = module.query.out_features // heads
        columns = filled(depth)
        width = heads * columns
        other = NOWHERE if module.smolgen is None else self._smolgen(module.smolgen, tokens)
        layers = (module.query, module.key, module.value)
        weight = np.concatenate([_by_head(numbers_of(layer.weight), heads) for layer in layers])
        bias = np.concatenate([_by_head(numbers_of(layer.bias)[:, None], heads)[:, 0] for layer in layers])
        parts, mixed = writer.tokens(3 * width, "wide"), writer.tokens(width, "narrow")
        writer.on_squares(filled_up(weight, 1), bias, tokens, parts, "none")
        writer.count(2 * _PAIRS * heads * depth, head_channels=columns)
        writer.row(
            Operation.ATTENTION, parts.start, mixed.start, other, rows=heads, depth=depth, columns=columns,
            weights=writer.put(np.array([depth**-0.5])),
        )  # fmt: skip
        # By now queries, keys and values are used up.
        out = writer.tokens(tokens.channels, "wide")
        weight = filled_up(_by_head(numbers_of(module.output.weight).T, heads).T, 0)
        writer.on_squares(weight, filled_up(numbers_of(module.output.bias), 0), mixed, out, "none")
        writer.norm(module.norm, out.start, tokens.start, SQUARES, skip=tokens.start, scale=module.skip_scale)

    def _feed_forward(self, module: FeedForward, tokens: Place) -> None:
        """Two dense layers on each square, added to the tokens and normalised."""
        activation = self._network.config.feed_forward_activation
        writer = self._writer
        hidden = writer.linear(module.dense1, tokens, activation, writer.tokens(module.dense1.out_features, "wide"))
        out = writer.linear(module.dense2, hidden, "none", writer.tokens(tokens.channels, "narrow"))
        writer.norm(module.norm, out.start, tokens.start, SQUARES, skip=tokens.start, scale=module.skip_scale)

    def _smolgen(self, module: SmolgenLayers, tokens: Place) -> int:
        """What the whole position adds to the weights of attention; gives where it lies."""
        writer, heads, activation = self._writer, module.heads, self._network.config.generating_activation
        compressed = writer.tokens(module.compress.out_features, "narrow")
        writer.linear(module.compress, tokens, "none", compressed)
        hidden = writer.dense_of_squares(module.dense1, compressed, activation)
        writer.norm(module.norm1, hidden.start, hidden.start, 1)
        # Heads go in fours, as rows of a product do.
        rows, generated = filled(heads, ROWS), filled(module.dense2.out_features // heads)
        target, weights = writer.shared("generated", rows * generated), writer.shared("weights", rows * _PAIRS)
        weight = filled_up(_by_head(numbers_of(module.dense2.weight), heads), 1)
        bias = _by_head(numbers_of(module.dense2.bias)[:, None], heads)[:, 0]
        writer.dense(weight, bias, hidden.start, target, activation)
        writer.norm(module.norm2, target, target, 1, parts=heads)
        writer.product(target, weights, self._generate, int(NO_BIAS), (heads, generated, _PAIRS), "none")
        return weights


def _by_head(weight: NDArray[np.float64], heads: int) -> NDArray[np.float64]:
    """Weights [heads · channels, depth], the channels of each head filled up for themselves."""
    depth = weight.shape[1]
    return filled_up(weight.reshape(heads, -1, depth), 1).reshape(-1, depth)


def _by_square(bias: nn.Parameter) -> NDArray[np.float64]:
    """Numbers [64 · channels], the channels of each square filled up for themselves."""
    return filled_up(numbers_of(bias).reshape(SQUARES, -1), 1).ravel()


def _weights_of_board(module: nn.Linear) -> NDArray[np.float64]:
    """The weights of a board's planes on all squares: [planes, 64 (from), 64 (to) · channels filled up]."""
    weight = numbers_of(module.weight).reshape(SQUARES, -1, SQUARES, BOARD_PLANES)
    return filled_up(weight, 1).transpose(3, 2, 0, 1).reshape(BOARD_PLANES, SQUARES, -1)
