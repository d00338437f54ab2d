"""What a network file says about itself beside its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["NetworkInfo", "info_of"]


@dataclass(frozen=True)
class NetworkInfo:
    """What a Leela network file says about itself beside its weights. All of it is optional in the file."""

    licence: str = ""
    """Licence text."""
    training_steps: int = 0
    """Number of optimiser steps."""
    learning_rate: float = 0.0
    """Last learning rate."""
    mse_loss: float = 0.0
    """Value loss at the end of training."""
    policy_loss: float = 0.0
    """Policy loss at the end of training."""
    accuracy: float = 0.0
    """Share of positions, in per cent, where the policy's first choice was the target's."""
    training_parameters: str = ""
    """Free text about how the training games were made."""
    minimum_version: tuple[int, int, int] = (0, 0, 0)
    """Oldest version of lc0 that reads the file; set by the writer."""
    encodings: tuple[str, ...] = ()
    """How the weights were stored, such as ``("linear16",)``; set by the reader."""


def info_of(message: Any, encodings: tuple[str, ...]) -> NetworkInfo:
    """Give what a ``Net`` message says of itself; `encodings` are those that its weights were found in."""
    training, version = message.training_params, message.min_version
    return NetworkInfo(
        licence=message.license,
        training_steps=training.training_steps,
        learning_rate=training.learning_rate,
        mse_loss=training.mse_loss,
        policy_loss=training.policy_loss,
        accuracy=training.accuracy,
        training_parameters=training.lc0_params,
        minimum_version=(version.major, version.minor, version.patch),
        encodings=encodings,
    )
