"""Where a concept applies: choices that do not see the outcome keep p honest, and one that does is shown not to."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from conceptmine.evidence import count_scores, flip_p, one_p, opinions, strongest

ROOTS, PLIES, VECTORS = 60, 6, 10


def lines(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Scores without meaning that hardly change from ply to ply, as those of real lines do."""
    root, ply = np.repeat(np.arange(ROOTS), PLIES), np.tile(np.arange(1, PLIES + 1), ROOTS)
    scores = rng.normal(size=(ROOTS, VECTORS))[root] + 0.5 * rng.normal(size=(len(root), VECTORS))
    return scores, root, ply


def p_where(scores: NDArray[np.float64], root: NDArray[np.int64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    effects = count_scores(scores, root).root_effects
    return flip_p(effects * chosen, flips=399, seed=1)


def test_the_strongest_share_is_chosen_and_never_all() -> None:
    strength = np.array([[3.0, 1.0, 2.0, 0.0, 5.0, 4.0]])
    assert strongest(strength, share=0.3, fewest=1).tolist() == [[False, False, False, False, True, True]]
    assert strongest(strength, share=0.1, fewest=4).sum() == 4
    assert not strongest(strength, fewest=6).any()


def test_opinions_are_of_the_early_plies_and_blind_to_direction() -> None:
    scores = np.array([[2.0], [4.0], [-9.0], [-1.0], [1.0], [7.0]])
    strength, late = opinions(scores, [1.0, 2.0, 1.0, 1.0, 1.0, 1.0], [0, 0, 0, 1, 1, 1], [1, 2, 3, 1, 2, 3])
    np.testing.assert_allclose(strength, [[2.0, 1.0]])
    assert late.tolist() == [False, True, True, False, True, True]
    np.testing.assert_allclose(opinions(-scores, np.ones(6), [0] * 6, [1, 2, 3] * 2)[0],
                               opinions(scores, np.ones(6), [0] * 6, [1, 2, 3] * 2)[0])  # fmt: skip


def test_choosing_by_the_strength_of_an_opinion_is_honest_and_by_its_being_right_is_not() -> None:
    rng = np.random.default_rng(0)
    honest, fooled = [], []
    for _ in range(40):
        scores, root, ply = lines(rng)
        strength, late = opinions(scores, np.ones(len(root)), root, ply)
        honest.append(p_where(scores[late], root[late], strongest(strength)))
        right = count_scores(scores[~late], root[~late]).root_effects
        fooled.append(p_where(scores[late], root[late], strongest(right)))
    assert (np.concatenate(honest) <= 0.05).mean() <= 0.07
    assert (np.concatenate(fooled) <= 0.05).mean() > 0.9


def test_a_concept_that_holds_only_where_it_is_active_is_found_there_and_not_at_large() -> None:
    rng = np.random.default_rng(1)
    at_large, where = [], []
    for _ in range(20):
        scores, root, _ = lines(rng)
        activation = rng.normal(size=(VECTORS, ROOTS))
        active = strongest(activation)
        # Elsewhere it is as often against as for: nothing holds at large.
        scores = scores + 3.0 * np.where(active.T[root], 1.0, -0.5)
        at_large.append(p_where(scores, root, np.ones_like(active)))
        where.append(p_where(scores, root, active))
    assert (np.concatenate(where) <= 0.01).mean() > 0.9
    assert (np.concatenate(at_large) <= 0.01).mean() < 0.1


def test_one_p_is_the_smallest_times_the_tests_made() -> None:
    p = one_p([[0.01, 0.5, 0.2], [0.9, np.nan, np.nan], [np.nan, 0.3, 0.02], [0.8, 0.7, 0.9], [np.nan] * 3])
    np.testing.assert_allclose(p, [0.03, 0.9, 0.04, 1.0, np.nan])


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="finite numbers"):
        strongest([[np.nan, 1.0]])
    with pytest.raises(ValueError, match="share"):
        strongest([[1.0, 2.0]], share=1.0)
    with pytest.raises(ValueError, match="concepts, tests"):
        one_p([0.1])
