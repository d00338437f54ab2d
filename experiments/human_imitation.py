"""Train the shipped human-imitation network: a small network that predicts the moves of people.

    python -m experiments.human_imitation GAMES.pgn[.zst] ... --out human.pb.gz --minutes 25 [--beside NET ...]

One game in twenty is held out by the hash of its moves; the share of its moves that the network ranks first is printed
and stored in the network file, and with it that of other networks on the same positions (``--beside``).  Moves
of every player count alike, whatever the rating.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import chess
import numpy as np
import torch

from conceptmine.positions import GameRecord, board_of, read_games
from engines.chess import policy_index
from engines.chess.position import encode_move, start_position
from engines.networks import Agent, Network, NetworkConfig, NetworkInfo, Tower, ValueHead, load_agent, write_network
from engines.selfplay.endings import MATE
from engines.selfplay.learner import Learner, annealed
from engines.selfplay.records import FULL, TARGET_MOVES
from engines.selfplay.records import GameRecord as PlayedGame
from engines.selfplay.window import Window

CONFIG = NetworkConfig(Tower(48, blocks=4, se_channels=12), value=ValueHead(planes=8, hidden=64))
HELD_OUT_ONE_IN = 20
BATCH = 256
RESULTS = {"1-0": 1, "0-1": -1, "1/2-1/2": 0}


def as_played(game: GameRecord) -> PlayedGame:
    """The game with the move that was played as the whole policy target."""
    board = chess.Board()
    moves, slots = [], []
    for text in game.moves:
        move = chess.Move.from_uci(text)
        moves.append(encode_move(board, move))
        slots.append(policy_index(board, move))
        board.push(move)
    n = len(moves)
    policy_slots = np.zeros((n, TARGET_MOVES), dtype=np.uint16)
    policy = np.zeros((n, TARGET_MOVES), dtype=np.float16)
    policy_slots[:, 0], policy[:, 0] = slots, 1
    return PlayedGame(
        start=start_position(),
        moves=np.array(moves, dtype=np.uint16),
        kinds=np.full(n, FULL, dtype=np.uint8),
        slots=policy_slots,
        policy=policy,
        values=np.zeros(n, dtype=np.float32),
        result=RESULTS[game.result],
        ending=MATE,  # or anything else: only the result is learned
        lowest=np.zeros(2, dtype=np.float32),
        played_on=True,
    )


def held_out(game: GameRecord) -> bool:
    """Whether the game is kept for measuring (its identifier is a hash of its moves)."""
    return int(game.game_id, 16) % HELD_OUT_ONE_IN == 0


def usable(games: Iterable[GameRecord]) -> list[GameRecord]:
    """Games from the usual start with a known result."""
    return [game for game in games if game.fen is None and game.result in RESULTS]


def move_matching(agent: Agent, games: Sequence[GameRecord], positions: int, seed: int) -> tuple[float, int]:
    """Share of held-out moves that are the agent's first choice among the legal ones, and the number of positions."""
    places = [(game, ply) for game in range(len(games)) for ply in range(len(games[game].moves))]
    chosen = np.random.default_rng(seed).permutation(len(places))[:positions]
    hits = 0
    for start in range(0, len(chosen), BATCH):
        part = [places[i] for i in chosen[start : start + BATCH]]
        policies = agent.evaluate([board_of(None, games[game].moves[:ply], check=False) for game, ply in part]).policy
        for policy, (game, ply) in zip(policies, part, strict=True):
            hits += max(policy, key=policy.__getitem__).uci() == games[game].moves[ply]
    return hits / len(chosen), len(chosen)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Train a network to imitate the moves of people.")
    parser.add_argument("games", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--beside", nargs="*", default=[], help="networks to measure on the same positions")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        train(arguments, Path(folder))


def train(arguments: argparse.Namespace, folder: Path) -> None:
    """Train, measure and write; the positions lie in files in ``folder``."""
    torch.set_num_threads(1)
    games = usable(read_games(arguments.games, on_error="skip"))
    training = [game for game in games if not held_out(game)]
    measuring = [game for game in games if held_out(game)]
    window = Window(folder, sum(len(game.moves) for game in training))
    for start in range(0, len(training), 500):
        window.add([as_played(game) for game in training[start : start + 500]])
    print(f"{len(training)} games, {len(window)} positions to learn from; {len(measuring)} games held out", flush=True)
    network = Network(CONFIG, batch_norm=True, seed=arguments.seed)
    learner = Learner(network, weight_decay=1e-4, average_decay=0.999, warm_up_steps=200)
    generator = np.random.default_rng(arguments.seed)
    begun, told = time.monotonic(), 0.0
    while (share := (time.monotonic() - begun) / (60 * arguments.minutes)) < 1:
        batch = window.draw(BATCH, mix=0.0, mirrored=True, generator=generator)
        losses = learner.step(batch, annealed(arguments.learning_rate, 0.0, share))
        if time.monotonic() - told > 120:
            told = time.monotonic()
            match, _ = move_matching(Agent(learner.playing_network(), "human"), measuring, 2000, 0)
            print(
                f"{share:.0%} step {learner.steps}: policy {losses.policy:.3f}, value {losses.value:.3f}, "
                f"match {match:.3f}",
                flush=True,
            )
    match, positions = move_matching(Agent(learner.playing_network(), "human"), measuring, 20_000, 1)
    result = {
        "training_games": len(training),
        "training_positions": len(window),
        "held_out_games": len(measuring),
        "held_out_positions": positions,
        "move_matching": round(match, 4),
        "steps": learner.steps,
        "batch": BATCH,
        "minutes": arguments.minutes,
    }
    beside = {str(name): move_matching(load_agent(name), measuring, 20_000, 1)[0] for name in arguments.beside}
    info = NetworkInfo(
        licence="GPL-3.0-or-later",
        training_steps=learner.steps,
        accuracy=100 * match,
        training_parameters=json.dumps(result),
    )
    write_network(learner.playing_network(), arguments.out, info)
    print(json.dumps(result | {"beside": {Path(name).name: round(share, 4) for name, share in beside.items()}}))


if __name__ == "__main__":
    main()
