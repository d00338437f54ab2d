"""The compiled encoder writes what the plain one says, bit for bit."""

from __future__ import annotations

import chess
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.chess import INPUT_FORMATS
from engines.chess.encoding import pack_boards
from engines.chess.history import game_rows
from engines.chess.planes import pack_game
from experiments.check_rules import random_game, start_of_game

FILLS = ("fen_only", "no")


def boards_of(game: chess.Board, plies: list[int]) -> list[chess.Board]:
    found = []
    board = game.copy()
    for ply in sorted(plies, reverse=True):
        while len(board.move_stack) > ply:
            board.pop()
        found.append(board.copy())
    return found[::-1]


def assert_same_planes(game: chess.Board, plies: list[int], fill: str, input_format: int) -> None:
    masks, values = pack_game(game_rows(game), np.array(plies, dtype=np.int64), fill, input_format)
    expected = pack_boards(boards_of(game, plies), input_format, fill)
    assert (masks == expected[0]).all(), (game.fen(), plies, fill, input_format)
    assert (values == expected[1]).all(), (game.fen(), plies, fill, input_format)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("input_format", INPUT_FORMATS)
def test_random_games(input_format: int, fill: str) -> None:
    generator = np.random.default_rng(5)
    repeated = 0
    for number in range(96):
        game = random_game(generator, start_of_game(number, generator), 60)
        last = len(game.move_stack)
        chosen = {0, min(1, last), last, *generator.integers(0, last + 1, size=6).tolist()}
        assert_same_planes(game, sorted(chosen), fill, input_format)
        repeated += int(pack_game(game_rows(game), np.arange(last + 1), fill, input_format)[0][:, 12:104:13].any())
    assert repeated > 10


# Few pieces, so that games come back often and all ways to turn a board occur; the last is of Chess960.
ENDINGS = (
    "8/8/3k4/8/8/2K5/5q2/1R6 w - - 3 70",
    "k7/8/8/3K4/8/8/8/R6r b - - 0 70",
    "8/8/1n6/2K1k3/8/8/6B1/8 w - - 12 70",
    "4k3/8/8/8/8/8/8/R3K2R w KQ - 0 70",
    "2k5/1p6/8/P7/8/8/8/4K3 b - - 0 70",
    "1rk4r/8/8/8/8/8/8/1RK4R w HBhb - 0 1",
)


@pytest.mark.parametrize("fill", FILLS)
@given(st.sampled_from(ENDINGS), st.lists(st.integers(0, 255), max_size=40), st.sampled_from(list(INPUT_FORMATS)))
def test_endings_full_of_repetitions(fill: str, fen: str, choices: list[int], input_format: int) -> None:
    game = chess.Board(fen, chess960="H" in fen)
    for choice in choices:
        moves = list(game.legal_moves)
        if not moves:
            break
        back = chess.Move(game.move_stack[-2].to_square, game.move_stack[-2].from_square) if game.ply() > 141 else None
        returns = choice % 3 > 0 and back in moves
        game.push(back if returns and back else moves[choice % len(moves)])
    assert_same_planes(game, list(range(len(game.move_stack) + 1)), fill, input_format)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("input_format", INPUT_FORMATS)
@pytest.mark.parametrize(
    "fen",
    [
        chess.STARTING_FEN,
        "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR b KQkq - 0 1",
        "rnbqkbnr/ppp1p1pp/8/3pPp2/8/8/PPPP1PPP/RNBQKBNR w KQkq f6 0 3",
        "rnbqkbnr/pppp1ppp/8/8/3Pp3/8/PPP1PPPP/RNBQKBNR b KQkq d3 0 3",
        "rnbqkbnr/pppp1ppp/8/4p3/8/8/PPPPPPPP/RNBQKBNR w KQkq e6 0 2",  # nobody can take: a FEN's word counts
        "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 7 20",
        "4k3/8/8/8/8/8/8/4K2R w - - 5 60",
        "4k3/8/8/8/4P3/8/8/4K3 b - e3 3 40",  # a count that goes on after the pawn's step
    ],
)
def test_history_before_a_fen(fen: str, input_format: int, fill: str) -> None:
    """Every length of known history, from none to more than the planes show."""
    board = chess.Board(fen)
    generator = np.random.default_rng(3)
    for _ in range(9):
        moves = list(board.legal_moves)
        board.push(moves[int(generator.integers(len(moves)))])
    assert_same_planes(board, list(range(10)), fill, input_format)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("input_format", INPUT_FORMATS)
def test_repetitions(input_format: int, fill: str) -> None:
    board = chess.Board()
    for uci in ["e2e4", "e7e5"] + ["g1f3", "g8f6", "f3g1", "f6g8"] * 3 + ["d2d4", "g8f6", "g1f3", "f6g8", "f3g1"]:
        board.push_uci(uci)
    assert_same_planes(board, list(range(len(board.move_stack) + 1)), fill, input_format)


def test_an_unknown_fill_is_refused() -> None:
    with pytest.raises(ValueError, match="history_fill is 'always'"):
        pack_game(game_rows(chess.Board()), np.array([0]), "always")
