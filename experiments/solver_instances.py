"""Instances for the solver's benchmark: differences of a random network's layers along lines of play.

The layer is the last block of a residual tower with random weights from `engines.networks`, 64 squares × 64, 128 or 256
channels, on positions of legal games of chess. As in a trained network its rows are strongly correlated (a move changes
a few squares), rank-deficient, and zero where both positions are rectified away. Nothing is trained, so that everybody
can make the same instances in seconds.

A root is reached by moves at random, which take what they can. The best line goes on like that for T plies; from each
of its first T − 4 positions a subpar line starts with another move and goes on as long. A row is the difference of the
two lines after the same number of plies, from the branch on; positions that are the same are left out.
"""

from __future__ import annotations

from functools import lru_cache

import chess
import numpy as np
from numpy.typing import NDArray

from conceptmine import capture
from engines.networks import Agent, Network, NetworkConfig, Tower

States = NDArray[np.float32]

BLOCKS = 3
SQUARES = 64


@lru_cache(maxsize=3)
def agent(features: int, seed: int = 0) -> Agent:
    """A network of random weights whose blocks have so many features (a multiple of 64)."""
    return Agent(Network(NetworkConfig(Tower(features // SQUARES, blocks=BLOCKS)), seed=seed), "random")


def dynamic(features: int, rows: int, seed: int) -> States:
    """Rows z⁺ − z⁻ of as many roots as it takes, float32 [rows, features]."""
    generator = np.random.default_rng([seed, rows])
    plies = 5 if rows <= 20 else 10
    better: list[chess.Board] = []
    worse: list[chess.Board] = []
    while len(better) < rows:
        root = played(chess.Board(), int(generator.integers(12, 50)), generator)[-1]
        best = played(root, plies, generator)
        if len(best) <= plies:
            continue
        for branch in range(plies - 4):
            others = [move for move in best[branch].legal_moves if move != best[branch + 1].peek()]
            if not others:
                continue
            first = best[branch].copy()
            first.push(others[int(generator.integers(len(others)))])
            subpar = [first, *played(first, plies - branch - 1, generator)[1:]]
            for plus, minus in zip(best[branch + 1 :], subpar, strict=False):
                if plus.epd() != minus.epd():
                    better.append(plus)
                    worse.append(minus)
    return _layer(features, better[:rows]) - _layer(features, worse[:rows])


def supervised(features: int, count: int, seed: int) -> tuple[States, States]:
    """As many positions with a passed pawn of the player to move as without, float32 [count, features] each."""
    generator = np.random.default_rng([seed, count])
    found: dict[bool, list[chess.Board]] = {True: [], False: []}
    while min(map(len, found.values())) < count:
        for board in played(chess.Board(), 90, generator)[20:]:
            if generator.random() < 0.3:
                found[has_passed_pawn(board)].append(board)
    return _layer(features, found[True][:count]), _layer(features, found[False][:count])


def played(start: chess.Board, plies: int, generator: np.random.Generator) -> list[chess.Board]:
    """The positions of a game from ``start``, which comes first; shorter where the game ends."""
    boards = [start]
    for _ in range(plies):
        moves = list(boards[-1].legal_moves)
        if not moves:
            break
        takes = np.array([boards[-1].is_capture(move) for move in moves])
        best = int((2.0 * takes + generator.gumbel(size=len(moves))).argmax())
        after = boards[-1].copy()
        after.push(moves[best])
        boards.append(after)
    return boards


def has_passed_pawn(board: chess.Board) -> bool:
    """Whether no pawn of the opponent stands before, or on a file beside, some pawn of the player to move."""
    us = board.turn
    theirs = [(chess.square_file(s), chess.square_rank(s)) for s in board.pieces(chess.PAWN, not us)]
    for square in board.pieces(chess.PAWN, us):
        file, rank = chess.square_file(square), chess.square_rank(square)
        if not any(abs(f - file) <= 1 and ((r > rank) if us else (r < rank)) for f, r in theirs):
            return True
    return False


def _layer(features: int, boards: list[chess.Board]) -> States:
    name = f"block{BLOCKS}"
    states: States = capture(agent(features), boards, [name])[name]
    return states
