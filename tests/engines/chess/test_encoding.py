"""The input planes: what each shows, in which order, and what stands where history is missing."""

from __future__ import annotations

import chess
import chess.variant
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.chess.encoding import pack_boards, unpack_planes

ALL = 0xFFFF_FFFF_FFFF_FFFF
CHOICES = st.lists(st.integers(0, 255), max_size=90)
FILLS = st.sampled_from(["fen_only", "no"])
STARTS = st.sampled_from(
    [
        chess.STARTING_FEN,
        "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 7 9",
        "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1",
        "rnbqkbnr/ppp1p1pp/8/3pPp2/8/8/PPPP1PPP/RNBQKBNR w KQkq f6 0 3",
    ]
)
# Pieces that go back and forth: games full of repetitions.
SHUFFLES = st.lists(st.sampled_from(["g1f3", "f3g1", "b1c3", "c3b1", "g8f6", "f6g8", "b8c6", "c6b8"]), max_size=60)


def played(choices: list[int], start: str = chess.STARTING_FEN) -> chess.Board:
    board = chess.Board(start)
    for choice in choices:
        moves = list(board.legal_moves)
        if not moves:
            break
        board.push(moves[choice % len(moves)])
    return board


def game(*ucis: str, start: str = chess.STARTING_FEN) -> chess.Board:
    board = chess.Board(start)
    for uci in ucis:
        board.push_uci(uci)
    return board


def packed(board: chess.Board, fill: str = "fen_only") -> tuple[list[int], NDArray[np.float32]]:
    masks, values = pack_boards([board], history_fill=fill)
    return [int(mask) for mask in masks[0]], values[0]


def boards_of(masks: list[int]) -> list[tuple[int, ...]]:
    """The twelve piece planes of each of the eight boards."""
    return [tuple(masks[13 * i : 13 * i + 12]) for i in range(8)]


def repetitions(masks: list[int]) -> list[int]:
    return masks[12:104:13]


def pieces(board: chess.Board, view: chess.Color) -> tuple[int, ...]:
    """The twelve piece planes by python-chess's own means."""
    masks = [int(board.pieces(kind, color)) for color in (view, not view) for kind in chess.PIECE_TYPES]
    return tuple(mask if view == chess.WHITE else chess.flip_vertical(mask) for mask in masks)


@given(CHOICES, STARTS, FILLS)
def test_boards_are_the_last_eight_seen_by_the_mover(choices: list[int], start: str, fill: str) -> None:
    board = played(choices, start)
    shown = boards_of(packed(board, fill)[0])
    past = board.copy()
    for age in range(min(len(board.move_stack) + 1, 8)):
        assert shown[age] == pieces(past, board.turn)
        if past.move_stack:
            past.pop()


@given(CHOICES, STARTS)
def test_auxiliary_planes(choices: list[int], start: str) -> None:
    board = played(choices, start)
    masks, values = packed(board)
    us, them = board.turn, not board.turn
    rights = [
        board.has_queenside_castling_rights(us),
        board.has_kingside_castling_rights(us),
        board.has_queenside_castling_rights(them),
        board.has_kingside_castling_rights(them),
    ]
    assert [mask == ALL for mask in masks[104:108]] == rights
    assert masks[108] == (ALL if board.turn == chess.BLACK else 0)
    assert (masks[109], values[109]) == (ALL, board.halfmove_clock)
    assert masks[110:] == [0, ALL]
    assert set(np.delete(values, 109)) == {1.0}
    assert {*masks[104:], *repetitions(masks)} <= {0, ALL}


@pytest.mark.parametrize(
    ("fen", "rights"),
    [
        ("1rkr4/8/8/8/8/8/8/1RKR4 w DBdb - 0 1", [1, 1, 1, 1]),
        ("1rkr4/8/8/8/8/8/8/1RKR4 w Db - 0 1", [0, 1, 1, 0]),
        ("1rkr4/8/8/8/8/8/8/1RKR4 b Db - 0 1", [1, 0, 0, 1]),
        ("4k3/8/8/8/8/8/8/RR2K3 w B - 0 1", [1, 0, 0, 0]),
        ("4k3/8/8/8/8/8/8/K5RR w G - 0 1", [0, 1, 0, 0]),
    ],
)
def test_rights_of_chess960_show_by_the_side_of_the_king(fen: str, rights: list[int]) -> None:
    masks, _ = packed(chess.Board(fen, chess960=True))
    assert [int(mask == ALL) for mask in masks[104:108]] == rights


