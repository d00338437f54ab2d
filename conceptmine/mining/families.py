"""Families: one vector for many roots, with slack, and the roots it is for.

Clusters of roots are the start. Each is solved jointly at a price of slack chosen by cross-validation; then every root
goes to the family whose vector scores it best, and the families are solved again, until nobody moves. A root's own
family always judges it by a vector fitted without it: otherwise whoever is in a family would fit it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from conceptmine.errors import InputError
from conceptmine.mining.clustering import Cluster
from conceptmine.mining.prices import PRICE_RATIOS, CrossFit, Price, choose_price, cross_fit, joint_solution, root_fit
from conceptmine.mining.roots import RootRows
from conceptmine.mining.solution import Solution


@dataclass(frozen=True, eq=False)
class Family:
    """Roots with one vector.

    members   ascending.
    ratio     price of slack in multiples of the critical one of its rows; slack: the price itself.
    solution  over the rows of its members, in the order of `RootRows.places(members)`.
    fit       of each member under a vector fitted without it. Members were chosen by such scores, so that only for
              families of all roots is this a fair estimate of anything.
    cluster   where it began.
    rounds    how often roots were reassigned before nobody moved, or the bound.
    """

    members: tuple[int, ...]
    ratio: float
    slack: float
    solution: Solution
    fit: CrossFit
    cluster: Cluster
    rounds: int

    @property
    def vector(self) -> NDArray[np.float64]:
        """float64 [d]."""
        assert self.solution.vector is not None  # the soft programme always has an optimum
        return self.solution.vector


def solve_family(
    rows: RootRows,
    cluster: Cluster,
    *,
    ratios: Sequence[float] = PRICE_RATIOS,
    folds: int = 5,
    seed: int = 0,
) -> Family:
    """The family of exactly the roots of a cluster. Arguments and errors as `choose_price`."""
    price = choose_price(rows, cluster.members, ratios=ratios, folds=folds, seed=seed)
    return _solved(rows, cluster, cluster.members, price, 0)


def mine_families(
    rows: RootRows,
    clusters: Sequence[Cluster],
    *,
    least: int,
    rounds: int = 3,
    ratios: Sequence[float] = PRICE_RATIOS,
    folds: int = 5,
    seed: int = 0,
) -> tuple[Family, ...]:
    """The families that grow out of clusters, in the clusters' order; those that shrink below `least` are left out.

    Prices are chosen for the clusters, kept while roots move, and chosen once more for the roots that stayed.

    Raises InputError when `rounds` is negative or `least` is below 2, or as `choose_price`.
    """
    if rounds < 0 or least < 2:
        raise InputError(f"rounds must be at least 0 and least at least 2, not {rounds} and {least}")
    kept = [cluster for cluster in clusters if len(cluster.members) >= least]
    members = [cluster.members for cluster in kept]
    chosen = [choose_price(rows, each, ratios=ratios, folds=folds, seed=seed) for each in members]
    moved = 0
    while moved < rounds and kept:
        after = _reassigned(rows, members, chosen)
        if after == members:
            break
        moved += 1
        going_on = [place for place, each in enumerate(after) if len(each) >= least]
        kept = [kept[place] for place in going_on]
        members = [after[place] for place in going_on]
        chosen = [
            replace(chosen[place], fit=cross_fit(rows, after[place], chosen[place].ratio, folds=folds, seed=seed))
            for place in going_on
        ]
    if moved:
        chosen = [choose_price(rows, each, ratios=ratios, folds=folds, seed=seed) for each in members]
    return tuple(
        _solved(rows, cluster, each, price, moved) for cluster, each, price in zip(kept, members, chosen, strict=True)
    )


def _solved(rows: RootRows, cluster: Cluster, members: tuple[int, ...], price: Price, rounds: int) -> Family:
    slack, solution = joint_solution(rows.differences[rows.places(members)], price.ratio)
    return Family(members, price.ratio, slack, solution, price.fit, cluster, rounds)


def _reassigned(rows: RootRows, members: Sequence[tuple[int, ...]], prices: Sequence[Price]) -> list[tuple[int, ...]]:
    """Every root to the family whose vector satisfies most of its rows, by the score where two satisfy as many.

    Only families come into question whose mean score over members is nearer to the root's score than 0 is, or is
    surpassed: a root that is as good as a coin toss scores 0 on average. A root without any belongs to nobody.
    """
    fits: list[CrossFit] = []
    for each, price in zip(members, prices, strict=True):
        vector = joint_solution(rows.differences[rows.places(each)], price.ratio)[1].vector
        assert vector is not None  # the soft programme always has an optimum
        fit = root_fit(rows, vector)
        fit.satisfied[list(each)], fit.score[list(each)] = price.fit.satisfied, price.fit.score
        fits.append(fit)
    centres = [float(price.fit.score.mean()) for price in prices]
    after: list[list[int]] = [[] for _ in members]
    for root in range(rows.count):
        open_to = [
            place for place, centre in enumerate(centres) if centre > 0 and fits[place].score[root] >= centre / 2
        ]
        if open_to:
            after[max(open_to, key=lambda place: (fits[place].satisfied[root], fits[place].score[root]))].append(root)
    return [tuple(each) for each in after]


__all__ = ["Family", "mine_families", "solve_family"]
