"""What a network file says about itself beside its weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from engines.networks.leela.container import UnusableFileError

__all__ = ["NetworkInfo", "info_of"]

_LONGEST_TEXT: Final = 1 << 20


@dataclass(frozen=True)
class NetworkInfo:
    """What a Leela network file says about itself beside its weights.

    All of it is optional in the file; numbers in it that are not finite are given as 0.
    """

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
    """Give what a ``Net`` message says of itself; `encodings` are those that its weights were found in.

    Raises:
        UnusableFileError: a text of more than a megabyte.
    """
    training, version = message.training_params, message.min_version
    return NetworkInfo(
        licence=_text(message.license, "licence"),
        training_steps=training.training_steps,
        learning_rate=_number(training.learning_rate),
        mse_loss=_number(training.mse_loss),
        policy_loss=_number(training.policy_loss),
        accuracy=_number(training.accuracy),
        training_parameters=_text(training.lc0_params, "text about its training"),
        minimum_version=(version.major, version.minor, version.patch),
        encodings=encodings,
    )


def _text(content: bytes, what: str) -> str:
    """A text, with marks for what is not well-formed: that is no reason to refuse a network."""
    if len(content) > _LONGEST_TEXT:
        raise UnusableFileError(f"has a {what} of {len(content):,} bytes; it is no chess network")
    return content.decode(errors="replace")


def _number(found: float) -> float:
    return found if math.isfinite(found) else 0.0
