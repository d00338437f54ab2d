"""Self-play as a campaign runs it, without learning: beside its network alone, and beside a loop in plain Python."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engines.networks import Agent, Network, load_agent
from engines.search import PRESETS
from engines.selfplay.campaign_network import network_config
from engines.selfplay.config import Campaign, NetworkSize
from engines.selfplay.endings import GOING_ON
from engines.selfplay.games import GameRules, GamesAtOnce, Unfinished
from engines.selfplay.records import GameRecord
from experiments.engine_benchmark.measuring import Case, Measurement, Section, Spread, taking_turns
from experiments.engine_benchmark.networks import SHIPPED
from experiments.engine_benchmark.targets import Target
from experiments.peers.alpha_zero_general_games import SelfPlay, torch_predict

ALONE, IN_LOOP, BY_CPU, BY_WALL = "network alone", "self-play", "share by CPU time", "share by time passed"
ENGINE, DICTIONARIES = "engines", "Design of alpha-zero-general"
MOVES, GAMES = "moves", "games an hour"
CORES = (1, 2)
BATCHES_KEPT = 32
"""Batches of the loop that the network alone is asked about; more would tell nothing new."""


@dataclass(frozen=True)
class Shape:
    """What is played: as in a campaign file. Games are drawn at ``longest`` plies."""

    games: int = 256
    simulations: int = 16
    considered: int = 8
    longest: int = 240


class Loop:
    """Games of one thread in all stages, a step at a time; what is particular to self-play's interface is in here."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self._shape = shape
        self._games = self._make(shape.simulations, shape.considered, seed)
        self._begin_in_all_stages(seed)
        self.moves = self.ended = 0
        """Moves played and games ended so far: their ratio tells how long games are, as they are in all stages."""

    def _make(self, simulations: int, considered: int, seed: int) -> GamesAtOnce:
        settings = replace(PRESETS["gumbel"], gumbel_moves=considered)
        return GamesAtOnce(
            self._shape.games, GameRules(simulations=simulations, longest=self._shape.longest), settings, seed
        )

    def _begin_in_all_stages(self, seed: int) -> None:
        """Each at a position drawn from whole games that the shipped network has played with the smallest searches.

        A look at any time at games that begin and end all the time finds every one of their positions alike often.
        """
        quick, player = self._make(2, 2, seed), load_agent(SHIPPED)
        whole: list[GameRecord] = []
        while not whole or quick.moves < self._shape.longest * len(quick):  # the longest has had the time to end
            whole += quick.step(player)
        states = quick.unfinished().games
        states["limit"] = self._shape.simulations
        ends = np.cumsum([len(record.moves) for record in whole])
        drawn = np.random.default_rng(seed).integers(0, ends[-1], len(states))
        games = np.searchsorted(ends, drawn, side="right")
        begun = [
            cut(whole[game], int(len(whole[game].moves) - (ends[game] - ply)))
            for game, ply in zip(games, drawn, strict=True)
        ]
        self._games.go_on_with(Unfinished(begun, states))

    @property
    def plies(self) -> NDArray[np.int64]:
        """How far each game in play has come."""
        return np.array([len(record.moves) for record in self._games.unfinished().records])

    def step(self, player: Any) -> int:
        """One question of every game to the network, and the records of games that ended; the moves played."""
        before = self._games.moves
        self.ended += len(self._games.step(player))
        played = self._games.moves - before
        self.moves += played
        return played


def cut(record: GameRecord, plies: int) -> GameRecord:
    """The game up to its first ``plies`` moves, in play."""
    parts = {name: getattr(record, name)[:plies] for name in ("moves", "kinds", "slots", "policy", "values")}
    return replace(record, **parts, ending=GOING_ON)


class Watched:
    """An agent that counts the positions it is asked about, and keeps some of the batches."""

    def __init__(self, agent: Agent) -> None:
        self.history_fill, self.input_format = agent.history_fill, agent.input_format
        self._agent, self.positions = agent, 0
        self.batches: list[tuple[NDArray[np.uint64], NDArray[np.float32]]] = []

    def evaluate_packed(self, masks: NDArray[np.uint64], values: NDArray[np.float32], *, threads: int = 1) -> Any:
        """As the agent's."""
        self.positions += len(masks)
        if len(self.batches) < BATCHES_KEPT:
            self.batches.append((masks.copy(), values.copy()))
        return self._agent.evaluate_packed(masks, values, threads=threads)


