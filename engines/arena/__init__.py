"""Matches and ratings: who is stronger, by how much, and how sure that is.

`play_match` plays two players against each other from even openings, each with both colours; `Sprt` ends a match as
soon as it is clear; `rate_players` fits the strengths of any number of players to all their games; `play_ladder` rates
the checkpoints of a campaign.  Players are networks, a mover of random moves, one that takes what it can, and any UCI
engine; `player_of` reads them as one writes them on a command line.
"""

from engines.arena.curve import draw_curve, write_ladder
from engines.arena.errors import ArenaError
from engines.arena.games import LONGEST_GAME, Ending, Forfeit, Game, PlayedGame
from engines.arena.ladder import Ladder, Rung, find_rungs, play_ladder
from engines.arena.match import MatchResult, play_match
from engines.arena.naming import player_of
from engines.arena.openings import choose_openings, read_openings, shipped_openings
from engines.arena.pgn import pgn_of
from engines.arena.players import MaterialTaker, NetworkPlayer, Player, RandomMover
from engines.arena.ratings import Rating, Ratings, rate_players
from engines.arena.results import Meeting, Tally
from engines.arena.sprt import Sprt, expected_score
from engines.arena.uci_player import UciLimit, UciPlayer

__all__ = [
    "LONGEST_GAME",
    "ArenaError",
    "Ending",
    "Forfeit",
    "Game",
    "Ladder",
    "MatchResult",
    "MaterialTaker",
    "Meeting",
    "NetworkPlayer",
    "PlayedGame",
    "Player",
    "RandomMover",
    "Rating",
    "Ratings",
    "Rung",
    "Sprt",
    "Tally",
    "UciLimit",
    "UciPlayer",
    "choose_openings",
    "draw_curve",
    "expected_score",
    "find_rungs",
    "pgn_of",
    "play_ladder",
    "play_match",
    "player_of",
    "rate_players",
    "read_openings",
    "shipped_openings",
    "write_ladder",
]
