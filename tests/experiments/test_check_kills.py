"""The check of kills passes on a campaign that is whole, and finds what is planted in one that is not."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest
import torch

from engines.selfplay import run_campaign
from engines.selfplay.campaign import CHECKPOINT_FOLDER
from engines.selfplay.config import campaign_of
from engines.selfplay.metrics import METRICS_FILE
from engines.selfplay.state import STATE_FILE
from experiments import check_kills
from experiments.check_kills import (
    BEGUN,
    CAMPAIGN,
    CHECKPOINT,
    DONE,
    METRICS,
    STATE,
    Examined,
    Examiner,
    Watch,
    check,
    read_metrics,
)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign of a few rounds that ended by itself."""
    folder = tmp_path_factory.mktemp("campaign")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    while not (folder / METRICS_FILE).exists() or len(read_metrics(folder / METRICS_FILE, killed=False)[0]) < 3:
        run_campaign(campaign_of(tomllib.loads(CAMPAIGN.format(save_every=1))), folder, 1 / 60, report=lambda _: None)
    torch.set_num_threads(before)
    return folder


@pytest.fixture
def folder(played: Path, tmp_path: Path) -> Path:
    """A copy of it to do damage to."""
    return shutil.copytree(played, tmp_path / "campaign")


def examined(folder: Path, *, killed: bool = True) -> Examined:
    return Examiner(folder, 1.0).examine(killed=killed)


def test_a_whole_campaign_has_no_faults(folder: Path) -> None:
    found = examined(folder, killed=False)
    assert not found.faults
    assert found.standing.rounds >= 3
    assert found.standing.checkpoints >= 1
    assert (found.lost_rounds, found.lost_seconds, found.left_over) == (0, 0.0, 0)
    assert found.describe().endswith("0 files left over: ok")


def test_damaged_files_are_found(folder: Path) -> None:
    newest = sorted((folder / CHECKPOINT_FOLDER).iterdir())[-1]
    content = newest.read_bytes()
    newest.write_bytes(content[: len(content) // 2])
    assert newest.name in examined(folder).faults[0]
    newest.rename(newest.with_name(f".{newest.name}.1.partial"))
    found = examined(folder)
    assert found.faults[0].endswith("is not there")
    assert found.left_over == 1
    newest.with_name("copy of killed-00000000.pb.gz").write_bytes(content)
    assert "copy of killed-00000000.pb.gz is named like a checkpoint" in examined(folder).faults
    state = (folder / STATE_FILE).read_bytes()
    (folder / STATE_FILE).write_bytes(state[:-1])
    assert examined(folder).faults[0].startswith("the state does not load")


def test_what_is_lost_is_counted_and_not_more_may_be(folder: Path) -> None:
    path = folder / METRICS_FILE
    text = path.read_text()
    header, *_, last = text.splitlines()
    cells = dict(zip(header.split(","), last.split(","), strict=True))
    rounds, seconds = cells["round"], float(cells["seconds"])

    def later(number: int, passed: float) -> str:
        changed = cells | {"round": str(int(rounds) + number), "seconds": str(seconds + passed)}
        return ",".join(changed.values()) + "\n"

    path.write_text(text + later(1, 0.5) + later(2, 1.5))
    found = examined(folder)
    assert found.lost_rounds == 2
    assert found.lost_seconds == pytest.approx(1.5, abs=0.3)
    assert not found.faults
    assert examined(folder, killed=False).faults == ["a leg that ended by itself was not saved"]
    path.write_text(text + "".join(later(number, number) for number in range(1, 6)))
    assert "s may be lost" in examined(folder).faults[0]
    path.write_text(text.removesuffix(last + "\n"))
    assert examined(folder).faults == [f"the metrics end at round {int(rounds) - 1}"]


@pytest.mark.parametrize("planted", ["1,2,3\n", "{last}\n", "\n"])
def test_rows_that_are_no_rows_are_found(planted: str, folder: Path) -> None:
    path = folder / METRICS_FILE
    text = path.read_text()
    path.write_text(text + planted.format(last=text.splitlines()[-1]))
    assert "of the metrics is" in examined(folder).faults[0]


def test_only_a_kill_may_cut_off_the_last_row(folder: Path) -> None:
    path = folder / METRICS_FILE
    path.write_text(path.read_text() + "17,99")
    assert not examined(folder).faults
    assert examined(folder, killed=False).faults == ["the metrics end in the middle of a row"]


def test_counters_must_not_go_back(folder: Path) -> None:
    examiner = Examiner(folder, 1.0)
    assert not examiner.examine(killed=True).faults
    (folder / STATE_FILE).unlink()
    assert any(fault.startswith("positions went back") for fault in examiner.examine(killed=True).faults)


def test_what_is_written_is_seen(tmp_path: Path) -> None:
    folder = tmp_path / "campaign"
    watch = Watch(folder)
    assert not watch.events()
    (folder / CHECKPOINT_FOLDER).mkdir(parents=True)
    (folder / METRICS_FILE).write_text("round\n")
    assert watch.events() == {(METRICS, DONE)}
    (folder / "state.part").write_text("half")
    (folder / CHECKPOINT_FOLDER / ".killed-00000000.pb.gz.7.partial").write_text("half")
    assert watch.events() == {(STATE, BEGUN), (CHECKPOINT, BEGUN)}
    (folder / "state.part").rename(folder / STATE_FILE)
    assert watch.events() == {(STATE, DONE)}
    assert not watch.events()


def test_a_campaign_stands_two_kills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Soon after the first round, and when the state is first seen being written."""
    monkeypatch.setattr(check_kills, "LATEST_RANDOM_S", 0.5)
    monkeypatch.setattr(check_kills, "LATEST_EVENT", 1)
    assert check(2, 0.2, 0, tmp_path) == 0, capsys.readouterr().out
    said = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in said[:2]] == ["kill 1", "kill 2"]
    assert said[-1].startswith("2 kills: all files load")
