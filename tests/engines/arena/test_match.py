"""Matches: fair by construction, and an Elo difference that says how sure it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import chess
import numpy as np
import pytest

from engines.arena import MatchResult, match, play_match
from engines.chess import policy_index
from engines.chess.history import game_rows
from engines.chess.position import decode_move, encode_move
from engines.search import search
from engines.selfplay.games import UNFINISHED


def test_numbers_of_an_example_worked_by_hand() -> None:
    """Four pairs with 2, 1.5, 1 and 1 points of 2."""
    result = MatchResult(wins=4, draws=3, losses=1, pairs=(2.0, 1.5, 1.0, 1.0))
    assert result.score == pytest.approx(5.5 / 8)
    assert result.elo == pytest.approx(400 * math.log10(0.6875 / 0.3125))
    assert result.elo == pytest.approx(136.97, abs=0.01)
    # Shares of a pair 1, 0.75, 0.5, 0.5: mean 0.6875, sample variance 0.171875 / 3, of the mean a quarter of that.
    spread = math.sqrt(0.171875 / 3 / 4)
    assert result.elo_standard_error == pytest.approx(400 / math.log(10) * spread / (0.6875 * 0.3125))
    assert result.elo_standard_error == pytest.approx(96.77, abs=0.01)
    assert result.describe() == "score 68.8%, Elo +137 ± 97 (standard error)"


def test_the_same_match_from_the_other_side() -> None:
    ours = MatchResult(wins=4, draws=3, losses=1, pairs=(2.0, 1.5, 1.0, 1.0))
    theirs = MatchResult(wins=1, draws=3, losses=4, pairs=(0.0, 0.5, 1.0, 1.0))
    assert ours.elo is not None
    assert theirs.elo == pytest.approx(-ours.elo)
    assert theirs.elo_standard_error == pytest.approx(ours.elo_standard_error)
    assert ours.score + theirs.score == 1


@pytest.mark.parametrize(("wins", "losses", "pairs"), [(4, 0, (2.0, 2.0)), (0, 4, (0.0, 0.0))])
def test_one_sided_matches_have_no_finite_difference(wins: int, losses: int, pairs: tuple[float, ...]) -> None:
    result = MatchResult(wins, 0, losses, pairs)
    assert result.elo is None
    assert result.elo_standard_error is None
    assert result.describe() == f"score {wins / 4:.0%}, no finite Elo difference"


@pytest.mark.parametrize("pairs", [(1.5,), (1.5, 1.5, 1.5)])
def test_pairs_without_spread_do_not_say_how_sure_the_score_is(pairs: tuple[float, ...]) -> None:
    result = MatchResult(len(pairs), len(pairs), 0, pairs)
    assert result.elo == pytest.approx(190.85, abs=0.01)
    assert result.elo_standard_error is None
    assert result.describe() == "score 75.0%, Elo +191"


def test_against_itself_every_pair_is_even(hashing: Callable[..., Any]) -> None:
    """Two games from one opening are one and the same game, so the colours share its two points."""
    result = play_match(hashing(1), hashing(1), games=8, simulations=3)
    assert result.wins == result.losses
    assert result.wins + result.draws + result.losses == 8
    assert result.pairs == (1.0,) * 4
    assert (result.score, result.elo, result.elo_standard_error) == (0.5, 0, None)


def test_players_exchanged_exchange_the_result(hashing: Callable[..., Any], constant: Callable[..., Any]) -> None:
    ours = play_match(hashing(1), constant(), games=8, simulations=6, seed=3)
    theirs = play_match(constant(), hashing(1), games=8, simulations=6, seed=3)
    assert (ours.wins, ours.draws, ours.losses) == (theirs.losses, theirs.draws, theirs.wins)
    assert sorted(ours.pairs) == sorted(2 - points for points in theirs.pairs)
    assert ours == play_match(hashing(1), constant(), games=8, simulations=6, seed=3), "same seed, same match"


def test_moves_are_those_of_the_search(random_games: Callable[..., Any], hashing: Callable[..., Any]) -> None:
    openings = [game for game in random_games(5, 30, 25) if game.root() == chess.Board() and any(game.legal_moves)]
    assert len(openings) > 10
    boards = match._Boards(openings)
    for simulations in (1, 20):
        moves = match._best_moves(hashing(2), boards, np.arange(len(openings)), simulations)
        trees = search(hashing(2), openings, simulations=simulations)
        for move, tree, board in zip(moves, trees, openings, strict=True):
            assert decode_move(int(move), board.turn == chess.BLACK) == tree.best_move


def test_points_go_to_the_player_and_not_to_the_colour(
    constant: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """White mates in one: the first player sees it, the second plays his favourite move instead."""

    class Blind:
        """Sure of one move, whatever the position, and of its value."""

        history_fill = "fen_only"
        input_format = 1

        def evaluate_packed(self, masks: Any, values: Any, *, threads: int = 1) -> Any:
            answer = constant(0.9).evaluate_packed(masks, values)
            answer.logits[:, policy_index(opening, chess.Move.from_uci("e1e2"))] = 20
            return answer

    opening = chess.Board("6k1/5ppp/8/8/8/8/8/R3K3 w - - 0 1")
    monkeypatch.setattr(match, "_random_opening", lambda generator: opening.copy())
    monkeypatch.setattr(match, "LONGEST_GAME", 1)
    result = play_match(constant(), Blind(), games=4, simulations=200)
    assert result == MatchResult(wins=2, draws=2, losses=0, pairs=(1.5, 1.5))
    result = play_match(Blind(), constant(), games=4, simulations=200)
    assert result == MatchResult(wins=0, draws=2, losses=2, pairs=(0.5, 0.5))


@pytest.mark.parametrize("games", [0, 1, 7, -2])
def test_an_odd_number_of_games_is_refused(games: int, constant: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=f"games is {games}; it must be even and at least 2"):
        play_match(constant(), constant(), games=games, simulations=2)


def test_no_simulation_is_refused(constant: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="simulations is 0; it must be at least 1"):
        play_match(constant(), constant(), games=2, simulations=0)


def test_openings_are_eight_plies_and_not_over() -> None:
    generator = np.random.default_rng(0)
    openings = [match._random_opening(generator) for _ in range(50)]
    assert {len(board.move_stack) for board in openings} == {8}
    assert len({board.fen() for board in openings}) == 50
    assert not any(board.is_game_over() for board in openings)


def test_a_draw_that_could_be_claimed_by_a_move_does_not_end_the_game() -> None:
    """Black can repeat the position for the third time, but need not."""
    board = chess.Board()
    for uci in ["g1f3", "g8f6", "f3g1", "f6g8", "g1f3", "g8f6", "f3g1"]:
        board.push_uci(uci)
    boards = match._Boards([board, board])
    assert board.can_claim_threefold_repetition()
    assert (boards.results == UNFINISHED).all()
    moves = [encode_move(board, chess.Move.from_uci(uci)) for uci in ("f6g8", "f6d5")]
    boards.play(np.arange(2), np.array(moves, dtype=np.uint64))
    assert boards.results.tolist() == [0, UNFINISHED]
    board.push_uci("f6d5")
    assert (boards.history(1) == game_rows(board)).all()
