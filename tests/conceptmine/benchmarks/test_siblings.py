"""Two lines from one root, read where the root's player is to move."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import chess
import numpy as np
import pytest

from conceptmine.activations import capture
from conceptmine.benchmarks.siblings import PLIES, continued, contrast_of, own_games, sibling_rows
from conceptmine.errors import InputError
from conceptmine.positions import GameRecord, path_id
from engines.networks import Agent, load_agent

SHUFFLE = ("g1f3", "g8f6", "f3g1", "f6g8")


@pytest.fixture(scope="module")
def agent(tiny_networks: Mapping[str, Path]) -> Agent:
    return load_agent(tiny_networks["agent"])


def test_lines_go_on_with_the_most_probable_moves(agent: Agent) -> None:
    board = chess.Board()
    (states,) = continued(agent, [board], [chess.Move.from_uci("e2e4")])
    assert states is not None
    assert [len(state.move_stack) for state in states] == list(PLIES)
    replay = chess.Board()
    replay.push_uci("e2e4")
    while len(replay.move_stack) < PLIES[-1]:
        policy = agent.evaluate([replay]).policy[0]
        replay.push(max(policy, key=policy.__getitem__))
    assert replay.fen() == states[-1].fen()
    assert all(state.turn == board.turn for state in states)
    assert board.move_stack == []


def test_a_line_that_ends_in_mate_is_none(agent: Agent) -> None:
    board = chess.Board("6k1/5ppp/8/8/8/8/8/R3K3 w - - 0 1")
    mate, other = continued(agent, [board, board], [chess.Move.from_uci("a1a8"), chess.Move.from_uci("a1a2")])
    assert mate is None
    assert other is not None


def test_rows_are_the_first_line_less_the_second(agent: Agent) -> None:
    boards = [chess.Board()]
    first, second = ([chess.Move.from_uci(move)] for move in ("e2e4", "a2a3"))
    found = contrast_of(agent, agent, "block1", boards, first, second)
    plus, minus = (
        capture(agent, states, ["block1"])["block1"]
        for states in (continued(agent, boards, moves)[0] for moves in (first, second))
        if states is not None
    )
    np.testing.assert_array_equal(found.differences[0], plus - minus)
    turned = contrast_of(agent, agent, "block1", boards, second, first)
    np.testing.assert_array_equal(turned.differences, -found.differences)


def test_roots_are_of_different_games_and_the_same_for_a_seed(agent: Agent) -> None:
    first, again = (sibling_rows(agent, "block1", 24, seed=3, games=None) for _ in range(2))
    assert len(first) == 24
    assert first.differences.shape == (24, len(PLIES), 512)
    np.testing.assert_array_equal(first.differences, again.differences)
    assert len({board.fen() for board in first.boards}) == 24
    assert all(len(board.move_stack) >= 12 for board in first.boards)


def test_given_games_are_used_and_too_few_are_refused(agent: Agent) -> None:
    games = own_games(agent, 6, seed=9)
    found = sibling_rows(agent, "block1", 4, seed=0, games=games)
    starts = {game.moves[:12] for game in games}
    assert all(tuple(move.uci() for move in board.move_stack[:12]) in starts for board in found.boards)
    with pytest.raises(InputError, match=r"6 games give \d roots .* and 20 are needed"):
        sibling_rows(agent, "block1", 20, seed=0, games=games)


def test_games_without_a_position_are_refused_in_a_sentence(agent: Agent) -> None:
    short = GameRecord(path_id(None, SHUFFLE), None, SHUFFLE, "*")
    with pytest.raises(InputError, match="hold no position"):
        sibling_rows(agent, "block1", 20, seed=0, games=[short])
