"""S_k against a direct singular value decomposition, and what must not change it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conceptmine.novelty import novelty_scores, rank_comparison, rank_grid


def direct(vectors: np.ndarray, human: np.ndarray, machine: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Two least-squares residuals per rank, with bases from numpy's SVD of each corpus."""
    bases = [np.linalg.svd(corpus, full_matrices=False)[2] for corpus in (human, machine)]
    result = np.empty((len(vectors), len(ranks)))
    for i, vector in enumerate(vectors):
        for j, k in enumerate(ranks):
            errors = [
                np.sum((vector - basis[:k].T @ np.linalg.lstsq(basis[:k].T, vector, rcond=None)[0]) ** 2)
                for basis in bases
            ]
            result[i, j] = (errors[0] - errors[1]) / np.sum(vector**2)
    return result


def corpora(rng: np.random.Generator, rows: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    """Two activations-like corpora: non-negative, correlated, with a decaying spectrum and a common mean."""
    human, machine = (
        np.maximum(rng.normal(size=(rows, 10)) @ rng.normal(size=(10, features)) + rng.normal(size=(rows, features)), 0)
        for _ in range(2)
    )
    return human, machine


@pytest.mark.parametrize(("rows", "features"), [(30, 80), (80, 30), (40, 40)])
def test_equals_direct_svd(rows: int, features: int) -> None:
    rng = np.random.default_rng(rows)
    human, machine = corpora(rng, rows, features)
    vectors, ranks = rng.normal(size=(6, features)), np.array([1, 2, 3, 7, 20, 29])
    expected = direct(vectors, human, machine, ranks)
    np.testing.assert_allclose(novelty_scores(vectors, human, machine, ranks), expected, atol=1e-10)


@pytest.mark.parametrize(("rows", "features"), [(25, 60), (60, 25)])
def test_small_singular_values_are_kept_down_to_the_tolerance(rows: int, features: int) -> None:
    rng = np.random.default_rng(1)
    size = min(rows, features)
    values = np.geomspace(1, 1e-5, size)
    human, machine = (
        np.linalg.qr(rng.normal(size=(rows, size)))[0] * values @ np.linalg.qr(rng.normal(size=(features, size)))[0].T
        for _ in range(2)
    )
    vectors, ranks = rng.normal(size=(5, features)), np.arange(1, size + 1)
    expected = direct(vectors, human, machine, ranks)
    np.testing.assert_allclose(novelty_scores(vectors, human, machine, ranks), expected, atol=1e-6)


def test_directions_below_the_tolerance_are_absent() -> None:
    rng = np.random.default_rng(2)
    left, right = np.linalg.qr(rng.normal(size=(20, 4)))[0], np.linalg.qr(rng.normal(size=(50, 4)))[0]
    machine = left * np.array([1, 0.1, 1e-9, 1e-10]) @ right.T
    human = left[:, :1] @ right[:, :1].T
    scores = novelty_scores(right.T, human, machine, [1, 2, 3, 4])
    np.testing.assert_allclose(scores[1], [0, 1, 1, 1], atol=1e-9)
    np.testing.assert_allclose(scores[[0, 2, 3]], 0, atol=1e-6)


def test_a_rank_above_the_numerical_rank_is_that_rank() -> None:
    rng = np.random.default_rng(3)
    human, machine = (rng.normal(size=(30, 3)) @ rng.normal(size=(3, 40)) for _ in range(2))
    scores = novelty_scores(rng.normal(size=(4, 40)), human, machine, [3, 4, 30])
    np.testing.assert_array_equal(scores[:, 1:], scores[:, :1].repeat(2, axis=1))


def test_a_vector_in_the_machine_span_only_is_novel_at_every_rank() -> None:
    rng = np.random.default_rng(4)
    basis = np.linalg.qr(rng.normal(size=(60, 20)))[0]
    human = rng.normal(size=(40, 10)) @ basis[:, :10].T
    machine = rng.normal(size=(40, 11)) * np.r_[5.0, np.ones(10)] @ basis[:, [19, *range(10)]].T
    ranks = rank_grid(10, 60)
    novel = novelty_scores(basis[:, 19][None], human, machine, ranks)
    assert (novel > 0.9).all()
    known = novelty_scores(basis[:, 19][None], machine, human, ranks)
    np.testing.assert_allclose(known, -novel)


@pytest.mark.parametrize(("rows", "features"), [(20, 50), (50, 20)])
def test_invariances(rows: int, features: int) -> None:
    rng = np.random.default_rng(5)
    human, machine = corpora(rng, rows, features)
    vectors, ranks = rng.normal(size=(3, features)), [1, 4, 15]
    scores = novelty_scores(vectors, human, machine, ranks)
    rotation = np.linalg.qr(rng.normal(size=(features, features)))[0]
    mixing = np.linalg.qr(rng.normal(size=(rows, rows)))[0]
    for changed in (
        novelty_scores(-3.5 * vectors, human, machine, ranks),
        novelty_scores(vectors, 7 * human, 0.01 * machine, ranks),
        novelty_scores(vectors, human[rng.permutation(rows)], mixing @ machine, ranks),
        novelty_scores(vectors @ rotation, human @ rotation, machine @ rotation, ranks),
    ):
        np.testing.assert_allclose(changed, scores, atol=1e-9)
    np.testing.assert_allclose(novelty_scores(vectors, machine, human, ranks), -scores, atol=1e-12)
    np.testing.assert_array_equal(novelty_scores(vectors, human, human, ranks), 0)
    assert (np.abs(scores) <= 1).all()


def test_corpora_are_not_centred() -> None:
    rng = np.random.default_rng(6)
    mean = np.ones((1, 30))
    human, machine = rng.normal(size=(20, 30)), rng.normal(size=(20, 30)) + 10 * mean
    assert novelty_scores(mean, human, machine, [1])[0, 0] > 0.5


def test_half_precision_on_disk(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    human, machine = (corpus.astype(np.float16) for corpus in corpora(rng, 30, 60))
    np.save(tmp_path / "human.npy", human)
    vectors, ranks = rng.normal(size=(2, 60)), np.array([1, 8, 30])
    scores = novelty_scores(vectors, np.load(tmp_path / "human.npy", mmap_mode="r"), machine, ranks)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, direct(vectors, human.astype(float), machine.astype(float), ranks), atol=1e-9)


def test_rank_grid() -> None:
    assert rank_grid(20, 64).tolist() == [1, 2, 4, 8, 16, 20]
    assert rank_grid(16, 64).tolist() == [1, 2, 4, 8, 16]
    assert rank_grid(1, 64).tolist() == [1]
    # At k = d both bases span everything, and no score can be positive.
    assert rank_grid(16, 16).tolist() == [1, 2, 4, 8, 15]
    assert rank_grid(64, 65).tolist() == [1, 2, 4, 8, 16, 32, 64]
    with pytest.raises(ValueError, match="rank"):
        rank_grid(0, 5)
    with pytest.raises(ValueError, match="rank"):
        rank_grid(6, 5)


@pytest.mark.parametrize("shape", [(30, 70), (70, 30)])
def test_rank_comparison_equals_direct_singular_values(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(8)
    size = min(shape)
    values = np.geomspace(1, 1e-6, size)
    left, right = np.linalg.qr(rng.normal(size=(shape[0], size)))[0], np.linalg.qr(rng.normal(size=(shape[1], size)))[0]
    wide, narrow = left * values @ right.T, (left * values)[:, :12] @ right[:, :12].T
    result = rank_comparison(narrow, wide, tolerances=(1e-2, 1e-4))
    assert result.machine_ranks.tolist() == [(values > 1e-2).sum(), (values > 1e-4).sum()]
    assert result.human_ranks.tolist() == [min(12, int((values > t).sum())) for t in (1e-2, 1e-4)]
    np.testing.assert_allclose(result.machine_values, values, atol=2e-8)


GOOD = np.arange(1.0, 13.0).reshape(4, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((1, 3)), GOOD, GOOD, [1]), "row 0 is zero"),
        ((np.ones((1, 4)), GOOD, GOOD, [1]), "4 features and the corpora 3"),
        ((np.ones((1, 3)), GOOD, GOOD[:2], [1]), "equally many rows"),
        ((np.ones((1, 3)), GOOD, np.where(GOOD == 8, np.nan, GOOD), [1]), "machine holds nan at row 2, column 1"),
        ((np.ones((1, 3)), GOOD, GOOD, [0]), "between 1 and min"),
        ((np.ones((1, 3)), GOOD, GOOD, [4]), "between 1 and min"),
        ((np.ones((1, 3)), GOOD, GOOD, []), "ranks must be"),
        ((np.ones((1, 3)), GOOD, GOOD, [1.5]), "ranks must be"),
        ((np.ones(3), GOOD, GOOD, [1]), "vectors must be two-dimensional"),
    ],
)
def test_bad_input_is_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        novelty_scores(*arguments)  # type: ignore[arg-type]


def test_bad_tolerances_are_refused() -> None:
    with pytest.raises(ValueError, match="tolerance"):
        novelty_scores(np.ones((1, 3)), GOOD, GOOD, [1], tolerance=1e-9)
    with pytest.raises(ValueError, match="tolerance"):
        rank_comparison(GOOD, GOOD, tolerances=(1e-3, 0.0))
    with pytest.raises(ValueError, match="equally many rows"):
        rank_comparison(GOOD, GOOD[:3])
