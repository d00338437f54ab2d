"""A null run finds what chance finds, and an ordinary run finds what is there.

The searched positions and lines are made up, and so is what the layer gives, so that the truth is known: noise, and on
request a signal that stands on the best line and not on the subpar one. Pairs, mining and evidence are the product's.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import chess
import numpy as np
import pytest
from numpy.typing import NDArray

from conceptmine.activations import ActivationStore
from conceptmine.pipeline import MiningSettings
from conceptmine.pipeline.candidates import CANDIDATES, mine_candidates
from conceptmine.pipeline.context import RunContext
from conceptmine.pipeline.judging import EVIDENCE, judge_candidates
from conceptmine.pipeline.pairs import PAIRS, STATES, find_pairs
from conceptmine.pipeline.settings import SUPPORT_LEVEL
from conceptmine.pipeline.workers import Workers
from conceptmine.positions import board_of
from conceptmine.runfolder import RunFolder, schemas

ROOTS, WIDTH, SIGNAL = 60, 40, 5.0
LAYER = "made_up"
START = Callable[..., RunContext]


def _random_moves(board: chess.Board, plies: int, rng: random.Random) -> list[str]:
    moves = []
    for _ in range(plies):
        move = rng.choice(sorted(board.legal_moves, key=chess.Move.uci))
        moves.append(move.uci())
        board.push(move)
    return moves


def _made_up_positions() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Half of the roots to mine from and half to test on, each with one subpar line at T = 5; some also at T = 10."""
    rng = random.Random(5)
    positions, lines = [], []
    while len(positions) < ROOTS:
        board = chess.Board()
        moves = _random_moves(board, 14, rng)
        best = _random_moves(board.copy(), 10, rng)
        subpar = _random_moves(board.copy(), 10, rng)
        if best[0] == subpar[0]:
            continue
        number = len(positions)
        positions.append(
            {
                "position_id": f"p{number}",
                "game_id": f"g{number}",
                "ply": len(moves),
                "fen": None,
                "moves": " ".join(moves),
                "role": "root",
                "split": "mine" if number % 2 else "test",
                "agent_move": best[0],
                "weaker_move": subpar[0],
            }
        )
        for horizon in (5, 10) if number % 5 == 0 else (5,):
            lines.append(
                {
                    "position_id": f"p{number}",
                    "horizon": horizon,
                    "branch_ply": 0,
                    "best_line": " ".join(best[:horizon]),
                    "subpar_line": " ".join(subpar[:horizon]),
                    "best_q": 0.3,
                    "subpar_q": 0.0,
                }
            )
    return positions, lines


@pytest.fixture(scope="module")
def made_up() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return _made_up_positions()


@pytest.fixture
def start(
    made_up: tuple[list[dict[str, Any]], list[dict[str, Any]]],
    tiny_settings: MiningSettings,
    tiny_networks: Mapping[str, Path],
    tmp_path: Path,
) -> Iterator[START]:
    """Begins a run whose stages up to the search are done; keywords replace settings."""
    opened: list[RunFolder] = []

    def begin(**changes: Any) -> RunContext:
        settings = replace(
            tiny_settings, **{"layers": (LAYER,), "horizons": (5,), "family_least": 4, "family_resamples": 2, **changes}
        )
        folder = RunFolder.create(
            tmp_path / f"run{len(opened)}",
            arguments=settings.as_arguments(),
            seed=settings.seed,
            inputs={"agent": tiny_networks["agent"]},
            stages=["contrast", "activations", "mining", "evidence"],
        )
        opened.append(folder)
        folder.scratch.mkdir(exist_ok=True)
        positions, lines = made_up
        folder.write_table("positions", positions, schemas.POSITIONS)
        folder.write_table("lines", lines, schemas.LINES)
        return RunContext(folder, settings, Workers(1), lambda text: None)

    yield begin
    for folder in opened:
        folder.close()


