"""Students: a planted concept is learned, nothing is learned from nothing, and nobody's weights are touched."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

import chess
import numpy as np
import pytest
import torch

from conceptmine.errors import InputError
from conceptmine.teachability import (
    Lessons,
    PackedPositions,
    TeachingResult,
    TeachingSettings,
    TeachingTask,
    choose_student,
    pack_positions,
    teach_concept,
    teach_from_files,
    top_moves,
)
from engines.chess import policy_indices
from engines.chess.moves import POLICY_MOVES, policy_index
from engines.networks import (
    Agent,
    ClassicalPolicy,
    Network,
    NetworkConfig,
    NetworkInfo,
    Tower,
    ValueHead,
    write_network,
)

CONFIG = NetworkConfig(Tower(8, blocks=1), policy=ClassicalPolicy(8), value=ValueHead(2, 8))
PLANTED = POLICY_MOVES.index("b1c3")
# A large step, because the planted concept is one number in the policy's last layer and the lessons are few.
SETTINGS = TeachingSettings(epochs=4, learning_rate=2e-2, batch_size=16, draws=2000)


def agent(seed: int, change: Callable[[Network], None] | None = None, input_format: int = 1) -> Agent:
    """A tiny network with random weights, changed if asked for."""
    network = Network(replace(CONFIG, input_format=input_format), seed=seed)
    with torch.no_grad():
        assert isinstance(network.policy, torch.nn.Linear)
        network.policy.weight.mul_(20)  # first policies are near uniform; these are to have opinions
        if change is not None:
            change(network)
    return Agent(network, f"tiny-{seed}")


def plays_planted(network: Network) -> None:
    """The concept: whoever can play the queen's knight to c3 (as the side to move sees it) does so."""
    network.get_parameter("policy.bias")[PLANTED] += 12.0


@cache
def boards(kind: str, count: int, seed: int = 0) -> tuple[chess.Board, ...]:
    """Positions of random games, one a game: "concept" where the planted move is legal, "random" where it is not."""
    rng = np.random.default_rng([seed, len(kind)])
    found: list[chess.Board] = []
    while len(found) < count:
        board = chess.Board()
        for _ in range(int(rng.integers(2, 14))):
            legal = list(board.legal_moves)
            board.push(legal[rng.integers(len(legal))])
            if board.is_game_over():
                break
        legal_places = [policy_index(board, move) for move in board.legal_moves]
        if legal_places and (PLANTED in legal_places) == (kind == "concept"):
            found.append(board)
    return tuple(found)


@cache
def packed(kind: str, count: int, seed: int = 0) -> PackedPositions:
    return pack_positions(boards(kind, count, seed))


def planted_lessons() -> Lessons:
    return Lessons(packed("concept", 48, 1), packed("concept", 24, 2), packed("random", 60, 1), packed("random", 24, 2))


@cache
def planted_result() -> TeachingResult:
    return teach_concept(agent(0, plays_planted), [agent(0)], planted_lessons(), seeds=(0, 1), settings=SETTINGS)


def test_a_planted_concept_is_learned_from_its_prototypes_only() -> None:
    result = planted_result()
    assert result.teachable
    assert result.gain.low > 0.3
    assert result.top1("none", "concept") < 0.3
    assert result.top1("concept", "concept") > 0.8
    assert result.top1("random", "concept") < 0.4, "random lessons show nothing of it"
    assert result.gain.mean == pytest.approx(result.top1("concept", "concept") - result.top1("random", "concept"))


def test_the_two_by_two_has_all_its_cells() -> None:
    result = planted_result()
    assert result.on_concept.shape == result.on_random.shape == (2, 2, 5)
    assert result.hits.shape == (2, 2, 24)
    np.testing.assert_array_equal(result.on_concept[:, :, -1], result.hits.mean(axis=2))
    assert np.ptp(result.on_concept[:, :, 0]) == 0, "before training there is one student"
    rows = list(result.rows())
    assert len(rows) == 2 * 2 * (1 + 2 * 4)
    assert rows[0] == (0, "none", "concept", 0, result.on_concept[0, 0, 0])
    assert rows[1] == (0, "concept", "concept", 1, result.on_concept[0, 0, 1])
    assert rows[-1] == (1, "random", "random", 4, result.on_random[1, 1, 4])


def test_no_gain_where_prototypes_are_like_any_other_position() -> None:
    mixed = [pack_positions([*boards("concept", n, s), *boards("random", n, s)]) for n, s in ((24, 3), (20, 4))]
    others = [pack_positions([*boards("concept", n, s), *boards("random", n, s)]) for n, s in ((24, 5), (20, 6))]
    lessons = Lessons(mixed[0], mixed[1], others[0], others[1])
    result = teach_concept(agent(7), [agent(8)], lessons, seeds=(0, 1), settings=SETTINGS)
    assert not result.teachable
    assert result.gain.low <= 0 <= result.gain.high


def test_equal_seeds_give_equal_results_and_other_seeds_do_not() -> None:
    lessons, settings = planted_lessons(), TeachingSettings(epochs=2, learning_rate=5e-3, batch_size=16, draws=200)
    first, again, other = (
        teach_concept(agent(3), [agent(4)], lessons, seeds=seeds, settings=settings) for seeds in ((5,), (5,), (6,))
    )
    np.testing.assert_array_equal(first.hits, again.hits)
    np.testing.assert_array_equal(first.on_random, again.on_random)
    assert first.gain == again.gain
    assert not np.array_equal(first.hits, other.hits) or not np.array_equal(first.on_random, other.on_random)


