"""Rules of the games that a campaign sets, and that change as it goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines.chess.position import start_position
from engines.selfplay import Campaign
from engines.selfplay.actors import InTurn
from engines.selfplay.resignation import NEVER, Resignation
from tests.engines.selfplay.legs import metrics, play_rounds, state_of


def published_rules(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int]]:
    """What will be published: where sides resign, and the lead that decides."""
    found: list[tuple[float, int]] = []
    publish = InTurn.publish

    def listen(actors: InTurn, network: Any, *, resign_below: float, decisive_lead: int) -> None:
        found.append((resign_below, decisive_lead))
        publish(actors, network, resign_below=resign_below, decisive_lead=decisive_lead)

    monkeypatch.setattr(InTurn, "publish", listen)
    return found


def test_a_lead_in_material_decides_in_the_first_positions_only(
    tiny: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(tiny, decisive_lead=4, lead_until=200)
    rules = published_rules(monkeypatch)
    play_rounds(settings, tmp_path, 4)
    played = [0, *(row.positions for row in metrics(tmp_path))]
    assert [lead for _, lead in rules] == [4 if positions < 200 else 0 for positions in played]
    assert {lead for _, lead in rules} == {0, 4}
    assert {threshold for threshold, _ in rules} == {NEVER}


def test_sides_resign_at_the_threshold_that_follows_from_the_games_played_on(
    tiny: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(tiny, played_on=0.3, tail_positions=10_000)
    threshold = 0.0
    monkeypatch.setattr(Resignation, "threshold", lambda resignation: threshold)
    rules = published_rules(monkeypatch)
    play_rounds(settings, tmp_path, 4)
    assert {below for below, _ in rules} == {0.0}
    rows = metrics(tmp_path)
    assert {row.resign_threshold for row in rows} == {0.0}
    assert sum(row.resigned * row.games for row in rows) > 0
    checked = [game for game in state_of(settings, tmp_path)[1].tail if game.played_on]
    assert 0 < len(checked) < rows[-1].games
    assert rows[-1].resign_checked == sum(min(game.lowest) < 0 for game in checked) > 0
    assert 0 <= rows[-1].resign_false_positives <= 1
    remembered = state_of(settings, tmp_path)[1].resignation
    assert remembered.tolist() == [[*game.lowest.tolist(), game.result] for game in checked]
    threshold = NEVER
    play_rounds(settings, tmp_path, 1)
    assert len(state_of(settings, tmp_path)[1].resignation) >= len(remembered), "they are remembered across legs"
    assert rules[-1] == (NEVER, 0)
    assert metrics(tmp_path)[-1].resign_threshold is None
    assert metrics(tmp_path)[-1].resign_checked is None


def test_games_begin_from_the_usual_position_unless_the_campaign_says_otherwise(tiny: Campaign, tmp_path: Path) -> None:
    for share, usual in ((0.0, {True}), (1.0, {False})):
        settings = replace(tiny, endgame_share=share)
        play_rounds(settings, tmp_path / str(share), 1)
        games = state_of(settings, tmp_path / str(share))[1].tail
        assert {bool((game.start == start_position()).all()) for game in games} == usual
