"""Searching many boards as one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import chess
import numpy as np
from numpy.typing import NDArray

from engines.chess.movegen import MAX_MOVES
from engines.chess.planes import FILLS
from engines.search.forest import Forest, plant_boards
from engines.search.gumbel import conclude
from engines.search.settings import SearchSettings, settings_for
from engines.search.simulate import absorb, descend
from engines.search.tree import Tree, TreeArrays

TREES_AT_ONCE = 256  # bounds memory: 800 simulations take about 0.9 MB a tree


class Evaluator(Protocol):
    """What a search asks of an agent: logits float32 [n, 1858] and w, d, l float32 [n, 3] of packed planes [n, 112]."""

    history_fill: str

    def evaluate_packed(self, masks: NDArray[np.uint64], values: NDArray[np.float32]) -> Any:
        """``.logits`` and ``.wdl`` of the packed positions."""


Progress = Callable[[int], None]


def grow(forest: Forest, evaluator: Evaluator, settings: SearchSettings, chosen: NDArray[np.int64]) -> None:
    """Search the trees ``chosen`` of ``forest`` to their limits, one network batch at a time for all waiting leaves."""
    record = settings.record()
    fill = FILLS[evaluator.history_fill]
    masks = np.empty((len(chosen), 112), dtype=np.uint64)
    values = np.empty((len(chosen), 112), dtype=np.float32)
    waiting = np.empty(len(chosen), dtype=np.int64)
    while len(chosen):
        found = descend(
            record,
            forest.trees,
            forest.positions,
            forest.nodes,
            forest.edges,
            forest.history,
            forest.repeated,
            forest.noise,
            fill,
            chosen,
            masks,
            values,
            waiting,
        )
        if found < 0:
            forest.widen()
            continue
        chosen = waiting[:found].copy()
        if found:
            answer = evaluator.evaluate_packed(masks[:found], values[:found])
            scores = np.ascontiguousarray(answer.wdl[:, 0] - answer.wdl[:, 2], dtype=np.float32)
            absorb(record, forest.trees, forest.nodes, forest.edges, forest.noise, chosen, answer.logits, scores)


def search(
    agent: Evaluator,
    boards: Sequence[chess.Board],
    *,
    simulations: int = 800,
    seed: int = 0,
    preset: str = "lc0",
    progress: Progress | None = None,
    **overrides: Any,
) -> list[Tree]:
    """Search one tree a board, all as one batch.

    ``agent``: from ``engines.load_agent``.  ``boards``: positions with a legal move; their move stacks are the history
    that the network sees and that repetitions count from.  ``simulations``: visits of each root (``lc0`` counts the
    root's own evaluation as one, as lc0's node limit does; the other presets do not).  ``seed``: for the presets'
    noise; a board's stream depends on the seed and the position alone.  ``preset``: ``"lc0"``, ``"alphazero"`` or
    ``"gumbel"``; every field of ``SearchSettings`` can be overridden by keyword.  ``progress`` is called with the
    number of boards just finished.

    Raises ``TypeError`` when ``boards`` is no sequence of ``chess.Board``; ``ValueError`` for fewer than one
    simulation, unknown presets or settings, finished games, and boards that no game of standard chess can reach.
    """
    if not isinstance(simulations, (int, np.integer)) or simulations < 1:
        raise ValueError(f"simulations is {simulations!r}: a search needs a whole number of them, at least 1")
    if isinstance(boards, chess.Board) or not isinstance(boards, Sequence):
        raise TypeError(f"boards is a {type(boards).__name__}: give a sequence of chess.Board")
    settings = settings_for(preset, overrides)
    for index, board in enumerate(boards):
        if not isinstance(board, chess.Board):
            raise TypeError(f"boards[{index}] is a {type(board).__name__}, not a chess.Board")
        if not any(board.generate_legal_moves()):
            raise ValueError(f"boards[{index}] has no legal move, so there is nothing to search: {board.fen()}")
    found: list[Tree] = []
    for start in range(0, len(boards), TREES_AT_ONCE):
        batch = boards[start : start + TREES_AT_ONCE]
        found.extend(_search_batch(agent, batch, simulations, seed, settings))
        if progress is not None:
            progress(len(batch))
    return found


def _search_batch(
    agent: Evaluator, boards: Sequence[chess.Board], simulations: int, seed: int, settings: SearchSettings
) -> Iterator[Tree]:
    forest = plant_boards(boards, simulations, seed)
    grow(forest, agent, settings, np.arange(len(boards)))
    policy = np.empty(MAX_MOVES, dtype=np.float32)
    record = settings.record()
    for index, board in enumerate(boards):
        state = forest.trees[index]
        arrays = TreeArrays(
            nodes=forest.nodes[index, : state["nodes"]].copy(), edges=forest.edges[index, : state["edges"]].copy()
        )
        winner = None
        if settings.formula == "gumbel":
            winner = int(conclude(record, arrays.nodes, arrays.edges, forest.noise[index], policy))
        yield Tree(board.copy(), arrays, winner)


__all__ = ["Evaluator", "Forest", "grow", "search"]