def test_a_board_with_the_right_of_another_rook_is_no_repetition() -> None:
    board = chess.Board("1r2k3/8/8/8/8/8/8/RR2K3 w AB - 0 1", chess960=True)
    board.castling_rights = chess.BB_B1
    for uci in ("a1a2", "b8a8", "a2a1", "a8b8"):
        board.push_uci(uci)
    assert repetitions(packed(board)[0])[0] == ALL
    for uci in ("b1c1", "b8a8", "c1b1", "a8b8"):
        board.push_uci(uci)
    assert repetitions(packed(board)[0])[0] == 0


def test_the_usual_start_is_itself_on_a_board_of_chess960() -> None:
    assert (pack_boards([chess.Board(chess960=True)])[0] == pack_boards([chess.Board()])[0]).all()
    assert boards_of(packed(chess.Board.from_chess960_pos(0))[0])[7] != (0,) * 12, "another start is shown again"


@given(CHOICES, STARTS, FILLS)
def test_colours_exchanged_give_the_same_planes_but_the_one_for_black(
    choices: list[int], start: str, fill: str
) -> None:
    board = played(choices, start)
    mirrored = chess.Board(start).mirror()
    for move in board.move_stack:
        squares = chess.square_mirror(move.from_square), chess.square_mirror(move.to_square)
        mirrored.push(chess.Move(*squares, promotion=move.promotion))
    ours, theirs = packed(board, fill), packed(mirrored, fill)
    # With its colours exchanged the start position is no longer the one that history is never made up for.
    compared = [i for i in range(112) if i != 108 and (i < 13 or i > 103 or start != chess.STARTING_FEN)]
    assert [ours[0][i] for i in compared] == [theirs[0][i] for i in compared]
    assert ours[0][108] == ALL - theirs[0][108]
    assert (ours[1] == theirs[1]).all()


@given(CHOICES, STARTS, FILLS)
def test_boards_are_only_read_and_each_is_encoded_for_itself(choices: list[int], start: str, fill: str) -> None:
    board = played(choices, start)
    before = (board.fen(en_passant="fen"), list(board.move_stack))
    alone, values = pack_boards([board], history_fill=fill)
    together, _ = pack_boards([chess.Board(), board, played(choices[:7])], history_fill=fill)
    assert (board.fen(en_passant="fen"), list(board.move_stack)) == before
    assert (together[1] == alone[0]).all()
    assert alone.dtype == np.uint64
    assert values.dtype == np.float32


@given(SHUFFLES)
def test_repetition_planes_agree_with_python_chess(ucis: list[str]) -> None:
    board = chess.Board()
    for uci in ucis:
        if chess.Move.from_uci(uci) in board.legal_moves:
            board.push_uci(uci)
    shown = repetitions(packed(board)[0])
    past = board.copy()
    for age in range(min(len(board.move_stack) + 1, 8)):
        assert (shown[age] == ALL) == past.is_repetition(2)
        if past.move_stack:
            past.pop()


def test_a_repetition_from_long_before_the_eight_boards_shows() -> None:
    board = game("e2e4", "e7e5")
    there = ["g1f3", "g8f6", "f3g5", "f6g4", "g5h3", "g4h6", "h3g1", "h6g8"]
    for uci in there:
        board.push_uci(uci)
    masks, _ = packed(board)
    assert repetitions(masks) == [ALL, 0, 0, 0, 0, 0, 0, 0]
    assert boards_of(masks)[0] == pieces(game("e2e4", "e7e5"), chess.WHITE)


def test_a_board_with_other_castling_rights_is_no_repetition() -> None:
    start = "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1"
    there_and_back = ["a1b1", "a8b8", "b1a1", "b8a8"]
    assert repetitions(packed(game(*there_and_back, start=start))[0])[0] == 0
    assert repetitions(packed(game(*there_and_back * 2, start=start))[0])[0] == ALL


def test_en_passant_counts_in_a_repetition_only_with_a_pawn_beside() -> None:
    back_and_forth = ["g8f6", "g1f3", "f6g8", "f3g1"]
    nobody_beside = game("e2e4", *back_and_forth)
    assert repetitions(packed(nobody_beside)[0])[0] == ALL
    beside = chess.Board("rnbqkbnr/ppp1pppp/8/8/3p4/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1")
    for uci in ["e2e4", *back_and_forth]:
        beside.push_uci(uci)
    assert repetitions(packed(beside)[0])[0] == 0


def test_a_fen_with_a_high_clock_alone_repeats_nothing() -> None:
    board = chess.Board("4k3/8/8/8/8/8/8/4K2R w K - 40 60")
    assert set(repetitions(packed(board)[0])) == {0}
    assert packed(board)[1][109] == 40


def test_before_the_start_position_there_is_nothing() -> None:
    for board in (chess.Board(), game("e2e4"), game("e2e4", "e7e5", "g1f3")):
        shown = boards_of(packed(board)[0])
        known = len(board.move_stack) + 1
        assert set(shown[known:]) == {(0,) * 12}
        assert (pack_boards([board])[0] == pack_boards([board], history_fill="no")[0]).all()


