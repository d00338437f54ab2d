"""Where the planes of a convolution policy hold each move."""

from __future__ import annotations

import numpy as np

from engines.chess.moves import POLICY_MOVES
from engines.networks.policy_planes import CONVOLUTION_POLICY_INDEX, CONVOLUTION_POLICY_PLANES


def place(uci: str) -> tuple[int, str]:
    plane, origin = divmod(int(CONVOLUTION_POLICY_INDEX[POLICY_MOVES.index(uci)]), 64)
    return plane, "abcdefgh"[origin % 8] + str(origin // 8 + 1)


def test_every_move_has_a_place_of_its_own_at_its_origin() -> None:
    assert len(np.unique(CONVOLUTION_POLICY_INDEX)) == len(POLICY_MOVES)
    assert CONVOLUTION_POLICY_INDEX.max() < CONVOLUTION_POLICY_PLANES * 64
    assert all(place(uci)[1] == uci[:2] for uci in POLICY_MOVES)


def test_directions_go_clockwise_from_north_then_knights_then_promotions() -> None:
    king = ["d4d5", "d4e5", "d4e4", "d4e3", "d4d3", "d4c3", "d4c4", "d4c5"]
    assert [place(uci)[0] for uci in king] == [0, 7, 14, 21, 28, 35, 42, 49]
    assert place("a1a8")[0] == 6
    assert place("a1h8")[0] == 13
    knight = ["d4e6", "d4f5", "d4f3", "d4e2", "d4c2", "d4b3", "d4b5", "d4c6"]
    assert [place(uci)[0] for uci in knight] == list(range(56, 64))
    promotions = [f"b7{file}8{piece}" for file in "abc" for piece in "rbq"]
    assert [place(uci)[0] for uci in promotions] == list(range(64, 73))
