"""Amplification of discovered concepts: dose and response, in the network and inside search, suites and strength lost.

    python -m experiments.steer_concepts RUN_DIR [--out DIR] [--concepts 12] [--betas 0.01,0.1] [--alphas 0.1,0.2,0.4]
        [--draws 99] [--search SIMULATIONS] [--suite FILE.epd] [--match GAMES]

The concepts are those of the run that were taught, best evidence first. They are steered at the test roots of the run
and in the positions where their score is highest, along the vector that scores best lines above subpar ones. Beside
them stand controls of equal norm: random directions, their own entries on other features, their vector at another
layer, the other concepts of the layer, and no direction at all. A yardstick says what could have been found: the mean
gradient of the log-odds at the roots that were mined.

``--search`` repeats it inside a search of so many visits, every leaf steered, with the last of the strengths and few
draws. ``--suite`` counts the points of a test suite at each strength, for the concept and for shuffled entries.
``--match`` plays the steered agent against itself, at each strength: for the first concept, which has the best
evidence, and for one shuffled draw of it. Writes ``steer_concepts.json``, ``.md`` and ``.png``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray

from conceptmine.contrast.known import SuitePuzzle, read_suite
from conceptmine.errors import InputError
from conceptmine.evidence.steering import (
    Arm,
    DoseResponse,
    ascent_direction,
    shuffled_arms,
    steered,
    strength_lost,
    suite_score,
)
from conceptmine.pipeline.choices import ChoiceTable
from conceptmine.pipeline.judging import oriented_vectors
from conceptmine.pipeline.steering import (
    SteeringTask,
    comparison_rows,
    curve_rows,
    presence_vectors,
    steer,
    steering_tasks,
)
from conceptmine.pipeline.workers import agent_at
from conceptmine.runfolder import read_arrays, read_manifest, read_rows
from engines.networks import Agent, load_agent

matplotlib.use("Agg")

NAME = "steer_concepts"
SEARCH_DRAWS = 4
"""Draws of each kind inside search, where one costs as much as hundreds in the network alone."""
SEARCH_ROOTS = 40
SUITE_DRAWS = 5
MATCH_SIMULATIONS = 50


@dataclass(frozen=True)
class Run:
    """What is needed of a run folder: the agent's file, concepts (best evidence first), their vectors, the roots."""

    agent: str
    seed: int
    concepts: list[dict[str, Any]]
    vectors: Mapping[str, NDArray[np.float64]]
    table: ChoiceTable


def read_run(folder: Path, most: int) -> Run:
    """The taught concepts of a run, at most so many.

    Raises:
        InputError: no run folder, a run with ``null``, or none taught.
    """
    manifest = read_manifest(folder)
    if manifest.arguments["null"]:
        raise InputError(f"{folder} is a run with --null: its concepts are false by design, name another run.")
    rows = read_rows(folder / "concepts.parquet")
    oriented = oriented_vectors(read_arrays(folder / "vectors.safetensors"), rows)
    taught = [row for row in rows if row["prototypes"] is not None]
    if not taught:
        raise InputError(f"{folder} has no taught concept: mine with more --roots.")
    taught.sort(key=lambda row: (row["null_p"], -row["heldout_satisfaction"], row["concept_id"]))
    chosen = taught[:most]
    return Run(
        agent=manifest.inputs["agent"].path,
        seed=manifest.seed,
        concepts=chosen,
        vectors={row["concept_id"]: oriented[row["concept_id"]] for row in chosen},
        table=ChoiceTable.of(read_rows(folder / "positions.parquet"), read_rows(folder / "lines.parquet")),
    )


def responses(
    run: Run, alphas: Sequence[float], beta: float, *, draws: int, simulations: int | None = None
) -> dict[str, dict[str, DoseResponse]]:
    """Dose and response of every concept, at the roots ("roots") and where it applies ("applies").

    Inside search at most `SEARCH_ROOTS` positions of each kind are looked at.
    """
    most = {} if simulations is None else {"most": SEARCH_ROOTS}
    agent = agent_at(run.agent, "cpu")
    places = {
        "roots": dict.fromkeys(run.vectors, run.table.roots("test", seed=run.seed, **most)),
        "applies": run.table.where_they_apply(agent, run.concepts, presence_vectors(run.vectors, run.concepts), **most),
    }
    found: dict[str, dict[str, DoseResponse]] = {}
    for where, chosen in places.items():
        tasks = steering_tasks(
            run.concepts,
            run.vectors,
            {row["concept_id"]: run.table.choices(chosen[row["concept_id"]], row) for row in run.concepts},
            agent=run.agent,
            device="cpu",
            alphas=tuple(alphas),
            beta=beta,
            seed=run.seed,
            simulations=simulations,
            random_draws=draws,
            shuffled_draws=draws,
        )
        if simulations is None and where == "roots":
            tasks += [replace(task, vectors=_ascent(run, task), others={}) for task in tasks]
        found[where] = {name: response for task in tasks for name, response in steer(task).items()}
    return found


