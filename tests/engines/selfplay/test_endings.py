"""How games stand, held against python-chess; and who has won a game that grew too long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import chess
import numpy as np
import pytest

from engines.chess.history import game_rows
from engines.chess.position import encode_move
from engines.selfplay.endings import (
    BLACK_WINS,
    DRAW,
    ENDINGS,
    FIFTY_MOVES,
    GOING_ON,
    LENGTH,
    MATE,
    MATERIAL,
    REPETITION,
    RESIGNED,
    STALEMATE,
    WHITE_WINS,
    judge,
    material_lead,
    play_out,
)
from engines.selfplay.metrics import Round

Games = Callable[[int, int, int], Iterator[chess.Board]]


def judged(board: chess.Board, longest: int, decisive_lead: int = 0) -> tuple[int, int]:
    """Ending and result by the kernel."""
    rows = game_rows(board)
    repeated = np.zeros(len(rows), dtype=np.uint8)
    ending, result = judge(rows, repeated, len(rows) - 1, longest, decisive_lead, np.zeros(256, dtype=np.uint64))
    return int(ending), int(result)


def test_every_position_is_judged_as_by_python_chess(random_games: Games, referee: Callable[..., Any]) -> None:
    seen: Counter[int] = Counter()
    for game in random_games(12, 40, 90):
        board = game.root()
        for move in game.move_stack:
            board.push(move)
            expected = referee(board, 80)
            seen[expected.ending] += 1
            assert judged(board, 80) == expected, board.fen()
            if expected.ending != GOING_ON:
                break
    assert {MATERIAL, REPETITION, LENGTH} <= set(seen), "the rarer endings have a test of their own below"


@pytest.mark.parametrize(
    ("fen", "ending", "result"),
    [
        ("7k/5Q2/6K1/8/8/8/8/8 b - - 0 1", STALEMATE, DRAW),
        ("R5k1/5ppp/8/8/8/8/8/4K3 b - - 100 1", MATE, WHITE_WINS),  # mate goes before the fiftieth move
        ("rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3", MATE, BLACK_WINS),
        ("8/8/8/4k3/8/8/4K3/8 w - - 0 1", MATERIAL, DRAW),
        ("8/8/8/4k3/8/8/3RK3/8 w - - 100 99", FIFTY_MOVES, DRAW),
        ("8/8/8/4k3/8/8/3RK3/8 w - - 99 99", GOING_ON, DRAW),
    ],
)
def test_endings_and_their_results(fen: str, ending: int, result: int) -> None:
    assert judged(chess.Board(fen), 80) == (ending, result)


@pytest.mark.parametrize(
    ("pieces", "lead"),
    [
        ("k7/8/8/8/8/8/3Q4/7K", 9),
        ("k7/3r4/8/8/8/8/8/7K", -5),
        ("k7/3bp3/8/8/8/8/3NP3/7K", 0),
        ("k7/3bp3/8/8/8/8/3RP3/7K", 2),
        ("k7/3b4/8/8/8/8/3RP3/7K", 3),
    ],
)
@pytest.mark.parametrize("turn", ["w", "b"])
def test_an_overlong_game_is_decided_by_material(pieces: str, lead: int, turn: str) -> None:
    """``lead`` is White's, in pawns."""
    board = chess.Board(f"{pieces} {turn} - - 0 1")
    sign = (lead > 0) - (lead < 0)
    assert material_lead(game_rows(board)[-1]) == (lead if turn == "w" else -lead)
    assert judged(board, 0, decisive_lead=3) == (LENGTH, sign if abs(lead) >= 3 else 0)
    assert judged(board, 0, decisive_lead=0) == (LENGTH, DRAW)
    assert judged(board, 1, decisive_lead=3) == (GOING_ON, DRAW)


def test_a_rule_goes_before_material() -> None:
    board = chess.Board("7k/5Q2/6K1/8/8/8/8/8 b - - 0 1")
    assert judged(board, 0, decisive_lead=1) == (STALEMATE, DRAW), "a queen up"
    board = chess.Board("k7/8/8/8/8/8/8/1Q5K w - - 100 90")
    assert judged(board, 0, decisive_lead=1) == (FIFTY_MOVES, DRAW)


def test_playing_moves_out_gives_the_rows_of_the_game(random_games: Games) -> None:
    for game in random_games(3, 8, 60):
        board = game.root()
        start = game_rows(board)[-1]
        moves = []
        for move in game.move_stack:
            moves.append(encode_move(board, move))
            board.push(move)
        rows = np.zeros((len(moves) + 1, 8), dtype=np.uint64)
        play_out(start, np.array(moves, dtype=np.uint16), rows)
        assert (rows == game_rows(game)).all()


def test_the_metrics_have_a_column_of_every_ending() -> None:
    assert len(ENDINGS) == RESIGNED + 1
    assert set(ENDINGS[1:]) == {column.name for column in fields(Round) if column.metadata["group"] == "endings"}
