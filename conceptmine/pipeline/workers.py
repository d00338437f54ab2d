"""Work in several processes, with the answers in the order of the tasks and equal whatever their number."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import active_children, get_context
from types import TracebackType
from typing import Self, TypeVar

import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from engines.networks import Agent, load_agent

Task = TypeVar("Task")
Answer = TypeVar("Answer")


@lru_cache(maxsize=8)
def agent_at(path: str, device: str) -> Agent:
    """The agent of a file, loaded once a process."""
    return load_agent(path, device=device)


class Workers:
    """A pool of processes, or this process where one worker is enough; a context manager.

    Every task runs on one thread: two thread pools that spin on the same cores slow each other down up to thirtyfold,
    and one thread adds numbers up in the same order whatever the machine.
    """

    def __init__(self, number: int) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._others = set(active_children())
        if number > 1:
            # A fork would copy torch's locked thread pools; a fresh interpreter is safe everywhere.
            self._pool = ProcessPoolExecutor(
                number, mp_context=get_context("spawn"), initializer=_begin_worker, initargs=(os.getpid(),)
            )

    def map(self, function: Callable[[Task], Answer], tasks: Sequence[Task]) -> Iterator[Answer]:
        """``function`` of each task, in order; an exception of a task is raised here."""
        if self._pool is None:
            return _map_here(function, tasks)
        # Workers are started here, and inherit what is blocked.  Ctrl-C reaches every process of a terminal; what it
        # means is decided in this one, and the others have nothing to say to it, not even while they start.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return self._pool.map(function, tasks)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is None:
            return
        self._pool.shutdown(wait=error is None, cancel_futures=True)
        if error is not None:
            # What is being worked on is of no use any more, and may take minutes.
            for child in set(active_children()) - self._others:
                child.terminate()


def _map_here(function: Callable[[Task], Answer], tasks: Sequence[Task]) -> Iterator[Answer]:
    for task in tasks:
        with one_thread():
            answer = function(task)
        yield answer


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch and the linear algebra below numpy on one thread inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def _begin_worker(parent: int) -> None:
    torch.set_num_threads(1)
    threadpool_limits(1)
    # For libraries that bring a thread pool of their own when they are first used.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """A killed parent cannot end its workers, so they watch for it themselves."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
