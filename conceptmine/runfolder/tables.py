"""Parquet tables, written row by row, and arrays in safetensors files: both atomic, both the same bytes each time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from conceptmine.errors import InputError
from conceptmine.runfolder.atomic import atomic_path

__all__ = ["read_arrays", "read_rows", "read_table", "write_arrays", "write_rows"]

Row = Mapping[str, Any]

_ROWS_PER_GROUP: Final = 65_536
# Everything that shapes the file is fixed here, so that a change of the library's defaults does not change our bytes.
_PARQUET: Final[dict[str, Any]] = {
    "version": "2.6",
    "compression": "zstd",
    "compression_level": 3,
    "use_dictionary": True,
    "write_statistics": True,
    "data_page_version": "1.0",
    "data_page_size": 1 << 20,
    "store_schema": True,
}


def write_rows(path: Path, rows: Iterable[Row], schema: pa.Schema) -> int:
    """Write rows to a Parquet file (zstd), atomically and in bounded memory.

    Args:
        path: the file; its folder must exist.
        rows: mappings with exactly the schema's columns; None where a nullable column has no value.
        schema: names, types and nullability of the columns, in order.

    Returns:
        The number of rows written.

    Raises:
        ValueError: a row has other columns, a wrong type, or None in a column that must not be null.
    """
    names = set(schema.names)
    remaining = iter(rows)
    written = 0
    with atomic_path(path) as partial, pq.ParquetWriter(partial, schema, **_PARQUET) as writer:
        while chunk := list(islice(remaining, _ROWS_PER_GROUP)):
            for offset, row in enumerate(chunk):
                if row.keys() != names:
                    wrong = ", ".join(sorted(row.keys() ^ names))
                    raise ValueError(f"Row {written + offset} of {path.name} lacks or adds the column(s) {wrong}.")
            writer.write_table(_to_table(chunk, schema, path.name), row_group_size=_ROWS_PER_GROUP)
            written += len(chunk)
    return written


def _to_table(rows: list[Row], schema: pa.Schema, name: str) -> pa.Table:
    columns = []
    for field in schema:
        try:
            column = pa.array([row[field.name] for row in rows], type=field.type)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise ValueError(f"Column {field.name} of {name} must hold {field.type}: {error}.") from error
        if column.null_count and not field.nullable:
            raise ValueError(f"Column {field.name} of {name} must not hold nulls.")
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


def read_table(path: Path, schema: pa.Schema | None = None) -> pa.Table:
    """Read a Parquet file.

    Args:
        path: the file.
        schema: the columns it must have, in any order; the table then holds these columns in the schema's order. None
            takes the file as it is.

    Raises:
        InputError: no such file, not Parquet, or its columns are not the schema's.
    """
    try:
        table = pq.ParquetFile(path).read()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: the stage that writes it has not run yet; resume the run.") from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"{path} is not a readable Parquet file ({reason}): restore it, or mine again.") from None
    if schema is None:
        return table
    for field in schema:
        found = table.schema.field(field.name).type if field.name in table.schema.names else "missing"
        if found != field.type:
            raise InputError(
                f"Column {field.name} of {path} should be {field.type} but is {found}: the file was written by another "
                "version or changed by hand; mine again."
            )
    try:
        return table.select(schema.names).cast(schema)
    except (pa.ArrowException, ValueError) as error:
        raise InputError(f"{path} lacks values that must be there ({error}): mine again.") from None


def read_rows(path: Path, schema: pa.Schema | None = None) -> list[dict[str, Any]]:
    """Read a Parquet file as one dictionary a row; arguments and errors as for `read_table`."""
    rows: list[dict[str, Any]] = read_table(path, schema).to_pylist()
    return rows


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays to a safetensors file, atomically.

    Args:
        path: the file; its folder must exist.
        arrays: name -> array of any numeric dtype and shape; stored in C order, little endian.
    """
    # The format stores raw memory: views with strides or foreign byte order would be stored wrongly.
    plain = {name: np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")) for name, array in arrays.items()}
    with atomic_path(path) as partial:
        # Not `save_file`, which lets nobody but the owner read what it writes.
        partial.write_bytes(safetensors.numpy.save(plain))


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of a safetensors file.

    Raises:
        InputError: no such file, or not a whole safetensors file.
    """
    try:
        arrays: dict[str, NDArray[Any]] = safetensors.numpy.load_file(path)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: the stage that writes it has not run yet; resume the run.") from None
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(f"{path} is not a readable safetensors file ({error}): restore it, or mine again.") from None
    return arrays
