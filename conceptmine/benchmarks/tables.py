"""The results as tables: one description of each, written for the terminal or as markdown.

"tried" are candidates and "found" discoveries, means over data sets; "true" and "null" the shares of all discoveries
that respond to something planted and for which the null of the test holds; "satisfied" is the held-out satisfaction
where the direction that was found is planted; "s" seconds of mining. docs/planted.md explains each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from conceptmine.benchmarks.directions import KINDS
from conceptmine.benchmarks.motif_bench import MotifOutcome, MotifResult
from conceptmine.benchmarks.results import Outcome, PlantedResult, versions
from conceptmine.benchmarks.scoring import FDR

__all__ = ["Sheet", "as_markdown", "as_rich", "motif_sheets", "page_of", "sheets_of"]


@dataclass(frozen=True)
class Sheet:
    """A table: its title, the headings of its columns, and its rows of as many texts."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def sheets_of(result: PlantedResult) -> list[Sheet]:
    """All tables of a result, the summary over sizes and seeds of each strength first."""
    strengths = sorted({each.strength for each in result.outcomes})
    sheets = [_summary(result, strength) for strength in strengths]
    sheets.append(_by_size(result))
    sheets += [_by_kind(result, strengths[-1]), _support(result, strengths[-1])]
    if result.alarms:
        sheets.append(_calibration(result))
    return sheets


def motif_sheets(result: MotifResult) -> list[Sheet]:
    """The tables of a taught network: what teaching did, and what each method found."""
    settings = result.settings
    verb = "avoid" if settings.dislike else "prefer"
    facts = (
        ("positions with such a move where the first choice is one, before", f"{result.played_before:.1%}"),
        ("after teaching", f"{result.played_after:.1%}"),
        ("positions where the two disagree", f"{result.roots}"),
        ("of these with the motif", f"{result.roots_with_motif}"),
        ("motif pairs of other games", f"{result.pairs}"),
        ("satisfied by a probe that was told the motif", f"{result.probe:.1%}"),
    )
    sheets = [Sheet(f"A copy taught to {verb} {settings.motif}, {settings.steps} steps", ("", ""), facts)]
    for turned in (False, True):
        rows = []
        for method in dict.fromkeys(each.method for each in result.outcomes):
            own = [each for each in result.outcomes if each.method == method and each.turned == turned]
            rows.append(_motif_row(method, own))
        title = "Pairs turned by a coin: nothing to find" if turned else "Mined from the disagreements"
        headings = (
            "method",
            "tried",
            "found",
            "true",
            "would pass",
            "motif pairs",
            "with / without",
            "AUC",
            "s",
        )
        sheets.append(Sheet(f"{title}, {settings.seeds} divisions", headings, tuple(rows)))
    return sheets


def _motif_row(method: str, own: Sequence[MotifOutcome]) -> tuple[str, ...]:
    discoveries = sum(each.discoveries for each in own)
    return (
        method,
        f"{np.mean([each.candidates for each in own]):.0f}",
        f"{discoveries / len(own):.1f}",
        f"{sum(each.true for each in own) / discoveries:.2f}" if discoveries else "–",
        f"{np.mean([each.base_rate for each in own]):.2f}",
        _spread(each.motif_pairs for each in own),
        f"{_spread(each.with_motif for each in own)} / {_spread(each.without_motif for each in own)}",
        _spread(each.auc for each in own),
        f"{np.mean([each.seconds for each in own]):.2f}",
    )


