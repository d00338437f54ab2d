"""Benchmark: self-play beside what its network does alone, and beside a self-play loop in plain Python.

    python -m experiments.bench_selfplay [--agent NAME_OR_FILE ...] [--rounds 5] [--seconds 2] [--out DIR]

*Evaluations*: how many positions a second self-play evaluates with everything that belongs to it but learning, on one
thread and on two, and how many its network evaluates alone, in batches that the same games filled. *Moves*: how many
moves and games self-play makes, and how many a loop in the design of alpha-zero-general makes with the same network and
as many simulations a move. Games are in all stages when the clock starts. What is compared takes turns within a round;
ratios are taken round by round, and their median and range are shown.

Without ``--agent`` the networks are the shipped one, 4 × 32, and one of 6 × 64 with the same heads and random weights.
``DIR`` (default: experiments/results) gets ``bench_selfplay.json`` with every measurement and the tables in
``bench_selfplay.md``.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track

from conceptmine.runfolder import write_bytes
from experiments.engine_benchmark.machine import describe_machine, machine_line
from experiments.engine_benchmark.measuring import record_of
from experiments.engine_benchmark.selfplay_loop import (
    CORES,
    Contender,
    Loop,
    Shape,
    count_games,
    evaluations_section,
    make_agents,
    moves_section,
    targets,
)
from experiments.engine_benchmark.tables import markdown, rich_table, section_grid
from experiments.engine_benchmark.targets import target_grid

RESULTS = Path(__file__).parent / "results"
WANTED = (30_000, 9_000)
"""Evaluations a second on two idle cores, with the networks that are measured by default."""


def main() -> None:
    """Command line."""
    default = Shape()
    parser = argparse.ArgumentParser(description="Time self-play against its network alone and against plain Python.")
    parser.add_argument("--agent", action="append", default=[], help="a network, any number [4 × 32 and 6 × 64]")
    parser.add_argument("--games", type=int, default=default.games, help="games of a thread (default %(default)s)")
    parser.add_argument("--simulations", type=int, default=default.simulations, help="of a move (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (default 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one measurement, at least (default 2)")
    parser.add_argument(
        "--out", type=Path, default=RESULTS, help="folder for the results (default experiments/results)"
    )
    arguments = parser.parse_args()
    for name, least in (("rounds", 1), ("games", 1), ("simulations", 2)):
        if getattr(arguments, name) < least:
            parser.error(f"--{name} is {getattr(arguments, name)}: give at least {least}")
    torch.set_num_threads(1)
    before = describe_machine()
    console = Console()
    shape = Shape(arguments.games, arguments.simulations)
    contenders = [
        Contender(agent, [Loop(shape, seed) for seed in range(max(CORES))])
        for agent in track(make_agents(arguments.agent), "games in all stages", console=console, transient=True)
    ]
    evaluations = evaluations_section(contenders, shape, arguments.seconds)
    moves = moves_section(contenders, shape, arguments.seconds)
    sections = [evaluations, moves]
    for number in track(range(arguments.rounds), "rounds", console=console, transient=True):
        for section in sections:
            section.measurements += section.measure_round(number)
    count_games(moves, contenders)
    after = describe_machine()
    header = machine_line(before, after)
    wanted = () if arguments.agent else WANTED
    grids = [target_grid({section.name: section for section in sections}, targets(contenders, wanted))]
    grids += map(section_grid, sections)
    for grid in grids:
        console.print(rich_table(grid))
    console.print(header)
    facts = {"machine": before, "load_at_the_end": after["load"], "shape": asdict(shape)}
    content = facts | {"sections": record_of(sections)}
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_bytes(
        arguments.out / "bench_selfplay.json", (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
    )
    page = f"# Self-play benchmark\n\n{header}\n\n" + "\n".join(map(markdown, grids))
    write_bytes(arguments.out / "bench_selfplay.md", page.encode())
    console.print(f"Written to {arguments.out}.")


if __name__ == "__main__":
    main()
