"""Who plays: threads that run ahead of the learner by no more than they may, or the learner's own thread in turns."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import chess
import numpy as np
import pytest
import torch

from engines.chess import pack_boards
from engines.networks import Agent, MovesLeftHead, Network, NetworkConfig, Tower, ValueHead
from engines.selfplay import Campaign
from engines.selfplay.actors import (
    InTurn,
    PlayingAgent,
    Threads,
    game_rules,
    search_settings,
    tables,
    write_weights,
)
from engines.selfplay.campaign_network import network_config
from engines.selfplay.endings import LENGTH, RESIGNED
from engines.selfplay.games import GAME, GameRules, Unfinished
from engines.selfplay.records import GameRecord
from engines.selfplay.resignation import NEVER

PLIES = 10
LONG = 60.0
"""Seconds that nothing here takes unless something is wrong."""


def soon() -> float:
    return time.monotonic() + LONG


def eventually(condition: Callable[[], bool]) -> None:
    until = soon()
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.002)


def content(record: GameRecord) -> tuple[Any, ...]:
    """All that a record says, to be compared."""
    return tuple(part.tobytes() if isinstance(part, np.ndarray) else part for part in vars(record).values())


class Table:
    """Stands in for games: every step ends one of ten plies."""

    def __init__(self, number: int = 0, fails_at: int | None = None) -> None:
        self.number, self.fails_at = number, fails_at
        self.steps = self.evaluations = 0
        self.agents: list[Any] = []
        self.rules: list[tuple[float, int]] = []
        self.stepping = False
        self.seen_stepping = False

    def change_rules(self, *, resign_below: float, decisive_lead: int) -> None:
        self.rules.append((resign_below, decisive_lead))

    def step(self, agent: Any) -> list[GameRecord]:
        self.stepping = True
        self.agents.append(agent)
        self.steps += 1
        self.evaluations += 3
        if self.steps == self.fails_at:
            raise RuntimeError("the network gives no answer")
        record = GameRecord(
            start=np.zeros(8, dtype=np.uint64),
            moves=np.full(PLIES, self.steps, dtype=np.uint16),
            kinds=np.zeros(PLIES, dtype=np.uint8),
            slots=np.zeros((PLIES, 64), dtype=np.uint16),
            policy=np.zeros((PLIES, 64), dtype=np.float16),
            values=np.zeros(PLIES, dtype=np.float32),
            result=0,
            ending=LENGTH,
            lowest=np.full(2, 2, dtype=np.float32),
            played_on=True,
        )
        time.sleep(0)  # others may look on
        self.stepping = False
        return [record]

    def unfinished(self) -> Unfinished:
        self.seen_stepping |= self.stepping
        return Unfinished([], np.zeros(self.steps, dtype=GAME))


@pytest.fixture(scope="module")
def networks(tiny: Campaign) -> tuple[Network, Network]:
    return tuple(Network(network_config(tiny), seed=seed) for seed in (1, 2))  # type: ignore[return-value]


@pytest.fixture
def start(networks: tuple[Network, Network]) -> Iterator[Callable[..., Threads]]:
    """Threads that have begun to play, and that end with the test."""
    started: list[Threads] = []

    def begin(games: list[Any], ahead: int) -> Threads:
        actors = Threads(games, "cpu", ahead)
        started.append(actors)
        actors.publish(networks[0], resign_below=NEVER, decisive_lead=0)
        return actors

    yield begin
    for actors in started:
        actors.close()


def positions_of(games: list[GameRecord]) -> int:
    return sum(len(game.moves) for game in games)


@pytest.mark.parametrize("number", [1, 3])
def test_threads_play_on_while_the_caller_works_but_not_more_than_ahead(
    number: int, start: Callable[..., Threads]
) -> None:
    games = [Table() for _ in range(number)]
    actors = start(games, ahead=100)

    def steps() -> int:
        return sum(table.steps for table in games)

    eventually(lambda: steps() >= 11)
    time.sleep(0.2)
    assert steps() <= 10 + number, "every thread may finish the step that it is in"
    found = actors.collect(100, soon())
    assert positions_of(found) == PLIES * len(found) <= 100 + PLIES * number
    eventually(lambda: steps() >= len(found) + 11)
    time.sleep(0.2)
    assert steps() <= len(found) + 10 + number


def test_every_game_is_collected_once(start: Callable[..., Threads]) -> None:
    table = Table()
    actors = start([table], ahead=50)
    found = [game for _ in range(20) for game in actors.collect(40, soon())]
    assert [int(game.moves[0]) for game in found] == list(range(1, len(found) + 1))
    assert len(found) >= 80
    assert actors.evaluations == 3 * table.steps


def test_a_deadline_brings_what_there_is(start: Callable[..., Threads]) -> None:
    actors = start([Table()], ahead=50)
    eventually(lambda: actors._finished.room(50) < 0)
    begun = time.monotonic()
    found = actors.collect(1_000_000, begun - 1)
    assert len(found) == 6
    eventually(lambda: actors._finished.room(50) < 0)
    assert len(actors.collect(1_000_000, time.monotonic() + 0.2)) > 6, "they play on for one who waits"
    assert time.monotonic() - begun < LONG


def test_an_error_of_the_network_is_raised_where_games_are_collected(start: Callable[..., Threads]) -> None:
    actors = start([Table(), Table(fails_at=3)], ahead=10_000)
    with pytest.raises(RuntimeError, match="the network gives no answer"):
        actors.collect(10_000_000, soon())
    assert len(actors.unfinished()) == 2, "what was in play can still be saved"
    actors.close()


def test_a_step_is_never_seen_from_within(start: Callable[..., Threads]) -> None:
    games = [Table(), Table()]
    actors = start(games, ahead=10**9)
    for _ in range(300):
        assert len(actors.unfinished()) == 2
    assert not any(table.seen_stepping for table in games)
    before = [table.steps for table in games]
    eventually(lambda: all(table.steps > steps for table, steps in zip(games, before, strict=True)))


def test_unfinished_games_are_as_they_stood_while_threads_play_on(
    tiny: Campaign,
    networks: tuple[Network, Network],
    start: Callable[..., Threads],
    boards_of: Callable[[GameRecord], list[chess.Board]],
) -> None:
    """Games gone on with elsewhere are the same that the threads finish."""
    actors = start(tables(tiny, 2, seed=5), ahead=10**9)
    found = {content(game) for game in actors.collect(200, soon())}
    saved = actors.unfinished()
    while not all(any(len(record.moves) > 2 for record in unfinished.records) for unfinished in saved):
        saved = actors.unfinished()
    assert [len(unfinished.records) for unfinished in saved] == [4, 4]
    for unfinished in saved:
        for record in unfinished.records:
            assert len(boards_of(record)) == len(record.moves) + 1
    agent, elsewhere = Agent(networks[0], "selfplay"), set()
    for table in tables(tiny, 2, seed=77, saved=saved):
        finished: list[GameRecord] = []
        while len(finished) < 12:
            finished += table.step(agent)
        elsewhere |= {content(game) for game in finished}
    until = soon()
    while not elsewhere <= found:
        assert time.monotonic() < until
        found |= {content(game) for game in actors.collect(100, until)}


def test_closing_ends_the_threads_whatever_they_wait_for(start: Callable[..., Threads]) -> None:
    before = threading.active_count()
    actors = start([Table(), Table()], ahead=20)
    eventually(lambda: actors._finished.room(20) < 0)
    assert threading.active_count() == before + 2
    actors.close()
    assert threading.active_count() == before
    actors.close()
    assert actors.collect(0, soon()), "what was finished can still be collected"
    Threads([Table()], "cpu", 20).close()  # no network was ever published


def test_published_weights_and_rules_hold_from_then_on(
    networks: tuple[Network, Network], start: Callable[..., Threads]
) -> None:
    games = [Table(), Table()]
    actors = start(games, ahead=10**9)
    eventually(lambda: all(table.steps > 3 for table in games))
    assert len({id(agent) for table in games for agent in table.agents}) == 1
    actors.publish(networks[1], resign_below=-0.8, decisive_lead=3)
    assert [table.rules for table in games] == [[(NEVER, 0), (-0.8, 3)]] * 2
    before = [table.steps for table in games]
    eventually(lambda: all(table.steps > steps + 2 for table, steps in zip(games, before, strict=True)))
    boards = pack_boards([chess.Board()])
    for table in games:
        old, new = table.agents[0], table.agents[-1]
        assert np.array_equal(old.evaluate_packed(*boards).logits, answer(networks[0]))
        assert np.array_equal(new.evaluate_packed(*boards).logits, answer(networks[1]))


def answer(network: Network) -> np.ndarray:
    return Agent(network, "fresh").evaluate_packed(*pack_boards([chess.Board()])).logits


def test_a_processor_plays_in_float32_whatever_was_published_before(networks: tuple[Network, Network]) -> None:
    player = PlayingAgent("cpu")
    for network in (*networks, networks[0]):
        agent = player.publish(network)
        assert (agent.dtype, agent.device.type) == ("float32", "cpu")
        assert np.array_equal(agent.evaluate_packed(*pack_boards([chess.Board()])).logits, answer(network))
        assert player.agent is agent


def test_weights_written_into_an_agent_are_those_of_a_fresh_one() -> None:
    """What a GPU does with its 16 bits: each weight is rounded to the type that it has in the playing network."""
    config = NetworkConfig(Tower(64, blocks=3, se_channels=8), value=ValueHead(4, 16), moves_left=MovesLeftHead(2, 8))
    first, second = (Network(config, batch_norm=True, seed=seed).folded() for seed in (1, 2))
    agent = Agent(first, "playing", dtype="bfloat16")
    addresses = [weight.data_ptr() for weight in agent.network.state_dict().values()]
    dtypes = {name: weight.dtype for name, weight in agent.network.state_dict().items()}
    assert set(dtypes.values()) == {torch.float32, torch.bfloat16}
    boards = pack_boards([chess.Board(), chess.Board("8/8/8/4k3/8/8/3RK3/8 w - - 0 1")])
    before = agent.evaluate_packed(*boards)
    write_weights(second, agent.network)
    assert {name: weight.dtype for name, weight in agent.network.state_dict().items()} == dtypes
    assert [weight.data_ptr() for weight in agent.network.state_dict().values()] == addresses
    after, fresh = agent.evaluate_packed(*boards), Agent(second, "fresh", dtype="bfloat16").evaluate_packed(*boards)
    for name in ("logits", "wdl", "moves_left"):
        assert np.array_equal(getattr(after, name), getattr(fresh, name)), name
        assert not np.array_equal(getattr(after, name), getattr(before, name)), name
    write_weights(first, agent.network)
    assert np.array_equal(agent.evaluate_packed(*boards).logits, before.logits)


def in_turn(tiny: Campaign, network: Network, seed: int) -> InTurn:
    actors = InTurn(tables(tiny, 1, seed)[0], "cpu")
    actors.publish(network, resign_below=NEVER, decisive_lead=0)
    return actors


def test_playing_in_turns_is_deterministic(tiny: Campaign, networks: tuple[Network, Network]) -> None:
    def play(seed: int) -> list[tuple[Any, ...]]:
        actors = in_turn(tiny, networks[0], seed)
        found = actors.collect(150, soon())
        actors.publish(networks[1], resign_below=NEVER, decisive_lead=3)
        found += actors.collect(150, soon())
        assert positions_of(found) >= 300
        return [content(game) for game in found]

    assert play(1) == play(1)
    assert play(1) != play(2)


def test_playing_in_turns_stops_at_its_deadline_and_goes_on_after_it(
    tiny: Campaign, networks: tuple[Network, Network]
) -> None:
    actors = in_turn(tiny, networks[0], 1)
    assert actors.collect(100, time.monotonic() - 1) == []
    assert actors.evaluations == 0
    found = actors.collect(1, soon())
    assert found
    assert positions_of(found) < 1 + 8 * tiny.longest_game, "no more steps than are needed"
    assert actors.evaluations > 0
    (unfinished,) = actors.unfinished()
    assert len(unfinished.records) == tiny.games_at_once
    actors.close()


def test_rules_hold_in_turns_too(tiny: Campaign, networks: tuple[Network, Network]) -> None:
    actors = in_turn(replace(tiny, played_on=0.01), networks[0], 1)
    assert RESIGNED not in {game.ending for game in actors.collect(300, soon())}
    actors.publish(networks[0], resign_below=0.9, decisive_lead=0)
    assert RESIGNED in {game.ending for game in actors.collect(300, soon())}


def test_nothing_is_played_before_a_network_is_published(tiny: Campaign) -> None:
    with pytest.raises(ValueError, match="no network was published"):
        InTurn(tables(tiny, 1, 1)[0], "cpu").collect(1, soon())


@pytest.mark.parametrize(("actors", "sizes"), [(1, [8]), (3, [3, 3, 2]), (8, [1] * 8), (20, [1] * 8)])
def test_games_are_shared_out_to_actors(actors: int, sizes: list[int], tiny: Campaign) -> None:
    games = tables(replace(tiny, endgame_share=1.0), actors, seed=3)
    assert [len(table) for table in games] == sizes
    starts = {record.start.tobytes() for table in games for record in table.unfinished().records}
    assert len(starts) == 8, "no two actors play the same games"


@pytest.mark.parametrize("actors", [1, 2, 3, 5])
def test_games_under_way_are_gone_on_with_by_any_number_of_actors(
    actors: int, tiny: Campaign, networks: tuple[Network, Network]
) -> None:
    agent = Agent(networks[0], "selfplay")
    games = tables(tiny, 3, seed=3)
    for table in games:
        for _ in range(20):
            table.step(agent)
    saved = [table.unfinished() for table in games]
    again = [table.unfinished() for table in tables(tiny, actors, seed=4, saved=saved)]
    assert len(again) == actors

    def all_of(parts: list[Unfinished]) -> list[tuple[Any, ...]]:
        return [
            (*content(record), *(state[name].tolist() for name in GAME.names))
            for part in parts
            for record, state in zip(part.records, part.games, strict=True)
        ]

    assert all_of(again) == all_of(saved)
    fewer = [table.unfinished() for table in tables(replace(tiny, games_at_once=5), actors, seed=4, saved=saved)]
    assert all_of(fewer) == all_of(saved)[:5]


def test_the_campaign_says_how_games_are_played_and_searched() -> None:
    campaign = Campaign(
        simulations=40, fast_simulations=11, full_share=0.3, considered_moves=12, uniform_share=0.07, sampled_plies=9,
        opening_plies=7, endgame_share=0.2, longest_game=130, played_on=0.15,
    )  # fmt: skip
    rules = GameRules(
        simulations=40, fast_simulations=11, full_share=0.3, sampled_plies=9, opening_plies=7, endgame_share=0.2,
        longest=130, decisive_lead=0, resign_below=NEVER, played_on=0.15,
    )  # fmt: skip
    assert game_rules(campaign) == rules
    assert game_rules(replace(campaign, resign_errors=0.0)) == replace(rules, played_on=1.0)
    gumbel, alphazero = (search_settings(replace(campaign, search=name)) for name in ("gumbel", "alphazero"))
    assert (gumbel.formula, gumbel.gumbel_moves, gumbel.gumbel_noise, gumbel.noise_fraction) == (
        "gumbel",
        12,
        1.0,
        0.07,
    )
    assert (alphazero.formula, alphazero.noise_fraction) == ("alphazero", 0.25)
    assert gumbel.two_fold_draws
    assert alphazero.two_fold_draws
