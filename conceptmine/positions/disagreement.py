"""The positions that concepts are mined from: those in which two strengths of an agent choose different moves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from conceptmine.positions.identity import stable_rank
from conceptmine.positions.kinship import games_on_one_way, linked
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
    together: Iterable[Collection[str]] = (),
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
        together: sets of games that the division must not part, as for `split_games`.

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
    chosen_games = {positions[index].game_id for index in chosen}
    splits = split_games(
        [positions[index] for index in chosen],
        test_fraction=test_fraction,
        seed=seed,
        together=together,
        counted=chosen_games,
    )
    return tuple(
        Root(positions[index], agent_moves[index], weaker_moves[index], splits[positions[index].game_id])
        for index in chosen
    )


def split_games(
    positions: Iterable[PositionRecord],
    *,
    test_fraction: float = 0.5,
    seed: int = 0,
    together: Iterable[Collection[str]] = (),
    counted: Collection[str] | None = None,
) -> dict[str, Split]:
    """Divide games into those to mine from and those to test on.

    Games are kept together if one passes through a position taken from another (they began alike): such positions are
    stages of one plan, and would carry it from one side to the other.

    Args:
        positions: the positions in use, any number from each game.
        test_fraction: share of the games to test on, in [0, 1]; met as nearly as games kept together allow.
        seed: of the division.
        together: sets of games to keep together as well (`kinship.related_games`); games without a position in use
            may be among them, and link the others.
        counted: the games whose share is to be met; None for all. The others are divided by the same rule after them.

    Returns:
        Game identifier -> side, of the games with a position in use.

    Raises:
        ValueError: `test_fraction` is out of range.
    """
    if not 0.0 <= test_fraction <= 1.0:
        raise ValueError(f"test_fraction is {test_fraction}; it must be in [0, 1].")
    used = list(positions)
    games = {position.game_id for position in used}
    weighty = games if counted is None else games.intersection(counted)
    groups = linked([*games_on_one_way(used), *together])
    splits: dict[str, Split] = {}
    # Groups with games that count come first, and those without are then divided among themselves.
    for weight in (weighty, games - weighty):
        waiting = [group for group in groups if group & weight and not group & splits.keys()]
        waiting.sort(key=lambda group, weight=weight: stable_rank(seed, "split", min(group & weight)))  # type: ignore[misc]
        wanted = round(test_fraction * sum(len(group & weight) for group in waiting))
        tested = 0
        for group in waiting:
            size = len(group & weight)
            # The group that would overshoot goes to the side that it leaves nearer to what is wanted.
            to_test = 2 * (wanted - tested) >= size and tested < wanted
            tested += size if to_test else 0
            splits.update(dict.fromkeys(sorted(group & games), "test" if to_test else "mine"))
    return splits
