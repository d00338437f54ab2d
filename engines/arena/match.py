"""Matches: two players, games side by side, each opening played with both colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import chess

from engines.arena.games import Game, PlayedGame
from engines.arena.openings import choose_openings, shipped_openings
from engines.arena.players import Player
from engines.arena.results import Meeting, Tally
from engines.arena.sprt import Sprt

__all__ = ["MatchResult", "play_match"]

Report = Callable[[PlayedGame], None]


@dataclass(frozen=True)
class MatchResult(Meeting):
    """A match, counted from the first player's side.

    ``games``: those that count, in their order: 2i and 2i + 1 are a pair, in the first of which the first player has
    White.  ``decision``: what a sequential test accepted, ``"H0"`` or ``"H1"``; None if it did not end, or there was
    none.
    """

    games: tuple[PlayedGame, ...]
    decision: str | None = None

    @property
    def endings(self) -> dict[str, int]:
        """How many games ended in which way, the most frequent first."""
        return {str(ending): count for ending, count in Counter(game.ending for game in self.games).most_common()}

    @property
    def forfeits(self) -> tuple[str, ...]:
        """A sentence for each game that a player lost because it gave no legal move."""
        return tuple(
            f"game {game.number + 1}: {self._loser(game)} forfeits: {game.remark}" for game in self.games if game.remark
        )

    def as_json(self) -> dict[str, Any]:
        """The figures of `Tally.as_json`, and ``endings`` and ``forfeits``."""
        return self.tally.as_json() | {"endings": self.endings, "forfeits": list(self.forfeits)}

    def _loser(self, game: PlayedGame) -> str:
        return self.first if game.points == 0 else self.second


def play_match(
    first: Player,
    second: Player,
    *,
    games: int,
    seed: int = 0,
    openings: Sequence[chess.Board] | None = None,
    sprt: Sprt | None = None,
    side_by_side: int = 256,
    report: Report | None = None,
) -> MatchResult:
    """Play ``games`` (even) games, each opening with both colours.

    ``openings``: positions to choose from by ``seed`` (default: the shipped list).  ``sprt``: ends the match when one
    of its hypotheses is accepted; pairs are looked at in their order, not in that in which they end, so that short
    games do not count first and the result does not depend on ``side_by_side``; pairs behind the one that decides are
    dropped.  ``side_by_side``: most games under way at a time, as far as both players take so many.  ``report`` is
    called with each game that ends.

    The rules are those of self-play: a position that stands for the third time, fifty moves without capture or pawn
    move, insufficient material and 240 plies end a game in a draw, without being claimed.  A player that gives no legal
    move loses.  Same seed and players, same match.

    Raises ``ValueError`` for an odd number of games or fewer than two, and fewer than one side by side; `ArenaError`
    for too few openings.
    """
    if games < 2 or games % 2:
        raise ValueError(f"games is {games}; it must be even and at least 2")
    if side_by_side < 1:
        raise ValueError(f"side_by_side is {side_by_side}; it must be at least 1")
    chosen = choose_openings(shipped_openings() if openings is None else openings, games // 2, seed)
    most = min(side_by_side, first.games_at_once, second.games_at_once)
    pairs = _Pairs(sprt)
    with closing(_finished_games(first, second, chosen, most)) as finished:
        for game in finished:
            if report is not None:
                report(game)
            pairs.add(game)
            if pairs.decision is not None:
                break
    return MatchResult(first.name, second.name, pairs.tally, tuple(pairs.games), pairs.decision)


class _Pairs:
    """Finished pairs of games in their order, and what a sequential test says of them."""

    def __init__(self, sprt: Sprt | None) -> None:
        self.games: list[PlayedGame] = []
        self.tally = Tally.of(())
        self.decision: str | None = None
        self._sprt = sprt
        self._ahead: dict[int, PlayedGame] = {}

    def add(self, game: PlayedGame) -> None:
        self._ahead[game.number] = game
        while self.decision is None:
            pair = [self._ahead.get(len(self.games) + i) for i in range(2)]
            if pair[0] is None or pair[1] is None:
                return
            self.games += [pair[0], pair[1]]
            self.tally += Tally.of([(pair[0].points, pair[1].points)])
            if self._sprt is not None:
                self.decision = self._sprt.decision(self.tally.pairs)


def _finished_games(
    first: Player, second: Player, openings: Sequence[chess.Board], side_by_side: int
) -> Generator[PlayedGame, None, None]:
    """Every game as it ends; new ones begin in the place of those that ended."""
    coming = iter(range(2 * len(openings)))
    playing: list[Game] = []
    try:
        while True:
            while len(playing) < side_by_side and (number := next(coming, None)) is not None:
                playing.append(Game(number, openings[number // 2]))
            if not playing:
                return
            turns: tuple[list[Game], list[Game]] = ([], [])
            for game in playing:
                turns[game.board.turn != (chess.WHITE if _first_is_white(game) else chess.BLACK)].append(game)
            for player, turn in zip((first, second), turns, strict=True):
                if turn:
                    for game, answer in zip(turn, player.choose(turn), strict=True):
                        game.play(answer)
            over = [game for game in playing if game.result is not None]
            playing = [game for game in playing if game.result is None]
            for game in over:
                yield PlayedGame.of(game, _first_is_white(game))
    finally:
        for game in playing:
            game.abandoned = True


def _first_is_white(game: Game) -> bool:
    return game.number % 2 == 0
