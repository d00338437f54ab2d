"""A concept's evidence beside its controls: the table of its tests, and what they say in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from markupsafe import Markup

from conceptmine.report.chart import Chart, Scale, ticks
from conceptmine.report.data import Concept, Row, number, text, whole
from conceptmine.report.wording import NOT_KNOWN, grouped, percent, probability, several, signed

TESTS = {
    "at large": "all test positions",
    "where active": "where it is most active at the root",
    "where sure early, at later plies": "where it is sure early, judged at later plies",
    "value nearly equal, material equal": "value about equal, material equal",
    "value against": "value prefers the worse line",
    "value for and against in equal parts": "value for and against in equal parts",
    "beyond all controls": "given value, policy, material and ply",
}
"""The tests of `evidence.parquet` in the words of the page, in the order in which it shows them."""


@dataclass(frozen=True)
class Trial:
    """One test of one concept, in words; `clear` where its p is at most 0.05."""

    name: str
    roots: str
    right: str
    value: str
    above: str
    interval: str
    p: str
    clear: bool


@dataclass(frozen=True)
class Form:
    """One form of concepts, one root or families, as it came through the filters."""

    name: str
    candidates: str
    right: str
    spread: str
    smallest_p: str
    supported: str
    beyond: str
    both: str
    teachable: str
    novel: str


def trials(rows: Sequence[Row]) -> list[Trial]:
    """The tests of one concept: its rows of `evidence.parquet`."""
    order = list(TESTS)
    known = [row for row in rows if text(row, "test") in TESTS]
    return [_trial(row) for row in sorted(known, key=lambda row: order.index(text(row, "test")))]


def _trial(row: Row) -> Trial:
    p = number(row, "p")
    low, high = number(row, "effect_low"), number(row, "effect_high")
    return Trial(
        name=TESTS[text(row, "test")],
        roots=grouped(whole(row, "roots")),
        right=percent(number(row, "satisfaction")),
        value=percent(number(row, "value_head")),
        above=_points(number(row, "effect")),
        interval="" if low is None or high is None else f"{_points(low)} to {_points(high)}",
        p=probability(p),
        clear=p is not None and p <= 0.05,
    )


def account(concept: Concept) -> list[str]:
    """What the controls say of a concept, in sentences."""
    found, sentences = concept.evidence, []
    compared = [
        f"{share} {words}"
        for share, words in (
            (percent(found.random_satisfaction), "by random directions of the same weights"),
            (percent(found.shuffled_satisfaction), "by the direction mined from shuffled trees"),
        )
        if share != NOT_KNOWN
    ]
    if compared:
        sentences.append(f"For comparison: {' and '.join(compared)}.")
    if found.beyond_value_effect is not None:
        interval = ""
        if found.beyond_value_low is not None and found.beyond_value_high is not None:
            interval = (
                f" (95 % interval {_points(found.beyond_value_low)} to {_points(found.beyond_value_high)},"
                f" q = {probability(found.beyond_value_q)})".replace("= <", "<")
            )
        verdict = (
            "So it says more than “this line is better”."
            if found.beyond_value
            else "Nothing shows that it says more than these do."
        )
        sentences.append(
            "Where value, policy, material and ply favour neither line it is"
            f" {_points(found.beyond_value_effect)} points from chance{interval}. {verdict}"
        )
    elif concept.heldout_satisfaction is not None and found.effect is not None:
        sentences.append("There are too few test roots to tell it from value, policy, material and ply.")
    return sentences


def facts(concept: Concept) -> list[tuple[str, str]]:
    """How steady it is, and how much of it is not value, policy, material or ply: (name, value)."""
    found = concept.evidence
    lines = [
        ("Halves of the games", _both(found.half_first, found.half_second)),
        ("Early and late plies", _correlation(found.ply_agreement)),
        ("Mined from half the rows", _correlation(found.half_cosine, "cosine")),
        ("Vector outside read-outs", percent(found.outside_readouts)),
        ("Order outside controls", percent(found.score_outside_controls)),
    ]
    return [(name, value) for name, value in lines if value not in ("", NOT_KNOWN)]


def ladder(concept: Concept) -> Markup | None:
    """The concept and its controls on one scale of held-out satisfaction, the concept with its interval."""
    found = concept.evidence
    own, chance = concept.heldout_satisfaction, concept.heldout_null
    if own is None or found.effect is None:
        return None
    rows = [
        (name, value)
        for name, value in (
            ("value head", concept.value_baseline),
            ("policy", found.policy_baseline),
            ("material", found.material_baseline),
            ("random directions", found.random_satisfaction),
            ("shuffled trees", found.shuffled_satisfaction),
        )
        if value is not None
    ]
    base = own - found.effect
    ends = [base + end for end in (found.effect_low, found.effect_high) if end is not None]
    marks = [own, *ends, *(value for _, value in rows), *([chance] if chance is not None else [])]
    chart = Chart(
        f"This concept {percent(own)}; " + "; ".join(f"{name} {percent(value)}" for name, value in rows),
        Scale.around(marks, least=0.2, inside=(0, 1)),
        Scale(0, 1),
        height=54 + 24 * (len(rows) + 1),
        left=124,
        right=52,
        top=8,
    )
    for index, (name, value) in enumerate([("this concept", own), *rows]):
        y = 20 + 24 * index
        colour = "other" if index else "signal"
        chart.parts.append(f'<path class="grid" d="M{chart.left} {y}H{chart.width - chart.right}"/>')
        chart.words(chart.left - 8, y + 4, name, "tick", "end")
        chart.words(chart.width - 2, y + 4, percent(value), "tick", "end")
        if not index and len(ends) == 2:
            left, right = (chart.px(end) for end in ends)
            chart.parts.append(f'<path class="signal-mean" d="M{left:.1f} {y}H{right:.1f}"/>')
        chart.dot_at(chart.px(value), y, f"{colour}-dot", f"{name}: {percent(value)}", 4)
    if chance is not None:
        chart.upright(chance, "null-line")
    chart.x_axis([(value, percent(value, 0)) for value, _ in ticks(chart.x)], "unseen line pairs ordered correctly")
    return chart.svg()


def forms(concepts: Sequence[Concept]) -> list[Form]:
    """One-root concepts and families side by side; empty where there are none of one of them."""
    alone = [concept for concept in concepts if len(concept.root_position_ids) == 1]
    families = [concept for concept in concepts if len(concept.root_position_ids) > 1]
    if not alone or not families:
        return []
    return [_form("one root", alone), _form("families of roots", families)]


def _form(name: str, concepts: Sequence[Concept]) -> Form:
    right = [concept.heldout_satisfaction for concept in concepts if concept.heldout_satisfaction is not None]
    effects = sorted(c.evidence.effect for c in concepts if c.evidence.effect is not None)
    p = [concept.null_p for concept in concepts if concept.null_p is not None]
    tried = [concept for concept in concepts if concept.evidence.beyond_value is not None]
    supported = [concept for concept in concepts if concept.supported]
    taught = [concept for concept in concepts if concept.teachable is not None]
    return Form(
        name=name,
        candidates=grouped(len(concepts)),
        right=percent(median(right)) if right else NOT_KNOWN,
        spread=f"{_points(effects[0])} to {_points(effects[-1])}" if effects else NOT_KNOWN,
        smallest_p=probability(min(p)) if p else NOT_KNOWN,
        supported=grouped(len(supported)),
        beyond=f"{grouped(sum(bool(c.evidence.beyond_value) for c in tried))} of {grouped(len(tried))}",
        both=grouped(sum(bool(concept.evidence.beyond_value) for concept in supported)),
        teachable=f"{grouped(sum(bool(c.teachable) for c in taught))} of {grouped(len(taught))}",
        novel=grouped(sum(bool(concept.novel) for concept in concepts)),
    )


def shared(rows: Sequence[Row]) -> list[tuple[str, str, str, str, str]]:
    """What the two sides share, from `leakage.parquet`: (kind, mine, test, on both, roots set aside)."""
    return [
        (
            text(row, "kind"),
            grouped(whole(row, "mine")),
            grouped(whole(row, "test")),
            grouped(whole(row, "shared")),
            several(whole(row, "set_aside") or 0, "root"),
        )
        for row in rows
    ]


def is_readout(row: Row) -> bool:
    """Whether a row of `controls.parquet` is a direction of a layer."""
    return "read-out" in text(row, "name")


def readouts(controls: Sequence[Row]) -> list[tuple[str, str, str, str]]:
    """The read-out directions as yardsticks: (layer, name, satisfaction, p)."""
    return [
        (
            text(row, "layer"),
            text(row, "name"),
            percent(number(row, "heldout_satisfaction")),
            probability(number(row, "p")),
        )
        for row in controls
        if is_readout(row)
    ]


def _points(effect: float | None) -> str:
    """An effect in percentage points, with its sign."""
    return NOT_KNOWN if effect is None else signed(100 * effect, 1)


def _both(first: float | None, second: float | None) -> str:
    return "" if first is None or second is None else f"{_points(first)} and {_points(second)}"


def _correlation(value: float | None, name: str = "ρ") -> str:
    return "" if value is None else f"{name} {signed(value, 2)}"
