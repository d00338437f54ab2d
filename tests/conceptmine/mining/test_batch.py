"""Batches: the same bytes as one by one, whatever the number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from conceptmine.mining import Solution, SolverError, StatePairs, minimal_vector, minimal_vectors


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


def test_bad_input_is_refused() -> None:
    states = np.ones((3, 4))
    with pytest.raises(ValueError, match="concept 0 has 2 better states and 1 worse"):
        StatePairs(states, [np.array([0, 1])], [np.array([2])])
    with pytest.raises(ValueError, match="workers"):
        minimal_vectors([np.ones((1, 2))], workers=0)
    with pytest.raises(ValueError, match="nan"):
        minimal_vectors([np.full((1, 2), np.nan)])
