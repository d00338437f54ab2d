"""The one error of matches that a person can mend."""

from __future__ import annotations

__all__ = ["ArenaError"]


class ArenaError(ValueError):
    """A player, an engine, a list of openings or a ladder cannot be used as given; the message is one sentence."""
