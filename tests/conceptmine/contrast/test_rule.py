"""The settings say what is wrong with them, and give the depths that the paper's equations run over."""

from __future__ import annotations

import math

import pytest

from conceptmine.contrast import ContrastRule
from conceptmine.errors import InputError


def test_defaults_are_the_papers() -> None:
    rule = ContrastRule()
    assert (rule.value_gap, rule.visit_gap, rule.horizon, rule.last_branch) == (0.20, 0.10, 5, 0)
    assert ContrastRule(horizon=10).last_branch == 5


def test_one_player_means_even_depths() -> None:
    assert ContrastRule(horizon=5).plies == (2, 4)
    assert ContrastRule(horizon=10).plies == (2, 4, 6, 8, 10)
    assert ContrastRule(horizon=5, players="two").plies == (1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"value_gap": -0.1},
        {"value_gap": 2.1},
        {"value_gap": math.nan},
        {"visit_gap": 1.1},
        {"visit_gap": math.inf},
        {"horizon": 4},
        {"players": "three"},
        {"plan": "passive"},
        {"combine": "xor"},
    ],
)
def test_settings_without_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match="give"):
        ContrastRule(**wrong)  # type: ignore[arg-type]