@dataclass
class Contender:
    """A network, and for each thread a loop that it plays, the watch over it, and the next batch to ask it alone."""

    agent: Agent
    loops: list[Loop]
    watches: list[Watched] = field(init=False)
    turns: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.watches = [Watched(self.agent) for _ in self.loops]
        self.turns = [0] * len(self.loops)
        for place in range(len(self.loops)):
            while len(self.watches[place].batches) < BATCHES_KEPT:
                self.play(place)

    def play(self, place: int) -> int:
        """One step of one thread's loop; the positions evaluated."""
        before = self.watches[place].positions
        self.loops[place].step(self.watches[place])
        return self.watches[place].positions - before

    def evaluate(self, place: int) -> int:
        """One batch of that loop through the network alone; its positions."""
        batches = self.watches[place].batches
        masks, values = batches[self.turns[place] % len(batches)]
        self.turns[place] += 1
        return len(self.agent.evaluate_packed(masks, values).wdl)

    @property
    def ended(self) -> int:
        """Games that have ended so far."""
        return sum(loop.ended for loop in self.loops)

    @property
    def plies_a_game(self) -> float:
        """Mean length of a game: moves played so far for each game that ended."""
        return sum(loop.moves for loop in self.loops) / self.ended

    @property
    def batch(self) -> float:
        """Mean size of the batches kept."""
        return float(np.mean([len(masks) for watch in self.watches for masks, _ in watch.batches]))


def make_agents(files: Sequence[str]) -> list[Agent]:
    """The networks in the files; without any, the shipped one, 4 × 32, and 6 × 64 with random weights and its heads."""
    if files:
        return [load_agent(file) for file in files]
    config = network_config(Campaign(network=NetworkSize(filters=64, blocks=6, se_channels=8)))
    return [load_agent(SHIPPED), Agent(Network(config, seed=1).eval(), "random 6 × 64")]


def rates(works: Sequence[Callable[[], int]], seconds: float) -> tuple[float, float]:
    """How much is done a second by threads that each repeat one of ``works`` for ``seconds``.

    By the time that the processors spent on it, all threads together, and by that which passed. A thread is timed to
    the end of its own last repetition, so that none counts the time in which it waits for the others to end theirs.
    """

    def repeat(work: Callable[[], int]) -> tuple[int, float, float]:
        torch.set_num_threads(1)  # a new thread begins with torch's default, one for each core
        cpu, wall = time.thread_time(), time.perf_counter()
        done = work()
        while time.perf_counter() - wall < seconds:
            done += work()
        return done, time.thread_time() - cpu, time.perf_counter() - wall

    with ThreadPoolExecutor(len(works)) as threads:
        found = list(threads.map(repeat, works))
    done, cpu, _ = map(sum, zip(*found, strict=True))
    return done / cpu, sum(count / wall for count, _, wall in found)


def subject_of(agent: Agent, cores: int) -> str:
    """A row of the table of evaluations."""
    return f"{agent.name}, {'one thread' if cores == 1 else f'{cores} threads'}"


def evaluations_section(contenders: Sequence[Contender], shape: Shape, seconds: float) -> Section:
    """Evaluations a second of the loop and of its network alone, which take turns, on one thread and on two."""

    def measure_one(one: Contender, cores: int, number: int) -> list[Measurement]:
        works = {ALONE: one.evaluate, IN_LOOP: one.play}
        measured = {}
        for by in list(works)[:: 1 if number % 2 == 0 else -1]:
            measured[by] = rates([partial(works[by], place) for place in range(cores)], seconds)
        shares = [loop / alone for loop, alone in zip(measured[IN_LOOP], measured[ALONE], strict=True)]
        subject = subject_of(one.agent, cores)
        return [
            *(Measurement(subject, by, number, *measured[by]) for by in works),
            *(Measurement(subject, by, number, s, s) for by, s in zip((BY_CPU, BY_WALL), shares, strict=True)),
        ]

    plies = np.concatenate([loop.plies for one in contenders for loop in one.loops])
    batches = ", ".join(f"{one.batch:.0f} with {one.agent.name}" for one in contenders)
    return Section(
        "evaluations",
        "Evaluations a second of processor time: self-play against its network alone",
        lambda number: [
            one for contender in contenders for cores in CORES for one in measure_one(contender, cores, number)
        ],
        styles={BY_CPU: "share", BY_WALL: "share"},
        notes=[
            f"{shape.games} games a thread, {shape.simulations} simulations a move of {shape.considered} moves "
            f"considered, drawn at {shape.longest} plies. When the clock starts the games have {plies.min()} to "
            f"{plies.max()} plies, half of them more than {np.median(plies):.0f}. Self-play is search, rules, input "
            "planes, targets and records of games; there is no learning.",
            f"The network alone is asked about the same positions in the same batches: {batches}.",
            "Two threads: games of its own for each, one network for both. A second of processor time is that of one "
            "core: two idle cores have two of them in a second that passes.",
        ],
    )


