"""What a run found, told in plain sentences: the headline, the warnings and the funnel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import PurePath
from statistics import median

import numpy as np

from conceptmine.evidence import detectable_satisfaction
from conceptmine.report import proof
from conceptmine.report.data import Concept, Manifest, RunData
from conceptmine.report.wording import grouped, listed, percent, several

PAPER_REMOVED_BY_TEACHING = 0.976
PAPER_REMOVED_BY_NOVELTY = 0.271
"""Shares removed by the two filters of Schut et al. (2023), each of what reached it."""

FALSE_DISCOVERY_RATE = 0.05


@dataclass(frozen=True)
class Counts:
    """Candidates left after each filter (cumulative), and how many the two dear filters looked at."""

    candidates: int
    supported: int
    teachable: int
    novel: int
    taught: int
    taught_supported: int
    novelty_tested: int


@dataclass(frozen=True)
class Headline:
    """The result in one sentence, and what it means in a few more."""

    result: str
    meaning: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """One bar of the funnel; shares are of all candidates, `paper` is None where the paper has no such filter."""

    name: str
    question: str
    count: int | None
    share: float
    removed: str
    paper: float | None
    paper_note: str


def count(run: RunData) -> Counts:
    """The counts of the manifest, or of the concept table where the manifest has none."""
    concepts, given = run.concepts, run.manifest.counts
    supported = [concept for concept in concepts if concept.supported]
    teachable = [c for c in supported if c.teachable and (c.teach_ci_low is None or c.teach_ci_low > 0)]
    novel = [concept for concept in teachable if concept.novel]
    counted = {
        "candidates": len(concepts),
        "supported": len(supported),
        "teachable": len(teachable),
        "novel": len(novel),
    }
    # Until its last stage is done a manifest holds zeros for the counts that are still to come.
    finished = all(_finished(stage.state) for stage in run.manifest.stages)
    best = {name: counted[name] if given[name] is None or not finished else given[name] for name in counted}
    return Counts(
        candidates=best["candidates"] or 0,
        supported=best["supported"] or 0,
        teachable=best["teachable"] or 0,
        novel=best["novel"] or 0,
        # What passed was tested, even where the table that would say so is gone.
        taught=max(sum(concept.teachable is not None for concept in concepts), best["teachable"] or 0),
        taught_supported=max(sum(concept.teachable is not None for concept in supported), best["teachable"] or 0),
        novelty_tested=max(sum(concept.novel is not None for concept in concepts), best["novel"] or 0),
    )


def headline(counts: Counts, *, null_run: bool) -> Headline:
    """The honest result: what survived, and what follows from it."""
    n = counts.candidates
    if n == 0:
        return Headline(
            "This run produced no candidate concepts.",
            (
                "No position gave a best line and a clearly worse line that one direction could tell apart, so there "
                "was nothing to test. The table of stages below shows where the material ran out.",
            ),
        )
    of = f"of {several(n, 'candidate')}"
    survived = f"{grouped(counts.novel)} {of} survived every filter."
    if null_run:
        return Headline(survived, (_false_alarms(counts),))
    if counts.supported == 0:
        return Headline(
            survived,
            (
                "None was shown to order good and bad lines in unseen games better than chance would.",
                "Every one fits the positions it was mined from, as any direction in so large a layer can be made to; "
                "that is why the test on unseen games comes first.",
            ),
        )
    held = f"{_hold(counts.supported)} in games never used for mining"
    caution = f"on average up to {percent(FALSE_DISCOVERY_RATE, 0)} of such a list may be luck"
    if counts.taught == 0:
        return Headline(
            f"{grouped(counts.supported)} {of} passed the one filter that was run.",
            (
                f"{held}; {caution}.",
                "Teachability and novelty were not tested, so none of them can be called a new concept.",
            ),
        )
    if counts.teachable == 0:
        taught = several(counts.taught_supported, "of these was", "of these were")
        return Headline(
            survived,
            (
                f"{held}; {caution}. {taught} taught to a weaker student, and none was shown to help it on unseen "
                "positions more than random positions did.",
                "So directions held up in unseen games, but none was shown to be teachable; small gains can be missed.",
            ),
        )
    if counts.novelty_tested == 0:
        return Headline(
            f"{grouped(counts.teachable)} {of} passed the filters that were run.",
            (
                f"{held}, and {grouped(counts.teachable)} of these passed the teaching test.",
                "Novelty was not tested, so nothing here is shown to be better explained by the machine's games than "
                "by the human ones.",
            ),
        )
    if counts.novel == 0:
        return Headline(
            survived,
            (
                f"{held}, and {grouped(counts.teachable)} of these passed the teaching test. None passed the novelty "
                "test.",
                "So what was found held up, but nothing shows that people do not already have it.",
            ),
        )
    share = percent(counts.novel / n)
    return Headline(
        survived,
        (
            f"{_these(counts.novel)} ({share}) {_verb(counts.novel, 'orders', 'order')} good and bad lines in unseen "
            f"games better than chance, {_verb(counts.novel, 'teaches', 'teach')} a weaker student something that "
            f"random positions do not, and {_verb(counts.novel, 'is', 'are')} explained better by the machine's games "
            "than by human ones.",
            "That makes them leads for a strong player's eye, not yet discoveries: nothing here shows that the idea is "
            "sound chess, or that a person can learn it.",
        ),
    )


def warnings(manifest: Manifest) -> list[tuple[str, str]]:
    """Banners to stand above everything else: (title, text)."""
    found = []
    if is_null_run(manifest):
        found.append(
            (
                "This is a null run.",
                "The good and bad sides of the lines were swapped at random before mining, so there is nothing to "
                "find. Whatever survives below is a false alarm, and its number says how often the filters are fooled.",
            )
        )
    open_stages = [f"{stage.name} ({stage.state})" for stage in manifest.stages if not _finished(stage.state)]
    if open_stages:
        found.append(
            (
                "This run is not finished.",
                f"Not done: {listed(open_stages)}. The page shows what there is so far; conceptmine resume goes on.",
            )
        )
    return found


def is_null_run(manifest: Manifest) -> bool:
    """Whether the run was made on labels without meaning."""
    value = manifest.arguments.get("null")
    return bool(value) and str(value).lower() not in {"false", "none", "no", "0"}


def is_shipped_agent(manifest: Manifest) -> bool:
    """Whether the agent is the small network that comes with conceptmine: no agent named, or a name and not a path."""
    agent = manifest.arguments.get("agent")
    if agent is None or agent == "":
        return bool(manifest.arguments)
    path = PurePath(str(agent))
    return path.name == str(agent) and not path.suffix


def has_sampled_humans(manifest: Manifest) -> bool:
    """Whether the human games were sampled from a network that imitates people: no file of games was named."""
    return bool(manifest.arguments) and not manifest.arguments.get("human")


def reach(run: RunData, counts: Counts) -> str | None:
    """What the run could have found at best: the satisfaction at which a lone real concept would have been noticed."""
    roots = [concept.heldout_roots for concept in run.concepts if concept.heldout_roots]
    if not roots or counts.candidates == 0:
        return None
    held = round(median(roots))
    flips = run.manifest.arguments.get("flips")
    more = {"flips": flips} if isinstance(flips, int) and flips > 0 else {}
    # Rows of one root are alike; to count a root as one row is the careful side.
    needed = detectable_satisfaction(np.ones(held, dtype=np.int64), tests=counts.candidates, **more)
    tested = f"With {several(held, 'held-out root')} and {several(counts.candidates, 'candidate')}"
    if math.isnan(needed):
        return (
            f"{tested}, no single concept could have passed the first filter, however good: so few roots cannot give "
            "so small a p-value. More games or fewer candidates are needed before an empty result means anything."
        )
    return (
        f"{tested}, a lone real concept would have been noticed (four times in five) if it ordered about "
        f"{percent(needed, 0)} of line pairs correctly, counting each root as one observation. Weaker ones "
        "can be missed."
    )


def funnel(counts: Counts) -> list[Step]:
    """The four bars: candidates, supported, teachable, novel."""
    n = max(counts.candidates, 1)
    untaught = counts.supported - counts.taught_supported
    left_by_teaching = 1 - PAPER_REMOVED_BY_TEACHING
    left_by_novelty = left_by_teaching * (1 - PAPER_REMOVED_BY_NOVELTY)
    # A filter that looked at nothing says nothing, unless the one before left nothing to look at.
    taught = counts.taught > 0 or counts.supported == 0
    tested = counts.novelty_tested > 0 or (taught and counts.teachable == 0)
    return [
        Step(
            "Candidates",
            "mined: one direction each",
            counts.candidates,
            min(counts.candidates, 1),
            "",
            1.0,
            "number not published",
        ),
        Step(
            "Supported",
            "holds in unseen games?",
            counts.supported,
            counts.supported / n,
            _removed(counts.candidates, counts.supported),
            None,
            "no such filter",
        ),
        Step(
            "Teachable",
            "helps a weaker student?",
            counts.teachable if taught else None,
            counts.teachable / n,
            (_removed(counts.supported, counts.teachable) if taught else "not tested")
            + (f"; {grouped(untaught)} never taught" if taught and untaught > 0 else ""),
            left_by_teaching,
            f"{percent(PAPER_REMOVED_BY_TEACHING)} removed",
        ),
        Step(
            "Novel",
            "better explained by the machine's games?",
            counts.novel if tested else None,
            counts.novel / n,
            _removed(counts.teachable, counts.novel) if tested else "not tested",
            left_by_novelty,
            f"{percent(PAPER_REMOVED_BY_NOVELTY)} of these removed",
        ),
    ]


def account(concept: Concept) -> list[str]:
    """One concept's verdicts in sentences."""
    sentences = []
    if concept.heldout_satisfaction is not None:
        roots = "" if concept.heldout_roots is None else f" (mean over {several(concept.heldout_roots, 'root')})"
        against = (
            "" if concept.heldout_null is None else f", against {percent(concept.heldout_null)} with the sides swapped"
        )
        share = percent(concept.heldout_satisfaction)
        sentences.append(f"In unseen games it orders {share} of line pairs correctly{roots}{against}.")
        if concept.value_baseline is not None:
            sentences.append(_against_value(concept.heldout_satisfaction, concept.value_baseline))
    sentences += proof.account(concept)
    if concept.teach_gain is not None:
        points = f"{100 * abs(concept.teach_gain):.1f}"
        direction = "more" if concept.teach_gain >= 0 else "less"
        interval = ""
        if concept.teach_ci_low is not None and concept.teach_ci_high is not None:
            ends = (f"{100 * end:+.1f}".replace("-", "−") for end in (concept.teach_ci_low, concept.teach_ci_high))
            interval = " (95 % interval {} to {})".format(*ends)
        sentences.append(
            f"A student taught on its positions agrees with the agent {points} points {direction} often than one "
            f"taught on random positions{interval}."
        )
    if concept.human_likelihood is not None:
        sentences.append(
            "A small network that imitates people gives the agent's move "
            f"{percent(concept.human_likelihood, 0)} (mean over the prototypes)."
        )
    return sentences


