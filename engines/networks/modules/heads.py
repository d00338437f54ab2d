"""The heads: what a network says of a position, from what its body gives on each square.

The modules of the heads in use are those of the network itself (``policy_hidden``, ``value`` …); further heads of a
file have the same modules in a container of their own.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from engines.chess.moves import POLICY_SIZE
from engines.networks.config import NetworkConfig
from engines.networks.modules.activations import activation_called
from engines.networks.modules.attention import EncoderLayer
from engines.networks.modules.residual import Convolution
from engines.networks.policy_planes import ATTENTION_POLICY_INDEX, CONVOLUTION_POLICY_INDEX
from engines.networks.shapes import (
    SQUARES,
    AttentionPolicy,
    ConvolutionPolicy,
    Encoder,
    MovesLeftHead,
    PolicyHead,
    ValueHead,
)

__all__ = [
    "HeadModules",
    "add_moves_left",
    "add_policy",
    "add_value",
    "attention_policy_logits",
    "encoder_layer",
]

_POLICY_EPSILON = 1e-6


class HeadModules(nn.Module):
    """Holds the modules of heads, by the names of the layers that they give."""

    policy_hidden: Convolution
    policy: nn.Conv2d | nn.Linear
    policy_embedding: nn.Linear
    policy_query: nn.Linear
    policy_key: nn.Linear
    policy_promotion: nn.Linear
    _policy_index: Tensor
    value_conv: Convolution
    value_embedding: nn.Linear
    value_hidden: nn.Linear
    value: nn.Linear
    value_error: nn.Linear
    value_categories: nn.Linear
    moves_left_conv: Convolution
    moves_left_embedding: nn.Linear
    moves_left_hidden: nn.Linear
    moves_left: nn.Linear

    def encoders(self, name: str, count: int) -> list[EncoderLayer]:
        """Give the modules ``name1`` … in forward order."""
        found = [self.get_submodule(f"{name}{i}") for i in range(1, count + 1)]
        assert all(isinstance(layer, EncoderLayer) for layer in found)
        return found  # type: ignore[return-value]  # as the line before says


def add_policy(to: HeadModules, head: PolicyHead, config: NetworkConfig, *, batch_norm: bool) -> None:
    """Give `to` the modules of a policy head."""
    channels = config.channels
    if isinstance(head, AttentionPolicy):
        _add_attention_policy(to, head, config)
        index = ATTENTION_POLICY_INDEX
    elif isinstance(head, ConvolutionPolicy):
        to.policy_hidden = Convolution(channels, channels, 3, batch_norm=batch_norm)
        to.policy = nn.Conv2d(channels, head.planes, 3, padding=1, device="meta")
        plane, origin = np.divmod(CONVOLUTION_POLICY_INDEX, SQUARES)
        # Square by square: with the channels innermost, as they are in agents, gathering copies nothing.
        index = origin * head.planes + plane
    else:
        to.policy_hidden = Convolution(channels, head.planes, 1, batch_norm=batch_norm)
        to.policy = nn.Linear(head.planes * SQUARES, POLICY_SIZE, device="meta")
        return
    to.register_buffer("_policy_index", torch.from_numpy(index.copy()), persistent=False)


def _add_attention_policy(to: HeadModules, head: AttentionPolicy, config: NetworkConfig) -> None:
    if head.own_embedding:
        to.policy_embedding = nn.Linear(config.channels, head.channels, device="meta")
    for i, encoder in enumerate(head.encoders, start=1):
        # Whatever the body's: lc0's BLAS and CUDA back ends have this epsilon here, and nothing to scale the sum by.
        layer = encoder_layer(config, head.channels, encoder, 1.0, _POLICY_EPSILON)
        to.add_module(f"policy_encoder{i}", layer)
    to.policy_query = nn.Linear(head.channels, head.width, device="meta")
    to.policy_key = nn.Linear(head.channels, head.width, device="meta")
    to.policy_promotion = nn.Linear(head.width, 4, bias=False, device="meta")


def add_value(to: HeadModules, head: ValueHead, config: NetworkConfig, *, batch_norm: bool) -> None:
    """Give `to` the modules of a value head."""
    _add_squares(to, "value", head.planes, config, batch_norm)
    to.value_hidden = nn.Linear(head.planes * SQUARES, head.hidden, device="meta")
    to.value = nn.Linear(head.hidden, head.outputs, device="meta")
    if head.error:
        to.value_error = nn.Linear(head.hidden, 1, device="meta")
    if head.categories:
        to.value_categories = nn.Linear(head.hidden, head.categories, device="meta")


def add_moves_left(to: HeadModules, head: MovesLeftHead, config: NetworkConfig, *, batch_norm: bool) -> None:
    """Give `to` the modules of a head for the plies left."""
    _add_squares(to, "moves_left", head.planes, config, batch_norm)
    to.moves_left_hidden = nn.Linear(head.planes * SQUARES, head.hidden, device="meta")
    to.moves_left = nn.Linear(head.hidden, 1, device="meta")


def _add_squares(to: HeadModules, name: str, planes: int, config: NetworkConfig, batch_norm: bool) -> None:
    """The first layer of a head, on each square."""
    if config.attention is None:
        to.add_module(f"{name}_conv", Convolution(config.channels, planes, 1, batch_norm=batch_norm))
    else:
        to.add_module(f"{name}_embedding", nn.Linear(config.channels, planes, device="meta"))


def encoder_layer(
    config: NetworkConfig, channels: int, encoder: Encoder, skip_scale: float, epsilon: float
) -> EncoderLayer:
    """Give an encoder of a body or of a policy head."""
    return EncoderLayer(
        channels,
        encoder,
        activation_called(config.feed_forward_activation),
        activation_called(config.generating_activation),
        skip_scale=skip_scale,
        epsilon=epsilon,
    )


def attention_policy_logits(query: Tensor, key: Tensor, promotion: nn.Linear, index: Tensor) -> Tensor:
    """Give the logits of all moves.

    A move from s to t has the logit q(s) · k(t) / √width. A promotion on the last rank adds to it what `promotion`
    makes of k(t): a number for its piece, and one for all three.

    Args:
        query: [n, 64, width].
        key: [n, 64, width].
        promotion: from width to queen, rook, bishop and all.
        index: int64 [1858], `ATTENTION_POLICY_INDEX`.

    Returns:
        [n, 1858].
    """
    logits = query @ key.transpose(1, 2) * query.shape[2] ** -0.5
    extra = promotion(key[:, -8:])  # [n, file to, 4]
    extra = extra[:, :, :3] + extra[:, :, 3:]
    promotions = logits[:, -16:-8, -8:, None] + extra[:, None]  # [n, file from, file to, piece]
    return torch.cat([logits.flatten(1), promotions.flatten(1)], dim=1).index_select(1, index)
