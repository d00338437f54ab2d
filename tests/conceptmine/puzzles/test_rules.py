"""Which positions make a puzzle: each rule with a position it rejects and one, close to it, that it lets pass."""

from __future__ import annotations

import chess
import pytest

from conceptmine.puzzles import exchange_gain, unsuitable


def reached(fen: str, last: str, line: str) -> str | None:
    """The verdict on the position after `last` is played on `fen`, with `line` as solution."""
    board = chess.Board(fen)
    board.push_uci(last)
    moves = [chess.Move.from_uci(word) for word in line.split()]
    after = board.copy()
    for move in moves:
        assert after.is_legal(move), move
        after.push(move)
    return unsuitable(board, moves)


ITALIAN = "r1bqkbnr/pppp1ppp/2n5/4p3/2B1P3/5N2/PPPP1PPP/RNBQK2R b KQkq - 3 3"


def test_a_quiet_middlegame_move_is_a_puzzle() -> None:
    assert reached(ITALIAN, "f8c5", "c2c3 g8f6 d2d3") is None


def test_the_move_before_must_be_known() -> None:
    board = chess.Board()
    line = [chess.Move.from_uci(word) for word in ("e2e4", "e7e5", "g1f3")]
    assert unsuitable(board, line) == "no previous move"


def test_a_line_needs_three_plies() -> None:
    assert reached(ITALIAN, "f8c5", "c2c3 g8f6") == "short line"
    board = chess.Board(ITALIAN)
    board.push_uci("f8c5")
    line = [chess.Move.from_uci(word) for word in ("c2c3", "g8f6", "d2d3")]
    assert unsuitable(board, line, min_line_plies=4) == "short line"


def test_five_men_are_a_tablebase_endgame_and_six_are_not() -> None:
    assert reached("8/4k3/8/8/3RP3/4K3/8/r7 b - - 0 1", "a1a3", "e3f4 a3a1 e4e5") == "tablebase endgame"
    assert reached("8/4k2p/8/8/3RP3/4K3/8/r7 b - - 0 1", "a1a3", "e3f4 a3a1 e4e5") is None


def test_a_single_legal_move_is_no_question() -> None:
    assert reached("4r1k1/5ppp/8/8/8/3B4/5PPP/6K1 b - - 0 1", "e8e1", "d3f1 e1d1 g2g3") == "only one legal move"
    assert reached("4r1k1/5ppp/8/8/8/3B2P1/5P1P/6K1 b - - 0 1", "e8e1", "g1g2 e1d1 d3e4") is None


def test_a_mate_in_one_is_trivial_even_if_another_move_is_asked_for() -> None:
    fen = "6k1/pp3ppp/8/8/8/8/PP3PPP/3RK2R b K - 0 1"
    assert reached(fen, "a7a6", "d1d8") == "short line"
    assert reached(fen, "a7a6", "e1g1 g7g6 d1d6") == "mate in one"
    assert reached("6k1/pp3ppp/8/8/8/8/PP3PPP/3RK2R b K - 0 1", "g7g6", "e1g1 g8g7 d1d6") is None


def test_a_recapture_is_trivial() -> None:
    # 3...Nxe4 4.Nxe4: the pawn is lost either way, but nobody needs to think.
    fen = "rnbqkb1r/pppp1ppp/5n2/4p3/4P3/2N2N2/PPPP1PPP/R1BQKB1R b KQkq - 3 3"
    assert reached(fen, "f6e4", "c3e4 d7d5 e4g3") == "recapture"


def test_a_capture_on_a_square_just_moved_to_is_no_recapture_if_nothing_was_taken_there() -> None:
    fen = "rnbqkb1r/pppp1ppp/5n2/4p3/4P3/2N2N2/PPPP1PPP/R1BQKB1R b KQkq - 3 3"
    assert reached(fen, "f6d5", "e4d5 e5e4 f3e5") == "wins material at once"


def test_winning_a_piece_by_taking_it_is_trivial() -> None:
    fen = "r1bqkb1r/pppp1ppp/2n2n2/4p3/2B1P3/3P1N1P/PPP2PP1/RNBQK2R b KQkq - 0 5"
    assert reached(fen, "f6g4", "h3g4 d7d5 e4d5") == "wins material at once"


def test_offering_a_piece_by_taking_a_pawn_is_not_trivial() -> None:
    # The Greek gift: by exchanges on h7 alone the bishop is lost.
    greek = "rnbq1rk1/pppnbppp/4p3/3pP3/3P3P/2NB1N2/PPP2PP1/R1BQK2R b KQ - 0 7"
    assert reached(greek, "b7b6", "d3h7 g8h7 f3g5") is None


def test_exchanging_is_not_trivial() -> None:
    fen = "r1bqkb1r/pppp1ppp/2n2n2/4p3/4P3/3P1N2/PPP2PPP/RNBQKB1R b KQkq - 0 4"
    assert reached(fen, "c6d4", "f3d4 e5d4 c2c3") is None


def test_promoting_safely_is_trivial_and_preparing_it_is_not() -> None:
    fen = "8/2P3kp/5ppp/8/8/5PPP/6K1/r7 b - - 0 1"
    assert reached(fen, "a1b1", "c7c8q b1b2 g2f1") == "wins material at once"
    assert reached(fen, "a1b1", "g2f2 b1b2 f2e3") is None


@pytest.mark.parametrize(
    ("fen", "move", "gain"),
    [
        ("4k3/8/8/3p4/4P3/8/8/4K3 w - - 0 1", "e4d5", 1),
        ("4k3/8/2p5/3p4/4P3/8/8/4K3 w - - 0 1", "e4d5", 0),
        ("4k3/8/2p5/3p4/8/8/8/3RK3 w - - 0 1", "d1d5", -4),
        ("3rk3/8/8/3p4/8/8/3R4/3RK3 w - - 0 1", "d2d5", 1),
        ("3rk3/8/2p5/3n4/8/8/3R4/3RK3 w - - 0 1", "d2d5", -2),
        ("4k3/8/8/8/8/8/8/R3K3 w Q - 0 1", "a1a5", 0),
        ("4k3/8/1p6/8/8/8/8/R3K3 w Q - 0 1", "a1a5", -5),
        ("4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 1", "e5d6", 1),
        ("3nk3/2P5/8/8/8/8/8/4K3 w - - 0 1", "c7d8q", 2),
        ("8/2Pk4/8/8/8/8/8/4K3 w - - 0 1", "c7c8q", -1),
        # The defender is pinned and cannot take back.
        ("4k3/8/4p3/3p4/2P5/8/8/4R1K1 w - - 0 1", "c4d5", 1),
        # A king may not take back what is defended.
        ("8/8/4k3/3p4/2P5/8/6B1/4K3 w - - 0 1", "c4d5", 1),
    ],
)
def test_exchange_gain(fen: str, move: str, gain: int) -> None:
    board = chess.Board(fen)
    assert exchange_gain(board, board.parse_uci(move)) == gain
    assert board.fen() == fen
