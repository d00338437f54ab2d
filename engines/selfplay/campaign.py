"""A campaign: play, learn, publish checkpoints, save; ends by itself in time and goes on from its state."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from engines.networks import Network, write_network
from engines.networks.whole_files import remove_partial
from engines.selfplay.actors import TABLES_OF_A_GPU, Actors, InTurn, Threads, tables
from engines.selfplay.campaign_network import info_of, network_config
from engines.selfplay.cluster import Cluster
from engines.selfplay.config import Campaign
from engines.selfplay.endings import ENDINGS
from engines.selfplay.learner import Learner, Losses, annealed
from engines.selfplay.metrics import Metrics, Round
from engines.selfplay.ray_connection import connected
from engines.selfplay.records import FULL, GameRecord
from engines.selfplay.resignation import NEVER, Resignation
from engines.selfplay.state import STATE_FILE, Counters, Saved, load_state, save_state
from engines.selfplay.window import Window

CHECKPOINT_FOLDER = "checkpoints"
WINDOW_FOLDER = "window"

Report = Callable[[str], None]


class DivergedError(ValueError):
    """Learning has gone wrong for good: what was learned since the last save is worth nothing."""


class _RoundInHand(NamedTuple):
    """A round that has no row of metrics yet: its games, and when (`time.monotonic`) they had been played."""

    games: list[GameRecord]
    played_until: float


class _Run:
    """One leg of a campaign in a state folder."""

    def __init__(
        self, campaign: Campaign, folder: Path, device: str, actors: int, cluster: bool, report: Report
    ) -> None:
        self.campaign, self.folder, self.report = campaign, folder, report
        self.learner = Learner(
            Network(network_config(campaign), batch_norm=True, seed=campaign.seed),
            weight_decay=campaign.weight_decay,
            average_decay=campaign.average_decay,
            warm_up_steps=campaign.warm_up_steps,
            device=device,
        )
        saved = self._load() or Saved(Counters(), campaign.as_json())
        self.counters = saved.counters
        self.counters.checkpoints = _marks_passed(campaign.checkpoints, saved)
        self.resignation = Resignation(campaign.resign_errors)
        self.resignation.restore(saved.resignation)
        try:
            (folder / CHECKPOINT_FOLDER).mkdir(parents=True, exist_ok=True)
            for place in (folder, folder / CHECKPOINT_FOLDER, folder / WINDOW_FOLDER):
                remove_partial(place)
            self.window = Window(
                folder / WINDOW_FOLDER,
                campaign.window,
                self.counters.positions,
                spare=4 * campaign.positions_per_round,
            )
            self.metrics = Metrics(folder, self.counters.rounds)
        except OSError as error:
            raise ValueError(f"{folder} cannot hold a campaign ({error.strerror}): give another state folder") from None
        self.tail = saved.tail
        self._keep_tail([])  # fewer than were saved, if the campaign says so now
        if len(self.window) < sum(len(game.moves) for game in self.tail):  # its files are of another machine
            self.window.refill(self.tail)
        # What is not there any more cannot be learned from.
        self.counters.unlearned = min(self.counters.unlearned, self.window.learned_from)
        # A resumed leg must not replay the games of the first one.
        self.generator = np.random.default_rng([campaign.seed, self.counters.rounds])
        self.actors = self._make_actors(device, actors, cluster, saved)
        self._evaluations_before = self.counters.evaluations
        self._counted_until = self.round_began = self.saved_at = time.monotonic()
        self._evaluations_counted = 0
        self._in_hand: _RoundInHand | None = None
        self._losses: list[Losses] = []
        self._learning_seconds = 0.0

    def _make_actors(self, device: str, actors: int, cluster: bool, saved: Saved) -> Actors:
        campaign, seed = self.campaign, int(self.generator.integers(2**62))
        if cluster:
            return Cluster(
                campaign, device=device, actors=actors, seed=seed, saved=saved.unfinished, report=self.report
            )
        if not campaign.overlapped:
            return InTurn(tables(campaign, 1, seed, saved.unfinished)[0], device)
        games = tables(campaign, actors, seed, saved.unfinished)
        return Threads(games, device, ahead=campaign.positions_per_round)

    def _load(self) -> Saved | None:
        if not (self.folder / STATE_FILE).exists():
            return None
        saved = load_state(self.folder, self.learner)
        if saved.campaign.get("network") != self.campaign.as_json()["network"]:
            raise ValueError(f"{self.folder} holds a campaign with another network: give another state folder")
        return saved

    def publish(self) -> None:
        """Let the actors play with the newest weights, and write the checkpoints that are due."""
        campaign, counters = self.campaign, self.counters
        network = self.learner.playing_network()
        lead = campaign.decisive_lead if counters.positions < campaign.lead_until else 0
        self.actors.publish(network, resign_below=self.resignation.threshold(), decisive_lead=lead)
        due = [mark for mark in campaign.checkpoints[counters.checkpoints :] if mark <= counters.positions]
        if not due:
            return
        path = self.folder / CHECKPOINT_FOLDER / f"{campaign.name}-{due[-1]:08d}.pb.gz"
        write_network(network, path, info_of(campaign, counters, self.learner.steps))
        counters.checkpoints += len(due)
        self.report(f"checkpoint {path.name} at {counters.positions:,} positions")

    def begin(self, until: float) -> None:
        """Let the games begin, and learn meanwhile what the leg before had no time for."""
        self.publish()
        if self.counters.unlearned:
            self.learn(until)
            self.publish()

    def play_round(self, until: float) -> bool:
        """Take in a round's games, learn from them and publish; whether there were any."""
        games = self.actors.collect(self.campaign.positions_per_round, until)
        if not games:
            return False
        self._in_hand = _RoundInHand(games, time.monotonic())
        self._take_in(games)
        self.learn(until)
        self.publish()
        self._log(self._in_hand)
        return True

    def _take_in(self, games: list[GameRecord]) -> None:
        """Count games and put them into the window."""
        counters = self.counters
        counters.positions += self.window.add(games)
        counters.games += len(games)
        counters.draws += sum(game.result == 0 for game in games)
        counters.evaluations = self._evaluations_before + self.actors.evaluations
        counters.unlearned += sum(int((game.kinds == FULL).sum()) for game in games)
        self._keep_tail(games)
        self.resignation.add(games)

    def _keep_tail(self, games: list[GameRecord]) -> None:
        self.tail += games
        kept, first = 0, len(self.tail)
        while first > 0 and kept + len(self.tail[first - 1].moves) <= self.campaign.tail_positions:
            first -= 1
            kept += len(self.tail[first].moves)
        self.tail = self.tail[first:]

    def learn(self, until: float) -> None:
        """Train on the window in proportion to what was searched fully and not learned from yet, while there is time.

        What remains unlearned at ``until`` is counted in the state, and the next leg learns it first.
        """
        campaign, counters = self.campaign, self.counters
        searched = counters.unlearned
        if not searched:  # a leg may end after one game of openings and fast searches
            return
        began, rate = time.monotonic(), self._learning_rate()
        steps = max(1, round(campaign.replay_ratio * searched / campaign.batch_size))
        try:
            for left in reversed(range(steps)):
                if time.monotonic() >= until:
                    break
                batch = self.window.draw(
                    campaign.batch_size, campaign.value_from_search, campaign.mirrored, self.generator
                )
                losses = self.learner.step(batch, rate)
                if not all(map(math.isfinite, losses)):
                    raise DivergedError(
                        f"the network of {self.folder} gives losses that are no numbers: the state stands as it was"
                        " last saved; go on with a lower learning rate"
                    )
                self._losses.append(losses)
                counters.unlearned = searched * left // steps
        finally:
            self._learning_seconds += time.monotonic() - began

    def _learning_rate(self) -> float:
        campaign = self.campaign
        return annealed(
            campaign.learning_rate,
            campaign.final_learning_rate,
            self.counters.positions / campaign.decay_positions,
        )

    def _log(self, in_hand: _RoundInHand) -> None:
        """Write what was measured in the round: a row of metrics, and a line."""
        self._in_hand = None
        now = time.monotonic()
        self._count_time()
        self.counters.rounds += 1
        games, counters = in_hand.games, self.counters
        ended = Counter(ENDINGS[game.ending] for game in games)
        losses = Losses(*np.mean(self._losses, axis=0).tolist()) if self._losses else None
        # Threads play all the time, also while the network learns.
        playing = (now if self.campaign.overlapped else in_hand.played_until) - self.round_began
        evaluated = self.actors.evaluations - self._evaluations_counted
        self._evaluations_counted = self.actors.evaluations
        threshold = self.resignation.threshold()
        checked = self.resignation.measured(threshold) if threshold > NEVER else None
        row = Round(
            round=counters.rounds,
            positions=counters.positions,
            games=counters.games,
            evaluations=counters.evaluations,
            seconds=round(counters.seconds, 1),
            playing_seconds=round(playing, 2),
            learning_seconds=round(self._learning_seconds, 2),
            evaluations_per_second=round(evaluated / max(playing, 1e-3), 1),
            steps=self.learner.steps,
            learning_rate=self._learning_rate(),
            policy_loss=losses.policy if losses else None,
            value_loss=losses.value if losses else None,
            moves_left_loss=losses.moves_left if losses else None,
            policy_entropy=losses.policy_entropy if losses else None,
            policy_kl=losses.policy - losses.policy_entropy if losses else None,
            value_accuracy=losses.value_accuracy if losses else None,
            drawn=sum(game.result == 0 for game in games) / len(games),
            plies=float(np.mean([len(game.moves) for game in games])),
            white_score=float(np.mean([(1 + game.result) / 2 for game in games])),
            **{name: ended[name] / len(games) for name in ENDINGS[1:]},
            resign_threshold=checked.threshold if checked else None,
            resign_checked=checked.games if checked else None,
            resign_false_positives=checked.wrong / checked.games if checked and checked.games else None,
        )
        self.metrics.add(row)
        self.round_began = now
        self._losses, self._learning_seconds = [], 0.0
        learned = f"policy {losses.policy:.3f}, value {losses.value:.3f}" if losses else "nothing learned"
        self.report(
            f"round {row.round}: {row.positions:,} positions, {row.games:,} games, {learned}, "
            f"drawn {row.drawn:.0%}, {row.plies:.0f} plies a game, "
            f"{row.evaluations_per_second:,.0f} evaluations a second"
        )

    def _count_time(self) -> None:
        """Add what has passed since the last call to the counters."""
        now = time.monotonic()
        self.counters.seconds += now - self._counted_until
        self._counted_until = now

    def save_if_due(self) -> None:
        if time.monotonic() - self.saved_at >= self.campaign.save_every_seconds or self.window.unsaved > 0.5:
            self.save()

    def save(self) -> None:
        if self._in_hand is not None:  # learning was broken off, by Ctrl-C or an error
            self._log(self._in_hand)
        self._take_in(self.actors.finished())  # what ended while the network learned
        self._count_time()
        self.window.save()
        saved = Saved(
            counters=self.counters,
            campaign=self.campaign.as_json(),
            tail=self.tail,
            unfinished=self.actors.unfinished(),
            resignation=self.resignation.as_array(),
        )
        save_state(self.folder, self.learner, saved)
        self.saved_at = time.monotonic()


