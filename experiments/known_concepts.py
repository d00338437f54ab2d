"""Known concepts (the paper's section 5): does mining find what people have names for, in games it was not mined from?

    python -m experiments.known_concepts --agent NET [--games GAMES.pgn[.zst] ...] [--openings FOLDER] [--suite STS.epd]
        [--stockfish PROGRAM] --out DIR

Prints and stores, as JSON, Markdown and a plot, the held-out satisfaction of each family of concepts at each layer
beside the paper's numbers, with nulls and baselines, how it grows with the number of examples, and what amplification
does to the suite's score. Without games the positions are those of the shipped human-imitation network; without
openings, a suite or a Stockfish program their families are left out, and the report says so.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from conceptmine import capture
from conceptmine.contrast.known import opening_files, read_suite
from conceptmine.errors import InputError
from conceptmine.evidence.correctness import check_oracle
from conceptmine.evidence.steering import PAPER_BETA, steered
from conceptmine.pipeline.settings import default_layers
from conceptmine.pipeline.workers import Workers
from conceptmine.positions import stable_rank
from conceptmine.runfolder import file_checksum, write_bytes
from engines import Agent, load_agent
from experiments.known.amplification import amplification_table
from experiments.known.efficiency import efficiency
from experiments.known.measuring import controls_of, examples_in, game_concepts, openings_of
from experiments.known.page import markdown, picture
from experiments.known.positions import GAME_PLIES, OPENING_PLIES, TEST_ONE_IN, Pool, gathered_games, pool_of
from experiments.known.puzzles import SuiteRows, suite_rows
from experiments.known.static import FEWEST_TEST, Examples, Task, control_shares, judge
from experiments.known.summary import curve_points, family_rows, theme_rows
from experiments.known.themes import judge_theme, theme_tasks

PLACES_OF_PROGRAMS = (os.environ.get("PATH", os.defpath), "/usr/games")
BETAS = (PAPER_BETA, 1.0)
"""Lengths of amplification's step: the paper's, and as long as the activation itself."""

CURVE_CONCEPTS = 4
"""Concepts of a family that the sample efficiency is measured on, drawn by name and seed."""


def usual_layers(agent: Agent) -> tuple[str, ...]:
    """The first layer, one halfway up the body, the body's last, and the policy head's before its logits."""
    last, head = default_layers(agent)
    body = agent.layers[: agent.layers.index(last) + 1]
    return tuple(dict.fromkeys((body[0], body[len(body) // 2], last, head)))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Held-out satisfaction of known concepts at an agent's layers.")
    parser.add_argument("--agent", required=True, help="a Leela network file, or the name of a shipped agent")
    parser.add_argument("--games", nargs="*", type=Path, default=[], help="PGN files")
    parser.add_argument("--openings", type=Path, help="folder of TSV files: eco, name, pgn")
    parser.add_argument("--suite", type=Path, help="EPD file of puzzles with points")
    parser.add_argument("--stockfish", help="program with the classical evaluation (15.1 or older)")
    parser.add_argument("--layers", help="names joined by commas")
    parser.add_argument("--positions", type=int, default=4000, help="of games, and as many of openings")
    parser.add_argument("--simulations", type=int, default=40, help="of the search after each move of a puzzle")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder for known_concepts-AGENT.json, .md, .png")
    arguments = parser.parse_args()
    try:
        run(arguments)
    except InputError as error:
        print(f"known_concepts: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def run(arguments: argparse.Namespace) -> None:
    """The experiment."""
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - begun:4.0f} s] {text}", flush=True)

    agent = load_agent(arguments.agent)
    layers = tuple(arguments.layers.split(",")) if arguments.layers else usual_layers(agent)
    stockfish = arguments.stockfish or shutil.which("stockfish", path=os.pathsep.join(PLACES_OF_PROGRAMS))
    not_run = [
        f"{family}: {reason}"
        for missing, family, reason in (
            (stockfish is None, "Stockfish's terms", "there is no program stockfish (--stockfish)"),
            (arguments.openings is None, "openings", "no folder of lines was given (--openings)"),
            (arguments.suite is None, "suite themes and amplification", "no suite was given (--suite)"),
        )
        if missing
    ]
    inputs = {path.name: file_checksum(path) for path in files_read(arguments)}
    stockfish_version = None if stockfish is None else check_oracle(stockfish)
    games, source = gathered_games(arguments.games, arguments.positions, arguments.seed)
    say(f"{len(games)} games: {source}")
    with tempfile.TemporaryDirectory() as scratch, Workers(arguments.workers) as workers:
        pool = pool_of(games, source, arguments.positions, GAME_PLIES, arguments.seed)
        examples, refused = examples_in(pool, game_concepts(pool, stockfish, workers, say), arguments.seed)
        tasks, controls = static_tasks(agent, pool, examples, layers, Path(scratch) / "games", arguments.seed)
        if arguments.openings is not None:
            say("openings")
            early = pool_of(games, source, arguments.positions, OPENING_PLIES, arguments.seed)
            concepts = openings_of(early, arguments.openings, fewest=TEST_ONE_IN * FEWEST_TEST)
            found, too_few = examples_in(early, concepts, arguments.seed)
            more, others = static_tasks(agent, early, found, layers, Path(scratch) / "openings", arguments.seed)
            tasks, refused, controls = tasks + more, refused + too_few, controls | others
        if not tasks:
            raise InputError("No concept is shown in enough positions: give more games or positions.")
        say(f"{len(tasks)} concepts × layers, {len(refused)} concepts without enough positions")
        judged = []
        for answer in workers.map(judge, tasks):
            judged.append(answer)
            if len(judged) % 100 == 0:
                say(f"{len(judged)} judged")
        say("sample efficiency")
        points = [
            p
            for part in workers.map(efficiency, curve_tasks(tasks, curve_layer(agent, layers), arguments.seed))
            for p in part
        ]
        themes, amplified, suite = [], [], None
        if arguments.suite is not None:
            say("suite themes")
            puzzles = read_suite(arguments.suite, themes=True)
            suite = suite_rows(agent, puzzles, layers, arguments.simulations, arguments.seed)
            of_themes = theme_tasks(suite, layers, arguments.seed)
            mined = list(workers.map(judge_theme, of_themes))
            themes = [judged_theme for judged_theme, _ in mined]
            say("amplification")
            at_layer = [i for i, task in enumerate(of_themes) if task.layer == curve_layer(agent, layers)]
            amplified = amplification_table(
                lambda layer, vector, alpha, beta: steered(agent, layer, vector, alpha=alpha, beta=beta),
                [of_themes[i] for i in at_layer],
                [mined[i][1] for i in at_layer],
                suite.puzzles,
                BETAS,
            )
    rows, curve = theme_rows(themes) + family_rows(judged, controls), curve_points(points)
    seconds = time.monotonic() - begun
    facts = facts_of(agent, pool, suite, arguments, seconds)
    title = f"Known concepts in {agent.name}"
    page = markdown(title, facts, rows, curve, amplified, refused, not_run)
    content = {
        "agent": agent.name,
        "sha256": agent.sha256,
        "command": "python -m experiments.known_concepts " + shlex.join(without_folders(sys.argv[1:])),
        "inputs": inputs,
        "stockfish": stockfish_version,
        "seconds": round(seconds, 1),
        "facts": facts,
        "not_run": not_run,
        "families": [asdict(row) | {"paper": row.paper} for row in rows],
        "concepts": [asdict(j) | {"controls": controls[f"{j.family}/{j.concept}"]} for j in judged],
        "definitions": {f"{task.examples.family}/{task.examples.name}": definition(task.examples) for task in tasks},
        "themes": [asdict(theme) for theme in themes],
        "efficiency": [asdict(point) for point in points],
        "efficiency_by_family": [asdict(point) for point in curve],
        "amplification": [asdict(point) for point in amplified],
        "not_judged": [asdict(refusal) for refusal in refused],
    }
    name = f"known_concepts-{Path(agent.name).name}"
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_bytes(arguments.out / f"{name}.json", (json.dumps(rounded(content), indent=1) + "\n").encode())
    write_bytes(arguments.out / f"{name}.md", page.encode())
    write_bytes(arguments.out / f"{name}.png", picture(rows, curve, title))
    print(page)


def static_tasks(
    agent: Agent, pool: Pool, examples: Sequence[Examples], layers: Sequence[str], stem: Path, seed: int
) -> tuple[list[Task], dict[str, dict[str, float]]]:
    """Write the layers of a pool beside `stem`, and give a task a concept and layer and each concept's controls."""
    activations = capture(agent, pool.boards, layers)
    files = {}
    for layer, values in activations.items():
        files[layer] = stem.with_name(f"{stem.name}-{layer.replace('/', '_')}.npy")
        np.save(files[layer], values)
    numbers = controls_of(agent, pool)
    tasks = [Task(found, layer, files[layer], pool.games, seed) for found in examples for layer in layers]
    return tasks, {f"{found.family}/{found.name}": control_shares(found, numbers) for found in examples}


