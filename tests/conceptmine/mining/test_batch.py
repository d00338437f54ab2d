"""Batches: the same bytes as one by one, whatever the number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped]

from conceptmine.mining import Solution, SolverError, StatePairs, minimal_vector, minimal_vectors
from conceptmine.mining.threads import one_blas_thread


def pairs(concepts: int, seed: int = 0) -> StatePairs:
    rng = np.random.default_rng(seed)
    causes = rng.normal(size=(12, 600))
    states = np.maximum(rng.normal(size=(300, 12)) @ causes, 0).astype(np.float32)
    counts = rng.integers(1, 25, size=concepts)
    return StatePairs(states, [rng.integers(300, size=n) for n in counts], [rng.integers(300, size=n) for n in counts])


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_same_bytes_as_one_by_one(workers: int) -> None:
    given = pairs(40)
    found = minimal_vectors(given, workers=workers)
    for concept, solution in enumerate(found):
        alone = minimal_vector(given.states[given.plus[concept]] - given.states[given.minus[concept]])
        assert isinstance(solution, Solution) and solution.status == alone.status
        for one, other in ((solution.vector, alone.vector), (solution.dual, alone.dual)):
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                assert one.tobytes() == other.tobytes()


def test_a_list_of_matrices_and_the_other_arguments() -> None:
    given = pairs(6)
    matrices = [given[concept] for concept in range(len(given))]
    found = minimal_vectors(matrices, slack=0.2, nonnegative=True)
    for matrix, solution in zip(matrices, found, strict=True):
        alone = minimal_vector(matrix, slack=0.2, nonnegative=True)
        assert isinstance(solution, Solution) and solution.vector is not None and alone.vector is not None
        assert solution.vector.tobytes() == alone.vector.tobytes()


def test_one_that_fails_does_not_take_the_others_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def solve(matrix: np.ndarray, **_: object) -> Solution:
        if len(matrix) == 2:
            raise SolverError("no answer")
        return minimal_vector(matrix)

    monkeypatch.setattr("conceptmine.mining.batch.minimal_vector", solve)
    first, second = minimal_vectors([np.eye(2), np.ones((1, 3))], workers=2)
    assert isinstance(first, SolverError) and isinstance(second, Solution)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float16, np.float32, np.float64])
def test_states_are_subtracted_as_real_numbers_whatever_they_are_stored_in(kind: type) -> None:
    states = np.array([[1, 250, 0], [2, 3, 9]]).astype(kind)
    found = StatePairs(states, [np.array([0])], [np.array([1])])[0]
    assert found.dtype == (np.float32 if kind in (np.float16, np.float32) else np.float64)
    assert found.tolist() == [[-1.0, 247.0, -9.0]]


def test_differences_beyond_the_range_of_half_floats_are_none_too_large() -> None:
    states = np.array([[60000.0], [-60000.0]], dtype=np.float16)
    (found,) = minimal_vectors(StatePairs(states, [np.array([0])], [np.array([1])]))
    assert isinstance(found, Solution) and found.objective == pytest.approx(1 / 119_936, rel=1e-3)


def test_solves_that_overlap_leave_blas_its_threads() -> None:
    def threads() -> list[int]:
        return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]

    with threadpool_limits(limits=2, user_api="blas"):
        before = threads()
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert set(threads()) == {1}  # the second still runs
        second.__exit__(None, None, None)
        assert threads() == before


def test_bad_input_is_refused() -> None:
    states = np.ones((3, 4))
    with pytest.raises(ValueError, match="concept 0 has 2 better states and 1 worse"):
        StatePairs(states, [np.array([0, 1])], [np.array([2])])
    with pytest.raises(ValueError, match="concept 0 must name its states by numbers from 0 to 2"):
        StatePairs(states, [np.array([3])], [np.array([2])])
    with pytest.raises(ValueError, match="whole numbers"):
        StatePairs(states, [np.array([1.0])], [np.array([2])])
    with pytest.raises(ValueError, match="workers"):
        minimal_vectors([np.ones((1, 2))], workers=0)
    with pytest.raises(ValueError, match="nan"):
        minimal_vectors([np.full((1, 2), np.nan)])
