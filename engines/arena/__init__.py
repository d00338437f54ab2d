"""Matches between networks, with the Elo difference and its standard error."""

from engines.arena.match import MatchResult, play_match

__all__ = ["MatchResult", "play_match"]
