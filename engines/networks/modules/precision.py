"""Layers of one network in several types: a layer brings what it reads to the type of its weights.

Sums of two types are taken in the wider one (torch's own rule), so that a skip connection in float32 stays there when
what is added to it comes from a 16-bit convolution. No autocast is needed, and none is disturbed.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["in_type_of"]


def in_type_of(weight: Tensor, x: Tensor) -> Tensor:
    """Give `x` in the type of `weight`; itself if it has that type, or where autocast sees to types."""
    if x.dtype == weight.dtype or torch.is_autocast_enabled(x.device.type):
        return x
    return x.to(weight.dtype)
