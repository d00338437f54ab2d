"""The compiled rules against python-chess, ply by ply through random games."""

from __future__ import annotations

from itertools import combinations_with_replacement

import chess
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.chess.history import game_rows
from engines.chess.moves import POLICY_MOVES, policy_slot
from engines.chess.position import (
    KEY,
    STATE,
    decode_move,
    encode_move,
    halfmove_clock,
    insufficient_material,
    position_of,
    start_position,
)
from experiments.check_rules import check_games, check_position, kernel_moves

PINNED_PASSANT = "8/8/8/8/k1Pp3Q/8/8/4K3 b - c3 0 1"
TWO_ROOKS = "4k3/8/8/8/8/8/8/RR2K3 w {} - 0 1"


def legal(board: chess.Board) -> set[chess.Move]:
    return {decode_move(m, not board.turn, board.chess960) for m in kernel_moves(position_of(board))}


@pytest.mark.parametrize("part", range(3))
def test_random_games(part: int) -> None:
    """Every position of games of both kinds, with what is rare in them; `experiments.check_rules` plays 20,000."""
    had = check_games(range(100 * part, 100 * part + 100), seed=20240)
    assert had["positions"] > 4_000
    assert had["repeated positions"] > 500
    assert min(had["castlings"], had["promotions"], had["chess960"]) > 10


@settings(max_examples=60)
@given(st.lists(st.integers(0, 255), max_size=60), st.sampled_from([chess.STARTING_FEN, PINNED_PASSANT]))
def test_any_game(choices: list[int], start: str) -> None:
    board = chess.Board(start)
    for choice in choices:
        moves = list(board.legal_moves)
        if not moves:
            break
        board.push(moves[choice % len(moves)])
    check_position(board, game_rows(board)[-1])
    mirrored = position_of(chess.Board(board.fen(en_passant="fen")).mirror())
    assert (mirrored[:6] == position_of(chess.Board(board.fen(en_passant="fen")))[:6]).all()


@pytest.mark.parametrize(
    ("fen", "move", "allowed"),
    [
        (PINNED_PASSANT, "d4c3", False),  # both pawns leave the rank of king and queen
        ("8/8/8/8/k1Pp4/8/8/4K3 b - c3 0 1", "d4c3", True),
        ("8/8/8/3k4/2Pp4/8/8/4K3 b - c3 0 1", "d4c3", True),  # takes the pawn that gives check
        ("4k3/8/8/8/2Pp4/8/8/B3K3 b - c3 0 1", "d4c3", True),
        ("3k4/8/8/8/2Pp4/8/8/3RK3 b - c3 0 1", "d4c3", False),  # pinned on the file
        ("8/8/8/8/8/1k6/8/R3K3 w Q - 0 1", "e1c1", True),  # only the rook passes an attacked square
        ("8/8/8/8/8/8/2k5/R3K3 w Q - 0 1", "e1c1", False),
        ("4k3/8/8/8/8/8/6n1/4K2R w K - 0 1", "e1g1", False),  # in check
        ("4k3/8/8/8/8/6n1/8/4K2R w K - 0 1", "e1g1", False),  # through check
        ("4k3/8/8/8/8/7n/8/4K2R w K - 0 1", "e1g1", False),  # into check
        ("4k3/8/8/8/8/8/4r3/4K3 w - - 0 1", "e1e2", True),
        ("4k3/8/8/8/8/4r3/4r3/4K3 w - - 0 1", "e1e2", False),  # protected
        ("4k3/8/8/8/7b/8/3N4/r3K3 w - - 0 1", "d2b1", False),  # two checks: only the king may move
    ],
)
def test_moves_that_generators_get_wrong(fen: str, move: str, allowed: bool) -> None:
    board = chess.Board(fen)
    assert (chess.Move.from_uci(move) in legal(board)) == allowed
    check_position(board, position_of(board))


