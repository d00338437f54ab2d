"""A run starts in a folder of its own, and after a kill goes on from its last complete stage."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conceptmine.errors import InputError
from conceptmine.runfolder import RunFolder, read_manifest, schemas
from conceptmine.runfolder import folder as folder_module

GAME = {"game_id": "0f", "corpus": "machine", "fen": None, "moves": "e2e4 e7e5", "result": "*"}


def start(path: Path, **changes: Any) -> RunFolder:
    defaults: dict[str, Any] = {
        "arguments": {"roots": 8, "layers": ["block6"], "human": None, "gap": 0.2},
        "seed": 3,
        "inputs": {},
        "stages": ["games", "positions", "search"],
    }
    return RunFolder.create(path, **(defaults | changes))


def names(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


def test_a_new_run_records_what_was_asked(tmp_path: Path) -> None:
    network = tmp_path / "net.pb.gz"
    network.write_bytes(b"abc")
    with start(tmp_path / "deep" / "run", inputs={"agent": network}):
        pass
    manifest = json.loads((tmp_path / "deep" / "run" / "manifest.json").read_text())
    assert manifest["arguments"] == {"roots": 8, "layers": ["block6"], "human": None, "gap": 0.2}
    assert manifest["seed"] == 3
    assert manifest["inputs"]["agent"] == {
        "path": str(network),
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "bytes": 3,
    }
    assert manifest["versions"].keys() >= {"conceptmine", "python", "torch", "numpy"}
    assert manifest["stages"][0] == {"name": "games", "state": "pending", "counts": {}, "seconds": 0.0}
    assert [manifest[name] for name in ("candidates", "supported", "teachable", "novel")] == [0, 0, 0, 0]
    assert names(tmp_path / "deep" / "run") == {"manifest.json"}


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    start(tmp_path).close()
    assert names(tmp_path) == {"manifest.json"}


def test_a_folder_with_another_run_is_refused_with_the_two_ways_out(tmp_path: Path) -> None:
    start(tmp_path / "run").close()
    before = (tmp_path / "run" / "manifest.json").read_bytes()
    with pytest.raises(InputError, match=r"choose another --out.*conceptmine resume"):
        start(tmp_path / "run", seed=4)
    assert (tmp_path / "run" / "manifest.json").read_bytes() == before


def test_a_folder_with_other_things_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="not empty"):
        start(tmp_path)
    with pytest.raises(InputError, match="is a file"):
        start(tmp_path / "thesis.tex")
    with pytest.raises(InputError, match="Cannot make the folder"):
        start(tmp_path / "thesis.tex" / "run")
    assert names(tmp_path) == {"thesis.tex"}


def test_a_run_that_cannot_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"gone\.pgn"):
        start(tmp_path / "a" / "run", inputs={"human": tmp_path / "gone.pgn"})
    with pytest.raises(ValueError, match="arguments"):
        start(tmp_path / "a" / "run", arguments={"agent": Path("x")})
    with pytest.raises(ValueError, match="JSON cannot hold"):
        start(tmp_path / "a" / "run", arguments={"gap": float("nan")})
    with pytest.raises(ValueError, match="same name"):
        start(tmp_path / "a" / "run", stages=["games", "games"])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder_module, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        start(tmp_path / "a" / "run")
    assert names(tmp_path) == set()


def test_stages_are_done_one_after_the_other(tmp_path: Path) -> None:
    with start(tmp_path / "run") as run:
        assert run.pending == ("games", "positions", "search")
        run.write_table("games", [GAME], schemas.GAMES)
        run.complete("games", {"games": 1, "duplicates": 0}, 1.5)
        assert run.is_done("games")
        assert run.pending == ("positions", "search")
        with pytest.raises(ValueError, match="already done"):
            run.complete("games", {}, 0.0)
        with pytest.raises(ValueError, match="before stage positions"):
            run.complete("search", {}, 0.0)
        with pytest.raises(ValueError, match="no stage mining"):
            run.complete("mining", {}, 0.0)
        with pytest.raises(ValueError, match="counts"):
            run.complete("positions", {"positions": -1}, 0.0)
    with RunFolder.open(tmp_path / "run") as run:
        assert run.pending == ("positions", "search")
        assert run.manifest.stages[0].counts == {"games": 1, "duplicates": 0}
        assert run.manifest.stages[0].seconds == 1.5
        assert run.read_table("games", schemas.GAMES) == [GAME]


def test_the_counts_of_the_filters_are_cumulative(tmp_path: Path) -> None:
    with start(tmp_path / "run") as run:
        run.complete("games", {}, 0.0, funnel={"candidates": 9, "supported": 4})
        with pytest.raises(ValueError, match="cumulative"):
            run.complete("positions", {}, 0.0, funnel={"teachable": 5})
        with pytest.raises(ValueError, match="no filter called minable"):
            run.complete("positions", {}, 0.0, funnel={"minable": 5})
        run.complete("positions", {}, 0.0, funnel={"teachable": 4})
    manifest = read_manifest(tmp_path / "run")
    assert (manifest.candidates, manifest.supported, manifest.teachable, manifest.novel) == (9, 4, 4, 0)


def test_scratch_lasts_as_long_as_the_run(tmp_path: Path) -> None:
    with start(tmp_path / "run", stages=["one", "two"]) as run:
        (run.scratch / "activations").mkdir()
        (run.scratch / "activations" / "block1.bin").write_bytes(b"x")
        run.complete("one", {}, 0.0)
        assert (run.scratch / "activations" / "block1.bin").exists()
        run.complete("two", {}, 0.0)
    assert names(tmp_path / "run") == {"manifest.json"}
    # A process killed between the last stage's mark and the removal.
    (tmp_path / "run" / "scratch").mkdir()
    RunFolder.open(tmp_path / "run").close()
    assert names(tmp_path / "run") == {"manifest.json"}


def test_opening_removes_what_a_killed_stage_left(tmp_path: Path) -> None:
    start(tmp_path / "run").close()
    (tmp_path / "run" / ".games.parquet.99.partial").write_bytes(b"PAR1")
    RunFolder.open(tmp_path / "run").close()
    assert names(tmp_path / "run") == {"manifest.json"}


def test_an_input_that_changed_stops_the_resumption(tmp_path: Path) -> None:
    games = tmp_path / "human.pgn"
    games.write_text("1. e4 *")
    start(tmp_path / "run", inputs={"human": games}).close()
    RunFolder.open(tmp_path / "run").close()
    games.write_text("1. d4 *")
    with pytest.raises(InputError, match=r"human\.pgn \(human\) has changed"):
        RunFolder.open(tmp_path / "run")
    RunFolder.open(tmp_path / "run", verify_inputs=False).close()
    games.unlink()
    with pytest.raises(InputError, match=r"human\.pgn \(human\) is gone"):
        RunFolder.open(tmp_path / "run")
    assert names(tmp_path / "run") == {"manifest.json"}


def test_inputs_are_found_from_another_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "human.pgn").write_text("1. e4 *")
    monkeypatch.chdir(tmp_path)
    start(Path("run"), inputs={"human": Path("human.pgn")}).close()
    monkeypatch.chdir("/")
    RunFolder.open(tmp_path / "run").close()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'{"format": 1, "arg', "Invalid JSON"),
        (b"[]", "the file as a whole"),
        (b'{"format": 2}', "format"),
        (b"\xff\xfe", "manifest"),
    ],
)
def test_a_damaged_manifest_is_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(InputError, match=complaint) as caught:
        RunFolder.open(tmp_path)
    assert str(tmp_path / "manifest.json") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == {"manifest.json"}


def test_a_manifest_with_unknown_or_mistyped_entries_is_refused(tmp_path: Path) -> None:
    start(tmp_path).close()
    good = json.loads((tmp_path / "manifest.json").read_text())
    for change in ({"mood": "fine"}, {"seed": "3"}, {"novel": 1}, {"candidates": 1.5}):
        (tmp_path / "manifest.json").write_text(json.dumps(good | change))
        with pytest.raises(InputError, match="not a readable run manifest"):
            read_manifest(tmp_path)
    good["stages"][1]["state"] = "done"
    (tmp_path / "manifest.json").write_text(json.dumps(good))
    with pytest.raises(InputError, match="one before it is pending"):
        read_manifest(tmp_path)


def test_what_is_no_run_folder_is_said_to_be_none(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="is not a run folder"):
            RunFolder.open(path)
    assert names(tmp_path) == set()


def test_a_folder_in_use_is_refused_to_others_and_free_afterwards(tmp_path: Path) -> None:
    run = start(tmp_path / "run")
    with pytest.raises(InputError, match=f"in use by process {os.getpid()}"):
        RunFolder.open(tmp_path / "run")
    assert read_manifest(tmp_path / "run") == run.manifest
    run.close()
    run.close()
    RunFolder.open(tmp_path / "run").close()


def test_a_killed_process_leaves_the_folder_free_and_the_run_goes_on(tmp_path: Path) -> None:
    program = f"""
