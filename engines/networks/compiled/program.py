"""A network written out as a program for the compiled interpreter."""

from __future__ import annotations

import numpy as np
from torch import nn

from engines.chess.moves import POLICY_SIZE
from engines.networks.architecture import ResidualNetwork
from engines.networks.compiled.operations import NOWHERE, Operation, Place, Program
from engines.networks.compiled.tower import convolution, first_layer, pointwise, residual_block, tokens_of
from engines.networks.compiled.winograd import EDGE
from engines.networks.compiled.writer import SQUARES, Writer
from engines.networks.policy_planes import CONVOLUTION_POLICY_INDEX

__all__ = ["program_of"]


def program_of(network: ResidualNetwork) -> Program:
    """Write out a network without batch normalisation.

    Args:
        network: as `ResidualNetwork.folded` gives it, float32 on the CPU; it is only read.
    """
    config = network.config
    activation = config.activation
    writer = Writer()
    body, inner = writer.board(config.filters), writer.board(config.filters)
    first_layer(writer, network.input, body, activation)
    writer.end("input", body)
    for i, block in enumerate(network.residual_blocks, start=1):
        residual_block(writer, block, body, inner, activation)
        writer.end(f"block{i}", body)
    if isinstance(network.policy, nn.Conv2d):
        convolution(writer, network.policy_hidden.conv, body, inner, activation)
        writer.end("policy_hidden", inner)
        logits = writer.board(config.policy_planes)
        convolution(writer, network.policy, inner, logits, "none")
        plane, square = np.divmod(CONVOLUTION_POLICY_INDEX, SQUARES)
        moves = ((square // 8 + 1) * EDGE + square % 8 + 1) * logits.filled + plane
    else:
        hidden = pointwise(writer, network.policy_hidden.conv, tokens_of(writer, body), activation)
        writer.end("policy_hidden", hidden)
        logits = writer.dense_of_squares(network.policy, hidden, "none", channels_first=True)
        moves = np.arange(POLICY_SIZE)
    writer.row(Operation.POLICY, logits.start)
    writer.end("policy", None)
    value = _head(writer, network, "value", body, "tanh" if config.value == "scalar" else "none")
    plies = _head(writer, network, "moves_left", body, "relu").start if config.moves_left else NOWHERE
    writer.row(Operation.RESULTS, value.start, other=plies, columns=value.channels)
    return writer.program(moves)


def _head(writer: Writer, network: ResidualNetwork, name: str, body: Place, last: str) -> Place:
    """A few planes, a hidden layer, and the last layer with its own activation function."""
    activation = network.config.activation
    planes = pointwise(writer, getattr(network, f"{name}_conv").conv, tokens_of(writer, body), activation)
    writer.end(f"{name}_conv", planes)
    hidden = writer.dense_of_squares(getattr(network, f"{name}_hidden"), planes, activation, channels_first=True)
    writer.end(f"{name}_hidden", hidden)
    output = writer.dense_of_units(getattr(network, name), hidden, last)
    writer.end(name, output)
    return output
