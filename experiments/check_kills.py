"""Check: what a self-play campaign loses when it is killed, again and again, at random and at the worst of moments.

    python -m experiments.check_kills [--kills 20] [--save-every 1] [--seed 0] [--state DIR]

A campaign with a tiny network runs in a process of its own, on the processor. It gets SIGKILL at a random moment, or as
soon as the state, a checkpoint or the table of metrics is seen being written or to have been written, and is started
again. After each kill:

- the state loads, and no counter in it is below what it was after an earlier kill;
- what the metrics know and the state does not is no more than what is played between two saves and in one round;
- the metrics are whole rows of the rounds 1, 2, 3 …, up to the state's at least; only the row at which the process was
  killed may be cut off, and not in the next leg;
- whatever is named like a checkpoint is one that loads, and the newest of which the state knows is there.

A last leg ends by itself, and then nothing is missing. One line a kill; exit code 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from engines.networks import Network, NetworkFormatError, load_agent
from engines.selfplay import read_campaign_network
from engines.selfplay.campaign import CHECKPOINT_FOLDER, WINDOW_FOLDER
from engines.selfplay.campaign_network import network_config
from engines.selfplay.config import campaign_of
from engines.selfplay.learner import Learner
from engines.selfplay.metrics import METRICS_FILE, TENSORBOARD_FOLDER
from engines.selfplay.state import STATE_FILE, load_state

NAME, SUFFIX = "killed", ".pb.gz"
MARKS = tuple(range(0, 20_000_000, 20_000))
"""Positions at which the campaign writes checkpoints: about every other second."""
CAMPAIGN = f"""
name = "{NAME}"
games_at_once = 32
simulations = 2
considered_moves = 2
longest_game = 40
positions_per_round = 512
window = 60000
tail_positions = 60000
replay_ratio = 0.05
batch_size = 64
warm_up_steps = 1
checkpoints = {list(MARKS)}
save_every_seconds = {{save_every}}

[network]
filters = 8
blocks = 1
se_channels = 2
"""
STATE, METRICS, CHECKPOINT = "the state", "the metrics", "a checkpoint"
BEGUN, DONE = "was being written", "had been written"
AIMS = (
    None,
    (STATE, BEGUN),
    (CHECKPOINT, BEGUN),
    None,
    (STATE, DONE),
    (CHECKPOINT, DONE),
    (METRICS, DONE),
)
"""What the process is killed at, in turn; None: a random moment."""
LATEST_RANDOM_S = 4.0
"""Random moments lie up to so long after the metrics are first written, or put in order for a leg that goes on."""
LATEST_EVENT = 3
"""Which of the events that are aimed at is taken: the first up to this one, by chance."""
DELAY_S = 0.01
"""Up to so long after something was written the process is killed, or at once, by chance."""
PATIENCE_S = 120.0
SLACK_S = 1.0
"""What a busy machine may add to a round or a save."""
POLL_S = 0.0002


@dataclass(frozen=True)
class Standing:
    """How far a campaign has come, as its state says: what must never become less."""

    positions: int = 0
    games: int = 0
    rounds: int = 0
    steps: int = 0
    checkpoints: int = 0
    seconds: float = 0.0

    @classmethod
    def read(cls, folder: Path) -> Standing:
        """Of the state in a folder, all zero if there is none yet; ``NetworkFormatError`` for one that is damaged."""
        path = folder / STATE_FILE
        if not path.exists():
            return cls()
        read_campaign_network(path)
        campaign = campaign_of(tomllib.loads(CAMPAIGN.format(save_every=0)))
        learner = Learner(
            Network(network_config(campaign), batch_norm=True), weight_decay=0, average_decay=0, warm_up_steps=1
        )
        counters = load_state(folder, learner).counters
        known = {name: getattr(counters, name) for name in ("positions", "games", "rounds", "checkpoints", "seconds")}
        return cls(steps=learner.steps, **known)


@dataclass
class Examined:
    """What a kill has left behind: the state's counters, what it lacks, files that are no part of it, and faults."""

    standing: Standing = Standing()
    lost_rounds: int = 0
    lost_seconds: float = 0.0
    left_over: int = 0
    faults: list[str] = field(default_factory=list)

    def describe(self) -> str:
        """In one line."""
        counted = ", ".join(f"{value:,} {name}" for name, value in asdict(self.standing).items() if name != "seconds")
        lost = f"{self.lost_rounds} rounds ({self.lost_seconds:.1f} s) lost, {self.left_over} files left over"
        return f"{counted}; {lost}: " + ("; ".join(self.faults).upper() if self.faults else "ok")


