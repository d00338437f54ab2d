"""Networks in 16 bits: which weights are rounded, and which must not be.

What a 16-bit layer reads, weighs and gives has 11 significant bits in float16 and 8 in bfloat16; sums are float32 in
either. The layers that stay in float32 were found by rounding one kind of layer at a time
(``experiments.check_precision`` measures the whole):

- *The last layers of the heads, in both types.* They cost next to nothing, and rounded logits alone change the best
  move in 1 to 2 % of positions in bfloat16 and in up to 0.3 % in float16.
- *All but the products of blocks and encoders, in bfloat16*: the first layer, the sums of skip connections,
  squeeze-and-excitation, norms, the softmax of the attention, and the heads.
- *The first and the last block or encoder, in bfloat16*: they carry more of the error than any between them.
- *Networks of fewer than 64 channels, in bfloat16, as a whole.* Their sums are short, rounding does not average out in
  them, and what they cost is not the products.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import torch
from torch import nn

from engines.networks.architecture import Network
from engines.networks.config import AttentionPolicy

__all__ = ["DTYPES", "FEWEST_CHANNELS", "prepared", "round_weights"]

DTYPES: Final = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

FEWEST_CHANNELS: Final = 64
"""Channels below which bfloat16 leaves a network in float32."""


def prepared(network: Network, device: torch.device, dtype: str) -> Network:
    """Give a copy of a network that is ready to be asked: in evaluation mode, without batch normalisation.

    Args:
        network: any network.
        device: where to.
        dtype: one of `DTYPES`.
    """
    plain = network.folded().to(device=device, dtype=torch.float32)
    round_weights(plain, DTYPES[dtype])
    # Convolutions on tensors with the channels innermost are the faster ones, on processors and on GPUs.
    return plain.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]  # missing in stubs


def round_weights(network: Network, dtype: torch.dtype, *, fewest_channels: int = FEWEST_CHANNELS) -> None:
    """Bring the weights that `dtype` allows for, in place, from float32 to `dtype`.

    Args:
        network: in float32, without batch normalisation.
        dtype: one of `DTYPES`.
        fewest_channels: below so many bfloat16 leaves the network in float32.
    """
    if dtype == torch.float16:
        network.to(dtype)
        for layer in _last_layers(network):
            layer.float()
    elif dtype == torch.bfloat16 and network.config.channels >= fewest_channels:
        for layer in _inner_products(network):
            layer.to(dtype)


def _last_layers(network: Network) -> Iterator[nn.Module]:
    if isinstance(network.config.policy, AttentionPolicy):
        yield from (network.policy_query, network.policy_key, network.policy_promotion)
    else:
        yield network.policy
    yield network.value
    if network.config.moves_left is not None:
        yield network.moves_left


def _inner_products(network: Network) -> Iterator[nn.Module]:
    """The convolutions and dense layers of all blocks and encoders but the first and the last."""
    for block in network.residual_blocks[1:-1]:
        yield from (block.conv1, block.conv2)
    for encoder in network.body_encoders[1:-1]:
        attention, feed_forward = encoder.attention, encoder.feed_forward
        yield from (attention.query, attention.key, attention.value, attention.output)
        yield from (feed_forward.dense1, feed_forward.dense2)
