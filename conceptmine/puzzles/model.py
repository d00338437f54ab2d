"""The values that pass through puzzle selection."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import chess

from conceptmine.errors import InputError


@dataclass(frozen=True)
class PuzzleConcept:
    """What a puzzle says about the concept it belongs to.

    `rank` counts from 1 and is None for a concept outside the ranking; `human_likelihood` is the mean probability in
    [0, 1] that a human-policy network gives the agent's moves. The three verdicts are None where a filter was not run.
    """

    concept_id: str
    rank: int | None = None
    human_likelihood: float | None = None
    supported: bool | None = None
    teachable: bool | None = None
    novel: bool | None = None


@dataclass(frozen=True)
class Prototype:
    """A position in which a concept is strongly present: a row of `prototypes.parquet`.

    `moves` leads from `fen` to the position; `line` is the agent's best line from there and starts with `best_move`
    (both as UCI, separated by spaces). `split` is "train" or "test"; `score` grows with the concept.
    """

    concept_id: str
    position_id: str
    fen: str
    moves: str
    split: str
    score: float | None
    best_move: str
    line: str


@dataclass(frozen=True)
class Puzzle:
    """One question: find the agent's move, and the line behind it.

    `phase` is 1 (asked before the solutions of phase-1 puzzles are shown) or 3 (asked afterwards). `start_moves` leads
    from `start_fen` to the position of the question, so the whole known history is kept; it is never empty.
    `solution` starts with the move to be found and ends with a move of the same player.
    """

    concept: PuzzleConcept
    phase: int
    position_id: str
    split: str
    score: float | None
    start_fen: str
    start_moves: tuple[chess.Move, ...]
    solution: tuple[chess.Move, ...]

    @cached_property
    def puzzle_id(self) -> str:
        """A name made from the content, so that it does not change when other puzzles come or go."""
        text = " ".join([self.start_fen, *(move.uci() for move in self.start_moves), "|"])
        text += " ".join([self.concept.concept_id, *(move.uci() for move in self.solution)])
        return "cm" + hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def fen_before(self) -> str:
        """The position before the opponent's last move: the FEN column of the Lichess format."""
        board = self.board()
        board.pop()
        return board.fen()

    @property
    def last_move(self) -> chess.Move:
        """The opponent's move that leads to the question."""
        return self.start_moves[-1]

    def board(self) -> chess.Board:
        """The position of the question, with the game so far on its move stack."""
        return board_after(self.start_fen, self.start_moves, f"puzzle for position {self.position_id}")


def parse_moves(text: str, where: str) -> tuple[chess.Move, ...]:
    """Read moves written as UCI and separated by spaces; `where` names the source in the error."""
    try:
        return tuple(chess.Move.from_uci(word) for word in text.split())
    except ValueError as error:
        raise InputError(f"{where}: {text!r} is not a list of UCI moves; rebuild the table it comes from") from error


def board_after(fen: str, moves: tuple[chess.Move, ...], where: str) -> chess.Board:
    """The board after `moves` from `fen`, with its move stack; a bad FEN or an illegal move raises InputError."""
    try:
        board = chess.Board(fen)
    except ValueError as error:
        raise InputError(f"{where}: {fen!r} is not a FEN; rebuild the table it comes from") from error
    play(board, moves, where)
    return board


def play(board: chess.Board, moves: tuple[chess.Move, ...], where: str) -> None:
    """Play `moves` on `board`; an illegal one raises InputError with its place in the list."""
    for number, move in enumerate(moves, start=1):
        if not board.is_legal(move):
            raise InputError(
                f"{where}: move {number} ({move.uci()}) is illegal in {board.fen()!r}; rebuild the table it comes from"
            )
        board.push(move)
