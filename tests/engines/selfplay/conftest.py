"""One thread for torch, a campaign that a test can afford, and python-chess as a referee."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import chess
import pytest
import torch

from engines.chess.position import decode_move
from engines.search.settings import SearchSettings
from engines.selfplay.config import Campaign, NetworkSize
from engines.selfplay.endings import (
    BLACK_WINS,
    DRAW,
    FIFTY_MOVES,
    GOING_ON,
    LENGTH,
    MATE,
    MATERIAL,
    REPETITION,
    STALEMATE,
    WHITE_WINS,
)
from engines.selfplay.games import GameRules, GamesAtOnce, Unfinished
from engines.selfplay.pgn import board_of
from engines.selfplay.records import GameRecord


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def mixed_games() -> GamesAtOnce:
    """Sixteen games at once of all kinds: openings, fast and full searches, endgames, resignations."""
    rules = GameRules(
        simulations=6,
        fast_simulations=2,
        full_share=0.25,
        opening_plies=4,
        endgame_share=0.2,
        longest=60,
        resign_below=-0.15,
        played_on=0.5,
    )
    return GamesAtOnce(16, rules, SearchSettings(formula="gumbel", two_fold_draws=True, gumbel_moves=4), seed=1)


@pytest.fixture(scope="session")
def played(mixed_games: GamesAtOnce, hashing: Callable[..., Any]) -> list[GameRecord]:
    """Games that have ended in many ways."""
    evaluator, found = hashing(3), []
    while len(found) < 60:
        found += mixed_games.step(evaluator)
    return found


@pytest.fixture(scope="session")
def in_play(mixed_games: GamesAtOnce, played: list[GameRecord]) -> Unfinished:
    """The games that were under way when the last of ``played`` ended."""
    return mixed_games.unfinished()


@pytest.fixture(scope="session")
def tiny() -> Campaign:
    """Games of twenty plies at most, alone or beside the learner in turns with it: the same on every machine."""
    return Campaign(
        name="tiny",
        seed=3,
        network=NetworkSize(filters=8, blocks=1, se_channels=2),
        games_at_once=8,
        simulations=4,
        fast_simulations=2,
        full_share=0.5,
        considered_moves=2,
        longest_game=20,
        positions_per_round=64,
        window=1024,
        replay_ratio=1.0,
        batch_size=8,
        warm_up_steps=1,
        overlapped=False,
        checkpoints=(0, 100, 400),
        tail_positions=500,
    )


class Verdict(NamedTuple):
    ending: int
    result: int


def by_python_chess(board: chess.Board, longest: int) -> Verdict:
    """How a game stands; one of ``longest`` plies is drawn."""
    if board.is_checkmate():
        return Verdict(MATE, BLACK_WINS if board.turn == chess.WHITE else WHITE_WINS)
    if board.is_stalemate():
        return Verdict(STALEMATE, DRAW)
    if board.is_insufficient_material():
        return Verdict(MATERIAL, DRAW)
    if board.halfmove_clock >= 100:
        return Verdict(FIFTY_MOVES, DRAW)
    if board.is_repetition(3):
        return Verdict(REPETITION, DRAW)
    return Verdict(LENGTH if len(board.move_stack) >= longest else GOING_ON, DRAW)


@pytest.fixture(scope="session")
def referee() -> Callable[[chess.Board, int], Verdict]:
    """``referee(board, longest)`` as `endings.judge`, by python-chess."""
    return by_python_chess


def boards_of_game(record: GameRecord) -> list[chess.Board]:
    board = board_of(record.start)
    boards = [board.copy()]
    for number in record.moves.tolist():
        move = decode_move(number, board.turn == chess.BLACK)
        assert move in board.legal_moves, f"{move.uci()} in {board.fen()}"
        board.push(move)
        boards.append(board.copy())
    return boards


@pytest.fixture(scope="session")
def boards_of() -> Callable[[GameRecord], list[chess.Board]]:
    """All positions of a game, the final one included, with their histories; every move must be legal."""
    return boards_of_game
