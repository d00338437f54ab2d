"""Matches: fair by construction, the same whatever is played side by side, and written down as PGN."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import chess
import chess.pgn
import pytest

from engines.arena import (
    ArenaError,
    Ending,
    Forfeit,
    Game,
    MaterialTaker,
    NetworkPlayer,
    PlayedGame,
    RandomMover,
    Sprt,
    pgn_of,
    play_match,
)

BACK_RANK = chess.Board("6k1/5ppp/8/8/8/8/5PPP/R3K3 w - - 0 1")


def by_colour(games: Sequence[PlayedGame]) -> list[float]:
    return [game.points for game in games]


def test_against_itself_every_pair_is_even(hashing: Callable[..., Any]) -> None:
    """Two games from one opening are one and the same game, so the colours share its two points."""
    result = play_match(NetworkPlayer(hashing(1), 3), NetworkPlayer(hashing(1), 3), games=4)
    tally = result.tally
    assert tally.pairs == (0, 0, 2, 0, 0)
    assert tally.wins == tally.losses
    assert (tally.score, tally.elo, tally.elo_standard_error) == (0.5, 0, None)
    for one, other in zip(result.games[::2], result.games[1::2], strict=True):
        assert one.moves == other.moves
        assert one.first_is_white and not other.first_is_white


def test_players_exchanged_exchange_the_result(hashing: Callable[..., Any]) -> None:
    ours = play_match(NetworkPlayer(hashing(1), 4), MaterialTaker(), games=8, seed=3)
    theirs = play_match(MaterialTaker(), NetworkPlayer(hashing(1), 4), games=8, seed=3)
    openings = [game.moves[: game.opening] for game in ours.games]
    assert openings == [game.moves[: game.opening] for game in theirs.games]
    assert (ours.first, ours.second) == (theirs.second, theirs.first)


def test_same_seed_same_match_however_many_are_played_side_by_side(hashing: Callable[..., Any]) -> None:
    results = [
        play_match(RandomMover(5), NetworkPlayer(hashing(1), 2), games=6, seed=3, side_by_side=many)
        for many in (1, 5, 256)
    ]
    assert results[0] == results[1] == results[2]
    other = play_match(RandomMover(5), NetworkPlayer(hashing(1), 2), games=6, seed=4)
    assert other.games[0].moves[:8] != results[0].games[0].moves[:8]


def test_points_go_to_the_player_and_not_to_the_colour() -> None:
    """White mates in one: the taker of material does, and the other player gives up instead."""

    class Resigner(RandomMover):
        def choose(self, games: Sequence[Game]) -> list[chess.Move | Forfeit]:
            return [Forfeit("resigns") for _ in games]

    for first_mates in (True, False):
        players = (MaterialTaker(), Resigner(name="resigner"))
        first, second = players if first_mates else players[::-1]
        result = play_match(first, second, games=2, openings=[BACK_RANK])
        assert by_colour(result.games) == ([1, 1] if first_mates else [0, 0])
        assert {game.ending for game in result.games} == {Ending.CHECKMATE, Ending.FORFEIT}
        assert result.endings == {"checkmate": 1, "forfeit": 1}
        assert result.forfeits == (f"game {2 if first_mates else 1}: resigner forfeits: resigns",)
        assert result.as_json() == result.tally.as_json() | {
            "endings": {"checkmate": 1, "forfeit": 1},
            "forfeits": list(result.forfeits),
        }


def test_an_illegal_move_loses_and_is_told() -> None:
    class Cheat(RandomMover):
        def choose(self, games: Sequence[Game]) -> list[chess.Move | Forfeit]:
            return [chess.Move.from_uci("a1h8") for _ in games]

    result = play_match(Cheat(name="cheat"), RandomMover(), games=4)
    assert result.tally.losses == 4
    assert result.forfeits[0] == "game 1: cheat forfeits: illegal move a1h8"


def test_a_sequential_test_ends_the_match_in_the_order_of_the_pairs() -> None:
    test = Sprt(0, 300)
    reported: list[int] = []
    alone = play_match(MaterialTaker(), RandomMover(), games=100, sprt=test, side_by_side=1)
    crowd = play_match(
        MaterialTaker(),
        RandomMover(),
        games=100,
        sprt=test,
        side_by_side=20,
        report=lambda game: reported.append(game.number),
    )
    assert alone.decision == crowd.decision == "H1"
    assert alone.games == crowd.games
    assert 4 < len(crowd.games) < 60
    assert [game.number for game in crowd.games] == list(range(len(crowd.games)))
    assert test.decision(crowd.tally.pairs) == "H1"
    assert len(reported) >= len(crowd.games)
    assert play_match(RandomMover(1), RandomMover(2), games=4, sprt=test).decision is None


@pytest.mark.parametrize("games", [0, 1, 7, -2])
def test_an_odd_number_of_games_is_refused(games: int) -> None:
    with pytest.raises(ValueError, match=f"games is {games}; it must be even and at least 2"):
        play_match(RandomMover(), RandomMover(), games=games)


def test_too_few_openings_are_refused() -> None:
    with pytest.raises(ArenaError, match="There are 1 openings, enough for 2 games, which is fewer than 4"):
        play_match(RandomMover(), RandomMover(), games=4, openings=[BACK_RANK])
    with pytest.raises(ValueError, match="side_by_side is 0"):
        play_match(RandomMover(), RandomMover(), games=4, side_by_side=0)


def test_python_chess_reads_the_games_back() -> None:
    openings = [BACK_RANK, chess.Board()]
    result = play_match(MaterialTaker(), RandomMover(), games=4, openings=openings)
    stream = io.StringIO(pgn_of(result.games, result.first, result.second))
    read = [game for _ in range(4) if (game := chess.pgn.read_game(stream)) is not None]
    assert chess.pgn.read_game(stream) is None
    assert len(read) == 4
    for game, played in zip(read, result.games, strict=True):
        assert not game.errors
        assert tuple(game.mainline_moves()) == played.moves
        assert game.board().fen() == played.start
        players = ("material", "random") if played.first_is_white else ("random", "material")
        assert (game.headers["White"], game.headers["Black"]) == players
        assert game.headers["Result"] == {1: "1-0", 0: "1/2-1/2", -1: "0-1"}[played.result]
        assert game.headers["Round"] == f"{played.number // 2 + 1}.{played.number % 2 + 1}"
        assert str(played.ending) in game.end().comment
        assert ("FEN" in game.headers) == (played.start != chess.STARTING_FEN)
