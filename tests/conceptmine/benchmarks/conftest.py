"""Synthetic rows that are like activations in what matters here: many features, few causes, correlated."""

from __future__ import annotations

from collections.abc import Callable

import chess
import numpy as np
import pytest

from conceptmine.benchmarks.siblings import PLIES, Siblings

Rows = Callable[..., Siblings]


@pytest.fixture
def siblings() -> Rows:
    """Makes siblings of so many roots and features from a seed; rows of a root share half of their variance."""

    def make(roots: int, features: int = 96, *, seed: int = 0) -> Siblings:
        generator = np.random.default_rng(seed)
        effects = generator.standard_normal((24, features))
        causes = generator.standard_normal((roots, 1, 24)) + generator.standard_normal((roots, len(PLIES), 24))
        noise = generator.standard_normal((roots, len(PLIES), features))
        differences = (causes @ effects + 2 * noise).astype(np.float32)
        return Siblings(differences, tuple(chess.Board() for _ in range(roots)))

    return make
