"""Networks ready for more training, with what becomes of batch normalisation said and not left to chance.

A network that is fine-tuned on a few hundred positions must not have its statistics replaced by theirs unawares: that
alone can change its play more than the lesson does.
"""

from __future__ import annotations

import copy
from typing import Final, Literal, TypeAlias, get_args

from torch import nn

from engines.networks.architecture import Network
from engines.networks.modules.residual import Convolution

__all__ = ["BATCH_NORM_RULES", "BatchNormRule", "trainable"]

BatchNormRule: TypeAlias = Literal["folded", "frozen", "updated"]

BATCH_NORM_RULES: Final[tuple[str, ...]] = get_args(BatchNormRule)
"""``"folded"``: its gains, offsets and statistics become part of the convolutions, which learn. ``"frozen"``: gains and
offsets learn, the statistics stay. ``"updated"``: as in training from zero, batches are normalised by their own mean
and variance, which the statistics follow."""


class _FrozenStatistics(nn.BatchNorm2d):
    """Batch normalisation that is always in evaluation mode; its gains and offsets can still learn."""

    def train(self, mode: bool = True) -> _FrozenStatistics:  # torch calls it with the mode
        return super().train(False)


def trainable(network: Network, batch_norm: BatchNormRule = "folded") -> Network:
    """Give a copy of a network that can be trained further: float32, in training mode, all weights taking gradients.

    Layer norms have no statistics and are trained as they are. The heads that are not in use are copied too, and get no
    gradient.

    Args:
        network: any network; it is only read.
        batch_norm: one of `BATCH_NORM_RULES`. With ``"folded"`` and ``"frozen"`` the copy in training mode gives what
            the network gives in evaluation mode.

    Raises:
        ValueError: an unknown rule, or ``"frozen"`` or ``"updated"`` for a network without batch normalisation, as the
            networks of agents are; `read_network` gives a file's network with its own.
    """
    if batch_norm not in BATCH_NORM_RULES:
        raise ValueError(f"batch_norm is {batch_norm!r}; expected {' or '.join(map(repr, BATCH_NORM_RULES))}.")
    if batch_norm == "folded":
        return network.folded().float().requires_grad_().train()
    student = copy.deepcopy(network).float()
    convolutions = [module for module in student.modules() if isinstance(module, Convolution)]
    if not any(module.norm is not None for module in convolutions):
        raise ValueError(f"The network has no batch normalisation to be {batch_norm}; use 'folded'.")
    if batch_norm == "frozen":
        for module in convolutions:
            if module.norm is not None:
                module.norm.__class__ = _FrozenStatistics
    return student.requires_grad_().train()
