"""``conceptmine bench planted`` as a person runs it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--roots", "7"], "--roots has '7': give even numbers from 20 to 20,000."),
        (["--roots", "40,x"], "--roots has 'x'"),
        (["--noise-roots", "3"], "--noise-roots has '3'"),
        (["--strengths", "2,-1"], "--strengths has '-1': give numbers above 0"),
        (["--strengths", "nan"], "--strengths has 'nan'"),
        (["--seeds", "0"], "--seeds is 0: give a whole number from 1 up."),
        (["--noise-seeds", "-1"], "--noise-seeds is -1"),
        (["--seed", "-1"], "--seed is -1"),
        (["--layer", "blok7"], "agent has no layer 'blok7': choose from input, block1"),
        (["--games", "nowhere.pgn"], "There is no file nowhere.pgn: give --games a PGN file"),
        (["--motif", "gambit"], "--motif is 'gambit': choose from castling, flank-pawn, outpost."),
        (["--motif", "castling", "--roots", "40,60"], "--roots has several sizes: with --motif give one."),
        (["--motif", "castling", "--games", "nowhere.pgn"], "--motif needs games of the taught network's own"),
        (["--dislike"], "--dislike says what becomes of a motif: name one with --motif."),
    ],
)
def test_a_wrong_option(
    command: Command, tiny_networks: Mapping[str, Path], tmp_path: Path, options: list[str], message: str
) -> None:
    outcome = command("bench", "planted", "--agent", tiny_networks["agent"], *options, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("conceptmine: ") and outcome.err.count("\n") == 1
    assert message in outcome.err
    assert not list(tmp_path.iterdir())


def test_a_missing_network_and_a_file_in_the_way(
    command: Command, tiny_networks: Mapping[str, Path], tmp_path: Path
) -> None:
    outcome = command("bench", "planted", "--agent", "nobody.pb.gz")
    assert outcome.code == 2
    assert "nobody.pb.gz" in outcome.err
    (tmp_path / "file").touch()
    outcome = command("bench", "planted", "--agent", tiny_networks["agent"], "--out", tmp_path / "file")
    assert outcome.code == 2
    assert "is a file: give --out a folder" in outcome.err


def test_files_and_tables(command: Command, tiny_networks: Mapping[str, Path], tmp_path: Path) -> None:
    words = ("--agent", tiny_networks["agent"], "--roots", "20", "--strengths", "8", "--seeds", "1")
    outcome = command("bench", "planted", *words, "--noise-seeds", "0", "--out", tmp_path / "a" / "b")
    assert outcome.code == 0
    assert "L1, one root" in outcome.out and "told the directions" in outcome.out.replace("\n", " ")
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == [
        "planted.json",
        "planted.md",
        "planted.png",
    ]
    kept = json.loads((tmp_path / "a" / "b" / "planted.json").read_text())
    printed = command("bench", "planted", *words, "--noise-seeds", "0", "--json")
    answer = json.loads(printed.out)
    assert answer.pop("timing") and kept.pop("timing")
    assert answer == kept
