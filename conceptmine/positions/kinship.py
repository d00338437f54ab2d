"""Games that must not stand on both sides of a division, because they share what a concept could learn by heart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from conceptmine.positions.sampling import PositionRecord

__all__ = ["games_on_one_way", "linked", "related_games"]

FEWEST_GROUPS: Final = 8
LARGEST_SHARE: Final = 0.25


def related_games(positions: Mapping[str, Collection[str]], openings: Mapping[str, str]) -> tuple[list[set[str]], bool]:
    """Sets of games to keep on one side: those with a position in common, and those of one opening if that can be.

    Args:
        positions: game -> keys of its positions in use (`identity.symmetry_key`, so that mirror images count as one).
        openings: game -> its opening family (`identity.opening_key`).

    Returns:
        The sets, of two games or more, and whether openings were kept together. They are not where fewer than
        `FEWEST_GROUPS` groups would be left, or one with more than `LARGEST_SHARE` of the games: there would be nothing
        to divide.
    """
    alike = _sharing(positions)
    families = _sharing({game: (family,) for game, family in openings.items()})
    groups = linked([*alike, *families])
    alone = len(positions.keys() | openings.keys()) - sum(map(len, groups))
    games = alone + sum(map(len, groups))
    largest = max((len(group) for group in groups), default=1)
    if len(groups) + alone >= FEWEST_GROUPS and largest <= LARGEST_SHARE * games:
        return groups, True
    return linked(alike), False


def linked(sets: Iterable[Collection[str]]) -> list[set[str]]:
    """The given sets, joined where they have a member in common; in the order of their first members."""
    group_of: dict[str, set[str]] = {}
    for given in sets:
        joined: set[str] = set()
        # Distinct groups only: a group may be met by way of several members.
        for group in {id(group_of[name]): group_of[name] for name in given if name in group_of}.values():
            joined |= group
        joined |= set(given)
        group_of.update(dict.fromkeys(joined, joined))
    return list({id(group): group for group in group_of.values()}.values())


def games_on_one_way(positions: Iterable[PositionRecord]) -> list[set[str]]:
    """The games of the positions, joined where one passes through a position taken from another."""
    group_of: dict[str, set[str]] = {}
    # Sorted by their moves, all positions reached by way of one follow it directly.
    way_here: list[PositionRecord] = []
    for position in sorted(positions, key=lambda item: (item.fen or "", item.moves)):
        group = group_of.setdefault(position.game_id, {position.game_id})
        while way_here and not _passes_through(position, way_here[-1]):
            way_here.pop()
        if way_here:
            other = group_of[way_here[-1].game_id]
            if other is not group:
                group |= other
                group_of.update(dict.fromkeys(other, group))
        way_here.append(position)
    distinct = {id(group): group for group in group_of.values()}
    return list(distinct.values())


def _passes_through(position: PositionRecord, earlier: PositionRecord) -> bool:
    return position.fen == earlier.fen and position.moves[: earlier.ply] == earlier.moves


def _sharing(keys: Mapping[str, Collection[str]]) -> list[set[str]]:
    holders: dict[str, set[str]] = {}
    for game, its_keys in keys.items():
        for key in its_keys:
            holders.setdefault(key, set()).add(game)
    return linked(games for games in holders.values() if len(games) > 1)
