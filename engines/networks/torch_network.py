"""A network as torch runs it: on a GPU, or in 16 bits.

On a GPU, batches are replayed from recordings (`engines.networks.cuda_graphs`) unless layers are read or edited.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from engines.chess.encoding import INPUT_PLANES, unpack_planes
from engines.networks.architecture import Edits, Network
from engines.networks.config import NetworkConfig
from engines.networks.cuda_graphs import PROCESS_WIDE, GraphRunner
from engines.networks.outputs import Outputs
from engines.networks.shapes import SQUARES, AttentionPolicy, ConvolutionPolicy

__all__ = ["TorchNetwork", "planes_on_device"]

_Number = TypeVar("_Number", bound=np.generic)

BATCH_MULTIPLE: Final = 4
"""Batches are filled up to a multiple of this with empty boards. For small odd sizes convolutions sum in another order;
the last bits of an evaluation would then depend on its company, and with the filler they seldom do."""

_MEMORY: Final = {"cpu": 64 << 20, "cuda": 2 << 30}
_LARGEST_BATCH: Final = {"cpu": 512, "cuda": 4096}


class TorchNetwork:
    """The forward pass of a network in batches of planes.

    Args:
        network: without batch normalisation, on its device and in its types; it is kept, not copied.
        recorded: whether a GPU replays recordings.

    Attributes:
        finite: always true; only outputs are looked at.
        positions_at_once: the largest batch, a power of two: what fits into 64 MiB, but at most 512, on a processor;
            2 GiB and 4,096 on a GPU.
    """

    def __init__(self, network: Network, *, recorded: bool = True) -> None:
        first = network.input.conv if network.config.tower is not None else network.embedding.dense
        self._network = network
        self._device, self._dtype = first.weight.device, first.weight.dtype
        # Beside weights of 16 bits, the products of the others need no more than the 11 bits that TF32 leaves them.
        self._tf32 = any(weight.itemsize == 2 for weight in network.parameters())
        kind = "cpu" if self._device.type == "cpu" else "cuda"
        fitting = _MEMORY[kind] // (64 * _widest(network.config) * self._dtype.itemsize)
        self.positions_at_once = min(_LARGEST_BATCH[kind], 1 << max(fitting, BATCH_MULTIPLE).bit_length() - 1)
        recorded = recorded and self._device.type == "cuda"
        self._graphs = GraphRunner(self._on_device, self._device) if recorded else None

    @property
    def unrecorded(self) -> tuple[int, ...]:
        """Sizes of batch that a GPU was to replay and could not record."""
        return () if self._graphs is None else self._graphs.unrecorded

    def evaluate(
        self, masks: NDArray[np.uint64], values: NDArray[np.float32], edit: Edits | None = None, threads: int = 1
    ) -> tuple[Outputs, bool]:
        """As `CompiledNetwork.evaluate`; torch has its own threads, so `threads` does nothing."""
        moves_left = self._network.config.moves_left is not None
        outputs = Outputs.room_for(len(masks), moves_left)
        with torch.inference_mode():
            for rows in self._rows(len(masks)):
                results = self._results(masks[rows], values[rows], edit)
                outputs.logits[rows] = results[0]
                outputs.wdl[rows] = _win_draw_loss(results[1])
                if moves_left:
                    outputs.moves_left[rows] = results[2]
        return outputs, bool(np.isfinite(outputs.logits).all() and np.isfinite(outputs.wdl).all())

    def activations(
        self, masks: NDArray[np.uint64], values: NDArray[np.float32], layers: Collection[str], threads: int = 1
    ) -> dict[str, NDArray[np.float32]]:
        """As `CompiledNetwork.activations`."""
        taken: dict[str, list[NDArray[np.float32]]] = {name: [] for name in layers}
        with torch.inference_mode():
            for rows in self._rows(len(masks)):
                with self._products():
                    outputs = self._network.layer_outputs(self._planes(masks[rows], values[rows]), layers)
                for name, tensor in outputs.items():
                    taken[name].append(_to_numpy(tensor[: rows.stop - rows.start]))
        return {name: np.concatenate(parts) for name, parts in taken.items()}

    def _rows(self, n: int) -> Iterator[slice]:
        """The positions batch by batch; an empty batch if there are none."""
        for start in range(0, max(n, 1), self.positions_at_once):
            yield slice(start, min(start + self.positions_at_once, n))

    def _results(
        self, masks: NDArray[np.uint64], values: NDArray[np.float32], edit: Edits | None
    ) -> tuple[NDArray[np.float32], ...]:
        """Policy, value and, with that head, plies left of one batch."""
        n = len(masks)
        if self._graphs is not None and n and not edit:
            results = self._graphs.run(masks, values)
            if results is not None:
                return results
        with self._products():
            output = self._network(self._planes(masks, values), edit)
        return tuple(_to_numpy(part[:n]) for part in output if part is not None)

    def _on_device(self, masks: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """All results of positions on a GPU, as float32 there."""
        with self._products():
            output = self._network(planes_on_device(masks, values.to(self._dtype)))
        return tuple(part.float() for part in output if part is not None)

    @contextmanager
    def _products(self) -> Iterator[None]:
        """On a GPU, float32 means float32 also where torch would round it to TF32, unless `_tf32`."""
        if self._device.type == "cpu":
            yield
            return
        cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
        with PROCESS_WIDE:
            try:
                before = cudnn.allow_tf32, matmul.allow_tf32
            except RuntimeError:
                # The program has set torch's newer switches, which bear none of these beside them: it shall decide.
                yield
                return
            cudnn.allow_tf32 = matmul.allow_tf32 = self._tf32
            try:
                yield
            finally:
                cudnn.allow_tf32, matmul.allow_tf32 = before

    def _planes(self, masks: NDArray[np.uint64], values: NDArray[np.float32]) -> torch.Tensor:
        """Planes [n and filler, 112, 8, 8]; all filler if there are no rows."""
        filler = -len(masks) % BATCH_MULTIPLE if len(masks) else BATCH_MULTIPLE
        masks, values = _filled_up(masks, filler), _filled_up(values, filler)
        if self._device.type != "cpu":
            bits = torch.from_numpy(masks.view(np.int64)).to(self._device)
            return planes_on_device(bits, torch.from_numpy(values).to(self._device, self._dtype))
        channels_last = np.empty((len(masks), 8, 8, INPUT_PLANES), dtype=np.float32).transpose(0, 3, 1, 2)
        return torch.from_numpy(unpack_planes(masks, values, out=channels_last)).to(self._dtype)


def _widest(config: NetworkConfig) -> int:
    """Numbers a square that are in memory at once: the planes, and the largest of the layers with what it reads."""
    widest = [4 * config.channels]
    if isinstance(config.policy, ConvolutionPolicy):
        widest.append(config.channels + config.policy.planes)
    encoders = config.attention.encoders if config.attention is not None else ()
    if isinstance(config.policy, AttentionPolicy):
        encoders += config.policy.encoders
    for encoder in encoders:
        widest.append(config.channels + 4 * encoder.width + 2 * SQUARES * encoder.heads)
        widest.append(2 * config.channels + encoder.hidden)
    return INPUT_PLANES + max(widest)


def _filled_up(rows: NDArray[_Number], filler: int) -> NDArray[_Number]:
    """The rows, contiguous, and as many of zeros as `filler` says."""
    if not filler:
        return np.ascontiguousarray(rows)
    return np.concatenate([rows, np.zeros((filler, *rows.shape[1:]), dtype=rows.dtype)])


def planes_on_device(bits: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Planes [n, 112, 8, 8], channels innermost, worked out where masks (int64) and values [n, 112] are.

    What travels to a GPU is then a twentieth.
    """
    squares = torch.arange(64, device=bits.device)[:, None]
    planes = ((bits[:, None, :] >> squares) & 1).to(values.dtype) * values[:, None, :]
    return planes.view(len(bits), 8, 8, INPUT_PLANES).permute(0, 3, 1, 2)


def _to_numpy(tensor: torch.Tensor) -> NDArray[np.float32]:
    numbers: NDArray[np.float32] = tensor.float().cpu().contiguous().numpy()
    return numbers


def _win_draw_loss(value: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities [n, 3] out of a network's value output: logits [n, 3] or a number [n, 1]."""
    if value.shape[1] == 1:
        win = (1 + value) / 2
        return np.concatenate([win, np.zeros_like(win), 1 - win], axis=1)
    logits = value.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinite logits are the caller's to report
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities
