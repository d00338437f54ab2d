"""How far two networks' answers to the same positions are apart: best moves, probabilities, values, plies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import chess
import numpy as np
from numpy.typing import NDArray

from engines.chess import pack_boards, policy_indices
from engines.chess.encoding import CLASSICAL_112
from engines.networks import Network, PackedEvaluation
from engines.networks.torch_network import TorchNetwork


class Positions(NamedTuple):
    """n positions as packed planes, with their legal moves."""

    masks: NDArray[np.uint64]
    """uint64 [n, 112]."""
    values: NDArray[np.float32]
    """float32 [n, 112]."""
    moves: NDArray[np.int64]
    """int64 [n, most]: indices of the legal moves in the policy, −1 behind the last."""


@dataclass(frozen=True)
class Difference:
    """How far an agent in another type is from the agent in float32."""

    network: str
    dtype: str
    rounded: bool
    """Whether any of its weights is in 16 bits."""
    positions: int
    same_best_move: float
    """Share of the positions."""
    largest_gap: float
    """Float32's probability of its best move less that of the other's, where they differ; 0 if nowhere."""
    mean_gap: float
    largest_probability: float
    """Largest difference of a legal move's probability."""
    mean_probability: float
    """Mean over the positions of the largest difference in each."""
    largest_value: float
    """Largest difference of win − loss."""
    largest_moves_left: float | None
    """Largest difference in plies; None without that head."""


def packed_positions(
    boards: Sequence[chess.Board], input_format: int = CLASSICAL_112, history_fill: str = "fen_only"
) -> Positions:
    """Boards, each with a legal move, as a network of this input format reads them."""
    legal = [policy_indices(board, list(board.legal_moves), input_format) for board in boards]
    moves = np.full((len(boards), max(map(len, legal))), -1, dtype=np.int64)
    for row, indices in zip(moves, legal, strict=True):
        row[: len(indices)] = indices
    return Positions(*pack_boards(boards, input_format, history_fill), moves)


def probabilities(logits: NDArray[np.float32], moves: NDArray[np.int64]) -> NDArray[np.float64]:
    """Softmax over the legal moves, [n, most]; zero behind the last."""
    chosen = np.take_along_axis(logits, np.maximum(moves, 0), axis=1).astype(np.float64)
    chosen[moves < 0] = -np.inf
    weights = np.exp(chosen - chosen.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return shares


def answers(network: TorchNetwork, positions: Positions) -> PackedEvaluation:
    """What a network without an agent around it says of positions."""
    outputs, _ = network.evaluate(positions.masks, positions.values)
    left = outputs.moves_left if len(outputs.moves_left) else None
    return PackedEvaluation(outputs.logits, outputs.wdl, left)


def has_16_bits(network: Network) -> bool:
    """Whether any weight is in 16 bits."""
    return any(weight.itemsize == 2 for weight in network.parameters())


def difference(
    network: str, dtype: str, rounded: bool, exact: PackedEvaluation, other: PackedEvaluation, positions: Positions
) -> Difference:
    """Compare what an agent says in another type with what it says in float32."""
    expected, found = (probabilities(answer.logits, positions.moves) for answer in (exact, other))
    best, chosen = expected.argmax(axis=1), found.argmax(axis=1)
    every = np.arange(len(best))
    gaps = (expected[every, best] - expected[every, chosen])[best != chosen]
    apart = np.abs(expected - found).max(axis=1)
    left = None
    if exact.moves_left is not None and other.moves_left is not None:
        left = float(np.abs(exact.moves_left - other.moves_left).max())
    return Difference(
        network,
        dtype,
        rounded,
        positions=len(best),
        same_best_move=float((best == chosen).mean()),
        largest_gap=float(gaps.max(initial=0)),
        mean_gap=float(gaps.mean()) if len(gaps) else 0.0,
        largest_probability=float(apart.max()),
        mean_probability=float(apart.mean()),
        largest_value=float(np.abs(exact.value - other.value).max()),
        largest_moves_left=left,
    )
