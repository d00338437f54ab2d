"""Behavioural novelty: how likely people are to play a concept's moves, judged by a network trained on human games.

Spectral novelty compares representations; this compares play. A concept whose moves people find anyway teaches them
little. The probability of a move depends much on what kind of move it is, so each concept move is set beside a control:
a move of the same agent in another position, alike in kind (capture, check, promotion), in the number of legal moves
and in the material on the board.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import chess
import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError
from engines.networks import Agent

__all__ = ["ConceptLikelihood", "human_likelihood", "likelihood_by_concept", "match_controls"]

# A move of another kind is farther than any difference in legal moves and material: those features are ranks in [0, 1].
_KIND_WEIGHT = 3.0


@dataclass(frozen=True)
class ConceptLikelihood:
    """How likely people are to play the moves of one concept.

    Attributes:
        concept: the concept's number.
        moves: how many of its moves were judged.
        mean: mean human probability of those moves, in [0, 1].
        control_mean: mean human probability of the control moves, in [0, 1].
    """

    concept: int
    moves: int
    mean: float
    control_mean: float


def human_likelihood(
    human_agent: Agent, boards: Sequence[chess.Board], moves: Sequence[chess.Move], *, batch_size: int = 256
) -> NDArray[np.float64]:
    """Probability that a person plays the given move, as a human-policy network (say, Maia) predicts it.

    Args:
        human_agent: the network.
        boards: n positions, with their history.
        moves: n legal moves, one for each.
        batch_size: positions evaluated at once.

    Returns:
        float64 [n] in [0, 1], over the legal moves.

    Raises:
        InputError: unequal lengths, or a move that is not legal.
    """
    if len(boards) != len(moves):
        raise InputError(f"There are {len(boards)} boards but {len(moves)} moves; give one move for each board.")
    found = np.empty(len(boards), dtype=np.float64)
    for start in range(0, len(boards), batch_size):
        policies = human_agent.evaluate(boards[start : start + batch_size]).policy
        for i, policy in enumerate(policies, start=start):
            if moves[i] not in policy:
                raise InputError(f"The move {moves[i].uci()} is not legal on board {i} ({boards[i].fen()}).")
            found[i] = policy[moves[i]]
    return found


def match_controls(
    boards: Sequence[chess.Board],
    moves: Sequence[chess.Move],
    control_boards: Sequence[chess.Board],
    control_moves: Sequence[chess.Move],
) -> NDArray[np.int64]:
    """For each concept move, the most similar control move.

    Moves are alike if they agree in being a capture, a check and a promotion, and then if the positions are near in the
    number of legal moves and of pieces (both as ranks among all positions given). A control may serve several moves.

    Args:
        boards: n positions of concepts.
        moves: n moves, one for each.
        control_boards: m positions to choose from, which show none of the concepts.
        control_moves: m moves, one for each.

    Returns:
        int64 [n], places in the controls (the first of equally near ones).

    Raises:
        InputError: unequal lengths, or no control.
    """
    if len(boards) != len(moves) or len(control_boards) != len(control_moves):
        raise InputError("Give one move for each board, and one control move for each control board.")
    if not control_boards:
        raise InputError("There is no control position; give at least one that shows none of the concepts.")
    kinds, sizes = _features([*boards, *control_boards], [*moves, *control_moves])
    features = np.hstack([_KIND_WEIGHT * kinds, _ranks(sizes)])
    wanted, offered = features[: len(boards)], features[len(boards) :]
    found = np.empty(len(boards), dtype=np.int64)
    for i, row in enumerate(wanted):
        found[i] = np.argmin(((offered - row) ** 2).sum(axis=1))
    return found


def likelihood_by_concept(
    concepts: ArrayLike, likelihood: ArrayLike, control_likelihood: ArrayLike
) -> list[ConceptLikelihood]:
    """Mean human likelihood of each concept's moves and of their controls.

    Args:
        concepts: [n] integers, the concept of each move.
        likelihood: [n] human probabilities of the concept moves.
        control_likelihood: [n] human probabilities of the control moves matched to them.

    Returns:
        One entry a concept, by rising number.

    Raises:
        InputError: unequal lengths.
    """
    concept = np.asarray(concepts)
    own, control = np.asarray(likelihood, dtype=np.float64), np.asarray(control_likelihood, dtype=np.float64)
    if concept.ndim != 1 or concept.shape != own.shape or own.shape != control.shape:
        raise InputError("Give one concept, one likelihood and one control likelihood for each move.")
    table = []
    for name in np.unique(concept):
        rows = concept == name
        table.append(
            ConceptLikelihood(int(name), int(rows.sum()), float(own[rows].mean()), float(control[rows].mean()))
        )
    return table


def _features(
    boards: Sequence[chess.Board], moves: Sequence[chess.Move]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Kind of move, [n, 3] of 0 and 1 (capture, check, promotion), and sizes, [n, 2] (legal moves, pieces)."""
    kinds, sizes = [], []
    for board, move in zip(boards, moves, strict=True):
        kinds.append([board.is_capture(move), board.gives_check(move), move.promotion is not None])
        sizes.append([board.legal_moves.count(), chess.popcount(board.occupied)])
    return np.array(kinds, dtype=np.float64).reshape(-1, 3), np.array(sizes, dtype=np.float64).reshape(-1, 2)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each column's values as mid-ranks in [0, 1]: equal values get equal ranks."""
    ranks = np.empty_like(values)
    for column in range(values.shape[1]):
        ordered = np.sort(values[:, column])
        below = np.searchsorted(ordered, values[:, column], side="left")
        up_to = np.searchsorted(ordered, values[:, column], side="right")
        ranks[:, column] = (below + up_to) / (2 * max(1, len(ordered)))
    return ranks
