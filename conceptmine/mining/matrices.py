"""Border checks of the array packages: a matrix must be real, two-dimensional, non-empty and finite."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError


def real_matrix(values: ArrayLike, name: str, *, rows_required: bool = True) -> NDArray[Any]:
    """`values` as a two-dimensional real array with at least one row and one column, not copied when it is one already.

    No rows at all are let pass where they are not required.

    Finiteness is not looked at here, so that a memory-mapped matrix stays on disk: see `float64_block`.

    Raises InputError naming the argument `name` and what to do about it.
    """
    try:
        matrix = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InputError(f"{name} must be a matrix of numbers with rows of equal length: {error}") from error
    if matrix.dtype.kind not in "fiub":
        raise InputError(f"{name} must hold real numbers, not {matrix.dtype}; convert it to float32 or float64")
    if matrix.ndim != 2:
        raise InputError(
            f"{name} must be two-dimensional [rows, features], not of shape {matrix.shape}; flatten each activation"
        )
    if rows_required and matrix.shape[0] == 0:
        raise InputError(f"{name} has no rows (shape {matrix.shape}); give at least one")
    if matrix.shape[1] == 0:
        raise InputError(f"{name} has no features (shape {matrix.shape}); give at least one column")
    return matrix


def float64_block(block: NDArray[Any], name: str, *, row: int = 0, column: int = 0) -> NDArray[np.float64]:
    """A part of a matrix as contiguous float64, checked to be finite.

    `row` and `column` say where the part starts in the matrix, for the message.

    Raises InputError naming the first number that is NaN or infinite.
    """
    converted = np.ascontiguousarray(block, dtype=np.float64)
    if not np.isfinite(converted).all():
        at = np.argwhere(~np.isfinite(converted))[0]
        raise InputError(
            f"{name} holds {converted[at[0], at[1]]} at row {row + int(at[0])}, column {column + int(at[1])}; "
            "drop that row or repair the activations it was made from"
        )
    return converted


def require_finite(matrix: NDArray[Any], name: str, *, chunk_rows: int = 256) -> None:
    """Raise InputError naming the first NaN or infinite number of a matrix, reading `chunk_rows` rows at a time."""
    for start in range(0, len(matrix), chunk_rows):
        float64_block(matrix[start : start + chunk_rows], name, row=start)


def float64_matrix(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """A whole matrix [rows, features] as contiguous float64, checked by `real_matrix` and `float64_block`."""
    return float64_block(real_matrix(values, name), name)
