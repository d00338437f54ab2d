"""Games as flat arrays: nothing of them is lost, and they take as little room as is said."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from engines.selfplay.endings import GOING_ON, RESIGNED
from engines.selfplay.games import Unfinished
from engines.selfplay.records import FAST, FULL, OPENING, GameRecord, pack_games, unpack_games


def assert_same(found: list[GameRecord], expected: list[GameRecord]) -> None:
    """Equal in every field, type and shape of arrays included."""
    for one, other in zip(found, expected, strict=True):
        for field in fields(GameRecord):
            a, b = getattr(one, field.name), getattr(other, field.name)
            assert type(a) is type(b), field.name
            if isinstance(b, np.ndarray):
                assert (a.dtype, a.shape) == (b.dtype, b.shape), field.name
            assert np.array_equal(a, b), field.name


def test_games_come_back_as_they_were_packed(played: list[GameRecord], in_play: Unfinished) -> None:
    games = played + in_play.records
    assert {kind for game in games for kind in game.kinds.tolist()} == {OPENING, FAST, FULL}
    assert {game.ending for game in games} >= {GOING_ON, RESIGNED}
    assert {game.played_on for game in games} == {True, False}
    assert_same(unpack_games(pack_games(games)), games)


def test_a_game_of_no_moves_and_no_games_at_all_come_back(played: list[GameRecord]) -> None:
    begun = GameRecord(
        played[0].start,
        *(getattr(played[0], name)[:0] for name in ("moves", "kinds", "slots", "policy", "values")),
        result=0,
        ending=GOING_ON,
        lowest=np.full(2, 2, dtype=np.float32),
        played_on=False,
    )
    for games in ([begun], [played[0], begun, played[1]], []):
        assert_same(unpack_games(pack_games(games)), games)


def test_what_is_packed_does_not_share_memory_with_the_games(played: list[GameRecord]) -> None:
    packed = pack_games(played[:1])
    before = played[0].values.copy()
    packed["values"][:] = 7
    assert (played[0].values == before).all()


@pytest.mark.parametrize("factor", [1, 3])
def test_a_position_takes_eight_bytes_and_four_for_every_move_of_its_policy(
    factor: int, played: list[GameRecord]
) -> None:
    games = played * factor
    positions = sum(len(game.moves) for game in games)
    moves = sum(int((game.policy > 0).sum()) for game in games)
    assert positions > 500 * factor
    bytes_of = {name: array.nbytes for name, array in pack_games(games).items()}
    by_game = sum(bytes_of[name] for name in ("plies", "starts", "results", "endings", "lowest", "played_on"))
    assert by_game == 79 * len(games)
    assert sum(bytes_of.values()) - by_game == 8 * positions + 4 * moves
    assert sum(bytes_of.values()) / positions < 80
