"""Learning from a batch: policy, win–draw–loss and plies-left losses, one optimiser step, averaged weights."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engines.chess.encoding import unpack_planes
from engines.chess.input_formats import CLASSICAL_112
from engines.networks.architecture import Network
from engines.networks.torch_network import planes_on_device
from engines.selfplay.window import Batch

_MOVES_LEFT_SCALE = 20.0  # plies; keeps that loss of the order of the others
_MOVES_LEFT_WEIGHT = 0.5
_LARGEST_GRADIENT = 5.0
_NOT_LEGAL = -1e9  # an infinite logit times a share of 0 would be no number


class Losses(NamedTuple):
    """Mean over the positions of one or more steps.

    ``policy`` and ``value``: cross-entropies in nats; ``moves_left``: Huber loss of (plies / 20); ``policy_entropy``:
    nats, of the policies to learn, what the policy loss cannot fall below; ``value_accuracy``: share of the positions
    whose likeliest of win, draw and loss is the game's result.
    """

    policy: float
    value: float
    moves_left: float
    policy_entropy: float
    value_accuracy: float


class Learner:
    """A network in training, its optimiser, and the running average of its weights that plays and is published.

    Raises ``ValueError`` for a network of another input format than the classical one, which batches are in.
    """

    def __init__(
        self,
        network: Network,
        *,
        weight_decay: float,
        average_decay: float,
        warm_up_steps: int,
        device: str = "cpu",
    ) -> None:
        if network.config.input_format != CLASSICAL_112:
            raise ValueError(
                f"batches are in input format {CLASSICAL_112}, and the network has format"
                f" {network.config.input_format}: train a network of the classical planes"
            )
        self.device = torch.device(device)
        self.network = network.to(self.device).train()
        for weight in network.parameters():
            if weight.ndim == 4:  # laid out as the planes are
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        # Where bfloat16 has no matrix unit of its own it is slower than float32 (by half on AVX-512 without AMX).
        self._bfloat16 = self.device.type == "cuda" or _has_matrix_unit()
        self.average = deepcopy(network).requires_grad_(False).eval()
        self.steps = 0
        self._average_decay = average_decay
        self._warm_up = warm_up_steps
        decayed = [weight for weight in network.parameters() if weight.ndim > 1]
        plain = [weight for weight in network.parameters() if weight.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}],
            lr=0.0,
            fused=True,
        )

    def step(self, batch: Batch, learning_rate: float) -> Losses:
        """One step at ``learning_rate`` (scaled down linearly during the first ``warm_up_steps``)."""
        self.steps += 1
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate * min(1.0, self.steps / self._warm_up)
        planes = self._planes(batch)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bfloat16):
            output = self.network(planes)
        policy = self._on_device(batch.policy)
        policy_loss = policy_cross_entropy(
            output.policy.float(), self._on_device(batch.slots), self._on_device(batch.legal), policy
        )
        wdl = self._on_device(batch.wdl)
        value_loss = soft_cross_entropy(output.value.float(), wdl)
        loss = policy_loss + value_loss
        left_loss = torch.zeros((), device=self.device)
        if output.moves_left is not None:
            target = self._on_device(batch.left) / _MOVES_LEFT_SCALE
            left_loss = functional.huber_loss(output.moves_left.float() / _MOVES_LEFT_SCALE, target)
            loss = loss + _MOVES_LEFT_WEIGHT * left_loss
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
        self.optimiser.step()
        self._update_average()
        with torch.no_grad():
            entropy = torch.special.entr(policy).sum(dim=1).mean()
            right = (output.value.argmax(dim=1) == 1 - self._on_device(batch.outcomes).long()).float().mean()
            numbers = torch.stack([policy_loss, value_loss, left_loss, entropy, right]).tolist()
        return Losses(*numbers)

    def _planes(self, batch: Batch) -> Tensor:
        if self.device.type == "cpu":
            planes = torch.from_numpy(unpack_planes(batch.masks, batch.values))
            return planes.contiguous(memory_format=torch.channels_last)
        return planes_on_device(self._on_device(batch.masks.view(np.int64)), self._on_device(batch.values))

    def _on_device(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    @torch.no_grad()
    def _update_average(self) -> None:
        # Early on the average must not remember the random start: the window grows with the steps.
        decay = min(self._average_decay, self.steps / (self.steps + 10))
        currents = self.network.state_dict()
        for name, averaged in self.average.state_dict().items():
            current = currents[name]
            if averaged.is_floating_point():
                averaged.lerp_(current, 1 - decay)
            else:
                averaged.copy_(current)

    def playing_network(self) -> Network:
        """The averaged weights with batch normalisation folded in: what plays and what is written to files."""
        return self.average.folded()


def _has_matrix_unit() -> bool:
    """Whether this processor multiplies matrices of bfloat16 in a unit of its own; no, if torch is too old to say."""
    return bool(getattr(torch.cpu, "_is_amx_tile_supported", bool)())


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Mean over the batch of −Σ target · log softmax(logits); both [n, classes], targets sum to 1."""
    return -(target * functional.log_softmax(logits, dim=1)).sum(dim=1).mean()


def policy_cross_entropy(logits: Tensor, slots: Tensor, legal: Tensor, policy: Tensor) -> Tensor:
    """The same among the legal moves alone: what a search asks a network for.

    Args:
        logits: [n, classes].
        slots: int64 [n, k], classes of the legal moves, those of row i in its first ``legal[i]`` columns.
        legal: int64 [n].
        policy: [n, k], sums to 1, 0 behind the legal moves.
    """
    behind = torch.arange(slots.shape[1], device=slots.device) >= legal[:, None]
    return soft_cross_entropy(logits.gather(1, slots).masked_fill(behind, _NOT_LEGAL), policy)


def annealed(start: float, end: float, share: float) -> float:
    """Cosine between ``start`` (share 0) and ``end`` (share 1 and beyond)."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(max(share, 0.0), 1.0)))
