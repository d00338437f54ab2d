"""Every method gets the same and is asked for the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from conceptmine.benchmarks import methods
from conceptmine.benchmarks.methods import METHODS, PENALTIES, SLACKS, Task, candidates_of, task_of
from conceptmine.benchmarks.planting import planted_rows
from conceptmine.benchmarks.siblings import Siblings
from conceptmine.mining import SolverError

Rows = Callable[..., Siblings]


@pytest.fixture
def task(siblings: Rows) -> Task:
    return task_of(planted_rows(siblings(80), 80, strength=4.0, seed=1), 4, seed=0)


@pytest.mark.parametrize("name", METHODS)
def test_candidates_are_directions_of_the_layer_and_none_is_zero(task: Task, name: str) -> None:
    found = candidates_of(METHODS[name], task)
    assert found.vectors.shape[1] == 96
    assert len(found.vectors) > 0
    assert found.vectors.any(axis=1).all()
    assert found.seconds > 0
    again = candidates_of(METHODS[name], task)
    np.testing.assert_array_equal(found.vectors, again.vectors)


def test_pooled_methods_offer_as_much_as_each_other(task: Task) -> None:
    counts = {name: len(candidates_of(method, task).vectors) for name, method in METHODS.items()}
    assert len(SLACKS) == len(PENALTIES)
    for name in ("L1, joint", "SVM", "logistic probe", "PCA"):
        assert counts[name] == len(task.groups) * len(PENALTIES)
    assert counts["mean difference"] == len(task.groups)
    assert counts["L1, one root"] == 40


def test_the_paper_s_form_keeps_every_margin_of_its_root(task: Task) -> None:
    vectors = candidates_of(METHODS["L1, one root"], task).vectors
    for vector, rows in zip(vectors, task.differences, strict=True):
        assert (rows @ vector > 1 - 1e-6).all()


def test_a_contradictory_root_gives_no_candidate(task: Task) -> None:
    differences = task.differences.copy()
    differences[3, 1] = -differences[3, 0]
    found = candidates_of(METHODS["L1, one root"], Task(differences, task.groups))
    assert len(found.vectors) == 39


def test_rows_that_cancel_give_a_zero_vector_which_is_no_candidate(task: Task) -> None:
    half = task.differences[:20]
    cancelling = Task(np.concatenate([half, -half]), [np.arange(40)])
    for name in ("mean difference", "L1, joint", "logistic probe"):
        vectors = candidates_of(METHODS[name], cancelling).vectors
        assert np.abs(vectors).max(initial=0.0) < 1e-9


def test_a_solver_that_can_prove_nothing_gives_no_candidates(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise SolverError("nothing proved")

    for name in ("minimal_vector", "joint_solution", "solve_family", "mine_families"):
        monkeypatch.setattr(methods, name, fails)
    for name in ("L1, one root", "L1, joint", "L1, families"):
        assert candidates_of(METHODS[name], task).vectors.shape == (0, 96)
