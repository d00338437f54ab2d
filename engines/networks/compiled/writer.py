"""Writing a program: its rows, weights and places, one operation after the other."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from engines.networks.compiled.lanes import WIDTH
from engines.networks.compiled.nonlinear import Activation
from engines.networks.compiled.operations import (
    ATTENTION_OPERATIONS,
    FIELDS,
    NOWHERE,
    Layer,
    Operation,
    Place,
    Program,
    aligned_zeros,
)
from engines.networks.compiled.products import NO_BIAS, WIDEST, WIDEST_OF_TWO, panel_width, panels
from engines.networks.compiled.winograd import BOARD, EDGE

__all__ = ["SQUARES", "Weights", "Writer", "filled", "filled_up", "numbers_of"]

SQUARES: Final = 64

Weights = tuple[int, int]
"""Where the panels of a matrix begin, and how many vectors wide they are."""

# Shared rooms are given out as if they lay this far behind the state, each as far behind the one before.
_FAR: Final = 1 << 40
_ACTIVATIONS: Final = {activation.name.lower(): activation for activation in Activation}


class Writer:
    """The rows, weights and places written so far.

    Activation functions are given by their names in `engines.networks.shapes.ACTIVATIONS`.
    """

    def __init__(self) -> None:
        self._rows: list[list[int]] = []
        self._weights: list[NDArray[np.float32]] = []
        self._size = 0
        self._layers: dict[str, Layer] = {}
        self._room = 0
        self._shared: dict[str, int] = {}
        self._channels = self._head_channels = 0
        self._multiplications = 0
        no_bias = self.put(np.zeros(WIDEST * WIDTH))
        assert no_bias == NO_BIAS

    def program(self, moves: NDArray[np.int64]) -> Program:
        """Everything written. A row of the state is an odd number of cache lines: rows then begin in different sets."""
        weights = aligned_zeros(self._size)
        np.concatenate(self._weights, out=weights)
        rows = np.array(self._rows, dtype=np.int64)
        places = rows[:, FIELDS.index("source") : FIELDS.index("other") + 1]
        shared = np.array([0, *map(self.room, self._shared.values())])
        places[...] = np.where(places < 0, places, shared[places // _FAR] + places % _FAR)
        return Program(
            rows, weights, moves.astype(np.int64), self._layers,
            self._room + WIDTH * (1 - self._room // WIDTH % 2), self._channels, self._head_channels,
            bool(np.isin(rows[:, 0], ATTENTION_OPERATIONS).any()),
            self._multiplications,
        )  # fmt: skip

    def room(self, numbers: int) -> int:
        """Take room in the state; it begins at a cache line and starts as zeros."""
        start = self._room
        self._room += filled(numbers)
        return start

    def shared(self, name: str, numbers: int) -> int:
        """Take room that others of the same name take as well: all that lies there is soon used up."""
        self._shared[name] = max(numbers, self._shared.get(name, 0))
        return _FAR * (1 + list(self._shared).index(name))

    def board(self, channels: int) -> Place:
        """Take room for a board."""
        return Place(self.room(BOARD * filled(channels)), (EDGE, EDGE, filled(channels)), channels)

    def tokens(self, channels: int, shared: str | None = None) -> Place:
        """Take room for tokens, shared if it has a name."""
        columns = filled(channels)
        size = SQUARES * columns
        return Place(self.room(size) if shared is None else self.shared(shared, size), (8, 8, columns), channels)

    def units(self, count: int) -> Place:
        """Take room for units."""
        return Place(self.room(count), (filled(count),), count)

    def put(self, array: NDArray[np.floating]) -> int:
        """Add weights, filled up with zeros to a cache line; gives where they begin."""
        start = self._size
        with np.errstate(over="ignore"):  # infinite weights are the caller's to report
            self._weights.append(filled_up(array.ravel(), 0).astype(np.float32))
        self._size += len(self._weights[-1])
        return start

    def put_matrix(self, weight: NDArray[np.float64], widest: int = WIDEST_OF_TWO or WIDEST) -> Weights:
        """Add the weights of a product, [columns, depth], both filled up."""
        width = panel_width(len(weight), widest)
        return self.put(panels(weight.T, width)), width

    def row(
        self,
        operation: Operation,
        source: int = NOWHERE,
        target: int = NOWHERE,
        other: int = NOWHERE,
        *,
        rows: int = 0,
        depth: int = 0,
        columns: int = 0,
        weights: int = NOWHERE,
        bias: int = int(NO_BIAS),
        width: int = 0,
        kind: int = 0,
        rectified: bool = False,
    ) -> None:
        """Add an operation."""
        self._rows.append(
            [operation, source, target, other, rows, depth, columns, weights, bias, width, kind, rectified]
        )

    def end(self, layer: str, place: Place | None) -> None:
        """Note that what has been written so far gives the output of a layer."""
        begin = max((other.end for other in self._layers.values()), default=0)
        self._layers[layer] = Layer(begin, len(self._rows), place)

    def count(self, multiplications: int, *, channels: int = 0, head_channels: int = 0) -> None:
        """Note a position's multiplications, and the channels of a convolution or an attention head."""
        self._multiplications += multiplications
        self._channels = max(self._channels, channels)
        self._head_channels = max(self._head_channels, head_channels)

    def activation(self, name: str, target: int, columns: int, *, rectified: bool = True) -> None:
        """An activation function, unless there is none or the operation before has `rectified` what it gave."""
        if name != "none" and not (rectified and name == "relu"):
            self.row(Operation.ACTIVATION, target=target, columns=columns, kind=_ACTIVATIONS[name])

    def norm(
        self,
        module: nn.LayerNorm,
        source: int,
        target: int,
        rows: int,
        *,
        skip: int = NOWHERE,
        scale: float = 1.0,
        parts: int = 1,
    ) -> None:
        """A layer norm of rows, times `scale` and plus those at `skip` if there are any.

        A row is `parts` equal runs of numbers, each filled up for itself.
        """
        count = module.weight.numel()
        gain, offset, mask = (
            filled_up(numbers.reshape(parts, -1), 1)
            for numbers in (numbers_of(module.weight), numbers_of(module.bias), np.ones(count))
        )
        constants = np.array([scale, module.eps, 1 / count])
        weights = self.put(np.concatenate([gain.ravel(), offset.ravel(), mask.ravel(), constants]))
        self.row(Operation.NORM, source, target, skip, rows=rows, columns=gain.size, weights=weights)

    def product(
        self, source: int, target: int, weights: Weights, bias: int, shape: tuple[int, int, int], activation: str
    ) -> None:
        """Rows of one position times a matrix; `shape` is rows, depth and columns."""
        rows, depth, columns = shape
        self.count(rows * depth * columns)
        self.row(
            Operation.PRODUCT, source, target, rows=rows, depth=depth, columns=columns, weights=weights[0],
            bias=bias, width=weights[1], rectified=activation == "relu",
        )  # fmt: skip
        self.activation(activation, target, rows * columns)

    def on_squares(
        self, weight: NDArray[np.float64], bias: NDArray[np.float64] | None, tokens: Place, to: Place, activation: str
    ) -> Place:
        """The same dense layer on each square; weights [columns, depth] and bias [columns], if any, filled up."""
        bias_place = int(NO_BIAS) if bias is None else self.put(bias)
        shape = (SQUARES, tokens.filled, to.filled)
        self.product(tokens.start, to.start, self.put_matrix(weight), bias_place, shape, activation)
        return to

    def linear(self, module: nn.Linear, tokens: Place, activation: str, to: Place | None = None) -> Place:
        """A module on each square; `to` is new tokens if not given."""
        weight, bias = filled_up(numbers_of(module.weight), 0, 1), None
        if module.bias is not None:
            bias = filled_up(numbers_of(module.bias), 0)
        return self.on_squares(weight, bias, tokens, to or self.tokens(module.out_features), activation)

    def dense(
        self, weight: NDArray[np.float64], bias: NDArray[np.float64], source: int, target: int, activation: str
    ) -> None:
        """A dense layer on units; weights [columns, depth] and bias [columns] filled up."""
        columns, depth = weight.shape
        weights, width = self.put_matrix(weight)
        self.count(depth * columns)
        self.row(
            Operation.DENSE, source, target, depth=depth, columns=columns, weights=weights, bias=self.put(bias),
            width=width, rectified=activation == "relu",
        )  # fmt: skip
        self.activation(activation, target, columns)

    def dense_of_units(self, module: nn.Linear, units: Place, activation: str) -> Place:
        """A module on units."""
        target = self.units(module.out_features)
        weight, bias = filled_up(numbers_of(module.weight), 0, 1), filled_up(numbers_of(module.bias), 0)
        self.dense(weight, bias, units.start, target.start, activation)
        return target

    def dense_of_squares(
        self, module: nn.Linear, tokens: Place, activation: str, *, channels_first: bool = False
    ) -> Place:
        """A module on all numbers of all squares, square by square or, with `channels_first`, channel by channel."""
        target = self.units(module.out_features)
        weight = numbers_of(module.weight)
        if channels_first:
            weight = weight.reshape(len(weight), tokens.channels, SQUARES).transpose(0, 2, 1)
        else:
            weight = weight.reshape(len(weight), SQUARES, tokens.channels)
        weight = filled_up(weight, 0, 2)
        bias = filled_up(numbers_of(module.bias), 0)
        self.dense(weight.reshape(len(weight), -1), bias, tokens.start, target.start, activation)
        return target


def filled(count: int, multiple: int = WIDTH) -> int:
    """The next multiple, of sixteen if not said otherwise."""
    return -(-count // multiple) * multiple


def numbers_of(tensor: Tensor) -> NDArray[np.float64]:
    """A tensor as a float64 array."""
    numbers: NDArray[np.float64] = tensor.detach().cpu().double().numpy()
    return numbers


def filled_up(array: NDArray[np.floating], *axes: int) -> NDArray[np.float64]:
    """The array with zeros behind it, along `axes` up to a multiple of sixteen."""
    padding = [(0, filled(size) - size if axis in axes else 0) for axis, size in enumerate(array.shape)]
    return np.pad(array, padding)