@pytest.mark.parametrize(
    ("fen", "move", "allowed"),
    [
        ("4k3/8/8/8/8/8/8/1RK5 w B - 0 1", "c1b1", True),  # the king stays, the rook jumps over it
        ("4k3/8/8/8/8/8/8/rRK5 w B - 0 1", "c1b1", False),  # and here it would uncover the king
        ("4k3/8/8/8/8/8/8/nRK5 w B - 0 1", "c1b1", True),
        ("4k3/8/8/8/8/8/8/qR2K3 w B - 0 1", "e1b1", False),
        ("4k3/8/8/8/8/8/8/qN1RK3 w D - 0 1", "e1d1", True),  # shielded by the knight
        ("4k3/8/8/8/8/8/8/1N1RK3 w D - 0 1", "e1d1", True),  # b1 is on nobody's way
        ("4k3/8/8/8/8/8/8/2NRK3 w D - 0 1", "e1d1", False),
        ("4k3/8/8/8/8/8/8/R4K2 w A - 0 1", "f1a1", True),
        ("3rk3/8/8/8/8/8/8/R4K2 w A - 0 1", "f1a1", False),  # over d1, where the rook will stand
        ("1r2k3/8/8/8/8/8/8/R4K2 w A - 0 1", "f1a1", True),  # b1 is only the rook's
        ("4k3/8/8/8/8/8/8/5KR1 w G - 0 1", "f1g1", True),  # they change places
        ("4k3/8/8/8/8/8/8/1KR5 w C - 0 1", "b1c1", True),
        ("4k3/8/8/8/4b3/8/8/1KR5 w C - 0 1", "b1c1", False),  # in check along the diagonal
        ("5rkr/8/8/8/8/8/8/4K3 b hf - 0 1", "g8h8", False),  # the other rook stands on f8
        ("6kr/8/8/8/8/8/8/4K3 b h - 0 1", "g8h8", True),
    ],
)
def test_castling_of_chess960(fen: str, move: str, allowed: bool) -> None:
    board = chess.Board(fen, chess960=True)
    assert (chess.Move.from_uci(move) in legal(board)) == allowed
    check_position(board, position_of(board))
    if allowed:
        board.push_uci(move)
        check_position(board, game_rows(board)[-1])


def test_positions_that_differ_only_in_the_rook_that_may_castle_have_different_keys() -> None:
    keys = {int(position_of(chess.Board(TWO_ROOKS.format(right), chess960=True))[KEY]) for right in ("A", "B", "-")}
    assert len(keys) == 3


def test_a_position_of_standard_chess_is_one_row_on_both_kinds_of_board() -> None:
    for fen in (chess.STARTING_FEN, "r3k2r/8/8/8/8/8/8/R3K2R b Kq - 3 20"):
        assert (position_of(chess.Board(fen)) == position_of(chess.Board(fen, chess960=True))).all()


def test_the_start_position_needs_no_board() -> None:
    row = start_position()
    assert row.dtype == np.uint64
    assert (row == position_of(chess.Board())).all()
    row[:] = 0
    assert (start_position() == position_of(chess.Board())).all(), "each call makes a new array"


def test_castling_is_spelt_as_the_board_spells_it() -> None:
    for turn, rank in (("w", "1"), ("b", "8")):
        board = chess.Board(f"r3k2r/8/8/8/8/8/8/R3K2R {turn} KQkq - 0 1")
        codes = {encode_move(board, chess.Move.from_uci(f"e{rank}{to}{rank}")) for to in ("g", "h")}
        assert len(codes) == 1, "read in both spellings"
        spelt = [decode_move(*codes, turn == "b", chess960).uci() for chess960 in (False, True)]
        assert spelt == [f"e{rank}g{rank}", f"e{rank}h{rank}"]


@pytest.mark.parametrize("count", range(5))
def test_insufficient_material_of_all_small_sets(count: int) -> None:
    """Every set of up to four men beside the kings, bishops told apart by the colour of their squares."""
    light, dark = list(chess.SquareSet(chess.BB_LIGHT_SQUARES)), list(chess.SquareSet(chess.BB_DARK_SQUARES))
    kinds = [(chess.BISHOP, light), (chess.BISHOP, dark)]
    kinds += [(kind, light[6:-6]) for kind in (chess.PAWN, chess.KNIGHT, chess.ROOK, chess.QUEEN)]
    men = [(chess.Piece(kind, color), squares) for kind, squares in kinds for color in chess.COLORS]
    insufficient = 0
    for chosen in combinations_with_replacement(men, count):
        board = chess.Board("8/8/8/4k3/8/8/8/4K3 w - - 0 1")
        for piece, squares in chosen:
            board.set_piece_at(next(square for square in squares if board.piece_at(square) is None), piece)
        words = [0, board.pawns, board.knights, board.bishops | board.queens, board.rooks | board.queens, board.kings]
        row = np.array([*words, 0, 0], dtype=np.uint64)
        assert bool(insufficient_material(row)) == board.is_insufficient_material(), board.fen()
        insufficient += board.is_insufficient_material()
    # One man: four kinds of bishop, two of knights.  More: any number of either side's bishops, all on one colour.
    assert insufficient == (1, 6, 6, 8, 10)[count]


