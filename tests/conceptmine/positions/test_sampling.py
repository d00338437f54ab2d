"""Positions are chosen at random, the same for the same seed, and only where there is a choice to make."""

from __future__ import annotations

import random
from itertools import pairwise

import chess
import pytest

from conceptmine.positions import GameRecord, path_id, sample_positions, transposition_key


def game_of(moves: str, fen: str | None = None) -> GameRecord:
    played = tuple(moves.split())
    return GameRecord(path_id(fen, played), fen, played, "*")


def random_game(seed: int, plies: int = 60) -> GameRecord:
    rng = random.Random(seed)
    board = chess.Board()
    while len(board.move_stack) < plies and not board.is_game_over():
        board.push(rng.choice(list(board.legal_moves)))
    return game_of(" ".join(move.uci() for move in board.move_stack))


GAMES = [random_game(seed) for seed in range(40)]


def test_positions_lie_on_their_games_and_in_range() -> None:
    by_id = {game.game_id: game for game in GAMES}
    found = list(sample_positions(GAMES, per_game=3, plies=(12, 40), seed=1))
    assert len(found) == 3 * len(GAMES)
    for position in found:
        assert 12 <= position.ply <= 40
        assert position.moves == by_id[position.game_id].moves[: position.ply]
        assert position.position_id == path_id(position.fen, position.moves)
        board = position.board()
        assert board.legal_moves.count() >= 2
        assert board.ply() == position.ply
    assert [position.game_id for position in found] == [game.game_id for game in GAMES for _ in range(3)]
    assert all(a.ply < b.ply for a, b in pairwise(found) if a.game_id == b.game_id)


def test_the_choice_depends_on_the_seed_and_on_nothing_else() -> None:
    first = list(sample_positions(GAMES, seed=1))
    assert list(sample_positions(GAMES, seed=1)) == first
    assert list(sample_positions(GAMES, seed=2)) != first
    assert list(sample_positions(reversed(GAMES), seed=1)) == first[::-1]
    assert list(sample_positions(GAMES[5:], seed=1)) == first[5:]


def test_all_plies_are_equally_likely() -> None:
    plies = [position.ply for seed in range(60) for position in sample_positions(GAMES[:20], plies=(20, 29), seed=seed)]
    counts = [plies.count(ply) for ply in range(20, 30)]
    assert sum((count - 120) ** 2 / 120 for count in counts) < 27.9, "chi-square of 9 degrees, p = 0.001"


def test_no_position_comes_twice_by_another_order_of_moves() -> None:
    games = [game_of("g1f3 g8f6 b1c3 b8c6"), game_of("b1c3 b8c6 g1f3 g8f6"), game_of("g1f3 b8c6 b1c3 g8f6")]
    found = list(sample_positions(games, per_game=9, plies=(4, 4)))
    assert len(found) == 1
    keys = [transposition_key(position.board()) for position in sample_positions(games, per_game=9, plies=(0, 4))]
    assert len(keys) == len(set(keys)) == 9


def test_positions_without_a_choice_are_passed_over() -> None:
    mate = game_of("f2f3 e7e5 g2g4 d8h4")
    assert {position.ply for position in sample_positions([mate], per_game=9, plies=(0, 9))} == {0, 1, 2, 3}
    forced = game_of("a1a2", "kr6/8/8/8/8/8/8/K7 w - - 0 1")
    assert [position.ply for position in sample_positions([forced], per_game=9, plies=(0, 9))] == [1]
    drawn = game_of("a1a2 a8b8", "k7/8/8/8/8/8/8/KN6 w - - 0 1")
    assert list(sample_positions([drawn], per_game=9, plies=(0, 9))) == []
    shuffle = game_of("g1f3 g8f6 f3g1 f6g8 " * 5)
    last = max(position.ply for position in sample_positions([shuffle], per_game=99, plies=(0, 99)))
    assert last < 16, "from the fifth repetition on the game is over, and what recurs is not taken again"


def test_short_games_give_nothing() -> None:
    assert list(sample_positions([game_of("e2e4 e7e5")])) == []


@pytest.mark.parametrize("options", [{"per_game": 0}, {"plies": (5, 4)}, {"plies": (-1, 4)}])
def test_senseless_settings_are_refused_at_once(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"per_game|plies"):
        sample_positions(GAMES, **options)  # type: ignore[arg-type]
