"""How games end: every rule once, and the same rules as python-chess's in random games."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import chess
import numpy as np
import pytest

from engines.arena import LONGEST_GAME, Ending, Forfeit, Game


def after(fen: str, moves: str) -> Game:
    game = Game(0, chess.Board(fen))
    for word in moves.split():
        game.play(chess.Move.from_uci(word))
    return game


@pytest.mark.parametrize(
    ("fen", "moves", "result", "ending"),
    [
        (chess.STARTING_FEN, "f2f3 e7e5 g2g4 d8h4", -1, Ending.CHECKMATE),
        ("6k1/5ppp/8/8/8/8/8/R3K3 w - - 0 1", "a1a8", 1, Ending.CHECKMATE),
        ("7k/8/6K1/8/8/8/8/5Q2 w - - 0 1", "f1f7", 0, Ending.STALEMATE),
        ("8/8/3k4/8/8/3K1n2/4P3/8 w - - 0 1", "e2f3 d6c6 f3f4 c6d6 f4f5 d6e5 f5f6 e5f6", 0, Ending.MATERIAL),
        ("8/8/3k4/8/8/3K4/4P3/7r w - - 99 90", "d3d4", 0, Ending.FIFTY_MOVES),
        (chess.STARTING_FEN, "g1f3 g8f6 f3g1 f6g8 g1f3 g8f6 f3g1 f6g8", 0, Ending.REPETITION),
        # Mate goes before the fifty moves.
        ("6k1/5ppp/8/8/8/8/8/R3K3 w - - 99 90", "a1a8", 1, Ending.CHECKMATE),
    ],
)
def test_every_ending(fen: str, moves: str, result: int, ending: Ending) -> None:
    game = after(fen, moves)
    assert (game.result, game.ending, game.remark) == (result, ending, "")


def test_a_draw_that_could_be_claimed_by_a_move_does_not_end_the_game() -> None:
    """Black can repeat the position for the third time, but need not."""
    game = after(chess.STARTING_FEN, "g1f3 g8f6 f3g1 f6g8 g1f3 g8f6 f3g1")
    assert game.board.can_claim_threefold_repetition()
    assert game.result is None
    game.play(chess.Move.from_uci("f6d5"))
    assert game.result is None


def test_positions_of_the_opening_count_for_repetition() -> None:
    opening = chess.Board()
    for word in ["g1f3", "g8f6", "f3g1", "f6g8", "g1f3", "g8f6", "f3g1"]:
        opening.push_uci(word)
    game = Game(0, opening)
    game.play(chess.Move.from_uci("f6g8"))
    assert game.ending == Ending.REPETITION


@pytest.mark.parametrize("black", [False, True])
def test_whoever_gives_no_legal_move_loses(black: bool) -> None:
    for answer, remark in ((Forfeit("the engine ended"), "the engine ended"), (chess.Move.from_uci("a1a8"), "a1a8")):
        game = after(chess.STARTING_FEN, "e2e4" if black else "")
        game.play(answer)
        assert (game.result, game.ending) == (1 if black else -1, Ending.FORFEIT)
        assert remark in game.remark


def test_random_games_end_as_python_chess_says(random_games: Callable[..., Any]) -> None:
    seen = set()
    for board in random_games(3, 40, LONGEST_GAME + 10):
        game = Game(0, board.root())
        for move in board.move_stack:
            before = game.board
            claims = before.is_repetition(3) or before.halfmove_clock >= 100
            over = before.is_game_over() or claims or len(before.move_stack) >= LONGEST_GAME
            assert over == (game.result is not None)
            if over:
                break
            game.play(move)
        if game.result is not None:
            seen.add(game.ending)
            outcome = game.board.outcome()
            if outcome is not None and outcome.winner is not None:
                assert game.result == (1 if outcome.winner else -1)
            else:
                assert game.result == 0
    assert Ending.REPETITION in seen
    assert Ending.LENGTH in seen or Ending.FIFTY_MOVES in seen


def test_a_game_of_240_plies_is_drawn() -> None:
    generator = np.random.default_rng(1)
    lengths = []
    for number in range(40):
        game = Game(number, chess.Board())
        while game.result is None:
            moves = list(game.board.legal_moves)
            game.play(moves[int(generator.integers(len(moves)))])
        if game.ending is Ending.LENGTH:
            assert (game.result, len(game.board.move_stack)) == (0, 240)
        lengths.append(game.ending)
    assert Ending.LENGTH in lengths
    assert str(Ending.LENGTH) == "240 plies"


def test_openings_that_leave_nothing_to_play_are_refused() -> None:
    mated = after(chess.STARTING_FEN, "f2f3 e7e5 g2g4 d8h4").board
    with pytest.raises(ValueError, match=r"ends the game \(checkmate\)"):
        Game(0, mated)
    board = chess.Board()
    for ply in range(240):
        board.push_uci(["g1f3", "g8f6", "f3g1", "f6g8"][ply % 4])
    with pytest.raises(ValueError, match="an opening of 240 plies leaves nothing to play"):
        Game(0, board)
