"""The rivals solve what they say they solve."""

from __future__ import annotations

import numpy as np
import pytest

from conceptmine.benchmarks.grouping import groups_of
from conceptmine.benchmarks.probes import logistic_probe, mean_difference, principal_components, support_vector


@pytest.fixture
def rows() -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.standard_normal((60, 200)) + 0.2


def _price(rows: np.ndarray, penalty: float) -> float:
    return float(penalty / (rows**2).sum(axis=1).mean())


@pytest.mark.parametrize("penalty", [0.1, 1.0, 30.0])
def test_the_svm_is_at_its_optimum(rows: np.ndarray, penalty: float) -> None:
    price = _price(rows, penalty)

    def primal(w: np.ndarray) -> float:
        return float(0.5 * w @ w + price * np.maximum(0.0, 1.0 - rows @ w).sum())

    w = support_vector(rows, penalty)
    best = primal(w)
    generator = np.random.default_rng(1)
    for size in (1e-3, 1e-2, 0.1):
        for _ in range(50):
            assert primal(w + size * np.linalg.norm(w) * generator.standard_normal(200) / 14) >= best - 1e-7 * best
    assert primal(0 * w) > best


@pytest.mark.parametrize("penalty", [0.1, 1.0, 30.0])
def test_the_slope_of_the_logistic_probe_vanishes(rows: np.ndarray, penalty: float) -> None:
    w = logistic_probe(rows, penalty)
    slope = w - _price(rows, penalty) * (rows.T @ (1.0 / (1.0 + np.exp(rows @ w))))
    assert np.abs(slope).max() < 1e-4 * np.abs(w).max()


@pytest.mark.parametrize("method", [support_vector, logistic_probe])
def test_directions_do_not_depend_on_the_unit(rows: np.ndarray, method: object) -> None:
    w, scaled = method(rows, 1.0), method(1000.0 * rows, 1.0)  # type: ignore[operator]
    assert w @ scaled / np.linalg.norm(w) / np.linalg.norm(scaled) == pytest.approx(1.0, abs=1e-5)


def test_principal_components_are_those_of_the_second_moment(rows: np.ndarray) -> None:
    found = principal_components(rows, 5)
    expected = np.linalg.svd(rows)[2][:5]
    for ours, theirs in zip(found, expected, strict=True):
        assert abs(ours @ theirs) / np.linalg.norm(ours) == pytest.approx(1.0)
        assert (rows @ ours > 0).mean() >= 0.5
    assert len(principal_components(rows[:3], 5)) == 3


def test_the_mean_difference_is_the_mean(rows: np.ndarray) -> None:
    np.testing.assert_allclose(mean_difference(rows), rows.mean(axis=0))


def test_groups_are_all_and_then_clusters_of_what_is_alike() -> None:
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((3, 50))
    kind = np.repeat([0, 1, 2], 20)
    differences = centres[kind][:, None, :] + 0.2 * generator.standard_normal((60, 3, 50))
    groups = groups_of(differences, 3, seed=3)
    assert (groups[0] == np.arange(60)).all()
    assert all(len(set(kind[group])) == 1 for group in groups[1:])
    assert len(groups) > 1
    assert [list(a) for a in groups] == [list(b) for b in groups_of(differences, 3, seed=3)]
    assert len(groups_of(differences[:4], 8, seed=0)) == 1  # too few for clusters
