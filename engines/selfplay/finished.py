"""Games that have ended, between those who play them and the learner who waits for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from engines.selfplay.records import GameRecord

_POLL_S = 0.05


class FinishedGames:
    """Finished games that nobody has taken yet; all of it may be called from any thread.

    ``changed`` is notified of everything that changes here, and its lock is held for that.  ``stopped``: nothing is
    played any more.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.stopped = False
        self._games: list[GameRecord] = []
        self._backlog = self._wanted = 0  # positions
        self._failure: BaseException | None = None

    def add(self, games: Sequence[GameRecord]) -> None:
        """Hand games in."""
        with self.changed:
            self._games += games
            self._backlog += sum(len(game.moves) for game in games)
            self.changed.notify_all()

    def fail(self, failure: BaseException) -> None:
        """Whatever went wrong among the players: who waits for games hears of it."""
        with self.changed:
            self._failure = failure
            self.changed.notify_all()

    def stop(self) -> None:
        """Let nobody wait for room any longer."""
        with self.changed:
            self.stopped = True
            self.changed.notify_all()

    def room(self, ahead: int) -> int:
        """Positions that may be added until they are ``ahead`` of what is waited for; below 0 if they are further."""
        with self.changed:
            return self._wanted + ahead - self._backlog

    def wait_for_room(self, ahead: int) -> None:
        """Wait until games are no further ahead than that, or all is stopped."""
        with self.changed:
            while self.room(ahead) < 0 and not self.stopped:
                self.changed.wait(_POLL_S)

    def wait(self, positions: int, until: float) -> None:
        """Wait for games with so many positions, for ``until`` (`time.monotonic`), or for a failure."""
        with self.changed:
            self._wanted = positions
            self.changed.notify_all()
            while self._backlog < positions and self._failure is None and (left := until - time.monotonic()) > 0:
                self.changed.wait(min(left, _POLL_S))
            self._wanted = 0

    def take(self) -> list[GameRecord]:
        """All games that were added and not taken."""
        with self.changed:
            found, self._games, self._backlog = self._games, [], 0
            self.changed.notify_all()
        return found

    def take_sound(self) -> list[GameRecord]:
        """The same; raises the failure if there was one, and leaves the games."""
        if self._failure is not None:
            raise self._failure
        return self.take()
