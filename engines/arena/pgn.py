"""The games of a match as PGN."""

from __future__ import annotations

from collections.abc import Iterable

import chess
import chess.pgn

from engines.arena.games import Ending, PlayedGame
from engines.selfplay.endings import RESULTS

__all__ = ["pgn_of"]


def pgn_of(games: Iterable[PlayedGame], first: str, second: str, *, event: str = "conceptmine match") -> str:
    """All games, with the names of the players.

    ``Round`` is pair and game of the pair.  ``Termination`` is one of PGN's words; what ended the game stands behind
    the last move, and the end of the opening is marked.
    """
    return "\n\n".join(str(_game(game, first, second, event)) for game in games) + "\n"


def _game(played: PlayedGame, first: str, second: str, event: str) -> chess.pgn.Game:
    game = chess.pgn.Game()
    white, black = (first, second) if played.first_is_white else (second, first)
    pair, place = divmod(played.number, 2)
    headers = {
        "Event": event,
        "Round": f"{pair + 1}.{place + 1}",
        "White": white,
        "Black": black,
        "Result": RESULTS[played.result],
        "PlyCount": str(len(played.moves)),
        "Termination": _termination(played),
    }
    board = chess.Board(played.start)
    if played.start != chess.STARTING_FEN:
        game.setup(board)
    for name, value in headers.items():
        game.headers[name] = value
    node: chess.pgn.GameNode = game
    for ply, move in enumerate(played.moves, 1):
        node = node.add_main_variation(move)
        if ply == played.opening:
            node.comment = "end of the opening"
    ending = f"{played.ending}: {played.remark}" if played.remark else str(played.ending)
    node.comment = f"{node.comment}; {ending}" if node.comment else ending
    return game


def _termination(played: PlayedGame) -> str:
    if played.ending is Ending.FORFEIT:
        return "rules infraction" if played.remark.startswith("illegal") else "abandoned"
    return "adjudication" if played.ending is Ending.LENGTH else "normal"
