"""The sign-flip null: exact where it can be, calibrated where nothing is there, and sharp where something is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from conceptmine.evidence import HeldOut, flip_p, held_out, minimum_p, sign_flip_null
from conceptmine.evidence import sign_flip as module


def noise(rng: np.random.Generator, roots: int, vectors: int, bias: float = 0.0) -> HeldOut:
    """Rows of one root share a strong component; each root's better line is a coin toss unless there is a bias."""
    rows = rng.integers(1, 6, size=roots)
    root = np.repeat(np.arange(roots), rows)
    differences = rng.normal(size=(roots, vectors))[root] + rng.normal(size=(len(root), vectors)) + bias
    differences[rng.random(differences.shape) < 0.1] = 0
    return held_out(differences, root, np.eye(vectors), plies=np.concatenate([np.arange(n) for n in rows]))


def test_all_patterns_by_hand() -> None:
    # Satisfied fractions 1, 1, ½; opposed 0, 0, ½ for the three roots.
    counts = held_out([[1.0], [2.0], [1.0], [-1.0]], [0, 1, 2, 2], [[1.0]])
    null = sign_flip_null(counts)
    # T = 5/6 is reached by the patterns that leave roots 0 and 1 alone: 2 of 8.
    assert null.exact and null.flips == 7 and null.p.tolist() == [0.25]
    assert null.mean[0] == pytest.approx(0.5) and null.statistic[0] == pytest.approx(5 / 6)


def test_ties_lower_the_null_too() -> None:
    counts = held_out([[1.0], [0.0], [0.0], [0.0]], [0, 1, 2, 3], [[1.0]])
    null = sign_flip_null(counts)
    assert null.p.tolist() == [0.5] and null.mean.tolist() == [0.125] and null.statistic.tolist() == [0.25]


def test_a_vector_of_ties_has_p_1() -> None:
    null = sign_flip_null(held_out(np.ones((30, 2)), np.arange(30), [[1.0, -1.0]]), flips=99)
    assert null.p.tolist() == [1.0]


@pytest.mark.parametrize("roots", [3, 10, 14])
def test_a_perfect_vector_reaches_the_minimum_p(roots: int) -> None:
    null = sign_flip_null(held_out(np.ones((roots, 1)), np.arange(roots), [[1.0]]))
    assert null.exact and null.p[0] == minimum_p(roots) == 2.0**-roots


def test_a_perfect_vector_on_many_roots_reaches_the_minimum_p() -> None:
    null = sign_flip_null(held_out(np.ones((60, 1)), np.arange(60), [[1.0]]), flips=999)
    assert not null.exact and null.flips == 999 and null.p[0] == minimum_p(60, flips=999) == 1e-3


def test_enumeration_equals_brute_force() -> None:
    counts = noise(np.random.default_rng(3), 7, 6)
    null = sign_flip_null(counts)
    right = counts.satisfied.sum(axis=2) / counts.rows.sum(axis=1)
    wrong = counts.opposed.sum(axis=2) / counts.rows.sum(axis=1)
    patterns = np.array(list(itertools.product([False, True], repeat=7)))
    drawn = np.array([np.where(pattern, wrong, right).mean(axis=1) for pattern in patterns])
    np.testing.assert_allclose(null.p, (drawn >= right.mean(axis=1) - 1e-12).mean(axis=0))
    np.testing.assert_allclose(null.mean, drawn.mean(axis=0))
    np.testing.assert_allclose(null.low, np.quantile(drawn, 0.025, axis=0))
    np.testing.assert_allclose(null.high, np.quantile(drawn, 0.975, axis=0))


def test_sampling_agrees_with_enumeration(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = noise(np.random.default_rng(4), 12, 20, bias=0.4)
    exact = sign_flip_null(counts)
    monkeypatch.setattr(module, "EXACT_ROOTS", 0)
    sampled = sign_flip_null(counts, flips=20_000, seed=5)
    assert exact.exact and not sampled.exact
    assert np.abs(sampled.p - exact.p).max() < 0.015
    assert np.abs(sampled.high - exact.high).max() < 0.04
    np.testing.assert_allclose(sampled.mean, exact.mean)
    np.testing.assert_allclose(sampled.ply_mean, exact.ply_mean)


def test_ply_bands_are_the_null_of_that_ply_alone() -> None:
    rng = np.random.default_rng(6)
    differences, root, ply = rng.normal(size=(40, 3)), np.repeat(np.arange(10), 4), np.tile(np.arange(4), 10)
    root, ply, differences = root[:-1], ply[:-1], differences[:-1]
    whole = sign_flip_null(held_out(differences, root, np.eye(3), plies=ply))
    for t in range(4):
        at = ply == t
        alone = sign_flip_null(held_out(differences[at], root[at], np.eye(3)))
        np.testing.assert_allclose(whole.ply_mean[:, t], alone.mean)
        np.testing.assert_allclose(whole.ply_low[:, t], alone.low)
        np.testing.assert_allclose(whole.ply_high[:, t], alone.high)


@pytest.mark.parametrize("roots", [9, 40])
def test_p_is_uniform_where_the_better_line_is_a_coin_toss(roots: int) -> None:
    rng = np.random.default_rng(roots)
    p = np.concatenate([sign_flip_null(noise(rng, roots, 4), flips=399, seed=rng).p for _ in range(250)])
    for level in (0.01, 0.05, 0.2, 0.5, 0.8):
        error = np.sqrt(level * (1 - level) / len(p))
        assert (p <= level).mean() <= level + 3.5 * error
    # Not so conservative as to be useless: discrete p-values stay close to uniform.
    assert (p <= 0.2).mean() > 0.12 and abs(p.mean() - 0.5) < 0.06


def test_planted_satisfaction_is_found() -> None:
    null = sign_flip_null(noise(np.random.default_rng(8), 80, 5, bias=1.0), flips=999)
    assert (null.p == 1e-3).all() and (null.statistic > null.high).all()


def test_same_seed_same_bytes_and_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = noise(np.random.default_rng(9), 30, 12)
    first, second = sign_flip_null(counts, flips=500, seed=1), sign_flip_null(counts, flips=500, seed=1)
    assert first.p.tobytes() == second.p.tobytes() and first.ply_high.tobytes() == second.ply_high.tobytes()
    monkeypatch.setattr(module, "_BLOCK_BYTES", 20_000)
    blocked = sign_flip_null(counts, flips=500, seed=1)
    np.testing.assert_array_equal(blocked.p, first.p)
    np.testing.assert_allclose(blocked.ply_low, first.ply_low)


@pytest.mark.parametrize(("options", "message"), [({"flips": 0}, "flips"), ({"interval": 1.0}, "interval")])
def test_bad_options_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sign_flip_null(held_out([[1.0]], [0], [[1.0]]), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("roots", [9, 40])
def test_flip_p_is_the_p_of_the_null(roots: int) -> None:
    counts = noise(np.random.default_rng(11), roots, 6, bias=0.3)
    np.testing.assert_allclose(
        flip_p(counts.root_effects, flips=999, seed=4), sign_flip_null(counts, flips=999, seed=4).p
    )


def test_flip_p_of_chosen_roots_is_that_of_these_alone() -> None:
    counts = noise(np.random.default_rng(12), 14, 3)
    effects = counts.root_effects
    np.testing.assert_allclose(flip_p(effects * (np.arange(14) < 9)), flip_p(effects[:, :9]))


def test_flip_p_of_nothing_chosen_is_1() -> None:
    assert flip_p(np.zeros((2, 30)), flips=9).tolist() == [1.0, 1.0]
