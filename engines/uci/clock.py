"""How long to think about a move.

With *R* the time left, *O* the move overhead, *I* the increment and *M* the moves to the next time control (30 where
there is none, or where it is further off), all for the side to move::

    usable = max(0, R − O)
    plan   = min(usable / M + I / 2, usable / 2)

No move is given more than half of what is usable, so that whatever a busy machine adds (a pause for collecting garbage,
a batch of the network that was just begun) is met by at least as much time again; and the plan goes to zero before
the clock does.  With an increment the time left settles where ``usable`` is fifteen increments, a reserve for stalls
that no plan foresees.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HORIZON", "Clock", "seconds_for_move", "seconds_of_movetime"]

HORIZON = 30
"""Moves that the time left is divided among when no time control comes sooner."""
_SHARE_OF_INCREMENT = 0.5
_LARGEST_SHARE = 0.5


@dataclass(frozen=True)
class Clock:
    """The clock of the side to move: milliseconds left and added with each move, moves to the next time control."""

    remaining: int
    increment: int = 0
    moves_to_go: int | None = None


def seconds_for_move(clock: Clock, overhead: int) -> float:
    """Seconds to think, from the moment that the clock was read; ``overhead`` in milliseconds is never spent."""
    usable = max(0, clock.remaining - overhead)
    moves = HORIZON if clock.moves_to_go is None else min(max(clock.moves_to_go, 1), HORIZON)
    plan = usable / moves + _SHARE_OF_INCREMENT * max(0, clock.increment)
    return min(plan, _LARGEST_SHARE * usable) / 1000


def seconds_of_movetime(movetime: int, overhead: int) -> float:
    """Seconds of ``go movetime``: less the overhead, but at least half of what was granted."""
    granted = max(0, movetime)
    return max(granted - overhead, granted / 2) / 1000
