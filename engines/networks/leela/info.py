"""What a network file says about itself beside its weights."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final

from engines.networks.leela.container import UnusableFileError

__all__ = ["NetworkInfo", "elo_in", "elo_text", "encoded_text", "info_of", "with_elo"]

_LONGEST_TEXT: Final = 1 << 20
_LARGEST_FLOAT: Final = 3.4028234e38
_MOST_STEPS: Final = 1 << 32
_DIGITS: Final = 6
_ELO: Final = re.compile(rf"^elo=([-+]?\d{{1,{_DIGITS}}}(?:\.\d{{1,{_DIGITS}}})?)(?=\r?$)", re.MULTILINE | re.ASCII)


@dataclass(frozen=True)
class NetworkInfo:
    """What a Leela network file says about itself beside its weights.

    All of it is optional in the file; numbers in it that are not finite are given as 0.

    Raises:
        ValueError: a number that is not finite or that the format has no room for.
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
    elo: float | None = None
    """Strength, on whatever scale the file's maker measured it; None if it is not known. The format has no field for
    it: it stands as a line ``elo=1234`` in `training_parameters`, where the reader finds it; the writer puts it there
    in place of such a line and leaves the rest of the text as it is."""
    minimum_version: tuple[int, int, int] = (0, 0, 0)
    """Oldest version of lc0 that reads the file; set by the writer."""
    encodings: tuple[str, ...] = ()
    """How the weights were stored, such as ``("linear16",)``; set by the reader."""

    def __post_init__(self) -> None:
        if self.elo is not None and not abs(self.elo) < 10**_DIGITS:
            raise ValueError(f"elo is {self.elo}; it must be between -{10**_DIGITS} and {10**_DIGITS}.")
        for name in ("learning_rate", "mse_loss", "policy_loss", "accuracy"):
            if not abs(getattr(self, name)) <= _LARGEST_FLOAT:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be finite, and no more than float32 holds.")
        if not 0 <= self.training_steps < _MOST_STEPS:
            raise ValueError(f"training_steps is {self.training_steps}; it must be from 0 to {_MOST_STEPS - 1}.")


def info_of(message: Any, encodings: tuple[str, ...]) -> NetworkInfo:
    """Give what a ``Net`` message says of itself; `encodings` are those that its weights were found in.

    Raises:
        UnusableFileError: a text of more than a megabyte.
    """
    training, version = message.training_params, message.min_version
    parameters = _text(training.lc0_params, "text about its training")
    return NetworkInfo(
        licence=_text(message.license, "licence"),
        training_steps=training.training_steps,
        learning_rate=_number(training.learning_rate),
        mse_loss=_number(training.mse_loss),
        policy_loss=_number(training.policy_loss),
        accuracy=_number(training.accuracy),
        training_parameters=parameters,
        elo=elo_in(parameters),
        minimum_version=(version.major, version.minor, version.patch),
        encodings=encodings,
    )


def elo_in(parameters: str) -> float | None:
    """Give what the first line ``elo=…`` of a text says; None if there is none."""
    found = _ELO.search(parameters)
    return float(found[1]) if found else None


def with_elo(parameters: str, elo: float | None) -> str:
    """Give a text with a line ``elo=…`` that says `elo`, in place of the first one there is, or at the end.

    Nothing changes for None, nor if the text says so already.
    """
    if elo is None or elo == elo_in(parameters):
        return parameters
    line = f"elo={elo_text(elo)}"
    if _ELO.search(parameters):
        return _ELO.sub(line, parameters, count=1)
    return f"{parameters}\n{line}" if parameters and not parameters.endswith("\n") else parameters + line


def elo_text(elo: float) -> str:
    """Give an Elo number in decimals, no more of them than it has, and at most six."""
    return f"{elo:.{_DIGITS}f}".rstrip("0").rstrip(".")


def encoded_text(text: str, what: str) -> bytes:
    """Give a text as a file has it.

    Raises:
        ValueError: a text of more than a megabyte, which the reader would refuse, or one that is no Unicode.
    """
    try:
        content = text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"The {what} is not well-formed text and cannot be written.") from None
    if len(content) > _LONGEST_TEXT:
        raise ValueError(f"The {what} has {len(content):,} bytes; a file has room for {_LONGEST_TEXT:,}.")
    return content


def _text(content: bytes, what: str) -> str:
    """A text, with marks for what is not well-formed: that is no reason to refuse a network."""
    if len(content) > _LONGEST_TEXT:
        raise UnusableFileError(f"has a {what} of {len(content):,} bytes; it is no chess network")
    return content.decode(errors="replace")


def _number(found: float) -> float:
    return found if math.isfinite(found) else 0.0
