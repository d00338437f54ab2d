"""What is said to be planted is planted, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import chess
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptmine.benchmarks.directions import KINDS, SPARSE_FEATURES, direction_of
from conceptmine.benchmarks.planting import planted_rows
from conceptmine.benchmarks.siblings import Siblings
from conceptmine.errors import InputError

Rows = Callable[..., Siblings]


def test_what_is_added_is_the_directions_times_their_amounts(siblings: Rows) -> None:
    rows = planted_rows(siblings(60), 60, strength=3.0, seed=1)
    everything = np.arange(60)
    added = rows.differences(everything) - rows.natural
    expected = sum(
        amounts[:, None, None] * direction.vector
        for amounts, direction in zip(rows.planted, rows.directions, strict=True)
    )
    np.testing.assert_allclose(added, np.broadcast_to(expected, added.shape), atol=1e-9)
    assert (rows.present(everything) == (rows.planted > 0)).all()
    empty = ~rows.present(everything).any(axis=0)
    assert empty.any()
    assert (rows.differences(everything)[empty] == rows.natural[empty]).all()


def test_nature_is_only_turned_and_both_sides_of_the_coin_come_up(siblings: Rows) -> None:
    source = siblings(40)
    rows = planted_rows(source, 40, strength=2.0, seed=5)
    signs = []
    for root in rows.natural:
        same = [i for i, other in enumerate(source.differences) if np.allclose(np.abs(other), np.abs(root))]
        assert len(same) == 1
        signs.append(1 if np.allclose(source.differences[same[0]], root) else -1)
        np.testing.assert_allclose(root, signs[-1] * source.differences[same[0]])
    assert 8 <= signs.count(1) <= 32


def test_strength_is_the_mean_shift_in_spreads_of_natural_scores(siblings: Rows) -> None:
    rows = planted_rows(siblings(2000), 2000, strength=2.0, seed=2)
    for place, direction in enumerate(rows.directions):
        scores = rows.natural @ direction.vector
        shifts = rows.planted[place] * (direction.vector @ direction.vector) / np.sqrt((scores**2).mean())
        present = shifts[shifts > 0]
        assert present.min() > 0.99 and present.max() < 3.01
        assert present.mean() == pytest.approx(2.0, rel=0.05)
        assert len(present) / 2000 == pytest.approx(rows.prevalences[place], abs=0.04)


@given(seed=st.integers(0, 10_000))
def test_nothing_is_planted_at_strength_zero_and_halves_are_apart(seed: int) -> None:
    drawn = np.random.default_rng(seed).standard_normal((24, 2, 12)).astype(np.float32)
    source = Siblings(drawn, tuple(chess.Board() for _ in range(24)))
    rows = planted_rows(source, 20, strength=0.0, seed=seed)
    assert not rows.planted.any()
    assert sorted([*rows.mined, *rows.tested]) == list(range(20))
    assert len(rows.mined) == len(rows.tested) == 10


def test_the_same_seed_gives_the_same_rows_and_another_one_others(siblings: Rows) -> None:
    source = siblings(40)
    first, again, other = (planted_rows(source, 30, strength=2.0, seed=seed) for seed in (3, 3, 4))
    assert (first.differences(np.arange(30)) == again.differences(np.arange(30))).all()
    assert (first.planted == again.planted).all()
    assert not np.allclose(first.natural, other.natural)


def test_kinds_change_their_prevalence_with_the_seed(siblings: Rows) -> None:
    source = siblings(30)
    orders = {tuple(each.kind for each in planted_rows(source, 20, strength=1.0, seed=s).directions) for s in range(9)}
    assert len(orders) > 3
    assert all(sorted(order) == sorted(KINDS) for order in orders)


def test_kinds_are_what_they_are_called(siblings: Rows) -> None:
    rows = siblings(200).differences.reshape(-1, 96).astype(np.float64)
    found = {kind: direction_of(kind, rows, np.random.default_rng(1)) for kind in KINDS}
    assert len(found["sparse"].support) == len(found["correlated"].support) == SPARSE_FEATURES
    assert len(found["dense"].support) == len(found["natural"].support) == 96
    assert found["sparse"].is_sparse and not found["natural"].is_sparse
    correlations = np.corrcoef(rows.T)

    def shared(kind: str) -> float:
        support = found[kind].support
        block = np.abs(correlations[np.ix_(support, support)])
        return float(block[~np.eye(len(support), dtype=bool)].mean())

    assert shared("correlated") > 1.5 * shared("sparse")

    def variance(kind: str) -> float:
        vector = found[kind].vector
        return float(((rows @ vector) ** 2).mean() / (vector @ vector))

    assert variance("natural") > 3 * variance("dense")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"roots": 7, "strength": 1.0}, "roots is 7: give an even number"),
        ({"roots": 100, "strength": 1.0}, "roots is 100"),
        ({"roots": 20, "strength": -1.0}, "strength is -1.0"),
        ({"roots": 20, "strength": float("nan")}, "strength is nan"),
        ({"roots": 20, "strength": 1.0, "kinds": ("wet",), "prevalences": (0.5,)}, "no kind of direction 'wet'"),
        ({"roots": 20, "strength": 1.0, "kinds": ("dense",), "prevalences": (1.5,)}, "prevalences must be"),
        ({"roots": 20, "strength": 1.0, "kinds": ("dense",)}, "prevalences must be"),
    ],
)
def test_what_makes_no_sense_is_refused(siblings: Rows, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        planted_rows(siblings(24), **arguments, seed=0)  # type: ignore[arg-type]
