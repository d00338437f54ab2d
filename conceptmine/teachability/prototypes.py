"""Prototypes: the positions of a pool that show a concept, and their split into lessons and exam.

A dynamic concept is shown by a position in whose own search tree the concept prefers the best line to every subpar
line, at every ply that tells them apart: ``D v > 0`` for all contrast rows ``D`` of the tree. A static concept is shown
by the positions with the highest scores ``v · z`` (Schut et al., section 4.2.1). Where the paper leaves the order and
the number of dynamic prototypes open, they are ranked by their smallest normalised margin, and at most the top 2.5 % of
the pool is kept, as for static concepts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError

__all__ = [
    "Prototypes",
    "Split",
    "dynamic_prototypes",
    "position_margins",
    "row_norms",
    "split_by_game",
    "static_prototypes",
]

TOP_FRACTION = 0.025
"""Share of the pool that is kept, as in the paper."""

MINIMUM_PROTOTYPES = 20
MAXIMUM_PROTOTYPES = 1000

# Rows are read in blocks of about this many bytes, so that a pool larger than memory may be a memory map.
_BLOCK_BYTES = 1 << 26


@dataclass(frozen=True)
class Prototypes:
    """The positions of a pool that show one concept.

    Attributes:
        positions: int64 [n], places in the pool, best first.
        scores: float64 [n], what they were ranked by: the smallest normalised margin in (0, 1] for a dynamic concept,
            ``v · z`` for a static one.
        satisfying: how many pool positions passed the criterion, before exclusions, duplicates and the cap.
        reason: why the concept cannot be taught with these, as a sentence; None when there are enough.
    """

    positions: NDArray[np.int64]
    scores: NDArray[np.float64]
    satisfying: int
    reason: str | None


@dataclass(frozen=True)
class Split:
    """Positions of a pool parted by game.

    Attributes:
        train: int64 [n_train], places in the pool, in the order they were given.
        test: int64 [n_test], likewise; no game has positions on both sides.
        reason: why no such split exists, as a sentence (both sides are then empty); None when it does.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    reason: str | None


def row_norms(differences: ArrayLike) -> NDArray[np.float64]:
    """Euclidean norms of the contrast rows of a pool; computed once, they serve every concept of a layer.

    Args:
        differences: [rows, d] differences of activations, best line minus subpar line; may be a memory map.

    Returns:
        float64 [rows].

    Raises:
        InputError: not two-dimensional, or a value is not finite.
    """
    rows = _rows(differences)
    norms = np.empty(rows.shape[0], dtype=np.float64)
    for block in _blocks(rows):
        part = np.asarray(rows[block], dtype=np.float64)
        norms[block] = np.sqrt(np.einsum("rd,rd->r", part, part))
    if not np.isfinite(norms).all():
        where = int(np.flatnonzero(~np.isfinite(norms))[0])
        raise InputError(f"Contrast row {where} of the pool holds a value that is not finite; compute it anew.")
    return norms


