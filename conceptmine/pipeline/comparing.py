"""What a concept is compared with: random sparse vectors, what shuffled trees give, and what half of its rows gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from conceptmine.evidence import (
    cosine,
    held_out,
    random_vectors,
    rank_correlation,
    row_scores,
    share_as_good,
    shuffled_partners,
    turned_to,
)
from conceptmine.pipeline.context import RunContext
from conceptmine.pipeline.examining import Group
from conceptmine.pipeline.pairs import PairTable
from conceptmine.pipeline.remining import Retry, Sparse, mine_again

COPIES: Final = 39
"""Random vectors for each concept; the best of forty has a share of 0.025."""

_CONCEPTS_AT_ONCE: Final = 64
_ROWS_AT_ONCE: Final = 256


@dataclass(frozen=True)
class Again:
    """What was mined again for one concept; None where there was nothing to mine or no solution."""

    shuffled: Sparse | None
    first_half: Sparse | None
    second_half: Sparse | None


def mine_all_again(
    context: RunContext, pairs: PairTable, concepts: Sequence[dict[str, Any]], rows_of: Sequence[NDArray[np.int64]]
) -> list[Again]:
    """For each concept (rows of the candidates' table) with its rows: its trees shuffled, and every second row.

    A family is mined again with slack, at the same multiple of the critical price of what it is mined from.

    Halves are mined for one-root concepts only: those of a family are stability over games, and not over lines.
    """
    mined = np.unique(np.concatenate(rows_of)) if rows_of else np.empty(0, np.int64)
    partner: dict[int, int] = {}
    for horizon in np.unique(pairs.horizon[mined]):
        here = mined[pairs.horizon[mined] == horizon]
        found = shuffled_partners(pairs.position[here], pairs.ply[here].astype(np.int64), seed=context.settings.seed)
        partner |= {int(row): int(here[other]) for row, other in zip(here, found, strict=True) if other >= 0}
    retries: list[Retry] = []
    for concept, rows in zip(concepts, rows_of, strict=True):
        paired = np.array([row for row in rows.tolist() if row in partner], dtype=np.int64)
        others = np.array([partner[row] for row in paired.tolist()], dtype=np.int64)
        layer, ratio = concept["layer"], concept["slack_ratio"]
        retries.append(Retry(layer, pairs.plus[paired], pairs.minus[others], ratio))
        alone = len(concept["roots"].split()) == 1 and len(rows) > 1
        for part in (rows[::2], rows[1::2]) if alone else (rows[:0], rows[:0]):
            retries.append(Retry(layer, pairs.plus[part], pairs.minus[part], ratio))
    found_again = mine_again(context, retries)
    return [Again(*found_again[i : i + 3]) for i in range(0, len(found_again), 3)]


def compare(
    group: Group,
    again: Sequence[Again],
    statistic: NDArray[np.float64],
    mined: NDArray[np.float32],
    mined_rows: Sequence[NDArray[np.int64]],
    *,
    seed: int,
) -> list[dict[str, Any]]:
    """For each concept of a group its controls' satisfaction on the same held-out rows, and how its halves agree.

    ``statistic`` float64 [c]: its own satisfaction. ``mined`` float32 [m, d]: differences of all mined rows, and
    ``mined_rows`` which of them each concept was mined from.
    """
    random = _random(group, mined, mined_rows, seed)
    shuffled = _satisfaction(group, [item.shuffled for item in again])
    columns: list[dict[str, Any]] = []
    for i, item in enumerate(again):
        alike = group.one_root == group.one_root[i]
        pool = shuffled[alike & ~np.isnan(shuffled)]
        row: dict[str, Any] = {
            "random_satisfaction": float(random[i].mean()),
            "random_p": float(share_as_good(statistic[i : i + 1], random[i : i + 1])[0]),
            "shuffled_satisfaction": None if np.isnan(shuffled[i]) else float(shuffled[i]),
            "shuffled_p": float(share_as_good(statistic[i : i + 1], pool[None])[0]) if len(pool) else None,
        }
        columns.append(row | _halves(group, item))
    return columns


def _random(
    group: Group, mined: NDArray[np.float32], mined_rows: Sequence[NDArray[np.int64]], seed: int
) -> NDArray[np.float64]:
    """Satisfaction of the random vectors, float64 [c, copies]: each turned to the rows its concept was mined from."""
    active = (mined != 0).any(axis=0)
    place = np.cumsum(active) - 1
    root = np.unique(group.roots, return_inverse=True)[1]
    weight = 1.0 / np.bincount(root)[root] / (root.max() + 1)
    shares = np.zeros((len(group.ids), COPIES))
    for start in range(0, len(group.ids), _CONCEPTS_AT_ONCE):
        part = slice(start, min(start + _CONCEPTS_AT_ONCE, len(group.ids)))
        drawn = random_vectors(group.oriented[part], active, copies=COPIES, seed=np.random.default_rng((seed, start)))
        small = csr_array((drawn.data, place[drawn.indices], drawn.indptr), shape=(drawn.shape[0], int(active.sum())))
        turned = _stacked(
            [
                turned_to(small[COPIES * i : COPIES * (i + 1)], mined[mined_rows[start + i]][:, active])
                for i in range(part.stop - start)
            ]
        )
        for first in range(0, len(group.roots), _ROWS_AT_ONCE):
            rows = slice(first, first + _ROWS_AT_ONCE)
            scores = turned @ np.ascontiguousarray(group.differences[rows][:, active].T, dtype=np.float64)
            shares[part] += ((scores > 0) @ weight[rows]).reshape(-1, COPIES)
    return shares


def _stacked(parts: Sequence[csr_array]) -> csr_array:
    lengths = np.concatenate([[0], *(np.diff(part.indptr) for part in parts)])
    return csr_array(
        (
            np.concatenate([part.data for part in parts]),
            np.concatenate([part.indices for part in parts]),
            np.cumsum(lengths),
        ),
        shape=(sum(part.shape[0] for part in parts), parts[0].shape[1]),
    )


def _satisfaction(group: Group, vectors: Sequence[Sparse | None]) -> NDArray[np.float64]:
    """Held-out satisfaction of each vector, float64 [c]; NaN for none."""
    found = [i for i, vector in enumerate(vectors) if vector is not None]
    result = np.full(len(vectors), np.nan)
    if found:
        width = group.differences.shape[1]
        dense = np.array([vector.dense(width) for vector in vectors if vector is not None])
        result[found] = held_out(group.differences, group.roots, dense).statistic
    return result


def _halves(group: Group, item: Again) -> dict[str, Any]:
    if item.first_half is None or item.second_half is None:
        return {"half_cosine": None, "half_rank_correlation": None}
    width = group.differences.shape[1]
    both = np.stack([item.first_half.dense(width), item.second_half.dense(width)])
    scores = row_scores(group.differences, both)
    agreement = float(rank_correlation(scores[:, :1].T, scores[:, 1:].T)[0])
    return {
        "half_cosine": float(cosine(both[:1], both[1:])[0]),
        "half_rank_correlation": None if np.isnan(agreement) else agreement,
    }


__all__ = ["Again", "compare", "mine_all_again"]
