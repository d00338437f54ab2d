"""Activation functions by their names."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Activation", "activation_called"]

Activation = Callable[[Tensor], Tensor]


def activation_called(name: str) -> Activation:
    """Give the function of a name in `engines.networks.shapes.ACTIVATIONS`."""
    return _FUNCTIONS[name]


def _relu2(x: Tensor) -> Tensor:
    return functional.relu(x).square()


def _none(x: Tensor) -> Tensor:
    return x


_FUNCTIONS: dict[str, Activation] = {
    "relu": functional.relu,
    "mish": functional.mish,
    "swish": functional.silu,
    "relu2": _relu2,
    "selu": functional.selu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "none": _none,
}
