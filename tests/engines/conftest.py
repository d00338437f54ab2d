"""Random games by python-chess, and evaluators that need no network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import chess
import numpy as np
import pytest
from numpy.typing import NDArray

# Positions that games from the usual start seldom reach within a hundred moves.
STARTS = (
    chess.STARTING_FEN,
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 7 9",  # castling on both sides
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1",  # en passant that uncovers the king
    "n1n5/PPPk4/8/8/8/8/4Kppp/5N1N b - - 0 1",  # promotions
    "8/8/3k4/8/2pP4/8/5K2/8 b - d3 0 40",  # en passant given by the FEN
    "r3k2r/8/8/8/3pPp2/8/8/R3K1RR b KQkq e3 0 1",
    "4k3/8/8/8/8/8/8/2B1KB1b b - - 90 120",  # near the end by rule 50 and by material
    "8/8/8/3k4/8/3K1n2/8/7N w - - 0 1",
)


class Packed(NamedTuple):
    """What an evaluator gives: logits float32 [n, 1858], w, d, l float32 [n, 3]."""

    logits: NDArray[np.float32]
    wdl: NDArray[np.float32]


class HashingEvaluator:
    """Opinions that are a pseudo-random function of a position's planes alone, the same on every machine."""

    def __init__(self, salt: int = 0, history_fill: str = "fen_only", input_format: int = 1) -> None:
        self.history_fill = history_fill
        self.input_format = input_format
        self.evaluated = 0
        generator = np.random.default_rng(salt)
        self._planes = generator.integers(0, 2**64, size=112, dtype=np.uint64) | np.uint64(1)
        self._outputs = generator.integers(0, 2**64, size=1858 + 3, dtype=np.uint64)

    def evaluate_packed(self, masks: NDArray[np.uint64], values: NDArray[np.float32], *, threads: int = 1) -> Packed:
        self.evaluated += len(masks)
        seen = ((masks ^ values.view(np.uint32)) * self._planes).sum(axis=1, dtype=np.uint64)
        mixed = seen[:, None] ^ self._outputs
        for shift in (33, 29, 32):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(0x9FB21C651E98DF25)
        numbers = ((mixed >> np.uint64(40)).astype(np.float32) / np.float32(2**24)) + np.float32(1e-3)
        wdl = numbers[:, 1858:]
        return Packed(4 * numbers[:, :1858], wdl / wdl.sum(axis=1, keepdims=True))


class ConstantEvaluator:
    """The same opinion of every position: all moves alike, and the given value."""

    history_fill = "fen_only"
    input_format = 1

    def __init__(self, value: float = 0.0) -> None:
        self.wdl = np.array([max(value, 0), 1 - abs(value), max(-value, 0)], dtype=np.float32)

    def evaluate_packed(self, masks: NDArray[np.uint64], values: NDArray[np.float32], *, threads: int = 1) -> Packed:
        return Packed(np.zeros((len(masks), 1858), dtype=np.float32), np.tile(self.wdl, (len(masks), 1)))


@pytest.fixture(scope="session")
def hashing() -> Callable[..., HashingEvaluator]:
    return HashingEvaluator


@pytest.fixture(scope="session")
def constant() -> Callable[..., ConstantEvaluator]:
    return ConstantEvaluator


def random_game(generator: np.random.Generator, start: str, plies: int, returns: float = 0.3) -> chess.Board:
    """A game of random legal moves; with probability ``returns`` a move takes back the mover's last one, if it can."""
    board = chess.Board(start)
    for _ in range(plies):
        moves = list(board.legal_moves)
        if not moves:
            break
        move = moves[int(generator.integers(len(moves)))]
        if len(board.move_stack) > 1 and generator.random() < returns:
            last = board.move_stack[-2]
            back = chess.Move(last.to_square, last.from_square)
            move = back if back in moves else move
        board.push(move)
    return board


@pytest.fixture
def random_games() -> Callable[..., Iterator[chess.Board]]:
    """``random_games(seed, games, plies)``: finished boards with their move stacks, the start positions in turn."""

    def play(seed: int, games: int, plies: int) -> Iterator[chess.Board]:
        generator = np.random.default_rng(seed)
        for game in range(games):
            yield random_game(generator, STARTS[game % len(STARTS)] if game % 2 else STARTS[0], plies)

    return play
