"""A ladder: the checkpoints of a campaign and fixed opponents, rated by one fit over all their games.

A chain of neighbours says that every step beats the last, and flatters the sum.  Here every checkpoint also meets those
2, 4, 8, … steps away and every opponent, and one fit weighs all the games (`engines.arena.ratings`).
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.arena.errors import ArenaError
from engines.arena.games import LONGEST_GAME
from engines.arena.match import MatchResult, play_match
from engines.arena.players import NetworkPlayer, Player
from engines.arena.ratings import Ratings, rate_players
from engines.arena.results import Meeting, Tally
from engines.networks import Agent, load_agent
from engines.networks.whole_files import write_whole

__all__ = ["Ladder", "Rung", "find_rungs", "play_ladder", "schedule"]

_POSITIONS = re.compile(r"([\d,]+) positions")
_SUFFIX = ".pb.gz"

Announce = Callable[[str, str, int, int], None]


@dataclass(frozen=True)
class Rung:
    """A checkpoint: its name in the ladder, the network, and the positions it was trained on, if its file says so."""

    name: str
    agent: Agent
    positions: int | None


def find_rungs(paths: Iterable[Path]) -> list[Rung]:
    """The networks in these files and folders, by the positions that they were trained on, else by name.

    Networks whose files do not say come last if others do.  Raises `ArenaError` for fewer than two networks, two of
    one name, and folders without any; ``engines.NetworkFormatError`` for files that are no networks.
    """
    files: list[Path] = []
    for path in paths:
        found = sorted(path.glob(f"*{_SUFFIX}")) if path.is_dir() else [path]
        if not found:
            raise ArenaError(f"There is no network (*{_SUFFIX}) in {path}.")
        files += found
    if len(files) < 2:
        raise ArenaError("A ladder needs at least two networks: give a folder of checkpoints, or several files.")
    rungs = []
    for file in files:
        agent = load_agent(file)
        written = _POSITIONS.search(agent.info.training_parameters)
        rungs.append(Rung(agent.name, agent, int(written[1].replace(",", "")) if written else None))
    names = [rung.name for rung in rungs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ArenaError(f"Two networks are called {twice[0]}: give each file a name of its own.")
    return sorted(rungs, key=lambda rung: (rung.positions is None, rung.positions or 0, rung.name))


def schedule(rungs: Sequence[str], opponents: Sequence[str]) -> list[tuple[str, str]]:
    """Who meets whom: rungs 1, 2, 4, 8, … steps apart (the later one first), and everybody the opponents."""
    meetings = []
    for later in range(len(rungs)):
        step = 1
        while step <= later:
            meetings.append((rungs[later], rungs[later - step]))
            step *= 2
    meetings += [(rung, opponent) for rung in rungs for opponent in opponents]
    return meetings + [(one, other) for i, one in enumerate(opponents) for other in opponents[:i]]


@dataclass(frozen=True)
class Ladder:
    """All matches of a ladder, and their ratings; ``rungs``: name and positions of each checkpoint, in their order."""

    rungs: tuple[tuple[str, int | None], ...]
    opponents: tuple[str, ...]
    settings: dict[str, Any]
    matches: tuple[dict[str, Any], ...]
    ratings: Ratings

    def as_json(self) -> dict[str, Any]:
        """Everything, as it is written to ``ladder.json``."""
        ratings = self.ratings
        advantage, error = ratings.white_advantage
        return {
            "settings": self.settings,
            "model": "Bradley-Terry with draws (Davidson 1970) and first-move advantage, one fit over all games",
            "anchor": ratings.anchor,
            "white_advantage": round(advantage, 1),
            "white_advantage_standard_error": round(error, 1),
            "draw_share_of_equals": round(ratings.draw_share, 4),
            "dispersion_of_pairs": round(ratings.dispersion, 4),
            "misfit_of_meetings": round(ratings.misfit, 4),
            "players": self.rows(),
            "matches": [
                match
                | {
                    "score": round(_meeting(match).tally.score, 4),
                    "expected_score": round(ratings.expected_score(match["first"], match["second"]), 4),
                }
                for match in self.matches
            ],
        }

    def rows(self) -> list[dict[str, Any]]:
        """One row a player: the checkpoints in their order, then the opponents."""
        players = [(name, "checkpoint", positions) for name, positions in self.rungs]
        players += [(name, "opponent", None) for name in self.opponents]
        rows = []
        for name, kind, positions in players:
            rating = self.ratings[name]
            rows.append(
                {
                    "name": name,
                    "kind": kind,
                    "positions": positions,
                    "elo": round(rating.elo, 1),
                    "elo_standard_error": round(rating.standard_error, 1),
                    "games": rating.games,
                    "points": rating.points,
                }
            )
        return rows


def play_ladder(
    rungs: Sequence[Rung],
    opponents: Sequence[Player],
    *,
    games: int,
    simulations: int,
    anchor: str,
    seed: int = 0,
    record: Path | None = None,
    announce: Announce | None = None,
) -> Ladder:
    """Play all matches of the schedule and rate everybody.

    ``games``: of each match (even).  ``simulations``: of the checkpoints; opponents have their own.  ``anchor``: the
    player with 0 Elo.  ``record``: a JSON file in which every match is kept as soon as it is played; those of an
    earlier call with the same settings, seed and networks are taken from it and not played again, so that an
    interrupted ladder goes on and a growing one costs its new matches only.  ``announce`` is called
    before each match that is played: the names, how many matches are behind, and of how many.

    Raises `ArenaError` for an unknown anchor, players of one name, and a record of other settings or that is none;
    ``ValueError`` for what `play_match` refuses.
    """
    players: dict[str, Player] = {rung.name: NetworkPlayer(rung.agent, simulations, name=rung.name) for rung in rungs}
    for opponent in opponents:
        if opponent.name in players:
            raise ArenaError(f"Two players of the ladder are called {opponent.name}.")
        players[opponent.name] = opponent
    if anchor not in players:
        raise ArenaError(f"The anchor {anchor} does not play: give one of {', '.join(players)}.")
    names = [rung.name for rung in rungs]
    identity = {rung.name: rung.agent.sha256 for rung in rungs} | {
        opponent.name: _identity(opponent) for opponent in opponents
    }
    settings = {"games_a_match": games, "simulations_a_move": simulations, "longest_game": LONGEST_GAME, "seed": seed}
    known = _known_matches(record, settings)
    matches: list[dict[str, Any]] = []
    planned = schedule(names, [opponent.name for opponent in opponents])
    for first, second in planned:
        key = [first, second, identity[first], identity[second]]
        match = next((match for match in known if [match["first"], match["second"], *match["identities"]] == key), None)
        if match is None:
            if announce is not None:
                announce(first, second, len(matches), len(planned))
            # Openings of its own for every match: their luck then averages out.
            own = zlib.crc32(f"{seed} {first} {second}".encode())
            match = _as_row(play_match(players[first], players[second], games=games, seed=own), key[2:])
            known.append(match)
            if record is not None:
                write_whole(record, (json.dumps({"settings": settings, "matches": known}, indent=1) + "\n").encode())
        matches.append(match)
    ratings = rate_players([_meeting(match) for match in matches], anchor=anchor)
    return Ladder(
        rungs=tuple((rung.name, rung.positions) for rung in rungs),
        opponents=tuple(opponent.name for opponent in opponents),
        settings=settings,
        matches=tuple(matches),
        ratings=ratings,
    )


def _identity(player: Player) -> str:
    """What must be the same for two matches of players of one name to be the same match."""
    agent = getattr(player, "agent", None)
    return agent.sha256 if isinstance(agent, Agent) else player.name


def _known_matches(record: Path | None, settings: dict[str, Any]) -> list[dict[str, Any]]:
    if record is None or not record.is_file():
        return []
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        matches, others = list(content["matches"]), content["settings"]
    except (ValueError, KeyError, TypeError):
        raise ArenaError(f"{record} is no record of a ladder: move it away, or choose another folder.") from None
    if others != settings:
        raise ArenaError(f"{record} holds a ladder with other settings ({others}): choose another folder.")
    return matches


def _as_row(result: MatchResult, identities: list[str]) -> dict[str, Any]:
    tally = result.tally
    return {
        "first": result.first,
        "second": result.second,
        "identities": identities,
        "wins": tally.wins,
        "draws": tally.draws,
        "losses": tally.losses,
        "white": list(tally.white),
        "black": list(tally.black),
        "pairs": list(tally.pairs),
        "endings": result.endings,
    }


def _meeting(match: dict[str, Any]) -> Meeting:
    tally = Tally(tuple(match["white"]), tuple(match["black"]), tuple(match["pairs"]))
    return Meeting(match["first"], match["second"], tally)
