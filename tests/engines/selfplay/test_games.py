"""Self-play games are chess: legal, ended when and as the rules say, and the same after a pause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import chess
import numpy as np
import pytest

from engines.chess import policy_index
from engines.chess.history import game_rows
from engines.chess.position import decode_move
from engines.search.settings import SearchSettings
from engines.selfplay.games import TARGET_MOVES, UNFINISHED, GameRecord, GamesAtOnce, judge

Games = Callable[[int, int, int], Iterator[chess.Board]]
SETTINGS = SearchSettings(formula="gumbel", two_fold_draws=True, gumbel_moves=4)


def ending(board: chess.Board, longest: int) -> str | None:
    """Why the game is over, or None."""
    if board.is_checkmate():
        return "mate"
    if board.is_stalemate():
        return "stalemate"
    if board.is_insufficient_material():
        return "material"
    if board.halfmove_clock >= 100:
        return "fifty moves"
    if board.is_repetition(3):
        return "repetition"
    return "length" if len(board.move_stack) >= longest else None


def result_of(board: chess.Board) -> int:
    """From White's side."""
    return (-1 if board.turn == chess.WHITE else 1) if board.is_checkmate() else 0


def verdict(board: chess.Board, longest: int, decisive_lead: int = 0) -> int:
    rows = game_rows(board)
    repeated = np.zeros(len(rows), dtype=np.uint8)
    return int(judge(rows, repeated, len(rows) - 1, longest, decisive_lead, np.zeros(256, dtype=np.uint64)))


def finished_games(games: GamesAtOnce, evaluator: Any, number: int) -> list[GameRecord]:
    found: list[GameRecord] = []
    while len(found) < number:
        found += games.step(evaluator)
    return found


def test_every_position_is_judged_as_by_python_chess(random_games: Games) -> None:
    seen: Counter[str | None] = Counter()
    for game in random_games(12, 40, 90):
        board = game.root()
        for move in game.move_stack:
            board.push(move)
            reason = ending(board, 80)
            seen[reason] += 1
            assert verdict(board, 80) == (UNFINISHED if reason is None else result_of(board)), board.fen()
            if reason is not None:
                break
    assert {"material", "repetition", "length"} <= set(seen), "the rarer endings have a test of their own below"


@pytest.mark.parametrize(
    ("fen", "result"),
    [
        ("7k/5Q2/6K1/8/8/8/8/8 b - - 0 1", 0),
        ("R5k1/5ppp/8/8/8/8/8/4K3 b - - 100 1", 1),  # mate goes before the fiftieth move
        ("rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3", -1),
        ("8/8/8/4k3/8/8/4K3/8 w - - 0 1", 0),
        ("8/8/8/4k3/8/8/3RK3/8 w - - 100 99", 0),
        ("8/8/8/4k3/8/8/3RK3/8 w - - 99 99", UNFINISHED),
    ],
)
def test_endings(fen: str, result: int) -> None:
    assert verdict(chess.Board(fen), 80) == result


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
    assert verdict(board, 0, decisive_lead=3) == (sign if abs(lead) >= 3 else 0)
    assert verdict(board, 0, decisive_lead=0) == 0
    assert verdict(board, 1, decisive_lead=3) == UNFINISHED


def test_a_rule_goes_before_material() -> None:
    board = chess.Board("7k/5Q2/6K1/8/8/8/8/8 b - - 0 1")
    assert verdict(board, 0, decisive_lead=1) == 0, "stalemate, a queen up"
    assert verdict(chess.Board("k7/8/8/8/8/8/8/1Q5K w - - 100 90"), 0, decisive_lead=1) == 0


