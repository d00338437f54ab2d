"""Mining: the sparsest vector that separates what a concept separates, with its certificate, or a proof of none.

`minimal_vector` solves the dynamic programme on differences of activations, hard or with a slack, `minimal_vectors`
many of them at once; `separating_vector` solves the static all-pairs programme in its threshold form. Each answer is a
`Solution`. A solve that can be neither finished nor proved infeasible raises `SolverError`. The paper's own formulation
in cvxpy stands in `conceptmine.mining.paper`.

`RootRows` are rows with the roots they belong to. `agreement_matrix` and `cluster_roots` find roots whose vectors order
each other's rows, `mine_families` (or `solve_family`, of roots that are given) one soft vector for each such family,
`bootstrap_stability` whether it depends on the games, and `distinct_vectors` which vectors are one concept.
"""

from conceptmine.mining.batch import StatePairs, minimal_vectors
from conceptmine.mining.clustering import Cluster, agreement_matrix, all_roots, cluster_roots
from conceptmine.mining.duplicates import distinct_vectors
from conceptmine.mining.families import Family, mine_families, solve_family
from conceptmine.mining.features import square_features
from conceptmine.mining.prices import PRICE_RATIOS, choose_price, joint_solution
from conceptmine.mining.roots import RootRows, row_orders
from conceptmine.mining.solution import Solution, SolverError
from conceptmine.mining.stability import Stability, bootstrap_stability
from conceptmine.mining.vectors import minimal_vector, separating_vector

__all__ = [
    "PRICE_RATIOS",
    "Cluster",
    "Family",
    "RootRows",
    "Solution",
    "SolverError",
    "Stability",
    "StatePairs",
    "agreement_matrix",
    "all_roots",
    "bootstrap_stability",
    "choose_price",
    "cluster_roots",
    "distinct_vectors",
    "joint_solution",
    "mine_families",
    "minimal_vector",
    "minimal_vectors",
    "row_orders",
    "separating_vector",
    "solve_family",
    "square_features",
]
