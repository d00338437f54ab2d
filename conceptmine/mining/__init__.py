"""Mining: the sparsest vector that separates what a concept separates, with its certificate, or a proof of none.

`minimal_vector` solves the dynamic programme on differences of activations, hard or with a slack, `minimal_vectors`
many of them at once; `separating_vector` solves the static all-pairs programme in its threshold form. Each answer is a
`Solution`. A solve that can be neither finished nor proved infeasible raises `SolverError`. The paper's own formulation
in cvxpy stands in `conceptmine.mining.paper`.
"""

from conceptmine.mining.batch import StatePairs, minimal_vectors
from conceptmine.mining.features import square_features
from conceptmine.mining.solution import Solution, SolverError
from conceptmine.mining.vectors import minimal_vector, separating_vector

__all__ = [
    "Solution",
    "SolverError",
    "StatePairs",
    "minimal_vector",
    "minimal_vectors",
    "separating_vector",
    "square_features",
]
