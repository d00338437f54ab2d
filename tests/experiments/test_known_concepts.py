"""The experiment on known concepts: planted directions are found, noise is not, and the report says what was found."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import chess
import numpy as np
import pytest

from conceptmine.contrast.known import Cut, MatchedPositions, SuitePuzzle
from conceptmine.errors import InputError
from engines import load_agent
from engines.networks import Evaluation
from experiments import known_concepts
from experiments.known.amplification import amplification_table
from experiments.known.efficiency import SEEDS, SIZES, efficiency
from experiments.known.fitting import PENALTIES, SLACKS, Pairs, chosen_fit, logistic, mean_difference, sparsest
from experiments.known.judging import ordered, random_sparse, satisfaction, standard_error
from experiments.known.page import markdown, picture
from experiments.known.puzzles import suite_rows
from experiments.known.static import Examples, Refused, Task, control_shares, judge
from experiments.known.summary import curve_points, family_rows
from experiments.known.themes import FOLDS, ThemeTask, judge_theme, theme_vector

FEATURES = 60
PLANTED = (3, 17)


def planted_pairs(n: int, *, shift: float, seed: int = 0) -> Pairs:
    """Noise in strata that are far apart, with two features raised where the concept is present."""
    generator = np.random.default_rng(seed)
    strata = np.arange(n) % 3
    base = 5.0 * strata[:, None] * generator.standard_normal(FEATURES)
    positive, negative = (
        base + generator.standard_normal((n, FEATURES)),
        base + generator.standard_normal((n, FEATURES)),
    )
    positive[:, PLANTED] += shift
    return Pairs(positive, negative, strata, generator.random((2, n)) < 0.25)


def test_a_planted_direction_is_found_across_strata() -> None:
    train, test = planted_pairs(90, shift=4.0), planted_pairs(90, shift=4.0, seed=1)
    for fit in (sparsest(train, 10.0), logistic(train, 1e-2), mean_difference(train)):
        share = satisfaction(fit.vector, test.positive, test.negative, test.strata, test.strata)
        assert share > 0.97
    fit = sparsest(train, 10.0)
    assert fit.gap <= 1e-9
    assert set(PLANTED) <= set(np.argsort(-np.abs(fit.vector))[:2].tolist())


def test_noise_is_not_found() -> None:
    shares = []
    for seed in range(12):
        train, test = planted_pairs(60, shift=0.0, seed=seed), planted_pairs(60, shift=0.0, seed=100 + seed)
        vector = chosen_fit(sparsest, train, SLACKS).vector
        shares.append(satisfaction(vector, test.positive, test.negative, test.strata, test.strata))
    assert abs(np.mean(shares) - 0.5) < 0.04


def test_permuted_labels_keep_the_examples() -> None:
    pairs = planted_pairs(40, shift=3.0)
    swapped = pairs.swapped(np.random.default_rng(0))
    changed = (swapped.positive != pairs.positive).any(axis=1)
    assert 8 < changed.sum() < 32
    np.testing.assert_array_equal(swapped.positive + swapped.negative, pairs.positive + pairs.negative)
    np.testing.assert_array_equal(swapped.inner[0][changed], pairs.inner[1][changed])


def test_the_price_is_chosen_inside_the_training_games() -> None:
    pairs = planted_pairs(120, shift=1.0)
    assert chosen_fit(sparsest, pairs, SLACKS).price in SLACKS
    assert chosen_fit(logistic, pairs, PENALTIES).price in PENALTIES
    assert chosen_fit(sparsest, pairs.at(np.arange(10)), SLACKS).price == SLACKS[-1]


def test_identical_sides_give_no_direction() -> None:
    pairs = planted_pairs(20, shift=0.0)
    same = Pairs(pairs.positive, pairs.positive, pairs.strata, pairs.inner)
    assert not sparsest(same, 10.0).vector.any()


def test_ties_and_other_strata_do_not_count() -> None:
    vector = np.array([1.0, 0.0])
    positive, negative = [[1.0, 0.0], [0.0, 5.0]], [[0.0, 9.0], [-1.0, 0.0]]
    comparable, right = ordered(vector, positive, negative, [0, 1], [0, 0])
    assert comparable.tolist() == [[True, True], [False, False]]
    assert right.tolist() == [[True, True], [False, False]]
    assert satisfaction(vector, [[0.0, 5.0]], [[0.0, 9.0]], [0], [0]) == 0.0
    assert satisfaction(np.zeros(2), positive, negative, [0, 0], [0, 0]) == 0.0
    assert np.isnan(satisfaction(vector, positive, negative, [0, 0], [1, 1]))


def test_the_error_is_that_of_the_games() -> None:
    comparable = np.ones((30, 30), dtype=bool)
    generator = np.random.default_rng(0)
    right = generator.random((30, 1)) < np.full((30, 30), 0.5)  # a game is right against all others or none
    games = [f"a{i}" for i in range(30)], [f"b{i}" for i in range(30)]
    error = standard_error(comparable, right, *games, generator)
    assert 0.06 < error < 0.13  # √(¼ / 30) = 0.09, not √(¼ / 900)


def test_random_directions_have_the_same_entries() -> None:
    vector = np.zeros(50)
    vector[[3, 4]] = (2.0, -1.0)
    alive = np.arange(50) < 20
    drawn = random_sparse(vector, alive, 5, np.random.default_rng(0))
    assert not drawn[:, 20:].any()
    assert all(sorted(row[row != 0]) == [-1.0, 2.0] for row in drawn)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """A concept planted in the activations of 400 positions of as many games."""
    generator = np.random.default_rng(5)
    values = generator.standard_normal((400, FEATURES)).astype(np.float32)
    values[:200, PLANTED[0]] += 3.0
    np.save(tmp_path / "layer.npy", values)
    train = MatchedPositions(np.arange(0, 120), np.arange(200, 320), np.zeros(120, np.int64))
    test = MatchedPositions(np.arange(120, 160), np.arange(320, 360), np.zeros(40, np.int64))
    examples = Examples("planted", "tests", "A shift.", "nothing", Cut(0, 1), train, test)
    return Task(examples, "layer", tmp_path / "layer.npy", [f"game{i}" for i in range(400)], 0)


def test_judging_a_concept(task: Task) -> None:
    judged = judge(task)
    assert judged.satisfaction > 0.9
    assert judged.compared == 1600
    assert 0 < judged.standard_error < 0.05
    assert judged.logistic > 0.9
    assert judged.mean_difference > 0.9
    permuted = [judge(replace(task, seed=seed)).permuted for seed in range(24)]
    assert abs(np.mean(permuted) - 0.5) < 0.1  # one alone varies by 0.18
    assert abs(judged.random_mean - 0.5) < 0.1


def test_controls_are_turned_by_the_training_pairs(task: Task) -> None:
    falling = -np.arange(400.0)
    shares = control_shares(task.examples, {"place": falling, "same": np.zeros(400)})
    assert shares == {"place": 1.0, "same": 0.0}


def test_more_examples_help(task: Task) -> None:
    points = efficiency(task)
    assert [point.examples for point in points] == list(SIZES)
    assert all(len(point.sparsest) == len(point.mean_difference) == SEEDS for point in points)
    curve = curve_points(points)
    assert curve[-1].sparsest > curve[0].sparsest + 0.01
    assert curve[0].low <= curve[0].sparsest <= curve[0].high


def theme_task(shift: float) -> ThemeTask:
    generator = np.random.default_rng(2)
    puzzle = np.repeat(np.arange(40), 2)
    rows = generator.standard_normal((80, FEATURES)).astype(np.float32)
    rows[:, PLANTED[1]] += shift
    return ThemeTask(
        theme="planted",
        layer="layer",
        differences=rows,
        value=rows[:, 0].astype(np.float64),
        puzzle=puzzle,
        fold=puzzle % FOLDS,
        others=generator.standard_normal((60, FEATURES)).astype(np.float32),
        others_puzzle=np.repeat(np.arange(100, 130), 2),
        seed=0,
    )


def test_judging_a_theme() -> None:
    judged, vectors = judge_theme(theme_task(3.0))
    assert judged.satisfaction > 0.9
    assert judged.puzzles == 40
    assert vectors.shape == (FOLDS, FEATURES)
    assert judged.widest_gap <= 1e-9
    assert abs(judged.value - 0.5) < 0.15
    permuted = [judge_theme(replace(theme_task(3.0), seed=seed))[0].permuted for seed in range(24)]
    assert abs(np.mean(permuted) - 0.5) < 0.1  # one alone varies by 0.15
    assert judge_theme(theme_task(0.0))[0].satisfaction < 0.65


def test_a_theme_without_a_direction() -> None:
    rows = np.array([[1.0, 0.0], [-1.0, 0.0]] * 8)
    vector, gap, _ = theme_vector(rows, np.repeat(np.arange(8), 2), 0)
    assert not vector.any()
    assert gap == 0.0


class _Steered:
    """Plays e2e4 where it is steered along +1, else a move without points."""

    def __init__(self, likes: bool) -> None:
        self.move = "e2e4" if likes else "a2a3"

    def evaluate(self, boards: list[chess.Board]) -> Evaluation:
        policy = [{chess.Move.from_uci(self.move): 0.9, chess.Move.from_uci("h2h3"): 0.1} for _ in boards]
        return Evaluation(policy, np.zeros((len(boards), 3), np.float32), np.zeros(len(boards), np.float32), None)


def test_amplification_scores_the_steered_network() -> None:
    puzzles = [SuitePuzzle(str(i), "t", chess.Board(), {chess.Move.from_uci("e2e4"): 1.0}) for i in range(40)]
    task = theme_task(1.0)
    vectors = [np.tile(np.eye(FEATURES)[0], (FOLDS, 1)), np.tile(-np.eye(FEATURES)[0], (FOLDS, 1))]
    table = amplification_table(
        lambda layer, vector, alpha, beta: _Steered(alpha > 0 and vector[0] > 0),
        [task, task],
        vectors,
        puzzles,
        betas=(0.01,),
        alphas=(0.0, 0.5),
    )
    assert [(point.alpha, point.concept) for point in table] == [(0.0, 0.0), (0.5, 0.5)]
    assert table[1].other_theme == 0.5
    assert table[0].gain == 0.0
    assert table[0].puzzles == 80


def test_rows_of_a_suite() -> None:
    agent = load_agent("ladder-final")
    puzzles = [
        SuitePuzzle("A.1", "A", chess.Board(), {chess.Move.from_uci("e2e4"): 1.0}),
        SuitePuzzle(
            "A.2", "A", chess.Board("7k/8/5KQ1/8/8/8/8/8 w - - 0 1"), {chess.Move.from_uci("g6g7"): 1.0}
        ),  # mates
    ]
    rows = suite_rows(agent, puzzles, ["block4"], simulations=24, seed=0)
    assert [puzzle.puzzle_id for puzzle in rows.puzzles] == ["A.1"]
    assert rows.skipped == 1
    assert sorted(set(rows.plies.tolist())) == [2, 4]
    differences = rows.differences("block4", np.arange(len(rows.puzzle)))
    assert differences.shape == (len(rows.puzzle), 2048)
    assert differences.any(axis=1).all()


def test_the_report_says_what_was_found_and_what_was_not_run(task: Task) -> None:
    judged = judge(task)
    rows = family_rows([judged], {"tests/planted": {"value head": 0.25}})
    curve = curve_points(efficiency(task))
    page = markdown("Title", ["a fact"], rows, curve, [], [Refused("rare", "tests", "3 pairs")], ["openings: none"])
    assert f"**{judged.satisfaction:.3f}**" in page
    assert "| 0.250 |" in page
    assert "**Not run**: openings: none" in page
    assert "| tests | rare | 3 pairs |" in page
    assert picture(rows, curve, "Title").startswith(b"\x89PNG")


def test_the_whole_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any file: positions of the human-imitation network, and the report says what is missing."""
    monkeypatch.setattr(known_concepts, "PLACES_OF_PROGRAMS", ("",))
    monkeypatch.setattr(known_concepts, "CURVE_CONCEPTS", 1)
    monkeypatch.setattr("experiments.known.positions.FEWEST_POSITIONS", 200)
    monkeypatch.setattr("experiments.known.static.FEWEST_TRAINING", 10)
    monkeypatch.setattr("experiments.known.static.FEWEST_TEST", 3)
    monkeypatch.setattr("experiments.known.measuring.CONCEPTS", known_concepts_of("own queen", "own rook"))
    known_concepts.run(
        argparse.Namespace(
            agent="ladder-final",
            games=[],
            openings=None,
            suite=None,
            stockfish=None,
            layers="block4",
            positions=400,
            simulations=16,
            workers=1,
            seed=0,
            out=tmp_path,
        )
    )
    content = json.loads((tmp_path / "known_concepts-ladder-final.json").read_text(encoding="utf-8"))
    assert [item.split(":")[0] for item in content["not_run"]] == [
        "Stockfish's terms",
        "openings",
        "suite themes and amplification",
    ]
    assert (content["inputs"], content["stockfish"]) == ({}, None)
    assert {concept["concept"] for concept in content["concepts"]} == {"own queen", "own rook"}
    assert all(0 <= concept["satisfaction"] <= 1 for concept in content["concepts"])
    assert (tmp_path / "known_concepts-ladder-final.png").exists()


