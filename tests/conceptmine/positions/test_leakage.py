"""What two sides have in common is counted, and names the roots that it touches."""

from __future__ import annotations

from conceptmine.positions import Overlap, overlap


def test_by_hand() -> None:
    mine = {"m1": {"a", "b"}, "m2": {"b", "c"}}
    test = {"t1": {"d"}, "t3": {"c", "a"}, "t2": {"c", "d"}}
    assert overlap("position", mine, test) == Overlap("position", 3, 3, 2, ("t2", "t3"))


def test_sides_apart_share_nothing() -> None:
    assert overlap("game", {"m": {"a"}}, {"t": {"b"}}) == Overlap("game", 1, 1, 0, ())
    assert overlap("game", {}, {}) == Overlap("game", 0, 0, 0, ())
