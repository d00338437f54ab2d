"""Milestones are matches against a fixed set, and what is not on the machine is said to be missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from engines.networks import load_agent, write_network
from experiments import campaign_milestones
from experiments.campaign_milestones import main, opponents


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """Without any Stockfish that may be installed."""
    monkeypatch.setattr(campaign_milestones, "PLACES_OF_PROGRAMS", ())
    monkeypatch.setattr(sys, "argv", ["campaign_milestones", *words])
    main()


def test_the_set_is_fixed_and_what_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "maia-1500.pb.gz").write_bytes(b"")
    found = opponents(tmp_path, None)
    assert [one.name for one in found] == [
        "random",
        "material",
        "maia-1100@1?temperature=1.5",
        "maia-1100@1?temperature=1",
        "stockfish, skill 0",
        "maia-1100@1",
        "maia-1500@1",
        "maia-1900@1",
    ]
    assert [one.name for one in found if not one.missing] == ["random", "material", "maia-1500@1"]
    with_program = {one.name: one for one in opponents(tmp_path, "/bin/fish")}
    assert with_program["stockfish, skill 0"].player == "uci:/bin/fish?nodes=1000&Skill Level=0&processes=4"
    assert with_program["maia-1500@1"].player == f"{tmp_path}/maia-1500.pb.gz@1"


def test_matches_are_written_in_two_forms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_network(load_agent("ladder-01").network, tmp_path / "maia-1100.pb.gz")
    few = ["--games", "2", "--simulations", "2", "--networks", str(tmp_path), "--out", str(tmp_path / "new")]
    run(monkeypatch, "ladder-final", *few)
    said = capsys.readouterr().out
    assert "not played: stockfish, skill 0: there is no program stockfish\n" in said
    assert "not played: maia-1900@1: there is no maia-1900.pb.gz in the folder of --networks\n" in said
    content = json.loads((tmp_path / "new" / "ladder-final.json").read_text())
    assert content["simulations"] == 2
    assert content["stockfish"] is None
    played = [row["opponent"] for row in content["matches"]]
    assert played == [one.name for one in opponents(tmp_path, None) if not one.missing]
    assert len(played) == 5
    for row in content["matches"]:
        assert row["wins"] + row["draws"] + row["losses"] == sum(row["endings"].values()) == 2
        assert row["score"] == (row["wins"] + row["draws"] / 2) / 2
    page = (tmp_path / "new" / "ladder-final.md").read_text()
    assert page.startswith("## ladder-final@2, 2 games a match\n")
    assert "\n| random | " in page
    assert "\nNot played: maia-1500@1: " in page


@pytest.mark.parametrize(
    "words", [["--games", "3"], ["--simulations", "0"], ["--seed", "-1"], ["--games", "2", "no such network"]]
)
def test_bad_arguments(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, *words, *(["ladder-final"] if len(words) == 2 else []))
    assert stopped.value.code == 2
    assert (f"{words[0]} is {words[1]}" if len(words) == 2 else words[2]) in capsys.readouterr().err
