"""Endgames that games start from: legal, with something to play for, and of many kinds."""

from __future__ import annotations

from collections import Counter

import chess
import numpy as np
import pytest
from numpy.typing import NDArray

from engines.chess.position import position_of
from engines.selfplay.pgn import board_of
from engines.selfplay.starts import FEWEST_MEN, MOST_MEN, random_endgame

DRAWS = 800


@pytest.fixture(scope="module")
def rows() -> list[NDArray[np.uint64]]:
    generator = np.random.default_rng(1)
    return [random_endgame(generator) for _ in range(DRAWS)]


@pytest.fixture(scope="module")
def boards(rows: list[NDArray[np.uint64]]) -> list[chess.Board]:
    return [board_of(row) for row in rows]


def test_every_endgame_is_legal_and_goes_on(boards: list[chess.Board]) -> None:
    for board in boards:
        assert board.is_valid(), (board.fen(), board.status())
        assert board.turn == chess.WHITE
        assert not board.is_check()
        assert not board.is_game_over(), board.fen()
        assert (board.castling_rights, board.ep_square, board.halfmove_clock) == (0, None, 0)


def test_rows_are_those_of_their_boards_key_included(rows: list[NDArray[np.uint64]], boards: list[chess.Board]) -> None:
    for row, board in zip(rows, boards, strict=True):
        assert row.tolist() == position_of(chess.Board(board.fen())).tolist()


def test_men_are_few_of_all_kinds_and_of_both_colours(boards: list[chess.Board]) -> None:
    men: Counter[int] = Counter()
    kinds: Counter[chess.Piece] = Counter()
    for board in boards:
        pieces = [piece for piece in board.piece_map().values() if piece.piece_type != chess.KING]
        men[len(pieces)] += 1
        kinds.update(pieces)
    assert set(men) == set(range(FEWEST_MEN, MOST_MEN + 1))
    assert min(men.values()) > DRAWS / 16
    assert len(kinds) == 10
    assert min(kinds.values()) > DRAWS / 40
    white = sum(number for piece, number in kinds.items() if piece.color == chess.WHITE)
    assert 0.4 < white / kinds.total() < 0.6


def test_squares_are_drawn_from_the_whole_board(boards: list[chess.Board]) -> None:
    for piece in (chess.Piece.from_symbol(symbol) for symbol in "Kk"):
        squares = {board.king(piece.color) for board in boards}
        assert len(squares) == 64
    pawns = {square for board in boards for square in board.pieces(chess.PAWN, chess.WHITE)}
    assert pawns <= set(range(8, 56))
    assert len(pawns) > 40


def test_the_generator_decides() -> None:
    first, same, other = (random_endgame(np.random.default_rng(seed)).tolist() for seed in (5, 5, 6))
    assert first == same
    assert first != other
