"""The commands that look at a finished run."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def run(unbroken: Path, tmp_path: Path) -> Path:
    """A finished run to play with."""
    return Path(shutil.copytree(unbroken, tmp_path / "run"))


def test_report_builds_the_page_anew(command: Callable[..., Any], run: Path) -> None:
    page = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    outcome = command("report", run)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.strip() == str(run / "report.html")
    assert (run / "report.html").read_bytes() == page


@pytest.mark.parametrize("form", ["csv", "pgn", "epd", "json"])
def test_puzzles_are_written_in_every_format(command: Callable[..., Any], run: Path, tmp_path: Path, form: str) -> None:
    with (run / "puzzles.csv").open(newline="", encoding="utf-8") as file:
        count = len(list(csv.DictReader(file)))
    out = tmp_path / f"puzzles.{form}"
    outcome = command("puzzles", run, "--format", form, "--out", out)
    assert outcome.code == 0
    assert f"{count} puzzles written to {out}" in outcome.out
    if form == "json":
        assert len(json.loads(out.read_text())["puzzles"]) == count


def test_an_unknown_puzzle_format(command: Callable[..., Any], run: Path, tmp_path: Path) -> None:
    outcome = command("puzzles", run, "--format", "docx", "--out", tmp_path / "puzzles.docx")
    assert outcome.code == 2
    assert "docx" in outcome.err
    assert not (tmp_path / "puzzles.docx").exists()


def test_resume_tells_the_funnel_of_a_finished_run(command: Callable[..., Any], run: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    outcome = command("resume", run)
    assert outcome.code == 0
    assert f"{manifest['candidates']} candidates → {manifest['supported']} supported" in outcome.out


def test_help_lists_the_commands(command: Callable[..., Any]) -> None:
    outcome = command("--help")
    assert outcome.code == 0
    assert all(name in outcome.out for name in ("mine", "resume", "report", "puzzles", "engine"))
