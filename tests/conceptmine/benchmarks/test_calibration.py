"""False alarms are counted as they are, and intervals are those of the binomial."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binom

from conceptmine.benchmarks import calibration
from conceptmine.benchmarks.calibration import agent_alarms, clopper_pearson, false_alarms
from conceptmine.benchmarks.methods import METHODS, Task
from conceptmine.benchmarks.planting import planted_rows
from conceptmine.benchmarks.siblings import Siblings
from conceptmine.errors import InputError

Rows = Callable[..., Siblings]


@pytest.mark.parametrize(("successes", "trials"), [(0, 20), (1, 20), (7, 20), (20, 20)])
def test_the_interval_is_where_the_binomial_tails_are_a_fortieth(successes: int, trials: int) -> None:
    low, high = clopper_pearson(successes, trials)
    assert low <= successes / trials <= high
    if successes:
        assert binom.sf(successes - 1, trials, low) == pytest.approx(0.025)
    if successes < trials:
        assert binom.cdf(successes, trials, high) == pytest.approx(0.025)


def test_nothing_of_nothing_has_no_interval() -> None:
    with pytest.raises(InputError, match="0 of 0"):
        clopper_pearson(0, 0)


def test_every_method_stays_quiet_on_noise(siblings: Rows) -> None:
    found = agent_alarms(siblings(60), 40, range(8), clusters=3)
    assert [each.method for each in found] == list(METHODS)
    assert all(each.runs == 8 and each.candidates > 0 for each in found)
    assert sum(each.alarms for each in found) <= 6  # of 48, at 5 % each


def test_a_method_that_peeks_at_the_test_is_caught(siblings: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    data_sets = [(planted_rows(siblings(60), 40, strength=0.0, seed=seed), seed) for seed in range(4)]
    answers = iter([rows.differences(rows.tested).mean(axis=1) for rows, _ in data_sets])

    def peeks(task: Task) -> list[np.ndarray]:
        tested = next(answers)
        return [np.linalg.pinv(tested) @ np.ones(len(tested))]

    monkeypatch.setattr(calibration, "METHODS", {"peeks": peeks})
    (found,) = false_alarms("noise", data_sets, 3)
    assert (found.runs, found.alarms, found.discoveries) == (4, 4, 4)
