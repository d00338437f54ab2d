"""An engine in this process, with lines to type and lines to read."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import chess
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engines.uci import Engine, Options
from engines.uci.thinking import Thinker

PATIENCE = 120.0  # the first search of a checkout compiles the kernels


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


class Evaluation(NamedTuple):
    wdl: NDArray[np.float32]


class FakeAgent:
    """An evaluator without a network that also answers `evaluate`; can be told to be slow, or to fail."""

    history_fill = "fen_only"
    input_format = 1

    def __init__(self, evaluator: Any) -> None:
        self._evaluator = evaluator
        self.seconds = 0.0
        self.error: Exception | None = None
        self.draw = 0.5

    def evaluate_packed(self, masks: NDArray[np.uint64], values: NDArray[np.float32], *, threads: int = 1) -> Any:
        time.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return self._evaluator.evaluate_packed(masks, values, threads=threads)

    def evaluate(self, boards: list[chess.Board]) -> Evaluation:
        rest = (1 - self.draw) / 2
        return Evaluation(np.tile(np.array([rest, self.draw, rest], dtype=np.float32), (len(boards), 1)))


class Conversation:
    """Types lines to an engine and reads what it says."""

    def __init__(self, load: Callable[[str, str], Any]) -> None:
        self._typed: queue.Queue[bytes] = queue.Queue()
        self._said: queue.Queue[str] = queue.Queue()
        self._rest = b""
        self.code: int | None = None
        self.engine = Engine(Options(weights_file="fake", hash=16), Thinker(load), self._write)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.code = self.engine.run(self)

    def _write(self, text: str) -> None:
        assert text.endswith("\n")
        for line in text.splitlines():
            self._said.put(line)

    def readline(self, size: int, /) -> bytes:
        """The engine's input: at most ``size`` bytes of the next line."""
        line = self._rest or self._typed.get()
        self._rest = line[size:]
        return line[:size]

    def type(self, *lines: str | bytes) -> None:
        for line in lines:
            self._typed.put((line.encode() if isinstance(line, str) else line) + b"\n")

    def end_input(self) -> None:
        self._typed.put(b"")

    def until(self, start: str, patience: float = PATIENCE) -> list[str]:
        """The lines up to the first that begins with ``start``."""
        lines = []
        while not lines or not lines[-1].startswith(start):
            try:
                lines.append(self._said.get(timeout=patience))
            except queue.Empty:
                raise AssertionError(f"no {start!r} within {patience} s, only {lines}") from None
        return lines

    def ask(self, *lines: str) -> list[str]:
        """What is said on ``lines`` until the next bestmove."""
        self.type(*lines)
        return self.until("bestmove")

    def synchronise(self) -> list[str]:
        """What was said until all that was typed is done; only while no search is on."""
        self.type("isready")
        return self.until("readyok")[:-1]

    def rest(self) -> list[str]:
        """What was said and not read, without waiting."""
        lines = []
        while not self._said.empty():
            lines.append(self._said.get())
        return lines

    def wait_for_the_end(self, patience: float = 30.0) -> None:
        self._thread.join(patience)
        assert not self._thread.is_alive()


@pytest.fixture
def agent(hashing: Callable[..., Any]) -> FakeAgent:
    return FakeAgent(hashing())


@pytest.fixture
def converse() -> Iterator[Callable[..., Conversation]]:
    """``converse(load)``: a conversation with an engine whose networks come from ``load(weights, history_fill)``."""
    open_ones: list[Conversation] = []

    def start(load: Callable[[str, str], Any]) -> Conversation:
        open_ones.append(Conversation(load))
        return open_ones[-1]

    yield start
    for conversation in open_ones:
        conversation.end_input()
        conversation.wait_for_the_end()


@pytest.fixture
def conversation(converse: Callable[..., Conversation], agent: FakeAgent) -> Conversation:
    return converse(lambda weights, history_fill: agent)
