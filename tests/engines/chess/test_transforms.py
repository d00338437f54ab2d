"""Turning a board: squares, sets of squares and moves go the same way, and all images of a position become one."""

from __future__ import annotations

import chess
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.chess import INPUT_FORMATS, POLICY_MOVES, POLICY_SIZE, policy_index, policy_indices
from engines.chess.position import position_of
from engines.chess.transforms import (
    FLIP,
    MIRROR,
    POLICY_AFTER,
    SQUARES_AFTER,
    TRANSFORMS,
    TRANSPOSE,
    transform_of,
    turned_masks,
)
from engines.chess.turning import canonical_transform, turned

CANONICAL = [input_format for input_format in INPUT_FORMATS if input_format > 2]
TRIANGLE = {chess.parse_square(name) for name in ["e1", "f1", "g1", "h1", "e2", "f2", "g2", "e3", "f3", "e4"]}
MASKS = st.integers(0, 2**64 - 1)


def turned_by_chess(squares: int, transform: int) -> int:
    for bit, turn in ((FLIP, chess.flip_horizontal), (MIRROR, chess.flip_vertical)):
        squares = turn(squares) if transform & bit else squares
    return chess.flip_anti_diagonal(squares) if transform & TRANSPOSE else squares


def image(board: chess.Board, transform: int) -> chess.Board:
    """The board turned as its mover sees it; only for boards without castling and en passant."""
    seen = board if board.turn else board.mirror()
    found = seen.transform(lambda squares: turned_by_chess(squares, transform))
    found.turn = chess.WHITE
    return found if board.turn else found.mirror()


@st.composite
def bare_boards(draw: st.DrawFn, pawns: bool = False) -> chess.Board:
    """Kings and a few pieces anywhere; attacks do not matter here."""
    kinds = st.sampled_from([*"QRBNqrbn", *("Pp" if pawns else "")])
    men = ["K", "k", *draw(st.lists(kinds, max_size=8))]
    squares = draw(st.lists(st.integers(0, 63), min_size=len(men), max_size=len(men), unique=True))
    board = chess.Board(None)
    for man, square in zip(men, squares, strict=True):
        if man not in "Pp" or 0 < chess.square_rank(square) < 7:
            board.set_piece_at(square, chess.Piece.from_symbol(man))
    board.turn = draw(st.booleans())
    return board


@given(MASKS, st.integers(0, 7))
def test_sets_of_squares_go_where_the_squares_go(mask: int, transform: int) -> None:
    expected = turned_by_chess(mask, transform)
    assert sum(1 << int(SQUARES_AFTER[transform, square]) for square in chess.SquareSet(mask)) == expected
    assert int(turned_masks(np.array([[mask, 0, 2**64 - 1]], dtype=np.uint64), transform)[0, 0]) == expected
    assert int(turned(np.uint64(mask), transform)) == expected


def test_empty_and_full_sets_stay() -> None:
    for transform in range(TRANSFORMS):
        assert turned_masks(np.array([0, 2**64 - 1], dtype=np.uint64), transform).tolist() == [0, 2**64 - 1]


@pytest.mark.parametrize("transform", range(TRANSFORMS))
def test_moves_go_where_their_squares_go(transform: int) -> None:
    assert sorted(POLICY_AFTER[transform]) == list(range(POLICY_SIZE))
    for index, uci in enumerate(POLICY_MOVES):
        move = chess.Move.from_uci(uci)
        after = chess.Move.from_uci(POLICY_MOVES[POLICY_AFTER[transform, index]])
        if move.promotion is not None and transform not in (0, FLIP):
            assert after == move, "there are pawns, and the board is not turned so"
            continue
        squares = SQUARES_AFTER[transform, [move.from_square, move.to_square]].tolist()
        assert (squares, move.promotion) == ([after.from_square, after.to_square], after.promotion)