def _against_value(satisfaction: float, baseline: float) -> str:
    if satisfaction > baseline:
        return f"The network's own evaluation orders {percent(baseline)} of the same pairs, which is less."
    return (
        f"The network's own evaluation orders {percent(baseline)} of the same pairs, so much of this may be no more "
        "than “this line is better”."
    )


def _false_alarms(counts: Counts) -> str:
    passed = several(counts.supported, "candidate")
    if counts.supported == 0:
        return "As it should be: there was nothing to find, and the first filter let nothing pass."
    if counts.novel == 0:
        return f"There was nothing to find. {passed} got past the first filter by luck, and none past the last."
    return (
        f"There was nothing to find, so every one that survived is a false alarm. {passed} got past the first filter, "
        f"{grouped(counts.novel)} past the last."
    )


def _removed(before: int, after: int) -> str:
    if before <= 0:
        return "nothing left to test"
    return f"{percent((before - after) / before)} removed" if after <= before else ""


def _finished(state: str) -> bool:
    return state.lower() in {"done", "skipped", "complete", "completed", "finished", ""}


def _hold(number: int) -> str:
    return f"{grouped(number)} {_verb(number, 'holds', 'hold')}"


def _these(number: int) -> str:
    return "This one" if number == 1 else f"These {grouped(number)}"


def _verb(number: int, one: str, many: str) -> str:
    return one if number == 1 else many
