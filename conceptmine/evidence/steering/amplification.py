"""Amplification: an agent whose activations are moved along a vector at one layer, whatever it is asked about."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import chess
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from conceptmine.activations import capture
from conceptmine.errors import InputError
from engines.networks import Agent, Edits, Evaluation, PackedEvaluation

__all__ = ["PAPER_BETA", "SteeredAgent", "amplification", "steered"]

PAPER_BETA: Final = 0.01
"""β of the paper, section 5.1.3."""


def amplification(vector: ArrayLike, *, alpha: float, beta: float) -> Callable[[Tensor], Tensor]:
    """The function that replaces a layer's output z by z̃ = (1 − α) z + αβ (‖z‖ / ‖v‖) v (Schut et al., 5.1.3).

    Norms are Euclidean, over all features of a position, so that each position is moved by the share αβ of its own
    length and v may have any scale. They are added up in float64: a position gets the same bits alone and in any batch.

    Args:
        vector: v, real [d], the layer flattened as `conceptmine.capture` does it.
        alpha: α in [0, 1]. At 0 the function gives its argument back untouched, and every output of the network keeps
            its bits. Note that z also shrinks by the factor 1 − α, which moves outputs by itself: compare with other
            vectors at the same α and β, or with β = 0, which only shrinks.
        beta: β, real; the paper's is `PAPER_BETA`. A negative one moves away from v.

    Returns:
        A function of a tensor [n, ...] with d numbers a position, as ``Agent.evaluate(boards, edit={layer: function})``
        and ``engines.search(..., edit=...)`` take it.

    Raises:
        InputError: v is no vector of finite numbers or is zero, or α or β is out of range. The function raises it when
            the layer has not d features.
    """
    direction = _unit(vector)
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha is {alpha}: give a number in [0, 1].")
    if not np.isfinite(beta):
        raise InputError(f"beta is {beta}: give a finite number.")
    unit = torch.from_numpy(direction)

    def amplified(z: Tensor) -> Tensor:
        flat = z.flatten(1)
        if flat.shape[1] != len(unit):
            raise InputError(
                f"The vector has {len(unit)} features and the layer {flat.shape[1]}: give a vector of this layer."
            )
        if alpha == 0:
            return z
        lengths = torch.linalg.vector_norm(flat, dim=1, keepdim=True, dtype=torch.float64)
        moved: Tensor = (1 - alpha) * flat.double() + alpha * beta * lengths * unit.to(z.device)
        return moved.to(z.dtype).view(z.shape)

    return amplified


class SteeredAgent:
    """An agent of which one layer is amplified in every evaluation. It can be evaluated, searched and played.

    It has what `engines.search`, `engines.search.Searcher`, `engines.networks.EvaluationCache` and
    `engines.arena.NetworkPlayer` ask of an agent, so that every leaf of a search is evaluated steered. It keeps no
    evaluations, and a cache belongs to the one agent it was made for: steered and plain answers never mix as long as
    the cache is put around the steered agent. With α = 0 it is asked exactly as the agent is, and gives the same bits.

    Attributes:
        agent: the agent that is steered; it is left as it is.
        layer: name of the layer.
        vector: v, float64 [d].
        alpha, beta: as for `amplification`.
        name: the agent's name with layer, α and β.
        history_fill, input_format, layers: the agent's.
    """

    def __init__(self, agent: Agent, layer: str, vector: ArrayLike, *, alpha: float, beta: float) -> None:
        edit = {layer: amplification(vector, alpha=alpha, beta=beta)}
        # Without an edit a GPU may replay recordings; what is not steered shall take the very path of the agent.
        self._edit: Edits | None = edit if alpha else None
        self.agent, self.layer = agent, layer
        self.vector: NDArray[np.float64] = np.array(vector, dtype=np.float64)
        self.alpha, self.beta = alpha, beta
        self.name = f"{agent.name} steered at {layer}, α = {alpha:g}, β = {beta:g}"
        self.history_fill = agent.history_fill
        self.input_format = agent.input_format
        self.layers = agent.layers
        width = capture(agent, [chess.Board()], [layer])[layer].shape[1]
        if width != len(self.vector):
            raise InputError(
                f"The vector has {len(self.vector)} features and {layer} of {agent.name} {width}: give a vector of"
                " this layer."
            )

    def __repr__(self) -> str:
        return f"SteeredAgent({self.name!r})"

    @property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the agent's checksum, layer, vector, α and β; the agent's own where α is 0."""
        if self.alpha == 0:
            return self.agent.sha256
        digest = hashlib.sha256(f"{self.agent.sha256} {self.layer} {self.alpha!r} {self.beta!r}".encode())
        digest.update(self.vector.tobytes())
        return digest.hexdigest()

    def evaluate(self, boards: Sequence[chess.Board]) -> Evaluation:
        """As ``Agent.evaluate``, steered."""
        return self.agent.evaluate(boards, edit=self._edit)

    def evaluate_packed(
        self, masks: NDArray[np.uint64], values: NDArray[np.float32], *, threads: int = 1
    ) -> PackedEvaluation:
        """As ``Agent.evaluate_packed``, steered."""
        return self.agent.evaluate_packed(masks, values, edit=self._edit, threads=threads)


def steered(agent: Agent, layer: str, vector: ArrayLike, *, alpha: float, beta: float = PAPER_BETA) -> SteeredAgent:
    """The agent with a layer moved along a vector: z̃ = (1 − α) z + αβ (‖z‖ / ‖v‖) v in every position.

    Args:
        agent: from `engines.load_agent`.
        layer: one of ``agent.layers``.
        vector: v, real [d], d features of that layer flattened. The sign matters: give the vector that scores what is
            to be amplified high.
        alpha: α in [0, 1]; 0 leaves every bit of every answer as it is.
        beta: β; see `amplification`.

    Returns:
        An agent to evaluate boards with, to search with (``engines.search(steered(...), boards)``) and to play with
        (``engines.arena.NetworkPlayer(steered(...), simulations)``).

    Raises:
        InputError: no such layer, a vector that does not fit it, is zero or not finite, or α or β out of range.
    """
    if layer not in agent.layers:
        raise InputError(f"{agent.name} has no layer {layer!r}: choose from {', '.join(agent.layers)}.")
    return SteeredAgent(agent, layer, vector, alpha=alpha, beta=beta)


def _unit(vector: ArrayLike) -> NDArray[np.float64]:
    numbers: Any = np.asarray(vector)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iuf":
        raise InputError(f"The vector must be real numbers of shape [d], not {numbers.dtype} {list(numbers.shape)}.")
    numbers = numbers.astype(np.float64)
    largest = np.abs(numbers).max(initial=0.0)
    if not np.isfinite(largest):
        raise InputError("The vector holds numbers that are not finite.")
    if largest == 0:
        raise InputError("The vector is zero: it points nowhere.")
    scaled = numbers / largest  # so that squares of very small or large entries stay numbers
    direction: NDArray[np.float64] = scaled / np.linalg.norm(scaled)
    return direction