class Examiner:
    """Looks at a campaign's folder after each leg, and remembers what it has seen."""

    def __init__(self, folder: Path, save_every: float) -> None:
        self._folder, self._save_every = folder, save_every
        self._best = Standing()
        self._sound: dict[Path, tuple[int, int]] = {}

    def examine(self, *, killed: bool) -> Examined:
        """Everything in the folder; a leg that ended by itself may have lost nothing."""
        found = Examined()
        try:
            found.standing = Standing.read(self._folder)
        except (NetworkFormatError, KeyError, ValueError) as error:
            found.faults.append(f"the state does not load: {error}")
            return found
        best, now = asdict(self._best), asdict(found.standing)
        found.faults += [f"{name} went back from {best[name]} to {now[name]}" for name in now if now[name] < best[name]]
        self._best = found.standing
        self._examine_metrics(found, killed)
        self._examine_checkpoints(found)
        return found

    def _examine_metrics(self, found: Examined, killed: bool) -> None:
        rows, faults = read_metrics(self._folder / METRICS_FILE, killed=killed)
        found.faults += faults
        times = [found.standing.seconds, *rows[found.standing.rounds :]]
        found.lost_rounds, found.lost_seconds = len(rows) - found.standing.rounds, times[-1] - times[0]
        # A save is due after the first round that ends so long after the last one, and that round may be a long one.
        allowed = self._save_every + max(np.diff(times), default=0.0) + SLACK_S
        if found.lost_rounds < 0:
            found.faults.append(f"the metrics end at round {len(rows)}")
        elif not killed and found.lost_rounds:
            found.faults.append("a leg that ended by itself was not saved")
        elif found.lost_seconds > allowed:
            found.faults.append(f"no more than {allowed:.1f} s may be lost")

    def _examine_checkpoints(self, found: Examined) -> None:
        folder = self._folder / CHECKPOINT_FOLDER
        names = {f"{NAME}-{mark:08d}{SUFFIX}" for mark in MARKS}
        for path in sorted(folder.glob(f"*{SUFFIX}")):  # as a ladder looks for them
            status = path.stat()
            seen = (status.st_ino, status.st_mtime_ns)
            if path.name not in names:
                found.faults.append(f"{path.name} is named like a checkpoint")
            if self._sound.get(path) == seen:
                continue
            try:
                load_agent(path)
                self._sound[path] = seen
            except NetworkFormatError as error:
                found.faults.append(str(error))
        count = found.standing.checkpoints
        if count and not (folder / f"{NAME}-{MARKS[count - 1]:08d}{SUFFIX}").exists():
            found.faults.append(f"checkpoint {MARKS[count - 1]} is not there")
        found.left_over = sum(is_left_over(path) for path in (*self._folder.iterdir(), *folder.glob("*")))


def is_left_over(path: Path) -> bool:
    """Whether a file is none of those that a campaign leaves behind when it ends by itself."""
    known = (STATE_FILE, METRICS_FILE, CHECKPOINT_FOLDER, WINDOW_FOLDER, TENSORBOARD_FOLDER)
    return path.name not in known and not path.name.endswith(SUFFIX) and not path.match("state-*.safetensors")


def read_metrics(path: Path, *, killed: bool) -> tuple[list[float], list[str]]:
    """The seconds of each round, and what is wrong; the last line may be cut off if the process was killed."""
    if not path.exists():
        return [], []
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    faults = []
    if lines.pop() and not killed:
        faults.append("the metrics end in the middle of a row")
    header, *rows = csv.reader(lines)
    found: list[float] = []
    for number, row in enumerate(rows, start=1):
        try:
            values = {name: float(cell) if cell else math.nan for name, cell in zip(header, row, strict=True)}
        except ValueError:
            values = {}
        if values.get("round") != number:
            return found, [*faults, f"row {number} of the metrics is {','.join(row)!r}"]
        found.append(values["seconds"])
    return found, faults


class Watch:
    """Tells what is written in a campaign's folder, as it happens."""

    def __init__(self, folder: Path) -> None:
        self._folders = (folder, folder / CHECKPOINT_FOLDER)
        self._known = self._look()

    def _look(self) -> dict[Path, tuple[int, int]]:
        found = {}
        for folder in self._folders:
            try:
                for path in folder.iterdir():
                    status = path.stat()
                    found[path] = (status.st_ino, status.st_mtime_ns)
            except FileNotFoundError:  # the folder is not there yet, or a file no more
                continue
        return found

    def events(self) -> set[tuple[str, str]]:
        """What has happened since the last call."""
        before, self._known = self._known, self._look()
        changed = [path for path, seen in self._known.items() if before.get(path) != seen]
        return {
            (what_of(path), BEGUN if is_left_over(path) else DONE)
            for path in changed
            if path.name not in (CHECKPOINT_FOLDER, WINDOW_FOLDER, TENSORBOARD_FOLDER)
        }


def what_of(path: Path) -> str:
    """What a file, finished or under another name for now, is to become."""
    if path.parent.name == CHECKPOINT_FOLDER:
        return CHECKPOINT
    return METRICS if METRICS_FILE.split(".")[0] in path.name else STATE


