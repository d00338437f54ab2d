"""Roots come one from a game, and no game stands on both sides of the division."""

from __future__ import annotations

from collections import Counter

import pytest

from conceptmine.positions import PositionRecord, path_id, select_roots, split_games


def position(game: str, moves: str) -> PositionRecord:
    played = tuple(moves.split())
    return PositionRecord(path_id(None, played), game, len(played), None, played)


# Games without a common beginning: the text of a move is of no interest here.
POOL = [position(f"g{game}", f"m{game} n{ply} " + "x " * ply) for game in range(200) for ply in range(5)]
SAME = ["e2e4"] * len(POOL)
OTHER = ["d2d4"] * len(POOL)


def test_a_game_gives_one_root_and_only_where_the_agents_differ() -> None:
    weaker = ["e2e4" if index % 5 < 2 or index < 50 else "d2d4" for index in range(len(POOL))]
    roots = select_roots(POOL, SAME, weaker, seed=1)
    assert len(roots) == 190
    assert len({root.position.game_id for root in roots}) == 190
    assert all(POOL.index(root.position) % 5 >= 2 for root in roots)
    assert all(root.agent_move == "e2e4" and root.weaker_move == "d2d4" for root in roots)
    order = [POOL.index(root.position) for root in roots]
    assert order == sorted(order)


def test_any_of_the_differing_positions_of_a_game_may_be_chosen() -> None:
    plies = Counter(POOL.index(root.position) % 5 for root in select_roots(POOL, SAME, OTHER))
    assert all(20 <= plies[ply] <= 60 for ply in range(5))


def test_agents_that_agree_give_no_roots() -> None:
    assert select_roots(POOL, SAME, SAME) == ()


def test_fewer_roots_are_some_of_more_and_do_not_favour_games_with_many_differences() -> None:
    few, many = select_roots(POOL, SAME, OTHER, limit=20), select_roots(POOL, SAME, OTHER, limit=60)
    assert len(few) == 20
    assert {root.position for root in few} < {root.position for root in many}
    weaker = ["d2d4" if index < 500 or index % 5 == 0 else "e2e4" for index in range(len(POOL))]
    rich = sum(int(root.position.game_id[1:]) < 100 for root in select_roots(POOL, SAME, weaker, limit=100))
    assert 35 <= rich <= 65


def test_the_choice_depends_on_the_seed_and_not_on_the_order() -> None:
    one = select_roots(POOL, SAME, OTHER, limit=50, seed=1)
    assert select_roots(POOL, SAME, OTHER, limit=50, seed=1) == one
    assert set(select_roots(POOL[::-1], SAME, OTHER, limit=50, seed=1)) == set(one)
    assert set(select_roots(POOL, SAME, OTHER, limit=50, seed=2)) != set(one)


def test_unequal_lists_are_refused() -> None:
    with pytest.raises(ValueError, match="one move of each agent"):
        select_roots(POOL, SAME, OTHER[1:])
    with pytest.raises(ValueError, match="negative"):
        select_roots(POOL, SAME, OTHER, limit=-1)


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5, 1.0])
def test_the_division_meets_its_share_exactly_when_games_are_apart(fraction: float) -> None:
    splits = split_games(POOL, test_fraction=fraction, seed=4)
    assert splits.keys() == {item.game_id for item in POOL}
    assert Counter(splits.values())["test"] == round(200 * fraction)
    assert split_games(POOL[::-1], test_fraction=fraction, seed=4) == splits
    if 0 < fraction < 1:
        assert split_games(POOL, test_fraction=fraction, seed=5) != splits


def test_the_division_of_the_roots_is_that_of_their_games() -> None:
    roots = select_roots(POOL, SAME, OTHER, test_fraction=0.3)
    assert Counter(root.split for root in roots) == {"mine": 140, "test": 60}


def test_games_that_pass_through_a_position_of_another_stay_together() -> None:
    chained = [
        position("a", "e2e4 e7e5"),
        position("b", "e2e4 e7e5 g1f3"),
        position("c", "e2e4 c7c5"),
        position("c", "e2e4 e7e5 g1f3 b8c6 f1b5"),
        position("d", "e2e4 c7c5 g1f3"),
        position("e", "e2e4"[:4] + "q e7e5"),
    ]
    for seed in range(20):
        splits = split_games([*chained, *POOL[:20]], seed=seed)
        assert splits["a"] == splits["b"] == splits["c"] == splits["d"]
    assert len({split_games([*chained, *POOL[:20]], seed=seed)["e"] for seed in range(20)}) == 2


def test_a_start_from_another_position_is_another_path() -> None:
    one = position("a", "a1a2")
    other = PositionRecord("x", "b", 2, "k7/8/8/8/8/8/8/K6R w - - 0 1", ("a1a2", "a8a7"))
    assert len({tuple(split_games([one, other, *POOL[:50]], seed=seed)[g] for g in "ab") for seed in range(20)}) == 4


def test_a_share_outside_zero_to_one_is_refused() -> None:
    with pytest.raises(ValueError, match="test_fraction"):
        split_games(POOL, test_fraction=1.5)
