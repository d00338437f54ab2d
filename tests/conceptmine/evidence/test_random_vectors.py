"""Random sparse vectors: equal in everything but the choice of features, and beaten by what is there alone."""

from __future__ import annotations

import numpy as np
import pytest

from conceptmine.evidence import held_out, random_vectors, share_as_good, turned_to
from conceptmine.mining import minimal_vector


def test_they_have_the_weights_of_the_concept_on_active_features() -> None:
    rng = np.random.default_rng(0)
    vectors = np.where(rng.random((3, 50)) < 0.2, rng.normal(size=(3, 50)), 0.0)
    active = np.arange(50) % 2 == 0
    drawn = random_vectors(vectors, active, copies=7, seed=1).toarray()
    assert drawn.shape == (21, 50) and not drawn[:, ~active].any()
    for i, row in enumerate(drawn):
        own = np.sort(np.abs(vectors[i // 7][vectors[i // 7] != 0]))
        np.testing.assert_array_equal(np.sort(np.abs(row[row != 0])), own)
    assert len({row.tobytes() for row in drawn}) == 21
    assert (random_vectors(vectors, active, copies=7, seed=1).toarray() == drawn).all()


def test_features_signs_and_places_of_magnitudes_are_even() -> None:
    drawn = random_vectors([[1.0, 2.0, 0, 0, 0, 0]], np.ones(6), copies=6000).toarray()
    np.testing.assert_allclose((np.abs(drawn) == 1).mean(axis=0), 1 / 6, atol=0.02)
    np.testing.assert_allclose((np.abs(drawn) == 2).mean(axis=0), 1 / 6, atol=0.02)
    assert abs((drawn[drawn != 0] > 0).mean() - 0.5) < 0.02


def test_each_is_turned_to_the_rows_that_the_concept_was_mined_from() -> None:
    rows = np.random.default_rng(1).normal(size=(9, 30))
    drawn = random_vectors(np.eye(30)[:4], np.ones(30), copies=20)
    turned = turned_to(drawn, rows)
    assert (np.sign(turned @ rows.T).sum(axis=1) >= 0).all()
    np.testing.assert_array_equal(np.abs(turned.toarray()), np.abs(drawn.toarray()))


def lines(rng: np.random.Generator, signal: float) -> tuple[np.ndarray, np.ndarray]:
    differences = rng.normal(size=(120, 60))
    differences[:, 0] += signal
    return differences[:40], differences[40:]


@pytest.mark.parametrize(("signal", "unusual"), [(2.0, True), (0.0, False)])
def test_a_mined_vector_stands_out_among_them_only_if_something_is_there(signal: float, unusual: bool) -> None:
    shares = []
    for seed in range(12):
        mined, test = lines(np.random.default_rng(seed), signal)
        vector = minimal_vector(mined, slack=0.1).vector[None]
        drawn = turned_to(random_vectors(vector, np.ones(60), copies=39, seed=seed), mined)
        others = held_out(test, np.arange(80), drawn.toarray()).statistic
        shares.append(share_as_good(held_out(test, np.arange(80), vector).statistic, others[None])[0])
    assert (np.median(shares) <= 0.05) == unusual


def test_a_direction_that_every_feature_shares_does_not_stand_out() -> None:
    # All features are higher on better lines: any random direction, turned to the mined rows, orders lines as well.
    rng = np.random.default_rng(3)
    shares = []
    for _ in range(12):
        rows = rng.normal(size=(120, 60)) + rng.normal(size=(120, 1)) * 2 + 1.5
        vector = minimal_vector(rows[:40], slack=0.1).vector[None]
        drawn = turned_to(random_vectors(vector, np.ones(60), copies=39, seed=rng), rows[:40])
        others = held_out(rows[40:], np.arange(80), drawn.toarray()).statistic
        shares.append(share_as_good(held_out(rows[40:], np.arange(80), vector).statistic, others[None])[0])
        assert others.mean() > 0.55
    assert np.median(shares) > 0.2


def test_share_as_good_counts_equals() -> None:
    np.testing.assert_allclose(share_as_good([0.5, 0.9], [[0.5, 0.4, 0.6], [0.1, 0.2, 0.3]]), [0.75, 0.25])


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="active must mark"):
        random_vectors(np.ones((1, 3)), np.zeros(3))
    with pytest.raises(ValueError, match="copies"):
        random_vectors(np.ones((1, 3)), np.ones(3), copies=0)
    with pytest.raises(ValueError, match="controls must be"):
        share_as_good([0.5], [0.5])
