"""The conversation: lines come in, lines go out, a search runs meanwhile.

Three threads.  The *reader* turns lines into events.  The *main* thread takes them one by one; it owns the options and
the position, and never does anything slow.  The *worker* loads networks and searches, one job after the other.  What
is written, and whether a search is on, changes under one lock: a ``bestmove`` and the end of its search are one step,
so that a ``go`` that answers it at once is never mistaken for one during the search.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import chess

from engines.uci.options import Options, declarations, with_option
from engines.uci.protocol import Command, Debug, Go, Ignored, Malformed, Position, SetOption, Word, parse, shown
from engines.uci.reporting import info_string
from engines.uci.setup import board_of, legal_moves_of
from engines.uci.thinking import Request, Thinker

__all__ = ["Engine", "Lines"]

LONGEST_LINE = 2**20
"""Bytes; a game of a thousand moves takes 10 kB."""
_PATIENCE = 2.0
"""Seconds that a search is given to end when the engine does."""
_BAD_INPUT = 2


class Lines(Protocol):
    """Where lines come from: a binary stream."""

    def readline(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class _Heard:
    command: Command
    at: float


@dataclass(frozen=True)
class _Finished:
    """A search has given its best move."""


@dataclass(frozen=True)
class _Ended:
    code: int


class Engine:
    """One UCI engine.

    ``options`` are the defaults; ``write`` takes a text of whole lines and is called under a lock, never after `run`
    has seen the end.
    """

    def __init__(self, options: Options, thinker: Thinker, write: Callable[[str], None]) -> None:
        self._defaults = self._options = options
        self._thinker = thinker
        self._write = write
        self._lock = threading.RLock()
        self._silent = False
        self._search: threading.Event | None = None
        """Set to stop the search that is on; None when there is none."""
        self._debug = False
        self._board = chess.Board()
        self._events: queue.SimpleQueue[_Heard | _Finished | _Ended] = queue.SimpleQueue()
        self._held: deque[_Heard] = deque()
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def run(self, lines: Lines) -> int:
        """Converse until ``quit`` or the end of ``lines``; the exit code: 0, or 2 if the network cannot be used."""
        worker = threading.Thread(target=self._work, name="search", daemon=True)
        worker.start()
        threading.Thread(target=self._read, args=(lines,), name="reader", daemon=True).start()
        try:
            return self._converse()
        finally:
            with self._lock:
                self._silent = True
                searching = self._search is not None
            self._stop()
            self._jobs.put(None)
            if searching:
                worker.join(_PATIENCE)

    # --- the reader ---------------------------------------------------------------------------------------------------

    def _read(self, lines: Lines) -> None:
        try:
            while raw := lines.readline(LONGEST_LINE):
                command: Command
                if len(raw) < LONGEST_LINE or raw.endswith(b"\n"):
                    command = parse(raw.decode(errors="replace"))
                else:
                    command = Malformed(f"a line of more than {LONGEST_LINE} bytes is not read")
                    while raw and not raw.endswith(b"\n"):
                        raw = lines.readline(LONGEST_LINE)
                self._events.put(_Heard(command, time.monotonic()))
        except (OSError, ValueError):  # the stream is gone, which is its end as well
            pass
        self._events.put(_Ended(0))

    # --- the main thread ----------------------------------------------------------------------------------------------

    def _converse(self) -> int:
        while True:
            event = self._next()
            if isinstance(event, _Ended):
                return event.code
            if event.command is Word.QUIT:
                return 0
            try:
                self._obey(event.command, event.at)
            except Exception as error:
                self._say_unexpected("a command could not be carried out", error)

    def _next(self) -> _Heard | _Ended:
        """The next command to obey; while a search is being stopped, commands wait for its best move."""
        while True:
            if self._held and not self._stopping:
                return self._held.popleft()
            event = self._events.get()
            if isinstance(event, _Ended):
                return event
            if isinstance(event, _Heard):
                if event.command is Word.QUIT or not (self._held or self._stopping):
                    return event
                self._held.append(event)

    @property
    def _stopping(self) -> bool:
        with self._lock:
            return self._search is not None and self._search.is_set()

    def _obey(self, command: Command, heard: float) -> None:
        match command:
            case Word.UCI:
                self._introduce()
            case Word.ISREADY:
                self._answer_when_ready()
            case Word.UCINEWGAME:
                self._jobs.put(self._thinker.forget)
            case Word.STOP:
                self._stop()
            case Word.PONDERHIT:
                self._remark("ponderhit is refused: this engine does not ponder")
            case Debug(on):
                self._debug = on
            case SetOption(name, value):
                self._set_option(name, value)
            case Position():
                self._set_position(command)
            case Go():
                self._go(command, heard)
            case Malformed(reason):
                self._remark(reason)
            case Ignored(line):
                if self._debug and line:
                    self._remark(f"ignored {shown(line)}")
            case _:  # register: there is nothing to register
                pass

    def _introduce(self) -> None:
        self._say(
            [
                f"id name conceptmine {Path(self._defaults.weights_file).name.removesuffix('.pb.gz')}",
                "id author the conceptmine developers",
                *declarations(self._defaults),
                "uciok",
            ]
        )
        self._jobs.put(partial(self._prepare, self._options))

    def _answer_when_ready(self) -> None:
        with self._lock:
            searching = self._search is not None
        if searching:
            self._say(["readyok"])
            return
        self._jobs.put(partial(self._prepare, self._options))
        self._jobs.put(partial(self._say, ["readyok"]))

    def _stop(self) -> None:
        with self._lock:
            if self._search is not None:
                self._search.set()

    def _set_option(self, name: str, value: str | None) -> None:
        try:
            self._options = with_option(self._options, name, value)
        except ValueError as error:
            self._remark(str(error))

    def _set_position(self, position: Position) -> None:
        try:
            self._board = board_of(position, chess960=self._options.chess960)
        except ValueError as error:
            self._remark(f"{error}; the position stays as it was")

    def _go(self, go: Go, heard: float) -> None:
        if go.ponder:
            self._remark("go ponder is refused, and has no bestmove: this engine does not ponder")
            return
        moves = list(self._board.legal_moves)
        if go.searchmoves is not None:
            moves, refused = legal_moves_of(self._board, go.searchmoves)
            if refused:
                some = " ".join(refused[:5]) + (" ..." if len(refused) > 5 else "")
                self._remark(f"not legal, and left out of the search: {some}")
        request = Request(self._board, tuple(moves), go, self._options, heard)
        with self._lock:
            if self._search is not None:
                self._remark("go is refused: a search is on; send stop and wait for its bestmove")
                return
            stop = self._search = threading.Event()
        self._jobs.put(partial(self._think, request, stop))

    # --- the worker ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception as error:
                self._say_unexpected("a task could not be finished", error)

    def _prepare(self, options: Options) -> None:
        try:
            self._thinker.prepare(options)
        except (ValueError, OSError) as error:
            self._remark(str(error))
        except Exception as error:
            self._say_unexpected("the network could not be set up", error)
        if not self._thinker.ready:
            self._events.put(_Ended(_BAD_INPUT))

    def _think(self, request: Request, stop: threading.Event) -> None:
        self._prepare(request.options)
        best = request.moves[0] if request.moves else None
        try:
            if self._thinker.ready:
                best = self._thinker.think(request, stop, self._say)
        except Exception as error:
            best = self._thinker.best or best
            self._thinker.abandon()
            self._say_unexpected("the search failed, and the move is the best one known until then", error)
        if request.go.infinite:
            stop.wait()
        with self._lock:
            self._search = None
            self._say([f"bestmove {request.board.uci(best) if best is not None else '(none)'}"])
        self._events.put(_Finished())

    # --- output -------------------------------------------------------------------------------------------------------

    def _say(self, lines: Sequence[str]) -> None:
        with self._lock:
            if not self._silent:
                self._write("".join(f"{line}\n" for line in lines))

    def _remark(self, text: str) -> None:
        self._say([info_string(text)])

    def _say_unexpected(self, what: str, error: Exception) -> None:
        """One sentence; with ``debug on``, the traceback as well."""
        lines = [info_string(f"{what} ({type(error).__name__}: {error})")]
        if self._debug:
            lines += [info_string(line) for line in traceback.format_exception(error)]
        self._say(lines)
