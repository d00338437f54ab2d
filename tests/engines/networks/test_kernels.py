"""The compiled functions that networks are made of, one by one, against plain torch functions in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.nn import functional

from engines.networks.compiled.attention import PAIRS, attention, pairs, promotions
from engines.networks.compiled.lanes import WIDTH, load, pointer, store, total, transposed
from engines.networks.compiled.nonlinear import Activation, activate, exponential
from engines.networks.compiled.norms import gate, layer_norm
from engines.networks.compiled.operations import aligned_zeros
from engines.networks.compiled.products import ROWS, WIDEST, matrix_product, panels

Numbers = NDArray[np.float32]

FUNCTIONS: dict[Activation, Callable[[torch.Tensor], torch.Tensor]] = {
    Activation.RELU: functional.relu,
    Activation.MISH: functional.mish,
    Activation.SWISH: functional.silu,
    Activation.RELU2: lambda x: functional.relu(x).square(),
    Activation.SELU: functional.selu,
    Activation.TANH: torch.tanh,
    Activation.SIGMOID: torch.sigmoid,
}


@numba.njit  # type: ignore[untyped-decorator]
def _exponential(numbers: Any) -> None:
    for i in range(0, len(numbers), WIDTH):
        store(pointer(numbers), i, exponential(load(pointer(numbers), i)))


@numba.njit  # type: ignore[untyped-decorator]
def _activate(numbers: Any, function: Any) -> None:
    activate(pointer(numbers), 0, len(numbers), function)


@numba.njit  # type: ignore[untyped-decorator]
def _transposed(numbers: Any, row: Any, to: Any, to_row: Any) -> Any:
    transposed(pointer(numbers), 0, row, pointer(to), 0, to_row)
    return total(load(pointer(numbers), 0))


@numba.njit  # type: ignore[untyped-decorator]
def _product(
    a: Any, row: Any, along: Any, b: Any, step: Any, f: Any, first: Any, c: Any, shape: Any, width: Any, floor: Any
) -> None:
    rows, depth, columns = shape
    matrix_product(
        pointer(a), 0, row, ROWS * row, rows * row, along, pointer(b), 0, step, pointer(f), first,
        pointer(c), 0, columns, ROWS * columns, rows * columns, depth, columns, width, rows // ROWS, 2, floor,
    )  # fmt: skip


@numba.njit  # type: ignore[untyped-decorator]
def _layer_norm(memory: Any, skip: Any, target: Any, rows: Any, columns: Any, weights: Any) -> None:
    layer_norm(pointer(memory), 0, skip, target, rows, columns, pointer(weights), 0)


@numba.njit  # type: ignore[untyped-decorator]
def _gate(memory: Any, weights: Any) -> None:
    gate(pointer(memory), 0, len(memory), pointer(weights), 0)


@numba.njit  # type: ignore[untyped-decorator]
def _attention(
    memory: Any, bias: Any, target: Any, heads: Any, depth: Any, columns: Any, scale: Any, weights: Any, work: Any
) -> None:
    attention(pointer(memory), 0, bias, target, heads, depth, columns, scale, pointer(weights), work)


@numba.njit  # type: ignore[untyped-decorator]
def _moves(memory: Any, key: Any, depth: Any, target: Any, extra: Any, scale: Any, weights: Any, work: Any) -> None:
    pairs(pointer(memory), 0, key, depth, target, scale, pointer(weights), work)
    promotions(pointer(memory), extra, target)


def double(array: Numbers) -> torch.Tensor:
    return torch.from_numpy(array.copy()).double()


def random(*shape: int, seed: int = 0) -> Numbers:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def filled_up(array: Numbers) -> Numbers:
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, -array.shape[-1] % WIDTH)])


def test_the_exponential_is_good_to_a_unit_in_the_last_place() -> None:
    numbers = np.linspace(-87, 88, 1 << 16, dtype=np.float32)
    expected = np.exp(numbers.astype(np.float64))
    _exponential(numbers)
    assert np.abs(numbers / expected - 1).max() < 1.2e-7
    ends = np.array([-np.inf, -1e9, np.nan, 0.0] * 4, dtype=np.float32)
    _exponential(ends)
    assert (ends[:2] < 2e-38).all()
    assert np.isnan(ends[2])
    assert ends[3] == 1


@pytest.mark.parametrize("activation", Activation)
def test_activation_functions(activation: Activation) -> None:
    numbers = np.concatenate([np.linspace(-30, 30, 4096), np.linspace(-0.01, 0.01, 4096), [0.0] * 16])
    numbers = numbers.astype(np.float32)
    expected = FUNCTIONS[activation](double(numbers)).numpy()
    _activate(numbers, int(activation))
    assert np.abs(numbers - expected).max() <= 3e-7 * max(1, np.abs(expected).max())
    assert activation == Activation.SIGMOID or (numbers[-16:] == 0).all()
    missing = np.full(16, np.nan, dtype=np.float32)
    _activate(missing, int(activation))
    assert np.isnan(missing).all()


def test_squares_are_transposed_and_lanes_added() -> None:
    numbers, to = random(16, 48), np.zeros((16, 32), dtype=np.float32)
    assert _transposed(numbers, 48, to, 32) == pytest.approx(float(double(numbers)[0, :16].sum()), abs=1e-5)
    assert (to[:, :16] == numbers[:, :16].T).all()
    assert (to[:, 16:] == 0).all()


@given(
    groups=st.integers(1, 5), depth=st.integers(1, 40), vectors=st.integers(1, 6), width=st.integers(1, WIDEST),
    onto=st.booleans(), by_column=st.booleans(), in_panels=st.booleans(), rectified=st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_products(
    groups: int, depth: int, vectors: int, width: int, onto: bool, by_column: bool, in_panels: bool, rectified: bool
) -> None:
    rows, columns = groups * ROWS, vectors * WIDTH
    a, b, bias = random(2, rows, depth), random(depth, columns, seed=1), random(1, columns, seed=2)
    c = random(2, rows, columns, seed=3)
    starts = np.concatenate([np.zeros(64, dtype=np.float32), bias[0]])
    expected = double(a) @ double(b) + (double(c) if onto else double(bias))
    if rectified:
        expected = expected.relu()
    # Column by column, the rows of both blocks lie side by side.
    stored = np.ascontiguousarray(a.reshape(2 * rows, depth).T) if by_column else a
    row, along = (1, 2 * rows) if by_column else (depth, 1)
    weights = panels(b.astype(np.float64), width) if in_panels else b
    _product(
        stored, row, along, weights, 0 if in_panels else columns, starts, -1 if onto else 64, c,
        (rows, depth, columns), width, np.float32(0 if rectified else -np.inf),
    )  # fmt: skip
    assert c == pytest.approx(expected.numpy(), abs=1e-5)


@pytest.mark.parametrize("channels", [1, 15, 16, 100, 256])
@pytest.mark.parametrize(("scale", "epsilon", "added"), [(1.0, 1e-3, False), (0.5, 1e-6, True)])
def test_layer_norm(channels: int, scale: float, epsilon: float, added: bool) -> None:
    rows = 5
    x, skip, gain, offset = (random(*shape, channels, seed=i) + 1 for i, shape in enumerate([(rows,), (rows,), (), ()]))
    y = double(x) * scale + (double(skip) if added else 0)
    expected = functional.layer_norm(y, (channels,), double(gain), double(offset), epsilon)
    columns = -(-channels // WIDTH) * WIDTH
    # What rows are filled up with need not be zero.
    wide = np.full((rows, columns), 0.5, dtype=np.float32)
    wide[:, :channels] = x
    memory = np.concatenate([wide, filled_up(skip), np.zeros((rows, columns), dtype=np.float32)]).ravel()
    constants = np.array([scale, epsilon, 1 / channels], dtype=np.float32)
    mask = np.ones(channels, dtype=np.float32)
    weights = np.concatenate([*map(filled_up, (gain, offset, mask)), constants])
    size = rows * columns
    for target in (2 * size, 0):
        _layer_norm(memory, size if added else -1, target, rows, columns, weights)
        result = memory[target : target + size].reshape(rows, columns)
        assert result[:, :channels] == pytest.approx(expected.numpy(), abs=5e-6)
        assert (result[:, channels:] == 0).all()


def test_gates() -> None:
    x, weights = random(64 * 32), random(2, 64 * 32, seed=1)
    expected = x * weights[0].astype(np.float64) + weights[1]
    _gate(x, weights.ravel())
    assert x == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("depth", [1, 16, 20, 32, 50, 64])
@pytest.mark.parametrize("biased", [False, True])
def test_attention(depth: int, biased: bool) -> None:
    heads, columns = 3, -(-depth // WIDTH) * WIDTH
    tokens, bias = random(64, 3, heads, depth), 2 * random(heads, 64, 64, seed=1)
    query, key, value = double(tokens).permute(1, 2, 0, 3)
    logits = query @ key.transpose(1, 2) * depth**-0.5 + (double(bias).transpose(1, 2) if biased else 0)
    expected = (logits.softmax(2) @ value).transpose(0, 1)
    parts = [filled_up(tokens), bias, np.zeros((64, heads, columns)), np.zeros(64 * (64 + columns))]
    memory = np.concatenate([part.ravel() for part in parts]).astype(np.float32)
    places = np.cumsum([part.size for part in parts])
    scale = np.float32(depth**-0.5)
    bias_place = places[0] if biased else -1
    _attention(memory, bias_place, places[1], heads, depth, columns, scale, aligned_zeros(64), places[2])
    result = memory[places[1] : places[2]].reshape(64, heads, columns)
    assert result[:, :, :depth] == pytest.approx(expected.numpy(), abs=3e-6)
    assert (result[:, :, depth:] == 0).all()


def test_moves_from_square_to_square() -> None:
    depth, scale = 48, np.float32(48**-0.5)
    query, key, extra = random(64, depth), random(64, depth, seed=1), random(8, WIDTH, seed=2)
    expected = double(query) @ double(key).T * float(scale)
    more = double(extra)[:, :3] + double(extra)[:, 3:4]
    promoted = expected[48:56, 56:, None] + more
    memory = np.concatenate([query.ravel(), key.ravel(), extra.ravel(), aligned_zeros(PAIRS + 192 + 64 * depth)])
    size = 64 * depth
    logits = 2 * size + extra.size
    _moves(memory, size, depth, logits, 2 * size, scale, aligned_zeros(64), logits + PAIRS + 192)
    assert memory[logits : logits + PAIRS].reshape(64, 64) == pytest.approx(expected.numpy(), abs=5e-6)
    assert memory[logits + PAIRS : logits + PAIRS + 192] == pytest.approx(promoted.numpy().ravel(), abs=5e-6)
