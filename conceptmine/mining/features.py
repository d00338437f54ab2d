"""Which features a vector may use, and in which units the norm counts them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError
from conceptmine.mining.rows import Places, Vector

Scaling = Literal["none", "deviation", "quantile"]

SCALING_QUANTILE = 0.95
"""The "quantile" unit of a feature is this quantile of its sizes."""

SQUARES = 64


@dataclass(frozen=True, eq=False)
class FeatureFrame:
    """How the features of a programme lie in those of the layer.

    width    d, features of the layer.
    chosen   int64 [k] ascending, the features that a vector may use; None for all.
    scaling  name of the rule behind ``units``.
    units    float64 [k], what counts as 1 of each chosen feature; None where nothing is scaled.
    """

    width: int
    chosen: Places | None
    scaling: Scaling
    units: Vector | None

    def vector(self, solved: Vector) -> Vector:
        """The solver's vector [k], on scaled features, as one of the layer in its own units [d]."""
        values = solved if self.units is None else solved / self.units
        return self.spread(values, 0.0)

    def spread(self, values: Vector, elsewhere: float) -> Vector:
        """Numbers of the chosen features [k] in their places, another one elsewhere [d]."""
        if self.chosen is None:
            return values
        spread = np.full(self.width, elsewhere)
        spread[self.chosen] = values
        return spread


def square_features(squares: Iterable[int], width: int) -> Places:
    """The features of some squares in a flattened layer, for `minimal_vector(..., features=...)`; int64, ascending.

    squares  0 (a1) to 63 (h8), as `conceptmine.capture` numbers them: as the side to move sees the board.
    width    d, the number of features; feature 64 · channel + square.

    Raises InputError where there are no squares, one is out of range, or width is no multiple of 64.
    """
    wanted = sorted(set(squares))
    if width <= 0 or width % SQUARES:
        raise InputError(f"the layer has {width} features, which is no multiple of 64: it does not lie on the board")
    if not wanted or wanted[0] < 0 or wanted[-1] >= SQUARES:
        raise InputError(f"squares must be numbers from 0 (a1) to 63 (h8), at least one, not {wanted}")
    return np.flatnonzero(np.isin(np.arange(width) % SQUARES, wanted))


def chosen_features(features: ArrayLike | None, width: int) -> Places | None:
    """The argument ``features`` (None, a mask [d] or distinct indices) as ascending indices, checked."""
    if features is None:
        return None
    given = np.asarray(features)
    if given.ndim != 1 or given.dtype.kind not in "biu":
        raise InputError("features must be None, a boolean mask over the features, or a list of feature indices")
    if given.dtype.kind == "b":
        if len(given) != width:
            raise InputError(f"the mask of features has {len(given)} entries, but the rows have {width} features")
        indices = np.flatnonzero(given)
    else:
        indices = np.unique(given).astype(np.int64)
        if len(indices) != len(given):
            raise InputError("features names a feature twice; give each index once")
        if len(indices) and (indices[0] < 0 or indices[-1] >= width):
            raise InputError(f"features must lie between 0 and {width - 1}")
    if len(indices) == 0:
        raise InputError("features leaves no feature; name at least one")
    return indices


def feature_units(parts: Sequence[NDArray[Any]], scaling: Scaling, *, differences: bool) -> Vector | None:
    """The unit of each feature [k] from the rows of all parts together; None for "none".

    Of differences, whose sign only says which of two states is called the better one, the deviation is the root mean
    square, and the quantile is taken of the sizes |dᵢⱼ|. Of states both are taken about the feature's mean. A feature
    whose quantile is 0, because it is the same in nearly all rows, gets its largest size instead, 1 where that is
    0 too, or where there are no rows.

    Raises InputError for another name than those of `Scaling`.
    """
    if scaling == "none":
        return None
    if scaling not in ("deviation", "quantile"):
        raise InputError(f"scaling is {scaling!r}; expected 'none', 'deviation' or 'quantile'")
    width = parts[0].shape[1]
    if not any(map(len, parts)):
        return np.ones(width)
    units = np.empty(width)
    block = 512  # features at a time: a float64 copy of all activations would be twice their size
    for start in range(0, width, block):
        values = np.concatenate([part[:, start : start + block] for part in parts]).astype(np.float64)
        sizes = np.abs(values if differences else values - values.mean(axis=0))
        if scaling == "deviation":
            found = np.sqrt((sizes**2).mean(axis=0))
        else:
            found = np.quantile(sizes, SCALING_QUANTILE, axis=0)
        found = np.where(found > 0, found, sizes.max(axis=0))
        units[start : start + block] = np.where(found > 0, found, 1.0)
    return units
