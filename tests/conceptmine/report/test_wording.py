"""Numbers in words."""

from __future__ import annotations

import pytest

from conceptmine.report import wording

THIN = "\u202f"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (wording.percent(0.5), f"50.0{THIN}%"),
        (wording.percent(-0.021, 0), f"−2{THIN}%"),
        (wording.percent(None), "–"),
        (wording.signed(0.0004, 2), "0.00"),
        (wording.signed(-0.0004, 2), "0.00"),
        (wording.signed(-0.25, 2), "−0.25"),
        (wording.small(2.13e-4), "2.1 × 10⁻⁴"),
        (wording.small(-3.0e-12), "−3.0 × 10⁻¹²"),
        (wording.small(0.0123), "+0.012"),
        (wording.small(0.0), "0.000"),
        (wording.probability(0.00004), "< 0.0001"),
        (wording.probability(0.0005), "0.0005"),
        (wording.probability(0.05), "0.050"),
        (wording.probability(0.4), "0.40"),
        (wording.p_value(0.00001), "p < 0.0001"),
        (wording.p_value(0.012), "p = 0.012"),
        (wording.duration(0.04), "0.0 s"),
        (wording.duration(59.7), "1 min 0 s"),
        (wording.duration(7384), "2 h 3 min"),
        (wording.grouped(17184), f"17{THIN}184"),
        (wording.several(1, "game"), "1 game"),
        (wording.several(0, "game"), "0 games"),
        (wording.listed([]), ""),
        (wording.listed(["a", "b", "c"]), "a, b and c"),
        (wording.decimal(18.64), "18.6"),
        (wording.file_name("/nets/maia-1900.pb.gz"), "maia-1900"),
        (wording.file_name("games/club.pgn.zst"), "club.pgn.zst"),
        (wording.file_name("ladder-final"), "ladder-final"),
    ],
)
def test_wording(found: str, expected: str) -> None:
    assert found == expected
