"""A network written out as a program for the compiled interpreter."""

from __future__ import annotations

from engines.networks.architecture import Network
from engines.networks.compiled.encoders import EncoderWriter
from engines.networks.compiled.heads import attention_policy, policy, results
from engines.networks.compiled.operations import Program
from engines.networks.compiled.tower import residual_tower, tokens_of
from engines.networks.compiled.writer import Writer
from engines.networks.shapes import AttentionPolicy

__all__ = ["program_of"]


def program_of(network: Network) -> Program:
    """Write out a network without batch normalisation.

    Args:
        network: as `Network.folded` gives it, float32 on the CPU; it is only read.
    """
    config = network.config
    writer = Writer()
    encoders = EncoderWriter(writer, network)
    board = None if config.tower is None else residual_tower(writer, network)
    tokens = None
    if config.attention is not None:
        tokens = encoders.embedding(board)
        encoders.encoders("encoder", network.body_encoders, tokens)
    body = tokens or board
    assert body is not None
    if isinstance(config.policy, AttentionPolicy):
        moves = attention_policy(writer, network, tokens or tokens_of(writer, body), encoders)
    else:
        moves = policy(writer, network, body)
    results(writer, network, body)
    return writer.program(moves)
