"""The ranking: filters before scores, scores by their stated formula, and every concept exactly once."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptmine.ranking import Filters, concept_score, filters_passed, rank_concepts

BLANK: dict[str, Any] = {
    "concept_id": "c00001",
    "null_p": None,
    "q_value": None,
    "heldout_satisfaction": None,
    "heldout_null_high": None,
    "teach_ci_low": None,
    "novelty_min": None,
    "novelty_null_p": None,
    "human_likelihood": None,
}


def row(**values: Any) -> dict[str, Any]:
    return BLANK | values


def verdicts(concept: dict[str, Any]) -> Filters:
    return filters_passed(concept, support_level=0.05)


def ranks(*rows: dict[str, Any]) -> list[int]:
    return rank_concepts(rows, [verdicts(concept) for concept in rows])


def test_what_was_not_measured_has_no_verdict_and_adds_nothing() -> None:
    assert verdicts(row()) == Filters(None, None, None)
    assert verdicts(row()).passed == 0
    assert concept_score(row()) == 0
    assert verdicts(row(novelty_min=0.2)).novel is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"q_value": 0.05}, Filters(True, None, None)),
        ({"q_value": 0.0501}, Filters(False, None, None)),
        ({"teach_ci_low": 0.001}, Filters(None, True, None)),
        ({"teach_ci_low": 0.0}, Filters(None, False, None)),
        ({"novelty_min": 0.1, "novelty_null_p": 0.05}, Filters(None, None, True)),
        ({"novelty_min": 0.1, "novelty_null_p": 0.06}, Filters(None, None, False)),
        ({"novelty_min": 0.0, "novelty_null_p": 0.01}, Filters(None, None, False)),
    ],
)
def test_verdicts_at_their_thresholds(values: dict[str, float], expected: Filters) -> None:
    assert verdicts(row(**values)) == expected


def test_a_filter_counts_only_behind_those_before_it() -> None:
    for supported, teachable, novel in itertools.product((True, False, None), repeat=3):
        expected = 0 if not supported else 1 if not teachable else 2 if not novel else 3
        assert Filters(supported, teachable, novel).passed == expected


def test_the_score_is_the_sum_of_its_four_parts() -> None:
    parts = {
        "satisfaction": ({"heldout_satisfaction": 0.8, "heldout_null_high": 0.45}, 0.7),
        "teaching": ({"teach_ci_low": 0.12}, 0.12),
        "novelty": ({"novelty_min": 0.3}, 0.3),
        "likelihood": ({"human_likelihood": 0.2}, 0.2),
    }
    for values, expected in parts.values():
        assert concept_score(row(**values)) == pytest.approx(expected)
    together = {name: value for values, _ in parts.values() for name, value in values.items()}
    assert concept_score(row(**together)) == pytest.approx(sum(expected for _, expected in parts.values()))


def test_a_single_root_that_comes_out_right_is_no_evidence() -> None:
    lucky = row(heldout_satisfaction=1.0, heldout_null_high=1.0)
    solid = row(heldout_satisfaction=0.66, heldout_null_high=0.6)
    assert concept_score(lucky) == 0 < concept_score(solid)


def test_no_part_of_the_score_is_negative() -> None:
    low = row(
        heldout_satisfaction=0.1, heldout_null_high=0.5, teach_ci_low=-0.4, novelty_min=-0.6, human_likelihood=1.0
    )
    assert concept_score(low) == 0


def test_a_filter_passed_outweighs_any_score() -> None:
    supported = row(concept_id="a", q_value=0.01, heldout_satisfaction=0.5, heldout_null_high=0.5)
    strong = row(
        concept_id="b",
        q_value=0.2,
        heldout_satisfaction=1.0,
        heldout_null_high=0.5,
        teach_ci_low=1.0,
        novelty_min=1.0,
        novelty_null_p=0.01,
        human_likelihood=0.0,
    )
    assert ranks(strong, supported) == [2, 1]


def test_equal_filters_are_ordered_by_score_then_p_then_name() -> None:
    by_score = ranks(row(concept_id="a", teach_ci_low=0.1), row(concept_id="b", teach_ci_low=0.2))
    assert by_score == [2, 1]
    by_p = ranks(row(concept_id="a"), row(concept_id="b", null_p=0.5), row(concept_id="c", null_p=0.1))
    assert by_p == [3, 2, 1]
    assert ranks(row(concept_id="b"), row(concept_id="a")) == [2, 1]


def test_no_concepts_have_no_ranks() -> None:
    assert ranks() == []


share = st.floats(0, 1)
signed = st.floats(-1, 1)
measured_rows = st.fixed_dictionaries(
    {
        "null_p": st.none() | share,
        "q_value": st.none() | share,
        "heldout_satisfaction": st.none() | share,
        "heldout_null_high": st.none() | share,
        "teach_ci_low": st.none() | signed,
        "novelty_min": st.none() | signed,
        "novelty_null_p": st.none() | share,
        "human_likelihood": st.none() | share,
    }
)


@given(st.lists(measured_rows, max_size=12), st.randoms(use_true_random=False))
def test_ranks_are_a_permutation_that_does_not_depend_on_the_order_of_rows(measured: list[Any], rng: Any) -> None:
    rows = [row(concept_id=f"c{number:05d}", **values) for number, values in enumerate(measured)]
    found = dict(zip((concept["concept_id"] for concept in rows), ranks(*rows), strict=True))
    assert sorted(found.values()) == list(range(1, len(rows) + 1))
    shuffled = rng.sample(rows, len(rows))
    assert dict(zip((concept["concept_id"] for concept in shuffled), ranks(*shuffled), strict=True)) == found


@given(measured_rows, measured_rows)
def test_who_passes_more_filters_or_as_many_with_a_higher_score_stands_first(first: Any, second: Any) -> None:
    a, b = row(concept_id="a", **first), row(concept_id="b", **second)
    place_a, place_b = ranks(a, b)
    key_a, key_b = ((verdicts(concept).passed, concept_score(concept)) for concept in (a, b))
    if key_a != key_b:
        assert (place_a < place_b) == (key_a > key_b)


@given(measured_rows)
def test_scores_keep_to_their_range(values: Any) -> None:
    # A satisfaction and its null that belong together differ by a half at most.
    if values["heldout_satisfaction"] is not None and values["heldout_null_high"] is not None:
        values |= {"heldout_null_high": max(values["heldout_null_high"], values["heldout_satisfaction"] - 0.5)}
    assert 0 <= concept_score(row(**values)) <= 3.25