def curve_layer(agent: Agent, layers: Sequence[str]) -> str:
    """The layer of sample efficiency and amplification: the body's last if it is asked for, else the last named."""
    last, _ = default_layers(agent)
    return last if last in layers else layers[-1]


def curve_tasks(tasks: Sequence[Task], layer: str, seed: int) -> list[Task]:
    """Some concepts of each family, at one layer; first those that have examples enough for draws to differ."""
    chosen = []
    for family in dict.fromkeys(task.examples.family for task in tasks):
        part = [task for task in tasks if task.examples.family == family and task.layer == layer]
        part.sort(key=lambda task: (-min(len(task.examples.train), 200), stable_rank(seed, task.examples.name)))
        chosen += part[:CURVE_CONCEPTS]
    return chosen


def facts_of(
    agent: Agent, pool: Pool, suite: SuiteRows | None, arguments: argparse.Namespace, seconds: float
) -> list[str]:
    """What a reader must know of the numbers."""
    facts = [
        f"Agent {agent.name}, SHA-256 {agent.sha256[:16]}….",
        f"{len(pool.boards)} positions of {len(set(pool.games))} games: {pool.source}; {int(pool.test.sum())} positions"
        " of held-out games.",
        f"Seed {arguments.seed}; {seconds:.0f} seconds with {arguments.workers} workers.",
    ]
    if suite is not None:
        facts.append(
            f"Suite: {len(suite.puzzles)} puzzles gave {len(suite.puzzle)} rows, {suite.skipped} gave none;"
            f" {arguments.simulations} simulations after each move."
        )
    return facts


def files_read(arguments: argparse.Namespace) -> list[Path]:
    """The files that the numbers come from beside the agent's: games, lines of openings, the suite."""
    openings = [] if arguments.openings is None else opening_files(arguments.openings)
    return [*arguments.games, *openings, *([] if arguments.suite is None else [arguments.suite])]


def without_folders(words: Sequence[str]) -> list[str]:
    """Words of a command line with paths cut to their last part: folders are one machine's own."""
    return [Path(word).name if os.sep in word else word for word in words]


def definition(examples: Examples) -> dict[str, Any]:
    """What is stored of a concept."""
    return {
        "definition": examples.definition,
        "matched": examples.matched,
        "absent_up_to": examples.cut.low,
        "present_from": examples.cut.high,
    }


def rounded(value: Any) -> Any:
    """Numbers to five digits, not-a-numbers to null: JSON that a reader can compare."""
    if isinstance(value, float):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value


if __name__ == "__main__":
    main()
