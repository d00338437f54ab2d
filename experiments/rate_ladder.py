"""Rate the checkpoints of a campaign: the strength curve of the shipped ladder.

    python -m experiments.rate_ladder CHECKPOINT.pb.gz ... --games 40 --simulations 16 --out ladder.json

Each checkpoint plays the one before it; the Elo differences are added up from 0 for the first, and so are the squares
of their standard errors.  Elo of a chain of neighbours is what each step is worth against the last: it flatters.
"""

from __future__ import annotations

import argparse
import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from engines.arena import play_match
from engines.networks import load_agent


def rate(paths: list[Path], games: int, simulations: int) -> list[dict[str, Any]]:
    """One row a checkpoint: name, what it was trained with, Elo above the first and its standard error."""
    agents = [load_agent(path) for path in paths]
    rows: list[dict[str, Any]] = [
        {"name": agents[0].name, "trained": agents[0].info.training_parameters, "elo": 0.0, "elo_standard_error": 0.0}
    ]
    for earlier, later in pairwise(agents):
        result = play_match(later, earlier, games=games, simulations=simulations)
        # A clean sweep stands for no finite difference; half a point is what keeps it finite (and low).
        score = min(max(result.score, 0.5 / games), 1 - 0.5 / games)
        gain = 400 * math.log10(score / (1 - score))
        error = result.elo_standard_error or 400 / math.log(10) * 0.5 / math.sqrt(games) / (score * (1 - score))
        rows.append(
            {
                "name": later.name,
                "trained": later.info.training_parameters,
                "against": earlier.name,
                "wins": result.wins,
                "draws": result.draws,
                "losses": result.losses,
                "elo": round(rows[-1]["elo"] + gain, 1),
                "elo_standard_error": round(math.hypot(rows[-1]["elo_standard_error"], error), 1),
            }
        )
        print(f"{later.name}: {result.describe()} against {earlier.name}", flush=True)
    return rows


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Rate the checkpoints of a campaign, each against the one before it.")
    parser.add_argument("checkpoints", nargs="+", type=Path, help="network files, oldest first")
    parser.add_argument("--games", type=int, default=40)
    parser.add_argument("--simulations", type=int, default=16)
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = rate(arguments.checkpoints, arguments.games, arguments.simulations)
    result = {"games_a_match": arguments.games, "simulations_a_move": arguments.simulations, "checkpoints": rows}
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
