"""Games over a cluster of nodes that come and go: nothing else is lost than the games of a node that dies."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import ray
import torch
from ray.cluster_utils import Cluster as Nodes

from engines.networks import Network
from engines.selfplay import Campaign, cluster, run_campaign
from engines.selfplay.actors import InTurn, deal_out, tables
from engines.selfplay.campaign_network import network_config
from engines.selfplay.cluster import Cluster
from engines.selfplay.cluster_player import ClusterPlayer, Published, pack_unfinished
from engines.selfplay.games import Unfinished
from engines.selfplay.learner import Learner
from engines.selfplay.metrics import METRICS_FILE
from engines.selfplay.ray_connection import connected
from engines.selfplay.records import GameRecord
from engines.selfplay.state import Saved, load_state

PATIENCE = 120.0  # seconds, where a slow machine must not fail; nothing waits as long
RULES = {"resign_below": -1.0, "decisive_lead": 0}


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """A head and another node, with a CPU each."""
    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    yield nodes
    nodes.shutdown()


def network_of(campaign: Campaign, seed: int = 1) -> Network:
    return Network(network_config(campaign), seed=seed).eval()


def sure_of_draws(campaign: Campaign) -> Network:
    network = network_of(campaign)
    with torch.no_grad():
        network.value.bias.copy_(torch.tensor([0.0, 100.0, 0.0]))
    return network


def games_in_play(campaign: Campaign) -> Unfinished:
    """What a leg without a cluster leaves; afterwards the kernels are compiled, and actors need not do it each."""
    player = InTurn(tables(campaign, 1, seed=4)[0], "cpu")
    player.publish(network_of(campaign), **RULES)
    player.collect(1, time.monotonic() + PATIENCE)
    return player.unfinished()[0]


def highest_value(games: list[GameRecord]) -> float:
    return max(float(abs(game.values).max()) for game in games)


def collect_until(actors: Cluster, condition: Callable[[list[GameRecord]], bool]) -> list[GameRecord]:
    """All games until the newest fulfil ``condition``."""
    until = time.monotonic() + PATIENCE
    found: list[GameRecord] = []
    while time.monotonic() < until:
        games = actors.collect(64, until)
        found += games
        if condition(games):
            return found
    raise AssertionError(f"in vain for {PATIENCE} seconds: {actors.positions_by_node}")


def test_nodes_come_and_go(tiny: Campaign, nodes: Nodes) -> None:
    saved = games_in_play(tiny)
    said: list[str] = []
    with connected(nodes.address):
        actors = Cluster(tiny, device="cpu", actors=0, seed=1, saved=[saved], report=said.append)
        try:
            actors.publish(network_of(tiny), **RULES)
            begun = {record.moves.tobytes() for record in saved.records}

            def gone_on_with(games: list[GameRecord]) -> bool:
                """Each of the saved games has ended, and both nodes have played."""
                begun.difference_update(
                    [game.moves[: len(part.moves)].tobytes() for game in games for part in saved.records]
                )
                return not begun and len(actors.positions_by_node) == 2

            games = collect_until(actors, gone_on_with)
            assert actors.evaluations >= sum(len(game.moves) for game in games)
            assert len({game.moves.tobytes() for game in games}) > 0.9 * len(games), "each actor has its own games"
            assert sum(len(part.records) for part in actors.unfinished()) == tiny.games_at_once

            assert highest_value(games) > 1e-4
            actors.publish(sure_of_draws(tiny), **RULES)
            collect_until(actors, lambda games: highest_value(games) < 1e-6)

            time.sleep(0.5)
            ahead = sum(len(game.moves) for game in actors.collect(0, time.monotonic()))
            last_games = tiny.games_at_once * tiny.longest_game
            assert ahead <= tiny.positions_per_round + last_games, "a learner that is slow is waited for"

            (second,) = nodes.worker_nodes
            nodes.remove_node(second, allow_graceful=False)
            collect_until(actors, lambda _: said[-1] == "actors of the cluster: 1 on 1 nodes, 1 lost")
            collect_until(actors, lambda games: len(games) > 0)
            nodes.add_node(num_cpus=1)
            collect_until(actors, lambda _: len(actors.positions_by_node) == 3)
            assert said[-1] == "actors of the cluster: 2 on 2 nodes"

            other_format = replace(network_config(tiny), input_format=4)
            actors.publish(Network(other_format, seed=1).eval(), **RULES)
            with pytest.raises(RuntimeError, match="an actor of the cluster failed: ValueError: self-play is in"):
                collect_until(actors, lambda _: False)
            assert sum(len(part.records) for part in actors.unfinished()) == tiny.games_at_once
        finally:
            actors.close()


def test_actors_that_die_at_once_are_not_replaced_for_ever(
    tiny: Campaign, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_CENSUS_S", 0.2)
    monkeypatch.setattr(cluster, "_TRIES", 3)
    with connected(nodes.address):
        actors = Cluster(tiny, device="cpu", actors=1, seed=1, report=lambda _: None)
        try:
            actors.publish(network_of(tiny), **RULES)
            until = time.monotonic() + PATIENCE
            with pytest.raises(ValueError, match="actors of the cluster die before they have played"):
                while time.monotonic() < until:
                    for hand in actors._hands:
                        ray.kill(hand.handle)
                    actors.collect(64, time.monotonic() + 0.1)
        finally:
            actors.close()


def test_another_version_is_refused(tiny: Campaign, nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "kernel_sources_digest", lambda: "another")
    with connected(nodes.address):
        actors = Cluster(tiny, device="cpu", actors=1, seed=1, report=lambda _: None)
        try:
            actors.publish(network_of(tiny), **RULES)
            with pytest.raises(ValueError, match="has another version of conceptmine"):
                collect_until(actors, lambda _: False)
        finally:
            actors.close()


def test_games_in_play_are_dealt_out(tiny: Campaign) -> None:
    saved = games_in_play(tiny)
    halves = deal_out([saved], [3])
    assert [len(part.records) for part in halves] == [3, 5]
    dealt = deal_out(halves, [2, 4, 0, 1])
    assert [len(part.records) for part in dealt] == [2, 4, 0, 1, 1]
    assert [len(part.records) for part in deal_out([], [2])] == [0, 0]
    assert [record for part in dealt for record in part.records] == saved.records
    assert (np.concatenate([part.games for part in dealt]) == saved.games).all()


def test_an_actor_of_several_tables_plays_them_side_by_side(tiny: Campaign) -> None:
    """As on a GPU, which one table does not keep busy."""
    network = network_of(tiny)
    weights = {name: weight.numpy() for name, weight in network.state_dict().items()}
    player = ClusterPlayer(tiny, "cpu")
    player.begin([2, 3], 1, 0, [pack_unfinished(part) for part in deal_out([], [2])])
    published = Published(1, network.config, weights, -1.0, 0)
    turn = player.play(published, 200, PATIENCE)
    assert turn.games["plies"].sum() >= 200
    assert turn.evaluations >= 200
    assert [len(packed.games) for packed in player.unfinished()] == [2, 3]
    assert player.play(published, 200, 0.0).games["plies"].sum() == 0, "the time is over"


def saved_in(folder: Path, campaign: Campaign) -> Saved:
    network = Network(network_config(campaign), batch_norm=True, seed=1)
    return load_state(folder, Learner(network, weight_decay=0.0, average_decay=0.9, warm_up_steps=1))


def in_play(saved: Saved) -> int:
    return sum(len(part.records) for part in saved.unfinished)


def test_a_campaign_goes_on_with_and_without_a_cluster(tiny: Campaign, nodes: Nodes, tmp_path: Path) -> None:
    rounds = 0

    def count(text: str) -> None:
        nonlocal rounds
        rounds += text.startswith("round")

    def leg(until: int, address: str | None) -> None:
        run_campaign(tiny, tmp_path, 10, ray=address, clock=lambda: 1e9 if rounds >= until else 0.0, report=count)

    leg(2, None)
    assert rounds >= 2
    begun = time.monotonic()
    run_campaign(tiny, tmp_path, 0.1 / 60, ray=nodes.address, report=lambda _: None)
    assert time.monotonic() - begun < 30, "a leg ends in its time, also before the actors have come"
    assert in_play(saved_in(tmp_path, tiny)) == tiny.games_at_once, "and keeps the games that wait for them"

    for address in (nodes.address, None):
        before = saved_in(tmp_path, tiny)
        leg(rounds + 2, address)
        after = saved_in(tmp_path, tiny)
        assert after.counters.rounds >= before.counters.rounds + 2
        assert after.counters.evaluations > before.counters.evaluations
        assert in_play(after) == tiny.games_at_once
    with (tmp_path / METRICS_FILE).open(newline="", encoding="utf-8") as handle:
        numbers = [int(row["round"]) for row in csv.DictReader(handle)]
    assert numbers == list(range(1, after.counters.rounds + 1))
