"""A residual network written out as a list of operations on float32 numbers, for the compiled interpreter.

The numbers of one position lie in one row of the interpreter's *state*: boards [10, 10, channels] with their border,
planes [64, channels], and units, all with channels or units filled up with zeros to multiples of sixteen. An operation
reads and writes such places. All weights lie in one array, in the order of their use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from engines.chess.moves import POLICY_SIZE
from engines.networks.architecture import Convolution, ResidualNetwork
from engines.networks.first_layer import PIECES, TAPS, first_layer_weights
from engines.networks.lanes import WIDTH
from engines.networks.nonlinear import IDENTITY, MISH, RELU
from engines.networks.policy_planes import CONVOLUTION_POLICY_INDEX
from engines.networks.products import WIDEST, WIDEST_OF_TWO, panel_width, panels
from engines.networks.winograd import BOARD, EDGE, TRANSFORMED, filters_transformed

__all__ = ["FIELDS", "Operation", "Place", "Program", "aligned_zeros", "program_of"]

_SQUARES: Final = 64
_LINE: Final = 64
_NOWHERE: Final = -1


class Operation(IntEnum):
    """What one row of a program does."""

    FIRST_LAYER = 0
    """Packed planes to a board."""
    CONVOLUTION = 1
    """Board to board, 3 × 3; adds the board at ``other`` if there is one."""
    POOL = 2
    """Board to units: the mean over the squares."""
    DENSE = 3
    """Units to units."""
    EXCITE = 4
    """Board to board: function(sigmoid(gates) · board + shifts + target); ``other`` holds gates, then shifts."""
    POINTWISE = 5
    """Board to planes, 1 × 1."""
    POLICY = 6
    """Picks the logits of the 1,858 moves."""
    VALUE = 7
    """A scalar value's hyperbolic tangent."""
    RESULTS = 8
    """Probabilities of win, draw and loss from ``source``, plies left from ``other``."""


FIELDS: Final = ("operation", "source", "target", "other", "depth", "columns", "weights", "bias", "width", "function")
"""What the numbers of a row of a program mean; places and sizes are in numbers, ``width`` in vectors of sixteen."""


