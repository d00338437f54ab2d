"""What a solve returns: a vector with its certificate, or a proof that there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray


class SolverError(RuntimeError):
    """The linear programme could be neither solved nor proved infeasible to the stated tolerance."""


@dataclass(frozen=True, eq=False)
class Solution:
    """The answer to one sparsest-vector programme, with the evidence that it is the answer.

    A vector exists only with status "optimal". An infeasible programme has `vector` None and `objective` infinite, so
    that it cannot be read as a concept by accident; a solve that fails numerically raises SolverError instead.

    Rows are those of `differences` for `minimal_vector`; for `separating_vector` they are the positives followed by
    the negatives.

    status     "optimal" or "infeasible".
    vector     float64 [d], the minimiser; None when infeasible.
    objective  ‖v‖₁ (of scaled features: Σ scalesⱼ |vⱼ|), plus slack × sum of hinges in the soft programme; inf when
               infeasible.
    gap        (objective − dual objective) / objective, at least 0; nan when infeasible.
    dual       float64 [m], multipliers λ ≥ 0 with ‖Dᵀλ‖∞ ≤ 1 (and λ ≤ slack) up to rounding; None when infeasible.
               For scaled features |Dᵀλ|ⱼ ≤ scalesⱼ, for v ≥ 0 only (Dᵀλ)ⱼ ≤ 1, and only for features that v may use.
    active     int64, ascending: the rows with a positive multiplier, which together define the vector; when
               infeasible, the rows of the witness.
    witness    float64 [m], only when infeasible: y ≥ 0, Σy = 1, y @ D ≈ 0 (Farkas), so no v gives every row a positive
               score. Where v ≥ 0 is asked for, y @ D ≤ 0; both only over features that v may use.
    scaling    the rule by which features were scaled before the norm: "none", "deviation" or "quantile".
    scales     float64 [d], the unit of each feature under that rule (inf for one that v may not use); None for "none".
    threshold  only from `separating_vector`: b with v·z ≥ b + 1 on positives and v·z ≤ b on negatives.
    """

    status: Literal["optimal", "infeasible"]
    vector: NDArray[np.float64] | None
    objective: float
    gap: float
    dual: NDArray[np.float64] | None
    active: NDArray[np.int64]
    witness: NDArray[np.float64] | None = None
    threshold: float | None = None
    scaling: str = "none"
    scales: NDArray[np.float64] | None = None