def test_all_files_that_are_read_are_told(tmp_path: Path) -> None:
    for name in ("b.tsv", "a.tsv", "notes.txt"):
        (tmp_path / name).touch()
    games, suite = [tmp_path / "g.pgn", tmp_path / "h.pgn.zst"], tmp_path / "s.epd"
    told = argparse.Namespace(games=games, openings=tmp_path, suite=suite)
    assert known_concepts.files_read(told) == [*games, tmp_path / "a.tsv", tmp_path / "b.tsv", suite]
    assert known_concepts.files_read(argparse.Namespace(games=[], openings=None, suite=None)) == []


def test_the_stored_command_names_files_and_not_their_folders(tmp_path: Path) -> None:
    words = ["--games", str(tmp_path / "a.pgn.zst"), "data/b.pgn", "--layers", "block1,block2", "--seed", "0"]
    told = known_concepts.without_folders(words)
    assert told == ["--games", "a.pgn.zst", "b.pgn", "--layers", "block1,block2", "--seed", "0"]


def known_concepts_of(*names: str) -> tuple[object, ...]:
    from conceptmine.contrast.known import CONCEPTS

    return tuple(concept for concept in CONCEPTS if concept.name in names)


def test_too_few_positions_are_refused(tmp_path: Path) -> None:
    from experiments.known.positions import pool_of

    with pytest.raises(InputError, match="give 0 positions"):
        pool_of([known_game()], "nowhere", 600, (12, 120), 0)


def known_game() -> object:
    from conceptmine.positions import GameRecord, path_id

    return GameRecord(path_id(None, ("e2e4",)), None, ("e2e4",), "*")
