"""Which roots belong together: those whose vectors order each other's rows right, and how sure that is.

For roots i and j let a(i, j) be the share of j's rows that i's vector satisfies, less the share that it turns round;
ties are neither. Nothing is chosen about signs here. A tree's prophylactic programme is the mirror image of its active
one, so both give the same a(i, j), and a root whose lines a vector orders the wrong way round counts against it: to
let each root choose its sign would fit every vector to half of all roots by chance.

The tree of clusters is average linkage on 1 − w(i, j), w(i, j) = (a(i, j) + a(j, i)) / 2. It needs no number of
clusters, gives the same answer every time, and joins two clusters by the mean over all their pairs, so that one chance
agreement chains nothing together, which it does in single linkage. It is cut where Σ (w(i, j) − γ) over the pairs
inside clusters is largest: modularity, with γ half the root mean square of all w. So a pair must agree better than half
as much as pairs of these roots agree or disagree at all; and no flip changes γ.

**Null.** If it is a coin toss which line of a root is the better one, root i's rows and with them its vector change
sign together, and agreement w(i, j) becomes sᵢsⱼ w(i, j) exactly: no programme has to be solved again. So the same
clustering is repeated on flipped matrices, and a cluster's p says how often the best cluster found there adds as much
to the modularity, which accounts for the choice of clusters and of their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from conceptmine.errors import InputError
from conceptmine.mining.roots import RootRows, row_orders

Matrix = NDArray[np.float64]

_SAME = 1e-9  # sums of the same products in another order


@dataclass(frozen=True)
class Cluster:
    """Roots that agree with each other.

    members   ascending, at least two.
    cohesion  mean of w(i, j) over its pairs, in [−1, 1]; 0 is what flips of roots give on average.
    p         in (0, 1]: (1 + flips whose best cluster adds as much to the modularity) / (1 + flips).
    """

    members: tuple[int, ...]
    cohesion: float
    p: float


def agreement_matrix(vectors: NDArray[np.float64], rows: RootRows) -> Matrix:
    """Mean of a(i, j) and a(j, i), symmetric float64 [n, n] in [−1, 1], with ones on the diagonal.

    vectors  float64 [n, d], one of each root; zeros for a root that has none, which then orders nothing.
    """
    if vectors.shape != (rows.count, rows.differences.shape[1]):
        raise InputError(
            f"vectors must be one per root, shape ({rows.count}, {rows.differences.shape[1]}), not {vectors.shape}"
        )
    one_way = rows.mean_by_root(row_orders(rows.differences, vectors).astype(np.float64))
    agreement: Matrix = (one_way + one_way.T) / 2
    np.fill_diagonal(agreement, 1.0)
    return agreement


def cluster_roots(agreement: Matrix, *, least: int, flips: int = 199, seed: int = 0) -> tuple[Cluster, ...]:
    """The clusters of at least `least` roots, the one that adds most to the modularity first; none shares a root.

    agreement  from `agreement_matrix`, [n, n].
    least      fewest roots of a cluster, at least 2; roots of smaller ones belong to none.
    flips      patterns of the null; its smallest p is 1 / (1 + flips).

    Raises InputError when `least` or `flips` is out of range.
    """
    if least < 2 or flips < 1:
        raise InputError(f"least must be at least 2 and flips at least 1, not {least} and {flips}")
    if len(agreement) < least:
        return ()
    best = [
        max((modularity for _, modularity in _best_cut(flipped, least)), default=0.0)
        for flipped in _flipped(agreement, flips, seed)
    ]
    clusters = [
        (modularity, Cluster(members, _cohesion(agreement, members), _p(modularity, best)))
        for members, modularity in _best_cut(agreement, least)
    ]
    return tuple(cluster for _, cluster in sorted(clusters, key=lambda found: (-found[0], found[1].members)))


def all_roots(agreement: Matrix, *, flips: int = 199, seed: int = 0) -> Cluster:
    """All roots as one cluster, n ≥ 2; nothing was chosen here, so its p is that of its own cohesion under flips."""
    members = tuple(range(len(agreement)))
    observed = _cohesion(agreement, members)
    drawn = [_cohesion(flipped, members) for flipped in _flipped(agreement, flips, seed)]
    return Cluster(members, observed, _p(observed, drawn))


def _p(observed: float, drawn: Sequence[float]) -> float:
    return (1 + sum(each >= observed - _SAME for each in drawn)) / (1 + len(drawn))


def _flipped(agreement: Matrix, flips: int, seed: int) -> list[Matrix]:
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(flips, len(agreement)))
    return [agreement * np.outer(row, row) for row in signs]


def _pairs(agreement: Matrix, members: tuple[int, ...]) -> NDArray[np.float64]:
    return agreement[np.ix_(members, members)][np.triu_indices(len(members), 1)]


def _cohesion(agreement: Matrix, members: tuple[int, ...]) -> float:
    return float(_pairs(agreement, members).mean())


def _best_cut(agreement: Matrix, least: int) -> list[tuple[tuple[int, ...], float]]:
    """The clusters of the tree that together have the largest modularity, with what each of them adds to it."""
    roots = len(agreement)
    everyone = _pairs(agreement, tuple(range(roots)))
    threshold = float(np.sqrt(np.mean(everyone**2))) / 2
    members: list[tuple[int, ...]] = [(root,) for root in range(roots)]
    within = [0.0] * roots  # sum of agreement over the pairs inside
    own = [0.0] * roots  # what the cluster adds
    best = [0.0] * roots  # what the best cut of the tree below it adds
    cut: list[list[int]] = [[root] for root in range(roots)]
    for first, second in linkage(squareform(1.0 - agreement, checks=False), "average")[:, :2].astype(int):
        size = len(members[first]) + len(members[second])
        across = float(agreement[np.ix_(members[first], members[second])].sum())
        within.append(within[first] + within[second] + across)
        own.append(within[-1] - threshold * size * (size - 1) / 2)
        parted = best[first] + best[second]
        cut.append([len(members)] if own[-1] > parted else cut[first] + cut[second])
        best.append(max(own[-1], parted))
        members.append(tuple(sorted(members[first] + members[second])))
    return [(members[node], own[node]) for node in cut[-1] if len(members[node]) >= least]


__all__ = ["Cluster", "agreement_matrix", "all_roots", "cluster_roots"]
