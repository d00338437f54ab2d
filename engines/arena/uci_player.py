"""Any engine that speaks UCI, as a player."""

from __future__ import annotations

import contextlib
import os
import shlex
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import chess
import chess.engine

from engines.arena.errors import ArenaError
from engines.arena.games import Forfeit, Game

__all__ = ["UciLimit", "UciPlayer"]


@dataclass(frozen=True)
class UciLimit:
    """How long an engine may think about a move; whichever of the numbers that are given is reached first.

    ``nodes``, ``depth``: as the engine counts them.  ``movetime``: milliseconds.

    Raises ``ValueError`` when all are missing or one is below 1.
    """

    nodes: int | None = None
    depth: int | None = None
    movetime: int | None = None

    def __post_init__(self) -> None:
        given = {name: value for name, value in vars(self).items() if value is not None}
        if not given:
            raise ValueError("an engine needs a limit: give nodes, depth or movetime (milliseconds)")
        for name, value in given.items():
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")


class UciPlayer:
    """Plays what an engine's processes say.

    ``command``: the program and its arguments, as words or as a shell would split them.  ``limit``: of each move.
    ``options``: UCI options by name, as text.  ``processes``: games side by side; each has a process of its own from
    its first move to its end, as in a GUI, and the next game gets it after ``ucinewgame``.  ``patience``: seconds that
    an engine may take to start, and for a move beyond ``movetime``.

    An engine that crashes, plays an illegal move, gives none, or takes longer, loses the game; the next one begins with
    a new process.  Raises `ArenaError`, in one sentence, when it cannot be started, is silent, lacks an option or
    refuses a value.
    """

    def __init__(
        self,
        command: str | Sequence[str],
        limit: UciLimit,
        *,
        options: Mapping[str, str] | None = None,
        processes: int = 1,
        patience: float = 60.0,
        name: str | None = None,
    ) -> None:
        if processes < 1:
            raise ValueError(f"processes is {processes}; it must be at least 1")
        if not 0 < patience < float("inf"):
            raise ValueError(f"patience is {patience}; it must be a number of seconds above 0")
        self._words = _words(command) if isinstance(command, str) else list(command)
        if not self._words:
            raise ArenaError("There is no engine to start: give the path of a program.")
        self._options, self._patience = dict(options or {}), patience
        self._movetime = limit.movetime
        self._limit = chess.engine.Limit(
            time=None if limit.movetime is None else limit.movetime / 1000, depth=limit.depth, nodes=limit.nodes
        )
        self.games_at_once = processes
        self.name = name or f"uci:{shlex.join(self._words)}"
        self._seats = [_Seat() for _ in range(processes)]
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="uci-player")
        # Whatever is wrong with the program or its options shows before the first game.
        self._seats[0].engine = self._start()

    def choose(self, games: Sequence[Game]) -> list[chess.Move | Forfeit]:
        """A move for each game, from the process that plays it; the processes think side by side."""
        for seat in self._seats:
            if seat.game is not None and seat.game.over:
                seat.game = None
        seats = [self._seat_of(game) for game in games]
        return list(self._threads.map(self._ask, seats, games))

    def close(self) -> None:
        """End all processes."""
        for seat in self._seats:
            seat.leave()
        self._threads.shutdown()

    def _seat_of(self, game: Game) -> _Seat:
        own = next((seat for seat in self._seats if seat.game is game), None)
        seat = own or next((seat for seat in self._seats if seat.game is None), None)
        if seat is None:
            raise ValueError(f"{self.name} plays {len(self._seats)} games side by side, not more")
        seat.game = game
        return seat

    def _ask(self, seat: _Seat, game: Game) -> chess.Move | Forfeit:
        if seat.engine is None:
            seat.engine = self._start()
        allowed = self._patience + (self._movetime or 0) / 1000
        late = threading.Event()
        with _killed_after(allowed, seat.engine, late):
            try:
                move = seat.engine.play(game.board, self._limit, game=game).move
            except chess.engine.EngineError as error:
                seat.leave()
                return Forfeit(f"no move within {allowed:g} seconds" if late.is_set() else _reason(error))
            except TimeoutError:
                seat.leave()
                return Forfeit(f"no move within {allowed:g} seconds")
        return Forfeit("no move") if move is None else move

    def _start(self) -> chess.engine.SimpleEngine:
        program = self._words[0]
        try:
            engine = chess.engine.SimpleEngine.popen_uci(self._words, timeout=self._patience)
        except FileNotFoundError:
            raise ArenaError(f"There is no engine {program}: install it, or give the path of its program.") from None
        except TimeoutError:  # an OSError too, so it goes first
            raise ArenaError(
                f"The engine {program} did not answer to 'uci' within {self._patience:g} seconds: is it a UCI engine?"
            ) from None
        except OSError as error:
            raise ArenaError(f"The engine {program} cannot be started: {error.strerror}.") from None
        except chess.engine.EngineError as error:
            raise ArenaError(f"The engine {program} ended before it was ready ({error}).") from None
        try:
            self._set_options(engine)
        except BaseException:
            engine.close()
            raise
        return engine

    def _set_options(self, engine: chess.engine.SimpleEngine) -> None:
        known = {name.lower(): option for name, option in engine.options.items()}
        for name, value in self._options.items():
            option = known.get(name.lower())
            if option is None or option.is_managed():
                others = ", ".join(sorted(option.name for option in known.values() if not option.is_managed()))
                what = "is set by the match itself" if option else "is none of its options"
                raise ArenaError(f"{name!r} of {self._words[0]} {what}; it has: {others or 'none'}.")
            try:
                engine.configure({option.name: option.parse(_typed(option, value))})
            except (chess.engine.EngineError, ValueError) as error:
                raise ArenaError(f"{self._words[0]} does not take {value!r} for {option.name}: {error}.") from None


@dataclass
class _Seat:
    """A place at the table: a process, and the game it plays."""

    engine: chess.engine.SimpleEngine | None = None
    game: Game | None = field(default=None, repr=False)

    def leave(self) -> None:
        """End the process."""
        engine, self.engine = self.engine, None
        if engine is None:
            return
        with _killed_after(2.0, engine, threading.Event()), contextlib.suppress(Exception):
            engine.quit()
        engine.close()


@contextlib.contextmanager
def _killed_after(seconds: float, engine: chess.engine.SimpleEngine, late: threading.Event) -> Iterator[None]:
    """Kill the process if the block takes longer: what waits for the engine then hears that it ended."""

    def kill() -> None:
        late.set()
        with contextlib.suppress(ProcessLookupError, RuntimeError):
            engine.protocol.loop.call_soon_threadsafe(engine.transport.kill)

    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _words(command: str) -> list[str]:
    """A path as it is if there is such a file, else the words that a shell would make of it."""
    if Path(command).is_file():
        return [command]
    try:
        return shlex.split(command, posix=os.name != "nt")
    except ValueError as error:
        raise ArenaError(f"The engine's command {command!r} cannot be read: {error}.") from None


def _typed(option: chess.engine.Option, value: str) -> str | bool:
    if option.type != "check":
        return value
    if value.lower() not in ("true", "false"):
        raise ValueError("it is true or false")
    return value.lower() == "true"


def _reason(error: chess.engine.EngineError) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, chess.engine.EngineTerminatedError):
        return f"the engine ended ({text})"
    return f"illegal move ({text})" if "illegal" in text or "bestmove" in text else text
