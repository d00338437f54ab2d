"""A campaign: play, learn, publish checkpoints, save; ends by itself in time and goes on from its state."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engines.networks import Agent, NetworkConfig, NetworkInfo, ResidualNetwork, write_network
from engines.search.settings import SearchSettings
from engines.selfplay.config import Campaign
from engines.selfplay.games import GameRecord, GamesAtOnce
from engines.selfplay.learner import Learner, Losses, annealed
from engines.selfplay.replay import Replay, positions_of_games
from engines.selfplay.state import STATE_FILE, Counters, load_state, save_state

METRICS_FILE = "metrics.csv"
CHECKPOINT_FOLDER = "checkpoints"
_METRICS = (
    "round",
    "positions",
    "games",
    "seconds",
    "steps",
    "policy_loss",
    "value_loss",
    "moves_left_loss",
    "drawn",
    "plies",
)
_SAVE_EVERY_S = 120.0

Report = Callable[[str], None]


def network_config(campaign: Campaign) -> NetworkConfig:
    """The network that the campaign trains: convolution policy, win–draw–loss value, plies-left head."""
    size = campaign.network
    return NetworkConfig(
        filters=size.filters,
        blocks=size.blocks,
        se_channels=size.se_channels,
        value_planes=8,
        value_hidden=64,
        moves_left=True,
        moves_left_planes=4,
        moves_left_hidden=32,
    )


class _Run:
    """One leg of a campaign in a state folder."""

    def __init__(self, campaign: Campaign, folder: Path, device: str, report: Report) -> None:
        self.campaign, self.folder, self.report = campaign, folder, report
        self.learner = Learner(
            ResidualNetwork(network_config(campaign), batch_norm=True, seed=campaign.seed),
            weight_decay=campaign.weight_decay,
            average_decay=campaign.average_decay,
            warm_up_steps=campaign.warm_up_steps,
            device=device,
        )
        self.device = device
        self.replay = Replay(campaign.window, campaign.value_from_search)
        self.counters = Counters()
        (folder / CHECKPOINT_FOLDER).mkdir(parents=True, exist_ok=True)
        if (folder / STATE_FILE).exists():
            self.counters, tail, begun_as = load_state(folder, self.learner)
            if json.loads(begun_as)["network"] != json.loads(campaign.model_dump_json())["network"]:
                raise ValueError(f"{folder} holds a campaign with another network: give another --state folder")
            for positions in tail:
                self.replay.add(positions)
        # A resumed leg must not replay the games of the first one.
        self.generator = np.random.default_rng([campaign.seed, self.counters.rounds])
        settings = SearchSettings(formula="gumbel", two_fold_draws=True, gumbel_moves=campaign.considered_moves)
        self.games = GamesAtOnce(
            campaign.games_at_once,
            campaign.simulations,
            campaign.longest_game,
            settings,
            int(self.generator.integers(2**62)),
            campaign.decisive_lead,
        )

    def player(self) -> Agent:
        return Agent(
            self.learner.playing_network(),
            name=f"{self.campaign.name}-{self.counters.positions}",
            device=self.device,
            dtype="bfloat16",
        )

    def publish(self) -> None:
        """Write the checkpoints that are due."""
        due = [
            mark for mark in self.campaign.checkpoints[self.counters.checkpoints :] if mark <= self.counters.positions
        ]
        if not due:
            return
        info = NetworkInfo(
            licence="GPL-3.0-or-later",
            training_steps=self.learner.steps,
            training_parameters=(
                f"{self.campaign.name}: {self.counters.games} self-play games, {self.counters.positions} positions, "
                f"{self.campaign.simulations} simulations a move"
            ),
        )
        path = self.folder / CHECKPOINT_FOLDER / f"{self.campaign.name}-{due[-1]:08d}.pb.gz"
        write_network(self.learner.playing_network(), path, info)
        self.counters.checkpoints += len(due)
        self.report(f"checkpoint {path.name} at {self.counters.positions:,} positions")

    def play_round(self, deadline: float) -> list[GameRecord] | None:
        """Finished games with ``positions_per_round`` positions, or None when time ran out first."""
        player = self.player()
        finished: list[GameRecord] = []
        while sum(len(game.moves) for game in finished) < self.campaign.positions_per_round:
            if time.monotonic() > deadline:
                return None
            finished += self.games.step(player)
        return finished

    def learn(self, new_positions: int) -> Losses:
        """Train on the window in proportion to what was played; mean losses."""
        campaign = self.campaign
        rate = annealed(
            campaign.learning_rate, campaign.final_learning_rate, self.counters.positions / campaign.decay_positions
        )
        steps = max(1, round(campaign.replay_ratio * new_positions / campaign.batch_size))
        losses = [self.learner.step(self.replay.draw(campaign.batch_size, self.generator), rate) for _ in range(steps)]
        return Losses(*(float(np.mean(column)) for column in zip(*losses, strict=True)))

    def save(self) -> None:
        tail = self.replay.tail(self.campaign.tail_positions)
        save_state(self.folder, self.learner, self.counters, tail, self.campaign.model_dump_json())

    def log(self, losses: Losses, games: list[GameRecord]) -> None:
        drawn = sum(game.result == 0 for game in games) / len(games)
        plies = float(np.mean([len(game.moves) for game in games]))
        path = self.folder / METRICS_FILE
        new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle)
            if new:
                writer.writerow(_METRICS)
            row = [self.counters.rounds, self.counters.positions, self.counters.games, round(self.counters.seconds, 1)]
            writer.writerow(
                [*row, self.learner.steps, *(round(loss, 5) for loss in losses), round(drawn, 4), round(plies, 1)]
            )
        self.report(
            f"round {self.counters.rounds}: {self.counters.positions:,} positions, {self.counters.games:,} games, "
            f"policy {losses.policy:.3f}, value {losses.value:.3f}, drawn {drawn:.0%}, {plies:.0f} plies a game"
        )


def run_campaign(
    campaign: Campaign, folder: Path, minutes: float, *, device: str = "cpu", report: Report = print
) -> Counters:
    """Play and learn for ``minutes``, resuming what ``folder`` holds; counters at the end.

    ``folder`` receives ``state.safetensors``, ``metrics.csv`` and ``checkpoints/*.pb.gz`` (Leela format).  The state is saved
    every two minutes and at the end, by one atomic rename, so a kill at any moment loses at most the last two minutes.

    Raises ``ValueError`` when the folder holds a campaign with another network, or ``minutes`` is not above 0.
    """
    if minutes <= 0:
        raise ValueError(f"a campaign needs more than 0 minutes, not {minutes}")
    begun = time.monotonic()
    deadline = begun + 60 * minutes
    run = _Run(campaign, folder, device, report)
    seconds_before = run.counters.seconds
    saved_at = begun
    run.publish()
    while True:
        games = run.play_round(deadline)
        if games is None:
            break
        positions = positions_of_games(games)
        run.replay.add(positions)
        run.counters.positions += len(positions)
        run.counters.games += len(games)
        run.counters.draws += sum(game.result == 0 for game in games)
        run.counters.rounds += 1
        losses = run.learn(len(positions))
        run.counters.seconds = seconds_before + time.monotonic() - begun
        run.log(losses, games)
        run.publish()
        if time.monotonic() - saved_at > _SAVE_EVERY_S:
            run.save()
            saved_at = time.monotonic()
    run.counters.seconds = seconds_before + time.monotonic() - begun
    run.save()
    return run.counters
