"""A concept beside its controls: what the page says follows from the columns, and says nothing that they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conceptmine.report import proof
from conceptmine.report.data import Concept, RunData, read_run


@pytest.fixture(scope="module")
def run(full_run: Path) -> RunData:
    return read_run(full_run, detailed=12)


def changed(concept: Concept, **values: Any) -> Concept:
    return replace(concept, evidence=replace(concept.evidence, **values))


def test_tests_stand_in_a_fixed_order_with_unknown_ones_left_out(run: RunData) -> None:
    rows = run.tests[run.concepts[0].concept_id]
    shown = proof.trials([*reversed(rows), {"test": "of another version", "p": 0.1}])
    assert [trial.name for trial in shown] == list(proof.TESTS.values())
    assert shown[-1].right == shown[-1].value == "–" and shown[0].value == "67.0\u202f%"
    assert all(trial.clear == (trial.p == "0.0030") for trial in shown)


def test_a_concept_that_adds_something_is_said_to_and_another_is_not(run: RunData) -> None:
    adds, does_not = (
        " ".join(proof.account(changed(run.concepts[0], beyond_value=verdict))) for verdict in (True, False)
    )
    assert "more than “this line is better”" in adds and "Nothing shows" not in adds
    assert "Nothing shows that it says more" in does_not
    assert "+8.1 points from chance (95 % interval +3.1 to +13.1, q = 0.0040)" in adds
    assert "50.3\u202f% by random directions" in adds and "52.1\u202f% by the direction mined from shuffled" in adds


def test_what_was_not_tested_is_told_as_such(run: RunData) -> None:
    untested = changed(run.concepts[0], beyond_value=None, beyond_value_effect=None, random_satisfaction=None)
    assert "too few test roots" in " ".join(proof.account(untested))
    assert "random" not in " ".join(proof.account(untested))
    nothing = changed(run.concepts[0], **dict.fromkeys(vars(run.concepts[0].evidence)))
    assert proof.account(nothing) == [] and proof.facts(nothing) == [] and proof.ladder(nothing) is None


def test_the_ladder_shows_each_control_and_its_label_says_the_numbers(run: RunData) -> None:
    drawn = proof.ladder(run.concepts[0])
    assert drawn is not None
    for name in ("this concept", "value head", "policy", "material", "random directions", "shuffled trees"):
        assert name in drawn


def test_forms_count_each_concept_once(run: RunData) -> None:
    one, many = proof.forms(run.concepts)
    alone = [concept for concept in run.concepts if len(concept.root_position_ids) == 1]
    assert one.candidates == str(len(alone))
    assert int(one.candidates) + int(many.candidates) == len(run.concepts)
    assert int(one.supported) == sum(bool(concept.supported) for concept in alone)
    assert int(one.both) + int(many.both) == 3
    assert proof.forms(alone) == []
