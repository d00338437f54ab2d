"""The numbers of squares and pieces against python-chess, which boards hand over its own of."""

from __future__ import annotations

import chess

from engines.chess import names


def test_squares_and_pieces_have_the_numbers_of_python_chess() -> None:
    assert list(chess.SQUARE_NAMES) == list(names.SQUARE_NAMES)
    assert {letter: piece for piece, letter in names.PIECE_LETTERS.items()} == {
        letter: piece for piece, letter in enumerate(chess.PIECE_SYMBOLS) if letter
    }
    ours = {name: number for name, number in vars(names).items() if name.isupper() and isinstance(number, int)}
    assert len(ours) == 8 + 8 + 6
    assert ours == {name: getattr(chess, name) for name in ours}


def test_sets_of_squares() -> None:
    assert names.square_set("a1 e4 h8") == chess.BB_A1 | chess.BB_E4 | chess.BB_H8
    assert names.file_set("ah") == chess.BB_FILE_A | chess.BB_FILE_H
    assert names.rank_set("27") == chess.BB_RANK_2 | chess.BB_RANK_7
