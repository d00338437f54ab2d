"""Counting satisfied rows: strictly, by root and ply, ties to neither side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conceptmine.evidence import count_scores, held_out, row_scores


def test_by_hand() -> None:
    # Three roots; scores of the vector (1, 0): 2, −1 | 0 | 3, 0.5, −2.
    differences = np.array([[2.0, 9], [-1, 9], [0, 9], [3, 9], [0.5, 9], [-2, 9]])
    counts = held_out(differences, [7, 7, 8, 9, 9, 9], [[1.0, 0.0], [0.0, 1.0]], plies=[2, 4, 2, 2, 2, 4])
    assert counts.roots.tolist() == [7, 8, 9] and counts.plies.tolist() == [2, 4]
    assert counts.rows.tolist() == [[1, 1], [1, 0], [2, 1]]
    assert counts.satisfied[0].tolist() == [[1, 0], [0, 0], [2, 0]]
    assert counts.opposed[0].tolist() == [[0, 1], [0, 0], [0, 1]]
    np.testing.assert_allclose(counts.root_fractions, [[0.5, 0, 2 / 3], [1, 1, 1]])
    np.testing.assert_allclose(counts.statistic, [7 / 18, 1])
    np.testing.assert_allclose(counts.all_rows, [0, 1])
    np.testing.assert_allclose(counts.ply_fractions, [[2 / 3, 0], [1, 1]])


def test_a_root_counts_once_however_many_rows_it_has() -> None:
    differences = np.array([[1.0]] * 99 + [[-1.0]])
    counts = held_out(differences, [0] * 99 + [1], [[1.0]])
    assert counts.statistic.tolist() == [0.5]


def test_one_violated_ply_spoils_all_rows() -> None:
    counts = held_out([[1.0], [1.0], [-1.0]], [0, 0, 0], [[1.0]], plies=[1, 2, 3])
    assert counts.statistic[0] == pytest.approx(2 / 3) and counts.all_rows.tolist() == [0.0]


def test_ties_fail_in_both_directions() -> None:
    rng = np.random.default_rng(0)
    differences = np.where(rng.random((50, 30)) < 0.8, 0.0, rng.normal(size=(50, 30)))
    vectors = np.zeros((4, 30))
    vectors[:, :3] = rng.normal(size=(4, 3))
    right, wrong = (held_out(differences, np.arange(50), sign * vectors) for sign in (1, -1))
    np.testing.assert_array_equal(right.satisfied, wrong.opposed)
    np.testing.assert_array_equal(right.opposed, wrong.satisfied)
    assert (right.statistic + wrong.statistic < 1).all()


def test_rounding_is_a_tie_and_not_a_sign() -> None:
    row = np.array([[0.1, 0.2, -0.3]])
    assert (row @ np.ones(3))[0] != 0
    counts = held_out(row, [0], np.ones((1, 3)))
    assert counts.satisfied.sum() == counts.opposed.sum() == 0


def test_small_but_real_scores_are_not_ties() -> None:
    counts = held_out([[1e-7, 1.0], [-1e-7, 1.0]], [0, 1], [[1.0, 0.0]])
    assert counts.root_fractions.tolist() == [[1.0, 0.0]]


def test_the_zero_vector_satisfies_nothing() -> None:
    counts = held_out(np.ones((3, 2)), [0, 1, 2], np.zeros((1, 2)))
    assert counts.statistic.tolist() == [0.0]


@pytest.mark.parametrize("chunk_rows", [1, 7, 1000])
def test_chunks_and_storage_do_not_matter(chunk_rows: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    differences = rng.normal(size=(41, 20)).astype(np.float16)
    np.save(tmp_path / "differences.npy", differences)
    mapped = np.load(tmp_path / "differences.npy", mmap_mode="r")
    roots, vectors = rng.integers(9, size=41), rng.normal(size=(5, 20))
    chunked = held_out(mapped, roots, vectors, chunk_rows=chunk_rows)
    scores = differences.astype(float) @ vectors.T
    expected = np.stack([(scores[roots == root] > 0).mean(axis=0) for root in np.unique(roots)], axis=1)
    np.testing.assert_allclose(chunked.root_fractions, expected)


def test_roots_may_be_names() -> None:
    counts = held_out([[1.0], [2.0], [-1.0]], ["b", "a", "b"], [[1.0]])
    assert counts.roots.tolist() == ["a", "b"] and counts.root_fractions.tolist() == [[1.0, 0.5]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((0, 2)), [], np.ones((1, 2))), "differences has no rows"),
        ((np.ones((2, 2)), [0, 1], np.ones((1, 3))), "3 features and differences 2"),
        ((np.ones((2, 2)), [0], np.ones((1, 2))), "roots must give one value per row"),
        ((np.ones((2, 2)), [0.5, 1.0], np.ones((1, 2))), "roots must be integers or strings"),
        ((np.array([[1, 2], [3, np.nan]]), [0, 1], np.ones((1, 2))), "differences holds nan at row 1, column 1"),
        ((np.ones((2, 2)), [0, 1], np.full((1, 2), np.inf)), "vectors holds inf"),
    ],
)
def test_bad_input_is_refused(arguments: tuple[object, object, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        held_out(*arguments)  # type: ignore[arg-type]


def test_plies_must_be_integers() -> None:
    with pytest.raises(ValueError, match="plies must be integers"):
        held_out(np.ones((1, 2)), [0], np.ones((1, 2)), plies=["a"])


def test_two_steps_count_the_same_as_one() -> None:
    rng = np.random.default_rng(3)
    differences = np.where(rng.random((40, 12)) < 0.6, 0.0, rng.normal(size=(40, 12)))
    vectors = np.where(rng.random((6, 12)) < 0.7, 0.0, rng.normal(size=(6, 12)))
    roots, plies = rng.integers(7, size=40), rng.integers(3, size=40)
    scores = row_scores(differences, vectors, chunk_rows=9)
    whole, steps = held_out(differences, roots, vectors, plies=plies), count_scores(scores, roots, plies=plies)
    np.testing.assert_array_equal(whole.satisfied, steps.satisfied)
    np.testing.assert_array_equal(whole.opposed, steps.opposed)
    assert (scores == 0).sum() == (whole.rows.sum() * 6 - whole.satisfied.sum() - whole.opposed.sum())


def test_root_effects_are_what_flipping_a_root_negates() -> None:
    scores = np.array([[1.0], [0.0], [-2.0], [3.0], [4.0]])
    counts, flipped = (count_scores(sign * scores, [0, 0, 0, 1, 1]) for sign in (1, -1))
    np.testing.assert_allclose(counts.root_effects, [[0.0, 0.5]])
    np.testing.assert_allclose(flipped.root_effects, -counts.root_effects)
