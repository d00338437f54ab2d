"""The cache of evaluations: it changes what is asked of the network, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import chess
import numpy as np
import pytest
from numpy.typing import NDArray

from engines.chess import INPUT_FORMATS, policy_indices
from engines.chess.encoding import pack_boards
from engines.chess.moves import policy_index
from engines.networks import Agent, EvaluationCache, Network
from engines.networks.position_table import KEPT_LOGITS, conceivable_moves
from engines.search import search

Make = Callable[..., Network]
CROWDED = "R6R/3Q4/1Q4Q1/4Q3/2Q4Q/Q4Q2/pp1Q4/kBNN1KB1 w - - 0 1"


def boards_of_games(seed: int, count: int, start: str = chess.STARTING_FEN) -> list[chess.Board]:
    rng = np.random.default_rng(seed)
    board, boards = chess.Board(start, chess960="H" in start), []
    while len(boards) < count:
        if not any(board.legal_moves):
            board = board.root()
        boards.append(board.copy())
        moves = list(board.legal_moves)
        board.push(moves[rng.integers(len(moves))])
    return boards


def legal_logits(boards: list[chess.Board], logits: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    return [row[[policy_index(b, m) for m in b.legal_moves]] for b, row in zip(boards, logits, strict=True)]


@pytest.mark.parametrize("input_format", INPUT_FORMATS)
@pytest.mark.parametrize(
    "start",
    [
        chess.STARTING_FEN,
        "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
        "n1n5/PPPk4/8/8/8/8/4Kppp/5N1N b - - 0 1",
        "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1",
        "rnbqkbnr/ppp1p1pp/8/3pPp2/8/8/PPPP1PPP/RNBQKBNR w KQkq f6 0 3",
        "rnb2bnr/ppp1p1pp/3k4/3pPp2/8/2K5/PPPP1PPP/RNBQ1BNR w - f6 0 3",
        "3q4/8/1k6/8/2n5/8/4K3/2R3B1 w - - 5 60",
        "1rk4r/8/8/8/8/8/8/1RK4R w HBhb - 0 1",
    ],
)
def test_every_legal_move_is_conceivable(start: str, input_format: int) -> None:
    boards = boards_of_games(2, 150, start)
    masks, _ = pack_boards(boards, input_format)
    moves = np.empty(KEPT_LOGITS, dtype=np.int64)
    for board, row in zip(boards, masks, strict=True):
        count = conceivable_moves(row, moves)
        assert count >= 0
        assert set(policy_indices(board, board.legal_moves, input_format)) <= set(moves[:count].tolist())
        assert len(set(moves[:count].tolist())) == count


def test_answers_are_the_evaluators_whether_known_or_not(hashing: Callable[..., Any]) -> None:
    boards = boards_of_games(5, 200)
    masks, values = pack_boards(boards)
    plain = hashing().evaluate_packed(masks, values)
    counted = hashing()
    cache = EvaluationCache(counted, 4)
    assert cache.history_fill == counted.history_fill
    first = cache.evaluate_packed(masks, values)
    half = cache.evaluate_packed(masks[::2], values[::2])
    again = cache.evaluate_packed(masks, values)
    for answer, rows in ((first, slice(None)), (half, slice(None, None, 2)), (again, slice(None))):
        expected = legal_logits(boards[rows], plain.logits[rows])
        for ours, theirs in zip(legal_logits(boards[rows], answer.logits), expected, strict=True):
            assert ours.tobytes() == theirs.tobytes()
        assert answer.wdl.tobytes() == plain.wdl[rows].tobytes()
        assert (np.isneginf(answer.logits) | (answer.logits == plain.logits[rows])).all()
    assert first.logits.tobytes() == again.logits.tobytes()
    assert counted.evaluated == 200
    assert (cache.asked, cache.hits, cache.doubles) == (500, 300, 0)
    assert cache.hit_rate == 0.6


def test_doubles_in_one_batch_are_evaluated_once(hashing: Callable[..., Any]) -> None:
    masks, values = pack_boards(boards_of_games(5, 20))
    order = np.random.default_rng(0).integers(0, 20, 500)
    counted = hashing()
    cache = EvaluationCache(counted, 1)
    answer = cache.evaluate_packed(masks[order], values[order])
    assert counted.evaluated == 20
    assert (cache.hits, cache.doubles) == (0, 480)
    assert answer.logits.tobytes() == cache.evaluate_packed(masks, values).logits[order].tobytes()


def test_all_that_the_network_sees_makes_another_position(hashing: Callable[..., Any]) -> None:
    masks, values = pack_boards([chess.Board()])
    masks, values = np.tile(masks, (224, 1)), np.tile(values, (224, 1))
    for plane in range(112):
        masks[plane, plane] ^= np.uint64(1 << plane % 64)
        values[112 + plane, plane] += 1
    counted = hashing()
    cache = EvaluationCache(counted)
    cache.evaluate_packed(masks, values)
    cache.evaluate_packed(*pack_boards([chess.Board()]))
    assert counted.evaluated == 225


def test_a_full_cache_forgets_what_was_used_longest_ago(hashing: Callable[..., Any]) -> None:
    counted = hashing()
    cache = EvaluationCache(counted, 1)
    masks, values = pack_boards(boards_of_games(1, 100))
    cache.evaluate_packed(masks, values)
    for seed in range(2, 82):
        cache.evaluate_packed(*pack_boards(boards_of_games(seed, 100)))
        cache.evaluate_packed(masks[:10], values[:10])
    before = counted.evaluated
    cache.evaluate_packed(masks[:10], values[:10])
    assert counted.evaluated == before
    cache.evaluate_packed(masks, values)
    assert counted.evaluated > before + 40
    plain = hashing().evaluate_packed(masks, values)
    answer = cache.evaluate_packed(masks, values)
    assert answer.wdl.tobytes() == plain.wdl.tobytes()


def test_positions_with_too_many_moves_are_not_kept(hashing: Callable[..., Any]) -> None:
    board = chess.Board(CROWDED)
    assert board.legal_moves.count() > KEPT_LOGITS
    masks, values = pack_boards([board])
    counted = hashing()
    cache = EvaluationCache(counted)
    plain = hashing().evaluate_packed(masks, values)
    for asked in (1, 2):
        assert cache.evaluate_packed(masks, values).logits.tobytes() == plain.logits.tobytes()
        assert counted.evaluated == asked


@pytest.mark.parametrize("input_format", INPUT_FORMATS)
def test_searches_are_the_same_and_known_the_second_time(make_network: Make, input_format: int) -> None:
    agent = Agent(make_network(input_format=input_format), "small")
    assert EvaluationCache(agent).input_format == input_format
    boards = [chess.Board(), chess.Board(), boards_of_games(8, 30)[-1]]
    plain = search(agent, boards, simulations=60)
    cache = EvaluationCache(agent)
    for _ in range(2):
        trees = search(cache, boards, simulations=60)
        assert [tree.visits for tree in trees] == [tree.visits for tree in plain]
        assert [tree.q for tree in trees] == [tree.q for tree in plain]
    assert cache.hits > cache.asked // 2 - 10
    assert cache.doubles > 50
    cache.clear()
    assert cache.hit_rate == 0.0
    assert search(cache, boards[:1], simulations=60)[0].visits == plain[0].visits
    assert cache.hits < 10


def test_one_cache_answers_several_threads_at_once(make_network: Make) -> None:
    agent = Agent(make_network(), "small")
    masks, values = pack_boards(boards_of_games(3, 150))
    expected = EvaluationCache(agent).evaluate_packed(masks, values)
    cache = EvaluationCache(agent, 1)
    right: list[bool] = []

    def ask(first: int) -> None:
        for start in range(first, 150, 7):
            rows = slice(start, start + 40)
            answer = cache.evaluate_packed(masks[rows], values[rows])
            right.append(answer.logits.tobytes() == expected.logits[rows].tobytes())
            right.append(answer.wdl.tobytes() == expected.wdl[rows].tobytes())

    askers = [threading.Thread(target=ask, args=(first,)) for first in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(right) > 100
    assert all(right)
    assert cache.hits > cache.asked // 2


def test_nothing_asked_and_wrong_arguments(hashing: Callable[..., Any]) -> None:
    cache = EvaluationCache(hashing())
    masks, values = pack_boards([])
    assert cache.evaluate_packed(masks, values).logits.shape == (0, 1858)
    assert cache.hit_rate == 0.0
    masks, values = pack_boards([chess.Board()])
    with pytest.raises(ValueError, match=r"must both be \[n, 112\]"):
        cache.evaluate_packed(masks[:, :5], values)
    with pytest.raises(ValueError, match="masks must be uint64 and values float32"):
        cache.evaluate_packed(masks.astype(np.int64), values)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="megabytes is 0; a cache needs at least 1"):
        EvaluationCache(hashing(), 0)