def _marks_passed(marks: Sequence[int], saved: Saved) -> int:
    """How many of a campaign's ``marks`` the saved one, which may have had others, was past when it published last.

    One that was new and lies behind it gets no checkpoint: the network of that time is gone.  Games that ended after
    the last checkpoints were written may have passed marks of its own, which are still due.
    """
    known = saved.campaign.get("checkpoints", [])
    next_due = min(known[saved.counters.checkpoints :], default=math.inf)
    return sum(mark <= saved.counters.positions and mark < next_due for mark in marks)


def run_campaign(
    campaign: Campaign,
    folder: Path,
    minutes: float,
    *,
    device: str = "auto",
    actors: int = 0,
    ray: str | None = None,
    clock: Callable[[], float] = time.monotonic,
    report: Report = print,
) -> Counters:
    """Play and learn for ``minutes``, resuming what ``folder`` holds; counters at the end.

    ``folder`` receives the state (`engines.selfplay.state`), ``metrics.csv``, ``window/`` and ``checkpoints/*.pb.gz``
    (Leela format).  The state is saved after the first round that ends ``save_every_seconds`` or more after the last
    save, at the end, and on Ctrl-C, with a row of metrics for a round that is being learned from: a kill at any moment
    loses what was played since the last save and nothing else.

    Args:
        campaign: what to do.
        folder: the state folder.
        minutes: when to end: no step of the games or of learning begins later, and the next leg learns what this one
            had no time to; what remains is saving, and a checkpoint if one is due.
        device: where the network is, ``"cpu"``, ``"cuda"``, or ``"auto"``: on a GPU if there is one.
        actors: threads that play, of a campaign whose games and learning overlap; 0: one a core, at most four for a
            GPU, which they keep busy.  Over a cluster: its actors; 0: one a CPU or GPU.
        ray: address of a Ray cluster that plays the games (`engines.selfplay.ray_connection.connected`).
        clock: what ``minutes`` are measured with, in seconds; `time.process_time` counts the processor's work.
        report: is given a line about every round.

    Raises:
        ValueError: the folder or the device cannot be used, the state is damaged or of a campaign with another network,
            ``minutes`` is not above 0, there is no cluster at that address, or learning diverges (`DivergedError`; the
            state is left as it was last saved).
        ModuleNotFoundError: a cluster is to play, and the package ray is not installed.
    """
    if not minutes > 0:
        raise ValueError(f"a campaign needs more than 0 minutes, not {minutes}")
    deadline = clock() + 60 * minutes
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise ValueError(f"the device {device!r} cannot be used on this machine: try 'cpu'") from None
    if device == "cpu":
        # Actors and the learner share the cores out among themselves; more threads each would only wait for each other.
        torch.set_num_threads(1)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if ray is None:
        actors = actors or (cores if device == "cpu" else min(cores, TABLES_OF_A_GPU))
    with connected(ray) if ray is not None else nullcontext():
        run = _Run(campaign, folder, device, actors, ray is not None, report)
        sound = True
        try:
            run.begin(time.monotonic() + deadline - clock())
            while (left := deadline - clock()) > 0:
                if run.play_round(time.monotonic() + left):
                    run.save_if_due()
            run.actors.stop()  # from here on no game ends unseen
            run.play_round(time.monotonic())
        except DivergedError:
            sound = False
            raise
        finally:
            # Also on Ctrl-C; an error of an actor leaves its games as they are.
            try:
                if sound:
                    run.save()
            finally:
                run.actors.close()
                run.metrics.close()
    return run.counters
