"""Activations are those of the network, for the boards and layers asked for, in memory and on disk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chess
import chess.variant
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from conceptmine.activations import ActivationStore, capture
from conceptmine.errors import InputError
from engines.chess import INPUT_FORMATS
from engines.chess.encoding import pack_boards
from engines.networks import Network, NetworkConfig, Tower, ValueHead
from engines.networks.agent import Agent

WIDTHS = {"input": 6, "block1": 4, "a/b": 2}


@dataclass
class FakeAgent:
    """Gives numbers that tell boards and layers apart, and remembers how many boards it saw at once."""

    scale: float = 1.0
    name: str = "fake"
    sha256: str = "ab" * 32
    history_fill: str = "fen_only"
    layers: tuple[str, ...] = tuple(WIDTHS)
    input_format: int = 1
    batches: list[int] = field(default_factory=list)

    def activations_packed(
        self, masks: NDArray[np.uint64], values: NDArray[np.float32], layers: Sequence[str]
    ) -> dict[str, NDArray[np.float32]]:
        self.batches.append(len(masks))
        seen = (masks.astype(np.float64) * 2.0**-60 * values).sum(axis=1)
        return {
            layer: (self.scale * np.sin(np.outer(seen, np.arange(1, WIDTHS[layer] + 1)))).astype(np.float32)
            for layer in layers
        }


def walk(plies: int) -> list[chess.Board]:
    """The positions of a game, with their histories."""
    board = chess.Board()
    boards = [board.copy()]
    for _ in range(plies):
        legal = sorted(board.legal_moves, key=str)
        board.push(legal[(7 * len(board.move_stack)) % len(legal)])
        boards.append(board.copy())
    return boards


BOARDS = walk(22)


def test_each_layer_gives_one_row_a_board_in_the_order_asked_for() -> None:
    captured = capture(FakeAgent(), BOARDS, ["block1", "input"])
    assert list(captured) == ["block1", "input"]
    masks, values = pack_boards(BOARDS)
    for layer, rows in captured.items():
        assert rows.dtype == np.float32
        assert rows.shape == (len(BOARDS), WIDTHS[layer])
        np.testing.assert_array_equal(rows, FakeAgent().activations_packed(masks, values, [layer])[layer])


def test_batches_have_the_size_asked_for_and_change_nothing() -> None:
    agent = FakeAgent()
    np.testing.assert_array_equal(
        capture(agent, BOARDS, ["input"], batch_size=10)["input"], capture(FakeAgent(), BOARDS, ["input"])["input"]
    )
    assert agent.batches == [10, 10, 3]


def test_history_is_seen() -> None:
    with_history, without = BOARDS[9], BOARDS[9].copy(stack=False)
    rows = capture(FakeAgent(), [with_history, without], ["input"])["input"]
    assert not np.array_equal(rows[0], rows[1])


def test_a_layer_named_twice_comes_once() -> None:
    assert list(capture(FakeAgent(), BOARDS, ["input", "input"])) == ["input"]


@pytest.mark.parametrize("layers", [["block7"], ["input", "Block1"], "block7"])
def test_a_name_that_is_no_layer_is_refused_with_those_that_are(tmp_path: Path, layers: Any) -> None:
    for call in (
        lambda: capture(FakeAgent(), BOARDS, layers),
        lambda: ActivationStore.write(tmp_path / "store", FakeAgent(), BOARDS, layers),
    ):
        with pytest.raises(InputError, match=r"fake has no layer '[Bb]lock\d': choose from input, block1, a/b"):
            call()
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_capture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no boards"):
        capture(FakeAgent(), [], ["input"])
    with pytest.raises(InputError, match="No layers"):
        capture(FakeAgent(), BOARDS, [])
    with pytest.raises(InputError, match="no boards"):
        ActivationStore.write(tmp_path / "store", FakeAgent(), iter(()), ["input"])
    assert list(tmp_path.iterdir()) == []


def test_wrong_boards_are_named_by_their_place_among_all() -> None:
    with pytest.raises(TypeError, match="sequence"):
        capture(FakeAgent(), chess.Board(), ["input"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Item 21"):
        capture(FakeAgent(), [*BOARDS[:21], "e4"], ["input"], batch_size=10)  # type: ignore[list-item]
    with pytest.raises(ValueError, match="Board 13 is of the variant atomic"):
        capture(FakeAgent(), [*BOARDS[:13], chess.variant.AtomicBoard()], ["input"], batch_size=10)
    with pytest.raises(ValueError, match="batch_size"):
        capture(FakeAgent(), BOARDS, ["input"], batch_size=0)
    with pytest.raises(ValueError, match="dtype"):
        capture(FakeAgent(), BOARDS, ["input"], dtype="int8")  # type: ignore[arg-type]


@pytest.mark.parametrize("input_format", INPUT_FORMATS)
def test_positions_are_shown_in_the_agents_own_format(input_format: int) -> None:
    config = NetworkConfig(Tower(8, blocks=1), value=ValueHead(4, 16), input_format=input_format)
    agent = Agent(Network(config, seed=1), "small")
    expected = agent.activations_packed(*pack_boards(BOARDS, input_format), ["block1"])["block1"]
    assert (capture(agent, BOARDS, ["block1"])["block1"] == expected).all()


@pytest.mark.parametrize("scale", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_with_their_layer(tmp_path: Path, scale: float) -> None:
    for dtype in ("float32", "float16"):
        with pytest.raises(InputError, match="Layer block1 of fake gives values that are not finite"):
            capture(FakeAgent(scale), BOARDS, ["block1"], dtype=dtype)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="Layer block1 of fake gives values that are not finite"):
            ActivationStore.write(tmp_path / "store", FakeAgent(scale), BOARDS, ["block1"], dtype=dtype)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_values_too_large_for_float16_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Layer input of fake gives .* store it as float32"):
        ActivationStore.write(tmp_path / "store", FakeAgent(1e5), BOARDS, ["input"], batch_size=4)
    assert list(tmp_path.iterdir()) == []
    store = ActivationStore.write(tmp_path / "store", FakeAgent(1e5), BOARDS, ["input"], dtype="float32")
    np.testing.assert_array_equal(store.rows("input"), capture(FakeAgent(1e5), BOARDS, ["input"])["input"])


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_store_gives_back_the_rows_asked_for(tmp_path: Path, dtype: Any) -> None:
    written = ActivationStore.write(tmp_path / "store", FakeAgent(), iter(BOARDS), WIDTHS, dtype=dtype, batch_size=5)
    store = ActivationStore.open(tmp_path / "store")
    captured = capture(FakeAgent(), BOARDS, list(WIDTHS), dtype=dtype)
    assert len(store) == len(written) == len(BOARDS)
    assert store.layers == tuple(WIDTHS)
    assert store.dtype == dtype
    assert store.agent_sha256 == "ab" * 32
    for layer, width in WIDTHS.items():
        assert store.width(layer) == width
        for indices in ([3], [22, 0, 7, 7], [], np.arange(23, dtype=np.uint8)):
            rows = store.rows(layer, indices)
            assert rows.dtype == np.float32
            assert type(rows) is np.ndarray
            np.testing.assert_array_equal(rows, captured[layer].astype(np.float32)[np.asarray(indices, dtype=int)])
        np.testing.assert_array_equal(store.rows(layer), captured[layer].astype(np.float32))


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    for name, size in (("a", 5), ("b", 7)):
        ActivationStore.write(tmp_path / name, FakeAgent(), BOARDS, ["input", "a/b"], batch_size=size)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["a%2Fb.bin", "activations.json", "input.bin"]
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_other_positions_have_another_checksum(tmp_path: Path) -> None:
    lists = [BOARDS, BOARDS[::-1], [board.copy(stack=False) for board in BOARDS]]
    stores = [
        ActivationStore.write(tmp_path / str(i), FakeAgent(), boards, ["input"]) for i, boards in enumerate(lists)
    ]
    assert len({store.positions_sha256 for store in stores}) == 3


def test_writing_holds_one_batch_and_reports_progress(tmp_path: Path) -> None:
    drawn = 0

    def boards() -> Iterator[chess.Board]:
        nonlocal drawn
        for board in BOARDS:
            drawn += 1
            yield board

    agent, reports = FakeAgent(), []

    def report(done: int) -> None:
        reports.append(done)
        assert drawn <= sum(reports)

    ActivationStore.write(tmp_path / "store", agent, boards(), ["input"], batch_size=8, progress=report)
    assert reports == agent.batches == [8, 8, 7]


def test_an_interrupted_write_leaves_the_old_store(tmp_path: Path) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    ActivationStore.write(tmp_path / "store", FakeAgent(), BOARDS[:4], ["input"])
    with pytest.raises(KeyboardInterrupt):
        ActivationStore.write(tmp_path / "store", FakeAgent(), BOARDS, ["input"], progress=interrupt)
    assert len(ActivationStore.open(tmp_path / "store")) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    ActivationStore.write(tmp_path / "store", FakeAgent(), BOARDS, ["block1"])
    assert ActivationStore.open(tmp_path / "store").layers == ("block1",)


def test_other_peoples_folders_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="not an activation store"):
        ActivationStore.write(tmp_path, FakeAgent(), BOARDS, ["input"])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_rows_that_are_not_there_are_refused(tmp_path: Path) -> None:
    store = ActivationStore.write(tmp_path / "store", FakeAgent(), BOARDS, ["input"])
    for indices in ([23], [-1], [0, 99]):
        with pytest.raises(InputError, match=r"must lie in \[0, 23\)"):
            store.rows("input", indices)
    for indices in ([0.5], [[0]], 3, [True, False]):
        with pytest.raises(InputError, match="integers"):
            store.rows("input", indices)
    with pytest.raises(InputError, match=r"Layer 'block1' is not in .* choose from input"):
        store.rows("block1", [0])


def test_damaged_stores_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with pytest.raises(InputError, match="is not an activation store"):
        ActivationStore.open(folder)
    ActivationStore.write(folder, FakeAgent(), BOARDS, ["input"])
    data, header = (folder / "input.bin").read_bytes(), (folder / "activations.json").read_text()
    (folder / "input.bin").write_bytes(data[:-1])
    with pytest.raises(InputError, match=r"input\.bin has 275 bytes instead of 276"):
        ActivationStore.open(folder)
    (folder / "input.bin").unlink()
    with pytest.raises(InputError, match="0 bytes instead of 276"):
        ActivationStore.open(folder)
    changed = json.loads(header)
    changed["layers"][0]["file"] = "../input.bin"
    for text in ("{", json.dumps(changed)):
        (folder / "activations.json").write_text(text)
        with pytest.raises(InputError, match=r"activations\.json is not a readable header"):
            ActivationStore.open(folder)


@pytest.fixture(scope="module")
def agent() -> Agent:
    """A small real network with random weights."""
    torch.manual_seed(0)
    return Agent(Network(NetworkConfig(Tower(8, blocks=2), value=ValueHead(4, 16))), "small")


def test_a_real_networks_layers_are_flattened_channel_by_channel(agent: Agent, tmp_path: Path) -> None:
    captured = capture(agent, BOARDS, agent.layers, batch_size=9)
    assert list(captured) == list(agent.layers)
    assert captured["block2"].shape == (len(BOARDS), 8 * 64)
    assert captured["value_hidden"].shape == (len(BOARDS), 16)
    store = ActivationStore.write(tmp_path / "store", agent, BOARDS, ["block2"], batch_size=9)
    assert store.agent_sha256 == agent.sha256
    np.testing.assert_allclose(store.rows("block2"), captured["block2"], rtol=1e-3, atol=1e-4)


def test_a_real_networks_activations_do_not_depend_on_the_batch(agent: Agent) -> None:
    whole, single = capture(agent, BOARDS, ["block2"]), capture(agent, BOARDS, ["block2"], batch_size=1)
    np.testing.assert_allclose(whole["block2"], single["block2"], rtol=1e-4, atol=1e-5)