def _write_activations(context: RunContext, signal: float, seed: int) -> None:
    """Noise for every state, and ``signal`` more in the first column for what truly stands on a best line."""
    states = context.folder.read_table("scratch/states", STATES)
    best = {
        (row["position_id"], " ".join(row["best_line"].split()[:ply]))
        for row in context.folder.read_table("lines", schemas.LINES)
        for ply in range(1, row["horizon"] + 1)
    }
    numbers = np.random.default_rng(seed).normal(size=(len(states), WIDTH)).astype(np.float32)
    numbers[:, 0] += [signal * ((row["position_id"], row["path"]) in best) for row in states]
    _store(context, numbers)


def _store(context: RunContext, numbers: NDArray[np.float32]) -> None:
    """Make ``numbers`` [states, d] what the layer gives."""
    states = context.folder.read_table("scratch/states", STATES)
    rows = iter(numbers)

    def activations(
        masks: NDArray[np.uint64], values: NDArray[np.float32], layers: Sequence[str]
    ) -> dict[str, NDArray[np.float32]]:
        return {LAYER: np.array([next(rows) for _ in masks])}

    source: Any = SimpleNamespace(
        name="made up",
        layers=(LAYER,),
        sha256="0" * 64,
        history_fill="fen_only",
        input_format=1,
        activations_packed=activations,
    )
    records = {row["position_id"]: row for row in context.folder.read_table("positions", schemas.POSITIONS)}
    boards = (board_of(None, f"{records[row['position_id']]['moves']} {row['path']}", check=False) for row in states)
    ActivationStore.write(context.scratch("states"), source, boards, (LAYER,), dtype="float32")


def _supported(context: RunContext, *, signal: float) -> tuple[int, int]:
    """Candidates, and how many of them are supported."""
    find_pairs(context)
    _write_activations(context, signal, seed=context.settings.seed)
    mined = mine_candidates(context)
    judged = judge_candidates(context)
    return mined.funnel["candidates"], judged.funnel["supported"]


@pytest.mark.parametrize("seed", range(5))
def test_what_is_there_is_supported_and_nothing_of_it_in_a_null_run(start: START, seed: int) -> None:
    candidates, supported = _supported(start(seed=seed), signal=SIGNAL)
    # The signal is one direction, so that most roots give the same vector and stand as one candidate.
    assert 3 < candidates < ROOTS
    assert supported > candidates / 2
    assert _supported(start(seed=seed, null=True), signal=SIGNAL)[1] == 0


def test_what_is_there_is_found_to_be_more_than_value_and_policy(start: START) -> None:
    context = start(seed=3)
    find_pairs(context)
    _write_activations(context, SIGNAL, seed=3)
    mine_candidates(context)
    counts = judge_candidates(context).counts
    assert counts["supported_beyond_value"] > counts["supported"] / 2


def test_policy_in_other_words_is_supported_and_not_found_to_be_more(start: START) -> None:
    context = start(seed=4)
    _let_policy_prefer_best_lines(context)
    find_pairs(context)
    states = context.folder.read_table("scratch/states", STATES)
    preferred = _first_move_log_probability(context)
    numbers = np.random.default_rng(4).normal(size=(len(states), WIDTH)).astype(np.float32)
    numbers[:, 0] += [SIGNAL * preferred.get((row["position_id"], row["path"].split(" ")[0]), 0.0) for row in states]
    _store(context, numbers)
    mine_candidates(context)
    counts = judge_candidates(context).counts
    # Most vectors are the same one and stand as one candidate: what is counted is the vectors it stands for.
    stands_for = {
        row["concept_id"]: 1 + row["duplicates"] for row in context.folder.read_table("scratch/concepts", CANDIDATES)
    }
    judged = context.folder.read_table("scratch/evidence", EVIDENCE)
    supported = sum(stands_for[row["concept_id"]] for row in judged if row["q_value"] <= SUPPORT_LEVEL)
    assert supported > 0.8 * sum(stands_for.values())
    assert counts["beyond_value"] == 0


