"""The parts that families are made of: rows by root, agreement and its null, prices of slack, duplicates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptmine.errors import InputError
from conceptmine.mining import minimal_vector
from conceptmine.mining.clustering import agreement_matrix, all_roots, cluster_roots
from conceptmine.mining.duplicates import distinct_vectors
from conceptmine.mining.prices import choose_price, critical_price, cross_fit, joint_solution, root_fit
from conceptmine.mining.roots import RootRows, row_orders


def noise(seed: int, roots: int = 12, rows: int = 3, width: int = 30) -> RootRows:
    rng = np.random.default_rng(seed)
    return RootRows.of(rng.normal(size=(roots * rows, width)), np.repeat(np.arange(roots), rows))


def one_root_vectors(rows: RootRows) -> np.ndarray:
    return np.array([minimal_vector(rows.differences[rows.owner == root]).vector for root in range(rows.count)])


# Rows by root.


def test_places_name_the_rows_of_roots_in_order_and_twice_where_a_root_is() -> None:
    rows = RootRows.of(np.ones((5, 2)), [1, 0, 1, 2, 0])
    assert rows.count == 3
    assert rows.places([2, 0, 2]).tolist() == [3, 1, 4, 3]


def test_means_are_taken_root_by_root() -> None:
    rows = RootRows.of(np.ones((5, 2)), [1, 0, 1, 2, 0])
    np.testing.assert_allclose(rows.mean_by_root(np.array([1.0, 2.0, 3.0, 7.0, 4.0])), [3, 2, 7])
    np.testing.assert_allclose(rows.mean_by_root(np.arange(10.0).reshape(5, 2)), [[5, 6], [2, 3], [6, 7]])


def test_a_score_of_rounding_is_a_tie() -> None:
    rows = np.array([[0.1, 0.2, -0.3], [1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert (rows[0] @ np.ones(3)) != 0, "the sum is exact here, so that this would show nothing"
    assert row_orders(rows, np.ones((1, 3)))[:, 0].tolist() == [0, 1, -1, 0]


@pytest.mark.parametrize(
    ("owner", "message"),
    [([0, 0, 2], "leave no number out"), ([0, 1], "one whole number per row"), ([0.0, 1.0, 2.0], "one whole number")],
)
def test_rows_without_their_roots_are_refused(owner: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        RootRows.of(np.ones((3, 2)), owner)


# Agreement and its null.


def test_agreement_by_hand() -> None:
    rows = RootRows.of([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [-1.0, 1.0]], [0, 0, 1, 1])
    agreement = agreement_matrix(np.array([[1.0, 0.0], [0.0, 2.0]]), rows)
    # Root 0's vector: a tie and one row turned round. Root 1's: a tie and one row satisfied.
    np.testing.assert_allclose(agreement, [[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(agreement_matrix(np.array([[0.0, 0.0], [0.0, 2.0]]), rows)[0, 1], 0.25)


@given(st.integers(0, 10_000))
@settings(max_examples=15)
def test_flipping_a_roots_rows_multiplies_its_agreement_by_minus_one(seed: int) -> None:
    rows = noise(seed, roots=6, width=20)
    signs = np.random.default_rng(seed + 1).choice([-1.0, 1.0], size=rows.count)
    flipped = RootRows.of(rows.differences * signs[rows.owner, None], rows.owner)
    expected = agreement_matrix(one_root_vectors(rows), rows) * np.outer(signs, signs)
    np.testing.assert_allclose(agreement_matrix(one_root_vectors(flipped), flipped), expected, atol=1e-12)


def test_on_noise_p_of_the_best_cluster_is_below_a_bar_no_more_often_than_it_says() -> None:
    smallest = []
    for seed in range(40):
        sides = np.random.default_rng(seed).normal(size=(16, 16))
        agreement = np.clip((sides + sides.T) / 4, -1, 1)
        np.fill_diagonal(agreement, 1)
        clusters = cluster_roots(agreement, least=3, flips=39, seed=seed)
        smallest.append(min((cluster.p for cluster in clusters), default=1.0))
    # Binomial(40, 0.2) exceeds 14 with probability 0.01.
    assert sum(p <= 0.2 for p in smallest) <= 14
    assert sum(p <= 0.2 for p in smallest) >= 2, "the null never lets anything through, which is no null"


def test_two_blocks_are_two_clusters() -> None:
    agreement = np.full((16, 16), -0.1)
    agreement[:8, :8] = agreement[8:15, 8:15] = 0.8
    np.fill_diagonal(agreement, 1)
    first, second = cluster_roots(agreement, least=2, flips=99)
    assert (first.members, second.members) == (tuple(range(8)), tuple(range(8, 15)))
    assert first.cohesion == second.cohesion == pytest.approx(0.8)
    assert first.p <= second.p <= 0.1


def test_the_order_of_roots_does_not_change_the_clusters() -> None:
    sides = np.random.default_rng(0).normal(size=(30, 30))
    agreement = np.tanh(sides + sides.T)
    np.fill_diagonal(agreement, 1)
    order = np.random.default_rng(1).permutation(30)
    straight, shuffled = (
        cluster_roots(each, least=3, flips=1) for each in (agreement, agreement[np.ix_(order, order)])
    )
    assert len(straight) > 2
    assert {frozenset(order[list(each.members)].tolist()) for each in shuffled} == {
        frozenset(each.members) for each in straight
    }


def test_all_roots_cohere_where_all_agree() -> None:
    agreement = np.full((8, 8), 0.5)
    np.fill_diagonal(agreement, 1)
    together = all_roots(agreement, flips=99)
    assert together.members == tuple(range(8))
    assert together.cohesion == pytest.approx(0.5)
    assert together.p <= 0.03  # the pattern of equal signs itself is drawn once in 128
    assert all_roots(-agreement + 2 * np.eye(8), flips=99).p == 1


def test_too_few_roots_make_no_cluster() -> None:
    assert cluster_roots(np.ones((3, 3)), least=4) == ()
    with pytest.raises(InputError, match="least must be at least 2"):
        cluster_roots(np.ones((3, 3)), least=1)


# Prices of slack.


@given(st.integers(0, 10_000))
@settings(max_examples=30)
def test_zero_is_the_optimum_up_to_the_critical_price_and_not_beyond(seed: int) -> None:
    rows = noise(seed).differences
    critical = critical_price(rows)
    below, above = (minimal_vector(rows, slack=factor * critical).vector for factor in (0.99, 1.01))
    assert below is not None and not below.any()
    assert above is not None and above.any()


def test_ratios_mean_the_same_at_every_scale() -> None:
    rows = noise(1).differences
    price, solution = joint_solution(rows, 2.0)
    scaled_price, scaled = joint_solution(8 * rows, 2.0)
    assert scaled_price == pytest.approx(price / 8)
    np.testing.assert_allclose(scaled.vector, solution.vector / 8, atol=1e-12)


def test_rows_that_cancel_have_no_critical_price() -> None:
    assert critical_price(np.array([[1.0, -2.0], [-1.0, 2.0]])) == 1.0


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_rows_that_cancel_up_to_rounding_have_none_either(scale: float) -> None:
    rows = np.random.default_rng(0).normal(size=(30, 8)) * scale
    rows = np.concatenate([rows, -rows[::-1] / 3, -rows[::2] * 2 / 3, -rows[1::2] * 2 / 3])
    assert 0 < np.abs(rows.sum(axis=0)).max() < 1e-13 * np.abs(rows).sum()
    assert critical_price(rows) == 1.0
    rows[0, 0] += 1e-6 * scale  # little, but not rounding
    assert critical_price(rows) == pytest.approx(1e6 / scale, rel=1e-6)


def test_no_root_is_judged_by_a_vector_that_saw_it() -> None:
    rows = noise(3)
    fit = cross_fit(rows, range(rows.count), 6.0, folds=rows.count)
    for root in range(rows.count):
        others = [other for other in range(rows.count) if other != root]
        alone = root_fit(rows, joint_solution(rows.differences[rows.places(others)], 6.0)[1].vector)
        assert fit.satisfied[root] == alone.satisfied[root]
        assert fit.score[root] == alone.score[root]
    seen = root_fit(rows, joint_solution(rows.differences, 6.0)[1].vector)
    assert seen.satisfied.mean() > fit.satisfied.mean() + 0.2, "seeing a root makes no difference here"


def test_the_chosen_price_is_the_best_of_those_tried() -> None:
    rows = noise(4)
    price = choose_price(rows, range(rows.count), ratios=(1.5, 3.0, 6.0, 12.0))
    assert price.tried[0][0] == 1.5
    assert dict(price.tried)[price.ratio] == max(satisfied for _, satisfied in price.tried)
    assert price.fit.satisfied.mean() == pytest.approx(dict(price.tried)[price.ratio])


# Duplicates.


def orders(vectors: np.ndarray, seed: int = 0) -> np.ndarray:
    return row_orders(np.random.default_rng(seed).normal(size=(60, vectors.shape[1])), vectors)


def test_scaled_copies_are_one_and_the_one_of_most_roots_stays() -> None:
    vectors = np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 1.0], [2.0, 4.0, 0.0], [3.0, 6.0, 0.0]])
    kept = distinct_vectors(vectors, orders(vectors), roots=[1, 1, 5, 1], gaps=[0.0, 0.0, 1e-9, 0.0])
    assert kept == {1: (), 2: (0, 3)}


def test_among_as_many_roots_the_better_certificate_stays() -> None:
    vectors = np.array([[1.0, 2.0], [2.0, 4.0]])
    assert distinct_vectors(vectors, orders(vectors), roots=[3, 3], gaps=[1e-8, 1e-12]) == {1: (0,)}
    assert distinct_vectors(vectors, orders(vectors), roots=[3, 3], gaps=[0.0, 0.0]) == {0: (1,)}


def test_a_mirror_image_is_another_concept() -> None:
    vectors = np.array([[1.0, 2.0], [-1.0, -2.0]])
    assert distinct_vectors(vectors, orders(vectors), roots=[1, 1], gaps=[0.0, 0.0]) == {0: (), 1: ()}


def test_parallel_vectors_that_order_rows_differently_stay_apart() -> None:
    vectors = np.array([[1.0, 0.0], [1.0, 0.1]])
    near_ties = np.column_stack([np.full(20, 0.01), np.linspace(-1, -0.5, 20)])
    apart = row_orders(near_ties, vectors)
    assert distinct_vectors(vectors, apart, roots=[1, 1], gaps=[0.0, 0.0]) == {0: (), 1: ()}
    assert distinct_vectors(vectors, orders(vectors), roots=[1, 1], gaps=[0.0, 0.0]) == {0: (1,)}


def test_small_steps_do_not_chain() -> None:
    angles = np.deg2rad(np.arange(0, 60, 10))
    vectors = np.column_stack([np.cos(angles), np.sin(angles)])
    same = np.ones((4, len(vectors)), dtype=np.int8)
    kept = distinct_vectors(vectors, same, roots=[1] * 6, gaps=[0.0] * 6)
    assert kept == {0: (1,), 2: (3,), 4: (5,)}


@pytest.mark.parametrize("thresholds", [{"cosine": 0.0}, {"agreement": 1.5}])
def test_thresholds_out_of_range_are_refused(thresholds: dict[str, float]) -> None:
    with pytest.raises(InputError, match="must lie above 0"):
        distinct_vectors(np.eye(2), orders(np.eye(2)), [1, 1], [0.0, 0.0], **thresholds)