def moves_section(contenders: Sequence[Contender], shape: Shape, seconds: float) -> Section:
    """Moves a CPU second of the loop on one thread, and of one game at a time in plain Python with the same network."""
    cases = []
    for one in contenders:
        plain = SelfPlay(torch_predict(one.agent), shape.simulations, shape.longest)

        def play_plain(plain: SelfPlay = plain) -> int:
            plain.move()
            return 1

        subject = f"{one.agent.name}: {MOVES}"
        cases += [
            Case(subject, ENGINE, partial(one.loops[0].step, one.agent)),
            Case(subject, DICTIONARIES, play_plain),
        ]
    return Section(
        "moves",
        f"Self-play with {shape.simulations} simulations a move on one thread, by processor time",
        taking_turns(cases, seconds),
        against=ENGINE,
        notes=[
            "Design of alpha-zero-general: one game at a time on python-chess, dictionaries by FEN, a loop over 4,672 "
            "actions, one evaluation by torch a call. Both end their games by the same rules and draw them at "
            f"{shape.longest} plies.",
        ],
    )


def count_games(moves: Section, contenders: Sequence[Contender]) -> None:
    """Add the measured moves as games an hour, by how long each network's games were; none where no game has ended."""
    for one in contenders:
        if not one.ended:
            continue
        plies, subject = one.plies_a_game, f"{one.agent.name}: {MOVES}"
        moves.measurements += [
            replace(
                found,
                subject=f"{one.agent.name}: {GAMES}",
                cpu=found.cpu * 3600 / plies,
                wall=found.wall * 3600 / plies,
            )
            for found in moves.measurements
            if found.subject == subject
        ]
        moves.notes.append(
            f"A game with {one.agent.name} is counted as {plies:.0f} moves, by whichever loop: {one.ended:,} games "
            "ended in self-play while this was measured, and so many moves were played for each."
        )


def targets(contenders: Sequence[Contender], wanted: Sequence[float]) -> tuple[Target, ...]:
    """What is wanted: of the first networks so many evaluations a second on two cores, of all the same shares."""
    found: list[Target] = []
    for one, bound in zip(contenders, wanted, strict=False):
        row = subject_of(one.agent, max(CORES))
        found += [
            Target(f"{row}, a second", "evaluations", _spread_of(row, IN_LOOP, "wall"), bound, ""),
            Target(
                f"{row}, {max(CORES)} CPU seconds",
                "evaluations",
                _spread_of(row, IN_LOOP, "cpu", times=max(CORES)),
                bound,
                "",
            ),
        ]
    for one in contenders:
        rows = [subject_of(one.agent, cores) for cores in CORES]
        found += [Target(f"{row}: share of alone", "evaluations", _spread_of(row, BY_CPU), 0.8, "") for row in rows]
        moves = f"{one.agent.name}: {MOVES}"
        found.append(Target(f"{moves}, against alpha-zero-general", "moves", _ratio_of(moves), 20, "×"))
    return tuple(found)


def _spread_of(subject: str, by: str, clock: str = "cpu", times: int = 1) -> Callable[[Section], Spread | None]:
    def number(section: Section) -> Spread | None:
        found = section.spread(subject, by, clock)
        return found and Spread(times * found.median, times * found.low, times * found.high)

    return number


def _ratio_of(subject: str) -> Callable[[Section], Spread | None]:
    return lambda section: section.ratio(subject, DICTIONARIES)
