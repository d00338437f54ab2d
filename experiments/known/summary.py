"""Rows of the report's tables: each family at each layer, beside the paper's number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from experiments.known.efficiency import EfficiencyPoint
from experiments.known.static import Judged
from experiments.known.themes import JudgedTheme

PAPER: Final = {
    "pieces": "0.99",
    "stockfish": "0.76",
    "suite themes": "0.92",
    "openings, general": "0.99–1.00",
    "openings, specific": "0.99–1.00",
}
"""Accuracies of the paper's section 5, as second-hand sources give them; other families stand in none of its sets."""

THEMES: Final = "suite themes"


@dataclass(frozen=True)
class FamilyRow:
    """Means over a family's concepts at a layer.

    satisfaction, lowest, highest  of held-out pairs (of rows for themes).
    standard_error                 of the mean over concepts, from each concept's own.
    permuted, permuted_high        from permuted labels: mean, and 95th percentile over the concepts.
    random                         random directions with the same entries.
    """

    family: str
    layer: str
    concepts: int
    satisfaction: float
    standard_error: float
    lowest: float
    highest: float
    permuted: float
    permuted_high: float
    random: float
    mean_difference: float
    logistic: float | None
    other_themes: float | None
    value: float | None

    @property
    def paper(self) -> str:
        """The paper's number, a dash where it has none."""
        return PAPER.get(self.family, "–")


def family_rows(judged: Sequence[Judged], controls: Mapping[str, Mapping[str, float]]) -> list[FamilyRow]:
    """Static families, in the order in which they were judged."""
    rows = []
    for family, layer in dict.fromkeys((j.family, j.layer) for j in judged):
        part = [j for j in judged if (j.family, j.layer) == (family, layer)]
        logistic = _mean(j.logistic for j in part)
        value = _mean(controls[f"{family}/{j.concept}"]["value head"] for j in part)
        rows.append(_row(family, layer, part, logistic=logistic, other_themes=None, value=value))
    return rows


def theme_rows(judged: Sequence[JudgedTheme]) -> list[FamilyRow]:
    """The suite's themes as one family."""
    rows = []
    for layer in dict.fromkeys(j.layer for j in judged):
        part = [j for j in judged if j.layer == layer]
        others, value = _mean(j.other_themes for j in part), _mean(j.value for j in part)
        rows.append(_row(THEMES, layer, part, logistic=None, other_themes=others, value=value))
    return rows


def _row(
    family: str,
    layer: str,
    part: Sequence[Judged] | Sequence[JudgedTheme],
    *,
    logistic: float | None,
    other_themes: float | None,
    value: float,
) -> FamilyRow:
    return FamilyRow(
        family=family,
        layer=layer,
        concepts=len(part),
        satisfaction=_mean(j.satisfaction for j in part),
        standard_error=_error_of_mean([j.standard_error for j in part]),
        lowest=min(j.satisfaction for j in part),
        highest=max(j.satisfaction for j in part),
        permuted=_mean(j.permuted for j in part),
        permuted_high=float(np.quantile([j.permuted for j in part], 0.95)),
        random=_mean(j.random_mean for j in part),
        mean_difference=_mean(j.mean_difference for j in part),
        logistic=logistic,
        other_themes=other_themes,
        value=value,
    )


@dataclass(frozen=True)
class CurvePoint:
    """A family at a number of examples: means over its concepts, and the spread over draws.

    low, high  smallest and greatest, over the draws, of the mean over concepts.
    """

    family: str
    examples: int
    concepts: int
    sparsest: float
    low: float
    high: float
    deviation: float
    mean_difference: float


def curve_points(points: Sequence[EfficiencyPoint]) -> list[CurvePoint]:
    """Sample efficiency by family. A size counts the concepts that have so many examples."""
    found = []
    for family, examples in dict.fromkeys((p.family, p.examples) for p in points):
        part = [p for p in points if (p.family, p.examples) == (family, examples)]
        by_draw = np.array([p.sparsest for p in part]).mean(axis=0)
        found.append(
            CurvePoint(
                family=family,
                examples=examples,
                concepts=len(part),
                sparsest=float(by_draw.mean()),
                low=float(by_draw.min()),
                high=float(by_draw.max()),
                deviation=float(by_draw.std(ddof=1)),
                mean_difference=float(np.mean([p.mean_difference for p in part])),
            )
        )
    return found


def _mean(numbers: object) -> float:
    return float(np.mean(list(numbers)))  # type: ignore[call-overload]


def _error_of_mean(errors: Sequence[float]) -> float:
    return float(np.sqrt(np.square(errors).sum()) / len(errors))
