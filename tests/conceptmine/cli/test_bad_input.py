"""Bad input gets one sentence on stderr, exit code 2 and nothing on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conceptmine import pipeline
from conceptmine.pipeline import STAGES, MiningSettings, mine
from conceptmine.pipeline.context import StageResult

MOVES = "1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. Ba4 Nf6 5. O-O Be7 6. Re1 b5 7. Bb3 d6 8. c3 O-O 9. h3 Nb8 10. d4 Nbd7 *\n\n"


@pytest.fixture
def networks(tiny_networks: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options of two good networks; the human network is a tiny one too."""
    monkeypatch.setattr("conceptmine.pipeline.settings.HUMAN_NETWORK", str(tiny_networks["human"]))
    return ["--agent", str(tiny_networks["agent"]), "--weaker", str(tiny_networks["weaker"]), "--workers", "1"]


def _one_sentence(err: str) -> str:
    assert err.startswith("conceptmine: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    return err.removeprefix("conceptmine: ").strip()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--roots", "0"], "--roots is 0: give at least 4, so that some can be mined and others tested on."),
        (["--simulations", "3"], "--simulations is 3"),
        (["--workers", "0"], "--workers is 0: give at least 1."),
        (["--layers", "block1,blok7"], "agent has no layer 'blok7': choose from input, block1, policy_hidden"),
        (["--human", "games-that-are-not-there.pgn"], "There is no file games-that-are-not-there.pgn"),
        (["--device", "abacus"], "--device is 'abacus': give auto, cpu or cuda."),
        (["--students", "pupil.pb.gz"], "There is no network file pupil.pb.gz"),
        (["--oracle", "engine-that-is-not-there"], "There is no engine engine-that-is-not-there"),
        (["--oracle", "false"], "cannot be started"),
        (["--tablebases", "tables-that-are-not-there"], "holds no Syzygy tablebases"),
    ],
)
def test_a_wrong_option_of_mine(
    command: Callable[..., Any], networks: list[str], tmp_path: Path, options: list[str], message: str
) -> None:
    outcome = command("mine", *networks, *options, "--out", tmp_path / "run")
    assert outcome.code == 2
    assert message in _one_sentence(outcome.err)
    assert not list(tmp_path.iterdir())


def test_an_agent_without_a_weaker_one(
    command: Callable[..., Any], tiny_networks: Mapping[str, Path], tmp_path: Path
) -> None:
    outcome = command("mine", "--agent", tiny_networks["agent"], "--out", tmp_path / "run")
    assert outcome.code == 2
    assert "--agent needs --weaker beside it" in _one_sentence(outcome.err)
    assert not list(tmp_path.iterdir())


def test_an_agent_against_itself(
    command: Callable[..., Any], tiny_networks: Mapping[str, Path], tmp_path: Path
) -> None:
    agent = tiny_networks["agent"]
    outcome = command("mine", "--agent", agent, "--weaker", agent, "--out", tmp_path / "run")
    assert outcome.code == 2
    assert "are the same network" in _one_sentence(outcome.err)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "games.pgn holds no game"),
        (MOVES + MOVES.replace("4. Ba4", "4. Qd8"), "games.pgn: game 2 (line 3) has the move 4. Qd8, which is not"),
        (MOVES[:40], "games.pgn: game 1 (line 1) has no result after its last move"),
        (MOVES, "games.pgn holds 1 games of 20 plies or more"),
    ],
)
def test_games_that_cannot_be_used(
    command: Callable[..., Any], networks: list[str], tmp_path: Path, text: str, message: str
) -> None:
    games = tmp_path / "games.pgn"
    games.write_text(text)
    outcome = command("mine", *networks, "--human", games, "--out", tmp_path / "runs" / "run")
    assert outcome.code == 2
    assert message in _one_sentence(outcome.err)
    assert list(tmp_path.iterdir()) == [games]


@pytest.fixture
def finished(tiny_settings: MiningSettings, tmp_path: Path) -> Iterator[Path]:
    """A finished run whose stages did nothing."""
    with pytest.MonkeyPatch.context() as patched:
        for name in STAGES:
            patched.setitem(STAGES, name, lambda _: StageResult({"things": 1}))  # type: ignore[arg-type]
        mine(tiny_settings, tmp_path / "run")
        yield tmp_path / "run"


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_folder_that_holds_another_run(command: Callable[..., Any], networks: list[str], finished: Path) -> None:
    before = _content(finished)
    outcome = command("mine", *networks, "--out", finished)
    assert outcome.code == 2
    assert f"{finished} already holds a run" in _one_sentence(outcome.err)
    assert _content(finished) == before


