"""Read-outs: what can be read along a direction is read, and what of a vector lies outside them is told."""

from __future__ import annotations

import numpy as np
import pytest

from conceptmine.evidence import fit_readouts, share_outside


@pytest.mark.parametrize("width", [20, 600])
def test_a_planted_quantity_is_read_and_noise_is_not(width: int) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 6)) @ rng.normal(size=(6, width)) + 0.1 * rng.normal(size=(300, width)) + 4
    truth = rng.normal(size=width)
    value = z @ truth
    found = fit_readouts(z, {"value": value + 0.1 * value.std() * rng.normal(size=300), "noise": rng.normal(size=300)})
    assert found["value"].r2 > 0.9 and found["noise"].r2 < 0.1
    assert np.corrcoef(z @ found["value"].direction, value)[0, 1] > 0.97


def test_equals_ridge_with_leave_one_out_by_hand() -> None:
    rng = np.random.default_rng(1)
    z, y = rng.normal(size=(25, 7)), rng.normal(size=25)
    found = fit_readouts(z, {"y": y})["y"]
    centred, target = z - z.mean(axis=0), y - y.mean()
    gram = centred @ centred.T
    best = min(
        (
            sum((y[i] - _predicted(np.delete(z, i, 0), np.delete(y, i), z[i], penalty)) ** 2 for i in range(25)),
            penalty,
        )
        for penalty in np.logspace(-4, 2, 13) * np.linalg.eigvalsh(gram).clip(0).mean()
    )
    # Leaving one out also moves the mean, which the shortcut takes for fixed up to 1/n of itself.
    assert found.r2 == pytest.approx(1 - best[0] / (target @ target), abs=0.02)
    direction = np.linalg.solve(centred.T @ centred + best[1] * np.eye(7), centred.T @ target)
    np.testing.assert_allclose(found.direction, direction, atol=1e-9)


def _predicted(z: np.ndarray, y: np.ndarray, at: np.ndarray, penalty: float) -> float:
    centred = z - z.mean(axis=0)
    weights = np.linalg.solve(centred.T @ centred + penalty * np.eye(z.shape[1]), centred.T @ (y - y.mean()))
    return float(y.mean() + (at - z.mean(axis=0)) @ weights)


def test_a_constant_cannot_be_read_and_missing_values_are_left_out() -> None:
    rng = np.random.default_rng(2)
    z = rng.normal(size=(40, 5))
    y = z @ np.arange(5.0)
    y[::4] = np.nan
    found = fit_readouts(z, {"constant": np.ones(40), "holes": y})
    assert not found["constant"].direction.any() and found["constant"].r2 == 0
    assert found["holes"].r2 > 0.99


def test_share_outside_by_hand() -> None:
    directions = [[1.0, 0, 0, 0], [2.0, 0, 0, 0], [1.0, 1.0, 0, 0], [0, 0, 0, 0]]
    shares = share_outside([[3.0, 4.0, 0, 0], [0, 0, 1.0, 0], [1.0, 0, 1.0, 0], [0, 0, 0, 0]], directions)
    np.testing.assert_allclose(shares, [0, 1, 0.5, 1], atol=1e-12)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="one value per activation"):
        fit_readouts(np.ones((3, 2)), {"y": [1.0]})
    with pytest.raises(ValueError, match="take one layer's"):
        share_outside(np.ones((1, 3)), np.ones((1, 2)))