def position_margins(
    vectors: ArrayLike,
    differences: ArrayLike,
    row_position: ArrayLike,
    n_positions: int,
    *,
    norms: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Smallest normalised margin of each pool position under each concept.

    ``min over the rows r of a position of (D_r · v) / (‖D_r‖ ‖v‖)``. A row without any difference has margin 0, so
    its position is never a prototype: a tie is not a preference.

    Args:
        vectors: [k, d] concept vectors, none of them zero.
        differences: [rows, d] contrast rows of all pool positions; may be a memory map, read once for all concepts.
        row_position: [rows] integers, the pool position that each row belongs to.
        n_positions: size of the pool.
        norms: float64 [rows], as `row_norms` gives them; computed here by default.

    Returns:
        float64 [k, n_positions] in [-1, 1]; NaN for a position that has no rows.

    Raises:
        InputError: shapes do not match, a position is out of range, a vector is zero or not finite.
    """
    rows = _rows(differences)
    v = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
    if v.ndim != 2 or v.shape[1] != rows.shape[1]:
        raise InputError(f"Concept vectors of shape {list(v.shape)} do not fit rows of {rows.shape[1]} values.")
    lengths = np.linalg.norm(v, axis=1)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        where = int(np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))[0])
        raise InputError(f"Concept vector {where} is zero or not finite, so no position can show it; leave it out.")
    owner = _integers(row_position, "row_position", rows.shape[0])
    if owner.size and not (owner.min() >= 0 and owner.max() < n_positions):
        raise InputError(
            f"row_position runs from {owner.min()} to {owner.max()}; the pool has {n_positions} positions."
        )
    norms = row_norms(rows) if norms is None else norms
    if norms.shape != owner.shape:
        raise InputError(f"norms has shape {list(norms.shape)}; expected one value for each of {owner.size} rows.")
    # Sparse concepts touch few columns; only those are multiplied.
    used = np.flatnonzero(v.any(axis=0))
    directions = (v[:, used] / lengths[:, None]).T
    safe = np.where(norms > 0, norms, 1.0)
    smallest = np.full((n_positions, v.shape[0]), np.inf)
    for block in _blocks(rows):
        part = np.asarray(rows[block][:, used], dtype=np.float64)
        margins = np.clip(part @ directions / safe[block, None], -1.0, 1.0)
        order = np.argsort(owner[block], kind="stable")
        places, starts = np.unique(owner[block][order], return_index=True)
        smallest[places] = np.minimum(smallest[places], np.minimum.reduceat(margins[order], starts))
    smallest[np.bincount(owner, minlength=n_positions) == 0] = np.nan
    return np.ascontiguousarray(smallest.T)


def dynamic_prototypes(
    margins: ArrayLike,
    games: ArrayLike,
    *,
    keys: ArrayLike | None = None,
    excluded_games: ArrayLike = (),
    top_fraction: float = TOP_FRACTION,
    minimum: int = MINIMUM_PROTOTYPES,
    maximum: int = MAXIMUM_PROTOTYPES,
) -> Prototypes:
    """Pool positions that show a dynamic concept: every contrast row of their own tree satisfied, strictly.

    Args:
        margins: [n] smallest normalised margins of one concept, from `position_margins`.
        games: [n] integers, the game each pool position comes from.
        keys: [n] values that are equal for positions equal up to their history (say, a hash of board, side to move and
            rights); of each group only the best-ranked position is kept. None: nothing is a duplicate.
        excluded_games: games that the concept was mined from; their positions are never prototypes.
        top_fraction: at most this share of the pool is kept (but never fewer than `minimum` for that reason).
        minimum: fewer prototypes than this are too few to teach with.
        maximum: most prototypes kept.

    Returns:
        The prototypes, by falling margin (ties: the earlier position first).

    Raises:
        InputError: shapes do not match, or a number is out of its range.
    """
    scores = np.asarray(margins, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        passed = scores > 0
    return _best(scores, passed, games, keys, excluded_games, top_fraction, minimum, maximum)


def static_prototypes(
    scores: ArrayLike,
    games: ArrayLike,
    *,
    keys: ArrayLike | None = None,
    excluded_games: ArrayLike = (),
    top_fraction: float = TOP_FRACTION,
    minimum: int = MINIMUM_PROTOTYPES,
    maximum: int = MAXIMUM_PROTOTYPES,
) -> Prototypes:
    """Pool positions that show a static concept: the top share of the pool by score ``v · z``.

    Args:
        scores: [n] concept scores of the pool positions.
        games: as for `dynamic_prototypes`, and so are the keywords.

    Returns:
        The prototypes, by falling score (ties: the earlier position first).

    Raises:
        InputError: shapes do not match, a score is not finite, or a number is out of its range.
    """
    values = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError("A concept score of the pool is not finite; compute the activations anew.")
    passed = np.ones(values.shape, dtype=bool)
    return _best(values, passed, games, keys, excluded_games, top_fraction, minimum, maximum)


def split_by_game(
    positions: ArrayLike,
    games: ArrayLike,
    *,
    test_fraction: float = 0.2,
    minimum_test: int = 5,
    seed: int = 0,
) -> Split:
    """Part prototypes into training and test positions so that no game is on both sides.

    Games are taken for the test in random order while they fit into the wanted number; if that leaves the test short of
    its minimum, the smallest games that remain are added.

    Args:
        positions: [n] places in the pool, as in `Prototypes.positions`.
        games: integers [pool], the game of each pool position.
        test_fraction: wanted share of the test, in (0, 1); 0.2 in the paper.
        minimum_test: fewest test positions.
        seed: of the order of games.

    Returns:
        The split, or the reason why there is none.

    Raises:
        InputError: a place outside the pool, or `test_fraction` out of its range.
    """
    pool_games = np.asarray(games)
    places = _integers(positions, "positions")
    if places.size and not (places.min() >= 0 and places.max() < pool_games.size):
        raise InputError(
            f"Prototypes stand at {places.min()} to {places.max()}; the pool has {pool_games.size} positions."
        )
    if not 0 < test_fraction < 1:
        raise InputError(f"test_fraction is {test_fraction}; it must lie between 0 and 1.")
    own_games = pool_games[places]
    names, sizes = np.unique(own_games, return_counts=True)
    order = np.random.default_rng(seed).permutation(names.size)
    wanted = max(minimum_test, round(test_fraction * places.size))
    chosen: list[int] = []
    count = 0
    for i in order:
        if count + sizes[i] <= wanted:
            chosen.append(int(i))
            count += int(sizes[i])
    for i in sorted((int(i) for i in order if int(i) not in set(chosen)), key=lambda i: int(sizes[i])):
        if count >= minimum_test:
            break
        chosen.append(i)
        count += int(sizes[i])
    if count < minimum_test or count >= places.size:
        reason = (
            f"{places.size} prototypes from {names.size} games cannot be parted by game with at least"
            f" {minimum_test} for the test"
        )
        return Split(np.empty(0, np.int64), np.empty(0, np.int64), reason)
    in_test = np.isin(own_games, names[chosen])
    return Split(places[~in_test], places[in_test], None)


def _best(
    scores: NDArray[np.float64],
    passed: NDArray[np.bool_],
    games: ArrayLike,
    keys: ArrayLike | None,
    excluded_games: ArrayLike,
    top_fraction: float,
    minimum: int,
    maximum: int,
) -> Prototypes:
    if scores.ndim != 1 or scores.size == 0:
        raise InputError(f"Expected one score for each pool position, not an array of shape {list(scores.shape)}.")
    if not 0 < top_fraction <= 1:
        raise InputError(f"top_fraction is {top_fraction}; it must lie in (0, 1].")
    if not 1 <= minimum <= maximum:
        raise InputError(
            f"The minimum {minimum} and maximum {maximum} of prototypes must satisfy 1 <= minimum <= maximum."
        )
    game = np.asarray(games)
    if game.shape != scores.shape:
        raise InputError(f"games has shape {list(game.shape)}; expected one game for each of {scores.size} positions.")
    excluded = np.isin(game, np.asarray(excluded_games, dtype=game.dtype))
    candidates = np.flatnonzero(passed & ~excluded)
    ranked = candidates[np.argsort(-scores[candidates], kind="stable")]
    if keys is not None:
        key = np.asarray(keys)
        if key.shape != scores.shape:
            raise InputError(f"keys has shape {list(key.shape)}; expected one key for each of {scores.size} positions.")
        # A position that the excluded games also reached was seen in mining, whichever game it is taken from.
        ranked = ranked[~np.isin(key[ranked], key[excluded])]
        _, first = np.unique(key[ranked], return_index=True)
        ranked = ranked[np.sort(first)]
    distinct = ranked.size
    limit = min(maximum, max(minimum, round(top_fraction * scores.size)))
    ranked = ranked[:limit].astype(np.int64)
    reason = None
    if distinct < minimum:
        reason = f"only {distinct} of {scores.size} pool positions are prototypes; at least {minimum} are needed"
    return Prototypes(ranked, scores[ranked], int(passed.sum()), reason)


def _rows(differences: ArrayLike) -> NDArray[np.generic]:
    rows = differences if isinstance(differences, np.ndarray) else np.asarray(differences)
    if rows.ndim != 2:
        raise InputError(f"Contrast rows must be [rows, d], not of shape {list(rows.shape)}.")
    return rows


def _blocks(rows: NDArray[np.generic]) -> list[slice]:
    size = max(1, _BLOCK_BYTES // max(1, 8 * rows.shape[1]))
    return [slice(start, min(start + size, rows.shape[0])) for start in range(0, rows.shape[0], size)]


def _integers(values: ArrayLike, name: str, length: int | None = None) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and not np.issubdtype(array.dtype, np.integer)):
        raise InputError(f"{name} must be a list of integers, not {array.dtype} of shape {list(array.shape)}.")
    if length is not None and array.size != length:
        raise InputError(f"{name} has {array.size} entries; expected {length}.")
    return array.astype(np.int64)