def test_a_finished_run_is_resumed_without_doing_anything(command: Callable[..., Any], finished: Path) -> None:
    before = _content(finished)
    outcome = command("resume", finished)
    assert (outcome.code, outcome.err) == (0, "")
    first, *_, last = outcome.out.splitlines()
    assert first == f"{finished} is already complete"
    assert last == f"report: {finished / 'report.html'}"
    assert _content(finished) == before


def test_a_folder_that_is_no_run_is_not_resumed(command: Callable[..., Any], tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        outcome = command("resume", folder)
        assert outcome.code == 2
        assert str(folder) in _one_sentence(outcome.err)
    assert not list(tmp_path.iterdir())


def test_a_run_whose_input_has_changed_is_not_resumed(
    command: Callable[..., Any], tiny_settings: MiningSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    games = tmp_path / "games.pgn"
    games.write_text(MOVES)
    with monkeypatch.context() as patched:
        patched.setitem(STAGES, "games", interrupted)  # type: ignore[arg-type]
        with pytest.raises(KeyboardInterrupt):
            mine(replace(tiny_settings, human=str(games)), tmp_path / "run")
    games.write_text(MOVES * 2)
    before = _content(tmp_path)
    outcome = command("resume", tmp_path / "run")
    assert outcome.code == 2
    assert f"{games} (human) has changed since the run began" in _one_sentence(outcome.err)
    assert _content(tmp_path) == before
    games.unlink()
    outcome = command("resume", tmp_path / "run")
    assert outcome.code == 2
    assert f"{games} (human) is gone" in _one_sentence(outcome.err)


def test_ctrl_c_names_the_command_that_goes_on(
    command: Callable[..., Any], tiny_settings: MiningSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "checked_settings", lambda **_: tiny_settings)
    monkeypatch.setitem(STAGES, "games", interrupted)  # type: ignore[arg-type]
    run = tmp_path / "run"
    outcome = command("mine", "--out", run)
    assert outcome.code == 130
    assert _one_sentence(outcome.err) == f"interrupted; `conceptmine resume {run}` goes on"
    assert json.loads((run / "manifest.json").read_text())["stages"][0]["state"] == "pending"
    monkeypatch.setattr(pipeline, "checked_settings", lambda **_: interrupted(None))
    outcome = command("mine", "--out", tmp_path / "other")
    assert (outcome.code, outcome.err) == (130, "conceptmine: interrupted\n")
    assert not (tmp_path / "other").exists()


def test_a_failure_of_the_machine_is_told_in_one_sentence(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device", "/disk/run")

    monkeypatch.setattr(pipeline, "checked_settings", full)
    outcome = command("mine")
    assert outcome.code == 1
    assert "No space left on device" in _one_sentence(outcome.err)


@pytest.mark.parametrize("words", [["mine", "--roots", "many"], ["mine", "--no-such-option"], ["dig"], ["resume"]])
def test_wrong_usage(command: Callable[..., Any], words: list[str]) -> None:
    outcome = command(*words)
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    assert outcome.err


@pytest.mark.parametrize("name", ["report", "puzzles"])
def test_a_folder_without_results(command: Callable[..., Any], tmp_path: Path, name: str) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    more = ["--out", tmp_path / "puzzles.csv"] if name == "puzzles" else []
    outcome = command(name, folder, *more)
    assert outcome.code == 2
    assert str(folder) in _one_sentence(outcome.err)
    assert list(tmp_path.iterdir()) == [folder]
    assert not list(folder.iterdir())


def test_a_truncated_network_in_a_process_of_its_own(tiny_networks: Mapping[str, Path], tmp_path: Path) -> None:
    whole = tiny_networks["agent"].read_bytes()
    cut = tmp_path / "cut.pb.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    run = tmp_path / "run"
    words = ["mine", "--agent", str(cut), "--weaker", str(tiny_networks["weaker"]), "--out", str(run)]
    ended = subprocess.run(
        [sys.executable, "-m", "conceptmine.cli", *words],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert ended.returncode == 2
    assert str(cut) in _one_sentence(ended.stderr)
    assert ended.stdout == ""
    assert list(tmp_path.iterdir()) == [cut]
