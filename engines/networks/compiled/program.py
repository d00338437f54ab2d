"""A residual network written out as a list of operations on float32 numbers, for the compiled interpreter.

The numbers of one position lie in one row of the interpreter's *state*: boards [10, 10, channels] with their border,
planes [64, channels], and units, all with channels or units filled up with zeros to multiples of sixteen. An operation
reads and writes such places. All weights lie in one array, in the order of their use.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from engines.chess.moves import POLICY_SIZE
from engines.networks.architecture import Network
from engines.networks.compiled.first_layer import first_layer_weights
from engines.networks.compiled.lanes import WIDTH
from engines.networks.compiled.products import WIDEST, WIDEST_OF_TWO, panel_width, panels
from engines.networks.compiled.winograd import BOARD, EDGE, TILES, TRANSFORMED, filters_transformed
from engines.networks.config import AttentionPolicy, NetworkConfig
from engines.networks.modules.residual import Convolution
from engines.networks.policy_planes import CONVOLUTION_POLICY_INDEX

__all__ = ["FIELDS", "Layer", "Operation", "Place", "Program", "aligned_zeros", "is_compilable", "program_of"]

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
    """Board to board: sigmoid(gates) · board + shifts + target; ``other`` holds gates, then shifts."""
    POINTWISE = 5
    """Board to planes, 1 × 1."""
    MISH = 6
    """The activation function of ``columns`` numbers at ``target``."""
    TANH = 7
    """The hyperbolic tangent of one number at ``target``."""
    POLICY = 8
    """Picks the logits of the 1,858 moves."""
    RESULTS = 9
    """Probabilities of win, draw and loss from ``columns`` numbers at ``source``; plies left from ``other``."""


FIELDS: Final = ("operation", "source", "target", "other", "depth", "columns", "weights", "bias", "width", "rectified")
"""What the numbers of a row of a program mean; places and sizes are in numbers, ``width`` in vectors of sixteen, and
``rectified`` says whether what is below zero becomes zero."""


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
class Layer:
    """What calculates a layer's output, and where it lies."""

    begin: int
    """The first of its operations."""
    end: int
    """The operation after its last one."""
    place: Place | None
    """None for the policy, which is put out at once."""


@dataclass(frozen=True)
class Program:
    """What the interpreter needs to know of a network."""

    rows: NDArray[np.int64]
    """int64 [operations, fields]."""
    weights: NDArray[np.float32]
    """float32 [numbers], aligned to a cache line."""
    moves: NDArray[np.int64]
    """int64 [1858]: where each move's logit lies, counted from the source of `Operation.POLICY`."""
    layers: dict[str, Layer]
    """By name in forward order."""
    per_position: int
    """Numbers in a row of the state."""
    channels: int
    """The most channels that go into a 3 × 3 convolution or come out of one."""
    multiplications: int
    """Multiplications a position in convolutions (as they are carried out) and dense layers."""


