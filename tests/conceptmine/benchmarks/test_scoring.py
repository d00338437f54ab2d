"""The scorer gives a cheat everything, a blind method nothing, and a mixture only one of its parts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from conceptmine.benchmarks.planting import PlantedRows, planted_rows
from conceptmine.benchmarks.scoring import RESPONSE_BAR, responses, score_candidates
from conceptmine.benchmarks.siblings import Siblings

Rows = Callable[..., Siblings]


@pytest.fixture
def planted(siblings: Rows) -> PlantedRows:
    return planted_rows(siblings(400), 400, strength=5.0, seed=1)


def test_a_method_that_is_told_the_directions_finds_them_all(planted: PlantedRows) -> None:
    score = score_candidates(planted, planted.vectors)
    assert (score.discoveries, score.true, score.useless) == (4, 4, 0)
    assert score.recall == score.precision == 1.0
    for found in score.found:
        assert found.cosine == pytest.approx(1.0)
        assert found.response == pytest.approx(1.0)
        assert found.satisfaction > 0.98
        assert np.isnan(found.support_recall) == (found.kind in ("dense", "natural"))
        if found.kind in ("sparse", "correlated"):
            assert found.support_precision == found.support_recall == found.top_support == 1.0


def test_the_scale_of_a_candidate_changes_nothing(planted: PlantedRows) -> None:
    scaled = planted.vectors * 2.0**-20
    # By their text, since NaN differs from itself.
    assert repr(score_candidates(planted, scaled)) == repr(score_candidates(planted, planted.vectors))


def test_a_direction_the_wrong_way_round_is_not_found(planted: PlantedRows) -> None:
    score = score_candidates(planted, -planted.vectors)
    assert score.discoveries == score.true == 0
    assert score.recall == 0.0
    assert np.isnan(score.precision)


def test_noise_is_discovered_at_no_more_than_the_nominal_rate(siblings: Rows) -> None:
    source = siblings(200)
    generator = np.random.default_rng(0)
    alarms = 0
    for seed in range(40):
        rows = planted_rows(source, 40, strength=0.0, seed=seed)
        score = score_candidates(rows, generator.standard_normal((12, 96)), seed=seed)
        assert score.found == ()
        assert score.useless == score.discoveries and score.true == 0
        alarms += score.discoveries > 0
    assert alarms <= 5  # 2 are expected at most; more than 5 would come up once in a hundred times


def test_candidates_that_do_not_respond_are_false_even_when_they_are_discovered(planted: PlantedRows) -> None:
    faint = np.zeros((1, planted.natural.shape[-1]))
    # A feature of the sparse direction with much noise from elsewhere: it responds, but not enough.
    sparse = next(each for each in planted.directions if each.kind == "natural")
    generator = np.random.default_rng(3)
    while True:
        faint[0] = generator.standard_normal(planted.natural.shape[-1])
        if 0.1 < responses(planted, faint).max() < RESPONSE_BAR:
            break
    score = score_candidates(planted, np.concatenate([faint, sparse.vector[None, :]]))
    assert score.true == 1
    assert score.discoveries in (1, 2)
    assert score.recall == 0.25
    assert score.useless == 0


def test_a_mixture_of_everything_counts_for_one(planted: PlantedRows) -> None:
    lengths = np.linalg.norm(planted.vectors, axis=1, keepdims=True)
    mixture = (planted.vectors / lengths).sum(axis=0, keepdims=True)
    score = score_candidates(planted, mixture)
    assert score.discoveries == score.true == 1
    assert (responses(planted, mixture) >= RESPONSE_BAR).sum() > 1
    assert score.recall == 0.25


def test_a_discovery_for_which_the_null_holds_is_called_useless(planted: PlantedRows) -> None:
    """With a coin that fell one way by accident, a direction can look right that holds nothing."""
    vector = np.linalg.svd(planted.vectors)[2][-1:]  # orthogonal to everything planted
    scores = planted.natural @ vector[0]
    lucky = planted.natural * np.sign(scores.mean(axis=1))[:, None, None]
    rows = PlantedRows(
        lucky, planted.planted, planted.directions, planted.prevalences, 5.0, planted.mined, planted.tested
    )
    score = score_candidates(rows, vector)
    assert (score.discoveries, score.true, score.useless) == (1, 0, 1)
    assert score.false_share == score.useless_share == 1.0


def test_no_candidates_are_no_discoveries(planted: PlantedRows) -> None:
    score = score_candidates(planted, np.zeros((0, planted.natural.shape[-1])))
    assert (score.candidates, score.discoveries, score.recall) == (0, 0, 0.0)
    assert len(score.found) == 4