def _ascent(run: Run, task: SteeringTask) -> dict[str, NDArray[np.float64]]:
    """The yardstick of a task: what was made from the mined roots to raise their best moves, tried on its choices."""
    shortest = {"horizon": min(row["horizon"] for row in run.concepts), "players": "two"}
    mined = run.table.choices(run.table.roots("mine", seed=run.seed), shortest)
    name = f"ascent at {task.layer} ({len(task.choices)} choices)"
    return {name: ascent_direction(agent_at(run.agent, "cpu"), mined, task.layer)}


def suite_rows(
    agent: Agent, run: Run, suite: Sequence[SuitePuzzle], alphas: Sequence[float], beta: float
) -> list[dict[str, Any]]:
    """Points of the suite by concept and strength, beside the mean and the range of shuffled draws; no search."""
    plain = suite_score(agent, suite).share
    rows = []
    for concept in run.concepts:
        arm = Arm(concept["concept_id"], "concept", concept["layer"], run.vectors[concept["concept_id"]], beta)
        for alpha in alphas:
            own, *drawn = (
                suite_score(steered(agent, a.layer, a.vector, alpha=alpha, beta=beta), suite).share
                for a in (arm, *shuffled_arms(arm, draws=SUITE_DRAWS, seed=run.seed))
            )
            rows.append(
                {
                    "concept_id": arm.name,
                    "alpha": alpha,
                    "unsteered": plain,
                    "concept": own,
                    "shuffled": float(np.mean(drawn)),
                    "shuffled_low": min(drawn),
                    "shuffled_high": max(drawn),
                }
            )
    return rows


def match_rows(agent: Agent, run: Run, alphas: Sequence[float], beta: float, games: int) -> list[dict[str, Any]]:
    """Strength lost by the first concept and by one shuffled draw of it, at each strength."""
    concept = run.concepts[0]
    arm = Arm(concept["concept_id"], "concept", concept["layer"], run.vectors[concept["concept_id"]], beta)
    rows = []
    for alpha in alphas:
        for one in (arm, *shuffled_arms(arm, draws=1, seed=run.seed)):
            player = steered(agent, one.layer, one.vector, alpha=alpha, beta=beta)
            tally = strength_lost(player, games=games, simulations=MATCH_SIMULATIONS, seed=run.seed).tally
            rows.append(
                {
                    "arm": one.name,
                    "alpha": alpha,
                    "games": tally.games,
                    "simulations": MATCH_SIMULATIONS,
                    "score": tally.score,
                    "elo": tally.elo,
                    "elo_standard_error": tally.elo_standard_error,
                }
            )
    return rows


def tables(results: Mapping[str, Any]) -> str:
    """The results as Markdown."""
    lines = ["# Steering along discovered concepts", "", f"`{results['command']}`", ""]
    lines += [f"Agent {results['agent']}; slopes are nats of log-odds (best against worse move) per unit of α.", ""]
    for part in results["doses"]:
        where = "network alone" if part["simulations"] is None else f"inside {part['simulations']} visits"
        lines += [f"## β = {part['beta']:g}, {where}", ""]
        lines += ["| concept | where | control | draws | excess slope (95 %) | better at | sign test p | rank p |"]
        lines += ["| --- | --- | --- | --- | --- | --- | --- | --- |"]
        lines += [
            f"| {row['concept_id']} | {row['where']} | {row['arm']} | {row['draws']} | {row['excess']:+.3f}"
            f" ({row['excess_low']:+.3f} to {row['excess_high']:+.3f}) | {row['better']} of {row['games']}"
            f" | {row['sign_p']:.3f} | {row['rank_p']:.3f} |"
            for row in part["controls"]
        ]
        lines += [""]
    if results["suite"]:
        lines += [f"## {results['suite_file']}: share of the points, no search, β = {results['suite_beta']:g}", ""]
        lines += ["| concept | α | unsteered | concept | shuffled (range) |", "| --- | --- | --- | --- | --- |"]
        lines += [
            f"| {row['concept_id']} | {row['alpha']:g} | {row['unsteered']:.3f} | {row['concept']:.3f}"
            f" | {row['shuffled']:.3f} ({row['shuffled_low']:.3f} to {row['shuffled_high']:.3f}) |"
            for row in results["suite"]
        ]
        lines += [""]
    if results["match"]:
        lines += [f"## Strength: steered against unsteered, β = {results['suite_beta']:g}", ""]
        lines += ["| steered by | α | games | score | Elo ± standard error |", "| --- | --- | --- | --- | --- |"]
        lines += [
            f"| {row['arm']} | {row['alpha']:g} | {row['games']} | {row['score']:.3f} | {_elo(row)} |"
            for row in results["match"]
        ]
        lines += [""]
    return "\n".join(lines)


