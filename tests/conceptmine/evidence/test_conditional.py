"""What a concept adds beyond its controls: value in other words is caught, something of its own is found."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from conceptmine.evidence import beyond_controls, count_scores, detectable_satisfaction, flip_p

Rows = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]


def world(rng: np.random.Generator, roots: int, vectors: int, kind: str) -> Rows:
    """Scores, roots and seven controls, which favour the better line as value does; noise is shared within a root."""
    root = np.repeat(np.arange(roots), rng.integers(1, 8, size=roots))
    rows = len(root)
    controls = 0.7 * rng.normal(size=(roots, 7))[root] + 0.7 * rng.normal(size=(rows, 7)) + rng.uniform(0.1, 0.7, 7)
    noise = np.sqrt(0.5) * (rng.normal(size=(roots, vectors))[root] + rng.normal(size=(rows, vectors)))
    scores = {
        "noise": noise,
        "value and noise": 1.5 * controls[:, :1] + noise,
        "three controls and noise": controls[:, :3].sum(axis=1, keepdims=True) + noise,
        "not linear in value": controls[:, :1] ** 3 + noise,
        "its own": 0.5 + noise,
        "its own and value": 0.6 + controls[:, :1] + noise,
    }[kind]
    return scores, root, controls


def p_values(kind: str, *, roots: int = 60, runs: int = 25, seed: int = 1) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return np.concatenate([beyond_controls(*world(rng, roots, 10, kind), flips=399, seed=rng).p for _ in range(runs)])


@pytest.mark.parametrize("kind", ["noise", "value and noise", "three controls and noise", "not linear in value"])
def test_controls_in_other_words_pass_no_more_often_than_chance(kind: str) -> None:
    p = p_values(kind)
    for level in (0.01, 0.05, 0.2):
        # Ten vectors of a run share their controls, so that a run counts for less than ten.
        assert (p <= level).mean() <= level + 4 * np.sqrt(level * (1 - level) / len(p))
    assert (p <= 0.2).mean() > 0.1


def test_a_copy_of_value_has_nothing_left_although_it_orders_lines_well() -> None:
    rng = np.random.default_rng(2)
    _, root, controls = world(rng, 80, 1, "noise")
    for copy in (controls[:, :1], controls @ rng.normal(size=(7, 1)) ** 2):
        assert flip_p(count_scores(copy, root).root_effects)[0] < 0.001
        found = beyond_controls(copy, root, controls, flips=999)
        assert found.p[0] == 1.0 and found.effect[0] == 0.0
        assert found.score_outside[0] < 1e-6


@pytest.mark.parametrize("kind", ["its own", "its own and value"])
def test_something_of_its_own_is_found(kind: str) -> None:
    assert (p_values(kind) <= 0.01).mean() > 0.5
    rng = np.random.default_rng(3)
    found = beyond_controls(*world(rng, 200, 10, kind), flips=99)
    assert (found.effect > 0.05).all() and (found.low < found.effect).all() and (found.effect < found.high).all()


def test_turning_every_row_round_turns_the_effect_round() -> None:
    scores, root, controls = world(np.random.default_rng(4), 60, 5, "its own and value")
    found, turned = (beyond_controls(sign * scores, root, controls, flips=99) for sign in (1, -1))
    np.testing.assert_allclose(turned.effect, -found.effect, atol=1e-12)
    np.testing.assert_allclose(turned.score_outside, found.score_outside)


def test_intervals_hold_what_they_say() -> None:
    rng = np.random.default_rng(5)
    held = []
    for _ in range(40):
        found = beyond_controls(*world(rng, 60, 10, "three controls and noise"), flips=1)
        held.append((found.low <= 0) & (found.high >= 0))
    assert 0.9 <= np.mean(held) <= 0.99


def test_detectable_strength_of_the_effective_roots_is_found_as_often_as_it_says() -> None:
    rng = np.random.default_rng(6)
    found, roots = [], []
    strength = None
    for _ in range(25):
        _, root, controls = world(rng, 100, 1, "noise")
        # One sign for each root: rows of a root stand and fall together, as the power counts them.
        if strength is None:
            effective = beyond_controls(np.sign(rng.normal(size=(len(root), 1))), root, controls, flips=1)
            strength = detectable_satisfaction(np.ones(int(effective.effective_roots[0]), np.int64), tests=1)
        scores = np.where(rng.random((100, 10)) < strength, 1.0, -1.0)[root]
        result = beyond_controls(scores, root, controls, flips=399, seed=rng)
        found.append(result.p <= 0.05)
        roots.append(result.effective_roots.mean())
    assert np.mean(found) == pytest.approx(0.8, abs=0.12)


def test_too_few_roots_for_so_many_controls_are_not_tested() -> None:
    found = beyond_controls(*world(np.random.default_rng(7), 12, 3, "its own"))
    assert np.isnan(found.p).all() and np.isnan(found.effect).all()


def test_ties_add_nothing() -> None:
    rng = np.random.default_rng(8)
    _, root, controls = world(rng, 60, 1, "noise")
    found = beyond_controls(np.zeros((len(root), 2)), root, controls, flips=99)
    assert found.p.tolist() == [1.0, 1.0] and found.effect.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("scores", "controls", "message"),
    [
        (np.ones((3, 1)), np.ones((2, 1)), "must have the same rows"),
        (np.ones((3, 1)), np.full((3, 1), np.nan), "controls must be a finite matrix"),
        (np.full((3, 1), np.inf), np.ones((3, 1)), "scores must be a finite matrix"),
    ],
)
def test_bad_input_is_refused(scores: NDArray[np.float64], controls: NDArray[np.float64], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        beyond_controls(scores, [0, 1, 2], controls)
