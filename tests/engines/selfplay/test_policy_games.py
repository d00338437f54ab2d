"""Games drawn straight from a policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import chess
import pytest

from engines.chess import INPUT_FORMATS, pack_boards, policy_indices
from engines.selfplay import policy_games
from engines.selfplay.policy_games import play_policy_games

OPENINGS = [[], ["e2e4"], ["g1f3", "g8f6", "f3g1", "f6g8"], ["f2f3", "e7e5", "g2g4", "d8h4"]] * 6


def result_of(board: chess.Board, longest: int) -> str | None:
    if board.is_checkmate():
        return "0-1" if board.turn == chess.WHITE else "1-0"
    drawn = board.is_stalemate() or board.is_insufficient_material() or board.is_repetition(3)
    return "1/2-1/2" if drawn or board.halfmove_clock >= 100 or len(board.move_stack) >= longest else None


def test_games_are_legal_start_with_their_openings_and_end_right(hashing: Callable[..., Any]) -> None:
    results: Counter[str] = Counter()
    games = play_policy_games(hashing(), OPENINGS, longest=150, seed=2)
    assert len(games) == len(OPENINGS)
    for (moves, result), opening in zip(games, OPENINGS, strict=True):
        assert list(moves[: len(opening)]) == opening
        board = chess.Board()
        for ply, uci in enumerate(moves):
            assert result_of(board, 150) is None or ply < len(opening)
            board.push(board.parse_uci(uci))
        assert result_of(board, 150) == result
        results[result] += 1
    assert results["0-1"] >= 6, "an opening that is mate already is a game of its own"
    assert results["1/2-1/2"] > 0


def test_the_seed_decides(hashing: Callable[..., Any]) -> None:
    openings: list[list[str]] = [[]] * 4
    first = play_policy_games(hashing(), openings, longest=30, seed=1)
    assert first == play_policy_games(hashing(), openings, longest=30, seed=1)
    assert first != play_policy_games(hashing(), openings, longest=30, seed=2)
    assert len(set(first)) == 4
    assert play_policy_games(hashing(), [], seed=1) == []


def test_games_beyond_one_batch_are_games_of_their_own(
    hashing: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_games, "GAMES_AT_ONCE", 3)
    assert len(set(play_policy_games(hashing(), [[]] * 8, longest=20))) == 8


def test_moves_are_drawn_from_the_policy(hashing: Callable[..., Any]) -> None:
    evaluator = hashing(5)
    board = chess.Board()
    prior = policy(evaluator, board)
    games = play_policy_games(evaluator, [[]] * 2000, longest=1, seed=3)
    counts = Counter(moves[0] for moves, _ in games)
    assert sum(abs(counts[move] / 2000 - share) for move, share in prior.items()) / 2 < 0.05


@pytest.mark.parametrize("input_format", INPUT_FORMATS)
def test_a_low_temperature_plays_the_likeliest_move_from_true_planes(
    input_format: int, hashing: Callable[..., Any]
) -> None:
    """The evaluator's opinion hangs on every plane, so the moves show that history was encoded as it was."""
    evaluator = hashing(6, "fen_only", input_format)
    moves, _ = play_policy_games(evaluator, [["g1f3", "g8f6", "f3g1", "f6g8"]], temperature=1e-7, longest=60)[0]
    board = chess.Board()
    for ply, uci in enumerate(moves):
        if ply >= 4:
            prior = policy(evaluator, board)
            assert uci == max(prior, key=prior.__getitem__)
        board.push_uci(uci)


def policy(evaluator: Any, board: chess.Board) -> dict[str, float]:
    logits = evaluator.evaluate_packed(*pack_boards([board], evaluator.input_format)).logits[0]
    moves = list(board.legal_moves)
    places = policy_indices(board, moves, evaluator.input_format)
    weights = {move.uci(): 2.718281828 ** float(logits[place]) for move, place in zip(moves, places, strict=True)}
    total = sum(weights.values())
    return {move: weight / total for move, weight in weights.items()}


@pytest.mark.parametrize(
    ("openings", "settings", "message"),
    [
        ([["e2e5"]], {}, "illegal uci: 'e2e5'"),
        ([["e2"]], {}, "e2"),
        ([["e2e4", "0000"]], {}, "a move that passes"),
        ([["e2e4", "e7e5"]], {"longest": 2}, "an opening of 2 plies leaves nothing to play in games of 2"),
        ([[]], {"temperature": 0}, "temperature is 0; it must be above 0"),
        ([[]], {"temperature": float("nan")}, "temperature is nan"),
    ],
)
def test_bad_input_is_refused(
    openings: list[list[str]], settings: dict[str, Any], message: str, hashing: Callable[..., Any]
) -> None:
    with pytest.raises(ValueError, match=message):
        play_policy_games(hashing(), openings, **settings)
