"""Our solver against the paper's programmes as cvxpy solves them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from conceptmine.mining import minimal_vector, separating_vector
from conceptmine.mining.paper import branching_concept, dynamic_concept, soft_concept, static_concept


@pytest.mark.parametrize("seed", range(6))
def test_static_equations_1_to_3(seed: int) -> None:
    rng = np.random.default_rng(seed)
    positive, negative = np.maximum(rng.normal(size=(6, 25)), 0), np.maximum(rng.normal(size=(5, 25)), 0)
    status, optimum, vector = static_concept(positive, negative)
    solution = separating_vector(positive, negative)
    assert status == solution.status == "optimal"
    assert solution.objective == pytest.approx(optimum, rel=1e-7)
    np.testing.assert_allclose(solution.vector, vector, atol=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_dynamic_equation_4(seed: int) -> None:
    rng = np.random.default_rng(seed)
    optimal, subpar = np.maximum(rng.normal(size=(5, 64)), 0), np.maximum(rng.normal(size=(5, 64)), 0)
    status, optimum, vector = dynamic_concept(optimal, subpar)
    solution = minimal_vector(optimal - subpar)
    assert status == solution.status == "optimal"
    assert solution.objective == pytest.approx(optimum, rel=1e-7)
    np.testing.assert_allclose(solution.vector, vector, atol=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_branching_equation_5(seed: int) -> None:
    rng = np.random.default_rng(seed)
    optimal = np.maximum(rng.normal(size=(8, 200)), 0)
    subpar = {(t, j): np.maximum(optimal[t] + rng.normal(size=200), 0) for j in range(3) for t in range(j, 8)}
    status, optimum, vector = branching_concept(optimal, subpar)
    solution = minimal_vector(np.array([optimal[t] - z for (t, _), z in subpar.items()]))
    assert status == solution.status == "optimal"
    assert solution.objective == pytest.approx(optimum, rel=1e-7)
    np.testing.assert_allclose(solution.vector, vector, atol=1e-5)


@pytest.mark.parametrize("slack", [0.02, 0.2, 2.0])
def test_soft_form(slack: float) -> None:
    rows = np.random.default_rng(1).normal(size=(40, 30))
    status, optimum, _ = soft_concept(rows, slack)
    assert status == "optimal"
    assert minimal_vector(rows, slack=slack).objective == pytest.approx(optimum, rel=1e-7)


def test_infeasible_in_both() -> None:
    rows = np.random.default_rng(2).normal(size=(30, 5))
    status, _, vector = dynamic_concept(rows, np.zeros_like(rows))
    assert status == "infeasible" and vector is None
    assert minimal_vector(rows).status == "infeasible"


def test_the_solver_does_not_import_cvxpy() -> None:
    code = "import sys, conceptmine.mining, conceptmine.evidence, conceptmine.novelty; sys.exit('cvxpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