@pytest.mark.parametrize(
    ("pieces", "insufficient"),
    [
        ("8/8/8/4k3/8/8/8/4K3", True),
        ("8/8/8/4k3/8/8/8/4KN2", True),
        ("8/8/8/4k3/8/8/8/4KB2", True),
        ("8/8/8/4k1b1/8/8/8/2B1K3", True),  # bishops on squares of one colour
        ("8/8/8/4k2b/8/8/8/2B1K3", False),
        ("8/8/8/4k1n1/8/8/8/4KN2", False),
        ("8/8/8/4k3/8/8/8/4KNN1", False),
        ("8/8/8/4k1b1/8/8/8/4KN2", False),
        ("8/8/8/4k3/7P/8/8/4K3", False),
        ("8/8/8/4k3/8/8/8/4KR2", False),
    ],
)
def test_insufficient_material(pieces: str, insufficient: bool) -> None:
    board = chess.Board(f"{pieces} w - - 0 1")
    assert board.is_insufficient_material() == insufficient
    assert bool(insufficient_material(position_of(board))) == insufficient


def test_the_clock_stops_at_its_eight_bits() -> None:
    board = chess.Board("4k3/8/8/8/8/8/8/R3K3 w - - 254 200")
    for uci in ("a1a2", "e8d8", "a2a3", "d8e8"):
        board.push_uci(uci)
    assert [int(halfmove_clock(row[STATE])) for row in game_rows(board)] == [254, 255, 255, 255, 255]


def test_plies_are_counted_to_the_end_of_their_bits_and_go_on_from_nought() -> None:
    board = chess.Board("4k2r/8/8/8/8/8/8/R3K3 w Qk - 0 32767")
    for uci in ("a1a2", "h8h7", "a2a3", "h7h8", "a3a4"):
        board.push_uci(uci)
    assert [int(row[STATE]) >> 19 for row in game_rows(board)] == [65532, 65533, 65534, 65535, 0, 1]


def test_a_pass_in_the_history_is_followed() -> None:
    board = chess.Board()
    board.push_uci("e2e4")
    board.push(chess.Move.null())
    board.push_uci("d2d4")
    rows = game_rows(board)
    assert (rows[-1] == position_of(board)).all()
    assert len(rows) == 4


def test_a_history_that_is_not_chess_is_refused() -> None:
    board = chess.Board("4k3/8/8/8/8/8/4P3/4K3 w - - 0 1")
    board.push(chess.Move.from_uci("e1e8"))
    with pytest.raises(ValueError, match="exactly one king a side"):
        game_rows(board)


def test_a_castling_right_dies_with_its_rook_and_not_with_another_move() -> None:
    board = chess.Board("r3k2r/8/8/8/8/8/6b1/R3K2R b KQkq - 0 1")
    for uci, fen_rights in (("g2h1", "Qkq"), ("a1a8", "k"), ("e8e7", "-")):
        board.push_uci(uci)
        assert board.castling_xfen() == fen_rights
        check_position(board, game_rows(board)[-1])


def test_every_policy_move_is_reached_by_some_kernel_move() -> None:
    """Promotions aside, any piece's move has the slot of its two squares."""
    place = {move: slot for slot, move in enumerate(POLICY_MOVES)}
    for origin, target in (("a1", "h8"), ("g1", "f3"), ("e7", "e8"), ("b7", "a8")):
        squares = chess.parse_square(origin) | chess.parse_square(target) << 6
        assert policy_slot(squares) == place[origin + target]
        if origin[1] == "7":
            by_kind = [policy_slot(squares | kind << 12) for kind in (5, 6, 7, 8)]
            assert by_kind == [place[origin + target + piece] for piece in ("", "b", "r", "q")]
    assert [policy_slot(4 | 7 << 6 | 3 << 12), policy_slot(4 | 0 << 6 | 4 << 12)] == [place["e1h1"], place["e1a1"]]
