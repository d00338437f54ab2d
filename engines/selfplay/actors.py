"""Who plays the games: threads beside the learner, or the learner's own thread in turns with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Protocol

import numpy as np
import torch

from engines.networks import Agent, Network
from engines.search.settings import SearchSettings
from engines.selfplay.config import Campaign
from engines.selfplay.finished import FinishedGames
from engines.selfplay.games import GAME, GameRules, GamesAtOnce, Unfinished
from engines.selfplay.records import GameRecord
from engines.selfplay.resignation import NEVER

TABLES_OF_A_GPU: Final = 4
"""Tables, each with a thread, that keep a GPU busy."""


class Actors(Protocol):
    """Plays games with the newest network it was given."""

    def publish(self, network: Network, *, resign_below: float, decisive_lead: int) -> None:
        """Play with these weights (without batch normalisation) and rules from now on."""

    def collect(self, positions: int, until: float) -> list[GameRecord]:
        """Finished games with ``positions`` positions or a little more; fewer at ``until`` (`time.monotonic`)."""

    def finished(self) -> list[GameRecord]:
        """Games that ended and were not collected yet; from now on they are."""

    def unfinished(self) -> list[Unfinished]:
        """The games in play."""

    @property
    def evaluations(self) -> int:
        """How many positions were evaluated since the start of this leg."""

    def stop(self) -> None:
        """Play no further; the games in play and those not yet collected can still be asked for."""

    def close(self) -> None:
        """Stop, and let go of everything."""


def search_settings(campaign: Campaign) -> SearchSettings:
    """How the campaign's moves are searched for."""
    if campaign.search == "gumbel":
        return SearchSettings(
            formula="gumbel",
            two_fold_draws=True,
            gumbel_moves=campaign.considered_moves,
            noise_fraction=campaign.uniform_share,
        )
    return SearchSettings(
        formula="alphazero", two_fold_draws=True, c_puct=1.25, c_base=19652.0, c_factor=1.0, noise_fraction=0.25
    )


def game_rules(campaign: Campaign) -> GameRules:
    """How the campaign's games are played; nobody resigns before that is published."""
    return GameRules(
        simulations=campaign.simulations,
        fast_simulations=campaign.fast_simulations,
        full_share=campaign.full_share,
        sampled_plies=campaign.sampled_plies,
        opening_plies=campaign.opening_plies,
        endgame_share=campaign.endgame_share,
        longest=campaign.longest_game,
        resign_below=NEVER,
        played_on=campaign.played_on if campaign.resign_errors > 0 else 1.0,
    )


def table(campaign: Campaign, size: int, seed: int, number: int) -> GamesAtOnce:
    """``size`` of the campaign's games side by side; every ``number`` from 0 has games of its own."""
    stream = np.random.SeedSequence(seed).generate_state(number + 1, np.uint64)[-1]
    return GamesAtOnce(size, game_rules(campaign), search_settings(campaign), int(stream) >> 1)


def tables(campaign: Campaign, actors: int, seed: int, saved: Sequence[Unfinished] = ()) -> list[GamesAtOnce]:
    """The campaign's games, shared out to ``actors``, going on with those ``saved``, by however many actors."""
    sizes = [len(part) for part in np.array_split(np.arange(campaign.games_at_once), actors) if len(part)]
    games = [table(campaign, size, seed, number) for number, size in enumerate(sizes)]
    for one, unfinished in zip(games, deal_out(saved, sizes), strict=False):
        one.go_on_with(unfinished)
    return games


def deal_out(saved: Sequence[Unfinished], sizes: Sequence[int]) -> list[Unfinished]:
    """Saved games in parts of at most ``sizes``, in their order, and at the end those that are left over."""
    records = [record for unfinished in saved for record in unfinished.records]
    games = np.concatenate([np.empty(0, dtype=GAME), *(unfinished.games for unfinished in saved)])
    ends = [0, *np.cumsum(sizes).tolist(), len(records)]
    return [Unfinished(records[begin:end], games[begin:end]) for begin, end in pairwise(ends)]