import time
from pathlib import Path
from conceptmine.runfolder import RunFolder, atomic_path
run = RunFolder.create(Path({str(tmp_path / "run")!r}), arguments={{}}, seed=0, inputs={{}}, stages=["one", "two"])
run.complete("one", {{}}, 0.0)
with atomic_path(run.path / "two.parquet") as partial:
    partial.write_bytes(b"half")
    print("ready", flush=True)
    time.sleep(60)
"""
    root = Path(folder_module.__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(root)}
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    with pytest.raises(InputError, match=f"in use by process {process.pid}"):
        RunFolder.open(tmp_path / "run")
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with RunFolder.open(tmp_path / "run") as run:
        assert run.pending == ("two",)
    assert names(tmp_path / "run") == {"manifest.json"}


def _contend(path: Path, seed: int, results: Any) -> None:
    try:
        run = start(path, seed=seed)
    except InputError:
        results.put(None)
        return
    time.sleep(0.1)
    run.close()
    results.put(seed)


def test_of_two_runs_started_at_once_in_a_folder_one_wins(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=_contend, args=(tmp_path / "run", seed, results)) for seed in range(4)]
    for process in processes:
        process.start()
    winners = [seed for seed in (results.get(timeout=20) for _ in processes) if seed is not None]
    for process in processes:
        process.join()
    assert len(winners) == 1
    assert read_manifest(tmp_path / "run").seed == winners[0]
    assert names(tmp_path / "run") == {"manifest.json"}


def test_changed_versions_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with start(tmp_path) as run:
        assert run.changed_versions == {}
        now = run.manifest.versions | {"torch": "9.9"}
        monkeypatch.setattr(folder_module, "current_versions", lambda: now)
        assert run.changed_versions == {"torch": (run.manifest.versions["torch"], "9.9")}
