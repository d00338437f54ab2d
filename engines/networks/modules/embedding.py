"""What an attention body makes of its input: one vector a square."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from engines.chess.moves import FROM_TO_INDEX
from engines.networks.modules.activations import Activation
from engines.networks.modules.attention import FeedForward
from engines.networks.modules.precision import in_type_of
from engines.networks.shapes import BOARD_PLANES, POSITION_CHANNELS, SQUARES, AttentionBody

__all__ = ["POSITION_MAP", "Embedding"]

_EPSILON = 1e-3


# 1 where a queen or a knight on an empty board gets in one move, -1 on the square itself.
_REACHED = (FROM_TO_INDEX >= 0).astype(np.float32) - np.eye(SQUARES, POSITION_CHANNELS, dtype=np.float32)

POSITION_MAP = torch.from_numpy(_REACHED)
"""float32 [64, 64]: the constants that the embedding ``"map"`` gives each square."""


class Embedding(nn.Module):
    """The first layers of an attention body.

    A dense layer on the numbers of each square and an activation function; then, in the embedding ``"dense"``, a layer
    norm; weights by square and channel that multiply and are added, if it is gated; and in the embedding ``"dense"``
    dense layers on each square.
    """

    positions: Tensor

    def __init__(self, planes: int, body: AttentionBody, activation: Activation, ffn_activation: Activation) -> None:
        super().__init__()
        self.kind = body.embedding
        self.activation = activation
        self.dense = nn.Linear(planes, body.channels, device="meta")
        self.board = self.norm = self.feed_forward = None
        if body.embedding == "dense":
            self.board = nn.Linear(SQUARES * BOARD_PLANES, SQUARES * body.dense_channels, device="meta")
            self.norm = nn.LayerNorm(body.channels, _EPSILON, device="meta")
            self.feed_forward = FeedForward(body.channels, body.dense_hidden, ffn_activation, body.skip_scale, _EPSILON)
        self.multiply = _by_square(body.channels) if body.gated else None
        self.add = _by_square(body.channels) if body.gated else None
        if body.embedding == "map":
            self.register_buffer("positions", POSITION_MAP.clone(), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map [n, 64, planes of the input or channels of a tower] to [n, 64, channels]."""
        tokens = in_type_of(self.dense.weight, tokens)
        if self.kind == "map":
            positions = self.positions.to(tokens.dtype)
            tokens = torch.cat([tokens, positions.expand(tokens.shape[0], -1, -1)], dim=2)
        elif self.board is not None:
            board = self.board(tokens[:, :, :BOARD_PLANES].flatten(1))
            tokens = torch.cat([tokens, board.view(board.shape[0], SQUARES, -1)], dim=2)
        x = self.activation(self.dense(tokens))
        if self.norm is not None:
            x = self.norm(x)
        if self.multiply is not None and self.add is not None:
            x = x * self.multiply.T + self.add.T
        return x if self.feed_forward is None else self.feed_forward(x)


def _by_square(channels: int) -> nn.Parameter:
    """[channels, 64], as files have it."""
    return nn.Parameter(torch.empty(channels, SQUARES, device="meta"))
