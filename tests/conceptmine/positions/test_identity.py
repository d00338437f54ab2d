"""Identity depends on content only, and is the same on every machine and in every process."""

from __future__ import annotations

import chess
import pytest

from conceptmine.errors import InputError
from conceptmine.positions import (
    board_of,
    opening_key,
    path_id,
    stable_rank,
    symmetry_key,
    transposition_key,
)


def test_identifiers_do_not_change_between_versions() -> None:
    assert path_id(None, ["e2e4", "e7e5"]) == "8d1ba5702ff621de"
    assert path_id(chess.STARTING_FEN, ("e2e4", "e7e5")) == path_id(None, ["e2e4", "e7e5"])
    assert stable_rank(0, "game", "0f") == stable_rank(0, "game", "0f")


def test_identifiers_tell_paths_apart() -> None:
    ways = [(), ("e2e4",), ("e2e4", "e7e5"), ("e7e5", "e2e4")]
    fens = [None, "8/8/8/8/8/k7/7R/K7 w - - 3 50"]
    assert len({path_id(fen, way) for fen in fens for way in ways}) == 8
    assert len({stable_rank(seed, *parts) for seed in (0, 1) for parts in (("a", 1), ("a1",), ("b", 1))}) == 6


def test_a_board_has_its_history() -> None:
    board = board_of(None, "e2e4 e7e5 e1e2")
    assert [move.uci() for move in board.move_stack] == ["e2e4", "e7e5", "e1e2"]
    assert board == board_of(None, ("e2e4", "e7e5", "e1e2"), check=False)
    assert board_of(None, "").fen() == chess.STARTING_FEN
    assert board_of("r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", "e1g1 e8c8").fen().startswith("2kr3r/8/8/8/8/8/8/R4RK1 w")


@pytest.mark.parametrize(
    ("fen", "moves", "fault"),
    [
        ("8/8/8 w", "", "cannot be read"),
        ("8/8/8/8/8/8/8/K7 w - - 0 1", "", "not a legal position"),
        (None, "e2e4 e5", r"Move 2 \('e5'\) is not a UCI move"),
        (None, "e2e4 e7e4", r"Move 2 \(e7e4\) is not legal"),
        (None, "e2e4 0000", "is not legal"),
    ],
)
def test_what_cannot_be_set_up_is_refused(fen: str | None, moves: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        board_of(fen, moves)


def test_transpositions_are_the_same_position_and_rights_count() -> None:
    one = board_of(None, "g1f3 g8f6 b1c3")
    other = board_of(None, "b1c3 g8f6 g1f3")
    assert transposition_key(one) == transposition_key(other)
    waited = board_of(None, "g1f3 g8f6 b1c3 f6g8 f3g1 g8f6 g1f3 f6g8 f3g1 g8f6 g1f3")
    assert waited.halfmove_clock != one.halfmove_clock
    assert transposition_key(waited) == transposition_key(one)
    assert transposition_key(board_of(None, "g1f3 g8f6 b1c3 f6g8")) != transposition_key(
        board_of(None, "g1f3 g8f6 b1c3")
    )
    assert transposition_key(board_of("6k1/8/8/8/8/8/8/K6R w - - 0 1", "")) != transposition_key(
        board_of("6k1/8/8/8/8/8/8/K6R b - - 0 1", "")
    )
    castle = board_of(None, "g1f3 g8f6 h1g1 f6g8 g1h1 g8f6 b1c3")
    assert transposition_key(castle) != transposition_key(one), "the right to castle is lost"
    passant, quiet = board_of(None, "e2e4 a7a6 e4e5 d7d5"), board_of(None, "e2e4 a7a6 e4e5 d7d6")
    assert " d6" in transposition_key(passant)
    assert transposition_key(board_of(None, "e2e4")).endswith(" -"), "nobody can take en passant"
    assert transposition_key(passant) != transposition_key(quiet)


def _mirrored_wings(board: chess.Board) -> chess.Board:
    return board.transform(chess.flip_horizontal)


def test_mirror_images_have_one_symmetry_key() -> None:
    ending = chess.Board("8/5k2/8/2pP4/8/1K6/6R1/8 w - c6 0 40")
    images = [ending, ending.mirror(), _mirrored_wings(ending), _mirrored_wings(ending.mirror())]
    assert len({symmetry_key(board) for board in images}) == 1
    other = chess.Board("8/5k2/8/2pP4/8/1K6/6R1/8 w - - 0 40")
    assert symmetry_key(other) != symmetry_key(ending)


def test_wings_are_not_alike_while_somebody_can_castle() -> None:
    castling = chess.Board("r3k3/8/8/8/8/8/8/4K2R w Kq - 0 1")
    assert symmetry_key(castling) == symmetry_key(castling.mirror())
    assert symmetry_key(castling) != symmetry_key(_mirrored_wings(castling))


def test_an_opening_is_known_by_its_position_and_not_by_the_order_of_moves() -> None:
    one, other = ["d2d4", "g8f6", "c2c4", "e7e6", "g2g3"], ["c2c4", "e7e6", "d2d4", "g8f6", "b1c3"]
    assert opening_key(None, one, 4) == opening_key(None, other, 4)
    assert opening_key(None, one, 5) != opening_key(None, other, 5)
    assert opening_key(None, one, 99) == opening_key(None, one, 5)
