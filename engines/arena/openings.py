"""Where games begin: even positions that both players get with both colours.

The list that comes with the package holds 2,000 lines of eight plies, drawn from the policy of ``human-imitation`` and
kept where a stronger outside network finds neither side ahead (`experiments/make_openings.py`).  A file of one's own
holds one opening a line: moves in UCI from the start position, or a FEN or EPD; ``#`` begins a remark.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import chess
import numpy as np

from engines.arena.errors import ArenaError

__all__ = ["choose_openings", "read_openings", "shipped_openings"]


@lru_cache(maxsize=1)
def shipped_openings() -> tuple[chess.Board, ...]:
    """The openings that come with the package; their moves are on the boards' stacks."""
    return _boards_of(files("engines.arena").joinpath("openings.txt").read_text(encoding="utf-8"), "openings.txt")


def read_openings(path: Path) -> tuple[chess.Board, ...]:
    """The openings of a file.

    Raises `ArenaError`, in one sentence, for a file that cannot be read, holds none, or holds what is no opening.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ArenaError(f"The openings file {path} cannot be read: {reason}.") from None
    return _boards_of(text, str(path))


def choose_openings(openings: Sequence[chess.Board], count: int, seed: int) -> list[chess.Board]:
    """``count`` different openings; the same seed gives the same, and a smaller count the first of them.

    Raises `ArenaError` when there are not so many.
    """
    if count > len(openings):
        raise ArenaError(
            f"There are {len(openings):,} openings, enough for {2 * len(openings):,} games, which is fewer than"
            f" {2 * count:,}: play fewer games, or give a file with more openings."
        )
    order = np.random.default_rng(seed).permutation(len(openings))
    return [openings[i] for i in order[:count]]


def _boards_of(text: str, source: str) -> tuple[chess.Board, ...]:
    boards = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].strip()
        if words:
            boards.append(_board_of(words, f"line {number} of {source}"))
    if not boards:
        raise ArenaError(f"{source} holds no opening: give one a line, moves in UCI or a FEN.")
    return tuple(boards)


def _board_of(words: str, where: str) -> chess.Board:
    if "/" in words:
        try:
            board = chess.Board.from_epd(words)[0] if ";" in words else chess.Board(words)
        except ValueError:
            raise ArenaError(f"{where} is no FEN and no EPD: {words}") from None
        if not board.is_valid():
            raise ArenaError(f"{where} is no position that a game can reach: {words}")
    else:
        board = chess.Board()
        for word in words.split():
            try:
                board.push_uci(word)
            except ValueError:
                raise ArenaError(f"{where}: {word} is not a legal move in UCI of {board.fen()}") from None
    if board.is_game_over():
        raise ArenaError(f"{where}: the game is over there, so nothing is left to play")
    return board
