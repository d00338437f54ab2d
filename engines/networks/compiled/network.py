"""A residual network as one compiled function of packed positions, in float32 on the processor.

Its answers agree with the torch module's to about 1e-6 in probabilities, and are the same bits for a position whatever
company it is evaluated in, however many threads there are, and whether or not layers are read on the way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from engines.networks.architecture import Edits, Network, edited
from engines.networks.compiled.interpreter import BLOCK, run, scratch_size
from engines.networks.compiled.operations import Program, aligned_zeros
from engines.networks.compiled.parallel import shares, together
from engines.networks.compiled.products import ROWS
from engines.networks.compiled.program import program_of
from engines.networks.outputs import Outputs

_Number = TypeVar("_Number", bound=np.generic)

__all__ = ["STATE_BYTES", "CompiledNetwork"]

STATE_BYTES: Final = 64 << 20
"""Memory for all that lies between layers where layers are read or edited; the positions go through in parts."""

_HEADS: Final = ("policy", "value", "moves_left")


class CompiledNetwork:
    """The forward pass of a network, compiled. It may be used from several threads at once.

    Args:
        network: without batch normalisation, float32, on the CPU; its weights are copied.

    Attributes:
        finite: whether all weights are finite.
        positions_at_once: positions that go through in one part where layers are read or edited.
        multiplications: a position's multiplications, in convolutions and dense layers.
    """

    def __init__(self, network: Network) -> None:
        program = program_of(network)
        self.finite = bool(np.isfinite(program.weights).all())
        self.positions_at_once = max(ROWS, STATE_BYTES // (4 * program.per_position) // ROWS * ROWS)
        self.multiplications = program.multiplications
        self._program = program
        self._scratch = scratch_size(program.channels, program.head_channels)
        self._moves_left = network.config.moves_left is not None
        self._memories: list[NDArray[np.float32]] = []

    def evaluate(
        self,
        masks: NDArray[np.uint64],
        values: NDArray[np.float32],
        edit: Edits | None = None,
        threads: int = 1,
    ) -> tuple[Outputs, bool]:
        """Evaluate packed positions.

        Args:
            masks: uint64 [n, 112].
            values: float32 [n, 112].
            edit: functions that replace the outputs of layers, for up to `positions_at_once` positions at a time.
            threads: how many threads share the positions.

        Returns:
            The outputs; whether they, plies left aside, and the weights are all finite.

        Raises:
            ValueError: an edit changes a shape.
        """
        n, program = len(masks), self._program
        outputs = Outputs.room_for(n, self._moves_left)
        finite = self.finite
        if not edit:
            masks, values = _for_kernel(masks), _for_kernel(values)

            def share(begin: int, end: int) -> bool:
                memory = self._memory()
                operations = (0, len(program.rows))
                finite = _run(
                    program, operations, masks, values, outputs, (begin, end), memory, 0, self._scratch, False
                )
                self._memories.append(memory)
                return finite

            return outputs, all(together(share, shares(n, threads, ROWS))) and finite
        for part in self._parts(masks, values, outputs, threads):
            for layer in program.layers:
                if layer in edit:
                    output = part.output(layer)
                    changed = edited(layer, edit[layer], torch.from_numpy(output.copy()))
                    output[...] = changed.detach().cpu().numpy()
            finite &= part.finish()
        return outputs, finite

    def activations(
        self, masks: NDArray[np.uint64], values: NDArray[np.float32], layers: Collection[str], threads: int = 1
    ) -> dict[str, NDArray[np.float32]]:
        """Give what layers give, by name: float32 [n, channels, 8, 8] or [n, units]. Heads not asked for do not run.

        Args:
            masks: uint64 [n, 112].
            values: float32 [n, 112].
            layers: names of layers.
            threads: how many threads share the positions.
        """
        taken: dict[str, list[NDArray[np.float32]]] = {layer: [] for layer in layers}
        unwanted = tuple(head for head in _HEADS if not any(layer.startswith(head) for layer in layers))
        outputs = Outputs.room_for(len(masks), self._moves_left)
        for part in self._parts(masks, values, outputs, threads):
            for layer in self._program.layers:
                if unwanted and layer.startswith(unwanted):
                    part.leave_out(layer)
                elif layer in taken:
                    taken[layer].append(part.output(layer).copy())
        return {layer: np.concatenate(arrays) for layer, arrays in taken.items()}

    def _parts(
        self, masks: NDArray[np.uint64], values: NDArray[np.float32], outputs: Outputs, threads: int
    ) -> Iterator[_Part]:
        """The positions in parts, at least one, that share one memory: only the newest may be used."""
        n = len(masks)
        rows = -(-min(n, self.positions_at_once) // ROWS) * ROWS
        memory = aligned_zeros(threads * self._scratch + rows * self._program.per_position)
        for begin in range(0, max(n, 1), self.positions_at_once):
            part = slice(begin, begin + self.positions_at_once)
            yield _Part(self._program, masks[part], values[part], outputs.part(part), memory, self._scratch, threads)

    def _memory(self) -> NDArray[np.float32]:
        """Scratch memory and the rows of one block, that no other call has."""
        try:
            return self._memories.pop()
        except IndexError:
            return aligned_zeros(self._scratch + BLOCK * self._program.per_position)


class _Part:
    """Some positions on their way through a network, with all that lies between its layers.

    ``memory`` holds the scratch memory of each thread, and behind it the rows of the positions.
    """

    def __init__(
        self,
        program: Program,
        masks: NDArray[np.uint64],
        values: NDArray[np.float32],
        outputs: Outputs,
        memory: NDArray[np.float32],
        scratch: int,
        threads: int,
    ) -> None:
        self._program = program
        self._masks, self._values = _for_kernel(masks), _for_kernel(values)
        self._outputs = outputs
        self._memory = memory
        self._scratch = scratch
        self._state = threads * scratch
        self._shares = shares(len(masks), threads, ROWS)
        self._done = 0

    def output(self, layer: str) -> NDArray[np.float32]:
        """Go on to a layer and give its output; what is written there is what the next layers see."""
        self._advance(self._program.layers[layer].end)
        place = self._program.layers[layer].place
        if place is None:
            return self._outputs.logits
        stride = self._program.per_position
        rows = self._memory[self._state :].reshape(-1, stride)[: len(self._masks)]
        return place.view(rows)

    def leave_out(self, layer: str) -> None:
        """Go on past a layer that nothing wanted depends on."""
        self._advance(self._program.layers[layer].begin)
        self._done = self._program.layers[layer].end

    def finish(self) -> bool:
        """Go on to the end; says whether the outputs, plies left aside, are finite."""
        return self._advance(len(self._program.rows))

    def _advance(self, end: int) -> bool:
        operations = (self._done, end)
        self._done = end

        def share(begin: int, end: int) -> bool:
            scratch = self._shares.index((begin, end)) * self._scratch
            return _run(
                self._program, operations, self._masks, self._values, self._outputs, (begin, end), self._memory,
                scratch, self._state, True,
            )  # fmt: skip

        return all(together(share, self._shares))


def _run(
    program: Program,
    operations: tuple[int, int],
    masks: NDArray[np.uint64],
    values: NDArray[np.float32],
    outputs: Outputs,
    positions: tuple[int, int],
    memory: NDArray[np.float32],
    scratch: int,
    state: int,
    held: bool,
) -> bool:
    finite = run(
        program.rows, *operations, program.weights, program.moves, masks, values, *positions, memory, scratch, state,
        program.per_position, held, outputs.logits, outputs.wdl, outputs.moves_left,
    )  # fmt: skip
    return bool(finite)


def _for_kernel(array: NDArray[_Number]) -> NDArray[_Number]:
    """The array as compiled functions want it; for others, read-only ones say, they would be compiled anew."""
    return np.require(array, requirements=["C", "W"])