@dataclass(frozen=True)
class Place:
    """Where in a row of the state a layer's output lies, and how."""

    start: int
    shape: tuple[int, ...]
    """(10, 10, filled-up channels), (8, 8, filled-up channels) or (filled-up units,)."""
    channels: int
    """Channels or units without the filling."""

    def view(self, state: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the output of n positions out of their rows of the state, [n, channels, 8, 8] or [n, units]; a view."""
        size = int(np.prod(self.shape))
        rows = state[:, self.start : self.start + size].reshape(len(state), *self.shape)[..., : self.channels]
        if len(self.shape) == 1:
            return rows
        border = (self.shape[0] - 8) // 2
        return rows[:, border : border + 8, border : border + 8].transpose(0, 3, 1, 2)


@dataclass(frozen=True)
class Program:
    """What the interpreter needs to know of a network."""

    rows: NDArray[np.int64]
    """int64 [operations, fields]."""
    weights: NDArray[np.float32]
    """float32 [numbers], aligned to a cache line."""
    moves: NDArray[np.int64]
    """int64 [1858]: where each move's logit lies, counted from the source of `Operation.POLICY`."""
    layers: dict[str, tuple[int, Place | None]]
    """By layer name in forward order: the operation after its last one, and its place; None for the policy."""
    per_position: int
    """Numbers in a row of the state."""
    channels: int
    """The most channels that go into or come out of a convolution."""
    multiplications: int
    """Multiplications a position in convolutions (as they are carried out) and dense layers."""


def aligned_zeros(*shape: int) -> NDArray[np.float32]:
    """Give zeros that begin at a cache line: a vector of sixteen then lies in one line, not across two."""
    size = int(np.prod(shape))
    numbers = np.zeros(size + _LINE // 4, dtype=np.float32)
    skipped = -numbers.ctypes.data % _LINE // 4
    return numbers[skipped : skipped + size].reshape(shape)


def program_of(network: ResidualNetwork) -> Program:
    """Write out a network without batch normalisation.

    Args:
        network: as `ResidualNetwork.folded` gives it, float32 on the CPU; it is only read.
    """
    config = network.config
    writer = _Writer({"relu": RELU, "mish": MISH}[config.activation])
    function = writer.function
    filters = _filled(config.filters)
    body, inner = writer.room(BOARD * filters), writer.room(BOARD * filters)
    tower = Place(body, (EDGE, EDGE, filters), config.filters)
    writer.first_layer(network.input, body)
    writer.end("input", tower)
    for i, block in enumerate(network.residual_blocks, start=1):
        writer.convolution(block.conv1.conv, body, inner, function)
        if block.se is None:
            writer.convolution(block.conv2.conv, inner, body, function, skip=body)
        else:
            writer.squeeze_excite(block.conv2.conv, block.se.squeeze, block.se.expand, inner, body)
        writer.end(f"block{i}", tower)
    if isinstance(network.policy, nn.Conv2d):
        planes = _filled(config.policy_planes)
        writer.convolution(network.policy_hidden.conv, body, inner, function)
        writer.end("policy_hidden", Place(inner, tower.shape, config.filters))
        logits = writer.room(BOARD * planes)
        writer.convolution(network.policy, inner, logits, IDENTITY)
        plane, square = np.divmod(CONVOLUTION_POLICY_INDEX, _SQUARES)
        moves = ((square // 8 + 1) * EDGE + square % 8 + 1) * planes + plane
    else:
        hidden = writer.pointwise(network.policy_hidden, body)
        writer.end("policy_hidden", hidden)
        logits = writer.dense_of_planes(network.policy, hidden, IDENTITY).start
        moves = np.arange(POLICY_SIZE)
    writer.row(Operation.POLICY, logits)
    writer.end("policy", None)
    value = writer.head(network, "value", body)
    if config.value == "scalar":
        writer.row(Operation.VALUE, value)
    writer.end("value", Place(value, (WIDTH,), 3 if config.value == "wdl" else 1))
    plies = _NOWHERE
    if config.moves_left:
        plies = writer.head(network, "moves_left", body, RELU)
        writer.end("moves_left", Place(plies, (WIDTH,), 1))
    writer.row(Operation.RESULTS, value, other=plies, columns=3 if config.value == "wdl" else 1)
    return writer.program(moves)


class _Writer:
    """The rows, weights and places written so far."""

    def __init__(self, function: int) -> None:
        self.function = function
        self._rows: list[list[int]] = []
        self._weights: list[NDArray[np.float32]] = []
        self._size = 0
        self._layers: dict[str, tuple[int, Place | None]] = {}
        self._room = 0
        self._channels = 0
        self._multiplications = 0

    def room(self, numbers: int) -> int:
        """Take room in the state; it begins at a cache line and starts as zeros."""
        start = self._room
        self._room += _filled(numbers)
        return start

    def row(
        self,
        operation: Operation,
        source: int,
        target: int = _NOWHERE,
        other: int = _NOWHERE,
        depth: int = 0,
        columns: int = 0,
        weights: int = _NOWHERE,
        bias: int = _NOWHERE,
        width: int = 0,
        function: int = IDENTITY,
    ) -> None:
        """Add an operation."""
        self._rows.append([operation, source, target, other, depth, columns, weights, bias, width, function])

    def end(self, layer: str, place: Place | None) -> None:
        """Note that what has been written so far gives the output of a layer."""
        self._layers[layer] = (len(self._rows), place)

    def first_layer(self, module: Convolution, target: int) -> None:
        weight = _filled_up(_numbers(module.conv.weight), 0)
        weights = self._put(first_layer_weights(weight))
        bias = self._bias(module.conv)
        self.row(
            Operation.FIRST_LAYER, _NOWHERE, target, columns=len(weight), weights=weights, bias=bias,
            function=self.function,
        )  # fmt: skip

    def convolution(self, module: nn.Conv2d, source: int, target: int, function: int, skip: int = _NOWHERE) -> None:
        matrices = filters_transformed(_filled_up(_numbers(module.weight), 0, 1))
        depth, columns = matrices.shape[1:]
        width = panel_width(columns, WIDEST)
        weights = self._put(np.concatenate([panels(matrix, width) for matrix in matrices]))
        self._channels = max(self._channels, depth, columns)
        self._multiplications += 4 * TRANSFORMED * depth * columns
        self.row(
            Operation.CONVOLUTION, source, target, skip, depth, columns, weights, self._bias(module), width, function
        )

    def squeeze_excite(self, conv: nn.Conv2d, squeeze: nn.Linear, expand: nn.Linear, inner: int, body: int) -> None:
        """The second convolution of a block, squeeze-and-excitation, and the skip connection."""
        channels = _filled(conv.out_channels)
        self.convolution(conv, inner, inner, IDENTITY)
        means = self.room(channels)
        self.row(Operation.POOL, inner, means, columns=channels)
        hidden = self._dense(_filled_up(_numbers(squeeze.weight), 0, 1), squeeze, means, self.function)
        # Scales and shifts are each filled up for themselves.
        scales, shifts = (_filled_up(half, 0, 1) for half in np.split(_numbers(expand.weight), 2))
        offsets = [_filled_up(half, 0) for half in np.split(_numbers(expand.bias), 2)]
        gates = self._product(np.concatenate([scales, shifts]), np.concatenate(offsets), hidden, IDENTITY)
        self.row(Operation.EXCITE, inner, body, gates, columns=channels, function=self.function)

    def pointwise(self, module: Convolution, source: int) -> Place:
        weight = _filled_up(_numbers(module.conv.weight)[:, :, 0, 0], 0, 1)
        columns, depth = weight.shape
        width = panel_width(columns, WIDEST_OF_TWO or WIDEST)
        weights = self._put(panels(weight.T, width))
        bias = self._bias(module.conv)
        target = self.room(_SQUARES * columns)
        self._multiplications += _SQUARES * depth * columns
        self.row(
            Operation.POINTWISE, source, target, depth=depth, columns=columns, weights=weights, bias=bias, width=width,
            function=self.function,
        )  # fmt: skip
        return Place(target, (8, 8, columns), module.conv.out_channels)

    def dense_of_planes(self, module: nn.Linear, planes: Place, function: int) -> Place:
        """A dense layer on planes, whose weights are in the order channel, square."""
        channels = planes.channels
        weight = _numbers(module.weight).reshape(module.out_features, channels, _SQUARES).transpose(0, 2, 1)
        weight = _filled_up(weight, 0, 2)
        target = self._dense(weight.reshape(len(weight), -1), module, planes.start, function)
        return Place(target, (len(weight),), module.out_features)

    def head(self, network: ResidualNetwork, name: str, body: int, function: int = IDENTITY) -> int:
        """A 1 × 1 convolution, a dense hidden layer and the last layer; only the first two are ended."""
        planes = self.pointwise(getattr(network, f"{name}_conv"), body)
        self.end(f"{name}_conv", planes)
        hidden = self.dense_of_planes(getattr(network, f"{name}_hidden"), planes, self.function)
        self.end(f"{name}_hidden", hidden)
        last: nn.Linear = getattr(network, name)
        return self._dense(_filled_up(_numbers(last.weight), 0, 1), last, hidden.start, function)

    def program(self, moves: NDArray[np.int64]) -> Program:
        """Everything written, with room for the position's rows to begin at different cache sets."""
        weights = aligned_zeros(self._size)
        np.concatenate(self._weights, out=weights)
        return Program(
            np.array(self._rows, dtype=np.int64), weights, moves.astype(np.int64), self._layers,
            self._room + WIDTH * (1 - self._room // WIDTH % 2), self._channels, self._multiplications,
        )  # fmt: skip

    def _dense(self, weight: NDArray[np.float64], module: nn.Linear, source: int, function: int) -> int:
        return self._product(weight, _filled_up(_numbers(module.bias), 0), source, function)

    def _product(self, weight: NDArray[np.float64], bias: NDArray[np.float64], source: int, function: int) -> int:
        columns, depth = weight.shape
        width = panel_width(columns, WIDEST_OF_TWO or WIDEST)
        weights = self._put(panels(weight.T, width))
        target = self.room(columns)
        offset = self._put(bias.astype(np.float32))
        self._multiplications += depth * columns
        self.row(Operation.DENSE, source, target, _NOWHERE, depth, columns, weights, offset, width, function)
        return target

    def _bias(self, module: nn.Conv2d) -> int:
        assert module.bias is not None
        return self._put(_filled_up(_numbers(module.bias), 0).astype(np.float32))

    def _put(self, numbers: NDArray[np.float32]) -> int:
        start = self._size
        self._weights.append(numbers)
        self._size += len(numbers)
        return start


def _filled(count: int) -> int:
    return -(-count // WIDTH) * WIDTH


def _numbers(tensor: Tensor) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = tensor.detach().cpu().double().numpy()
    return numbers


def _filled_up(array: NDArray[np.float64], *axes: int) -> NDArray[np.float64]:
    """The array with zeros behind it, along `axes` up to a multiple of sixteen."""
    padding = [(0, _filled(size) - size if axis in axes else 0) for axis, size in enumerate(array.shape)]
    return np.pad(array, padding)