@given(bare_boards(), st.sampled_from(CANONICAL))
def test_without_pawns_all_eight_images_are_shown_as_one(board: chess.Board, input_format: int) -> None:
    shown = set()
    for turning in range(TRANSFORMS):
        other = image(board, turning)
        canonical = image(other, transform_of(other, input_format))
        king = canonical.king(other.turn)
        assert king is not None
        assert (king if other.turn else king ^ 56) in TRIANGLE
        shown.add(canonical.board_fen())
    assert len(shown) == 1


@given(bare_boards(pawns=True), st.sampled_from(CANONICAL))
def test_with_pawns_the_files_are_exchanged_at_most(board: chess.Board, input_format: int) -> None:
    if not board.pawns:
        board.set_piece_at(next(s for s in range(8, 56) if not board.piece_at(s)), chess.Piece.from_symbol("P"))
    king = board.king(board.turn)
    assert king is not None
    assert transform_of(board, input_format) == (FLIP if chess.square_file(king) < 4 else 0)


@given(bare_boards(pawns=True))
def test_the_compiled_choice_is_the_plain_one(board: chess.Board) -> None:
    board.clear_stack()
    if board.was_into_check():  # nor is it a position
        board.turn = not board.turn
    if board.is_valid():
        assert canonical_transform(position_of(board)) == transform_of(board, 3)


def test_a_right_to_castle_and_other_formats_keep_the_board_as_it_is() -> None:
    board = chess.Board("r3k3/8/8/8/8/8/8/1K6 w q - 0 1")
    assert [transform_of(board, input_format) for input_format in INPUT_FORMATS] == [0] * 7
    board.set_castling_fen("-")
    assert [transform_of(board, input_format) for input_format in INPUT_FORMATS] == [0, 0] + [FLIP] * 5


@pytest.mark.parametrize(
    ("fen", "transform"),
    [
        ("8/8/8/8/8/8/8/k5RK w - - 0 1", 0),  # of all men, a1 would go up to h8
        ("1k6/8/8/8/8/8/8/6RK w - - 0 1", TRANSPOSE),  # of all men, b8 goes down to a7
        ("k7/8/8/8/8/8/7r/6RK w - - 0 1", 0),  # of the mover's men, g1 would go up to h2
        ("k7/8/8/8/8/8/7R/6rK w - - 0 1", TRANSPOSE),
        ("k7/8/8/8/8/8/7Q/6RK w - - 0 1", TRANSPOSE),  # the queens before the rooks
        ("k7/8/8/8/8/8/7R/6QK w - - 0 1", 0),
        ("k7/8/8/8/8/8/7B/6RK w - - 0 1", 0),  # the rooks before the bishops
        ("k7/8/8/8/8/8/7N/6BK w - - 0 1", TRANSPOSE),  # the knights before the bishops
        ("k7/8/8/8/8/8/7B/6NK w - - 0 1", 0),
        ("k7/8/8/8/8/8/7R/6RK w - - 0 1", 0),  # nothing would change
        ("8/8/8/8/8/8/k6b/7K w - - 0 1", 0),
        ("8/8/8/8/8/7K/8/k7 w - - 0 1", TRANSPOSE),  # the king's place alone decides
    ],
)
def test_a_king_on_the_diagonal_leaves_the_choice_to_the_others(fen: str, transform: int) -> None:
    board = chess.Board(fen)
    for input_format in CANONICAL:
        assert transform_of(board, input_format) == transform
        assert transform_of(board.mirror(), input_format) == transform


def test_policy_indices_are_those_of_the_turned_moves() -> None:
    board = chess.Board("8/8/8/8/2K5/8/8/R6k w - - 0 1")
    transform = transform_of(board, 3)
    assert transform
    moves = list(board.legal_moves)
    assert policy_indices(board, moves).tolist() == [policy_index(board, move) for move in moves]
    turned_board = image(board, transform)
    squares = SQUARES_AFTER[transform]
    expected = [
        policy_index(turned_board, chess.Move(int(squares[move.from_square]), int(squares[move.to_square])))
        for move in moves
    ]
    assert policy_indices(board, moves, 3).tolist() == expected