def page_of(result: PlantedResult | MotifResult) -> str:
    """A markdown page: the command, the network, the versions and the seconds, and then all tables."""
    planted = isinstance(result, PlantedResult)
    sheets = sheets_of(result) if isinstance(result, PlantedResult) else motif_sheets(result)
    numbers = ", ".join(f"{name} {number}" for name, number in versions().items())
    parts = [
        "# Planted truth" if planted else "# A planted motif",
        f"`{result.settings.command}`",
        f"Network {result.sha256}; {numbers}; {result.seconds:.0f} seconds. Columns are explained in docs/planted.md.",
        *map(as_markdown, sheets),
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def as_rich(sheet: Sheet) -> Table:
    """For the terminal."""
    table = Table(title=sheet.title, title_justify="left")
    for number, heading in enumerate(sheet.headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=not number)
    for row in sheet.rows:
        table.add_row(*row)
    return table


def as_markdown(sheet: Sheet) -> str:
    """As a markdown table under a line with its title."""
    rule = ["---", *("---:" for _ in sheet.headings[1:])]
    lines = [f"**{sheet.title}**", ""]
    lines += [f"| {' | '.join(row)} |" for row in (sheet.headings, rule, *sheet.rows)]
    return "\n".join(lines) + "\n"


def _summary(result: PlantedResult, strength: float) -> Sheet:
    rows = []
    for method, group in _largest(result, strength):
        found = [each for outcome in group for each in outcome.score.found]
        rows.append(
            (
                method,
                f"{np.mean([each.score.candidates for each in group]):.0f}",
                f"{np.mean([each.score.discoveries for each in group]):.1f}",
                _pooled(group, lambda each: each.score.true),
                _pooled(group, lambda each: each.score.useless),
                _spread(each.score.recall for each in group),
                _spread(each.cosine for each in found),
                _spread(each.satisfaction for each in found),
                f"{np.mean([each.seconds for each in group]):.2f}",
            )
        )
    return Sheet(
        f"Strength {strength:g}, {max(result.settings.roots)} roots, {result.settings.seeds} data sets",
        ("method", "tried", "found", "true", "null", "recall", "cosine", "satisfied", "s"),
        tuple(rows),
    )


def _by_size(result: PlantedResult) -> Sheet:
    cells = sorted({(each.roots, each.strength) for each in result.outcomes})
    rows = []
    for method, group in _by_method(result.outcomes):
        texts = []
        for cell in cells:
            here = [each for each in group if (each.roots, each.strength) == cell]
            texts.append(
                f"{np.mean([each.score.recall for each in here]):.2f} / {_pooled(here, lambda each: each.score.true)}"
            )
        rows.append((method, *texts))
    headings = tuple(f"{roots} roots, {strength:g}" for roots, strength in cells)
    return Sheet("Recall / precision by number of roots and strength", ("method", *headings), tuple(rows))


def _by_kind(result: PlantedResult, strength: float) -> Sheet:
    rows = []
    for method, group in _largest(result, strength):
        texts = []
        for kind in KINDS:
            found = [each for outcome in group for each in outcome.score.found if each.kind == kind]
            cosines = [each.cosine for each in found if each.recovered]
            text = f"{np.mean([each.recovered for each in found]):.2f}"
            texts.append(text + (f" ({np.mean(cosines):.2f})" if cosines else ""))
        rows.append((method, *texts))
    title = f"Recall by kind (|cos| where found), strength {strength:g}, {max(result.settings.roots)} roots"
    return Sheet(title, ("method", *KINDS), tuple(rows))


def _support(result: PlantedResult, strength: float) -> Sheet:
    rows = []
    for method, group in _largest(result, strength):
        found = [each for outcome in group for each in outcome.score.found]
        rows.append(
            (
                method,
                _spread(each.support_precision for each in found),
                _spread(each.support_recall for each in found),
                _spread(each.top_support for each in found),
            )
        )
    return Sheet(
        f"Features of the sparse and correlated directions that were found, strength {strength:g},"
        f" {max(result.settings.roots)} roots",
        ("method", "nonzeros that are planted", "planted that are nonzero", "planted among the heaviest"),
        tuple(rows),
    )


def _largest(result: PlantedResult, strength: float) -> list[tuple[str, list[Outcome]]]:
    """The outcomes with most roots at one strength, by method."""
    largest = max(result.settings.roots)
    return _by_method(each for each in result.outcomes if each.strength == strength and each.roots == largest)


def _calibration(result: PlantedResult) -> Sheet:
    sources = list(dict.fromkeys(each.source for each in result.alarms))
    rows = []
    for method in dict.fromkeys(each.method for each in result.alarms):
        texts = []
        for each in result.alarms:
            if each.method == method:
                low, high = each.interval
                texts.append(f"{each.alarms} of {each.runs} ({100 * low:.0f}–{100 * high:.0f} %)")
        rows.append((method, *texts))
    return Sheet(
        f"Data sets with a discovery (q ≤ {FDR:g}) where nothing is planted, {result.settings.noise_roots} roots each,"
        " 95 % interval of the rate",
        ("method", *sources),
        tuple(rows),
    )


def _by_method(outcomes: Iterable[Outcome]) -> list[tuple[str, list[Outcome]]]:
    groups: dict[str, list[Outcome]] = {}
    for each in outcomes:
        groups.setdefault(each.method, []).append(each)
    return list(groups.items())


def _pooled(group: Sequence[Outcome], count: Callable[[Outcome], int]) -> str:
    """A share of all discoveries of some data sets together, – without any."""
    total = sum(each.score.discoveries for each in group)
    return f"{sum(map(count, group)) / total:.2f}" if total else "–"


def _spread(values: Iterable[float]) -> str:
    """Mean ± standard deviation of the numbers among the values, – without any."""
    known = [value for value in values if np.isfinite(value)]
    if not known:
        return "–"
    return f"{np.mean(known):.2f}" + (f" ± {np.std(known, ddof=1):.2f}" if len(known) > 1 else "")
