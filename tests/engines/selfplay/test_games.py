"""Self-play games are chess: legal, ended when and as the rules say, and the same after a pause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import chess
import numpy as np
import pytest

from engines.chess import pack_boards, policy_index, policy_indices
from engines.chess.position import encode_move, start_position
from engines.search.settings import SearchSettings
from engines.selfplay.endings import BLACK_WINS, GOING_ON, LENGTH, MATE, RESIGNED, WHITE_WINS
from engines.selfplay.games import GameRules, GamesAtOnce, Unfinished
from engines.selfplay.records import FAST, FULL, OPENING, TARGET_MOVES, GameRecord

Boards = Callable[[GameRecord], list[chess.Board]]
GUMBEL = SearchSettings(formula="gumbel", two_fold_draws=True, gumbel_moves=4)
ALPHAZERO = SearchSettings(
    formula="alphazero", two_fold_draws=True, c_puct=1.25, c_base=19652.0, c_factor=1.0, noise_fraction=0.25
)
MIXED = GameRules(simulations=6, fast_simulations=3, full_share=0.4, opening_plies=6, endgame_share=0.4, longest=120)
WORTH = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9}


def play(games: GamesAtOnce, evaluator: Any, number: int) -> list[GameRecord]:
    """That many finished games or a few more."""
    found: list[GameRecord] = []
    while len(found) < number:
        found += games.step(evaluator)
    return found


def begins_as_usual(record: GameRecord) -> bool:
    return bool((record.start == start_position()).all())


@pytest.mark.parametrize("search", [GUMBEL, ALPHAZERO], ids=["gumbel", "alphazero"])
@pytest.mark.parametrize("longest", [24, 120])
def test_games_are_legal_and_end_for_the_right_reason(
    longest: int, search: SearchSettings, hashing: Callable[..., Any], referee: Callable[..., Any], boards_of: Boards
) -> None:
    games = GamesAtOnce(16, replace(MIXED, longest=longest), search, seed=1)
    endings: Counter[int] = Counter()
    starts = set()
    for record in play(games, hashing(2), 40):
        *before, last = boards_of(record)
        for board in before:
            assert referee(board, longest).ending == GOING_ON, "played on after the end"
        assert (record.ending, record.result) == referee(last, longest)
        endings[record.ending] += 1
        starts.add(begins_as_usual(record))
    assert starts == {True, False}
    assert LENGTH in endings
    assert len(endings) >= (1 if longest == 24 else 3)


def test_only_positions_of_full_searches_have_a_policy_and_it_is_of_legal_moves(
    hashing: Callable[..., Any], boards_of: Boards
) -> None:
    games = GamesAtOnce(16, MIXED, GUMBEL, seed=2)
    for record in play(games, hashing(), 20):
        plies = len(record.moves)
        assert record.kinds.shape == record.values.shape == (plies,)
        assert record.slots.shape == record.policy.shape == (plies, TARGET_MOVES)
        assert (abs(record.values) <= 1).all()
        for board, kind, slots, policy in zip(
            boards_of(record)[:-1], record.kinds, record.slots, record.policy.astype(float), strict=True
        ):
            if kind != FULL:
                assert not policy.any()
                assert not slots.any()
                continue
            legal = list(board.legal_moves)
            named = slots[policy > 0].tolist()
            assert len(set(named)) == len(named) > 0
            assert set(named) <= set(policy_indices(board, legal))
            assert policy.sum() == pytest.approx(1, abs=0.02 if len(legal) <= TARGET_MOVES else 0.1)


def test_games_begin_with_up_to_opening_plies_moves_of_the_policy_and_endgames_with_none(
    hashing: Callable[..., Any],
) -> None:
    openings, searched = Counter[int](), Counter[int]()
    for record in play(GamesAtOnce(16, MIXED, GUMBEL, seed=3), hashing(), 80):
        opening = int((record.kinds == OPENING).sum())
        assert (record.kinds[opening:] != OPENING).all()
        if begins_as_usual(record):
            openings[opening] += 1
        else:
            assert opening == 0
        searched.update(record.kinds[opening:].tolist())
    assert set(openings) == set(range(MIXED.opening_plies + 1))
    assert max(openings.values()) < 0.5 * openings.total()
    assert searched.total() > 2000
    assert searched[FULL] / searched.total() == pytest.approx(MIXED.full_share, abs=0.04)


def test_the_share_of_endgames_is_as_wanted(hashing: Callable[..., Any]) -> None:
    records = GamesAtOnce(1000, MIXED, GUMBEL, seed=4).unfinished().records
    assert 1 - np.mean([begins_as_usual(record) for record in records]) == pytest.approx(0.4, abs=0.05)
    for share in (0.0, 1.0):
        records = GamesAtOnce(50, replace(MIXED, endgame_share=share), GUMBEL, seed=4).unfinished().records
        assert {begins_as_usual(record) for record in records} == {share == 0}


@pytest.mark.parametrize("search", [GUMBEL, ALPHAZERO], ids=["gumbel", "alphazero"])
def test_every_kind_of_search_spends_its_simulations(search: SearchSettings, hashing: Callable[..., Any]) -> None:
    """One position for the root and one for each simulation, unless one ends in a finished game."""
    rules = replace(MIXED, endgame_share=0.0, opening_plies=3)
    cost = {OPENING: 1, FAST: 1 + rules.fast_simulations, FULL: 1 + rules.simulations}
    early = Counter[int]()
    for seed in range(16):
        games, evaluator, spent = GamesAtOnce(1, rules, search, seed), hashing(), 0
        while len((record := games.unfinished().records[0]).moves) < 12:
            plies = len(record.moves)
            games.step(evaluator)
            record = games.unfinished().records[0]
            if len(record.moves) > plies:
                kind = int(record.kinds[-1])
                assert evaluator.evaluated - spent <= cost[kind]
                if plies < 3:  # too early for a mate, and for a repetition with so few simulations
                    assert evaluator.evaluated - spent == cost[kind]
                    early[kind] += 1
                spent = evaluator.evaluated
        assert games.evaluations == evaluator.evaluated
    assert min(early[kind] for kind in cost) >= 3


def test_batches_stay_full_though_searches_differ_in_length(hashing: Callable[..., Any]) -> None:
    """In every step each game asks about a position, but for those whose search has just ended."""
    rules = GameRules(simulations=24, fast_simulations=3, full_share=0.3, opening_plies=4, longest=20)
    games, evaluator = GamesAtOnce(32, rules, GUMBEL, seed=5), hashing()
    finished: list[GameRecord] = []
    moves, shares = 0, []
    for _ in range(300):
        moves_before, evaluated_before = moves, evaluator.evaluated
        finished += games.step(evaluator)
        moves = sum(len(record.moves) for record in finished + games.unfinished().records)
        asked = evaluator.evaluated - evaluated_before
        assert asked == len(games) - (moves - moves_before)
        shares.append(asked / len(games))
    assert finished
    assert np.mean(shares[10:]) > 0.85
    assert min(shares[10:]) > 0.5


@pytest.mark.parametrize(
    ("search", "noise"),
    [(GUMBEL, 0.0), (replace(GUMBEL, noise_fraction=0.3), 0.3), (ALPHAZERO, 0.25)],
    ids=["gumbel", "gumbel with an even share", "alphazero"],
)
def test_opening_moves_are_drawn_from_the_policy(
    search: SearchSettings, noise: float, hashing: Callable[..., Any]
) -> None:
    """With the search's noise in it, of which every move gets the same, in AlphaZero's search on average."""
    boards, evaluator = 4000, hashing(5)
    games = GamesAtOnce(boards, GameRules(simulations=2, opening_plies=40, longest=20), search, seed=6)
    for _ in range(2):
        games.step(evaluator)
    records = [record for record in games.unfinished().records if len(record.moves) == 1]
    assert len(records) > 0.95 * boards, "the network's answer for one position is all that an opening move takes"
    start = chess.Board()
    logits = evaluator.evaluate_packed(*pack_boards([start])).logits[0]
    weights = {encode_move(start, move): np.exp(logits[policy_index(start, move)]) for move in start.legal_moves}
    played = Counter(int(record.moves[0]) for record in records)
    assert set(played) <= set(weights)
    expected = {move: (1 - noise) * weight / sum(weights.values()) + noise / 20 for move, weight in weights.items()}
    apart = sum(abs(played[move] / len(records) - share) for move, share in expected.items()) / 2
    from_uniform = sum(abs(1 / 20 - share) for share in expected.values()) / 2
    assert apart < 0.05 < 0.15 < from_uniform


def test_an_opening_move_is_worth_what_the_network_says_to_its_mover(
    hashing: Callable[..., Any], boards_of: Boards
) -> None:
    rules = replace(MIXED, opening_plies=8, endgame_share=0.0, longest=20)
    for search in (GUMBEL, ALPHAZERO):
        for record in play(GamesAtOnce(4, rules, search, seed=7), hashing(), 4):
            opening = int((record.kinds == OPENING).sum())
            boards = boards_of(record)[:opening]
            if boards:
                wdl = hashing().evaluate_packed(*pack_boards(boards)).wdl
                assert record.values[:opening] == pytest.approx(wdl[:, 0] - wdl[:, 2], abs=1e-6)


def test_a_mate_is_found_and_worth_something_to_its_mover(constant: Callable[..., Any]) -> None:
    """Nothing else is worth anything to the network."""
    board = chess.Board()
    moves = []
    for text in ("f2f3", "e7e5", "g2g4"):
        moves.append(encode_move(board, board.parse_uci(text)))
        board.push_uci(text)
    rules = GameRules(simulations=300, longest=20)
    games = GamesAtOnce(1, rules, replace(GUMBEL, gumbel_moves=32), seed=8)
    unfinished = games.unfinished()
    zeros = np.zeros((3, TARGET_MOVES))
    record = replace(
        unfinished.records[0],
        moves=np.array(moves, dtype=np.uint16),
        kinds=np.full(3, FULL, dtype=np.uint8),
        slots=zeros.astype(np.uint16),
        policy=zeros.astype(np.float16),
        values=zeros[:, 0].astype(np.float32),
    )
    games.go_on_with(Unfinished([record], unfinished.games))
    (ended,) = play(games, constant(), 1)
    assert (ended.ending, ended.result, len(ended.moves)) == (MATE, BLACK_WINS, 4)
    assert ended.values[3] > 0.1
    mate = policy_index(board, chess.Move.from_uci("d8h4"))
    assert ended.slots[3][np.argmax(ended.policy[3])] == mate


def held_twice(record: GameRecord, black: int, plies: int) -> float:
    """The lowest value that a side held two searches in a row in the first ``plies`` plies."""
    searched = [
        float(value)
        for ply, (value, kind) in enumerate(zip(record.values[:plies], record.kinds, strict=False))
        if kind != OPENING and ply % 2 == black
    ]
    return min((max(pair) for pair in pairwise(searched)), default=2.0)


def test_a_side_resigns_below_the_threshold_twice_in_a_row_unless_the_game_is_played_on(
    hashing: Callable[..., Any],
) -> None:
    rules = replace(MIXED, played_on=0.4, longest=60)
    games = GamesAtOnce(32, rules, GUMBEL, seed=9)
    games.change_rules(resign_below=-0.15, decisive_lead=0)
    resigned, gone_on = Counter[int](), 0
    for record in play(games, hashing(3), 150):
        plies = len(record.moves)
        for black in (0, 1):
            assert record.lowest[black] == pytest.approx(held_twice(record, black, plies))
        if record.played_on:
            assert record.ending != RESIGNED
            gone_on += min(record.lowest) < -0.15
            continue
        assert min(held_twice(record, black, plies - 1) for black in (0, 1)) >= -0.15, "it should have ended before"
        mover = (plies - 1) % 2
        if record.ending == RESIGNED:
            assert held_twice(record, mover, plies) < -0.15
            assert record.result == (WHITE_WINS if mover else BLACK_WINS)
            resigned[record.result] += 1
        elif record.ending == LENGTH:
            assert plies == 60
    assert min(resigned[WHITE_WINS], resigned[BLACK_WINS]) > 5
    assert gone_on > 5


def test_nobody_resigns_before_the_rule_is_made(hashing: Callable[..., Any]) -> None:
    games = GamesAtOnce(16, replace(MIXED, played_on=0.4, longest=40), GUMBEL, seed=9)
    assert all(record.ending != RESIGNED for record in play(games, hashing(3), 40))
    games.change_rules(resign_below=-0.2, decisive_lead=0)
    assert any(record.ending == RESIGNED for record in play(games, hashing(3), 40))


def test_the_share_of_games_that_are_played_on_is_as_wanted() -> None:
    for share in (0.4, 1.0):
        games = GamesAtOnce(1000, replace(MIXED, played_on=share), GUMBEL, seed=4).unfinished().games
        assert games["played_on"].mean() == pytest.approx(share, abs=0.05)


def test_a_lead_in_material_decides_long_games_from_when_the_rule_says_so(
    hashing: Callable[..., Any], boards_of: Boards
) -> None:
    games = GamesAtOnce(16, GameRules(simulations=2, longest=40), GUMBEL, seed=4)
    too_long = [record for record in play(games, hashing(2), 16) if record.ending == LENGTH]
    assert {record.result for record in too_long} == {0}
    games.change_rules(resign_below=-1.0, decisive_lead=3)
    results = Counter[int]()
    for record in play(games, hashing(2), 32):
        if record.ending == LENGTH:
            board = boards_of(record)[-1]
            white, black = (
                sum(WORTH[kind] * len(board.pieces(kind, side)) for kind in WORTH) for side in (True, False)
            )
            lead = white - black
            assert record.result == ((lead > 0) - (lead < 0) if abs(lead) >= 3 else 0)
            results[record.result] += 1
    assert min(results[sign] for sign in (-1, 0, 1)) > 2


def test_alphazero_learns_visit_counts_and_draws_early_moves_by_them(
    hashing: Callable[..., Any], boards_of: Boards
) -> None:
    rules = GameRules(simulations=20, sampled_plies=8, longest=30)
    most_visited = Counter[bool]()
    for record in play(GamesAtOnce(8, rules, ALPHAZERO, seed=10), hashing(), 12):
        assert record.policy.astype(float) * 20 == pytest.approx(np.rint(record.policy.astype(float) * 20), abs=0.02)
        assert record.policy.sum(axis=1, dtype=float) == pytest.approx(1, abs=5e-3)
        for ply, (board, after) in enumerate(pairwise(boards_of(record))):
            weighed = record.policy[ply] > 0
            share = dict(zip(record.slots[ply][weighed], record.policy[ply][weighed], strict=True))
            played = share[policy_index(board, after.peek())]  # a move that was not visited is not played
            if ply >= 8:
                assert played == max(share.values())
            else:
                most_visited[played == max(share.values())] += 1
    assert min(most_visited[True], most_visited[False]) > 10


@pytest.mark.parametrize("search", [GUMBEL, ALPHAZERO], ids=["gumbel", "alphazero"])
def test_the_seed_decides(search: SearchSettings, hashing: Callable[..., Any]) -> None:
    def moves(seed: int) -> list[bytes]:
        games = GamesAtOnce(6, replace(MIXED, longest=20), search, seed)
        return [record.start.tobytes() + record.moves.tobytes() for record in play(games, hashing(), 12)]

    assert moves(1) == moves(1)
    assert moves(1) != moves(2)
    assert len(set(moves(1))) > 6, "games side by side are not copies of each other"


def content(record: GameRecord) -> tuple[Any, ...]:
    """All that a record says, to be compared."""
    return tuple(part.tobytes() if isinstance(part, np.ndarray) else part for part in vars(record).values())


@pytest.mark.parametrize("search", [GUMBEL, ALPHAZERO], ids=["gumbel", "alphazero"])
def test_unfinished_games_go_on_as_if_nothing_had_been(search: SearchSettings, hashing: Callable[..., Any]) -> None:
    """A pause changes nothing but that searches begin again: not the moves, the targets or the games that follow, nor
    the repetitions that the network sees."""
    rules = replace(MIXED, longest=40, resign_below=-0.5, played_on=0.5)
    unbroken = GamesAtOnce(8, rules, search, seed=5)
    for _ in range(157):
        unbroken.step(hashing())
    resumed = GamesAtOnce(8, rules, search, seed=99)
    resumed.go_on_with(unbroken.unfinished())
    expected, found, later = set(), set(), set()
    for _ in range(1000):
        expected |= {content(record) for record in unbroken.step(hashing())}
        found |= {content(record) for record in resumed.step(hashing())}
    longest_search = rules.simulations + 3  # steps; so much may a resumed game be behind
    for _ in range(longest_search):
        later |= {content(record) for record in resumed.step(hashing())}
    assert len(expected) > 30
    assert found <= expected <= found | later


def test_games_that_do_not_fit_or_are_over_are_left_out(hashing: Callable[..., Any]) -> None:
    rules = GameRules(simulations=2, longest=60)
    long = GamesAtOnce(8, rules, GUMBEL, seed=5)
    while len((early := long.unfinished().records[1]).moves) < 5:
        long.step(hashing())
    while min(len(record.moves) for record in long.unfinished().records) < 20:
        long.step(hashing())
    saved = long.unfinished()
    saved.records[0] = replace(saved.records[0], ending=MATE, result=WHITE_WINS)
    saved.records[1] = early
    fewer = GamesAtOnce(3, replace(rules, longest=20), GUMBEL, seed=6)
    fewer.go_on_with(saved)
    assert [len(record.moves) for record in fewer.unfinished().records] == [0, 5, 0]
    assert play(fewer, hashing(), 3)


def test_a_network_of_another_input_format_is_refused(hashing: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="self-play is in input format 1, and the network has format 4"):
        GamesAtOnce(2, GameRules(simulations=2), GUMBEL, seed=5).step(hashing(0, "fen_only", 4))
