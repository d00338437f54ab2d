"""The report: Markdown tables and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from matplotlib.figure import Figure

from experiments.known.amplification import AmplificationPoint
from experiments.known.static import Refused
from experiments.known.summary import PAPER, CurvePoint, FamilyRow


def markdown(
    title: str,
    facts: Sequence[str],
    rows: Sequence[FamilyRow],
    curve: Sequence[CurvePoint],
    amplified: Sequence[AmplificationPoint],
    refused: Sequence[Refused],
    not_run: Sequence[str],
) -> str:
    """The page."""
    lines = [f"# {title}", "", *(f"- {fact}" for fact in facts), *(f"- **Not run**: {what}" for what in not_run), ""]
    lines += [
        "## Held-out satisfaction",
        "",
        "Share of held-out comparisons that the mined vector orders right; ties are failures. Mean over a family's"
        " concepts ± its standard error, with the lowest and the highest concept.",
        "",
        "| family | layer | concepts | satisfaction | lowest – highest | paper | permuted labels (95 %) | random | mean"
        " difference | logistic | other themes | value head |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        lines.append(
            f"| {row.family} | {row.layer} | {row.concepts} | **{row.satisfaction:.3f}** ± {row.standard_error:.3f} |"
            f" {row.lowest:.2f} – {row.highest:.2f} | {row.paper} | {row.permuted:.3f} ({row.permuted_high:.2f}) |"
            f" {row.random:.3f} | {row.mean_difference:.3f} | {_number(row.logistic)} | {_number(row.other_themes)} |"
            f" {_number(row.value)} |"
        )
    if curve:
        sizes = sorted({point.examples for point in curve})
        lines += [
            "",
            "## Sample efficiency",
            "",
            "Held-out satisfaction from so many examples, half of them with the concept: mean ± standard deviation over"
            " draws of the mean over concepts (that of the mean difference in brackets).",
            "",
            "| family | " + " | ".join(map(str, sizes)) + " |",
            "| --- |" + " --- |" * len(sizes),
        ]
        for family in dict.fromkeys(point.family for point in curve):
            by_size = {point.examples: point for point in curve if point.family == family}
            cells = [_curve_cell(by_size.get(size)) for size in sizes]
            lines.append(f"| {family} | " + " | ".join(cells) + " |")
    if amplified:
        lines += [
            "",
            "## Amplification",
            "",
            "Points of the move that the steered network likes best, as a share of the full ones. Vectors are those of"
            " the theme, mined without the puzzle's fold.",
            "",
            "| layer | β | α | puzzles | concept | random | other theme | concept − random |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        lines += [
            f"| {p.layer} | {p.beta:g} | {p.alpha:g} | {p.puzzles} | {p.concept:.3f} | {p.random:.3f} |"
            f" {p.other_theme:.3f} | {p.gain:+.3f} ± {p.gain_error:.3f} |"
            for p in amplified
        ]
    if refused:
        lines += ["", "## Not judged", "", "| family | concept | why |", "| --- | --- | --- |"]
        lines += [f"| {r.family} | {r.name} | {r.reason} |" for r in refused]
    return "\n".join(lines) + "\n"


def picture(rows: Sequence[FamilyRow], curve: Sequence[CurvePoint], title: str) -> bytes:
    """A PNG: families by layer beside the paper's numbers and the null, and the curves of sample efficiency."""
    families = list(dict.fromkeys(row.family for row in rows))
    layers = list(dict.fromkeys(row.layer for row in rows))
    figure = Figure(figsize=(13, 0.5 * len(families) + 2.5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    colours = {layer: f"C{i}" for i, layer in enumerate(layers)}
    for height, family in enumerate(families):
        here = [row for row in rows if row.family == family]
        for offset, row in enumerate(here):
            y = height + 0.16 * (offset - (len(here) - 1) / 2)
            left.plot([row.lowest, row.highest], [y, y], color=colours[row.layer], alpha=0.3, linewidth=2)
            left.errorbar(row.satisfaction, y, xerr=2 * row.standard_error, fmt="o", color=colours[row.layer], ms=4)
            left.plot(row.permuted, y, marker="|", color="grey", ms=7)
        for bound in PAPER.get(family, "").split("–"):
            if bound:
                left.plot(float(bound), height, marker="D", color="black", ms=6, fillstyle="none", linestyle="none")
    left.axvline(0.5, color="grey", linewidth=0.8, linestyle=":")
    left.set(yticks=range(len(families)), yticklabels=families, xlim=(0.3, 1.02), xlabel="held-out satisfaction")
    left.invert_yaxis()
    marks: list[Any] = [left.plot([], [], "o", color=colours[layer], label=layer)[0] for layer in layers]
    marks.append(left.plot([], [], "|", color="grey", label="permuted labels", ms=7, linestyle="none")[0])
    marks.append(left.plot([], [], "D", color="black", label="the paper's", fillstyle="none", linestyle="none")[0])
    left.legend(handles=marks, fontsize=7, loc="upper left")
    for index, family in enumerate(dict.fromkeys(point.family for point in curve)):
        part = sorted((point for point in curve if point.family == family), key=lambda point: point.examples)
        sizes = [point.examples for point in part]
        right.plot(sizes, [p.sparsest for p in part], color=f"C{index % 10}", marker="o", ms=3, label=family)
        right.fill_between(
            sizes, [p.low for p in part], [p.high for p in part], color=f"C{index % 10}", alpha=0.12, linewidth=0
        )
    right.set(xscale="log", xlabel="examples", ylabel="held-out satisfaction")
    if curve:
        ticks = sorted({point.examples for point in curve})
        right.set_xticks(ticks, labels=[str(size) for size in ticks])
        right.minorticks_off()
        right.legend(fontsize=7)
    figure.suptitle(title)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _curve_cell(point: CurvePoint | None) -> str:
    if point is None:
        return "–"
    return f"{point.sparsest:.3f} ± {point.deviation:.3f} ({point.mean_difference:.3f})"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
