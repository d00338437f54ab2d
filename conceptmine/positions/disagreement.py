"""The positions that concepts are mined from: those in which two strengths of an agent choose different moves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from conceptmine.positions.identity import stable_rank
from conceptmine.positions.sampling import PositionRecord

__all__ = ["Root", "Split", "select_roots", "split_games"]

Split = Literal["mine", "test"]


@dataclass(frozen=True)
class Root:
    """A position to mine from or to test on.

    Attributes:
        position: the position.
        agent_move: what the agent plays there, in UCI.
        weaker_move: what the weaker one plays, a different move.
        split: "mine", or "test" for positions that no concept is mined from.
    """

    position: PositionRecord
    agent_move: str
    weaker_move: str
    split: Split


def select_roots(
    positions: Sequence[PositionRecord],
    agent_moves: Sequence[str],
    weaker_moves: Sequence[str],
    *,
    limit: int | None = None,
    test_fraction: float = 0.5,
    seed: int = 0,
) -> tuple[Root, ...]:
    """Choose, at most one a game, positions in which the two agents differ, and divide them by game.

    Schut et al., section 8.4.2: the positions of games in which two versions of an agent choose a different move. One
    a game keeps the roots independent of each other.

    Args:
        positions: any number from each game.
        agent_moves: the agent's choice in each, in UCI.
        weaker_moves: the weaker agent's choice in each, in UCI.
        limit: most roots; None for all there are.
        test_fraction: share of the roots to test on, in [0, 1]; see `split_games`.
        seed: of the choice and the division.

    Returns:
        The roots, in the order of `positions`; fewer than `limit`, even none, if the agents agree too often.

    Raises:
        ValueError: the three sequences differ in length, or a number is out of range.
    """
    if not len(positions) == len(agent_moves) == len(weaker_moves):
        raise ValueError(
            f"There are {len(positions)} positions but {len(agent_moves)} and {len(weaker_moves)} moves; give one move "
            "of each agent for each position."
        )
    if limit is not None and limit < 0:
        raise ValueError(f"limit is {limit}; it must not be negative.")
    differing = [index for index in range(len(positions)) if agent_moves[index] != weaker_moves[index]]
    differing.sort(key=lambda index: stable_rank(seed, "root", positions[index].position_id))
    first_of_game: dict[str, int] = {}
    for index in differing:
        first_of_game.setdefault(positions[index].game_id, index)
    # Games in an order of their own: one with many differences must not come first more often.
    games = sorted(first_of_game, key=lambda game_id: stable_rank(seed, "game", game_id))
    chosen = sorted(first_of_game[game_id] for game_id in games[:limit])
    splits = split_games([positions[index] for index in chosen], test_fraction=test_fraction, seed=seed)
    return tuple(
        Root(positions[index], agent_moves[index], weaker_moves[index], splits[positions[index].game_id])
        for index in chosen
    )


def split_games(positions: Iterable[PositionRecord], *, test_fraction: float = 0.5, seed: int = 0) -> dict[str, Split]:
    """Divide games into those to mine from and those to test on.

    Games are kept together if one passes through a position taken from another (they began alike): such positions are
    stages of one plan, and would carry it from one side to the other.

    Args:
        positions: the positions in use, any number from each game.
        test_fraction: share of the games to test on, in [0, 1]; met as nearly as games kept together allow.
        seed: of the division.

    Returns:
        Game identifier -> side.

    Raises:
        ValueError: `test_fraction` is out of range.
    """
    if not 0.0 <= test_fraction <= 1.0:
        raise ValueError(f"test_fraction is {test_fraction}; it must be in [0, 1].")
    groups = sorted(_games_that_run_together(positions), key=lambda group: stable_rank(seed, "split", min(group)))
    wanted = round(test_fraction * sum(map(len, groups)))
    splits: dict[str, Split] = {}
    tested = 0
    for group in groups:
        # The group that would overshoot goes to the side that it leaves nearer to what is wanted.
        to_test = 2 * (wanted - tested) >= len(group) and tested < wanted
        tested += len(group) if to_test else 0
        splits.update(dict.fromkeys(sorted(group), "test" if to_test else "mine"))
    return splits


def _games_that_run_together(positions: Iterable[PositionRecord]) -> list[set[str]]:
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
