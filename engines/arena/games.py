"""One game between two players: its moves, and the rules that end it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import chess
import numpy as np
from numpy.typing import NDArray

from engines.chess.history import game_rows
from engines.chess.movegen import MAX_MOVES
from engines.chess.planes import count_repetitions
from engines.chess.position import WORDS, encode_move, make_move
from engines.selfplay.endings import (
    BLACK_WINS,
    FIFTY_MOVES,
    GOING_ON,
    LENGTH,
    MATE,
    MATERIAL,
    REPETITION,
    STALEMATE,
    WHITE_WINS,
    judge,
)

LONGEST_GAME = 240
"""Plies, those of the opening included, after which a game is drawn."""


class Ending(StrEnum):
    """What ended a game."""

    CHECKMATE = "checkmate"
    STALEMATE = "stalemate"
    MATERIAL = "insufficient material"
    FIFTY_MOVES = "fifty moves"
    REPETITION = "threefold repetition"
    LENGTH = f"{LONGEST_GAME} plies"
    FORFEIT = "forfeit"


_BY_RULE = {
    MATE: Ending.CHECKMATE,
    STALEMATE: Ending.STALEMATE,
    MATERIAL: Ending.MATERIAL,
    FIFTY_MOVES: Ending.FIFTY_MOVES,
    REPETITION: Ending.REPETITION,
    LENGTH: Ending.LENGTH,
}


@dataclass(frozen=True)
class Forfeit:
    """What a player gives in the place of a move when it cannot move: the game is lost, for this reason."""

    reason: str


class Game:
    """A game in progress.

    ``number``: its place in the match, from 0.  ``board``: the position, with the whole game on its move stack; players
    only read it.  ``result``: 1, 0 or −1 from White's side, None while the game goes on.  ``ending``: what ended it.
    ``remark``: the reason of a forfeit, else empty.  ``opening``: plies that were played before the players began.
    ``abandoned``: whether the match ended before the game did.
    """

    def __init__(self, number: int, opening: chess.Board) -> None:
        """Raises ``ValueError`` for an opening that no game can reach, or after which the game is over already."""
        self.number = number
        self.board = opening.copy()
        self.opening = len(opening.move_stack)
        self.result: int | None = None
        self.ending: Ending | None = None
        self.remark = ""
        self.abandoned = False
        if self.opening >= LONGEST_GAME:
            raise ValueError(f"an opening of {self.opening} plies leaves nothing to play in games of {LONGEST_GAME}")
        # Kernel rows of the game so far, oldest first, and how often each of the positions stood before.
        self._rows: NDArray[np.uint64] = np.zeros((LONGEST_GAME + 1, WORDS), dtype=np.uint64)
        self._rows[: self.opening + 1] = game_rows(opening)
        self._repeated = np.zeros(LONGEST_GAME + 1, dtype=np.uint8)
        count_repetitions(self._rows[: self.opening + 1], self._repeated)
        self._judge()
        if self.ending is not None:
            raise ValueError(f"the opening that leads to {opening.fen()} ends the game ({self.ending}): leave it out")

    @property
    def over(self) -> bool:
        """Whether nobody will be asked for a move any more."""
        return self.abandoned or self.result is not None

    def play(self, answer: chess.Move | Forfeit) -> None:
        """Play what the side to move answered; a move that is not legal loses, as a forfeit does."""
        if isinstance(answer, chess.Move) and not self.board.is_legal(answer):
            answer = Forfeit(f"illegal move {answer.uci()}")
        if isinstance(answer, Forfeit):
            self.result = BLACK_WINS if self.board.turn else WHITE_WINS
            self.ending, self.remark = Ending.FORFEIT, answer.reason
            return
        ply = len(self.board.move_stack)
        move = np.uint64(encode_move(self.board, answer))
        make_move(self._rows, ply, self._rows, ply + 1, move)
        self.board.push(answer)
        self._judge()

    def _judge(self) -> None:
        ply = len(self.board.move_stack)
        scratch = np.empty(MAX_MOVES, dtype=np.uint64)
        ending, result = judge(self._rows, self._repeated, ply, LONGEST_GAME, 0, scratch)
        if ending == GOING_ON:
            return
        self.result = result
        self.ending = _BY_RULE[int(ending)]


@dataclass(frozen=True)
class PlayedGame:
    """A finished game of a match.

    ``number``: its place in the match.  ``first_is_white``: who had White.  ``start``: FEN of the position that
    ``moves`` begin from.  ``opening``: how many of them were given.  ``result``: 1, 0 or −1 from White's side.
    """

    number: int
    first_is_white: bool
    start: str
    moves: tuple[chess.Move, ...]
    opening: int
    result: int
    ending: Ending
    remark: str

    @property
    def points(self) -> float:
        """What the first player of the match got: 1, ½ or 0."""
        return (1 + (self.result if self.first_is_white else -self.result)) / 2

    @classmethod
    def of(cls, game: Game, first_is_white: bool) -> PlayedGame:
        """A game that is over, kept."""
        assert game.result is not None and game.ending is not None, "the game goes on"
        return cls(
            number=game.number,
            first_is_white=first_is_white,
            start=game.board.root().fen(),
            moves=tuple(game.board.move_stack),
            opening=game.opening,
            result=game.result,
            ending=game.ending,
            remark=game.remark,
        )
