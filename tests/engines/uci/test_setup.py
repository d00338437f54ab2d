"""Positions: boards with their history, or a sentence."""

from __future__ import annotations

import chess
import pytest

from engines.uci.protocol import Position
from engines.uci.setup import board_of, legal_moves_of


def test_moves_are_history() -> None:
    board = board_of(Position(None, ("e2e4", "e7e5", "g1f3")), chess960=False)
    assert [move.uci() for move in board.move_stack] == ["e2e4", "e7e5", "g1f3"]
    assert board_of(Position(), chess960=False) == chess.Board()


def test_a_fen_of_four_fields_will_do() -> None:
    assert board_of(Position("8/8/8/8/8/8/8/K1k5 w - -"), chess960=False).halfmove_clock == 0


@pytest.mark.parametrize(
    ("fen", "moves", "message"),
    [
        ("nonsense", (), "'nonsense' is no FEN"),
        ("8/8/8/8/8/8/8/8 w - - 0 1", (), "exactly one king"),
        ("8/8/8/8/8/8/8/K1k5 w - - " + "9" * 6000 + " 1", (), "is no FEN"),
        ("4k3/4R3/8/8/8/8/8/4K3 w - - 0 1", (), "not to move is in check"),
        ("K1k5/8/8/8/8/8/8/P7 w - - 0 1", (), "pawn on the first or the last rank"),
        (None, ("e2e5",), "move 1 of the position, 'e2e5', is not legal"),
        (None, ("e2e4", "0000"), "move 2 of the position, '0000', is not legal"),
        ("k7/4P3/8/8/8/8/8/K7 w - - 0 1", ("e7e8",), "'e7e8', is not legal"),
        ("k7/4P3/8/8/8/8/8/K7 w - - 0 1", ("e7e8k",), "'e7e8k', is not legal"),
    ],
)
def test_what_is_no_position_is_said(fen: str | None, moves: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError) as error:
        board_of(Position(fen, moves), chess960=False)
    assert message in str(error.value)


def test_searchmoves_are_legal_once_each() -> None:
    moves, refused = legal_moves_of(chess.Board(), ("e2e4", "e2e5", "0000", "e2e4", "d2d4"))
    assert [move.uci() for move in moves] == ["e2e4", "d2d4"]
    assert refused == ["e2e5", "0000"]
