"""Rows of a campaign's rounds come back as they went in, lost rounds are forgotten, and TensorBoard shows the rest."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import engines
from engines.selfplay import metrics
from engines.selfplay.metrics import COLUMNS, METRICS_FILE, TENSORBOARD_FOLDER, Metrics, Round, read_metrics

ROOT = Path(engines.__file__).parents[1]
FIRST_VERSION = Path(__file__).with_name("first_version_metrics.csv")
SHIPPED_CAMPAIGN = ROOT / "datasets" / "ladder-campaign" / METRICS_FILE
FIRST_COLUMNS = FIRST_VERSION.read_text(encoding="utf-8").splitlines()[0]


def a_round(number: int) -> Round:
    """A round in which everything was measured, of numbers that seven digits hold."""
    return Round(
        round=number,
        positions=12_345_678 + 1000 * number,
        games=10 * number,
        evaluations=123_456_789_012 + number,
        seconds=60.5 * number,
        playing_seconds=40.25,
        learning_seconds=20.125,
        evaluations_per_second=4567.25,
        steps=32 * number,
        learning_rate=0.0001234567,
        policy_loss=2.5 + 1 / 64 * number,
        value_loss=0.75,
        moves_left_loss=0.3125,
        policy_entropy=2.0,
        policy_kl=0.5 + 1 / 64 * number,
        value_accuracy=0.625,
        drawn=0.5,
        plies=101.5,
        white_score=0.53125,
        mated=0.25,
        stalemate=0.03125,
        repeated=0.125,
        fifty_moves=0.0625,
        insufficient=0.03125,
        too_long=0.25,
        resigned=0.25,
        resign_threshold=-0.875,
        resign_checked=8,
        resign_false_positives=0.125,
    )


def written(folder: Path, rounds: int) -> Path:
    """The metrics file of a campaign of that many rounds."""
    opened = Metrics(folder, 0)
    for number in range(1, rounds + 1):
        opened.add(a_round(number))
    opened.close()
    return folder / METRICS_FILE


@pytest.fixture
def without_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "find_spec", lambda _: None)


@pytest.mark.usefixtures("without_tensorboard")
def test_rows_come_back_as_they_went_in(tmp_path: Path) -> None:
    nothing_to_check = replace(a_round(2), resign_checked=0, resign_false_positives=None)
    lost = replace(a_round(3), policy_loss=math.inf, seconds=1234567.25)
    opened = Metrics(tmp_path, 0)
    assert read_metrics(tmp_path / METRICS_FILE) == []
    for row in (a_round(1), nothing_to_check, lost):
        opened.add(row)
    assert read_metrics(tmp_path / METRICS_FILE) == [a_round(1), nothing_to_check, replace(lost, seconds=1234567)]
    header, first, *_ = (tmp_path / METRICS_FILE).read_text(encoding="utf-8").splitlines()
    assert header.startswith("round,positions,games,evaluations,seconds,")
    assert first.startswith("1,12346678,10,123456789013,60.5,")
    assert list(tmp_path.iterdir()) == [tmp_path / METRICS_FILE], "nothing for a TensorBoard that is not installed"


@pytest.mark.usefixtures("without_tensorboard")
def test_rounds_that_a_kill_has_lost_are_forgotten(tmp_path: Path) -> None:
    path = written(tmp_path, 5)
    with path.open("a", encoding="utf-8") as file:
        file.write("6,12351678,60,1234")  # the kill came while this was written
    assert [row.round for row in read_metrics(path)] == [1, 2, 3, 4, 5]
    opened = Metrics(tmp_path, 3)
    assert read_metrics(path) == [a_round(1), a_round(2), a_round(3)]
    again = replace(a_round(4), games=44)
    opened.add(again)
    assert read_metrics(path)[3:] == [again]


@pytest.mark.usefixtures("without_tensorboard")
@pytest.mark.parametrize("length", [0, 5, 60, 500, 600])
def test_any_end_may_be_cut_off(tmp_path: Path, length: int) -> None:
    path = written(tmp_path, 3)
    path.write_bytes(path.read_bytes()[:length])
    whole = max(path.read_bytes().count(b"\n") - 1, 0)
    assert read_metrics(path) == [a_round(number) for number in range(1, whole + 1)]
    Metrics(tmp_path, 3).add(a_round(4))
    assert [row.round for row in read_metrics(path)] == [*range(1, whole + 1), 4]


@pytest.mark.usefixtures("without_tensorboard")
def test_metrics_from_before_there_was_a_threshold_are_gone_on_with(tmp_path: Path) -> None:
    """As the campaign in datasets/ladder-campaign has them."""
    path = written(tmp_path, 3)
    lines = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    place = lines[0].index("resign_threshold")
    path.write_text("".join(",".join(cells[:place] + cells[place + 1 :]) + "\n" for cells in lines), encoding="utf-8")
    expected = [replace(a_round(number), resign_threshold=None) for number in range(1, 4)]
    assert read_metrics(path) == expected
    Metrics(tmp_path, 3).add(a_round(4))
    assert read_metrics(path) == [*expected, a_round(4)]
    stored = read_metrics(SHIPPED_CAMPAIGN)
    assert len(stored) > 400
    assert {row.resign_threshold for row in stored} == {None}
    assert any(row.resign_false_positives is not None for row in stored)


@pytest.mark.usefixtures("without_tensorboard")
def test_a_campaign_of_the_first_version_goes_on(tmp_path: Path) -> None:
    old = read_metrics(FIRST_VERSION)
    assert len(old) == 235
    assert (old[2].positions, old[2].plies, old[2].policy_entropy, old[2].resign_checked) == (73497, 151.2, None, None)
    shutil.copy(FIRST_VERSION, tmp_path / METRICS_FILE)
    opened = Metrics(tmp_path, 230)
    opened.add(a_round(231))
    path = tmp_path / METRICS_FILE
    assert read_metrics(path) == [*old[:230], a_round(231)]
    header, first = path.read_text(encoding="utf-8").splitlines()[:2]
    assert header == ",".join(COLUMNS)
    assert first == "1,35051,269,,114,,,,205,,5.05844,1.04515,1.11863,,,,0.1413,130.3,,,,,,,,,,,"


ROW = "1,35051,269,114.0,205,5.05844,1.04515,1.11863,0.1413,130.3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "its first line names 'a'"),
        (f"{FIRST_COLUMNS},round\n", "its first line names 'round'"),
        ("round,positions,games,seconds\n", "its first line does not name steps"),
        ("\n", "its first line does not name round"),
        (f"{FIRST_COLUMNS}\n{ROW},7\n", "line 2 has 11 values for 10 columns"),
        (f"{FIRST_COLUMNS}\n\n{ROW}\n", "line 2 has 0 values for 10 columns"),
        (
            f"{FIRST_COLUMNS}\n{ROW.replace('35051', '35051.5')}\n",
            "line 2 has '35051.5' as positions, which is no whole",
        ),
        (f"{FIRST_COLUMNS}\n{ROW.replace('114.0', '')}\n", "line 2 has '' as seconds, which is no number"),
        (f"{FIRST_COLUMNS}\n{ROW.replace('130.3', 'many')}\n", "line 2 has 'many' as plies, which is no number"),
        (f"{FIRST_COLUMNS}\n{ROW}\n{ROW}\n", "line 3 is round 1, after round 1"),
        (f"{FIRST_COLUMNS}\n{ROW.replace('205', '9' * 200_000)}\n", "field larger than field limit"),
        ("\x00\n", "its first line names"),
        ("\udcff\n", "is not text"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / METRICS_FILE
    path.write_bytes(text.encode(errors="surrogateescape"))
    before = path.read_bytes()
    for use in (lambda: read_metrics(path), lambda: Metrics(tmp_path, 10)):
        with pytest.raises(ValueError, match=message) as refused:
            use()
        assert str(path) in str(refused.value)
        assert "\n" not in str(refused.value)
    assert path.read_bytes() == before


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no metrics\.csv in .*: give the state folder of a campaign"):
        read_metrics(tmp_path / METRICS_FILE)
    (tmp_path / METRICS_FILE).mkdir()
    with pytest.raises(ValueError, match="cannot be read"):
        read_metrics(tmp_path / METRICS_FILE)


def seen(folder: Path) -> EventAccumulator:
    """What TensorBoard reads in a campaign's folder."""
    return EventAccumulator(str(folder / TENSORBOARD_FOLDER), size_guidance={"scalars": 0}).Reload()