@pytest.mark.parametrize("moves", [[], ["h1g1"], ["h1g1", "e8d8"]])
def test_before_a_fen_its_board_is_repeated_or_nothing(moves: list[str]) -> None:
    start = "4k3/8/8/8/8/8/8/4K2R w - - 5 60"
    board = game(*moves, start=start)
    known = len(moves) + 1
    filled = boards_of(packed(board, "fen_only")[0])
    assert filled[known:] == [pieces(chess.Board(start), board.turn)] * (8 - known)
    assert boards_of(packed(board, "no")[0])[known:] == [(0,) * 12] * (8 - known)


@pytest.mark.parametrize(
    ("fen", "before"),
    [
        (
            "rnbqkbnr/ppp1pppp/8/3pP3/8/8/PPPP1PPP/RNBQKBNR w KQkq d6 0 3",
            "rnbqkbnr/pppppppp/8/4P3/8/8/PPPP1PPP/RNBQKBNR w KQkq - 0 3",
        ),
        (
            "rnbqkbnr/ppp1pppp/8/8/3pP3/8/PPPP1PPP/RNBQKBNR b KQkq e3 0 3",
            "rnbqkbnr/ppp1pppp/8/8/3p4/8/PPPPPPPP/RNBQKBNR b KQkq - 0 3",
        ),
        # A square in the FEN counts even where no pawn could take.
        ("4k3/8/8/8/4P3/8/8/4K3 b - e3 0 3", "4k3/8/8/8/8/8/4P3/4K3 b - - 0 3"),
    ],
)
def test_a_double_step_known_from_the_fen_is_taken_back(fen: str, before: str) -> None:
    board = chess.Board(fen)
    earlier = pieces(chess.Board(before), board.turn)
    assert boards_of(packed(board, "fen_only")[0])[1:] == [earlier] * 7
    assert boards_of(packed(board, "no")[0])[1:] == [earlier] + [(0,) * 12] * 6


def test_after_eight_boards_the_fill_does_not_matter() -> None:
    board = game("h1g1", "e8d8", "g1h1", "d8e8", "h1g1", "e8d8", "g1g2", start="4k3/8/8/8/8/8/8/4K2R w - - 5 60")
    assert (pack_boards([board])[0] == pack_boards([board], history_fill="no")[0]).all()


def test_no_boards_give_no_rows() -> None:
    masks, values = pack_boards([])
    assert masks.shape == values.shape == (0, 112)


@pytest.mark.parametrize(
    ("board", "error", "words"),
    [
        ("startpos", TypeError, "Item 1 is of type str"),
        (chess.variant.AtomicBoard(), ValueError, "atomic"),
        (chess.Board(None), ValueError, "king"),
    ],
)
def test_what_is_no_board_of_chess_is_refused(board: chess.Board, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        pack_boards([chess.Board(), board])


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="Input format 6 is not supported; use one of 1, 2, 3, 4, 5, 132, 133"):
        pack_boards([chess.Board()], input_format=6)
    with pytest.raises(ValueError, match="history_fill is 'always'"):
        pack_boards([chess.Board()], history_fill="always")


@given(st.lists(st.tuples(st.integers(0, ALL), st.floats(width=32, allow_nan=False)), min_size=1, max_size=20))
def test_unpacking_puts_the_value_where_the_bit_is(planes: list[tuple[int, float]]) -> None:
    masks = np.array([[mask for mask, _ in planes]], dtype=np.uint64)
    values = np.array([[value for _, value in planes]], dtype=np.float32)
    full = unpack_planes(masks, values)
    assert full.dtype == np.float32
    assert full.shape == (1, len(planes), 8, 8)
    for number, (mask, value) in enumerate(planes):
        expected = [[value if mask >> (8 * rank + file) & 1 else 0.0 for file in range(8)] for rank in range(8)]
        assert (full[0, number] == np.array(expected, dtype=np.float32)).all()


def test_unpacking_into_an_array_with_channels_innermost() -> None:
    masks, values = pack_boards([chess.Board(), game("e2e4")])
    out = np.full((2, 8, 8, 112), np.nan, dtype=np.float32).transpose(0, 3, 1, 2)
    assert unpack_planes(masks, values, out=out) is out
    assert (out == unpack_planes(masks, values)).all()


def test_unpacking_wrong_shapes_is_refused() -> None:
    masks, values = pack_boards([chess.Board()])
    with pytest.raises(ValueError, match="masks must be uint64"):
        unpack_planes(masks.astype(np.int64), values)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="values must be float32"):
        unpack_planes(masks, values[:, :5])
    with pytest.raises(ValueError, match="out must be float32"):
        unpack_planes(masks, values, out=np.zeros((1, 112, 8, 9), dtype=np.float32))
