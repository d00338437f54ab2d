"""Move paths, counted: the known numbers of chess and Chess960, and what is no position of either is refused."""

from __future__ import annotations

from pathlib import Path

import chess
import chess.variant
import pytest

import engines
from engines.chess import perft
from experiments.check_rules import Disagreement, Published, check_perft, published_positions

# The six positions of the chess programming wiki's perft page.
STANDARD = [
    (chess.STARTING_FEN, [20, 400, 8902, 197281, 4865609]),
    ("r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1", [48, 2039, 97862, 4085603]),
    ("8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1", [14, 191, 2812, 43238, 674624, 11030083]),
    ("r3k2r/Pppp1ppp/1b3nbN/nP6/BBP1P3/q4N2/Pp1P2PP/R2Q1RK1 w kq - 0 1", [6, 264, 9467, 422333]),
    ("rnbq1k1r/pp1Pbppp/2p5/8/2B5/8/PPP1NnPP/RNBQK2R w KQ - 1 8", [44, 1486, 62379, 2103487]),
    (
        "r4rk1/1pp1qppp/p1np1n2/2b1p1B1/2B1P1b1/P1NP1N2/1PP1QPPP/R4RK1 w - - 0 10",
        [46, 2079, 89890, 3894594],
    ),
]
CHESS960 = "bqnb1rkr/pp3ppp/3ppn2/2p5/5P2/P2P4/NPP1P1PP/BQ1BNRKR w HFhf - 2 9"
MOST_NODES = 1_500_000


@pytest.mark.parametrize(("fen", "counts"), STANDARD)
def test_standard_positions(fen: str, counts: list[int]) -> None:
    board = chess.Board(fen)
    assert [perft(board, depth) for depth in range(1, len(counts) + 1)] == counts
    assert board.fen() == fen, "the board is only read"


@pytest.mark.parametrize("fen", [fen for fen, _ in STANDARD])
def test_colours_exchanged_give_the_same_count(fen: str) -> None:
    board = chess.Board(fen)
    assert perft(board.mirror(), 3) == perft(board, 3)


def test_chess960() -> None:
    board = chess.Board(CHESS960, chess960=True)
    assert [perft(board, depth) for depth in (1, 2, 3, 4)] == [21, 528, 12189, 326672]
    assert perft(board.mirror(), 4) == 326672


def test_standard_chess_counts_alike_on_both_kinds_of_board() -> None:
    for fen, counts in STANDARD:
        assert perft(chess.Board(fen, chess960=True), 3) == counts[2]


def test_no_ply_is_one_path_and_the_front_door_offers_the_function() -> None:
    assert perft(chess.Board(), 0) == 1
    assert engines.perft is perft


def test_a_finished_game_has_no_paths() -> None:
    board = chess.Board("rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3")
    assert [perft(board, depth) for depth in (0, 1, 2, 3)] == [1, 0, 0, 0]


def test_history_does_not_matter() -> None:
    board = chess.Board()
    for uci in ("g1f3", "g8f6", "f3g1", "f6g8", "e2e4"):
        board.push_uci(uci)
    assert perft(board, 3) == perft(chess.Board(board.fen()), 3)


@pytest.mark.parametrize(
    ("board", "message"),
    [
        (chess.Board(CHESS960), "castling rights of Chess960: give a chess.Board with chess960=True"),
        (chess.variant.AtomicBoard(), "chess and Chess960, not atomic"),
        (chess.Board("8/8/8/8/8/8/8/K7 w - - 0 1"), "exactly one king a side"),
        (chess.Board("k7/8/8/8/8/8/8/KK6 w - - 0 1"), "exactly one king a side"),
        (chess.Board("k7/8/8/8/8/8/8/K6P w - - 0 1"), "pawn on the first or the last rank"),
        (chess.Board("k7/8/8/8/8/8/8/K6r b - - 0 1"), "not to move is in check"),
        (chess.Board("k7/8/8/8/8/8/8/K7 w - e6 0 1"), "no pawn has just passed"),
        (chess.Board("QQQQQQ2/QQQQ4/8/8/8/6k1/8/K7 b - - 0 1"), "more pieces than eight pawns"),
    ],
)
def test_what_is_no_position_of_chess_is_refused_in_one_sentence(board: chess.Board, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        perft(board, 1)
    assert "\n" not in str(refused.value)


def test_negative_depth_is_refused() -> None:
    with pytest.raises(ValueError, match="depth of 0 or more plies, not -1"):
        perft(chess.Board(), -1)


def test_a_castling_right_without_its_rook_is_no_right() -> None:
    """As in python-chess: a FEN may promise more than the board can keep."""
    assert perft(chess.Board("4k3/8/8/8/8/8/8/4K3 w KQkq - 0 1"), 3) == perft(
        chess.Board("4k3/8/8/8/8/8/8/4K3 w - - 0 1"), 3
    )


@pytest.mark.parametrize(("file", "positions"), [("standard.epd", 128), ("fischer.epd", 960), ("tricky.perft", 19)])
def test_published_positions(reference: Path, file: str, positions: int) -> None:
    """All of them, as deep as a test may take; `python -m experiments.check_rules` goes on to the greatest depths."""
    published = [position for position in published_positions(reference / "data" / "perft") if position.file == file]
    assert len(published) == positions
    for position in published:
        check_perft(position, MOST_NODES)


def test_a_wrong_count_is_told_with_position_and_depth() -> None:
    counts = {1: 20, 2: 400, 3: 8903}
    with pytest.raises(Disagreement, match=r"perft 3 of rnbqkbnr/.* is 8903, the kernel has 8902"):
        check_perft(Published("wrong.epd", chess.STARTING_FEN, counts), MOST_NODES)
