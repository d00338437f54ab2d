"""Shuffled trees: partners of other roots at the same ply, from which the contrast cannot be learned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptmine.evidence import held_out, shuffled_partners
from conceptmine.mining import minimal_vector


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4)), min_size=1, max_size=40), st.integers(0, 99))
def test_partners_are_of_another_root_at_the_same_ply(rows: list[tuple[int, int]], seed: int) -> None:
    roots, plies = (np.array(column) for column in zip(*rows, strict=True))
    partners = shuffled_partners(roots, plies, seed=seed)
    for row, other in enumerate(partners):
        alone = len(np.unique(roots[plies == plies[row]])) == 1
        assert (other == -1) == alone
        if other >= 0:
            assert roots[other] != roots[row] and plies[other] == plies[row]
    pairs = {(ply, root, roots[other]) for ply, root, other in zip(plies, roots, partners, strict=True) if other >= 0}
    assert len(pairs) == len({(ply, root) for ply, root, _ in pairs}) == len({(ply, root) for ply, _, root in pairs})


def test_the_seed_decides() -> None:
    roots, plies = np.arange(30), np.ones(30, np.int64)
    first, again, other = (shuffled_partners(roots, plies, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize(
    ("contrast", "whole", "shuffled"),
    [
        # Each better line is a little higher in the first feature than its own tree's worse one: far less than
        # positions differ from each other, so that two trees do not teach it.
        (0.2, (0.9, 1.0), (0.35, 0.75)),
        # Better lines are higher than all worse ones: no tree is needed to see that, and the control sees it.
        (30.0, (0.9, 1.0), (0.9, 1.0)),
    ],
)
def test_what_one_tree_alone_can_teach_is_not_taught_by_two(
    contrast: float, whole: tuple[float, float], shuffled: tuple[float, float]
) -> None:
    rng = np.random.default_rng(0)
    found: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(10):
        position, mined = 5 * rng.normal(size=(90, 20)), np.arange(60)
        best, subpar = position + rng.normal(size=(90, 20)), position + rng.normal(size=(90, 20))
        best[:, 0], subpar[:, 0] = position[:, 0] + contrast, position[:, 0] - contrast
        other = shuffled_partners(mined, np.ones(60, np.int64), seed=rng)
        for mixed, partner in ((False, mined), (True, other)):
            vector = minimal_vector(best[mined] - subpar[partner], slack=1.0).vector
            assert vector is not None
            found[mixed].append(float(held_out((best - subpar)[60:], np.arange(30), vector[None]).statistic[0]))
    assert whole[0] <= np.mean(found[False]) <= whole[1]
    assert shuffled[0] <= np.mean(found[True]) <= shuffled[1]


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="integers of one shape"):
        shuffled_partners([0, 1], [1])
