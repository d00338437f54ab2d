"""The split-half null of novelty: how large are the scores when it is random which games are the machine's?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError
from conceptmine.mining.matrices import require_finite
from conceptmine.novelty.scores import check_corpora
from conceptmine.novelty.spectrum import (
    RANK_TOLERANCE,
    Spectrum,
    feature_gram,
    row_gram,
    scores,
    spectrum_from_features,
    spectrum_from_rows,
)

# Scores that are equal on paper, such as 0 where both bases span everything, differ by rounding.
_SAME = 1e-12


@dataclass(frozen=True, eq=False)
class NoveltyNull:
    """Novelty scores of n vectors at K ranks against corpora whose games were exchanged at random.

    p             float64 [n] in (0, 1]: (1 + permutations whose min_k S_k reaches the observed) / (1 + permutations).
    p_mean        float64 [n] in (0, 1]: the same for the mean over k of S_k.
    observed      float64 [n, K]: S_k on the true corpora, cut to `rows` rows each as the permuted ones are.
    low, high     float64 [n, K]: quantiles of the permuted S_k at each k.
    rows          rows per corpus in every comparison.
    permutations  how many were drawn.
    """

    p: NDArray[np.float64]
    p_mean: NDArray[np.float64]
    observed: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    rows: int
    permutations: int


def novelty_null(
    vectors: ArrayLike,
    human: ArrayLike,
    machine: ArrayLike,
    ranks: ArrayLike,
    human_games: ArrayLike,
    machine_games: ArrayLike,
    *,
    permutations: int = 199,
    seed: int | np.random.Generator = 0,
    interval: float = 0.95,
    tolerance: float = RANK_TOLERANCE,
) -> NoveltyNull:
    """Test min_k S_k of each vector against corpora whose whole games have exchanged places.

    The minimum is what the paper's rule "positive at every k" looks at. It is often decided at the smallest k, where
    few directions have entered and S_k is next to 0 for most vectors; the mean over k (`p_mean`) then has more power.

    If human and machine games were drawn from one distribution, which corpus a game belongs to would be a label
    without meaning. Each permutation shuffles all games and deals them into two corpora of equal size. Positions of one
    game are alike, so no game is in both: the last one dealt to a corpus is cut at the row that fills it and its rest
    left out. `rows` is the largest size that every shuffle can fill, N less half of the longest game.

    vectors, human, machine, ranks, tolerance   as in `novelty_scores`.
    human_games, machine_games  [N], the game of each row (integers or strings); ids are not compared between corpora.
                                At least two games in each.
    permutations  of the games; p is at least 1 / (1 + permutations).
    seed          seed or generator.
    interval      mass between `low` and `high`, in (0, 1).

    With N ≤ d the union's Gram matrix [2N, 2N] and scores are computed once, and a permutation costs two
    eigendecompositions of [rows, rows]; with N > d two products and two eigendecompositions of [d, d].

    Raises InputError as `novelty_scores`, and on game ids of the wrong shape or a single game.
    """
    directions, human_corpus, machine_corpus, grid = check_corpora(vectors, human, machine, ranks, tolerance)
    if permutations < 1:
        raise InputError(f"permutations must be at least 1, not {permutations}")
    if not 0 < interval < 1:
        raise InputError(f"interval must lie between 0 and 1, not {interval}")
    rows_in_corpus = len(human_corpus)
    own_games = _games(human_games, rows_in_corpus, "human_games", first_row=0)
    other_games = _games(machine_games, rows_in_corpus, "machine_games", first_row=rows_in_corpus)
    longest = max(len(game) for game in own_games + other_games)
    size = rows_in_corpus - longest // 2

    halves = _Halves(human_corpus, machine_corpus, directions, tolerance)
    generator = np.random.default_rng(seed)
    observed = halves.score(
        np.concatenate(_shuffled(own_games, generator))[:size],
        np.concatenate(_shuffled(other_games, generator))[:size],
        grid,
    )
    drawn = np.empty((permutations, *observed.shape))
    for permutation in range(permutations):
        drawn[permutation] = halves.score(*_dealt(_shuffled(own_games + other_games, generator), size), grid)
    low, high = np.quantile(drawn, (0.5 - interval / 2, 0.5 + interval / 2), axis=0)
    return NoveltyNull(
        p=_exceedance(drawn.min(axis=2), observed.min(axis=1)),
        p_mean=_exceedance(drawn.mean(axis=2), observed.mean(axis=1)),
        observed=observed,
        low=low,
        high=high,
        rows=size,
        permutations=permutations,
    )


def _exceedance(drawn: NDArray[np.float64], observed: NDArray[np.float64]) -> NDArray[np.float64]:
    p: NDArray[np.float64] = (1 + (drawn >= observed - _SAME).sum(axis=0)) / (1 + len(drawn))
    return p


class _Halves:
    """Scores for any two halves of the union of both corpora, from quantities computed once."""

    def __init__(
        self, human: NDArray[Any], machine: NDArray[Any], vectors: NDArray[np.float64], tolerance: float
    ) -> None:
        self._vectors, self._tolerance = vectors, tolerance
        require_finite(human, "human")
        require_finite(machine, "machine")
        self._union = np.concatenate([human, machine])
        self._by_rows = human.shape[0] <= human.shape[1]
        if self._by_rows:
            self._gram = row_gram(self._union, "human and machine")
            self._scores = scores(self._union, vectors, "human and machine")

    def score(
        self, human: NDArray[np.int64], machine: NDArray[np.int64], ranks: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        return self._spectrum(machine).explained_by(ranks) - self._spectrum(human).explained_by(ranks)

    def _spectrum(self, rows: NDArray[np.int64]) -> Spectrum:
        if self._by_rows:
            gram = self._gram[np.ix_(rows, rows)]
            return spectrum_from_rows(gram, self._scores[rows], self._vectors, self._tolerance)
        gram = feature_gram(self._union[rows], "human and machine")
        return spectrum_from_features(gram, self._vectors, self._tolerance)


def _games(games: ArrayLike, rows: int, name: str, *, first_row: int) -> list[NDArray[np.int64]]:
    """The rows of the union that belong to each game, one array a game."""
    labels = np.asarray(games)
    if labels.shape != (rows,):
        raise InputError(f"{name} must give one game per row of its corpus, shape ({rows},), not {labels.shape}")
    if labels.dtype.kind not in "iuUS":
        raise InputError(f"{name} must be integers or strings, not {labels.dtype}")
    unique, index = np.unique(labels, return_inverse=True)
    if len(unique) < 2:
        raise InputError(f"{name} holds a single game; a null by game needs at least two")
    order = np.argsort(index, kind="stable")
    return np.split(first_row + order, np.cumsum(np.bincount(index))[:-1])


def _shuffled(games: list[NDArray[np.int64]], generator: np.random.Generator) -> list[NDArray[np.int64]]:
    return [games[i] for i in generator.permutation(len(games))]


def _dealt(games: list[NDArray[np.int64]], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two halves of `size` rows each with no game in both: the game at the border is cut, its rest left out."""
    ends = np.cumsum([len(game) for game in games])
    border = int(np.searchsorted(ends, size)) + 1
    first, second = np.concatenate(games[:border]), np.concatenate(games[border:])
    return first[:size], second[:size]
