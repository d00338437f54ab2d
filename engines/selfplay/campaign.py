"""A campaign: play, learn, publish checkpoints, save; ends by itself in time and goes on from its state."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engines.networks import (
    Agent,
    MovesLeftHead,
    Network,
    NetworkConfig,
    NetworkInfo,
    Tower,
    ValueHead,
    write_network,
)
from engines.search.settings import SearchSettings
from engines.selfplay.config import Campaign
from engines.selfplay.games import GameRecord, GamesAtOnce
from engines.selfplay.learner import Learner, Losses, annealed
from engines.selfplay.replay import Replay, positions_of_games
from engines.selfplay.state import STATE_FILE, Counters, Saved, load_state, save_state

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
        Tower(size.filters, size.blocks, size.se_channels),
        value=ValueHead(planes=8, hidden=64),
        moves_left=MovesLeftHead(planes=4, hidden=32),
    )


class _Run:
    """One leg of a campaign in a state folder."""

    def __init__(self, campaign: Campaign, folder: Path, device: str, report: Report) -> None:
        self.campaign, self.folder, self.report = campaign, folder, report
        self.learner = Learner(
            Network(network_config(campaign), batch_norm=True, seed=campaign.seed),
            weight_decay=campaign.weight_decay,
            average_decay=campaign.average_decay,
            warm_up_steps=campaign.warm_up_steps,
            device=device,
        )
        self.device = device
        self.replay = Replay(campaign.window, campaign.value_from_search)
        self.counters = Counters()
        saved = None
        if (folder / STATE_FILE).exists():
            saved = load_state(folder, self.learner)
            if json.loads(saved.campaign)["network"] != json.loads(campaign.model_dump_json())["network"]:
                raise ValueError(f"{folder} holds a campaign with another network: give another state folder")
            self.counters = saved.counters
            for positions in saved.tail:
                self.replay.add(positions)
        try:
            (folder / CHECKPOINT_FOLDER).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"{folder} cannot hold a campaign ({error.strerror}): give another state folder") from None
        self._forget_metrics_of_lost_rounds()
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
        if saved is not None and saved.unfinished is not None:
            self.games.go_on_with(saved.unfinished)
        self._counted_until = time.monotonic()

    def _forget_metrics_of_lost_rounds(self) -> None:
        """Rounds that were played after the last save, before a kill, are played anew and must not be listed twice."""
        path = self.folder / METRICS_FILE
        if not path.exists():
            return
        with path.open(newline="", encoding="utf-8") as handle:
            rows = [row for row in csv.reader(handle) if len(row) == len(_METRICS) and row[0].isdigit()]
        scratch = path.with_suffix(".part")
        with scratch.open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([_METRICS, *(row for row in rows if int(row[0]) <= self.counters.rounds)])
        scratch.replace(path)

    def player(self) -> Agent:
        return Agent(
            self.learner.playing_network(),
            name=f"{self.campaign.name}-{self.counters.positions}",
            device=self.device,
            # Compiled float32 is what a processor does best; a GPU takes the shorter numbers.
            dtype="float32" if self.device == "cpu" else "bfloat16",
        )

    def publish(self) -> None:
        """Write the checkpoints that are due."""
        waiting = self.campaign.checkpoints[self.counters.checkpoints :]
        due = [mark for mark in waiting if mark <= self.counters.positions]
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

    def play_round(self, deadline: float) -> list[GameRecord]:
        """Finished games with ``positions_per_round`` positions, or fewer when time runs out first."""
        player = self.player()
        finished: list[GameRecord] = []
        while sum(len(game.moves) for game in finished) < self.campaign.positions_per_round:
            if time.monotonic() > deadline:
                break
            finished += self.games.step(player)
        return finished

    def take_in(self, games: list[GameRecord]) -> Losses:
        """Count a round's ``games``, add them to the window and learn."""
        positions = positions_of_games(games)
        self.replay.add(positions)
        self.counters.positions += len(positions)
        self.counters.games += len(games)
        self.counters.draws += sum(game.result == 0 for game in games)
        self.counters.rounds += 1
        return self.learn(len(positions))

    def learn(self, new_positions: int) -> Losses:
        """Train on the window in proportion to what was played; mean losses."""
        campaign = self.campaign
        rate = annealed(
            campaign.learning_rate, campaign.final_learning_rate, self.counters.positions / campaign.decay_positions
        )
        steps = max(1, round(campaign.replay_ratio * new_positions / campaign.batch_size))
        losses = [self.learner.step(self.replay.draw(campaign.batch_size, self.generator), rate) for _ in range(steps)]
        return Losses(*(float(np.mean(column)) for column in zip(*losses, strict=True)))

    def count_time(self) -> None:
        """Add what has passed since the last call to the counters."""
        now = time.monotonic()
        self.counters.seconds += now - self._counted_until
        self._counted_until = now

    def save(self) -> None:
        self.count_time()
        saved = Saved(
            counters=self.counters,
            tail=self.replay.tail(self.campaign.tail_positions),
            unfinished=self.games.unfinished(),
            campaign=self.campaign.model_dump_json(),
        )
        save_state(self.folder, self.learner, saved)

    def log(self, losses: Losses, games: list[GameRecord]) -> None:
        self.count_time()
        drawn = sum(game.result == 0 for game in games) / len(games)
        plies = float(np.mean([len(game.moves) for game in games]))
        path = self.folder / METRICS_FILE
        new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle)
            if new:
                writer.writerow(_METRICS)
            counted = [self.counters.rounds, self.counters.positions, self.counters.games]
            learnt = [self.learner.steps, *(round(loss, 5) for loss in losses)]
            writer.writerow([*counted, round(self.counters.seconds, 1), *learnt, round(drawn, 4), round(plies, 1)])
        self.report(
            f"round {self.counters.rounds}: {self.counters.positions:,} positions, {self.counters.games:,} games, "
            f"policy {losses.policy:.3f}, value {losses.value:.3f}, drawn {drawn:.0%}, {plies:.0f} plies a game"
        )


def run_campaign(
    campaign: Campaign, folder: Path, minutes: float, *, device: str = "cpu", report: Report = print
) -> Counters:
    """Play and learn for ``minutes``, resuming what ``folder`` holds; counters at the end.

    ``folder`` receives ``state.safetensors``, ``metrics.csv`` and ``checkpoints/*.pb.gz`` (Leela format).  The state is
    saved after the first round that ends two minutes or more after the last save, at the end, and on Ctrl-C, always by
    one atomic rename: a kill at any moment loses what was played since the last save and nothing else.

    Raises ``ValueError`` when the folder cannot be used, its state is damaged or of a campaign with another network, or
    ``minutes`` is not above 0.
    """
    if not minutes > 0:
        raise ValueError(f"a campaign needs more than 0 minutes, not {minutes}")
    deadline = time.monotonic() + 60 * minutes
    run = _Run(campaign, folder, device, report)
    saved_at = time.monotonic()
    run.publish()
    try:
        while time.monotonic() <= deadline:
            if games := run.play_round(deadline):
                losses = run.take_in(games)
                run.log(losses, games)
                run.publish()
            if time.monotonic() - saved_at > _SAVE_EVERY_S:
                run.save()
                saved_at = time.monotonic()
    except KeyboardInterrupt:
        run.save()
        raise
    run.save()
    return run.counters
