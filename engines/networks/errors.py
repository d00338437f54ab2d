"""The error a user meets when a network file cannot be used."""

from __future__ import annotations

__all__ = ["NetworkFormatError"]


class NetworkFormatError(ValueError):
    """A network file is missing, damaged or of a kind that is not supported; the message names the file."""