def steps_and_values(events: EventAccumulator, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_tensorboard_shows_every_metric_over_positions(tmp_path: Path) -> None:
    opened = Metrics(tmp_path, 0)
    opened.add(a_round(1))
    opened.add(replace(a_round(2), resign_checked=0, resign_false_positives=None))
    events = seen(tmp_path)  # while the campaign runs
    assert steps_and_values(events, "learning/policy_loss") == [(12_346_678, 2.515625), (12_347_678, 2.53125)]
    assert steps_and_values(events, "resignation/resign_checked") == [(12_346_678, 8), (12_347_678, 0)]
    assert steps_and_values(events, "resignation/resign_false_positives") == [(12_346_678, 0.125)]
    assert {tag.split("/")[1] for tag in events.Tags()["scalars"]} == set(COLUMNS) - {"positions"}
    began, later = (event.wall_time for event in events.Scalars("games/plies"))
    assert later - began == pytest.approx(60.5, abs=1e-3)
    opened.close()


def test_tensorboard_forgets_what_a_kill_has_lost(tmp_path: Path) -> None:
    killed = Metrics(tmp_path, 0)
    for number in range(1, 6):
        killed.add(a_round(number))
    looking_on = seen(tmp_path)
    assert len(looking_on.Scalars("games/plies")) == 5
    # TensorBoard orders files by second, process and a count that does not sort (10 before 9): a campaign that goes on
    # is a second later, and so is this.
    second = int(time.time())
    while int(time.time()) == second:
        time.sleep(0.01)
    opened = Metrics(tmp_path, 3)
    opened.add(replace(a_round(4), positions=a_round(4).positions + 7, plies=99.0))
    expected = [(a_round(number).positions, 101.5) for number in (1, 2, 3)] + [(a_round(4).positions + 7, 99.0)]
    assert steps_and_values(seen(tmp_path), "games/plies") == expected
    assert steps_and_values(looking_on.Reload(), "games/plies") == expected
    opened.close()
    killed.close()


def test_tensorboard_shows_rounds_that_were_played_where_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, 2)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(metrics, "find_spec", lambda _: None)
        Metrics(tmp_path, 2).add(a_round(3))
    opened = Metrics(tmp_path, 3)
    opened.add(a_round(4))
    opened.close()
    positions = [event.step for event in seen(tmp_path).Scalars("games/plies")]
    assert positions == [a_round(number).positions for number in (1, 2, 3, 4)]


def test_legs_do_not_pile_up_files(tmp_path: Path) -> None:
    written(tmp_path, 2)
    for _ in range(4):
        Metrics(tmp_path, 2).close()
    sizes = sorted(path.stat().st_size for path in (tmp_path / TENSORBOARD_FOLDER).iterdir())
    assert len(sizes) == 2
    assert sizes[0] == 0 < sizes[1]
    assert len(seen(tmp_path).Scalars("games/plies")) == 2


def test_reading_metrics_does_not_wait_for_tensorboard() -> None:
    program = "import sys, engines.selfplay.metrics; sys.exit('tensorboard' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False, timeout=240).returncode == 0


def test_the_documentation_names_every_column() -> None:
    section = (ROOT / "docs" / "selfplay.md").read_text(encoding="utf-8").split("## Metrics")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(COLUMNS)
