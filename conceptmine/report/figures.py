"""The report's plots: evidence, teaching, novelty, yardsticks and the distributions over all candidates.

Each function returns None where there is nothing to plot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, median

from markupsafe import Markup

from conceptmine.report.chart import Chart, Scale, ticks
from conceptmine.report.data import Concept, Row, number, text, whole
from conceptmine.report.wording import decimal, p_value, percent, power_of_ten, signed


def evidence(rows: Sequence[Row]) -> Markup | None:
    """Held-out satisfaction ply by ply against the sign-flip null: `heldout_plies.parquet` of one concept."""
    points = [
        (
            ply,
            satisfied,
            number(row, "null_mean"),
            number(row, "null_low"),
            number(row, "null_high"),
            whole(row, "rows"),
        )
        for row in rows
        if (ply := whole(row, "ply")) is not None and (satisfied := number(row, "satisfied")) is not None
    ]
    if not points:
        return None
    points.sort(key=lambda point: point[0])
    plies = [point[0] for point in points]
    heights = [value for point in points for value in point[1:5] if value is not None]
    x = Scale(plies[0] - 0.5, plies[-1] + 0.5)
    chart = Chart(
        f"Held-out satisfaction at plies {plies[0]} to {plies[-1]}: "
        + ", ".join(percent(satisfied) for _, satisfied, *_ in points),
        x,
        Scale.around([0.5, *heights], least=0.2, inside=(0, 1)),
    )
    chart.y_axis([(value, percent(value, 0)) for value, _ in ticks(chart.y)], "rows ordered correctly")
    chart.band([(ply, low, high) for ply, _, _, low, high, _ in points if low is not None and high is not None])
    chart.line([(ply, mean) for ply, _, mean, *_ in points if mean is not None], "null-line")
    chart.line([(ply, satisfied) for ply, satisfied, *_ in points], "signal-line")
    for ply, satisfied, _, _, _, count in points:
        of = "" if count is None else f" of {count} rows"
        chart.dot(ply, satisfied, "signal-dot", f"ply {ply}: {percent(satisfied)}{of}")
    chart.x_axis([(ply, str(ply)) for ply in plies], "plies after the root")
    return chart.svg()


TRAINED_ON = (("none", "none"), ("random", "other"), ("concept", "signal"))
"""What a student was trained on, and the style of its dots; in the order in which they stand in the plot."""


def teaching(rows: Sequence[Row]) -> Markup | None:
    """The teaching experiment after its last epoch: a dot per seed, a bar at the mean; `teachability.parquet`."""
    groups = {
        (trained, evaluated): _last_epoch(
            [row for row in rows if (text(row, "trained_on"), text(row, "evaluated_on")) == (trained, evaluated)]
        )
        for evaluated in ("concept", "random")
        for trained, _ in TRAINED_ON
    }
    heights = [top1 for values in groups.values() for top1 in values]
    if not heights:
        return None
    chart = Chart(
        "Agreement of the student with the agent: "
        + "; ".join(
            f"trained on {trained}, asked on {evaluated}: {percent(fmean(values))}"
            for (trained, evaluated), values in groups.items()
            if values
        ),
        Scale(-0.7, 6.7),
        Scale.around(heights, least=0.1, inside=(0, 1)),
    )
    chart.y_axis([(value, percent(value, 0)) for value, _ in ticks(chart.y)], "student picks the agent's move")
    styles = dict(TRAINED_ON)
    for index, ((trained, evaluated), values) in enumerate(groups.items()):
        place = index + (1 if evaluated == "random" else 0)
        for order, top1 in enumerate(values):
            shift = (order - (len(values) - 1) / 2) * min(0.14, 0.6 / len(values))
            chart.dot(place + shift, top1, f"{styles[trained]}-dot faint", f"on {trained}: {percent(top1)}", 2.8)
        if values:
            chart.line([(place - 0.38, fmean(values)), (place + 0.38, fmean(values))], f"{styles[trained]}-mean")
    chart.x_axis([(1, "concept positions"), (5, "random positions")], "what the student is asked about")
    return chart.svg()


def gain(concept: Concept) -> Markup | None:
    """The gain from concept positions over random ones, with its interval, against zero."""
    if concept.teach_gain is None:
        return None
    low, high = concept.teach_ci_low, concept.teach_ci_high
    known = [value for value in (concept.teach_gain, low, high) if value is not None]
    chart = Chart(
        f"Gain {signed(concept.teach_gain)}",
        Scale.around([0.0, *known], least=0.1),
        Scale(0, 1),
        height=58,
        top=6,
        bottom=34,
    )
    y = chart.height - chart.bottom - 9
    colour = "signal" if low is not None and low > 0 else "other"
    chart.x_axis(
        [(value, "+" * (value > 0) + name) for value, name in ticks(chart.x, 5)],
        "gain: concept − random, on concept positions",
    )
    chart.upright(0.0, "zero-line")
    if low is not None and high is not None:
        chart.parts.append(f'<path class="{colour}-mean" d="M{chart.px(low):.1f} {y}H{chart.px(high):.1f}"/>')
    chart.dot_at(chart.px(concept.teach_gain), y, f"{colour}-dot", signed(concept.teach_gain), 4.5)
    return chart.svg()


def novelty(rows: Sequence[Row]) -> Markup | None:
    """The novelty curve S_k against its null band over the number of basis vectors k; `novelty.parquet`."""
    points = [
        (k, score, number(row, "null_low"), number(row, "null_high"))
        for row in rows
        if (k := whole(row, "k")) is not None and k > 0 and (score := number(row, "score")) is not None
    ]
    if not points:
        return None
    points.sort(key=lambda point: point[0])
    largest = max(abs(value) for point in points for value in point[1:] if value is not None)
    exponent = math.floor(math.log10(largest)) if 0 < largest < 0.01 else 0
    unit = 10.0**exponent
    ks = [point[0] for point in points]
    heights = [value / unit for point in points for value in point[1:] if value is not None]
    chart = Chart(
        f"Novelty from k = {ks[0]} to {ks[-1]}: lowest {min(score for _, score, *_ in points):.2g}, "
        f"highest {max(score for _, score, *_ in points):.2g}",
        Scale(ks[0] / 1.3, ks[-1] * 1.3, log=True),
        Scale.around([0.0, *heights], least=1e-9 if exponent else 1e-4),
    )
    chart.y_axis(ticks(chart.y), "novelty S" + (f", in units of {power_of_ten(exponent)}" if exponent else ""))
    chart.band([(k, low / unit, high / unit) for k, _, low, high in points if low is not None and high is not None])
    chart.level(0.0, "zero-line")
    chart.line([(k, score / unit) for k, score, *_ in points], "signal-line")
    for k, score, *_ in points:
        chart.dot(k, score / unit, "signal-dot" if score > 0 else "subpar-dot", f"k = {k}: {score:.2g}")
    every = math.ceil(len(ks) / 6)
    chart.x_axis([(k, str(k)) for k in ks[::every]], "basis vectors k (logarithmic)")
    return chart.svg()


def p_values(concepts: Sequence[Concept]) -> Markup | None:
    """How the p-values of all candidates lie; noise alone would fill the bars evenly."""
    values = [concept.null_p for concept in concepts if concept.null_p is not None]
    if not values:
        return None
    bins = 20
    counts = _counts(values, 0.0, 1.0, bins)
    chart = Chart(
        f"p-values of {len(values)} candidates: {counts[0]} of them below 0.05, {decimal(len(values) / bins)} expected "
        "from noise",
        Scale(0, 1),
        Scale(0, max(counts) * 1.08),
    )
    chart.y_axis(_count_ticks(chart.y), "candidates")
    for index, count in enumerate(counts):
        low, high = index / bins, (index + 1) / bins
        chart.bar(low, high, 0, count, "other-bar", f"{low:.2f} to {high:.2f}: {count}")
    chart.level(len(values) / bins, "null-line")
    chart.x_axis([(value, f"{value:g}") for value in (0, 0.25, 0.5, 0.75, 1)], "p-value")
    return chart.svg()


def satisfactions(concepts: Sequence[Concept]) -> Markup | None:
    """Held-out satisfaction of all candidates, the supported ones in their own colour, and chance as a line."""
    found = [concept for concept in concepts if concept.heldout_satisfaction is not None]
    if not found:
        return None
    null = [concept.heldout_null for concept in found if concept.heldout_null is not None]
    chance = median(null) if null else None
    shares = [_share(concept) for concept in found]
    scale = Scale.around([0.5, *shares, *null], least=0.1, inside=(0, 1))
    bins = 28
    counts = _counts(shares, scale.low, scale.high, bins)
    supported = _counts([_share(concept) for concept in found if concept.supported], scale.low, scale.high, bins)
    chart = Chart(
        f"Held-out satisfaction of {len(found)} candidates: median {percent(median(shares))}, "
        f"from {percent(min(shares))} to {percent(max(shares))}",
        scale,
        Scale(0, max(counts) * 1.08),
    )
    chart.y_axis(_count_ticks(chart.y), "candidates")
    width = (scale.high - scale.low) / bins
    for index, (count, good) in enumerate(zip(counts, supported, strict=True)):
        low = scale.low + index * width
        note = f"{percent(low)} to {percent(low + width)}: {count}, {good} of them supported"
        chart.bar(low, low + width, 0, good, "signal-bar", note)
        chart.bar(low, low + width, good, count, "other-bar", note)
    if chance is not None:
        chart.upright(chance, "null-line")
    chart.x_axis([(value, percent(value, 0)) for value, _ in ticks(scale)], "held-out rows ordered correctly")
    return chart.svg()


def objectives(concepts: Sequence[Concept]) -> Markup | None:
    """The optimal L1 norm of all candidates, on a logarithmic scale where they differ much."""
    values = [concept.l1 for concept in concepts if concept.l1 is not None and concept.l1 > 0]
    if not values:
        return None
    low, high = min(values), max(values)
    log = high > 8 * low
    scale = (
        Scale(low / 1.1, high * 1.1, log=True) if log else Scale.around(values, least=high * 0.05, inside=(0, high * 2))
    )
    bins = 24
    edges = [_edge(scale, index / bins) for index in range(bins + 1)]
    counts = _counts([scale.at(value) for value in values], 0.0, 1.0, bins)
    chart = Chart(
        f"L1 norm of {len(values)} candidates: median {decimal(median(values))}, "
        f"from {decimal(low)} to {decimal(high)}",
        scale,
        Scale(0, max(counts) * 1.08),
    )
    chart.y_axis(_count_ticks(chart.y), "candidates")
    for index, count in enumerate(counts):
        chart.bar(
            edges[index],
            edges[index + 1],
            0,
            count,
            "other-bar",
            f"{edges[index]:.3g} to {edges[index + 1]:.3g}: {count}",
        )
    marks = [(value, f"{value:g}") for value in _round_marks(scale)] if log else ticks(scale)
    chart.x_axis(marks, "L1 norm of the direction" + (" (logarithmic)" if log else ""))
    return chart.svg()


def yardsticks(controls: Sequence[Row], concepts: Sequence[Concept]) -> Markup | None:
    """Controls and candidates on one scale of held-out satisfaction; a tick marks each one's null."""
    rows: list[tuple[str, float, float | None, tuple[float, float] | None, str]] = []
    for row in controls:
        satisfied = number(row, "heldout_satisfaction")
        if satisfied is not None:
            name = text(row, "name") + (f" ({text(row, 'layer')})" if text(row, "layer") else "")
            p = number(row, "p")
            rows.append((name, satisfied, number(row, "heldout_null"), None, "" if p is None else p_value(p)))
    for name, members in (
        ("all candidates", concepts),
        ("supported candidates", [concept for concept in concepts if concept.supported]),
    ):
        values = sorted(c.heldout_satisfaction for c in members if c.heldout_satisfaction is not None)
        nulls = [c.heldout_null for c in members if c.heldout_null is not None]
        if values:
            reach = (values[int(0.05 * (len(values) - 1))], values[math.ceil(0.95 * (len(values) - 1))])
            rows.append(
                (f"{name}, median of {len(values)}", median(values), median(nulls) if nulls else None, reach, "")
            )
    if not rows:
        return None
    marks = [value for _, value, null, reach, _ in rows for value in (value, null, *(reach or ())) if value is not None]
    chart = Chart(
        "Held-out satisfaction: " + "; ".join(f"{name} {percent(value)}" for name, value, *_ in rows),
        Scale.around([0.5, *marks], least=0.2, inside=(0, 1)),
        Scale(0, 1),
        width=520,
        height=44 + 42 * len(rows),
        left=12,
        right=12,
        top=0,
    )
    for index, (name, value, null, stretch, note) in enumerate(rows):
        y = 30 + 42 * index
        colour = "other" if stretch is None else "signal"
        chart.parts.append(f'<path class="grid" d="M{chart.left} {y}H{chart.width - chart.right}"/>')
        chart.words(chart.left, y - 12, name, "name")
        chart.words(chart.width - chart.right, y - 12, percent(value) + (f", {note}" if note else ""), "value", "end")
        if stretch is not None:
            chart.parts.append(
                f'<path class="{colour}-mean" d="M{chart.px(stretch[0]):.1f} {y}H{chart.px(stretch[1]):.1f}"/>'
            )
        if null is not None:
            chart.parts.append(f'<path class="null-tick" d="M{chart.px(null):.1f} {y - 6}V{y + 6}"/>')
        chart.dot_at(chart.px(value), y, f"{colour}-dot", percent(value), 5)
    chart.x_axis([(value, percent(value, 0)) for value, _ in ticks(chart.x, 5)], "held-out rows ordered correctly")
    return chart.svg()


