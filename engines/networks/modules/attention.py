"""Encoders as Leela has them: attention between the 64 squares, layer norms, and smolgen.

Everything here works on *tokens*, [n, 64, channels]: one vector a square, a1 first and h8 last as the side to move sees
them.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from engines.networks.modules.activations import Activation
from engines.networks.modules.precision import in_type_of
from engines.networks.shapes import SQUARES, Encoder, Smolgen

__all__ = ["EncoderLayer", "FeedForward", "SelfAttention", "SmolgenLayers"]

_SMOLGEN_EPSILON = 1e-3


class SmolgenLayers(nn.Module):
    """Attention weights made out of the whole position: what is added to the products of queries and keys.

    The last step, from `Smolgen.generated` numbers a head to 64 × 64, has weights that all encoders share.
    """

    def __init__(self, channels: int, heads: int, shape: Smolgen, activation: Activation) -> None:
        super().__init__()
        units = heads * shape.generated
        self.compress = nn.Linear(channels, shape.compressed, bias=False, device="meta")
        self.dense1 = nn.Linear(SQUARES * shape.compressed, shape.hidden, device="meta")
        self.norm1 = nn.LayerNorm(shape.hidden, _SMOLGEN_EPSILON, device="meta")
        self.dense2 = nn.Linear(shape.hidden, units, device="meta")
        self.norm2 = nn.LayerNorm(units, _SMOLGEN_EPSILON, device="meta")
        self.heads = heads
        self.activation = activation

    def forward(self, tokens: Tensor, shared: nn.Linear) -> Tensor:
        """Map [n, 64, channels] to [n, heads, 64 (from), 64 (to)]."""
        x = self.norm1(self.activation(self.dense1(self.compress(tokens).flatten(1))))
        x = self.norm2(self.activation(self.dense2(x)))
        generated: Tensor = shared(x.view(x.shape[0], self.heads, -1))
        return generated.view(x.shape[0], self.heads, SQUARES, SQUARES)


class SelfAttention(nn.Module):
    """Multi-head attention between squares, added to its input and normalised."""

    def __init__(
        self, channels: int, encoder: Encoder, smolgen_activation: Activation, skip_scale: float, epsilon: float
    ) -> None:
        super().__init__()
        self.query = nn.Linear(channels, encoder.width, device="meta")
        self.key = nn.Linear(channels, encoder.width, device="meta")
        self.value = nn.Linear(channels, encoder.width, device="meta")
        self.output = nn.Linear(encoder.width, channels, device="meta")
        self.smolgen = None
        if encoder.smolgen is not None:
            self.smolgen = SmolgenLayers(channels, encoder.heads, encoder.smolgen, smolgen_activation)
        self.norm = nn.LayerNorm(channels, epsilon, device="meta")
        self.heads = encoder.heads
        self.skip_scale = skip_scale

    def forward(self, tokens: Tensor, shared: nn.Linear | None) -> Tensor:
        """Map [n, 64, channels] to the same shape: norm(tokens + skip_scale · attention)."""
        query, key, value = (
            layer(tokens).view(tokens.shape[0], SQUARES, self.heads, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        weights = None
        if self.smolgen is not None:
            assert shared is not None
            weights = self.smolgen(tokens, shared)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=weights)
        out: Tensor = self.output(in_type_of(self.output.weight, mixed.transpose(1, 2).flatten(2)))
        normalised: Tensor = self.norm(tokens.add(out, alpha=self.skip_scale))
        return normalised


class FeedForward(nn.Module):
    """Two dense layers on each square, added to their input and normalised."""

    def __init__(self, channels: int, hidden: int, activation: Activation, skip_scale: float, epsilon: float) -> None:
        super().__init__()
        self.dense1 = nn.Linear(channels, hidden, device="meta")
        self.dense2 = nn.Linear(hidden, channels, device="meta")
        self.norm = nn.LayerNorm(channels, epsilon, device="meta")
        self.activation = activation
        self.skip_scale = skip_scale

    def forward(self, tokens: Tensor) -> Tensor:
        """Map [n, 64, channels] to the same shape: norm(tokens + skip_scale · dense layers)."""
        hidden = self.activation(self.dense1(tokens))
        out = self.dense2(in_type_of(self.dense2.weight, hidden))
        normalised: Tensor = self.norm(tokens.add(out, alpha=self.skip_scale))
        return normalised


class EncoderLayer(nn.Module):
    """Attention between squares and dense layers on each."""

    def __init__(
        self,
        channels: int,
        encoder: Encoder,
        activation: Activation,
        smolgen_activation: Activation,
        *,
        skip_scale: float,
        epsilon: float,
    ) -> None:
        super().__init__()
        self.attention = SelfAttention(channels, encoder, smolgen_activation, skip_scale, epsilon)
        self.feed_forward = FeedForward(channels, encoder.hidden, activation, skip_scale, epsilon)
