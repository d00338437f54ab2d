"""Self-play games as PGN: other programs read the games that were played."""

from __future__ import annotations

import io
from collections.abc import Callable

import chess
import chess.pgn
import numpy as np
import pytest

from engines.chess.position import position_of, start_position
from engines.selfplay.endings import ENDINGS, RESIGNED
from engines.selfplay.pgn import board_of, write_games
from engines.selfplay.records import FAST, FULL, OPENING, GameRecord

KINDS = {OPENING: "drawn from the policy", FAST: "fast search", FULL: "full search"}
RESULTS = {1: "1-0", 0: "1/2-1/2", -1: "0-1"}


def test_python_chess_reads_the_same_games(
    played: list[GameRecord], boards_of: Callable[[GameRecord], list[chess.Board]]
) -> None:
    texts = list(write_games(played, "net-100"))
    assert len(texts) == len(played)
    stream = io.StringIO("\n\n".join(texts))
    for number, record in enumerate(played, 1):
        game = chess.pgn.read_game(stream)
        assert game is not None
        assert not game.errors
        expected = boards_of(record)
        assert game.board() == expected[0]
        assert list(game.mainline_moves()) == expected[-1].move_stack
        headers = game.headers
        assert (headers["White"], headers["Black"], headers["Round"]) == ("net-100", "net-100", str(number))
        assert headers["Result"] == RESULTS[record.result]
        assert headers["Termination"] == ENDINGS[record.ending].replace("_", " ")
        usual = bool((record.start == start_position()).all())
        assert ("FEN" in headers) == (not usual)
        if not usual:
            assert headers["SetUp"] == "1"
            assert position_of(chess.Board(headers["FEN"])).tolist() == record.start.tolist()
    assert chess.pgn.read_game(stream) is None
    assert {record.ending for record in played} >= {RESIGNED}
    assert len({record.start.tobytes() for record in played}) > 5, "some are endgames"


def test_comments_say_how_a_move_was_chosen_and_what_white_can_expect(played: list[GameRecord]) -> None:
    seen = set()
    for record, text in zip(played, write_games(played, "net"), strict=True):
        game = chess.pgn.read_game(io.StringIO(text))
        assert game is not None
        for ply, node in enumerate(game.mainline()):
            value, kind = node.comment.split(", ")
            assert float(value) == pytest.approx(record.values[ply] * (-1 if ply % 2 else 1), abs=0.0051)
            assert value[0] in "+-"
            assert kind == KINDS[int(record.kinds[ply])]
            seen.add(kind)
    assert seen == set(KINDS.values())


def test_no_games_are_no_text() -> None:
    assert list(write_games([], "net")) == []


@pytest.mark.parametrize(
    "fen",
    [
        "4k3/8/8/8/8/8/8/R3K3 w Q - 0 1",  # a right to castle
        "4k3/8/8/8/8/8/8/R3K3 b - - 0 1",  # Black to move
        "4k3/8/8/8/8/8/8/R3K3 w - - 12 30",  # a clock that runs
    ],
)
def test_another_kind_of_start_is_refused_rather_than_written_wrong(fen: str) -> None:
    with pytest.raises(ValueError, match="games of self-play start from the usual position or with White to move"):
        board_of(position_of(chess.Board(fen)))


def test_a_start_is_read_as_it_was_meant() -> None:
    for fen in ("4k3/8/8/8/8/8/8/R3K3 w - - 0 1", "8/1q2k3/8/2N5/5b2/8/PPP5/1K6 w - - 0 1", chess.STARTING_FEN):
        row = position_of(chess.Board(fen))
        assert board_of(row) == chess.Board(fen)
        assert np.array_equal(position_of(board_of(row)), row)
