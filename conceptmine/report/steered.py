"""The page's section on steering and on whether the concepts' moves are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from conceptmine.report.chart import Chart, Scale, ticks
from conceptmine.report.data import Concept, Row, RunData, number, text, whole
from conceptmine.report.wording import percent, probability, several, signed

_JUDGES = {
    "search": "a deeper search of the agent itself",
    "oracle": "another engine",
    "tablebases": "tablebases",
}


@dataclass(frozen=True)
class SteeredConcept:
    """One concept of the section; no chart where it could not be steered."""

    concept_id: str
    layer: str
    chart: Markup | None
    note: str


def concepts(run: RunData) -> list[SteeredConcept]:
    """The concepts that were steered or whose moves were judged, in the order of the ranking."""
    found = []
    for concept in run.concepts:
        curve = run.steering.get(concept.concept_id, ())
        if not curve and concept.move_correct is None:
            continue
        sentences = [
            _steering_note(run.steering_controls.get(concept.concept_id, ())),
            _judged_note(concept),
        ]
        found.append(
            SteeredConcept(
                concept_id=concept.concept_id,
                layer=concept.layer,
                chart=response(curve),
                note=" ".join(sentence for sentence in sentences if sentence),
            )
        )
    return found


def response(rows: Sequence[Row]) -> Markup | None:
    """The change of the log-odds over α, with its interval, against the shuffled draws: `steering.parquet`."""
    own = _curve(rows, "concept")
    if len(own) < 2:
        return None
    shuffled = _curve(rows, "shuffled")
    heights = [value for point in [*own, *shuffled] for value in point[1:] if value is not None]
    chart = Chart(
        "Change of the log-odds of best against worse move: "
        + ", ".join(f"{signed(mean, 3)} at α = {alpha:g}" for alpha, mean, *_ in own),
        Scale(0, own[-1][0] * 1.05),
        Scale.around([0.0, *heights], least=0.02),
    )
    chart.y_axis(ticks(chart.y), "log-odds of the best move, nats")
    chart.band([(alpha, low, high) for alpha, _, low, high in shuffled if low is not None and high is not None])
    chart.line([(alpha, mean) for alpha, mean, *_ in shuffled], "null-line")
    chart.line([(alpha, mean) for alpha, mean, *_ in own], "signal-line")
    for alpha, mean, low, high in own:
        if low is not None and high is not None:
            chart.line([(alpha, low), (alpha, high)], "signal-line")
        chart.dot(alpha, mean, "signal-dot", f"α = {alpha:g}: {signed(mean, 3)}")
    chart.x_axis([(alpha, f"{alpha:g}") for alpha, *_ in own], "strength α")
    return chart.svg()


def right(concept: Concept) -> str | Markup:
    """The table's cell: the share of right moves, with its interval below."""
    shown = Markup.escape(percent(concept.move_correct, 0))
    if concept.move_correct_low is None or concept.move_correct_high is None:
        return shown
    return shown + Markup("<small>{} to {}</small>").format(
        percent(concept.move_correct_low, 0), percent(concept.move_correct_high, 0)
    )


def _curve(rows: Sequence[Row], arm: str) -> list[tuple[float, float, float | None, float | None]]:
    """(α, mean, low, high) of one arm, by α."""
    points = [
        (alpha, mean, number(row, "low"), number(row, "high"))
        for row in rows
        if text(row, "arm") == arm
        and (alpha := number(row, "alpha")) is not None
        and (mean := number(row, "log_odds")) is not None
    ]
    return sorted(points, key=lambda point: point[0])


def _steering_note(rows: Sequence[Row]) -> str:
    shuffled = next((row for row in rows if text(row, "arm") == "shuffled"), None)
    excess, low, high = (
        None if shuffled is None else number(shuffled, name) for name in ("excess", "excess_low", "excess_high")
    )
    if shuffled is None or excess is None or low is None or high is None:
        return ""
    draws, better, roots = (whole(shuffled, name) or 0 for name in ("draws", "better", "roots"))
    return (
        f"Slope above the shuffled ones {signed(excess, 2)} ({signed(low, 2)} to {signed(high, 2)}), higher at {better}"
        f" of {several(roots, 'root')}; rank among {draws} of them: p = {probability(number(shuffled, 'rank_p'))}."
    ).replace("= <", "<")


def _judged_note(concept: Concept) -> str:
    if concept.move_correct is None or not concept.correctness_positions:
        return ""
    judges = " and ".join(_JUDGES.get(name, name) for name in concept.correctness_judges.split())
    control = concept.move_correct_control
    beside = "" if control is None else f"; elsewhere {percent(control, 0)}"
    return (
        f"Moves right in {percent(concept.move_correct, 0)} of {several(concept.correctness_positions, 'position')}"
        f" by {judges}{beside}."
    )
