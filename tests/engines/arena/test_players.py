"""The players that need no process: what exactly they choose, and that batches do not matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import chess
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.arena import Game, MaterialTaker, NetworkPlayer, Player, RandomMover
from engines.search import search


def games_of(boards: Sequence[chess.Board]) -> list[Game]:
    return [Game(number, board) for number, board in enumerate(boards)]


@pytest.fixture
def games(random_games: Callable[..., Any]) -> list[Game]:
    boards = [board for board in random_games(5, 40, 25) if not board.is_game_over()]
    return games_of([board for board in boards if board.halfmove_clock < 90 and not board.is_repetition(3)])


def chosen(player: Player, fen: str, tries: int = 60) -> Counter[str]:
    return Counter(str(move) for move in player.choose([Game(number, chess.Board(fen)) for number in range(tries)]))


def test_networks_play_the_moves_of_the_search(games: list[Game], hashing: Callable[..., Any]) -> None:
    boards = [game.board for game in games]
    for preset, simulations in (("lc0", 1), ("lc0", 20), ("alphazero", 20), ("gumbel", 16)):
        quiet = {"noise_fraction": 0.0, "gumbel_noise": 0.0}
        trees = search(hashing(2), boards, simulations=simulations, preset=preset, **quiet)
        moves = NetworkPlayer(hashing(2), simulations, preset=preset).choose(games)
        assert moves == [tree.best_move for tree in trees]


def test_one_simulation_is_the_first_choice_of_the_policy(games: list[Game], hashing: Callable[..., Any]) -> None:
    for move, game in zip(NetworkPlayer(hashing(2), 1).choose(games), games, strict=True):
        prior = search(hashing(2), [game.board], simulations=1)[0].prior
        assert prior[move] == max(prior.values())


def test_temperature_draws_by_visits(constant: Callable[..., Any]) -> None:
    fen = "7k/8/8/8/8/8/8/K5R1 w - - 0 1"
    assert len(chosen(NetworkPlayer(constant(), 200), fen)) == 1
    drawn = chosen(NetworkPlayer(constant(), 200, temperature=1.0), fen, 400)
    visits = search(constant(), [chess.Board(fen)], simulations=200)[0].visits
    for move, count in visits.items():
        expected = 400 * count / sum(visits.values())
        assert abs(drawn[move.uci()] - expected) < 5 * max(expected, 1) ** 0.5
    policy = chosen(NetworkPlayer(constant(), 1, temperature=1.0), fen, 400)
    assert len(policy) == chess.Board(fen).legal_moves.count()


@pytest.mark.parametrize("make", ["network", "random", "material"])
def test_answers_do_not_depend_on_the_batch(make: str, games: list[Game], hashing: Callable[..., Any]) -> None:
    players: dict[str, Callable[[], Player]] = {
        "network": lambda: NetworkPlayer(hashing(3), 6, temperature=0.7, seed=4),
        "random": lambda: RandomMover(4),
        "material": lambda: MaterialTaker(4),
    }
    together = list(players[make]().choose(games))
    alone = [move for game in reversed(games) for move in players[make]().choose([game])]
    assert together == alone[::-1]
    assert all(game.board.is_legal(move) for game, move in zip(games, together, strict=True))


def test_random_moves_are_all_alike() -> None:
    counts = chosen(RandomMover(0), chess.STARTING_FEN, 2000)
    assert len(counts) == 20
    assert all(60 < count < 145 for count in counts.values())
    assert counts != chosen(RandomMover(1), chess.STARTING_FEN, 2000)


@pytest.mark.parametrize(
    ("fen", "moves"),
    [
        ("6k1/5ppp/8/8/8/8/q7/R3K3 w - - 0 1", {"a1a2"}),  # a queen, and no mate any more
        ("6k1/5ppp/8/7q/6P1/8/8/R3K3 w - - 0 1", {"a1a8"}),  # mate goes first
        ("6k1/5ppp/8/8/8/q7/8/R3K2R w - - 0 1", {"a1a3"}),
        ("7k/8/8/2r1n3/3P4/8/8/K7 w - - 0 1", {"d4c5"}),  # a rook rather than a knight
        ("7k/8/8/2b1n3/3P4/8/8/K7 w - - 0 1", {"d4c5", "d4e5"}),  # both are worth 3
        ("7k/8/8/3pP3/8/8/8/K7 w - d6 0 1", {"e5d6"}),  # en passant
        ("3r2k1/2P5/8/8/8/8/8/K7 w - - 0 1", {"c7d8q"}),  # rook and promotion
        ("8/2P3k1/8/8/8/8/8/K7 w - - 0 1", {"c7c8q"}),
        ("3r2k1/8/8/8/8/8/8/K2R4 b - - 0 1", {"d8d1"}),  # Black too
        ("7k/8/8/8/8/8/3p4/K1R5 b - - 0 1", {"d2c1q"}),
        ("7k/3p4/2p5/3q4/8/8/8/K2R4 w - - 0 1", {"d1d5"}),  # whether or not it is taken back
    ],
)
def test_material_is_taken(fen: str, moves: set[str]) -> None:
    assert set(chosen(MaterialTaker(0), fen)) == moves


def test_where_nothing_is_to_be_won_all_moves_are_alike() -> None:
    assert len(chosen(MaterialTaker(0), chess.STARTING_FEN, 400)) == 20


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_the_taker_never_leaves_more_than_it_takes(seed: int) -> None:
    """No legal move changes the balance of material more than the chosen one, unless that mates."""
    worth = {1: 1, 2: 3, 3: 3, 4: 5, 5: 9, 6: 0}

    def balance(board: chess.Board) -> int:
        return sum(worth[piece.piece_type] * (1 if piece.color else -1) for piece in board.piece_map().values())

    def gain(board: chess.Board, move: chess.Move) -> int:
        after = board.copy(stack=False)
        after.push(move)
        return (balance(after) - balance(board)) * (1 if board.turn else -1)

    game = Game(seed % 1000, chess.Board())
    for ply in range(40):
        player: Player = MaterialTaker(seed) if ply % 2 else RandomMover(seed)
        (move,) = player.choose([game])
        assert isinstance(move, chess.Move)
        if ply % 2:
            best = max(gain(game.board, other) for other in game.board.legal_moves)
            after = game.board.copy()
            after.push(move)
            assert after.is_checkmate() or gain(game.board, move) == best
        game.play(move)
        if game.result is not None:
            return


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"simulations": 0}, "simulations is 0"),
        ({"simulations": 5, "preset": "alphabeta"}, "unknown search preset"),
        ({"simulations": 5, "temperature": -1.0}, "temperature is -1"),
        ({"simulations": 5, "temperature": float("nan")}, "temperature is nan"),
    ],
)
def test_players_that_cannot_be(arguments: dict[str, Any], message: str, constant: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkPlayer(constant(), **arguments)
