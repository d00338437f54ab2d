"""Families: one vector for many roots, with slack, and the roots it is for.

Clusters of roots are the start. Each is solved jointly at a price of slack chosen by cross-validation; then every root
goes to the family whose vector scores it best, and the families are solved again, until nobody moves. A root's own
family always judges it by a vector fitted without it: otherwise whoever is in a family would fit it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from conceptmine.errors import InputError
from conceptmine.mining.clustering import Cluster
from conceptmine.mining.prices import PRICE_RATIOS, CrossFit, choose_price, cross_fit, joint_solution, root_fit
from conceptmine.mining.roots import RootRows
from conceptmine.mining.solution import Solution, SolverError

Given = TypeVar("Given")


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
    return _solved(rows, cluster, cluster.members, price.ratio, price.fit, 0)


def mine_families(
    rows: RootRows,
    clusters: Sequence[Cluster],
    *,
    least: int,
    rounds: int = 3,
    ratios: Sequence[float] = PRICE_RATIOS,
    folds: int = 5,
    seed: int = 0,
    failed: Callable[[SolverError], None] | None = None,
) -> tuple[Family, ...]:
    """The families that grow out of clusters, in the clusters' order; those that shrink below `least` are left out.

    Prices are chosen for the clusters, kept while roots move, and chosen once more for the roots that stayed. Where
    `failed` is given, a family that the solver can prove nothing about is left out too, and `failed` is told why.

    Raises InputError when `rounds` is negative or `least` is below 2, or as `choose_price`; SolverError without
    `failed`.
    """
    if rounds < 0 or least < 2:
        raise InputError(f"rounds must be at least 0 and least at least 2, not {rounds} and {least}")

    def priced(grown: tuple[Cluster, tuple[int, ...]]) -> Family:
        price = choose_price(rows, grown[1], ratios=ratios, folds=folds, seed=seed)
        return _solved(rows, *grown, price.ratio, price.fit, moved)

    def moved_to(change: tuple[Family, tuple[int, ...]]) -> Family:
        family, members = change
        fit = cross_fit(rows, members, family.ratio, folds=folds, seed=seed)
        return _solved(rows, family.cluster, members, family.ratio, fit, moved)

    moved = 0
    families = _proved(
        priced, [(cluster, cluster.members) for cluster in clusters if len(cluster.members) >= least], failed
    )
    while moved < rounds and families:
        after = _reassigned(rows, families)
        if after == [family.members for family in families]:
            break
        moved += 1
        changes = [(family, each) for family, each in zip(families, after, strict=True) if len(each) >= least]
        families = _proved(moved_to, changes, failed)
    if moved:
        families = _proved(priced, [(family.cluster, family.members) for family in families], failed)
    return tuple(families)


def _proved(
    solve: Callable[[Given], Family], given: Sequence[Given], failed: Callable[[SolverError], None] | None
) -> list[Family]:
    """What `solve` makes of each that the solver can prove something about."""
    families: list[Family] = []
    for each in given:
        try:
            families.append(solve(each))
        except SolverError as error:
            if failed is None:
                raise
            failed(error)
    return families


def _solved(
    rows: RootRows, cluster: Cluster, members: tuple[int, ...], ratio: float, fit: CrossFit, rounds: int
) -> Family:
    slack, solution = joint_solution(rows.differences[rows.places(members)], ratio)
    return Family(members, ratio, slack, solution, fit, cluster, rounds)


def _reassigned(rows: RootRows, families: Sequence[Family]) -> list[tuple[int, ...]]:
    """Every root to the family whose vector satisfies most of its rows, by the score where two satisfy as many.

    Only families come into question whose mean score over members is nearer to the root's score than 0 is, or is
    surpassed: a root that is as good as a coin toss scores 0 on average. A root without any belongs to nobody.
    """
    fits: list[CrossFit] = []
    for family in families:
        fit, members = root_fit(rows, family.vector), list(family.members)
        fit.satisfied[members], fit.score[members] = family.fit.satisfied, family.fit.score
        fits.append(fit)
    centres = [float(family.fit.score.mean()) for family in families]
    after: list[list[int]] = [[] for _ in families]
    for root in range(rows.count):
        open_to = [
            place for place, centre in enumerate(centres) if centre > 0 and fits[place].score[root] >= centre / 2
        ]
        if open_to:
            after[max(open_to, key=lambda place: (fits[place].satisfied[root], fits[place].score[root]))].append(root)
    return [tuple(each) for each in after]


__all__ = ["Family", "mine_families", "solve_family"]
