"""How much of the truth a method's candidates found, and how much of what they found is true.

A *discovery* is a candidate that the project's own evidence supports: held-out satisfaction on the testing roots, its
p-value by the sign-flip null, and a Benjamini–Hochberg q-value over all candidates of the method of at most 5 %.

A discovery is *true* if it responds to something planted: the shift that a planted direction causes in the candidate's
scores, in units of the natural spread of these scores, is at least `RESPONSE_BAR` of what it is for the planted
direction itself. In formulas, with Σ the second moment of natural rows of the testing side: (v·u / √(vᵀΣv)) over
(u·u / √(uᵀΣu)), the cosine of v with the whitened direction, scaled to 1 at v = u. It can exceed 1: u is what was added
and not the best detector of it. A candidate is attributed to the direction that it responds to most, and to no other,
so that one mixture of everything is not counted as having found everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conceptmine.benchmarks.planting import PlantedRows
from conceptmine.evidence import held_out, q_values, sign_flip_null

__all__ = ["FDR", "RESPONSE_BAR", "Found", "Score", "responses", "score_candidates"]

FDR: Final = 0.05
"""The q-value up to which a candidate is a discovery."""

RESPONSE_BAR: Final = 0.3
"""The least relative response of a true discovery."""

_FLIPS: Final = 4_999
_FLIPS_A_TEST: Final = 40  # the smallest p is then half of what a lone discovery needs

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """How well one planted direction was found.

    kind          of the direction.
    prevalence    the share of roots that it was meant for.
    recovered     whether a true discovery is attributed to it.
    cosine        the greatest |cos| of such a discovery with the direction, NaN where there is none.
    response      the greatest relative response of such a discovery, NaN likewise.
    support_precision, support_recall  of the nonzeros of the discovery with the greatest response; NaN for a dense
                  direction or where there is none.
    top_support   the share of the direction's features among as many that weigh most in that discovery's scores.
    satisfaction  held-out satisfaction of that discovery on the testing roots with the direction, NaN likewise.
    """

    kind: str
    prevalence: float
    recovered: bool
    cosine: float
    response: float
    support_precision: float
    support_recall: float
    top_support: float
    satisfaction: float


@dataclass(frozen=True)
class Score:
    """What a method's candidates came to on one data set.

    candidates   how many there were; discoveries: how many of them with a q-value of at most `FDR`.
    true         discoveries that respond to something planted.
    useless      discoveries whose expected satisfaction over the coin is not above chance: the null holds for them.
    base_rate    the share of all candidates, discovered or not, that would pass as true.
    found        one entry for each planted direction; empty where nothing was planted.
    """

    candidates: int
    discoveries: int
    true: int
    useless: int
    base_rate: float
    found: tuple[Found, ...]

    @property
    def precision(self) -> float:
        """The share of discoveries that are true; NaN without discoveries."""
        return self.true / self.discoveries if self.discoveries else float("nan")

    @property
    def false_share(self) -> float:
        """The false discovery proportion: discoveries that are not true, over discoveries; 0 without any."""
        return (self.discoveries - self.true) / max(self.discoveries, 1)

    @property
    def useless_share(self) -> float:
        """The share of discoveries for which the null of the test holds; 0 without any. Its mean is the FDR proper."""
        return self.useless / max(self.discoveries, 1)

    @property
    def recall(self) -> float:
        """The share of planted directions that were recovered; NaN where nothing was planted."""
        return float(np.mean([each.recovered for each in self.found])) if self.found else float("nan")


def responses(rows: PlantedRows, vectors: Matrix) -> Matrix:
    """Relative response of each vector to each planted direction, float64 [c, k]; see the module."""
    natural = rows.natural[rows.tested].reshape(-1, rows.natural.shape[-1])
    directions = rows.vectors
    shifts = vectors @ directions.T / _spread(natural, vectors)[:, None]
    relative: Matrix = shifts / ((directions**2).sum(axis=1) / _spread(natural, directions))
    return relative


def score_candidates(rows: PlantedRows, vectors: Matrix, *, seed: int = 0) -> Score:
    """Judge candidate vectors, float64 [c, d], on the testing roots of planted rows; `seed` is of the null's flips."""
    if len(vectors) == 0:
        nothing = tuple(
            _found(rows, i, vectors, np.zeros((0, len(rows.directions)))) for i in range(len(rows.directions))
        )
        return Score(0, 0, 0, 0, 0.0, nothing if rows.strength > 0 else ())
    tested = rows.differences(rows.tested)
    flat = tested.reshape(-1, tested.shape[-1])
    counts = held_out(flat, np.repeat(rows.tested, tested.shape[1]), vectors)
    null = sign_flip_null(counts, flips=max(_FLIPS, _FLIPS_A_TEST * len(vectors)), seed=seed)
    discovered = q_values(null.p) <= FDR
    relative = responses(rows, vectors)
    responds = (relative >= RESPONSE_BAR).any(axis=1)
    true = discovered & responds if rows.strength > 0 else np.zeros_like(discovered)
    useless = discovered & (_expected_excess(rows, vectors) <= 1e-12)
    return Score(
        candidates=len(vectors),
        discoveries=int(discovered.sum()),
        true=int(true.sum()),
        useless=int(useless.sum()),
        base_rate=float(responds.mean()),
        found=tuple(_found(rows, i, vectors[true], relative[true]) for i in range(len(rows.directions)))
        if rows.strength > 0
        else (),
    )


