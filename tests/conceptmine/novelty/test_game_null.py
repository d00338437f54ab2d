"""The null by game: calibrated where corpora are alike, also when rows of a game are, and sharp where they differ."""

from __future__ import annotations

import numpy as np
import pytest

from conceptmine.novelty import novelty_null, novelty_scores
from conceptmine.novelty.game_null import _dealt


def games_of(rng: np.random.Generator, rows: int, longest: int) -> np.ndarray:
    lengths = rng.integers(1, longest + 1, size=rows)
    return np.repeat(np.arange(rows), lengths)[:rows]


def corpus(
    rng: np.random.Generator, games: np.ndarray, features: int, extra: np.ndarray | None = None, strength: float = 8
) -> np.ndarray:
    """Rows of one game share most of what they are; `extra` is a direction of its own that some games have."""
    style = rng.normal(size=(games.max() + 1, features)) * np.linspace(2, 0.2, features)
    rows = style[games] + 0.3 * rng.normal(size=(len(games), features))
    if extra is not None:
        rows += strength * rng.normal(size=(games.max() + 1, 1))[games] * extra
    return rows


@pytest.mark.parametrize(("features", "longest"), [(30, 1), (30, 5), (10, 5)])
def test_p_is_uniform_when_both_corpora_are_alike(features: int, longest: int) -> None:
    rng = np.random.default_rng(features + longest)
    p = []
    for _ in range(120):
        own, other = games_of(rng, 16, longest), games_of(rng, 16, longest)
        vectors = rng.normal(size=(2, features))
        ranks = [1, 2, 4, 8]
        null = novelty_null(
            vectors,
            corpus(rng, own, features),
            corpus(rng, other, features),
            ranks,
            own,
            other,
            permutations=19,
            seed=rng,
        )
        p.append(np.stack([null.p, null.p_mean]))
    for values in np.concatenate(p, axis=1):
        for level in (0.05, 0.1, 0.25, 0.5):
            # The two vectors of one pair of corpora are not independent: the error is that of 120 draws.
            assert (values <= level).mean() <= level + 3.5 * np.sqrt(level * (1 - level) / 120)
        assert abs(values.mean() - 0.51) < 0.12


@pytest.mark.parametrize("features", [40, 14])
def test_a_direction_of_the_machine_only_is_found(features: int) -> None:
    rng = np.random.default_rng(1)
    extra = np.zeros(features)
    extra[-1] = 1
    own, other = games_of(rng, 24, 3), games_of(rng, 24, 3)
    human, machine = corpus(rng, own, features), corpus(rng, other, features, extra)
    vectors = np.stack([extra, -extra, np.eye(features)[0]])
    null = novelty_null(vectors, human, machine, [1, 2, 4, 8, 12], own, other, permutations=99)
    assert null.p[0] == null.p[1] == 0.01 and null.p[2] > 0.05
    assert null.p_mean[0] == 0.01 and null.p_mean[2] > 0.05
    assert (null.observed[0] > 0).all() and (null.observed[0, -1] > null.high[0, -1])
    assert (null.low <= null.high).all() and null.low.shape == (3, 5)


def test_the_mean_finds_what_is_not_the_first_direction() -> None:
    rng = np.random.default_rng(1)
    extra = np.eye(40)[39]
    own, other = games_of(rng, 24, 3), games_of(rng, 24, 3)
    human, machine = corpus(rng, own, 40), corpus(rng, other, 40, extra, strength=1.3)
    null = novelty_null(extra[None], human, machine, [1, 2, 4, 8, 12], own, other, permutations=99)
    assert null.p_mean[0] <= 0.03 and null.p[0] > 0.05


@pytest.mark.parametrize("features", [50, 10])
def test_one_row_a_game_observes_the_whole_corpora(features: int) -> None:
    rng = np.random.default_rng(2)
    human, machine = rng.normal(size=(20, features)), rng.normal(size=(20, features))
    vectors, ranks = rng.normal(size=(3, features)), [1, 3, 9]
    null = novelty_null(vectors, human, machine, ranks, np.arange(20), np.arange(20), permutations=5)
    assert null.rows == 20 and null.permutations == 5
    np.testing.assert_allclose(null.observed, novelty_scores(vectors, human, machine, ranks), atol=1e-10)


def test_dealing_fills_both_halves_and_shares_no_game() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        rows, longest = int(rng.integers(8, 40)), int(rng.integers(1, 7))
        labels = np.concatenate([games_of(rng, rows, longest), 1000 + games_of(rng, rows, longest)])
        order = np.argsort(labels, kind="stable")
        games = np.split(order, np.cumsum(np.unique(labels, return_counts=True)[1])[:-1])
        size = rows - max(len(game) for game in games) // 2
        first, second = _dealt([games[i] for i in rng.permutation(len(games))], size)
        assert len(first) == len(second) == size
        assert len(np.unique(np.concatenate([first, second]))) == 2 * size
        assert not set(labels[first]) & set(labels[second])


def test_equal_ids_in_both_corpora_are_different_games() -> None:
    rng = np.random.default_rng(4)
    human, machine = rng.normal(size=(12, 30)), rng.normal(size=(12, 30))
    same, apart = (
        novelty_null(np.eye(30)[:2], human, machine, [1, 2], np.arange(12), other, permutations=9)
        for other in (np.arange(12), np.array([f"game {i:02d}" for i in range(12)]))
    )
    np.testing.assert_array_equal(same.p, apart.p)


def test_same_seed_same_bytes() -> None:
    rng = np.random.default_rng(5)
    human, machine = rng.normal(size=(12, 30)), rng.normal(size=(12, 30))
    games = np.arange(12) // 2
    first, second = (
        novelty_null(np.eye(30)[:2], human, machine, [1, 2], games, games, permutations=19, seed=3) for _ in range(2)
    )
    assert first.p.tobytes() == second.p.tobytes() and first.high.tobytes() == second.high.tobytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"human_games": np.zeros(6, int)}, "human_games holds a single game"),
        ({"machine_games": np.arange(5)}, "machine_games must give one game per row"),
        ({"machine_games": np.arange(6.0)}, "integers or strings"),
        ({"permutations": 0}, "permutations"),
        ({"interval": 0.0}, "interval"),
        ({"machine": np.full((6, 4), np.nan)}, "machine holds nan at row 0, column 0"),
    ],
)
def test_bad_input_is_refused(changes: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {
        "vectors": np.eye(4),
        "human": np.ones((6, 4)),
        "machine": np.ones((6, 4)),
        "ranks": [1],
        "human_games": np.arange(6),
        "machine_games": np.arange(6),
    }
    with pytest.raises(ValueError, match=message):
        novelty_null(**arguments | changes)  # type: ignore[arg-type]
