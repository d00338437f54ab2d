"""What the shell hands over, in the form that the commands take: ``--moves e2e4 e7e5`` is one option, many values."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["with_moves_joined"]

_UCI_MOVE = re.compile(r"[a-h][1-8][a-h][1-8][nbrqNBRQ]?")


def with_moves_joined(arguments: Sequence[str]) -> list[str]:
    """The arguments with the moves that follow the value of each ``--moves`` joined to it by spaces."""
    joined: list[str] = []
    in_list = False
    for word in arguments:
        if in_list and _UCI_MOVE.fullmatch(word):
            joined[-1] += f" {word}"
        else:
            in_list = bool(joined) and joined[-1] == "--moves" and not word.startswith("-")
            joined.append(word)
    return joined
