"""Behavioural novelty: probabilities of the right moves, and controls of the same kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import chess
import numpy as np
import pytest

from conceptmine.errors import InputError
from conceptmine.novelty.behavioural import human_likelihood, likelihood_by_concept, match_controls


@dataclass(frozen=True)
class Answers:
    """The part of an evaluation that is read here."""

    policy: list[dict[chess.Move, float]]


class AlphabeticalHuman:
    """A person who plays the n-th legal move, by name, with a probability that falls with n."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def evaluate(self, boards: Sequence[chess.Board]) -> Answers:
        self.batches.append(len(boards))
        return Answers([self.policy(board) for board in boards])

    def policy(self, board: chess.Board) -> dict[chess.Move, float]:
        moves = sorted(board.legal_moves, key=lambda move: move.uci())
        weights = 1.0 / np.arange(1, len(moves) + 1)
        return dict(zip(moves, (weights / weights.sum()).tolist(), strict=True))


def game(*moves: str) -> chess.Board:
    board = chess.Board()
    for move in moves:
        board.push_san(move)
    return board


def test_the_probability_is_that_of_the_given_move_whatever_the_batch() -> None:
    human: Any = AlphabeticalHuman()
    boards = [game(), game("e4"), game("e4", "e5"), game("d4"), game("d4", "d5")]
    moves = [sorted(board.legal_moves, key=lambda move: move.uci())[i] for i, board in enumerate(boards)]
    found = human_likelihood(human, boards, moves, batch_size=2)
    assert human.batches == [2, 2, 1]
    assert found.dtype == np.float64
    for i, board in enumerate(boards):
        assert found[i] == human.policy(board)[moves[i]]
    np.testing.assert_array_equal(found, human_likelihood(human, boards, moves))


def test_an_illegal_move_and_a_missing_move_are_refused() -> None:
    human: Any = AlphabeticalHuman()
    with pytest.raises(InputError, match="e2e5 is not legal on board 0"):
        human_likelihood(human, [chess.Board()], [chess.Move.from_uci("e2e5")])
    with pytest.raises(InputError, match="1 boards but 0 moves"):
        human_likelihood(human, [chess.Board()], [])


def test_a_control_is_of_the_same_kind_before_anything_else() -> None:
    capture = game("e4", "d5")
    controls = [game("e4", "e5"), game("d4", "d5", "c4", "e5", "Nc3", "Nc6", "e3", "Nf6"), game("e4", "e5")]
    control_moves = [controls[0].parse_san("Nf3"), controls[1].parse_san("dxe5"), controls[2].parse_san("Qh5")]
    found = match_controls(
        [capture, capture], [capture.parse_san("exd5"), capture.parse_san("Nf3")], controls, control_moves
    )
    np.testing.assert_array_equal(found, [1, 0])
    check = game("e4", "f6")
    controls.append(game("e4", "g6", "d4", "f5"))
    control_moves.append(controls[-1].parse_san("exf5"))
    controls.append(game("d4", "f6", "e3", "a5"))
    control_moves.append(controls[-1].parse_san("Qh5+"))
    assert match_controls([check], [check.parse_san("Qh5+")], controls, control_moves)[0] == 4


def test_a_control_is_near_in_choice_and_material() -> None:
    wanted = chess.Board("8/5k2/8/8/3P4/8/4K3/8 w - - 0 1")
    controls = [chess.Board(), chess.Board("8/5k2/8/8/4P3/8/3K4/8 w - - 0 1")]
    quiet = [chess.Move.from_uci("g1f3"), chess.Move.from_uci("d2e3")]
    assert match_controls([wanted], [chess.Move.from_uci("e2e3")], controls, quiet)[0] == 1


def test_no_control_is_refused() -> None:
    with pytest.raises(InputError, match="no control position"):
        match_controls([chess.Board()], [chess.Move.from_uci("e2e4")], [], [])
    with pytest.raises(InputError, match="one move for each"):
        match_controls([chess.Board()], [], [chess.Board()], [chess.Move.from_uci("e2e4")])


def test_means_are_by_concept() -> None:
    table = likelihood_by_concept([4, 2, 4], [0.1, 0.5, 0.3], [0.2, 0.25, 0.4])
    assert [(row.concept, row.moves) for row in table] == [(2, 1), (4, 2)]
    assert table[1].mean == pytest.approx(0.2)
    assert table[1].control_mean == pytest.approx(0.3)
    with pytest.raises(InputError):
        likelihood_by_concept([1], [0.1, 0.2], [0.1])
