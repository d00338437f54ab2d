"""Networks in 16 bits: which of their weights are rounded, and which must not be.

A layer of 16 bits rounds what it reads, its weights and what it gives: to 11 significant bits in float16, to 8 in
bfloat16. Its sums are float32 in either. The rules were found by rounding one kind of layer at a time in trained
networks of 64 channels and fewer, until the best move stayed the same in 99.5 % of positions with something to spare:

- *float16* rounds all but the last layers of the heads. Those cost next to nothing, and rounded logits alone change the
  best move in up to 0.3 % of positions (in bfloat16, up to 2.3 %).
- *bfloat16* rounds only the second layers: within a block the second convolution, within an encoder the last layer of
  the attention and of the dense part. They read what one layer made. What reads the sums of skip connections errs more
  for its larger numbers; those sums, norms, gates, softmax, the first layer and the heads stay in float32 as well.
- *bfloat16* leaves the first and the last block or encoder alone, which carried more of the error than any between
  them in one of the two networks looked at,
- and all of a network of fewer than 64 channels, where sums are short and rounding does not average out.

Rounding everything to bfloat16 changes the best move in 1.5 to 3.3 % of positions (four networks). What stays in
float32 beside 16 bits may be multiplied as TF32 on a GPU, which has the 11 bits of float16.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import torch
from torch import nn

from engines.networks.architecture import Network
from engines.networks.shapes import AttentionPolicy

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
        for layer in _second_layers(network):
            layer.to(dtype)


def _last_layers(network: Network) -> Iterator[nn.Module]:
    if isinstance(network.config.policy, AttentionPolicy):
        yield from (network.policy_query, network.policy_key, network.policy_promotion)
    else:
        yield network.policy
    yield network.value
    if network.config.moves_left is not None:
        yield network.moves_left


def _second_layers(network: Network) -> Iterator[nn.Module]:
    """What reads the inner results of all blocks and encoders but the first and the last."""
    for block in network.residual_blocks[1:-1]:
        yield block.conv2
    for encoder in network.body_encoders[1:-1]:
        yield from (encoder.attention.output, encoder.feed_forward.dense2)
