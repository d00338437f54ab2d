"""What each trick of self-play gives: campaigns from zero for equal processor time, each with one thing changed.

    python -m experiments.ablate_selfplay [--minutes 6] [--games 60] [--workers 2] [--variant NAME ...] [--out DIR]

Every variant plays and learns for ``--minutes`` of processor time (all its threads together), from the same seed, on
``engines/selfplay/small.toml`` with its own changes.  Then its network plays ``--games`` games against that of the
unchanged campaign, and against a random mover and a taker of material, at 64 simulations a move.  ``DIR`` (default
``experiments/results``) gets ``ablate_selfplay.json`` and ``.md``; networks go to ``runs/ablate_selfplay``, and what is
there is not trained again.  One campaign a variant: differences of less than two standard errors say little, and a
second seed may say something else.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from torch import Tensor
from torch.nn import functional

from engines.arena import play_match, player_of
from engines.networks import write_network
from engines.networks.whole_files import write_whole
from engines.selfplay import Campaign, learner, read_campaign, read_campaign_network, run_campaign
from engines.selfplay.config import NetworkSize
from engines.selfplay.metrics import read_metrics
from engines.selfplay.state import STATE_FILE

HERE: Final = Path(__file__).parent
CAMPAIGN: Final = HERE.parent / "engines" / "selfplay" / "small.toml"
UNCHANGED: Final = "unchanged"
ALL_MOVES: Final = "all moves compete"
SIMULATIONS: Final = 64
SEED: Final = 11

VARIANTS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    UNCHANGED: ("the campaign as it is", {}),
    "no short searches": (
        "every search has 16 simulations and is learned from once (instead of a quarter of 32, four times)",
        {"full_share": 1.0, "simulations": 16, "replay_ratio": 1.0},
    ),
    ALL_MOVES: ("policies are learned among all 1,858 moves, not among the legal ones", {}),
    "no openings": (
        "all games start from the usual position, without moves drawn from the policy",
        {"opening_plies": 0},
    ),
    "no even share": ("nothing of the root's policy is spread evenly", {"uniform_share": 0.0}),
    "no endgames": ("no games from random positions of few men", {"endgame_share": 0.0}),
    "no material lead": ("long games are drawn from the beginning", {"lead_until": 0}),
    "no resignation": ("all games are played to the end", {"resign_errors": 0.0}),
    "AlphaZero's search": ("PUCT with noise, visit counts learned, instead of Gumbel", {"search": "alphazero"}),
    "no average": ("the newest weights play, not their running average", {"average_decay": 0.0}),
    "no mirroring": ("positions are learned as they are", {"mirrored": False}),
    "results only": ("the value target is the game's result alone", {"value_from_search": 0.0}),
    "half the learning": ("each full search is learned from twice", {"replay_ratio": 2.0}),
    "twice the learning": ("each full search is learned from eight times", {"replay_ratio": 8.0}),
    "larger network": ("6 blocks of 64 channels", {"network": NetworkSize(64, 6, 16)}),
}


def changed(name: str) -> Campaign:
    """The campaign of a variant; without checkpoints, and with a state that is saved at the end only."""
    quiet: dict[str, Any] = {"checkpoints": (), "save_every_seconds": 1e6, "tail_positions": 0, "seed": SEED}
    return replace(read_campaign(CAMPAIGN), **(quiet | VARIANTS[name][1]))


def folder_of(name: str, runs: Path) -> Path:
    """Where a variant's campaign lies."""
    return runs / name.replace(" ", "-").replace("'", "")


def among_all_moves(logits: Tensor, slots: Tensor, legal: Tensor, policy: Tensor) -> Tensor:
    """`learner.policy_cross_entropy` without a look at which moves are legal."""
    return -(policy * functional.log_softmax(logits, dim=1).gather(1, slots)).sum(dim=1).mean()


def train(name: str, minutes: float, runs: Path) -> None:
    """Run a variant's campaign and write its network."""
    folder = folder_of(name, runs)
    shutil.rmtree(folder, ignore_errors=True)  # one that was interrupted has had part of its time
    if name == ALL_MOVES:
        learner.policy_cross_entropy = among_all_moves
    run_campaign(changed(name), folder, minutes, device="cpu", clock=time.process_time, report=lambda _: None)
    network, info = read_campaign_network(folder / STATE_FILE)
    write_network(network, folder / "network.pb.gz", info)