class PlayingAgent:
    """The agent that plays, with weights that can be exchanged while threads ask it."""

    def __init__(self, device: str) -> None:
        self._device = device
        self.agent: Agent | None = None

    def publish(self, network: Network) -> Agent:
        """Play with ``network``'s weights.

        On a GPU they are written into the network that plays, so that recorded graphs stay good; a batch under way may
        see some of both.  On a processor a compiled network is made anew.
        """
        if self.agent is None or self._device == "cpu":
            # Compiled float32 is what a processor does best; a GPU takes shorter numbers, where they do no harm.
            dtype = "float32" if self._device == "cpu" else "float16"
            self.agent = Agent(network, name="selfplay", device=self._device, dtype=dtype)
        else:
            write_weights(network, self.agent.network)
        return self.agent


@torch.no_grad()
def write_weights(source: Network, target: Network) -> None:
    """Copy the weights into a network of the same shape, each rounded to the type it has there."""
    weights = source.state_dict()
    for name, weight in target.state_dict().items():
        weight.copy_(weights[name])


class InTurn:
    """One table of games, played in the caller's thread: deterministic, and nobody plays while the network learns."""

    def __init__(self, games: GamesAtOnce, device: str) -> None:
        self._games, self._player = games, PlayingAgent(device)

    def publish(self, network: Network, *, resign_below: float, decisive_lead: int) -> None:
        self._player.publish(network)
        self._games.change_rules(resign_below=resign_below, decisive_lead=decisive_lead)

    def collect(self, positions: int, until: float) -> list[GameRecord]:
        if self._player.agent is None:
            raise ValueError("no network was published: there is nothing to play with")
        found: list[GameRecord] = []
        while sum(len(game.moves) for game in found) < positions and time.monotonic() <= until:
            found += self._games.step(self._player.agent)
        return found

    def finished(self) -> list[GameRecord]:
        return []

    def unfinished(self) -> list[Unfinished]:
        return [self._games.unfinished()]

    @property
    def evaluations(self) -> int:
        return self._games.evaluations

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass


class Threads:
    """A thread a table; they play on while the caller learns, at most ``ahead`` positions further than it has taken or
    waits for.

    The kernels and torch let go of the interpreter, so threads are enough to use as many cores.
    """

    def __init__(self, games: Sequence[GamesAtOnce], device: str, ahead: int) -> None:
        self._games, self._ahead = games, ahead
        self._player = PlayingAgent(device)
        self._finished = FinishedGames()
        # Held by its thread during a step: who holds it sees the games of that table stand still.
        self._steps = [threading.Lock() for _ in games]
        self._wanted = threading.Event()
        self._wanted.set()
        self._threads = [
            threading.Thread(target=self._play, args=pair, daemon=True, name=f"actor-{number}")
            for number, pair in enumerate(zip(games, self._steps, strict=True))
        ]

    def publish(self, network: Network, *, resign_below: float, decisive_lead: int) -> None:
        first = self._player.agent is None
        self._player.publish(network)
        for games in self._games:
            games.change_rules(resign_below=resign_below, decisive_lead=decisive_lead)
        if first:
            for thread in self._threads:
                thread.start()

    def collect(self, positions: int, until: float) -> list[GameRecord]:
        self._finished.wait(positions, until)
        return self._finished.take_sound()

    def finished(self) -> list[GameRecord]:
        return self._finished.take()

    def unfinished(self) -> list[Unfinished]:
        self._wanted.clear()
        try:
            found = []
            for games, step in zip(self._games, self._steps, strict=True):
                with step:
                    found.append(games.unfinished())
            return found
        finally:
            self._wanted.set()

    @property
    def evaluations(self) -> int:
        return sum(games.evaluations for games in self._games)

    def stop(self) -> None:
        self._finished.stop()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def close(self) -> None:
        self.stop()

    def _play(self, games: GamesAtOnce, step: threading.Lock) -> None:
        try:
            while not self._finished.stopped:
                self._wanted.wait()
                agent = self._player.agent
                assert agent is not None, "threads start once a network is published"
                with step:
                    ended = games.step(agent)
                if ended:
                    self._finished.add(ended)
                    self._finished.wait_for_room(self._ahead)
        except BaseException as failure:  # whatever it is, the learner's thread must hear of it
            self._finished.fail(failure)
