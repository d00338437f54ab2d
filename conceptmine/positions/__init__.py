"""Where positions come from: games, and the places in them where two agents disagree.

`read_games` streams games from PGN files and refuses what it cannot follow to the last move; `sample_positions` takes
positions from games; `select_roots` keeps those in which a weaker agent would play another move and divides them by
game into those that concepts are mined from and those that they are tested on; `related_games` names the games that
must not be parted, and `overlap` reports what the sides share all the same. Identifiers (`path_id`) depend on
content only, and a seed makes the same choices on every machine. `board_of` sets up a position with the history that
networks see.
"""

from conceptmine.positions.disagreement import Root, Split, select_roots, split_games
from conceptmine.positions.games import GameCounts, GameRecord, read_games
from conceptmine.positions.identity import (
    board_of,
    opening_key,
    path_id,
    stable_rank,
    symmetry_key,
    transposition_key,
)
from conceptmine.positions.kinship import games_on_one_way, linked, related_games
from conceptmine.positions.leakage import Overlap, overlap
from conceptmine.positions.sampling import PositionRecord, sample_positions

__all__ = [
    "GameCounts",
    "GameRecord",
    "Overlap",
    "PositionRecord",
    "Root",
    "Split",
    "board_of",
    "games_on_one_way",
    "linked",
    "opening_key",
    "overlap",
    "path_id",
    "read_games",
    "related_games",
    "sample_positions",
    "select_roots",
    "split_games",
    "stable_rank",
    "symmetry_key",
    "transposition_key",
]
