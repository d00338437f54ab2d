"""What runs in an actor of a cluster: some of the campaign's games, played in turns that are asked for from afar.

Whatever goes to and fro is packed as flat arrays, which Ray hands over without a copy.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from engines.compiled import kernel_sources_digest
from engines.networks import NetworkConfig
from engines.networks.checkpoint import network_of
from engines.selfplay.actors import PlayingAgent, table
from engines.selfplay.config import Campaign
from engines.selfplay.games import GamesAtOnce, Unfinished
from engines.selfplay.records import GameRecord, pack_games, unpack_games

Packed = dict[str, NDArray[Any]]


class Published(NamedTuple):
    """What actors play with: weights by the names of `Network.state_dict`, float32, and rules that change."""

    number: int
    config: NetworkConfig
    weights: Packed
    resign_below: float
    decisive_lead: int


class About(NamedTuple):
    """Where an actor is, Ray's name of the node and its address, and `kernel_sources_digest` of its conceptmine."""

    node: str
    address: str
    sources: str


class Turn(NamedTuple):
    """Games that ended in a turn, as `pack_games` gives them, and how many positions were evaluated for play."""

    games: Packed
    evaluations: int


class PackedUnfinished(NamedTuple):
    """`Unfinished` with its records packed."""

    records: Packed
    games: NDArray[np.void]


def pack_unfinished(unfinished: Unfinished) -> PackedUnfinished:
    """Games in play as they travel."""
    return PackedUnfinished(pack_games(unfinished.records), unfinished.games)


def unpack_unfinished(packed: PackedUnfinished) -> Unfinished:
    """The games in play of `pack_unfinished`."""
    return Unfinished(unpack_games(owned(packed.records)), packed.games.copy())


def owned(arrays: Packed) -> Packed:
    """Copies: what Ray hands out may lie in its shared memory, which goes when the connection ends."""
    return {name: array.copy() for name, array in arrays.items()}


class ClusterPlayer:
    """What runs in an actor's process: some of the campaign's games, and the network that plays them."""

    def __init__(self, campaign: Campaign, device: str) -> None:
        self._campaign = campaign
        self._player = PlayingAgent(device)
        self._tables: list[GamesAtOnce] = []
        self._published = -1

    def about(self) -> About:
        """Say who this is."""
        import ray

        node = ray.get_runtime_context().get_node_id()
        return About(node, ray.util.get_node_ip_address(), kernel_sources_digest())

    def begin(self, sizes: Sequence[int], seed: int, first: int, saved: Sequence[PackedUnfinished]) -> None:
        """Set up a table for each of ``sizes``, the ``first`` and following ones of the campaign, with saved games."""
        torch.set_num_threads(1)
        self._tables = [table(self._campaign, size, seed, first + number) for number, size in enumerate(sizes)]
        for games, packed in zip(self._tables, saved, strict=True):
            games.go_on_with(unpack_unfinished(packed))
        self._threads = ThreadPoolExecutor(len(self._tables))

    def play(self, published: Published, positions: int, seconds: float) -> Turn:
        """Play until games with as many positions have ended, or for ``seconds``."""
        if published.number != self._published:
            weights = {name: torch.from_numpy(array) for name, array in owned(published.weights).items()}
            self._player.publish(network_of(published.config, weights))
            for games in self._tables:
                games.change_rules(resign_below=published.resign_below, decisive_lead=published.decisive_lead)
            self._published = published.number
        agent = self._player.agent
        assert agent is not None, "a network was published"
        until = time.monotonic() + seconds
        ended: list[GameRecord] = []

        def play_on(games: GamesAtOnce) -> None:
            while sum(len(game.moves) for game in ended) < positions and time.monotonic() < until:
                ended.extend(games.step(agent))

        before = sum(games.evaluations for games in self._tables)
        list(self._threads.map(play_on, self._tables))
        return Turn(pack_games(ended), sum(games.evaluations for games in self._tables) - before)

    def unfinished(self) -> list[PackedUnfinished]:
        """The games in play, by table."""
        return [pack_unfinished(games.unfinished()) for games in self._tables]
