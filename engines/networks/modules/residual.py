"""Convolutions with or without batch normalisation, squeeze-and-excitation, and the residual block made of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.networks.modules.activations import Activation
from engines.networks.modules.precision import in_type_of

__all__ = ["BATCH_NORM_EPSILON", "Convolution", "ResidualBlock", "SqueezeExcite"]

BATCH_NORM_EPSILON = 1e-5
"""What lc0 adds to the variance of batch normalisation."""


class Convolution(nn.Module):
    """A convolution that keeps the board's size, with a bias or batch normalisation, or (in some files) with both."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels_in, channels_out, kernel, padding=kernel // 2, bias=not batch_norm, device="meta"
        )
        self.norm = nn.BatchNorm2d(channels_out, BATCH_NORM_EPSILON, device="meta") if batch_norm else None

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, channels_in, 8, 8] to [n, channels_out, 8, 8]; no activation function."""
        x = self.conv(in_type_of(self.conv.weight, x))
        return x if self.norm is None else self.norm(x)

    def folded_weights(self) -> tuple[Tensor, Tensor]:
        """Give the weight and bias of the plain convolution that equals this one in evaluation mode.

        With batch normalisation of mean m, variance s², gain g and offset b, and a bias a of the convolution: weight ×
        g / √(s² + ε) and b + (a − m) × g / √(s² + ε), in float64 and then rounded.
        """
        weight = self.conv.weight.detach()
        bias = None if self.conv.bias is None else self.conv.bias.detach()
        if self.norm is None:
            assert bias is not None
            return weight.clone(), bias.clone()
        assert self.norm.running_mean is not None
        assert self.norm.running_var is not None
        gain = self.norm.weight.detach().double() / (self.norm.running_var.double() + self.norm.eps).sqrt()
        mean = self.norm.running_mean.double()
        shifted = -mean if bias is None else bias.double() - mean
        offset = self.norm.bias.detach().double() + shifted * gain
        return weight.double().mul_(gain[:, None, None, None]).to(weight.dtype), offset.to(weight.dtype)


class SqueezeExcite(nn.Module):
    """Squeeze-and-excitation as Leela has it: each channel is scaled *and shifted* by what the board's means say.

    y = sigmoid(a) · x + b, with (a, b) = expand(activation(squeeze(mean of x over the squares))).
    """

    def __init__(self, channels: int, hidden: int, activation: Activation) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, hidden, device="meta")
        self.expand = nn.Linear(hidden, 2 * channels, device="meta")
        self.activation = activation

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Give the scaled and shifted `x` plus `skip`, both [n, channels, 8, 8]."""
        channel_wise = self.expand(self.activation(self.squeeze(x.mean((2, 3), dtype=self.squeeze.weight.dtype))))
        scale, shift = channel_wise[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(skip + shift, x, torch.sigmoid(scale))


class ResidualBlock(nn.Module):
    """Two 3 × 3 convolutions, squeeze-and-excitation if it has any, and the skip connection."""

    def __init__(self, filters: int, se_channels: int, activation: Activation, *, batch_norm: bool) -> None:
        super().__init__()
        self.conv1 = Convolution(filters, filters, 3, batch_norm=batch_norm)
        self.conv2 = Convolution(filters, filters, 3, batch_norm=batch_norm)
        self.se = SqueezeExcite(filters, se_channels, activation) if se_channels else None
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, filters, 8, 8] to the same shape."""
        y = self.conv2(self.activation(self.conv1(x)))
        return self.activation(x + y if self.se is None else self.se(y, x))
