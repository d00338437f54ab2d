"""Leakage report: what the side that concepts are mined from has in common with the side they are tested on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

__all__ = ["Overlap", "overlap"]


@dataclass(frozen=True)
class Overlap:
    """What two sides share of one kind of key.

    Attributes:
        kind: what the keys are, for a reader.
        mine: distinct keys of the side to mine from.
        test: distinct keys of the side to test on.
        shared: keys on both.
        test_roots: roots of the test side with a shared key, in ascending order.
    """

    kind: str
    mine: int
    test: int
    shared: int
    test_roots: tuple[str, ...]


def overlap(kind: str, mine: Mapping[str, Collection[str]], test: Mapping[str, Collection[str]]) -> Overlap:
    """Compare the keys of the two sides.

    Args:
        kind: what the keys are, such as "game" or "position or its mirror image".
        mine: root -> its keys, of the side to mine from.
        test: root -> its keys, of the side to test on.
    """
    known = {key for keys in mine.values() for key in keys}
    tested = {key for keys in test.values() for key in keys}
    touched = sorted(root for root, keys in test.items() if any(key in known for key in keys))
    return Overlap(kind, len(known), len(tested), len(known & tested), tuple(touched))
