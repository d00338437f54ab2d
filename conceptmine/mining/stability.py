"""Is it the same vector when other games had been played? Roots are drawn again, and the family is solved again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conceptmine.errors import InputError
from conceptmine.mining.families import Family
from conceptmine.mining.prices import joint_solution
from conceptmine.mining.roots import RootRows, row_orders


@dataclass(frozen=True)
class Stability:
    """How a family's vector fares under resampling.

    cosine          mean cosine, in [−1, 1], of the resamples' vectors with the family's; 0 for a vector of zeros.
    cosine_low, cosine_high  its 2.5 and 97.5 % quantiles over resamples.
    sign_agreement  mean share, in [0, 1], of the family's rows that a resample's vector orders as the family's does;
                    rows that are ties for the family are left out, and ties of the resample are no agreement.
    resamples       how many there were.

    A resample shares some 63 % of its roots with the family, so that vectors of pure noise have cosines above 0 too.
    """

    cosine: float
    cosine_low: float
    cosine_high: float
    sign_agreement: float
    resamples: int


def bootstrap_stability(rows: RootRows, family: Family, *, resamples: int = 20, seed: int = 0) -> Stability:
    """Draw as many roots as the family has, with replacement, and solve each draw at the family's ratio of prices.

    Whole roots are drawn, each of a game of its own; the membership is taken as it stands. One soft programme a
    resample, of the family's size, is what it costs.

    Raises InputError when `resamples` is below 2 or the family's vector is zero.
    """
    if resamples < 2:
        raise InputError(f"resamples must be at least 2, not {resamples}")
    if not family.vector.any():
        raise InputError("the family's vector is zero; give a dearer price of slack")
    rng = np.random.default_rng(seed)
    vectors = np.zeros((resamples, len(family.vector)))
    for number in range(resamples):
        drawn = np.sort(rng.choice(family.members, size=len(family.members)))
        vector = joint_solution(rows.differences[rows.places(drawn.tolist())], family.ratio)[1].vector
        assert vector is not None  # the soft programme always has an optimum
        vectors[number] = vector
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(family.vector)
    cosines = vectors @ family.vector / np.where(lengths > 0, lengths, 1.0)
    own = rows.differences[rows.places(family.members)]
    expected = row_orders(own, family.vector[None, :])
    told = expected[:, 0] != 0
    same = row_orders(own, vectors)[told] == expected[told]
    low, high = np.quantile(cosines, (0.025, 0.975))
    return Stability(
        float(cosines.mean()), float(low), float(high), float(same.mean()) if told.any() else 0.0, resamples
    )


__all__ = ["Stability", "bootstrap_stability"]
