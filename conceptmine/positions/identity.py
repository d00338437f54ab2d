"""What makes two games or two positions the same, and orders them the same way each time.

Identifiers are hashes of content (start position and moves), never of file names or places in a file, so that a game
that stands in two files is one game. Random choices are made by sorting on a keyed hash instead of by drawing: adding a
game then leaves the choices made for all others as they were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import chess

from conceptmine.errors import InputError

__all__ = ["board_of", "opening_key", "path_id", "stable_rank", "symmetry_key", "transposition_key"]

_ID_DIGITS: Final = 16


def path_id(fen: str | None, moves: Sequence[str]) -> str:
    """Identifier of a start position and the moves played from it.

    Args:
        fen: start FEN; None for the usual start.
        moves: UCI moves.

    Returns:
        16 hex digits (64 bits of SHA-256).
    """
    text = f"{fen or chess.STARTING_FEN}\n{' '.join(moves)}"
    return hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS]


def stable_rank(seed: int, *parts: str | int) -> int:
    """A number in [0, 2**64) that depends on its arguments only, to sort by in place of a random draw."""
    text = "\n".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def transposition_key(board: chess.Board) -> str:
    """The position without its past: pieces, side to move, castling rights, and the en passant square if it matters.

    Two boards with equal keys have the same legal moves; their counters and histories may differ.
    """
    return board.epd()


def symmetry_key(board: chess.Board) -> str:
    """The same for a position and its mirror images, counters and history apart.

    With colours reversed a position is the same to a network, which sees it from the side to move. With the wings
    reversed it is so by the rules, once nobody can castle, though not to a network.
    """
    images = [board, board.mirror()]
    if not board.castling_rights:
        images += [image.transform(chess.flip_horizontal) for image in images]
    return min(transposition_key(image) for image in images)


def opening_key(fen: str | None, moves: Sequence[str], plies: int) -> str:
    """The opening family of a game: its position after so many plies (its last one if it is shorter), by any order.

    Raises:
        InputError: as `board_of`.
    """
    return transposition_key(board_of(fen, moves[:plies], check=False))


@lru_cache(maxsize=4096)
def _move(text: str) -> chess.Move:
    """A move from UCI text; chess has fewer than 2,000, and reading them takes longer than making them."""
    return chess.Move.from_uci(text)


def board_of(fen: str | None, moves: str | Sequence[str], *, check: bool = True) -> chess.Board:
    """Set up a position with its history on the move stack, which networks see too.

    Args:
        fen: start FEN; None for the usual start.
        moves: UCI moves from there, as a sequence or joined by spaces.
        check: whether to verify every move; left out (half the time) for what this program has written itself.

    Raises:
        InputError: the FEN is not a legal position, or a move is not legal.
    """
    try:
        board = chess.Board(fen or chess.STARTING_FEN)
    except ValueError as error:
        raise InputError(f"The FEN {fen!r} cannot be read ({error}): give a FEN of six fields.") from None
    if check and not board.is_valid():
        raise InputError(f"The FEN {fen!r} is not a legal position of standard chess: correct it.")
    played = moves.split() if isinstance(moves, str) else moves
    for ply, text in enumerate(played, 1):
        try:
            move = _move(text)
        except ValueError:
            raise InputError(f"Move {ply} ({text!r}) is not a UCI move such as e2e4 or e7e8q: correct it.") from None
        if check and not board.is_legal(move):
            raise InputError(
                f"Move {ply} ({text}) is not legal in {board.fen()}: correct the moves before it or itself."
            )
        board.push(move)
    return board