def aligned_zeros(*shape: int) -> NDArray[np.float32]:
    """Give zeros that begin at a cache line: a vector of sixteen then lies in one line, not across two."""
    size = int(np.prod(shape))
    numbers = np.zeros(size + _LINE // 4, dtype=np.float32)
    skipped = -numbers.ctypes.data % _LINE // 4
    return numbers[skipped : skipped + size].reshape(shape)


def is_compilable(config: NetworkConfig) -> bool:
    """Say whether there are operations for everything in a network."""
    return config.attention is None and not isinstance(config.policy, AttentionPolicy)


def program_of(network: Network) -> Program:
    """Write out a network without batch normalisation.

    Args:
        network: as `Network.folded` gives it, float32 on the CPU; it is only read.
    """
    config = network.config
    assert config.tower is not None
    writer = _Writer(config.activation)
    filters = _filled(config.tower.filters)
    body, inner = writer.room(BOARD * filters), writer.room(BOARD * filters)
    tower = Place(body, (EDGE, EDGE, filters), config.tower.filters)
    writer.first_layer(network.input, body)
    writer.end("input", tower)
    for i, block in enumerate(network.residual_blocks, start=1):
        writer.convolution(block.conv1.conv, body, inner)
        if block.se is None:
            writer.convolution(block.conv2.conv, inner, body, skip=body)
        else:
            writer.squeeze_excite(block.conv2.conv, block.se.squeeze, block.se.expand, inner, body)
        writer.end(f"block{i}", tower)
    if isinstance(network.policy, nn.Conv2d):
        planes = _filled(network.policy.out_channels)
        writer.convolution(network.policy_hidden.conv, body, inner)
        writer.end("policy_hidden", Place(inner, tower.shape, config.tower.filters))
        logits = writer.room(BOARD * planes)
        writer.convolution(network.policy, inner, logits, active=False)
        plane, square = np.divmod(CONVOLUTION_POLICY_INDEX, _SQUARES)
        moves = ((square // 8 + 1) * EDGE + square % 8 + 1) * planes + plane
    else:
        hidden = writer.pointwise(network.policy_hidden, body)
        writer.end("policy_hidden", hidden)
        logits = writer.dense_of_planes(network.policy, hidden, active=False).start
        moves = np.arange(POLICY_SIZE)
    writer.row(Operation.POLICY, logits)
    writer.end("policy", None)
    value = writer.head(network, "value", body, rectified=False)
    if config.value.scalar:
        writer.row(Operation.TANH, target=value)
    writer.end("value", Place(value, (WIDTH,), config.value.outputs))
    plies = _NOWHERE
    if config.moves_left:
        plies = writer.head(network, "moves_left", body, rectified=True)
        writer.end("moves_left", Place(plies, (WIDTH,), 1))
    writer.row(Operation.RESULTS, value, other=plies, columns=config.value.outputs)
    return writer.program(moves)


class _Writer:
    """The rows, weights and places written so far."""

    def __init__(self, activation: str) -> None:
        self._relu = activation == "relu"
        self._rows: list[list[int]] = []
        self._weights: list[NDArray[np.float32]] = []
        self._size = 0
        self._layers: dict[str, Layer] = {}
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
        source: int = _NOWHERE,
        target: int = _NOWHERE,
        other: int = _NOWHERE,
        *,
        depth: int = 0,
        columns: int = 0,
        weights: int = _NOWHERE,
        bias: int = _NOWHERE,
        width: int = 0,
        rectified: bool = False,
    ) -> None:
        """Add an operation."""
        self._rows.append([operation, source, target, other, depth, columns, weights, bias, width, rectified])

    def end(self, layer: str, place: Place | None) -> None:
        """Note that what has been written so far gives the output of a layer."""
        begin = max((other.end for other in self._layers.values()), default=0)
        self._layers[layer] = Layer(begin, len(self._rows), place)

    def first_layer(self, module: Convolution, target: int) -> None:
        weight = _filled_up(_numbers(module.conv.weight), 0)
        weights, bias = self._put(first_layer_weights(weight)), self._bias(module.conv)
        columns = len(weight)
        self._channels = max(self._channels, columns)
        self.row(
            Operation.FIRST_LAYER, target=target, columns=columns, weights=weights, bias=bias, rectified=self._relu
        )
        self._activate(target, BOARD * columns)

    def convolution(
        self, module: nn.Conv2d, source: int, target: int, skip: int = _NOWHERE, *, active: bool = True
    ) -> None:
        """A 3 × 3 convolution from board to board; with `active`, the activation function after it."""
        matrices = filters_transformed(_filled_up(_numbers(module.weight), 0, 1))
        depth, columns = matrices.shape[1:]
        width = panel_width(columns, WIDEST)
        weights = self._put(np.concatenate([panels(matrix, width) for matrix in matrices]))
        self._channels = max(self._channels, depth, columns)
        self._multiplications += TILES * TRANSFORMED * depth * columns
        self.row(
            Operation.CONVOLUTION, source, target, skip, depth=depth, columns=columns, weights=weights,
            bias=self._bias(module), width=width, rectified=active and self._relu,
        )  # fmt: skip
        if active:
            self._activate(target, BOARD * columns)

    def squeeze_excite(self, conv: nn.Conv2d, squeeze: nn.Linear, expand: nn.Linear, inner: int, body: int) -> None:
        """The second convolution of a block, squeeze-and-excitation, and the skip connection."""
        channels = _filled(conv.out_channels)
        self.convolution(conv, inner, inner, active=False)
        means = self.room(channels)
        self.row(Operation.POOL, inner, means, columns=channels)
        hidden = self._dense(_filled_up(_numbers(squeeze.weight), 0, 1), squeeze, means)
        # Scales and shifts are each filled up for themselves.
        scales, shifts = (_filled_up(half, 0, 1) for half in np.split(_numbers(expand.weight), 2))
        offsets = np.concatenate([_filled_up(half, 0) for half in np.split(_numbers(expand.bias), 2)])
        gates = self._product(np.concatenate([scales, shifts]), offsets, hidden, rectified=False)
        self.row(Operation.EXCITE, inner, body, gates, columns=channels, rectified=self._relu)
        self._activate(body, BOARD * channels)

    def pointwise(self, module: Convolution, source: int) -> Place:
        weight = _filled_up(_numbers(module.conv.weight)[:, :, 0, 0], 0, 1)
        columns, depth = weight.shape
        width = panel_width(columns, WIDEST_OF_TWO or WIDEST)
        weights, bias = self._put(panels(weight.T, width)), self._bias(module.conv)
        target = self.room(_SQUARES * columns)
        self._multiplications += _SQUARES * depth * columns
        self.row(
            Operation.POINTWISE, source, target, depth=depth, columns=columns, weights=weights, bias=bias, width=width,
            rectified=self._relu,
        )  # fmt: skip
        self._activate(target, _SQUARES * columns)
        return Place(target, (8, 8, columns), module.conv.out_channels)

    def dense_of_planes(self, module: nn.Linear, planes: Place, *, active: bool = True) -> Place:
        """A dense layer on planes, whose weights are in the order channel, square."""
        weight = _numbers(module.weight).reshape(module.out_features, planes.channels, _SQUARES).transpose(0, 2, 1)
        filled = _filled_up(weight, 0, 2)
        target = self._dense(filled.reshape(len(filled), -1), module, planes.start, active=active)
        return Place(target, (len(filled),), module.out_features)

    def head(self, network: Network, name: str, body: int, *, rectified: bool) -> int:
        """A 1 × 1 convolution, a dense hidden layer and the last layer; only the first two are ended."""
        planes = self.pointwise(getattr(network, f"{name}_conv"), body)
        self.end(f"{name}_conv", planes)
        hidden = self.dense_of_planes(getattr(network, f"{name}_hidden"), planes)
        self.end(f"{name}_hidden", hidden)
        last: nn.Linear = getattr(network, name)
        weight, bias = _filled_up(_numbers(last.weight), 0, 1), _filled_up(_numbers(last.bias), 0)
        return self._product(weight, bias, hidden.start, rectified=rectified)

    def program(self, moves: NDArray[np.int64]) -> Program:
        """Everything written. A row of the state is an odd number of cache lines: rows then begin in different sets."""
        weights = aligned_zeros(self._size)
        np.concatenate(self._weights, out=weights)
        return Program(
            np.array(self._rows, dtype=np.int64), weights, moves.astype(np.int64), self._layers,
            self._room + WIDTH * (1 - self._room // WIDTH % 2), self._channels, self._multiplications,
        )  # fmt: skip

    def _activate(self, target: int, columns: int) -> None:
        """The activation function, unless it is part of the operation before."""
        if not self._relu:
            self.row(Operation.MISH, target=target, columns=columns)

    def _dense(self, weight: NDArray[np.float64], module: nn.Linear, source: int, *, active: bool = True) -> int:
        bias = _filled_up(_numbers(module.bias), 0)
        target = self._product(weight, bias, source, rectified=active and self._relu)
        if active:
            self._activate(target, len(weight))
        return target

    def _product(self, weight: NDArray[np.float64], bias: NDArray[np.float64], source: int, *, rectified: bool) -> int:
        columns, depth = weight.shape
        width = panel_width(columns, WIDEST_OF_TWO or WIDEST)
        weights, offset = self._put(panels(weight.T, width)), self._put(bias.astype(np.float32))
        target = self.room(columns)
        self._multiplications += depth * columns
        self.row(
            Operation.DENSE, source, target, depth=depth, columns=columns, weights=weights, bias=offset, width=width,
            rectified=rectified,
        )  # fmt: skip
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
