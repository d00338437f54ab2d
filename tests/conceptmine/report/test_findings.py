"""The sentences: each outcome of a run gets its own, and none claims more than was tested."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from conceptmine.report import findings
from conceptmine.report.data import Manifest, RunData, Stage, read_run

ALL = findings.Counts(
    candidates=412, supported=15, teachable=3, novel=2, taught=24, taught_supported=15, novelty_tested=24
)


def manifest(**arguments: object) -> Manifest:
    return Manifest(arguments, None, {}, (), (), dict.fromkeys(("candidates", "supported", "teachable", "novel")))


@pytest.mark.parametrize(
    ("counts", "result", "meaning"),
    [
        (ALL, "2 of 412 candidates survived every filter.", "These 2 (0.5\u202f%) order good and bad lines"),
        (replace(ALL, novel=1), "1 of 412 candidates survived every filter.", "This one (0.2\u202f%) orders good"),
        (replace(ALL, novel=0), "0 of 412 candidates survived every filter.", "None passed the novelty test."),
        (
            replace(ALL, novel=0, novelty_tested=0),
            "3 of 412 candidates passed the filters that",
            "Novelty was not tested",
        ),
        (replace(ALL, teachable=0, novel=0), "0 of 412 candidates survived every filter.", "none was shown to help it"),
        (
            replace(ALL, teachable=0, novel=0, taught=0, taught_supported=0, novelty_tested=0),
            "15 of 412 candidates passed the one filter that was run.",
            "Teachability and novelty were not tested",
        ),
        (
            replace(ALL, supported=0, teachable=0, novel=0, taught=0, taught_supported=0, novelty_tested=0),
            "0 of 412 candidates survived every filter.",
            "None was shown to order good and bad lines in unseen games better than chance",
        ),
        (findings.Counts(0, 0, 0, 0, 0, 0, 0), "This run produced no candidate concepts.", "there was nothing to test"),
    ],
)
def test_headline(counts: findings.Counts, result: str, meaning: str) -> None:
    headline = findings.headline(counts, null_run=False)
    assert headline.result.startswith(result)
    assert meaning in " ".join(headline.meaning)


def test_a_survivor_is_called_a_lead_and_not_a_discovery() -> None:
    assert "not yet discoveries" in " ".join(findings.headline(ALL, null_run=False).meaning)


def test_survivors_of_a_null_run_are_called_false_alarms() -> None:
    assert "every one that survived is a false alarm" in findings.headline(ALL, null_run=True).meaning[0]
    none_left = findings.headline(replace(ALL, novel=0), null_run=True)
    assert "15 candidates got past the first filter by luck, and none past the last" in none_left.meaning[0]


def test_expected_false_discoveries_are_stated() -> None:
    counts = replace(ALL, supported=100, teachable=0, novel=0)
    meaning = findings.headline(counts, null_run=False).meaning
    assert "on average up to 5\u202f% of such a list may be luck" in meaning[0]


def test_funnel_says_what_was_never_taught() -> None:
    steps = findings.funnel(replace(ALL, taught_supported=10))
    assert [step.count for step in steps] == [412, 15, 3, 2]
    assert steps[2].removed.endswith("; 5 never taught")
    assert steps[3].paper == pytest.approx(0.024 * 0.729)


def test_funnel_does_not_count_filters_that_were_not_run() -> None:
    steps = findings.funnel(replace(ALL, teachable=0, novel=0, taught=0, taught_supported=0, novelty_tested=0))
    assert [step.count for step in steps] == [412, 15, None, None]
    assert steps[3].removed == "not tested"


def test_funnel_of_nothing() -> None:
    assert [step.share for step in findings.funnel(findings.Counts(0, 0, 0, 0, 0, 0, 0))] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("agent", "shipped"),
    [
        ("conceptmine-small", True),
        (None, True),
        ("", True),
        ("maia-1900.pb.gz", False),
        ("nets/x.pb", False),
        ("./x", False),
    ],
)
def test_the_shipped_agent_is_a_name_and_not_a_path(agent: str | None, shipped: bool) -> None:
    assert findings.is_shipped_agent(manifest(agent=agent)) is shipped


def test_without_any_argument_nothing_is_said_of_the_agent() -> None:
    assert not findings.is_shipped_agent(manifest())


@pytest.mark.parametrize(
    ("value", "null"), [(True, True), ("flip", True), (False, False), (None, False), ("none", False)]
)
def test_null_run(value: object, null: bool) -> None:
    assert findings.is_null_run(manifest(null=value)) is null


def test_counts_come_from_the_manifest_of_a_finished_run(full_run: Path) -> None:
    run = read_run(full_run, detailed=1)
    finished = replace(run.manifest, counts={"candidates": 9, "supported": 8, "teachable": None, "novel": 0})
    counts = findings.count(replace(run, manifest=finished))
    assert (counts.candidates, counts.supported, counts.teachable, counts.novel) == (9, 8, 6, 0)


def test_counts_are_cumulative_where_the_table_must_give_them(full_run: Path) -> None:
    run = read_run(full_run, detailed=1)
    # A verdict of a later filter does not count where an earlier one said no.
    first = replace(run.concepts[0], supported=False)
    pending = replace(run.manifest, stages=(Stage("ranking", "pending", {}, None),))
    counts = findings.count(replace(run, manifest=pending, concepts=(first, *run.concepts[1:])))
    assert (counts.supported, counts.teachable, counts.novel) == (14, 5, 1)


def with_roots(run: RunData, roots: int) -> RunData:
    return replace(run, concepts=tuple(replace(concept, heldout_roots=roots) for concept in run.concepts))


def test_reach_says_when_no_concept_could_have_passed(full_run: Path) -> None:
    run = read_run(full_run, detailed=1)
    few = findings.reach(with_roots(run, 8), ALL)
    assert few is not None and "no single concept could have passed" in few
    many = findings.reach(with_roots(run, 400), ALL)
    assert many is not None and "about 6" in many and "Weaker ones can be missed" in many
    assert findings.reach(replace(run, concepts=()), ALL) is None


def test_reach_heeds_the_number_of_flips(full_run: Path) -> None:
    run = with_roots(read_run(full_run, detailed=1), 400)
    coarse = replace(run, manifest=replace(run.manifest, arguments={"flips": 999}))
    words = findings.reach(coarse, ALL)
    assert words is not None and "no single concept could have passed" in words


def test_account_of_a_concept_below_the_value_head(full_run: Path) -> None:
    concept = replace(read_run(full_run, detailed=1).concepts[0], heldout_satisfaction=0.6, value_baseline=0.55)
    assert "which is less" in " ".join(findings.account(concept))
    equal = replace(concept, value_baseline=0.6)
    assert "no more than “this line is better”" in " ".join(findings.account(equal))


def test_the_judge_of_human_play_is_called_a_network(full_run: Path) -> None:
    words = " ".join(findings.account(replace(read_run(full_run, detailed=1).concepts[0], human_likelihood=0.12)))
    assert "A small network that imitates people gives the agent's move 12\u202f% (mean over the prototypes)." in words
    assert "People are" not in words


def test_account_of_a_loss_is_not_told_as_a_gain(full_run: Path) -> None:
    concept = replace(
        read_run(full_run, detailed=1).concepts[0], teach_gain=-0.03, teach_ci_low=-0.06, teach_ci_high=0.001
    )
    assert "3.0 points less often" in " ".join(findings.account(concept))
    assert "(95 % interval −6.0 to +0.1)" in " ".join(findings.account(concept))
