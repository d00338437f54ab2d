"""Benchmark: rules, tree search, self-play, networks, whole searches and start-up of the engine, against peers.

    make bench-engine
    python -m experiments.bench_engine [--agent FILE] [--rounds 3] [--only rules,tree,...] [--out DIR]

Everything compared takes turns within a round, so that a machine that is slow for a while is slow for all; ratios are
taken round by round, and their median and range are shown. Work of one thread is timed in CPU seconds. Both sides of a
comparison must agree: on every count of perft and, given the same numbers by the network, on the visits of every move
of a search. Kernels are compiled and cached before the clock starts, except where the start itself is measured.

Peers that are not installed are named as absent. ``DIR`` (default: experiments/results) gets ``bench_engine.json`` with
every measurement, the tables in ``bench_engine.md`` and a picture in ``bench_engine.png``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track

from conceptmine.runfolder import write_bytes
from experiments.engine_benchmark.machine import describe_machine, machine_line
from experiments.engine_benchmark.measuring import Section, record_of
from experiments.engine_benchmark.networks import network_section
from experiments.engine_benchmark.picture import draw_picture
from experiments.engine_benchmark.rules import rules_section
from experiments.engine_benchmark.selfplay import selfplay_section
from experiments.engine_benchmark.startup import startup_section
from experiments.engine_benchmark.tables import markdown, rich_table, section_grid
from experiments.engine_benchmark.targets import target_grid
from experiments.engine_benchmark.tree import check_searches, tree_section
from experiments.engine_benchmark.whole_search import search_section

RESULTS = Path(__file__).parent / "results"
PARTS = ("rules", "tree", "selfplay", "network", "search", "startup")


def make_sections(parts: list[str], agent: str | None) -> list[Section]:
    """The sections asked for, ready to be measured."""
    makers: dict[str, Callable[[], Section]] = {
        "rules": rules_section,
        "tree": tree_section,
        "selfplay": selfplay_section,
        "network": lambda: network_section(agent),
        "search": lambda: search_section(agent),
        "startup": startup_section,
    }
    return [makers[part]() for part in parts]


def write_results(folder: Path, header: str, facts: dict[str, object], sections: list[Section]) -> None:
    """The three files of the results."""
    folder.mkdir(parents=True, exist_ok=True)
    record = facts | {"sections": record_of(sections)}
    write_bytes(folder / "bench_engine.json", (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())
    grids = [target_grid({section.name: section for section in sections}), *map(section_grid, sections)]
    page = f"# Engine benchmark\n\n{header}\n\n" + "\n".join(map(markdown, grids))
    write_bytes(folder / "bench_engine.md", page.encode())
    write_bytes(folder / "bench_engine.png", draw_picture({section.name: section for section in sections}, header))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Time the engine against its peers.")
    parser.add_argument("--agent", help="network for the network and search tables [6 × 64 with random weights]")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured (default 3)")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)} (default all)")
    parser.add_argument(
        "--out", type=Path, default=RESULTS, help="folder for the results (default experiments/results)"
    )
    arguments = parser.parse_args()
    parts = arguments.only.split(",")
    if arguments.rounds < 1:
        parser.error(f"--rounds is {arguments.rounds}: give at least 1")
    if not set(parts) <= set(PARTS):
        parser.error(f"--only is {arguments.only!r}: give some of {','.join(PARTS)}")
    torch.set_num_threads(1)
    before = describe_machine()
    if "tree" in parts:
        check_searches()
    sections = make_sections(parts, arguments.agent)
    for number in track(range(arguments.rounds), description="rounds"):
        for section in sections:
            section.measurements += section.measure_round(number)
    after = describe_machine()
    header = machine_line(before, after)
    console = Console()
    for section in sections:
        console.print(rich_table(section_grid(section)))
    console.print(rich_table(target_grid({section.name: section for section in sections})))
    console.print(header)
    write_results(arguments.out, header, {"machine": before, "load_at_the_end": after["load"]}, sections)
    console.print(f"Written to {arguments.out}.")


if __name__ == "__main__":
    main()
