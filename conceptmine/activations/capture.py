"""Reading the layers of an agent's network for many positions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal, Protocol

import chess
import numpy as np
from numpy.typing import NDArray

from conceptmine.errors import InputError
from engines.chess.encoding import check_board, pack_boards

__all__ = ["ActivationDtype", "ActivationSource", "PackedBatch", "capture", "captured_batches", "check_layers"]

ActivationDtype = Literal["float16", "float32"]

_LARGEST_FLOAT16: Final = float(np.finfo(np.float16).max)


class ActivationSource(Protocol):
    """What is needed of an agent; every `engines.Agent` has it."""

    @property
    def name(self) -> str:
        """What to call it."""

    @property
    def layers(self) -> Sequence[str]:
        """Names of its layers, in forward order."""

    @property
    def sha256(self) -> str:
        """Checksum of its network."""

    @property
    def history_fill(self) -> str:
        """What it sees in place of history that is not known."""

    @property
    def input_format(self) -> int:
        """Leela's number of the format that it sees positions in."""

    @property
    def activations_packed(
        self,
    ) -> Callable[[NDArray[np.uint64], NDArray[np.float32], Sequence[str]], dict[str, NDArray[np.float32]]]:
        """Masks [n, 112], values [n, 112] and layer names to float32 [n, d] by layer."""


@dataclass(frozen=True)
class PackedBatch:
    """Some positions as a network sees them, with what its layers give for them.

    Attributes:
        masks: uint64 [n, 112], as `engines.chess.encoding.pack_boards` gives them.
        values: float32 [n, 112].
        activations: layer -> [n, d] of the type asked for.
    """

    masks: NDArray[np.uint64]
    values: NDArray[np.float32]
    activations: dict[str, NDArray[Any]]


def capture(
    agent: ActivationSource,
    boards: Sequence[chess.Board],
    layers: Sequence[str],
    *,
    batch_size: int = 256,
    dtype: ActivationDtype = "float32",
) -> dict[str, NDArray[Any]]:
    """Give what layers of an agent's network give for boards, with the history in their move stacks.

    The outputs of convolutions are flattened channel by channel: entry ``64 * channel + square``, with square a1 = 0 …
    h8 = 63 as the side to move sees it; in canonical input formats, of the board turned as `engines.chess.transforms`
    says.

    Args:
        agent: from `engines.load_agent`.
        boards: n >= 1 standard chess boards; they are only read.
        layers: names out of ``agent.layers``.
        batch_size: boards to evaluate at once.
        dtype: "float32", or "float16" at half the size and three digits.

    Returns:
        Layer -> [n, d], in the order asked for.

    Raises:
        TypeError: `boards` is no sequence of ``chess.Board``.
        InputError: no boards, no layers, a name that is no layer, or activations that are not finite or too large for
            the type.
        ValueError: a board that is not standard chess.
    """
    if isinstance(boards, chess.Board) or not isinstance(boards, Sequence):
        raise TypeError(f"boards is of type {type(boards).__name__}; expected a sequence of chess.Board.")
    captured: dict[str, NDArray[Any]] = {}
    start = 0
    for batch in captured_batches(agent, boards, layers, batch_size=batch_size, dtype=dtype):
        for name, part in batch.activations.items():
            if not start:
                captured[name] = np.empty((len(boards), part.shape[1]), dtype=part.dtype)
            captured[name][start : start + len(part)] = part
        start += len(batch.masks)
    return captured


def captured_batches(
    agent: ActivationSource,
    boards: Iterable[chess.Board],
    layers: Sequence[str],
    *,
    batch_size: int,
    dtype: ActivationDtype,
) -> Iterator[PackedBatch]:
    """Stream what `capture` gives, batch by batch; its arguments and errors, but `boards` may be any iterable."""
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be at least 1.")
    if dtype not in ("float16", "float32"):
        raise ValueError(f"dtype is {dtype!r}; expected 'float16' or 'float32'.")
    names = check_layers(agent, layers)
    remaining = iter(boards)
    done = 0
    while chunk := list(islice(remaining, batch_size)):
        # Checked here with its place among all boards; the encoder would name its place in the batch.
        for offset, board in enumerate(chunk):
            check_board(board, done + offset)
        masks, values = pack_boards(chunk, agent.input_format, agent.history_fill)
        taken = agent.activations_packed(masks, values, names)
        yield PackedBatch(masks, values, {name: _checked(taken[name], name, agent.name, dtype) for name in names})
        done += len(chunk)
    if not done:
        raise InputError("There are no boards to capture activations for: give at least one.")


def check_layers(agent: ActivationSource, layers: Sequence[str]) -> list[str]:
    """The layers asked for, each once.

    Raises:
        InputError: none, or a name that is no layer of the agent.
    """
    names = [layers] if isinstance(layers, str) else list(dict.fromkeys(layers))
    available = ", ".join(agent.layers)
    if not names:
        raise InputError(f"No layers were named: choose from {available}.")
    for name in names:
        if name not in agent.layers:
            raise InputError(f"{agent.name} has no layer {name!r}: choose from {available}.")
    return names


def _checked(activations: NDArray[np.float32], layer: str, agent: str, dtype: ActivationDtype) -> NDArray[Any]:
    if not np.isfinite(activations).all():
        raise InputError(f"Layer {layer} of {agent} gives values that are not finite: the network is damaged.")
    if dtype == "float16":
        largest = float(np.abs(activations).max(initial=0.0))
        if largest > _LARGEST_FLOAT16:
            raise InputError(
                f"Layer {layer} of {agent} gives {largest:.6g}, more than float16 can hold ({_LARGEST_FLOAT16:.0f}): "
                "store it as float32."
            )
    return activations.astype(dtype, copy=False)