class Leg:
    """A process that goes on with a campaign until it is killed, or for ``minutes``; it complains beside ``config``."""

    def __init__(self, config: Path, folder: Path, minutes: float) -> None:
        command = [sys.executable, "-m", "conceptmine.cli", "engine", "selfplay", str(config)]
        command += ["--minutes", str(minutes), "--state", str(folder)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._said = config.with_name("complaints.txt")
        self.begun = time.monotonic()
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=said)

    def __enter__(self) -> Leg:
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it by a signal that cannot be caught, if it has not ended."""
        self.process.kill()
        self.process.wait()

    def wait(self, seconds: float) -> bool:
        """Whether it ends by itself within so long."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def wait_for(self, event: tuple[str, str], times: int, folder: Path) -> bool:
        """Whether the event is seen so often before the process ends or patience does."""
        watch = Watch(folder)
        while self.process.poll() is None and time.monotonic() - self.begun < PATIENCE_S:
            times -= event in watch.events()
            if not times:
                return True
            time.sleep(POLL_S)
        return False

    @property
    def complaint(self) -> str:
        """How it ended, with the last line that it wrote to standard error; that it did not, if it is still running."""
        if self.process.poll() is None:
            return f"waited {time.monotonic() - self.begun:.0f} s for nothing"
        lines = self._said.read_text(encoding="utf-8", errors="replace").splitlines()
        return f"ended by itself, exit code {self.process.returncode}" + (f": {lines[-1]}" if lines else "")


def fault_before_kill(leg: Leg, aim: tuple[str, str] | None, folder: Path, generator: np.random.Generator) -> str:
    """Wait for the moment at which the leg is to be killed; why it does not come, or nothing."""
    event, times = aim or (METRICS, DONE), int(generator.integers(1, LATEST_EVENT + 1)) if aim else 1
    if not leg.wait_for(event, times, folder):
        return leg.complaint
    if aim is None:
        return leg.complaint if leg.wait(float(generator.uniform(0, LATEST_RANDOM_S))) else ""
    if aim[1] == DONE and generator.random() < 0.5:
        time.sleep(float(generator.uniform(0, DELAY_S)))
    return ""


def check(kills: int, save_every: float, seed: int, folder: Path) -> int:
    """Kill the campaign in ``folder`` so often, and let it end once; how many faults there were."""
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    examiner = Examiner(folder, save_every)
    faults, most_lost = 0, 0.0
    with tempfile.TemporaryDirectory() as elsewhere:
        config = Path(elsewhere) / "campaign.toml"
        config.write_text(CAMPAIGN.format(save_every=save_every), encoding="utf-8")
        for number in range(1, kills + 1):
            aim = AIMS[(number - 1) % len(AIMS)]
            with Leg(config, folder, minutes=60) as leg:
                fault = fault_before_kill(leg, aim, folder, generator)
                lived = time.monotonic() - leg.begun
            found = examiner.examine(killed=True)
            found.faults += filter(None, [fault])
            moment = "at random" if aim is None else f"when {' '.join(aim)}"
            print(f"kill {number}, {moment}, {lived:.1f} s after the start: {found.describe()}", flush=True)
            faults, most_lost = faults + len(found.faults), max(most_lost, found.lost_seconds)
        with Leg(config, folder, minutes=0.02) as leg:
            fault = "" if leg.wait(PATIENCE_S) and leg.process.returncode == 0 else leg.complaint
        found = examiner.examine(killed=False)
        found.faults += filter(None, [fault])
        print(f"a last leg: {found.describe()}")
        faults += len(found.faults)
    print(
        f"{faults} faults"
        if faults
        else f"{kills} kills: all files load, no counter went back, and at most {most_lost:.1f} s of play were lost at "
        f"a time, with a save every {save_every:g} s"
    )
    return faults


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Kill a self-play campaign again and again, and look what is lost.")
    parser.add_argument("--kills", type=int, default=20, help="how often (default 20)")
    parser.add_argument("--save-every", type=float, default=1.0, help="seconds between two saves (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--state", type=Path, help="an empty folder for the campaign [a temporary one]")
    arguments = parser.parse_args()
    if arguments.kills < 1:
        parser.error(f"--kills is {arguments.kills}: give at least 1")
    if not arguments.save_every > 0:
        parser.error(f"--save-every is {arguments.save_every}: give seconds above 0")
    if arguments.state is not None and arguments.state.exists() and any(arguments.state.iterdir()):
        parser.error(f"--state is {arguments.state}: give an empty folder, or one that is not there yet")
    with tempfile.TemporaryDirectory() as folder:
        faults = check(arguments.kills, arguments.save_every, arguments.seed, arguments.state or Path(folder))
    if faults:
        sys.exit(1)


if __name__ == "__main__":
    main()
