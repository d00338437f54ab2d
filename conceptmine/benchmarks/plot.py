"""Recall, precision and their price by planted strength and by number of roots, as one picture."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from conceptmine.benchmarks.methods import METHODS
from conceptmine.benchmarks.results import CEILING, Outcome, PlantedResult

__all__ = ["picture_of"]

Place = Callable[[Outcome], float]
Measure = Callable[[list[Outcome]], tuple[float, float]]

_COLOURS: Final = ("#bb4631", "#1d7a5a", "#1f6f8b", "#8e6c8a", "#edae49", "#1c2127", "#66a182", "#6c757d")
_CEILING: Final = "#8b857a"
_STEP: Final = 1.012


def picture_of(result: PlantedResult) -> bytes:
    """A PNG: recall and precision over strength (at most roots) and over roots (at most strength).

    Lines are means over data sets; bars are one standard error of the mean. Precision is that of all discoveries of a
    cell together, and is left out where there is none.
    """
    figure = Figure(figsize=(11, 7.2), layout="constrained")
    axes = figure.subplots(2, 2, sharey=True)
    most_roots, most_strength = max(result.settings.roots), max(result.settings.strengths)
    views: tuple[tuple[str, Place, list[Outcome]], ...] = (
        (
            f"planted strength ({most_roots} roots)",
            lambda each: each.strength,
            [each for each in result.outcomes if each.roots == most_roots],
        ),
        (
            f"roots, half to mine from (strength {most_strength:g})",
            lambda each: each.roots,
            [each for each in result.outcomes if each.strength == most_strength],
        ),
    )
    for column, (label, place_of, outcomes) in enumerate(views):
        places = sorted({place_of(each) for each in outcomes})
        for row, (title, measure) in enumerate(MEASURES.items()):
            axis = axes[row, column]
            for method in (*METHODS, CEILING):
                _draw(axis, method, [each for each in outcomes if each.method == method], place_of, measure)
            axis.set_title(title, loc="left", fontsize=10)
            axis.set(ylim=(-0.03, 1.03), xlabel=label)
            axis.set_xscale("log", base=2)
            axis.set_xticks(places, [f"{place:g}" for place in places])
            axis.xaxis.set_minor_locator(NullLocator())
            axis.spines[["top", "right"]].set_visible(False)
            axis.grid(axis="y", color="#e4e0d8", linewidth=0.7)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.suptitle(f"Planted truth: {result.agent}, {result.settings.layer}", fontsize=12)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=130, metadata={"Software": None})
    return content.getvalue()


def _draw(axis: Axes, method: str, outcomes: list[Outcome], place_of: Place, measure: Measure) -> None:
    points = []
    for place in sorted({place_of(each) for each in outcomes}):
        middle, error = measure([each for each in outcomes if place_of(each) == place])
        if np.isfinite(middle):
            points.append((place, middle, error))
    places, middles, errors = ([point[i] for point in points] for i in range(3))
    told = method == CEILING
    number = len(METHODS) if told else list(METHODS).index(method)
    # Beside each other, since shares of four directions coincide more often than not.
    apart = _STEP ** (number - len(METHODS) / 2)
    axis.errorbar(
        [place * apart for place in places],
        middles,
        yerr=errors,
        label=method,
        color=_CEILING if told else _COLOURS[number],
        linestyle=":" if told else "-",
        linewidth=1.6,
        marker="o",
        markersize=3.5,
        capsize=2,
        elinewidth=0.8,
    )


def _recall(outcomes: list[Outcome]) -> tuple[float, float]:
    values = [each.score.recall for each in outcomes]
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return float(np.mean(values)), float(error)


def _precision(outcomes: list[Outcome]) -> tuple[float, float]:
    discoveries = sum(each.score.discoveries for each in outcomes)
    return (sum(each.score.true for each in outcomes) / discoveries, 0.0) if discoveries else (float("nan"), 0.0)


MEASURES: Final[dict[str, Measure]] = {
    "recall of planted directions": _recall,
    "precision of discoveries": _precision,
}
"""What is drawn, one above the other: (mean, standard error) of some outcomes."""
