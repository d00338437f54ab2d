"""Measuring things against each other: they take turns within a round, and ratios are taken round by round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

Clock = Callable[[], float]


@dataclass(frozen=True)
class Case:
    """Something to measure.

    ``subject`` is what is done and ``by`` what does it; ``work`` does it once and returns how many; ``clock`` gives CPU
    seconds; ``prepare`` is called before each repetition, outside the time.
    """

    subject: str
    by: str
    work: Callable[[], int]
    clock: Clock = time.process_time
    prepare: Callable[[], object] | None = None


@dataclass(frozen=True)
class Measurement:
    """A number of one round, per CPU second and per second that passed (or, where they are times, those seconds)."""

    subject: str
    by: str
    round: int
    cpu: float
    wall: float


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Spread:
        """Of at least one number."""
        return cls(statistics.median(numbers), min(numbers), max(numbers))


MeasureRound = Callable[[int], list[Measurement]]


@dataclass
class Section:
    """One table: how it is measured, what was, and how to show it.

    ``against`` is the ``by`` that ratios are taken to, or None; ``clock`` says which of the two numbers counts, "cpu"
    or "wall"; ``styles`` says by ``by`` whether a number is a "rate" (also where it says nothing), a "share" or
    "seconds"; ``notes`` are sentences to print below.
    """

    name: str
    title: str
    measure_round: MeasureRound
    against: str | None = None
    clock: str = "cpu"
    styles: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)

    @property
    def subjects(self) -> list[str]:
        """In the order of measuring."""
        return list(dict.fromkeys(one.subject for one in self.measurements))

    @property
    def means(self) -> list[str]:
        """All that was measured, in the order of measuring; what ratios are taken to comes first."""
        names = list(dict.fromkeys(one.by for one in self.measurements))
        return sorted(names, key=lambda name: name != self.against)

    def numbers(self, subject: str, by: str, clock: str | None = None) -> dict[int, float]:
        """Round to number; empty where this was not measured."""
        return {
            one.round: getattr(one, clock or self.clock)
            for one in self.measurements
            if one.subject == subject and one.by == by
        }

    def spread(self, subject: str, by: str, clock: str | None = None) -> Spread | None:
        """Of the rounds, None where this was not measured."""
        numbers = self.numbers(subject, by, clock)
        return Spread.of(list(numbers.values())) if numbers else None

    def ratio(self, subject: str, by: str, against: str | None = None) -> Spread | None:
        """The number of ``against`` (default: the section's) divided by that of ``by``, taken round by round."""
        reference = self.numbers(subject, against or self.against or "")
        numbers = self.numbers(subject, by)
        ratios = [reference[number] / numbers[number] for number in sorted(reference.keys() & numbers.keys())]
        return Spread.of(ratios) if ratios else None


def record_of(sections: Sequence[Section]) -> dict[str, object]:
    """Titles and every measurement of the sections by name, for a JSON file."""
    return {
        section.name: {"title": section.title, "measurements": [asdict(one) for one in section.measurements]}
        for section in sections
    }


def measure(case: Case, round_number: int, seconds: float) -> Measurement:
    """Repeat the work of a case, at least once, until it has had ``seconds`` of CPU or taken four times as long."""
    done, used, passed = 0, 0.0, 0.0
    while True:
        if case.prepare is not None:
            case.prepare()
        cpu, wall = case.clock(), time.perf_counter()
        done += case.work()
        used, passed = used + case.clock() - cpu, passed + time.perf_counter() - wall
        if used >= seconds or passed >= 4 * seconds:
            return Measurement(case.subject, case.by, round_number, done / max(used, 1e-9), done / passed)


def taking_turns(cases: Sequence[Case], seconds: float) -> MeasureRound:
    """Measures each case once a round, every other round backwards, so that none always follows the same one."""

    def measure_round(number: int) -> list[Measurement]:
        order = cases if number % 2 == 0 else list(reversed(cases))
        measured = {id(case): measure(case, number, seconds) for case in order}
        return [measured[id(case)] for case in cases]

    return measure_round
