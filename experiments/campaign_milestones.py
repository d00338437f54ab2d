"""How strong a campaign's network has become: matches against a fixed set of opponents from outside the campaign.

    python -m experiments.campaign_milestones AGENT [--games 60] [--simulations 64] [--networks DIR] [--out DIR]

The opponents, about from the weakest up: a mover of random moves, a taker of material, moves drawn from a policy that
imitates people of 1100 (a Maia network, at two temperatures), Stockfish at its lowest skill, and the first choices of
the policies for 1100, 1500 and 1900. They stay the same, so that milestones can be compared. Openings are even, and
each is played with both colours; the same seed gives every agent the same ones. Opponents that are not on this machine
are named as not played.

Files of the Maia networks are looked for in ``--networks`` (default: the folder data/nets of the reference data, if
CONCEPTMINE_REFERENCE names them), Stockfish on the path and where Debian puts it. ``DIR`` (default:
experiments/results/milestones) gets ``NAME.json`` and ``NAME.md``, named after the agent and written anew after each
match. On standard output, a line a match.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from conceptmine.runfolder import write_bytes
from engines.arena import NetworkPlayer, play_match, player_of
from engines.networks import NetworkFormatError, load_agent
from experiments.engine_benchmark.machine import describe_machine
from experiments.engine_benchmark.tables import Grid, markdown, rich_table

RESULTS = Path(__file__).parent / "results" / "milestones"
PLACES_OF_PROGRAMS = (os.environ.get("PATH", os.defpath), "/usr/games")
STOCKFISH = "nodes=1000&Skill Level=0&processes=4"
"""At this level Stockfish plays one of four moves, drawn with regard to their scores in the first ply of its search.

It draws anew each time, so that only these matches come out differently when they are played again.
"""
MAIA = ("maia-1100@1?temperature=1.5", "maia-1100@1?temperature=1", "maia-1100@1", "maia-1500@1", "maia-1900@1")


@dataclass(frozen=True)
class Opponent:
    """One of the fixed set: a name for the tables, what `engines.arena.player_of` is given, and what it would need."""

    name: str
    player: str
    missing: str = ""


def opponents(networks: Path, stockfish: str | None) -> tuple[Opponent, ...]:
    """The set, with the networks of a folder and Stockfish's program."""
    missing = "" if stockfish else "there is no program stockfish"
    maia = []
    for name in MAIA:
        network, settings = name.split("@")
        file = networks / f"{network}.pb.gz"
        lacking = "" if file.is_file() else f"there is no {file.name} in the folder of --networks"
        maia.append(Opponent(name, f"{file}@{settings}", lacking))
    return (
        Opponent("random", "random"),
        Opponent("material", "material"),
        *maia[:2],
        Opponent("stockfish, skill 0", f"uci:{stockfish}?{STOCKFISH}", missing),
        *maia[2:],
    )


def version_of(stockfish: str) -> str:
    """Name and number, as the program greets."""
    greeting = subprocess.run([stockfish, "quit"], capture_output=True, text=True, check=False).stdout
    return greeting.split(" by ")[0].strip()


def grid_of(title: str, rows: list[dict[str, Any]], not_played: list[str]) -> Grid:
    """The matches as a table, with what was not played below."""
    cells = []
    for row in rows:
        elo, error = row["elo"], row["elo_standard_error"]
        known = "" if error is None else f" ± {error:.0f}"
        cells.append(
            (
                row["opponent"],
                f"{row['wins']}–{row['draws']}–{row['losses']}",
                f"{row['score']:.1%}",
                "–" if elo is None else f"{elo:+.0f}{known}",
                f"{row['likelihood_of_superiority']:.1%}",
            )
        )
    columns = ("against", "won–drawn–lost", "score", "Elo difference ± standard error", "likelihood of superiority")
    return Grid(title, columns, tuple(cells), tuple(f"Not played: {one}" for one in not_played))


def main() -> None:
    """Command line."""
    reference = os.environ.get("CONCEPTMINE_REFERENCE")
    parser = argparse.ArgumentParser(description="Play a network against a fixed set of outside opponents.")
    parser.add_argument("agent", help="network file or shipped agent")
    parser.add_argument("--games", type=int, default=60, help="of each match, half with each colour (default 60)")
    parser.add_argument("--simulations", type=int, default=64, help="of the agent's moves (default 64)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of openings")
    parser.add_argument(
        "--networks",
        type=Path,
        default=Path(reference, "data", "nets") if reference else Path(),
        help="folder of the Maia networks (default %(default)s)",
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the results")
    arguments = parser.parse_args()
    if arguments.games < 2 or arguments.games % 2:
        parser.error(f"--games is {arguments.games}: give an even number from 2 up")
    if arguments.simulations < 1:
        parser.error(f"--simulations is {arguments.simulations}: give at least 1")
    if arguments.seed < 0:
        parser.error(f"--seed is {arguments.seed}: give a whole number from 0 up")
    # The compiled network needs one thread, and a pool of torch's would spin on the cores of the engines.
    torch.set_num_threads(1)
    try:
        agent = load_agent(arguments.agent)
    except NetworkFormatError as error:
        parser.error(str(error))
    player = NetworkPlayer(agent, arguments.simulations)
    stockfish = shutil.which("stockfish", path=os.pathsep.join(PLACES_OF_PROGRAMS))
    arguments.out.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {
        "agent": agent.name,
        "sha256": agent.sha256,
        "trained": agent.info.training_parameters,
        "simulations": arguments.simulations,
        "games": arguments.games,
        "seed": arguments.seed,
        "machine": describe_machine(),
        "stockfish": version_of(stockfish) if stockfish else None,
        "matches": [],
        "not_played": [],
    }
    title = f"{player.name}, {arguments.games} games a match"
    for opponent in opponents(arguments.networks, stockfish):
        if opponent.missing:
            content["not_played"].append(f"{opponent.name}: {opponent.missing}")
            print(f"not played: {opponent.name}: {opponent.missing}", flush=True)
        else:
            with closing(player_of(opponent.player, arguments.simulations)) as other:
                result = play_match(player, other, games=arguments.games, seed=arguments.seed)
            content["matches"].append({"opponent": opponent.name} | result.as_json())
            print(f"{opponent.name}: {result.tally.describe()}", flush=True)
        grid = grid_of(title, content["matches"], content["not_played"])
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        write_bytes(arguments.out / f"{agent.name}.json", text.encode())
        write_bytes(arguments.out / f"{agent.name}.md", markdown(grid).encode())
    Console().print(rich_table(grid))


if __name__ == "__main__":
    main()
