"""Small batches on an NVIDIA GPU without the cost of launching every operation: recorded once, then replayed.

A network of this size is over on a GPU before the processor has launched it. A CUDA graph records the launches for one
size of batch and replays them as one; sizes are rounded up to powers of two, and each is recorded when first met.
Recordings are tied to the memory they were made with, so every thread has its own, and its own stream: while one
thread waits for its half of a batch, another may work in its tree or use the GPU.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engines.chess.encoding import INPUT_PLANES

__all__ = ["PROCESS_WIDE", "GraphRunner", "bucket_of"]

SMALLEST: Final = 8
_WARM_UP: Final = 3

PROCESS_WIDE: Final = threading.RLock()
"""Held while something is said to torch that holds for the whole process: what recordings forbid, types of products."""

Forward: TypeAlias = Callable[[Tensor, Tensor], tuple[Tensor, ...]]
"""From masks int64 [n, 112] and values float32 [n, 112] on the device to float32 results [n, …] there."""


def bucket_of(count: int) -> int:
    """Give the size of batch that `count` positions are evaluated as: the next power of two, at least eight."""
    return max(SMALLEST, 1 << (count - 1).bit_length())


class _Recording(NamedTuple):
    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, Tensor]
    results: tuple[Tensor, ...]
    host_inputs: tuple[Tensor, Tensor]
    host_results: tuple[Tensor, ...]


class GraphRunner:
    """Runs a function of packed positions on a GPU, recorded.

    Args:
        forward: the function; it must do the same operations for every batch of one size.
        device: a CUDA device.
    """

    def __init__(self, forward: Forward, device: torch.device) -> None:
        self._forward = forward
        self._device = device
        self._local = threading.local()

    @property
    def unrecorded(self) -> tuple[int, ...]:
        """Sizes of batch that could not be recorded for the calling thread."""
        recordings: dict[int, _Recording | None] = getattr(self._local, "recordings", {})
        return tuple(size for size, recording in recordings.items() if recording is None)

    def run(self, masks: NDArray[np.uint64], values: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...] | None:
        """Give the results for n ≥ 1 positions, new arrays; None if a batch of this size cannot be recorded.

        Args:
            masks: uint64 [n, 112].
            values: float32 [n, 112].
        """
        if not hasattr(self._local, "recordings"):
            self._local.recordings = {}
            self._local.stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        recordings: dict[int, _Recording | None] = self._local.recordings
        stream: torch.cuda.Stream = self._local.stream
        n = len(masks)
        bucket = bucket_of(n)
        if bucket not in recordings:
            recordings[bucket] = self._record(bucket, stream)
        recording = recordings[bucket]
        if recording is None:
            return None
        for host, numbers in zip(recording.host_inputs, (masks.view(np.int64), values), strict=True):
            host[:n].numpy()[...] = numbers
        with torch.cuda.stream(stream):
            # What lies behind row n is left from an earlier batch: it is evaluated too, and not looked at.
            for device_side, host in zip(recording.inputs, recording.host_inputs, strict=True):
                device_side[:n].copy_(host[:n], non_blocking=True)
            recording.graph.replay()
            for host, device_side in zip(recording.host_results, recording.results, strict=True):
                host[:n].copy_(device_side[:n], non_blocking=True)
        stream.synchronize()
        return tuple(host[:n].numpy().copy() for host in recording.host_results)

    def _record(self, bucket: int, stream: torch.cuda.Stream) -> _Recording | None:
        shape = (bucket, INPUT_PLANES)
        kinds = (torch.int64, torch.float32)
        try:
            with PROCESS_WIDE, torch.cuda.stream(stream):
                masks, values = (torch.zeros(shape, dtype=kind, device=self._device) for kind in kinds)
                # Libraries choose their algorithms and take their memory in the first runs, which must not be recorded.
                for _ in range(_WARM_UP):
                    self._forward(masks, values)
                stream.synchronize()
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                    results = self._forward(masks, values)
                host_masks, host_values = (torch.zeros(shape, dtype=kind, pin_memory=True) for kind in kinds)
                host_results = tuple(torch.empty(part.shape, dtype=part.dtype, pin_memory=True) for part in results)
                return _Recording(graph, (masks, values), results, (host_masks, host_values), host_results)
        except RuntimeError:
            # Old drivers, too little memory, or an operation that cannot be recorded: it also works without.
            return None
