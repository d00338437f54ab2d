"""Move paths, counted: the known numbers, and what is no position of standard chess is refused."""

from __future__ import annotations

from pathlib import Path

import chess
import chess.variant
import pytest

import engines
from engines.chess import perft

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
MOST_NODES = 3_000_000


@pytest.mark.parametrize(("fen", "counts"), STANDARD)
def test_standard_positions(fen: str, counts: list[int]) -> None:
    board = chess.Board(fen)
    assert [perft(board, depth) for depth in range(1, len(counts) + 1)] == counts
    assert board.fen() == fen, "the board is only read"


@pytest.mark.parametrize("fen", [fen for fen, _ in STANDARD])
def test_colours_exchanged_give_the_same_count(fen: str) -> None:
    board = chess.Board(fen)
    assert perft(board.mirror(), 3) == perft(board, 3)


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
        (chess.Board(chess960=True), "standard chess only"),
        (chess.Board("bqnb1rkr/pp3ppp/3ppn2/2p5/5P2/P2P4/NPP1P1PP/BQ1BNRKR w HFhf - 2 9"), "standard chess only"),
        (chess.variant.AtomicBoard(), "standard chess only"),
        (chess.Board("8/8/8/8/8/8/8/K7 w - - 0 1"), "exactly one king a side"),
        (chess.Board("k7/8/8/8/8/8/8/KK6 w - - 0 1"), "exactly one king a side"),
        (chess.Board("k7/8/8/8/8/8/8/K6P w - - 0 1"), "pawn on the first or the last rank"),
        (chess.Board("k7/8/8/8/8/8/8/K6r b - - 0 1"), "not to move is in check"),
        (chess.Board("k7/8/8/8/8/8/8/K7 w - e6 0 1"), "no pawn has just passed"),
        (chess.Board("QQQQQQ2/QQQQ4/8/8/8/6k1/8/K7 b - - 0 1"), "more pieces than eight pawns"),
    ],
)
def test_what_is_not_standard_chess_is_refused_in_one_sentence(board: chess.Board, message: str) -> None:
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


def test_all_listed_positions(reference: Path) -> None:
    checked = 0
    for line in (reference / "data" / "perft" / "standard.epd").read_text(encoding="utf-8").splitlines():
        fen, *listed = [part.strip() for part in line.split(";")]
        counts = {int(depth[1:]): int(count) for depth, count in (part.split() for part in listed if part)}
        depth = max((depth for depth, count in counts.items() if count <= MOST_NODES), default=min(counts))
        assert perft(chess.Board(fen), depth) == counts[depth], (fen, depth)
        checked += 1
    assert checked == 128


def test_chess960_positions_are_refused(reference: Path) -> None:
    lines = (reference / "data" / "perft" / "fischer.epd").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 960
    for line in lines:
        with pytest.raises(ValueError, match="standard chess only"):
            perft(chess.Board(line.split(";")[0].strip(), chess960=True), 1)
