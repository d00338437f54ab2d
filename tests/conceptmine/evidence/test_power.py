"""What could have been detected: the approximation against simulation, and its limits."""

from __future__ import annotations

import numpy as np
import pytest

from conceptmine.evidence import detectable_satisfaction, detection_power, held_out, minimum_p, sign_flip_null


def simulated_power(satisfaction: float, rows: np.ndarray, level: float, ties: float, runs: int = 300) -> float:
    rng = np.random.default_rng(0)
    root = np.repeat(np.arange(len(rows)), rows)
    draws = rng.random((len(root), runs))
    signs = np.where(draws < satisfaction, 1.0, np.where(draws < satisfaction + ties, 0.0, -1.0))
    return float((sign_flip_null(held_out(signs, root, np.eye(runs)), flips=1999).p <= level).mean())


@pytest.mark.parametrize(("satisfaction", "ties"), [(0.5, 0.0), (0.6, 0.0), (0.65, 0.0), (0.57, 0.1), (0.45, 0.1)])
def test_power_agrees_with_simulation(satisfaction: float, ties: float) -> None:
    rows = np.tile([2, 5, 9], 20)
    expected = simulated_power(satisfaction, rows, 0.01, ties)
    assert detection_power(satisfaction, rows, level=0.01, ties=ties) == pytest.approx(expected, abs=0.07)


def test_whole_correlation_makes_a_root_one_row() -> None:
    many = detection_power(0.7, [10] * 40, level=0.05, correlation=1.0)
    assert many == pytest.approx(detection_power(0.7, [1] * 40, level=0.05))
    assert many < detection_power(0.7, [10] * 40, level=0.05)


def test_detectable_satisfaction_has_the_power_asked_for() -> None:
    rows = [6] * 50
    found = detectable_satisfaction(rows, tests=200, discoveries=10, power=0.8)
    assert 0.5 < found < 1
    assert detection_power(found, rows, level=0.05 * 10 / 200) == pytest.approx(0.8, abs=1e-6)
    assert detectable_satisfaction(rows, tests=2000, discoveries=10) > found
    assert detectable_satisfaction([6] * 500, tests=200, discoveries=10) < found


def test_nothing_is_detectable_with_too_few_roots_or_flips() -> None:
    assert minimum_p(4) == 1 / 16
    assert np.isnan(detectable_satisfaction([5] * 4, tests=1))
    assert np.isnan(detectable_satisfaction([5] * 40, tests=2000, flips=19_999))
    assert not np.isnan(detectable_satisfaction([5] * 40, tests=1000, flips=19_999))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"satisfaction": 0.95, "ties": 0.1}, "satisfaction"),
        ({"level": 0.0}, "level"),
        ({"ties": 1.0}, "ties"),
        ({"rows_per_root": [0, 1]}, "rows_per_root"),
        ({"rows_per_root": []}, "rows_per_root"),
    ],
)
def test_bad_input_is_refused(options: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"satisfaction": 0.6, "rows_per_root": [1, 2], "level": 0.05} | options
    with pytest.raises(ValueError, match=message):
        detection_power(**arguments)  # type: ignore[arg-type]


def test_bad_counts_of_tests_are_refused() -> None:
    with pytest.raises(ValueError, match="discoveries"):
        detectable_satisfaction([3], tests=2, discoveries=3)
    with pytest.raises(ValueError, match="at least 1"):
        minimum_p(0)
