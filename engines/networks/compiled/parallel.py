"""Sharing positions among threads, for compiled functions that run without the interpreter lock."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

__all__ = ["shares", "together"]

Result = TypeVar("Result")


def shares(count: int, threads: int, multiple: int) -> list[tuple[int, int]]:
    """Cut 0 … count into at most `threads` ranges (begin, end) of near equal size, cut at multiples of `multiple`."""
    size = max(1, -(-count // (threads * multiple))) * multiple
    return [(begin, min(begin + size, count)) for begin in range(0, max(count, 1), size)]


def together(task: Callable[[int, int], Result], ranges: list[tuple[int, int]]) -> list[Result]:
    """Give ``task(begin, end)`` of each range; the first is done in the calling thread, the others beside it."""
    others = [_pool(os.getpid()).submit(task, *each) for each in ranges[1:]]
    return [task(*ranges[0]), *(other.result() for other in others)]


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """The threads of this process; a forked one has none of its parent's."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="network")