def test_a_seeds_run_does_not_depend_on_the_runs_beside_it() -> None:
    lessons, settings = planted_lessons(), TeachingSettings(epochs=1, learning_rate=5e-3, batch_size=16, draws=200)
    alone = teach_concept(agent(3), [agent(4)], lessons, seeds=(6,), settings=settings)
    second = teach_concept(agent(3), [agent(4)], lessons, seeds=(5, 6), settings=settings)
    np.testing.assert_array_equal(alone.hits[0], second.hits[1])


def test_the_callers_agents_and_thread_count_are_left_as_they_were() -> None:
    teacher, student = agent(0, plays_planted), agent(0)
    before = [
        {name: tensor.clone() for name, tensor in each.network.state_dict().items()} for each in (teacher, student)
    ]
    threads = torch.get_num_threads()
    finished: list[int] = []
    settings = TeachingSettings(epochs=1, learning_rate=1e-2, batch_size=16, draws=10)
    teach_concept(teacher, [student], planted_lessons(), seeds=(0, 1), settings=settings, progress=finished.append)
    assert finished == [1, 2]
    assert torch.get_num_threads() == threads
    for each, weights in zip((teacher, student), before, strict=True):
        assert not any(parameter.requires_grad for parameter in each.network.parameters())
        for name, tensor in each.network.state_dict().items():
            assert torch.equal(tensor, weights[name]), name


def test_the_newest_agent_that_seldom_agrees_is_taught() -> None:
    teacher = np.arange(100)
    ladder = [np.where(teacher < agreeing, teacher, -1) for agreeing in (5, 10, 19, 20, 60)]
    choice = choose_student(teacher, ladder)
    assert (choice.index, choice.agreement, choice.rule_met) == (2, 0.19, True)
    np.testing.assert_allclose(choice.agreements, [0.05, 0.10, 0.19, 0.20, 0.60])


def test_without_a_weak_enough_agent_the_least_agreeing_is_taught_and_marked() -> None:
    teacher = np.arange(100)
    ladder = [np.where(teacher < agreeing, teacher, -1) for agreeing in (70, 30, 30, 50)]
    choice = choose_student(teacher, ladder)
    assert (choice.index, choice.agreement, choice.rule_met) == (2, 0.30, False)


@pytest.mark.parametrize("input_format", [1, 4])
def test_top_moves_are_legal_and_the_most_probable(input_format: int) -> None:
    some = [*boards("random", 12, 1), chess.Board("8/pp3k2/8/2P5/8/1K6/6R1/8 w - - 3 40")]
    one = agent(2, input_format=input_format)
    policies = one.evaluate(some).policy
    found = top_moves(one, pack_positions(some, input_format=input_format))
    for board, policy, place in zip(some, policies, found, strict=True):
        likeliest = max(policy, key=lambda move: policy[move])
        assert policy_indices(board, [likeliest], input_format).tolist() == [place]


def test_another_process_gives_the_same_result(tmp_path: Path) -> None:
    teacher, student = agent(0, plays_planted), agent(0)
    paths = [tmp_path / "teacher.pb.gz", tmp_path / "student.pb.gz"]
    for each, path in zip((teacher, student), paths, strict=True):
        write_network(each.network, path, NetworkInfo())
    settings = TeachingSettings(epochs=1, learning_rate=1e-2, batch_size=16, draws=50)
    task = TeachingTask(str(paths[0]), (str(paths[1]),), planted_lessons(), seeds=(0,), settings=settings)
    here = teach_from_files(pickle.loads(pickle.dumps(task)))
    assert here.student == "student"
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = pool.submit(teach_from_files, task).result()
    np.testing.assert_array_equal(here.hits, there.hits)
    assert here.gain == there.gain


def test_wrong_input_gets_one_clear_sentence() -> None:
    few, none = packed("concept", 24, 2), packed("concept", 24, 2).take([])
    with pytest.raises(InputError, match="concept_test holds no position"):
        Lessons(few, none, few, few)
    with pytest.raises(InputError, match="10 random training positions for 24 prototypes"):
        Lessons(few, few, few.take(range(10)), few)
    with pytest.raises(InputError, match="one game for each of 24"):
        Lessons(few, few, few, few, test_games=np.zeros(3, dtype=np.int64))
    with pytest.raises(InputError, match="at least one seed"):
        teach_concept(agent(0), [agent(1)], Lessons(few, few, few, few), seeds=())
    with pytest.raises(InputError, match="at least one agent"):
        teach_concept(agent(0), [], Lessons(few, few, few, few))
    for teacher, student in ((agent(0), agent(1, input_format=4)), (agent(0, input_format=4), agent(1))):
        with pytest.raises(InputError, match="in input format 4, and the lessons are packed in format 1"):
            teach_concept(teacher, [student], Lessons(few, few, few, few))
    with pytest.raises(InputError, match="learning_rate > 0"):
        TeachingSettings(learning_rate=0.0)
    with pytest.raises(InputError, match=r"Board 1 .* has no legal move"):
        pack_positions([chess.Board(), chess.Board("7k/5Q2/6K1/8/8/8/8/8 b - - 0 1")])