def measure(name: str, games: int, runs: Path) -> dict[str, Any]:
    """A variant's campaign and its matches."""
    folder = folder_of(name, runs)
    last = read_metrics(folder / "metrics.csv")[-1]
    found: dict[str, Any] = {
        "variant": name,
        "meaning": VARIANTS[name][0],
        "positions": last.positions,
        "games": last.games,
        "evaluations": last.evaluations,
        "steps": last.steps,
        "policy_kl": last.policy_kl,
        "drawn": last.drawn,
        "resign_false_positives": last.resign_false_positives,
    }
    player = player_of(str(folder / "network.pb.gz"), SIMULATIONS)
    opponents = {"random": "random", "material": "material"}
    if name != UNCHANGED:
        opponents["unchanged"] = str(folder_of(UNCHANGED, runs) / "network.pb.gz")
    for opponent, text in opponents.items():
        result = play_match(player, player_of(text, SIMULATIONS), games=games, seed=SEED)
        found[opponent] = result.tally.as_json()
    return found


def table(rows: list[dict[str, Any]], minutes: float, games: int) -> str:
    """The result for people."""
    lines = [
        "# What each trick of self-play gives",
        "",
        f"Campaigns from zero, {minutes:g} minutes of processor time each, one seed; {games} games a match at"
        f" {SIMULATIONS} simulations a move. Elo against the unchanged campaign with its standard error; score against"
        f" a random mover and a taker of material. {platform.processor() or platform.machine()}, Python"
        f" {platform.python_version()}.",
        "",
        "| variant | | positions | games | Elo | random mover | taker of material |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        elo = "0"
        if "unchanged" in row:
            match = row["unchanged"]
            error = match["elo_standard_error"]
            elo = f"{match['wins']}–{match['draws']}–{match['losses']}"
            if match["elo"] is not None:
                elo = f"{match['elo']:+.0f}" + (f" ± {error:.0f}" if error is not None else "")
        lines.append(
            f"| {row['variant']} | {row['meaning']} | {row['positions']:,} | {row['games']:,} | {elo} |"
            f" {row['random']['score']:.0%} | {row['material']['score']:.0%} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Measure what each trick of self-play gives.")
    parser.add_argument("--minutes", type=float, default=6.0, help="processor time of each campaign")
    parser.add_argument("--games", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--variant", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--runs", type=Path, default=HERE.parent / "runs" / "ablate_selfplay")
    parser.add_argument("--only", help=argparse.SUPPRESS)  # what a child does: train or measure one variant
    arguments = parser.parse_args()
    if arguments.only:
        if not (folder_of(arguments.only, arguments.runs) / "network.pb.gz").exists():
            train(arguments.only, arguments.minutes, arguments.runs)
        if arguments.only == UNCHANGED or (folder_of(UNCHANGED, arguments.runs) / "network.pb.gz").exists():
            print(json.dumps(measure(arguments.only, arguments.games, arguments.runs)))
        return

    def child(name: str) -> dict[str, Any]:
        options = [f"--minutes={arguments.minutes}", f"--games={arguments.games}", f"--runs={arguments.runs}"]
        command = [sys.executable, "-m", "experiments.ablate_selfplay", "--only", name, *options]
        row: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        print(name, row["positions"], row["random"]["score"], row.get("unchanged"), flush=True)
        return row

    names = [UNCHANGED, *(name for name in arguments.variant if name != UNCHANGED)]
    rows = [child(UNCHANGED)]
    with ThreadPoolExecutor(arguments.workers) as pool:
        for row in pool.map(child, names[1:]):
            rows.append(row)
            settings = {"minutes": arguments.minutes, "games": arguments.games, "simulations": SIMULATIONS}
            content = json.dumps({"settings": settings, "rows": rows}, indent=1) + "\n"
            write_whole(arguments.out / "ablate_selfplay.json", content.encode())
            markdown = table(rows, arguments.minutes, arguments.games)
            write_whole(arguments.out / "ablate_selfplay.md", markdown.encode())


if __name__ == "__main__":
    main()
