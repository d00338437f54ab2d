"""Families against planted truth: two groups of roots with a direction each, among roots that follow none.

Rows are differences of rectified activations. Rows of a root share part of their noise, as positions of one line do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from conceptmine.errors import InputError
from conceptmine.mining import SolverError, minimal_vector
from conceptmine.mining.clustering import Cluster, agreement_matrix, all_roots, cluster_roots
from conceptmine.mining.families import Family, mine_families, solve_family
from conceptmine.mining.prices import Price, choose_price, cross_fit, root_fit
from conceptmine.mining.roots import RootRows, row_orders
from conceptmine.mining.stability import bootstrap_stability

EACH, ROWS, WIDTH, STRENGTH, LEAST = 15, 4, 200, 2.5, 5
SEEDS = range(3)


@dataclass(frozen=True, eq=False)
class Planted:
    """45 roots: label 0 and 1 follow the directions, label 2 none; vectors are those of single roots."""

    rows: RootRows
    labels: np.ndarray
    directions: np.ndarray
    vectors: np.ndarray


def rows_of_roots(labels: np.ndarray, directions: np.ndarray, strength: float, rng: np.random.Generator) -> RootRows:
    differences = []
    for label in labels:
        best, subpar = rng.normal(size=(2, 1, WIDTH))
        noise = rng.normal(size=(2, ROWS, WIDTH))
        rows = np.maximum(noise[0] + 0.7 * best, 0) - np.maximum(noise[1] + 0.7 * subpar, 0)
        differences.append(rows + strength * directions[label] if label < 2 else rows)
    return RootRows.of(np.concatenate(differences), np.repeat(np.arange(len(labels)), ROWS))


@cache
def planted(seed: int, strength: float = STRENGTH) -> Planted:
    rng = np.random.default_rng(seed)
    directions = np.zeros((2, WIDTH))
    features = rng.permutation(WIDTH)[:6].reshape(2, 3)
    np.put_along_axis(directions, features, rng.choice([-1.0, 1.0], size=(2, 3)), axis=1)
    labels = np.repeat([0, 1, 2], EACH)
    rows = rows_of_roots(labels, directions, strength, rng)
    vectors = [minimal_vector(rows.differences[rows.owner == root]).vector for root in range(rows.count)]
    return Planted(rows, labels, directions, np.array(vectors))


@cache
def mined(seed: int, strength: float = STRENGTH) -> tuple[tuple[Cluster, ...], tuple[Family, ...]]:
    truth = planted(seed, strength)
    clusters = cluster_roots(agreement_matrix(truth.vectors, truth.rows), least=LEAST, flips=99)
    return clusters, mine_families(truth.rows, clusters, least=LEAST)


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def labels_of(groups: list[tuple[int, ...]], roots: int) -> np.ndarray:
    """The group of each root; those in none are a group of their own."""
    labels = np.full(roots, len(groups))
    for number, members in enumerate(groups):
        labels[list(members)] = number
    return labels


def adjusted_rand(first: np.ndarray, second: np.ndarray) -> float:
    """Agreement of two partitions, 1 for equal ones and 0 on average for unrelated ones (Hubert and Arabie 1985)."""
    table = np.zeros((first.max() + 1, second.max() + 1))
    np.add.at(table, (first, second), 1)

    def pairs(counts: np.ndarray) -> float:
        return float((counts * (counts - 1) / 2).sum())

    rows, columns = pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    expected = rows * columns / (len(first) * (len(first) - 1) / 2)
    return (pairs(table) - expected) / ((rows + columns) / 2 - expected)


def test_the_index_of_agreement_is_what_it_says() -> None:
    first = np.array([0, 0, 1, 1, 2, 2])
    assert adjusted_rand(first, np.array([2, 2, 0, 0, 1, 1])) == pytest.approx(1)
    shuffled = [adjusted_rand(first, np.random.default_rng(seed).permutation(first)) for seed in range(300)]
    assert abs(np.mean(shuffled)) < 0.05


@pytest.mark.parametrize("seed", SEEDS)
def test_clusters_then_families_recover_the_planted_groups(seed: int) -> None:
    truth, (clusters, families) = planted(seed), mined(seed)
    before = adjusted_rand(labels_of([cluster.members for cluster in clusters], truth.rows.count), truth.labels)
    after = adjusted_rand(labels_of([family.members for family in families], truth.rows.count), truth.labels)
    assert before > 0.6
    assert after > 0.85
    assert after >= before


def test_planted_clusters_cohere_beyond_flips_and_noise_does_not() -> None:
    assert all(cluster.p == 0.01 for seed in SEEDS for cluster in mined(seed)[0][:2])
    assert np.mean([min((cluster.p for cluster in mined(seed, 0.0)[0]), default=1.0) for seed in SEEDS]) > 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_joint_vectors_are_nearer_to_the_planted_direction_than_those_of_single_roots(seed: int) -> None:
    truth, (_, families) = planted(seed), mined(seed)
    for label, direction in enumerate(truth.directions):
        family = max(families, key=lambda each: np.isin(np.flatnonzero(truth.labels == label), each.members).sum())
        single = [cosine(truth.vectors[root], direction) for root in np.flatnonzero(truth.labels == label)]
        assert cosine(family.vector, direction) > max(0.7, np.mean(single) + 0.1)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_vector_of_a_family_orders_new_roots_of_its_kind_and_no_others(seed: int) -> None:
    truth, (_, families) = planted(seed), mined(seed)
    new = rows_of_roots(truth.labels, truth.directions, STRENGTH, np.random.default_rng(100 + seed))
    for family in families[:2]:
        label = np.bincount(truth.labels[list(family.members)]).argmax()
        satisfied = root_fit(new, family.vector).satisfied
        assert satisfied[truth.labels == label].mean() > 0.95
        assert abs(satisfied[truth.labels != label].mean() - 0.5) < 0.2


def test_on_noise_families_order_new_roots_as_a_coin_does() -> None:
    net = []  # share of rows satisfied less share turned round: ties, which sparse vectors have, are neither
    for seed in range(4):
        families = [*mined(seed, 0.0)[1], solve_family(planted(seed, 0.0).rows, everyone(seed, 0.0))]
        new = rows_of_roots(np.full(600, 2), np.zeros((2, WIDTH)), 0.0, np.random.default_rng(100 + seed))
        net += row_orders(new.differences, np.array([family.vector for family in families])).mean(axis=0).tolist()
    assert len(net) > 8
    # The standard error of one is about 0.03.
    assert np.abs(net).max() < 0.1
    assert np.mean(net) == pytest.approx(0, abs=0.03)


def everyone(seed: int, strength: float) -> Cluster:
    truth = planted(seed, strength)
    return all_roots(agreement_matrix(truth.vectors, truth.rows), flips=9)


def test_planted_families_are_stable_and_those_of_noise_are_not() -> None:
    found: dict[float, list[float]] = {STRENGTH: [], 0.0: []}
    for strength, cosines in found.items():
        for seed in SEEDS:
            rows = planted(seed, strength).rows
            for family in [solve_family(rows, everyone(seed, strength)), *mined(seed, strength)[1][:2]]:
                stability = bootstrap_stability(rows, family, resamples=4)
                assert -1 <= stability.cosine_low <= stability.cosine <= stability.cosine_high <= 1
                assert 0 <= stability.sign_agreement <= 1
                cosines.append(stability.cosine)
    assert min(found[STRENGTH]) > 0.75
    assert np.mean(found[0.0]) < 0.6


@pytest.mark.parametrize("rounds", [0, 3])
def test_a_family_that_cannot_be_solved_leaves_the_others(rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    truth, clusters = planted(0), mined(0)[0][:2]
    spoilt = clusters[0].members

    def choose_or_fail(rows: RootRows, members: tuple[int, ...], **options: Any) -> Price:
        if members == spoilt:
            raise SolverError("nothing is proved")
        return choose_price(rows, members, **options)

    monkeypatch.setattr("conceptmine.mining.families.choose_price", choose_or_fail)
    failed: list[SolverError] = []
    families = mine_families(truth.rows, clusters, least=LEAST, rounds=rounds, failed=failed.append)
    assert [family.cluster for family in families] == [clusters[1]]
    assert [str(each) for each in failed] == ["nothing is proved"]
    with pytest.raises(SolverError, match="nothing is proved"):
        mine_families(truth.rows, clusters, least=LEAST, rounds=rounds)


def test_a_family_records_the_price_and_the_roots_left_out() -> None:
    truth, (_, families) = planted(0), mined(0)
    for family in families:
        rows = truth.rows.differences[truth.rows.places(family.members)]
        assert family.slack == pytest.approx(family.ratio / np.abs(rows.sum(axis=0)).max())
        again = cross_fit(truth.rows, family.members, family.ratio)
        np.testing.assert_array_equal(family.fit.satisfied, again.satisfied)
        assert family.solution.gap <= 1e-9 and family.solution.dual is not None
        assert family.solution.dual.max() <= family.slack


def test_a_root_in_the_wrong_cluster_moves_to_the_family_it_fits() -> None:
    truth, clusters = planted(0), mined(0)[0][:2]
    moved = clusters[1].members[0]
    mixed = (
        replace(clusters[0], members=tuple(sorted((*clusters[0].members, moved)))),
        replace(clusters[1], members=clusters[1].members[1:]),
    )
    stayed, (first, second) = (
        mine_families(truth.rows, mixed, least=LEAST, rounds=0),
        mine_families(truth.rows, mixed, least=LEAST),
    )
    assert moved in stayed[0].members and stayed[0].rounds == 0
    assert moved not in first.members and moved in second.members and first.rounds > 0


def test_families_that_shrink_below_the_least_size_are_left_out() -> None:
    truth, (first, second) = planted(0), mined(0)[0][:2]
    mixed = Cluster(tuple(sorted(first.members[:3] + second.members[:3])), 0.0, 1.0)
    rest = [replace(each, members=each.members[3:]) for each in (first, second)]
    families = mine_families(truth.rows, [*rest, mixed], least=LEAST)
    assert [family.cluster for family in families] == rest
    assert set(mixed.members) <= {member for family in families for member in family.members}


def test_the_same_input_gives_the_same_families() -> None:
    truth, (clusters, families) = planted(0), mined(0)
    again = mine_families(truth.rows, clusters, least=LEAST)
    assert [family.members for family in again] == [family.members for family in families]
    assert all(a.vector.tobytes() == b.vector.tobytes() for a, b in zip(again, families, strict=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda rows, cluster: mine_families(rows, [cluster], least=1), "rounds must be at least 0 and least at least"),
        (lambda rows, cluster: mine_families(rows, [cluster], least=2, rounds=-1), "rounds must be at least 0"),
        (lambda rows, cluster: solve_family(rows, cluster, ratios=(3.0, 2.0)), "ratios must ascend and lie above 1"),
        (lambda rows, cluster: solve_family(rows, cluster, ratios=(0.5,)), "ratios must ascend and lie above 1"),
        (lambda rows, cluster: solve_family(rows, cluster, ratios=()), "ratios must ascend and lie above 1"),
        (lambda rows, cluster: solve_family(rows, cluster, folds=1), "at least 2 members and 2 folds"),
        (
            lambda rows, cluster: bootstrap_stability(rows, solve_family(rows, cluster), resamples=1),
            "resamples must be at least 2",
        ),
    ],
)
def test_bad_arguments_are_refused(call, message) -> None:  # type: ignore[no-untyped-def]
    rows = RootRows.of(np.random.default_rng(0).normal(size=(6, 8)), np.arange(6) // 2)
    with pytest.raises(InputError, match=message):
        call(rows, Cluster((0, 1, 2), 0.0, 1.0))
