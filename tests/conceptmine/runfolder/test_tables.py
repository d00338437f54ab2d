"""Tables and arrays come back as they were written, and equal content gives equal bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from conceptmine.errors import InputError
from conceptmine.runfolder import read_arrays, read_rows, read_table, schemas, write_arrays, write_rows

GAME = {"game_id": "0f", "corpus": "machine", "fen": None, "moves": "e2e4 e7e5", "result": "*"}


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [GAME, {**GAME, "game_id": "1f", "fen": "8/8/8/8/8/8/8/K1k5 w - - 0 1", "moves": ""}]
    assert write_rows(tmp_path / "games.parquet", rows, schemas.GAMES) == 2
    assert read_rows(tmp_path / "games.parquet", schemas.GAMES) == rows


def test_a_table_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    assert write_rows(tmp_path / "games.parquet", [], schemas.GAMES) == 0
    assert read_table(tmp_path / "games.parquet", schemas.GAMES).schema == schemas.GAMES


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_rows(tmp_path / name, ({**GAME, "game_id": str(i)} for i in range(3000)), schemas.GAMES)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_more_rows_than_a_group_holds_keep_their_order(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("i", pa.int32(), nullable=False)])
    assert write_rows(tmp_path / "t", ({"i": i} for i in range(70_000)), schema) == 70_000
    assert read_table(tmp_path / "t")["i"].to_pylist() == list(range(70_000))


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({key: value for key, value in GAME.items() if key != "result"}, "result"),
        ({**GAME, "elo": 2800}, "elo"),
        ({**GAME, "moves": None}, "moves"),
        ({**GAME, "moves": 7}, "moves"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_and_nothing_is_written(
    tmp_path: Path, row: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        write_rows(tmp_path / "games.parquet", [GAME, row], schemas.GAMES)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_source_of_rows_leaves_nothing(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield GAME
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_rows(tmp_path / "games.parquet", rows(), schemas.GAMES)
    assert list(tmp_path.iterdir()) == []


def test_a_table_may_have_more_columns_than_are_asked_for(tmp_path: Path) -> None:
    wider = schemas.GAMES.append(pa.field("elo", pa.int32()))
    write_rows(tmp_path / "games.parquet", [{**GAME, "elo": 2800}], wider)
    assert read_rows(tmp_path / "games.parquet", schemas.GAMES) == [GAME]


def test_unusable_tables_are_named_with_their_fault(tmp_path: Path) -> None:
    path = tmp_path / "games.parquet"
    with pytest.raises(InputError, match="does not exist"):
        read_rows(path)
    path.write_bytes(b"PAR1 and then nothing of the kind")
    with pytest.raises(InputError, match=r"games\.parquet is not a readable Parquet file"):
        read_rows(path)
    write_rows(path, [{"game_id": 7}], pa.schema([pa.field("game_id", pa.int64())]))
    with pytest.raises(InputError, match=r"Column game_id of .* should be string but is int64"):
        read_rows(path, schemas.GAMES)
    loose = pa.schema([field.with_nullable(True) for field in schemas.GAMES])
    write_rows(path, [{**GAME, "moves": None}], loose)
    with pytest.raises(InputError, match="lacks values"):
        read_rows(path, schemas.GAMES)


def test_arrays_come_back_as_they_were_written(tmp_path: Path) -> None:
    grid = np.arange(12, dtype=np.float32).reshape(3, 4)
    arrays = {
        "plain": grid,
        "transposed": grid.T,
        "strided": grid[:, ::2],
        "foreign": grid.astype(">f4"),
        "empty": np.empty((0, 5), dtype=np.float64),
        "counts": np.array([1, 2], dtype=np.int64),
    }
    write_arrays(tmp_path / "vectors.safetensors", arrays)
    loaded = read_arrays(tmp_path / "vectors.safetensors")
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].dtype == array.dtype.newbyteorder("=")


def test_equal_arrays_give_equal_bytes(tmp_path: Path) -> None:
    arrays = {f"block{i}": np.full((2, 3), i, dtype=np.float64) for i in range(9)}
    write_arrays(tmp_path / "a", arrays)
    write_arrays(tmp_path / "b", dict(reversed(arrays.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_unusable_arrays_are_named(tmp_path: Path) -> None:
    path = tmp_path / "vectors.safetensors"
    with pytest.raises(InputError, match="does not exist"):
        read_arrays(path)
    write_arrays(path, {"a": np.zeros(100)})
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"vectors\.safetensors is not a readable safetensors file"):
        read_arrays(path)
