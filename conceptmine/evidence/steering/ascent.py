"""A yardstick: the direction made to raise the best moves, so that it is known what steering could have shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from conceptmine.errors import InputError
from conceptmine.evidence.steering.doses import Choice
from engines.chess import pack_boards, unpack_planes
from engines.chess.transforms import policy_indices
from engines.networks import Agent

__all__ = ["ascent_direction"]

_AT_ONCE = 64


def ascent_direction(agent: Agent, choices: Sequence[Choice], layer: str) -> NDArray[np.float64]:
    """The mean gradient of the log-odds of best against subpar move by the layer's output, float64 [d].

    Each gradient is scaled to length 1 first, so that no choice outweighs the others. Take other choices for it than
    those it is then tried on.

    Args:
        agent: from `engines.load_agent`.
        choices: at least one.
        layer: one of ``agent.layers`` that the policy depends on.

    Raises:
        InputError: no choices, or a layer that the policy does not depend on.
        ValueError: there is no such layer.
    """
    if not choices:
        raise InputError("There are no choices to climb: give at least one.")
    weight = next(agent.network.parameters())
    total: torch.Tensor | None = None
    for start in range(0, len(choices), _AT_ONCE):
        part = choices[start : start + _AT_ONCE]
        masks, values = pack_boards([choice.board for choice in part], agent.input_format, agent.history_fill)
        taken: list[torch.Tensor] = []

        def keep(z: torch.Tensor, taken: list[torch.Tensor] = taken) -> torch.Tensor:
            taken.append(z.detach().requires_grad_())
            return taken[-1]

        planes = torch.from_numpy(unpack_planes(masks, values)).to(weight.device, weight.dtype)
        logits = agent.network(planes, {layer: keep}).policy
        moves = np.array([policy_indices(c.board, [c.best, c.subpar], agent.input_format) for c in part])
        rows = torch.arange(len(part))
        odds = logits[rows, torch.from_numpy(moves[:, 0])] - logits[rows, torch.from_numpy(moves[:, 1])]
        if not odds.requires_grad:
            raise InputError(f"The policy of {agent.name} does not depend on {layer}: choose another layer.")
        (slope,) = torch.autograd.grad(odds.sum(), taken)
        flat = slope.flatten(1).double()
        unit = flat / flat.norm(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
        total = unit.sum(0) if total is None else total + unit.sum(0)
    assert total is not None
    direction: NDArray[np.float64] = (total / len(choices)).cpu().numpy()
    return direction
