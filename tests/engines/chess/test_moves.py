"""The policy's list of moves: complete, without doubles, and the same for both colours."""

from __future__ import annotations

import chess
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.chess.moves import FROM_TO_INDEX, POLICY_MOVES, POLICY_SIZE, PROMOTION_INDEX, policy_index

CHOICES = st.lists(st.integers(0, 255), max_size=120)
PROMOTIONS = "8/PPPPPPPP/8/4k2K/8/8/pppppppp/8 w - - 0 1"


def played(choices: list[int], start: str = chess.STARTING_FEN) -> chess.Board:
    board = chess.Board(start)
    for choice in choices:
        moves = list(board.legal_moves)
        if not moves:
            break
        board.push(moves[choice % len(moves)])
    return board


def seen_by_mover(board: chess.Board, move: chess.Move) -> str:
    """The move as the policy's list spells it."""
    if board.is_castling(move):
        rook_file = 7 if chess.square_file(move.to_square) > 4 else 0
        move = chess.Move(move.from_square, chess.square(rook_file, chess.square_rank(move.from_square)))
    if board.turn == chess.BLACK:
        mirrored = (chess.square_mirror(move.from_square), chess.square_mirror(move.to_square))
        move = chess.Move(*mirrored, promotion=move.promotion)
    return move.uci().removesuffix("n")


def mirror(move: chess.Move) -> chess.Move:
    squares = chess.square_mirror(move.from_square), chess.square_mirror(move.to_square)
    return chess.Move(*squares, promotion=move.promotion)


def test_list_has_1858_different_moves() -> None:
    assert len(POLICY_MOVES) == len(set(POLICY_MOVES)) == POLICY_SIZE == 1858


def test_list_is_ordered_by_origin_then_target_and_ends_with_promotions() -> None:
    plain = [chess.Move.from_uci(uci) for uci in POLICY_MOVES[:1792]]
    keys = [(move.from_square, move.to_square) for move in plain]
    assert keys == sorted(keys)
    assert all(move.promotion is None for move in plain)
    assert POLICY_MOVES[1792:1798] == ("a7a8q", "a7a8r", "a7a8b", "a7b8q", "a7b8r", "a7b8b")
    assert POLICY_MOVES[-1] == "h7h8b"


def test_known_places() -> None:
    """Places that lc0 gives to its castling moves."""
    assert POLICY_MOVES.index("e1h1") == 103
    assert POLICY_MOVES.index("e1a1") == 97


def test_tables_say_what_the_list_says() -> None:
    listed = set()
    for origin in chess.SQUARES:
        for target in chess.SQUARES:
            if (index := int(FROM_TO_INDEX[origin, target])) >= 0:
                assert POLICY_MOVES[index] == chess.Move(origin, target).uci()
                listed.add(index)
    for number, piece in enumerate((chess.QUEEN, chess.ROOK, chess.BISHOP)):
        for origin_file in range(8):
            for target_file in range(8):
                if (index := int(PROMOTION_INDEX[number, origin_file, target_file])) >= 0:
                    squares = chess.square(origin_file, 6), chess.square(target_file, 7)
                    assert POLICY_MOVES[index] == chess.Move(*squares, promotion=piece).uci()
                    listed.add(index)
    assert listed == set(range(POLICY_SIZE))


@given(CHOICES)
def test_every_legal_move_has_its_own_place(choices: list[int]) -> None:
    board = played(choices)
    moves = list(board.legal_moves)
    places = [policy_index(board, move) for move in moves]
    assert len(set(places)) == len(moves)
    assert [POLICY_MOVES[place] for place in places] == [seen_by_mover(board, move) for move in moves]


@given(CHOICES)
def test_a_move_and_its_mirror_image_have_one_place(choices: list[int]) -> None:
    board = played(choices)
    for move in board.legal_moves:
        assert policy_index(board, move) == policy_index(board.mirror(), mirror(move))


@pytest.mark.parametrize("turn", [chess.WHITE, chess.BLACK])
def test_promotions_of_all_files(turn: chess.Color) -> None:
    board = chess.Board(PROMOTIONS)
    board.turn = turn
    moves = [move for move in board.generate_pseudo_legal_moves() if move.promotion]
    places = {policy_index(board, move) for move in moves}
    assert len(moves) == len(places) == 32
    assert {POLICY_MOVES[place] for place in places} == {seen_by_mover(board, move) for move in moves}


@pytest.mark.parametrize(
    ("fen", "short", "long"),
    [("r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", 103, 97), ("r3k2r/8/8/8/8/8/8/R3K2R b KQkq - 0 1", 103, 97)],
)
def test_castling_in_both_spellings(fen: str, short: int, long: int) -> None:
    board = chess.Board(fen)
    rank = "1" if board.turn == chess.WHITE else "8"
    for king_target, rook, place in (("g", "h", short), ("c", "a", long)):
        for target in (king_target, rook):
            assert policy_index(board, chess.Move.from_uci(f"e{rank}{target}{rank}")) == place


@pytest.mark.parametrize(
    ("fen", "castling"),
    [
        ("1rkr4/pppppppp/8/8/8/8/PPPPPPPP/1RKR4 w DBdb - 0 1", {"c1d1"}),
        ("1rkr4/pppppppp/8/8/8/8/PPPPPPPP/1RKR4 b DBdb - 0 1", {"c1d1"}),  # mirrored, as all moves of Black's
        ("4k3/8/8/8/8/8/8/R5KR w HA - 0 1", {"g1h1", "g1a1"}),
        ("r3k2r/8/8/8/8/8/8/R3K2R b KQkq - 0 1", {"e1a1", "e1h1"}),
    ],
)
def test_castling_of_chess960_is_the_king_taking_its_rook(fen: str, castling: set[str]) -> None:
    board = chess.Board(fen, chess960=True)
    moves = [move for move in board.legal_moves if board.is_castling(move)]
    assert {POLICY_MOVES[policy_index(board, move)] for move in moves} == castling
    assert len({policy_index(board, move) for move in board.legal_moves}) == board.legal_moves.count()


def test_a_king_that_only_looks_like_castling() -> None:
    board = chess.Board("4k3/8/8/8/8/8/8/4K2r w - - 0 1")
    assert POLICY_MOVES[policy_index(board, chess.Move.from_uci("e1f1"))] == "e1f1"


@pytest.mark.parametrize("uci", ["0000", "N@e4", "a1b4", "e2e3q", "a7a8k", "a2a1q"])
def test_a_move_that_no_piece_makes_is_refused(uci: str) -> None:
    with pytest.raises(ValueError, match=f"no place for the move {uci}"):
        policy_index(chess.Board(), chess.Move.from_uci(uci))
