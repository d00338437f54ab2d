"""The engine benchmark's arithmetic, tables and picture; what it measures is not tested here."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from experiments import bench_engine
from experiments.engine_benchmark.machine import describe_machine, machine_line
from experiments.engine_benchmark.measuring import Case, Measurement, Section, Spread, measure, taking_turns
from experiments.engine_benchmark.picture import draw_picture
from experiments.engine_benchmark.tables import markdown, number_text, ratio_text, rich_table, section_grid
from experiments.engine_benchmark.targets import TARGETS, target_grid


def section_of(*measurements: Measurement, **how: object) -> Section:
    section = Section("rules", "Rules: positions a CPU second", lambda number: [], **how)  # type: ignore[arg-type]
    section.measurements += measurements
    return section


@pytest.fixture
def rules() -> Section:
    """Two rounds, the second at half the speed; a third of only one of both; a library that cannot do all."""
    return section_of(
        Measurement("perft, kiwipete", "slow", 0, 2.0, 1.9),
        Measurement("perft, kiwipete", "kernel", 0, 400.0, 300.0),
        Measurement("perft, kiwipete", "slow", 1, 1.0, 1.0),
        Measurement("perft, kiwipete", "kernel", 1, 100.0, 50.0),
        Measurement("perft, kiwipete", "slow", 2, 50.0, 50.0),
        Measurement("make and list, all six", "kernel", 0, 5e6, 5e6),
        against="kernel",
    )


def test_spreads_and_ratios_are_taken_round_by_round(rules: Section) -> None:
    assert rules.means == ["kernel", "slow"]
    assert rules.subjects == ["perft, kiwipete", "make and list, all six"]
    assert rules.spread("perft, kiwipete", "slow") == Spread(2.0, 1.0, 50.0)
    assert rules.spread("perft, kiwipete", "kernel", "wall") == Spread(175.0, 50.0, 300.0)
    assert rules.ratio("perft, kiwipete", "slow") == Spread(150.0, 100.0, 200.0)
    assert rules.ratio("make and list, all six", "slow") is None
    assert rules.spread("make and list, all six", "slow") is None


def test_cases_take_turns_and_every_other_round_goes_backwards() -> None:
    done: list[str] = []

    def work(name: str) -> int:
        done.append(name)
        return 1

    cases = [Case("work", name, lambda name=name: work(name)) for name in "abc"]  # type: ignore[misc]
    measure_round = taking_turns(cases, 0.0)
    for number in (0, 1):
        assert [one.by for one in measure_round(number)] == ["a", "b", "c"]
    assert "".join(done) == "abccba"


def test_work_is_repeated_for_its_time_on_the_clock_of_the_case() -> None:
    seconds = iter(range(100))
    prepared: list[bool] = []
    case = Case("work", "a", lambda: 10, lambda: float(next(seconds)), lambda: prepared.append(True))
    one = measure(case, 4, 3.0)
    assert (one.subject, one.by, one.round) == ("work", "a", 4)
    assert one.cpu == 10.0, "three repetitions in three seconds of its clock"
    assert prepared == [True] * 3


@pytest.mark.parametrize(
    ("number", "style", "text"),
    [
        (0.01234, "rate", "0.0123"),
        (7.0, "rate", "7"),
        (388.4, "rate", "388"),
        (999.6, "rate", "1.00 k"),
        (28_747, "rate", "28.7 k"),
        (310_926_657, "rate", "311 M"),
        (0.0271, "share", "3 %"),
        (14.3149, "seconds", "14.31 s"),
    ],
)
def test_numbers_as_text(number: float, style: str, text: str) -> None:
    assert number_text(number, style) == text


def test_ratios_as_text() -> None:
    assert ratio_text(Spread(137.2, 80, 2_000)) == "÷ 137 (80–2.00 k)"
    assert ratio_text(Spread(0.25, 0.2, 0.5)) == "× 4.0 (2.0–5.0)"


def test_a_section_as_a_table(rules: Section) -> None:
    grid = section_grid(rules)
    assert grid.columns == ("", "kernel", "slow")
    assert grid.rows[0] == ("perft, kiwipete", "250 [175]", "2\n÷ 150 (100–200)")
    assert grid.rows[1] == ("make and list, all six", "5.00 M", "–")
    assert len(grid.notes) == 2
    page = markdown(grid)
    assert "| perft, kiwipete | 250 [175] | 2<br>÷ 150 (100–200) |" in page.splitlines()
    console = Console(width=100, record=True, file=sys.stderr)
    console.print(rich_table(grid))
    assert "250 [175]" in console.export_text()


def test_targets_know_which_side_is_the_good_one(rules: Section) -> None:
    grid = target_grid({"rules": rules})
    assert {row[0]: row[3] for row in grid.rows} == {"kernel, perft of kiwipete": "NO", "kernel, make and list": "yes"}
    cold = next(target for target in TARGETS if target.what == "cold start")
    assert cold.met(14.9)
    assert not cold.met(15.1)


def test_the_picture_is_drawn_of_what_there_is(rules: Section) -> None:
    header = machine_line(describe_machine(), describe_machine())
    assert "cores" in header
    for sections in ({}, {"rules": rules}):
        assert draw_picture(sections, header).startswith(b"\x89PNG")


def test_the_command_writes_its_three_files(
    rules: Section, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench_engine, "make_sections", lambda parts, agent: [rules])
    command = ["bench_engine", "--only", "rules", "--rounds", "1", "--out", str(tmp_path / "new")]
    monkeypatch.setattr(sys, "argv", command)
    bench_engine.main()
    assert "Targets" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "bench_engine.json",
        "bench_engine.md",
        "bench_engine.png",
    ]
    record = json.loads((tmp_path / "new" / "bench_engine.json").read_text())
    assert len(record["sections"]["rules"]["measurements"]) == 6
    assert record["machine"]["cores"]


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--only", "rules,weather"]])
def test_bad_arguments(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["bench_engine", *words])
    with pytest.raises(SystemExit) as stopped:
        bench_engine.main()
    assert stopped.value.code == 2
    assert f"{words[0]} is" in capsys.readouterr().err
