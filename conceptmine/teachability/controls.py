"""Controls: what teaching with nothing in particular gives, to set a concept's teaching against."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError
from conceptmine.teachability.prototypes import Split

__all__ = ["random_concept", "random_positions"]


def random_positions(
    split: Split, games: ArrayLike, barred: ArrayLike, *, train_factor: float = 2.0, seed: int = 0
) -> Split:
    """Positions of the pool that show nothing in particular, for the control's lessons and exam.

    All games of the pool fall on one side, the games of the concept's own split on the side where they are there, so
    that neither student has seen a game of either exam.

    Args:
        split: how the concept's prototypes were parted.
        games: integers [pool], the game of each pool position.
        barred: bool [pool], True for positions that may not be drawn: every position that passes the concept's
            criterion (not only the prototypes kept), and those of the games it was mined from.
        train_factor: lessons offered for each prototype, at least 1 and as far as the pool has them; each seed of the
            teaching draws as many as there are prototypes.
        seed: of the draw.

    Returns:
        Places in the pool, rising; the test has as many as the concept's. Or the reason why there are too few.

    Raises:
        InputError: shapes do not match, the split is empty, or `train_factor` is below 1.
    """
    game, out = np.asarray(games), np.asarray(barred)
    if out.dtype != np.bool_ or out.shape != game.shape or game.ndim != 1:
        raise InputError(f"barred must be bool {list(game.shape)}, not {out.dtype} {list(out.shape)}.")
    if split.train.size == 0 or split.test.size == 0:
        raise InputError("The concept has no split, so there is nothing to match with random positions.")
    if train_factor < 1:
        raise InputError(f"train_factor is {train_factor}; the control needs at least one lesson for each prototype.")
    rng = np.random.default_rng(seed)
    test_games, train_games = np.unique(game[split.test]), np.unique(game[split.train])
    others = rng.permutation(np.setdiff1d(game, np.concatenate([test_games, train_games])))
    share = split.test.size / (split.test.size + split.train.size)
    test_side = np.isin(game, np.concatenate([test_games, others[: round(share * others.size)]]))
    free = ~out
    free[split.train] = free[split.test] = False
    offered_train, offered_test = np.flatnonzero(free & ~test_side), np.flatnonzero(free & test_side)
    if offered_train.size < split.train.size or offered_test.size < split.test.size:
        reason = (
            f"the pool has {offered_train.size} and {offered_test.size} other positions to train and test the control"
            f" with; {split.train.size} and {split.test.size} are needed"
        )
        return Split(np.empty(0, np.int64), np.empty(0, np.int64), reason)
    wanted = min(offered_train.size, round(train_factor * split.train.size))
    train = rng.choice(offered_train, size=wanted, replace=False)
    test = rng.choice(offered_test, size=split.test.size, replace=False)
    return Split(np.sort(train).astype(np.int64), np.sort(test).astype(np.int64), None)


def random_concept(dimension: int, seed: int) -> NDArray[np.float64]:
    """A random direction, whose prototypes show no concept: normal entries scaled by 1/d (Schut et al., section 8.6).

    Args:
        dimension: d, the number of values of the layer.
        seed: of the draw.

    Returns:
        float64 [d].
    """
    return np.random.default_rng(seed).standard_normal(dimension) / dimension
