"""A run that is killed at any moment goes on to the same bytes, and leaves no process behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from conceptmine.pipeline import STAGES, MiningSettings, resume
from conceptmine.runfolder import read_manifest

PROGRAM = Path(__file__).with_name("killed_run.py")
SAME = (".parquet", ".safetensors", ".csv")


def tables(folder: Path) -> dict[str, bytes]:
    """Content of everything that must not depend on interruptions or on the number of workers."""
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.suffix in SAME}


def _program(*arguments: object, limit: float = 240.0) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run(
        [sys.executable, str(PROGRAM), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=limit,
        env=environment,
        check=False,
    )


@pytest.fixture
def written(tmp_path: Path) -> Callable[[MiningSettings], Path]:
    def write(settings: MiningSettings) -> Path:
        path = tmp_path / "settings.json"
        path.write_text(json.dumps(settings.as_arguments()), encoding="utf-8")
        return path

    return write


def test_a_run_killed_in_every_stage_ends_like_an_unbroken_one(
    unbroken: Path, tiny_settings: MiningSettings, written: Callable[[MiningSettings], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    ended = _program("each", written(tiny_settings), folder)
    assert ended.returncode == 0, ended.stderr
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert lines[-1] == {"finished": 0}, ended.stderr

    kills = [line for line in lines if "stage" in line]
    assert [kill["stage"] for kill in kills] == list(STAGES)
    assert {kill["moment"] for kill in kills} == {"first file", "last record"}
    for kill in kills:
        assert kill["signal"] == signal.SIGKILL
        assert kill["pending"] == kill["stage"], "the killed stage counted as done, or an earlier one was done again"
        assert bool(kill["partial"]) == (kill["moment"] == "first file")
    assert {"interrupted": 130} in lines
    assert ended.stderr == f"conceptmine: interrupted; `conceptmine resume {folder}` goes on\n"

    assert tables(folder) == tables(unbroken)
    assert {path.name for path in folder.iterdir()} == {path.name for path in unbroken.iterdir()}
    assert read_manifest(folder).stages[0].counts == read_manifest(unbroken).stages[0].counts


def test_busy_workers_bear_an_interrupt_and_end_with_a_killed_run(
    unbroken: Path, tiny_settings: MiningSettings, written: Callable[[MiningSettings], Path], tmp_path: Path
) -> None:
    folder, note = tmp_path / "busy", tmp_path / "workers.json"
    killed = _program("busy", written(replace(tiny_settings, workers=2)), folder, note)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert "Traceback" not in killed.stderr
    assert _ended(json.loads(note.read_text()))
    pending = [stage.name for stage in read_manifest(folder).stages if stage.state == "pending"]
    assert pending == ["puzzles", "report"]

    # The rest alone: all that takes long has been done by two workers, and is compared with the work of one.
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["arguments"]["workers"] = 1
    (folder / "manifest.json").write_text(json.dumps(manifest))
    resume(folder)
    assert tables(folder) == tables(unbroken)


def _ended(workers: list[int], within: float = 10.0) -> bool:
    """Whether all of these processes come to an end, in seconds (about one on a machine with nothing else to do)."""
    assert len(workers) == 2
    until = time.monotonic() + within
    while left := [number for number in workers if _runs(number)]:
        if time.monotonic() > until:
            for number in left:
                os.kill(number, signal.SIGKILL)
            return False
        time.sleep(0.1)
    return True


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{number}/stat")
    try:
        # Dead, but nobody has asked for its exit status yet.
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return not Path("/proc/self").exists()


def test_a_finished_run_is_left_as_it_is(unbroken: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in unbroken.iterdir()}
    manifest = resume(unbroken)
    assert not [stage for stage in manifest.stages if stage.state == "pending"]
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in unbroken.iterdir()} == before
