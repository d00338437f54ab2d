"""From a programme to a certified answer: which solver is asked, which minimiser is taken, what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, Protocol, get_args

from conceptmine.errors import InputError
from conceptmine.mining.highs import Highs
from conceptmine.mining.interior import Interior
from conceptmine.mining.programme import Certified, Programme, certify
from conceptmine.mining.rows import Vector
from conceptmine.mining.simplex import Simplex
from conceptmine.mining.solution import SolverError
from conceptmine.mining.ties import no_weights, tie_weights
from conceptmine.mining.witness import Contradiction, zero_row

Method = Literal["auto", "simplex", "interior", "highs", "cvxpy"]

GAP_TARGET = 1e-9
"""Relative duality gap that the solver works for."""

GAP_ACCEPTED = 1e-6
"""A solve whose certified gap stays above this raises SolverError: it is not an optimum."""

_MANY_ROWS = 800  # From here on an interior point and few pivots cost less than many pivots …
_ROWS_A_FEATURE = 2  # … unless features are few: they bound the pivots, and the interior point works in rows × rows.


class Solver(Protocol):
    """One programme in the hands of one solver, which keeps its basis between calls."""

    def optimise(self, weights: Vector) -> Contradiction | None:
        """Solve with |rowsᵀλ|ⱼ ≤ weightsⱼ [d]; the proof when that is impossible. Raises SolverError."""

    def points(self) -> Iterator[tuple[Vector, Vector]]:
        """Candidates (v [d], λ [m]) of the last call, the best guess first."""


def solve(programme: Programme, method: Method = "auto") -> Certified | Contradiction:
    """The certified optimum of a programme, or the proof that it has no solution.

    "auto" asks the simplex method, from 800 rows on the interior point method first (unless there are more than two
    rows for each feature), and in the end HiGHS, until one answer is certified; any other ``method`` asks that solver
    alone.

    Among several minimisers, the one with the smallest Σ wⱼ|vⱼ| is taken, with fixed weights wⱼ that differ per feature
    by less than 1e-7 (`tie_weights`). When these weights would cost more than the gap target, two vertices are no tie
    but only nearly one: the weights are dropped and the true minimiser is taken.

    Raises SolverError when neither answer can be certified.
    """
    proof = zero_row(programme)
    if proof is not None:
        return proof
    best: Certified | None = None
    for make in _order(method, *programme.rows.shape):
        try:
            outcome = _ask(make(programme), programme)
        except SolverError:
            continue
        if isinstance(outcome, Contradiction):
            return outcome
        if outcome is not None and (best is None or outcome.gap < best.gap):
            best = outcome
        if best is not None and best.gap <= GAP_TARGET:
            return best
    if best is None or best.gap > GAP_ACCEPTED:
        rows, features = programme.rows.shape
        found = "no feasible point" if best is None else f"a duality gap of {best.gap:.1e}"
        raise SolverError(
            f"the programme with {rows} rows and {features} features ended with {found}: its rows are too close to "
            "contradictory for float64; use a slack or drop rows"
        )
    return best


def check_method(method: Method) -> None:
    """Raise InputError for a name that is no solver's."""
    if method not in get_args(Method):
        raise InputError(f"method is {method!r}; expected one of {', '.join(get_args(Method))}")


def _order(method: Method, rows: int, features: int) -> tuple[Callable[[Programme], Solver], ...]:
    if method == "simplex":
        return (Simplex,)
    if method == "highs":
        return (Highs,)
    if method == "interior":
        return (Interior,)
    if method == "cvxpy":
        from conceptmine.mining.conic import Conic  # cvxpy takes a second to import, and only comparisons need it

        return (Conic,)
    if _MANY_ROWS <= rows <= _ROWS_A_FEATURE * features:
        return (Interior, Simplex, Highs)
    return (Simplex, Highs)


def _ask(solver: Solver, programme: Programme) -> Certified | Contradiction | None:
    features = programme.rows.shape[1]
    best: Certified | None = None
    for weights in (tie_weights(features), no_weights(features)):
        proof = solver.optimise(weights)
        if proof is not None:
            return proof
        for vector, multipliers in solver.points():
            certified = certify(programme, vector, multipliers)
            if certified is not None and (best is None or certified.gap < best.gap):
                best = certified
            if best is not None and best.gap <= GAP_TARGET:
                return best
    return best
