"""Mining: the sparsest vector that separates what a concept separates, with its certificate, or a proof of none.

`minimal_vector` solves the dynamic programme on differences of activations, hard or with a slack; `separating_vector`
the static all-pairs programme in its threshold form. Both return a `Solution`. A solve that can be neither finished nor
proved infeasible raises `SolverError`. The paper's own formulation in cvxpy stands in `conceptmine.mining.paper`.
"""

from conceptmine.mining.solution import Solution, SolverError
from conceptmine.mining.vectors import minimal_vector, separating_vector

__all__ = ["Solution", "SolverError", "minimal_vector", "separating_vector"]