def spark(concept: Concept) -> Markup:
    """A table cell's dot on a line from 30 % to 80 %, with a tick at the null."""
    low, high, width = 0.3, 0.8, 64
    if concept.heldout_satisfaction is None:
        return Markup()

    def place(value: float) -> float:
        return 4 + (min(max(value, low), high) - low) / (high - low) * (width - 8)

    tick = ""
    if concept.heldout_null is not None:
        tick = f'<path class="null-tick" d="M{place(concept.heldout_null):.1f} 2V12"/>'
    colour = "signal" if concept.supported else "other"
    return Markup(
        f'<svg class="spark" viewBox="0 0 {width} 14" aria-hidden="true"><path class="grid" d="M0 7H{width}"/>{tick}'
        f'<circle class="{colour}-dot" cx="{place(concept.heldout_satisfaction):.1f}" cy="7" r="3.2"/></svg>'
    )


def _share(concept: Concept) -> float:
    return concept.heldout_satisfaction or 0.0


def _last_epoch(rows: Sequence[Row]) -> list[float]:
    """The top-1 agreement of each seed after its last epoch, by seed."""
    last: dict[int, tuple[int, float]] = {}
    for row in rows:
        seed, epoch, top1 = whole(row, "seed") or 0, whole(row, "epoch") or 0, number(row, "top1")
        if top1 is not None and (seed not in last or epoch >= last[seed][0]):
            last[seed] = (epoch, top1)
    return [last[seed][1] for seed in sorted(last)]


def _counts(values: Sequence[float], low: float, high: float, bins: int) -> list[int]:
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, max(0, int((value - low) / (high - low) * bins)))] += 1
    return counts


def _count_ticks(scale: Scale) -> list[tuple[float, str]]:
    return [(value, name) for value, name in ticks(scale) if value == int(value)]


def _edge(scale: Scale, fraction: float) -> float:
    if scale.log:
        return math.exp(math.log(scale.low) + fraction * (math.log(scale.high) - math.log(scale.low)))
    return scale.low + fraction * (scale.high - scale.low)


def _round_marks(scale: Scale) -> list[float]:
    powers = range(math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high)) + 1)
    marks = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    inside = [mark for mark in marks if scale.low <= mark <= scale.high]
    return inside if len(inside) <= 7 else [mark for mark in inside if f"{mark:e}".startswith("1")]
