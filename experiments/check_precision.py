"""Check: what an agent in 16 bits says, against the same agent in float32, on positions of games.

    python -m experiments.check_precision [--network NAME_OR_FILE ...] [--games GAMES.pgn[.zst] ...] [--positions 10000]

Positions come with their history, from the games of a PGN file or, without one, from games that shipped networks play
without search: half of them `human-imitation`, half `ladder-final`. In each something can be chosen, and none
transposes to another. *Best move* is the legal move of the highest probability. Where the two agents differ in it, the
gap is what float32 gives its own best move more than the other: what was lost, as the network sees it.

A network that bfloat16 leaves in float32 (`engines.networks.precision`) is named as such, and also measured as if it
were not, under "bfloat16, forced": the reason why it is left.

``--out`` (default: experiments/results) gets ``check_precision.json`` and the table in ``check_precision.md``. A share
of positions with the same best move below ``--least`` ends the check with exit code 1, save for what was forced.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import torch
from rich.console import Console
from rich.progress import track

from conceptmine.positions import GameRecord, PositionRecord, path_id, read_games, sample_positions
from conceptmine.runfolder import write_bytes
from engines.networks import load_agent
from engines.networks.precision import DTYPES, round_weights
from engines.networks.torch_network import TorchNetwork
from engines.selfplay.policy_games import play_policy_games
from experiments.agreement import Difference, answers, difference, has_16_bits, packed_positions
from experiments.engine_benchmark.machine import describe_machine, machine_line
from experiments.engine_benchmark.tables import Grid, markdown, rich_table

RESULTS: Final = Path(__file__).parent / "results"
NETWORKS: Final = ("human-imitation", "ladder-final")
PLAYERS: Final = (("human-imitation", 1.0), ("ladder-final", 0.6))
"""Who plays the games, and at which temperature."""
GAMES_AT_ONCE: Final = 64
PER_GAME: Final = 35
PLIES: Final = (4, 240)
LEAST: Final = 0.995
FORCED: Final = "bfloat16, forced"


def played_games(player: str, temperature: float, seed: int) -> Iterator[GameRecord]:
    """Games of a shipped network against itself, without end."""
    agent = load_agent(player)
    while True:
        for moves, result in play_policy_games(agent, [()] * GAMES_AT_ONCE, temperature=temperature, seed=seed):
            yield GameRecord(path_id(None, moves), None, moves, result)
        seed += 1


def sampled_positions(count: int, files: Sequence[Path], seed: int) -> list[PositionRecord]:
    """Up to `count` positions of the files' games, or of games played here."""
    if files:
        sources = [(read_games(files, on_error="skip"), count)]
    else:
        counts = (count - count // 2, count // 2)
        games = [played_games(name, temperature, seed) for name, temperature in PLAYERS]
        sources = list(zip(games, counts, strict=True))
    parts = [islice(sample_positions(g, per_game=PER_GAME, plies=PLIES, seed=seed), n) for g, n in sources]
    return list(chain(*parts))


def measure(source: str, dtypes: Sequence[str], records: Sequence[PositionRecord], device: str) -> list[Difference]:
    """All types of one network."""
    exact_agent = load_agent(source, device=device)
    boards = [record.board() for record in records]
    positions = packed_positions(boards, exact_agent.input_format, exact_agent.history_fill)
    exact = exact_agent.evaluate_packed(positions.masks, positions.values)
    found = []
    for dtype in dtypes:
        agent = load_agent(source, dtype=dtype, device=device)
        rounded = has_16_bits(agent.network)
        other = agent.evaluate_packed(positions.masks, positions.values)
        found.append(difference(exact_agent.name, dtype, rounded, exact, other, positions))
        if dtype == "bfloat16" and not rounded:
            round_weights(agent.network, DTYPES[dtype], fewest_channels=1)
            forced = answers(TorchNetwork(agent.network), positions)
            found.append(difference(exact_agent.name, FORCED, has_16_bits(agent.network), exact, forced, positions))
    return found


def grid_of(found: Sequence[Difference], title: str) -> Grid:
    """The differences as a table."""
    columns = ("network", "type", "same best move", "gap if not: max (mean)", "probability: max (mean)", "q", "plies")
    rows = [
        (
            one.network,
            one.dtype if one.rounded else f"{one.dtype}: left in float32",
            f"{one.same_best_move:.2%}",
            f"{one.largest_gap:.4f} ({one.mean_gap:.4f})",
            f"{one.largest_probability:.4f} ({one.mean_probability:.5f})",
            f"{one.largest_value:.4f}",
            "–" if one.largest_moves_left is None else f"{one.largest_moves_left:.2f}",
        )
        for one in found
    ]
    return Grid(title, columns, tuple(rows))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Compare agents in 16 bits with the same agents in float32.")
    parser.add_argument("--network", action="append", help="a name or file, any number of times [two shipped ones]")
    parser.add_argument("--dtype", action="append", choices=sorted(DTYPES), help="[float16 and bfloat16]")
    parser.add_argument("--games", action="append", type=Path, help="take the positions from this PGN file")
    parser.add_argument("--positions", type=int, default=10_000)
    parser.add_argument("--least", type=float, default=LEAST, help="smallest share of same best moves (default 0.995)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if arguments.positions < 1:
        parser.error(f"--positions is {arguments.positions}: give at least 1")
    torch.set_num_threads(1)
    console = Console(width=150)
    before = describe_machine()
    records = sampled_positions(arguments.positions, arguments.games or [], arguments.seed)
    if not records:
        parser.error("there is no position to choose from in these games")
    found: list[Difference] = []
    for source in track(arguments.network or NETWORKS, "networks", console=Console(stderr=True)):
        found += measure(source, arguments.dtype or ("float16", "bfloat16"), records, arguments.device)
    origin = "PGN files" if arguments.games else "games of shipped networks"
    grid = grid_of(found, f"16 bits against float32 on {len(records)} positions of {origin}")
    console.print(rich_table(grid))
    header = machine_line(before, describe_machine())
    content: dict[str, Any] = {"machine": before, "device": arguments.device, "seed": arguments.seed, "origin": origin}
    content |= {"positions": len(records), "differences": [asdict(one) for one in found]}
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_bytes(arguments.out / "check_precision.json", json.dumps(content, indent=1).encode())
    write_bytes(arguments.out / "check_precision.md", f"{header}\n\n{markdown(grid)}\n".encode())
    if missed := [one for one in found if one.same_best_move < arguments.least and one.dtype != FORCED]:
        print(f"Below {arguments.least:.1%}: {', '.join(f'{m.network} {m.dtype}' for m in missed)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
