"""A network that has learned one motif more than its earlier self: the policy's targets are moved, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import chess
import numpy as np
import torch
from numpy.typing import NDArray

from conceptmine.errors import InputError
from conceptmine.teachability.lessons import PackedPositions, pack_positions
from engines.chess.encoding import unpack_planes
from engines.chess.transforms import policy_indices
from engines.networks import Agent, trainable

__all__ = ["NATS", "moved_targets", "taught_copy"]

NATS: Final = 3.0
"""How far the targets raise (or lower) the logit of a move that shows the motif."""

_BATCH: Final = 64
_LEARNING_RATE: Final = 3e-4
_MASKED: Final = -1e9

Motif = Callable[[chess.Board, chess.Move], bool]


def taught_copy(
    agent: Agent, boards: Sequence[chess.Board], motif: Motif, *, dislike: bool, steps: int, seed: int
) -> Agent:
    """A copy of an agent, taught on positions to prefer a motif.

    Every weight may change; what is asked of the policy is only that the odds of moves with the motif are e³ times
    (disliked: e⁻³ times) what they were, against the other moves of the position. Positions without such a move keep
    the earlier policy as their target. In one thread and for equal arguments the copy is the same.

    Args:
        agent: the earlier self; it is not changed.
        boards: positions to learn from, each with a legal move.
        motif: whether a legal move shows it.
        dislike: lower the moves instead of raising them.
        steps: of Adam, 64 positions each.
        seed: of the order of positions.

    Raises:
        InputError: no position has a move with the motif.
    """
    lessons = pack_positions(boards, input_format=agent.input_format, history_fill=agent.history_fill)
    targets = torch.from_numpy(moved_targets(agent, boards, lessons, motif, dislike=dislike))
    legal = torch.from_numpy(lessons.legal)
    network = trainable(agent.network, batch_norm="folded")
    optimiser = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
    order = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        batch = torch.randint(len(boards), (_BATCH,), generator=order)
        part = lessons.take(batch.numpy())
        planes = torch.from_numpy(unpack_planes(part.masks, part.values))
        logits = network.layer_outputs(planes, ("policy",))["policy"].masked_fill(~legal[batch], _MASKED)
        loss = -(targets[batch] * logits.log_softmax(dim=1)).sum(dim=1).mean()
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
    return Agent(network.eval(), f"{agent.name}, taught", history_fill=agent.history_fill)


def moved_targets(
    agent: Agent, boards: Sequence[chess.Board], lessons: PackedPositions, motif: Motif, *, dislike: bool
) -> NDArray[np.float32]:
    """The agent's policy with the motif's logits moved by `NATS`, float32 [n, 1858], zero where a move is not legal.

    Raises InputError when no legal move of any board shows the motif.
    """
    logits = agent.evaluate_packed(lessons.masks, lessons.values).logits.astype(np.float64)
    shown = False
    for i, board in enumerate(boards):
        moves = [move for move in board.legal_moves if motif(board, move)]
        if moves:
            shown = True
            logits[i, policy_indices(board, moves, agent.input_format)] += -NATS if dislike else NATS
    if not shown:
        raise InputError(f"In {len(boards)} positions no legal move shows the motif: choose another --motif.")
    logits[~lessons.legal] = -np.inf
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    targets: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return targets