def _elo(row: Mapping[str, Any]) -> str:
    if row["elo"] is None:
        return "none finite"
    error = "" if row["elo_standard_error"] is None else f" ± {row['elo_standard_error']:.0f}"
    return f"{row['elo']:+.0f}{error}"


def draw(doses: Sequence[Mapping[str, Any]], path: Path) -> None:
    """A panel a concept and β of the network alone: the concept, the shuffled draws' range, random ones' mean."""
    from matplotlib import pyplot

    parts = [part for part in doses if part["simulations"] is None]
    names = list(dict.fromkeys((row["concept_id"], row["where"]) for part in parts for row in part["curves"]))
    figure, axes = pyplot.subplots(
        len(names), len(parts), figsize=(4 * len(parts), 2.2 * len(names)), squeeze=False, sharex=True
    )
    for column, part in enumerate(parts):
        for row, (name, where) in enumerate(names):
            axis = axes[row, column]
            curves = {
                arm: [p for p in part["curves"] if (p["concept_id"], p["where"], p["arm"]) == (name, where, arm)]
                for arm in ("concept", "shuffled", "random", "shrink")
            }
            if band := curves["shuffled"]:
                axis.fill_between(
                    [p["alpha"] for p in band], [p["low"] for p in band], [p["high"] for p in band], color="0.85"
                )
            for arm, style in (("random", "k:"), ("shrink", "k--"), ("concept", "g-o")):
                axis.plot([p["alpha"] for p in curves[arm]], [p["log_odds"] for p in curves[arm]], style, ms=3, lw=1)
            axis.set_title(f"{name}, {where}, β = {part['beta']:g}", fontsize=8)
    figure.supxlabel("α")
    figure.supylabel("change of the log-odds (nats); grey: shuffled, dotted: random, broken: shrink only")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def main() -> None:
    """Run the experiment as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN_DIR")
    parser.add_argument("--out", type=Path, default=Path("experiments/results"))
    parser.add_argument("--concepts", type=int, default=12)
    parser.add_argument("--betas", type=_numbers, default=(0.01, 0.1))
    parser.add_argument("--alphas", type=_numbers, default=(0.1, 0.2, 0.4))
    parser.add_argument("--draws", type=int, default=99)
    parser.add_argument("--search", type=int, metavar="SIMULATIONS")
    parser.add_argument("--suite", type=Path, metavar="FILE.epd")
    parser.add_argument("--match", type=int, metavar="GAMES")
    given = parser.parse_args()
    try:
        run = read_run(given.run, given.concepts)
        puzzles = [] if given.suite is None else read_suite(given.suite)
    except InputError as error:
        parser.error(str(error))
    agent = load_agent(run.agent)
    plans = [(beta, tuple(given.alphas), given.draws, None) for beta in given.betas]
    if given.search is not None:
        plans.append((given.betas[-1], (given.alphas[-1],), SEARCH_DRAWS, given.search))
    doses = []
    for beta, alphas, draws, simulations in plans:
        found = responses(run, alphas, beta, draws=draws, simulations=simulations)
        curves = [row for where, measured in found.items() for row in curve_rows(measured, where)]
        controls = [row for where, measured in found.items() for row in comparison_rows(measured, where)]
        doses.append({"beta": beta, "simulations": simulations, "curves": curves, "controls": controls})
    beta = given.betas[-1]
    suite = suite_rows(agent, run, puzzles, given.alphas, beta) if puzzles else []
    match = [] if given.match is None else match_rows(agent, run, given.alphas, beta, given.match)
    options = {name: value for name, value in vars(given).items() if name not in ("run", "out", "suite") and value}
    words = [f"--{name} {','.join(map(str, v)) if isinstance(v, tuple) else v}" for name, v in sorted(options.items())]
    words += [] if given.suite is None else [f"--suite {given.suite.name}"]
    results = {
        "command": " ".join(["python -m experiments.steer_concepts RUN_DIR", *words]),
        "agent": f"{agent.name} ({agent.sha256[:12]})",
        "concepts": [{key: row[key] for key in ("concept_id", "layer", "null_p", "q_value")} for row in run.concepts],
        "doses": doses,
        "suite_file": None if given.suite is None else given.suite.name,
        "suite_beta": beta,
        "suite": suite,
        "match": match,
    }
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / f"{NAME}.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    text = tables(results)
    (given.out / f"{NAME}.md").write_text(text, encoding="utf-8")
    draw(doses, given.out / f"{NAME}.png")
    print(text)


if __name__ == "__main__":
    main()
