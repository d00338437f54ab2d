"""The M−H ranking: which candidates a person should look at first, by one formula whose parts are columns.

A concept stands above every concept that got less far through the filters (supported, then teachable, then novel).
Among those that got equally far the score decides::

    score = 2 · max(0, held-out satisfaction − null_high)   in [0, 1]: what it shows beyond the null's upper quantile
          + max(0, lower end of the teaching interval)      in [0, 1]: what a student gains at the least
          + max(0, novelty_min)                             in [0, 1]: what the machine's basis explains, and not ours
          + (1 − human likelihood) / 4                      in [0, ¼]: what people would not play

The quantile (97.5 %) and not the mean of the null is what counts, so that a concept tested on a handful of roots, where
chance reaches far, does not stand above one tested on a hundred.  A part that was not measured adds nothing.  Equal
scores are ordered by p-value, then by identifier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Filters", "concept_score", "filters_passed", "rank_concepts"]

NOVELTY_LEVEL: Final = 0.05


@dataclass(frozen=True)
class Filters:
    """The three verdicts on a concept, each on its own; None where the filter did not look at it."""

    supported: bool | None
    teachable: bool | None
    novel: bool | None

    @property
    def passed(self) -> int:
        """How many filters it passed before the first it did not, 0 to 3."""
        verdicts = (self.supported, self.teachable, self.novel)
        return next((number for number, verdict in enumerate(verdicts) if not verdict), len(verdicts))


def filters_passed(row: Mapping[str, Any], *, support_level: float, novelty_level: float = NOVELTY_LEVEL) -> Filters:
    """The verdicts on a row of the concept table.

    Args:
        row: with ``q_value``, ``teach_ci_low``, ``novelty_min`` and ``novelty_null_p``; None where not measured.
        support_level: largest q-value of a supported concept.
        novelty_level: largest p-value of a novel one, whose scores S_k must also all be above 0.
    """
    q, low = row["q_value"], row["teach_ci_low"]
    smallest, p = row["novelty_min"], row["novelty_null_p"]
    return Filters(
        supported=None if q is None else bool(q <= support_level),
        teachable=None if low is None else bool(low > 0),
        novel=None if smallest is None or p is None else bool(smallest > 0 and p <= novelty_level),
    )


def concept_score(row: Mapping[str, Any]) -> float:
    """The score of the module's formula, in [0, 3.25]."""
    satisfaction, null = row["heldout_satisfaction"], row["heldout_null_high"]
    excess = 0.0 if satisfaction is None or null is None else 2 * max(0.0, satisfaction - null)
    teaching = max(0.0, row["teach_ci_low"] or 0.0)
    novelty = max(0.0, row["novelty_min"] or 0.0)
    likelihood = row["human_likelihood"]
    surprise = 0.0 if likelihood is None else (1 - likelihood) / 4
    return excess + teaching + novelty + surprise


def rank_concepts(rows: Sequence[Mapping[str, Any]], filters: Sequence[Filters]) -> list[int]:
    """Rank of each row, from 1 (first to look at), in the order of the rows.

    Args:
        rows: of the concept table.
        filters: their verdicts.
    """

    def key(place: int) -> tuple[float, float, float, str]:
        row = rows[place]
        p = row["null_p"]
        return (-filters[place].passed, -concept_score(row), 1.0 if p is None else p, row["concept_id"])

    order = sorted(range(len(rows)), key=key)
    ranks = [0] * len(rows)
    for rank, place in enumerate(order, start=1):
        ranks[place] = rank
    return ranks