def _found(rows: PlantedRows, place: int, vectors: Matrix, relative: Matrix) -> Found:
    direction, nan = rows.directions[place], float("nan")
    own = np.flatnonzero(relative.argmax(axis=1) == place) if len(relative) else np.zeros(0, dtype=np.int64)
    if len(own) == 0:
        return Found(direction.kind, rows.prevalences[place], False, nan, nan, nan, nan, nan, nan)
    best = vectors[own[relative[own, place].argmax()]]
    lengths = np.linalg.norm(vectors[own], axis=1) * np.linalg.norm(direction.vector)
    precision = recall = top = nan
    if direction.is_sparse:
        natural = rows.natural[rows.tested].reshape(-1, rows.natural.shape[-1])
        weights = np.abs(best) * np.sqrt((natural**2).mean(axis=0))
        heaviest = np.argsort(-weights, kind="stable")[: len(direction.support)]
        nonzeros = np.flatnonzero(best)
        shared = len(np.intersect1d(nonzeros, direction.support))
        precision, recall = shared / len(nonzeros), shared / len(direction.support)
        top = len(np.intersect1d(heaviest, direction.support)) / len(direction.support)
    holding = rows.tested[rows.present(rows.tested)[place]]
    satisfaction = float((rows.differences(holding) @ best > 0).mean()) if len(holding) else nan
    return Found(
        kind=direction.kind,
        prevalence=rows.prevalences[place],
        recovered=True,
        cosine=float((np.abs(vectors[own] @ direction.vector) / lengths).max()),
        response=float(relative[own, place].max()),
        support_precision=precision,
        support_recall=recall,
        top_support=top,
        satisfaction=satisfaction,
    )


def _spread(natural: Matrix, vectors: Matrix) -> NDArray[np.float64]:
    """Natural spread of the scores of vectors, float64 [c]; tiny instead of 0 for one that nature never moves."""
    spread: NDArray[np.float64] = np.sqrt(((natural @ vectors.T) ** 2).mean(axis=0))
    return np.maximum(spread, 1e-300)


def _expected_excess(rows: PlantedRows, vectors: Matrix) -> NDArray[np.float64]:
    """Satisfied minus opposed, averaged over rows, roots and both falls of each root's coin, float64 [c].

    With both falls of the coin nature cancels exactly, and what is left is what was planted.
    """
    natural = rows.natural[rows.tested] @ vectors.T
    shifts = rows.planted[:, rows.tested].T @ (rows.vectors @ vectors.T)
    signs = np.sign(natural + shifts[:, None, :]) + np.sign(-natural + shifts[:, None, :])
    excess: NDArray[np.float64] = signs.mean(axis=(0, 1)) / 2
    return excess