def _first_move_log_probability(context: RunContext) -> dict[tuple[str, str], float]:
    """By position and move, the agent's log-probability of the first moves of both lines."""
    records = {row["position_id"]: row for row in context.folder.read_table("positions", schemas.POSITIONS)}
    found = {}
    for row in context.folder.read_table("lines", schemas.LINES):
        board = board_of(None, records[row["position_id"]]["moves"], check=False)
        policy = context.agent.evaluate([board]).policy[0]
        for line in (row["best_line"], row["subpar_line"]):
            move = line.split()[0]
            found[row["position_id"], move] = float(np.log(policy[chess.Move.from_uci(move)]))
    return found


def _let_policy_prefer_best_lines(context: RunContext) -> None:
    """Exchange the two lines of a position where the policy prefers the subpar one, but for every eighth."""
    preferred = _first_move_log_probability(context)
    lines = context.folder.read_table("lines", schemas.LINES)
    for number, row in enumerate(lines):
        best, subpar = (preferred[row["position_id"], row[name].split()[0]] for name in ("best_line", "subpar_line"))
        if (best < subpar) == (number % 8 != 0):
            row["best_line"], row["subpar_line"] = row["subpar_line"], row["best_line"]
    context.folder.write_table("lines", lines, schemas.LINES)


def test_noise_is_supported_no_more_often_than_the_rate_allows(start: START) -> None:
    counts = [_supported(start(seed=seed), signal=0.0) for seed in range(10, 16)]
    assert all(candidates > ROOTS / 2 for candidates, _ in counts)
    # Nothing is true here, so that any discovery is false: at a rate of 5 % one such run in twenty may make some.
    assert sum(supported > 0 for _, supported in counts) <= 1


def test_families_of_turned_pairs_order_held_out_roots_as_a_coin_does(start: START) -> None:
    satisfaction, p = [], []
    for seed in range(20, 28):
        context = start(seed=seed, null=True)
        _supported(context, signal=SIGNAL)
        families = {
            row["concept_id"]
            for row in context.folder.read_table("scratch/concepts", CANDIDATES)
            if row["form"] == "family"
        }
        judged = [r for r in context.folder.read_table("scratch/evidence", EVIDENCE) if r["concept_id"] in families]
        satisfaction.append(np.mean([row["heldout_satisfaction"] for row in judged]))
        p.append(np.median([row["null_p"] for row in judged]))
    assert np.mean(satisfaction) == pytest.approx(0.5, abs=0.06)
    assert min(p) < 0.5 < max(p)
    assert sum(each <= 0.05 for each in p) <= 2


def _pairs(context: RunContext) -> list[dict[str, Any]]:
    find_pairs(context)
    return context.folder.read_table("scratch/pairs", PAIRS)


def _turned(ordinary: list[dict[str, Any]], null: list[dict[str, Any]]) -> dict[str, set[bool]]:
    """By position, whether its rows are the ordinary ones turned round."""
    found: dict[str, set[bool]] = {}
    for row, other in zip(ordinary, null, strict=True):
        same = (row["plus"], row["minus"]) == (other["plus"], other["minus"])
        assert same or (row["plus"], row["minus"]) == (other["minus"], other["plus"])
        kept = ("position_id", "horizon", "ply", "branch")
        assert [row[name] for name in kept] == [other[name] for name in kept]
        found.setdefault(row["position_id"], set()).add(not same)
    return found


def test_a_null_run_turns_all_rows_of_a_root_or_none(start: START) -> None:
    horizons = (5, 10)
    ordinary = _pairs(start(horizons=horizons))
    turned = _turned(ordinary, _pairs(start(horizons=horizons, null=True)))
    assert len(turned) == ROOTS
    assert all(len(verdicts) == 1 for verdicts in turned.values())
    assert 0.3 < np.mean([True in verdicts for verdicts in turned.values()]) < 0.7


def test_the_coins_of_a_null_run_depend_on_the_seed_alone(start: START) -> None:
    first, again, other = (_pairs(start(null=True, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_states_of_a_null_run_are_those_of_an_ordinary_one(start: START) -> None:
    ordinary, null = start(), start(null=True)
    for context in (ordinary, null):
        find_pairs(context)
    assert ordinary.folder.read_table("scratch/states") == null.folder.read_table("scratch/states")