@pytest.mark.parametrize("longest", [24, 160])
def test_games_are_legal_and_end_for_the_right_reason(longest: int, hashing: Callable[..., Any]) -> None:
    games = GamesAtOnce(16, 6, longest, SETTINGS, seed=1)
    reasons: Counter[str | None] = Counter()
    for record in finished_games(games, hashing(2), 40):
        board = chess.Board()
        plies = len(record.moves)
        assert record.policy_slots.shape == record.policy.shape == (plies, 64)
        assert record.values.shape == (plies,)
        for ply, number in enumerate(record.moves):
            assert ending(board, longest) is None, "played on after the end"
            legal = list(board.legal_moves)
            move = decode_move(int(number), board.turn == chess.BLACK)
            assert move in legal
            policy = record.policy[ply].astype(float)
            slots = {int(slot) for slot, share in zip(record.policy_slots[ply], policy, strict=True) if share > 0}
            assert slots <= {policy_index(board, legal_move) for legal_move in legal}
            assert policy.sum() == pytest.approx(1, abs=5e-3 if len(legal) <= TARGET_MOVES else 0.1)
            assert abs(record.values[ply]) <= 1
            board.push(move)
        reason = ending(board, longest)
        assert reason is not None
        assert record.result == result_of(board)
        reasons[reason] += 1
    assert set(reasons) >= ({"length"} if longest == 24 else {"length", "mate"})


def test_material_decides_games_side_by_side(hashing: Callable[..., Any]) -> None:
    worth = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9}
    games = GamesAtOnce(16, 2, 40, SETTINGS, seed=4, decisive_lead=3)
    decided = 0
    for record in finished_games(games, hashing(2), 16):
        board = chess.Board()
        for number in record.moves:
            board.push(decode_move(int(number), board.turn == chess.BLACK))
        if ending(board, 40) == "length":
            values = [sum(worth[kind] * len(board.pieces(kind, side)) for kind in worth) for side in (True, False)]
            lead = values[0] - values[1]
            assert record.result == ((lead > 0) - (lead < 0) if abs(lead) >= 3 else 0)
            decided += record.result != 0
    assert decided > 3


def test_the_seed_decides(hashing: Callable[..., Any]) -> None:
    def moves(seed: int) -> list[bytes]:
        games = GamesAtOnce(6, 3, 20, SETTINGS, seed)
        return [record.moves.tobytes() for record in finished_games(games, hashing(), 12)]

    assert moves(1) == moves(1)
    assert moves(1) != moves(2)
    assert len(set(moves(1))) > 6, "games side by side are not copies of each other"


def test_unfinished_games_go_on_as_if_nothing_had_been(hashing: Callable[..., Any]) -> None:
    """Pausing changes nothing: not the moves, not the targets, not the repetitions that the network sees."""

    def fresh(seed: int) -> GamesAtOnce:
        return GamesAtOnce(8, 4, 40, SETTINGS, seed)

    unbroken, paused = fresh(5), fresh(5)
    for _ in range(57):
        expected = unbroken.step(hashing())
        found = paused.step(hashing())
        assert len(expected) == len(found)
    resumed = fresh(99)
    resumed.go_on_with(paused.unfinished())
    for _ in range(60):
        for one, other in zip(unbroken.step(hashing()), resumed.step(hashing()), strict=True):
            assert one.result == other.result
            for name in ("moves", "policy_slots", "policy", "values"):
                assert (getattr(one, name) == getattr(other, name)).all(), name


def test_games_that_do_not_fit_are_left_out(hashing: Callable[..., Any]) -> None:
    long = GamesAtOnce(8, 2, 60, SETTINGS, seed=5)
    for _ in range(30):
        long.step(hashing())
    saved = long.unfinished()
    assert saved.plies.max() == 30
    fewer = GamesAtOnce(3, 2, 20, SETTINGS, seed=6)
    fewer.go_on_with(saved)
    assert (fewer.unfinished().plies[saved.plies[:3] >= 20] == 0).all()
    assert finished_games(fewer, hashing(), 3)


def test_a_network_of_another_input_format_is_refused(hashing: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="self-play is in input format 1, and the network has format 4"):
        GamesAtOnce(2, 2, 20, SETTINGS, seed=5).step(hashing(0, "fen_only", 4))
