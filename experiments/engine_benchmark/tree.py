"""Tree search whose network costs nothing: the engine, careful Python, and the design of alpha-zero-general."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import chess
import numpy as np

from engines.chess.history import game_rows
from engines.search import PRESETS, Tree, search
from engines.search.forest import Forest
from engines.search.growing import grow
from experiments.engine_benchmark.free_network import FreeNetwork
from experiments.engine_benchmark.measuring import Case, Section, taking_turns
from experiments.engine_benchmark.rules import POSITIONS
from experiments.peers.alpha_zero_general import StateSearch
from experiments.peers.careful_python import gumbel_search, puct_search

MANY, ONE, BORDER = "engines, 256 trees", "engines, 1 tree", "engines.search, 256 boards"
CAREFUL, DICTIONARIES = "Careful Python", "Design of alpha-zero-general"
PUCT, GUMBEL = "PUCT, 100 simulations", "Gumbel, 32 simulations"
PUCT_SIMULATIONS, GUMBEL_SIMULATIONS = 100, 32
ROOTS, TREES = 16, 256
CHECKED_SIMULATIONS = 400
SECONDS = 0.4


def offered(function: Any, **keywords: Any) -> dict[str, Any]:
    """Those of the keywords that a function names among its parameters."""
    return {name: value for name, value in keywords.items() if name in inspect.signature(function).parameters}


@lru_cache(maxsize=1)
def roots() -> tuple[chess.Board, ...]:
    """Positions 8, 16, 24 … plies into games of random moves, with their histories."""
    generator = np.random.default_rng(0)
    found: list[chess.Board] = []
    while len(found) < ROOTS:
        board = chess.Board()
        for _ in range(8 * (1 + len(found) % 8)):
            moves = list(board.legal_moves)
            if not moves:
                break
            board.push(moves[int(generator.integers(len(moves)))])
        if not board.is_game_over():
            found.append(board)
    return tuple(found)


def check_searches() -> None:
    """Raise RuntimeError unless all searches, given the same numbers in the same order, visit every move as often."""
    for fen, _ in POSITIONS.values():
        board = chess.Board(fen)
        puct = puct_search(board.copy(), CHECKED_SIMULATIONS, FreeNetwork().evaluate_one)
        gumbel = gumbel_search(board.copy(), GUMBEL_SIMULATIONS, FreeNetwork().evaluate_one, [0.0] * 256)
        states = StateSearch(FreeNetwork().predict_alike)
        visits = states.run(board.copy(), GUMBEL_SIMULATIONS)
        if states.states <= GUMBEL_SIMULATIONS:
            raise RuntimeError(f"a state of {fen} was reached by two ways: compare the dictionaries elsewhere")
        for name, found, expected in (
            (CAREFUL, dict(zip(puct.moves, puct.tried, strict=True)), _one(board, CHECKED_SIMULATIONS, preset="lc0")),
            (
                CAREFUL,
                dict(zip(gumbel.moves, gumbel.tried, strict=True)),
                _one(board, GUMBEL_SIMULATIONS, preset="gumbel", gumbel_noise=0.0),
            ),
            (DICTIONARIES, visits, _one(board, GUMBEL_SIMULATIONS, preset="alphazero")),
        ):
            if found != expected.visits:
                raise RuntimeError(f"the engine and {name} differ in their visits of the moves in {fen}")


def _one(board: chess.Board, simulations: int, **settings: Any) -> Tree:
    return search(FreeNetwork(), [board], simulations=simulations, **offered(search, threads=1), **settings)[0]


class Planted:
    """A forest of trees to be grown: planting is not part of what is measured, growing is."""

    def __init__(self, network: FreeNetwork, preset: str, boards: Sequence[chess.Board], simulations: int) -> None:
        self._network, self._settings, self._simulations = network, PRESETS[preset], simulations
        self._games = [game_rows(board) for board in boards]
        self._forest = Forest.allocate(len(boards), simulations + 2, max(map(len, self._games)))
        self._everyone = np.arange(len(boards))

    def plant(self) -> None:
        """Empty all trees."""
        for tree, rows in enumerate(self._games):
            self._forest.plant(tree, rows, self._simulations, 0)

    def grow(self) -> int:
        """Grow all trees to their limit; the simulations of all."""
        grow(self._forest, self._network, self._settings, self._everyone)
        return len(self._games) * self._simulations


def tree_section() -> Section:
    """Both searches by all three; the dictionaries know no Gumbel search and do their own with as many simulations."""
    network = FreeNetwork()
    boards = [board.copy() for board in roots()]
    options = offered(search, threads=1)
    noise = np.random.default_rng(0).gumbel(size=256).tolist()

    def planted(subject: str, by: str, preset: str, simulations: int, trees: int) -> Case:
        forest = Planted(network, preset, (boards * (TREES // ROOTS))[:trees], simulations)
        return Case(subject, by, forest.grow, prepare=forest.plant)

    def whole(preset: str, simulations: int) -> int:
        search(network, boards * (TREES // ROOTS), simulations=simulations, preset=preset, **options)
        return TREES * simulations

    def careful_puct() -> int:
        for board in boards:
            puct_search(board, PUCT_SIMULATIONS, network.evaluate_one)
        return ROOTS * PUCT_SIMULATIONS

    def careful_gumbel() -> int:
        for board in boards:
            gumbel_search(board, GUMBEL_SIMULATIONS, network.evaluate_one, noise)
        return ROOTS * GUMBEL_SIMULATIONS

    def dictionaries(simulations: int) -> int:
        for board in boards:
            StateSearch(network.predict).run(board, simulations)
        return ROOTS * simulations

    cases = [
        planted(PUCT, MANY, "lc0", PUCT_SIMULATIONS, TREES),
        planted(PUCT, ONE, "lc0", PUCT_SIMULATIONS, 1),
        Case(PUCT, BORDER, lambda: whole("lc0", PUCT_SIMULATIONS)),
        Case(PUCT, CAREFUL, careful_puct),
        Case(PUCT, DICTIONARIES, lambda: dictionaries(PUCT_SIMULATIONS)),
        planted(GUMBEL, MANY, "gumbel", GUMBEL_SIMULATIONS, TREES),
        planted(GUMBEL, ONE, "gumbel", GUMBEL_SIMULATIONS, 1),
        Case(GUMBEL, BORDER, lambda: whole("gumbel", GUMBEL_SIMULATIONS)),
        Case(GUMBEL, CAREFUL, careful_gumbel),
        Case(GUMBEL, DICTIONARIES, lambda: dictionaries(GUMBEL_SIMULATIONS)),
    ]
    section = Section(
        "tree", "Tree search without a network: simulations a CPU second", taking_turns(cases, SECONDS), against=MANY
    )
    section.notes += [
        f"The same {ROOTS} positions from random games, a new tree each. Only the engine also writes the 112 input "
        "planes of every leaf, history included. Given the same numbers by the network, all visit every move exactly "
        "as often (checked before the clock starts).",
        f"{MANY}: growing planted trees, as self-play does. {BORDER}: with reading python-chess boards and the "
        "games that led to them, and cutting the trees out for python-chess to read.",
        f"{CAREFUL}: python-chess with push and pop, lists, table look-ups. {DICTIONARIES}: dictionaries by FEN, a "
        "board copied a step, a loop over 4,672 actions; it has no Gumbel search and does its own with 32 simulations.",
    ]
    return section
