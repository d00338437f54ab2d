"""The gain's interval: paired, over seeds and groups of positions, deterministic."""

from __future__ import annotations

import numpy as np
import pytest

from conceptmine.errors import InputError
from conceptmine.teachability import paired_gain


def test_the_mean_is_the_paired_difference() -> None:
    treated = np.array([[1, 1, 0, 1], [1, 0, 0, 1]], dtype=bool)
    control = np.array([[0, 1, 0, 0], [0, 0, 1, 1]], dtype=bool)
    gain = paired_gain(treated, control)
    assert gain.mean == pytest.approx((2 + 0) / 8)
    assert gain.low <= gain.mean <= gain.high


def test_equal_arms_have_an_interval_of_exactly_zero() -> None:
    hits = np.random.default_rng(0).random((3, 40)) < 0.5
    gain = paired_gain(hits, hits)
    assert (gain.mean, gain.low, gain.high) == (0.0, 0.0, 0.0)


def test_one_seed_with_single_positions_is_the_plain_bootstrap_of_a_mean() -> None:
    treated = np.zeros((1, 200), dtype=bool)
    treated[0, :60] = True
    gain = paired_gain(treated, np.zeros_like(treated), draws=20_000)
    spread = np.sqrt(0.3 * 0.7 / 200)
    assert gain.low == pytest.approx(0.3 - 1.96 * spread, abs=0.01)
    assert gain.high == pytest.approx(0.3 + 1.96 * spread, abs=0.01)


def test_groups_that_answer_alike_widen_the_interval() -> None:
    groups = np.repeat(np.arange(10), 20)
    treated = np.broadcast_to(groups % 2 == 0, (1, 200))
    alone = paired_gain(treated, np.zeros((1, 200), dtype=bool))
    together = paired_gain(treated, np.zeros((1, 200), dtype=bool), groups=groups)
    assert together.mean == alone.mean
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_seeds_that_disagree_widen_the_interval() -> None:
    control = np.zeros((4, 100), dtype=bool)
    mixed = np.random.default_rng(1).random((4, 100)) < 0.5
    by_seed = np.repeat(np.array([[True], [True], [False], [False]]), 100, axis=1)
    narrow, wide = paired_gain(mixed, control), paired_gain(by_seed, control)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_equal_arguments_give_equal_bytes() -> None:
    rng = np.random.default_rng(3)
    treated, control = rng.random((3, 30)) < 0.6, rng.random((3, 30)) < 0.4
    groups = rng.integers(0, 9, 30)  # of unequal size, so that the ends of the interval are no round numbers
    first, again, other = (paired_gain(treated, control, groups=groups, seed=seed) for seed in (5, 5, 6))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [
        ((np.ones(3), np.ones(3)), {}),
        ((np.ones((1, 3)), np.ones((2, 3))), {}),
        ((np.ones((1, 0)), np.ones((1, 0))), {}),
        ((np.ones((1, 3)), np.ones((1, 3))), {"groups": [0, 1]}),
        ((np.ones((1, 3)), np.ones((1, 3))), {"level": 1.0}),
    ],
)
def test_wrong_input_is_refused(arguments: tuple[object, object], keywords: dict[str, object]) -> None:
    with pytest.raises(InputError):
        paired_gain(*arguments, **keywords)  # type: ignore[arg-type]
