"""The compiled rules against python-chess, ply by ply through random games."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator

import chess
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.chess.movegen import MAX_MOVES, in_check, legal_moves
from engines.chess.moves import POLICY_MOVES, policy_index, policy_slot
from engines.chess.planes import count_repetitions
from engines.chess.position import (
    KEY,
    STATE,
    decode_move,
    encode_move,
    game_rows,
    halfmove_clock,
    insufficient_material,
    position_of,
)

Games = Callable[[int, int, int], Iterator[chess.Board]]

PINNED_PASSANT = "8/8/8/8/k1Pp3Q/8/8/4K3 b - c3 0 1"


def moves_of(row: NDArray[np.uint64]) -> list[int]:
    moves = np.zeros(MAX_MOVES, dtype=np.uint64)
    return [int(move) for move in moves[: legal_moves(row, moves, 0)]]


def identity(board: chess.Board) -> Hashable:
    """What makes two positions of a game the same, by python-chess's own fields."""
    from_fen = not board.move_stack
    counts = board.ep_square is not None and (from_fen or board.has_pseudo_legal_en_passant())
    return (board.board_fen(), board.turn, board.clean_castling_rights(), board.ep_square if counts else None)


def replayed(game: chess.Board) -> Iterator[chess.Board]:
    """The boards of a game, oldest first (one object that changes)."""
    board = game.root()
    yield board
    for move in game.move_stack:
        board.push(move)
        yield board


def compare(board: chess.Board, row: NDArray[np.uint64]) -> None:
    """One kernel row against the board it stands for: moves, check, rights, en passant, clocks, material, key."""
    where = board.fen(en_passant="fen")
    black = board.turn == chess.BLACK
    kernel_moves = moves_of(row)
    moves = [decode_move(move, black) for move in kernel_moves]
    assert set(moves) == set(board.legal_moves), where
    assert len(set(moves)) == len(moves), where
    assert [encode_move(board, move) for move in moves] == kernel_moves, where
    assert [policy_slot(move) for move in kernel_moves] == [policy_index(board, move) for move in moves], where
    assert bool(in_check(row)) == board.is_check(), where
    assert bool(insufficient_material(row)) == board.is_insufficient_material(), where
    assert int(halfmove_clock(row[STATE])) == board.halfmove_clock, where
    state = int(row[STATE])
    us, them = board.turn, not board.turn
    rights = [
        board.has_kingside_castling_rights(us),
        board.has_queenside_castling_rights(us),
        board.has_kingside_castling_rights(them),
        board.has_queenside_castling_rights(them),
    ]
    assert [bool(state >> bit & 1) for bit in (6, 7, 8, 9)] == rights, where
    passant = (state & 63) ^ (56 if black else 0) if state & 63 else None
    assert passant == identity(board)[3], where  # type: ignore[index]
    assert bool(state >> 10 & 1) == black, where
    assert state >> 19 == board.ply(), where
    assert (row == position_of(board)).all(), where


def test_random_games(random_games: Games) -> None:
    """Positions, moves, keys and repetition counts made move by move are those of python-chess."""
    key_of: dict[Hashable, int] = {}
    plies = repeated_plies = 0
    for game in random_games(20240, 100, 70):
        rows = game_rows(game)
        repetitions = np.zeros(len(rows), dtype=np.uint8)
        count_repetitions(rows, repetitions)
        stood: Counter[Hashable] = Counter()
        for ply, board in enumerate(replayed(game)):
            compare(board, rows[ply])
            assert repetitions[ply] == stood[identity(board)], board.fen()
            stood[identity(board)] += 1
            assert key_of.setdefault(identity(board), int(rows[ply, KEY])) == rows[ply, KEY]
            repeated_plies += int(repetitions[ply] > 0)
            plies += 1
    assert plies > 5_000
    assert repeated_plies > 100
    assert len(set(key_of.values())) == len(key_of), "two positions with one key"


@settings(max_examples=60)
@given(st.lists(st.integers(0, 255), max_size=60), st.sampled_from([chess.STARTING_FEN, PINNED_PASSANT]))
def test_any_game(choices: list[int], start: str) -> None:
    board = chess.Board(start)
    for choice in choices:
        moves = list(board.legal_moves)
        if not moves:
            break
        board.push(moves[choice % len(moves)])
    compare(board, game_rows(board)[-1])
    mirrored = position_of(chess.Board(board.fen(en_passant="fen")).mirror())
    assert (mirrored[:6] == position_of(chess.Board(board.fen(en_passant="fen")))[:6]).all()


@pytest.mark.parametrize(
    ("fen", "move", "legal"),
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
def test_moves_that_generators_get_wrong(fen: str, move: str, legal: bool) -> None:
    board = chess.Board(fen)
    assert (
        chess.Move.from_uci(move) in {decode_move(m, not board.turn) for m in moves_of(position_of(board))}
    ) == legal
    compare(board, position_of(board))


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
        compare(board, game_rows(board)[-1])


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
