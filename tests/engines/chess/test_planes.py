"""The compiled encoder writes what the plain one says, bit for bit."""

from __future__ import annotations

import chess
import numpy as np
import pytest

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


def assert_same_planes(game: chess.Board, plies: list[int], fill: str) -> None:
    masks, values = pack_game(game_rows(game), np.array(plies, dtype=np.int64), fill)
    expected = pack_boards(boards_of(game, plies), history_fill=fill)
    assert (masks == expected[0]).all(), (game.fen(), plies, fill)
    assert (values == expected[1]).all(), (game.fen(), plies, fill)


@pytest.mark.parametrize("fill", FILLS)
def test_random_games(fill: str) -> None:
    generator = np.random.default_rng(5)
    repeated = 0
    for number in range(96):
        game = random_game(generator, start_of_game(number, generator), 60)
        last = len(game.move_stack)
        chosen = {0, min(1, last), last, *generator.integers(0, last + 1, size=6).tolist()}
        assert_same_planes(game, sorted(chosen), fill)
        repeated += int(pack_game(game_rows(game), np.arange(last + 1), fill)[0][:, 12:104:13].any())
    assert repeated > 10


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize(
    "fen",
    [
        chess.STARTING_FEN,
        "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR b KQkq - 0 1",
        "rnbqkbnr/ppp1p1pp/8/3pPp2/8/8/PPPP1PPP/RNBQKBNR w KQkq f6 0 3",
        "rnbqkbnr/pppp1ppp/8/8/3Pp3/8/PPP1PPPP/RNBQKBNR b KQkq d3 0 3",
        "rnbqkbnr/pppp1ppp/8/4p3/8/8/PPPPPPPP/RNBQKBNR w KQkq e6 0 2",  # nobody can take: a FEN's word counts
    ],
)
def test_history_before_a_fen(fen: str, fill: str) -> None:
    """Every length of known history, from none to more than the planes show."""
    board = chess.Board(fen)
    generator = np.random.default_rng(3)
    for _ in range(9):
        moves = list(board.legal_moves)
        board.push(moves[int(generator.integers(len(moves)))])
    assert_same_planes(board, list(range(10)), fill)


@pytest.mark.parametrize("fill", FILLS)
def test_repetitions(fill: str) -> None:
    board = chess.Board()
    for uci in ["e2e4", "e7e5"] + ["g1f3", "g8f6", "f3g1", "f6g8"] * 3 + ["d2d4", "g8f6", "g1f3", "f6g8", "f3g1"]:
        board.push_uci(uci)
    assert_same_planes(board, list(range(len(board.move_stack) + 1)), fill)


def test_an_unknown_fill_is_refused() -> None:
    with pytest.raises(ValueError, match="history_fill is 'always'"):
        pack_game(game_rows(chess.Board()), np.array([0]), "always")
