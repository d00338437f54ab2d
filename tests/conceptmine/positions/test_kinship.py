"""Games that share what could be learned by heart stay together, as long as that leaves something to divide."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from conceptmine.positions import PositionRecord, linked, path_id, related_games, split_games


@given(st.lists(st.sets(st.sampled_from("abcdefghij"), min_size=1), max_size=12))
def test_linked_sets_are_the_connected_ones(sets: list[set[str]]) -> None:
    groups = linked(sets)
    assert sum(map(len, groups)) == len(set().union(*groups)) if groups else not sets
    for given_set in sets:
        assert sum(bool(given_set & group) for group in groups) == 1
    # Within a group every member can be reached from the first by way of given sets.
    for group in groups:
        reached = {min(group)}
        while grown := set().union(*(one for one in sets if one & reached)) - reached:
            reached |= grown
        assert reached == group


def test_games_with_a_position_in_common_stay_together_and_so_do_openings() -> None:
    positions = {f"g{i}": {f"k{i}", f"x{i}"} for i in range(20)} | {"g1": {"k0", "x1"}}
    openings = {f"g{i}": f"o{i // 2}" for i in range(20)}
    groups, by_opening = related_games(positions, openings)
    assert by_opening
    assert {"g0", "g1"} in groups and {"g2", "g3"} in groups and len(groups) == 10


def test_one_opening_for_most_games_cannot_keep_them_together() -> None:
    positions = {f"g{i}": {f"k{i}"} for i in range(20)} | {"g1": {"k0"}}
    openings = {f"g{i}": "e4" if i < 12 else f"o{i}" for i in range(20)}
    assert related_games(positions, openings) == ([{"g0", "g1"}], False)
    few = {f"g{i}": f"o{i % 5}" for i in range(20)}
    assert related_games({}, few) == ([], False)


def _position(game: str) -> PositionRecord:
    return PositionRecord(path_id(None, (game,)), game, 1, None, (game,))


def test_the_division_parts_none_of_them_even_by_way_of_games_that_are_not_in_use() -> None:
    positions = [_position(f"g{i}") for i in range(40)]
    together = [{"g0", "unused"}, {"unused", "g1"}, {"g2", "g3", "g4"}]
    for seed in range(15):
        sides = split_games(positions, seed=seed, together=together)
        assert sides["g0"] == sides["g1"] and sides["g2"] == sides["g3"] == sides["g4"]
        assert "unused" not in sides and abs(list(sides.values()).count("test") - 20) <= 1


def test_only_the_games_that_count_are_weighed_and_the_others_follow() -> None:
    positions = [_position(f"g{i}") for i in range(40)]
    counted = {f"g{i}" for i in range(10)}
    together = [{f"g{i}", f"g{i + 10}"} for i in range(10)]
    alone = split_games(positions[:10], seed=3, together=together, counted=counted)
    sides = split_games(positions, seed=3, together=together, counted=counted)
    assert {game: sides[game] for game in alone} == alone
    assert [sides[game] for game in sorted(counted)].count("test") == 5
    assert all(sides[f"g{i}"] == sides[f"g{i + 10}"] for i in range(10))
    assert [sides[f"g{i}"] for i in range(20, 40)].count("test") == 10
