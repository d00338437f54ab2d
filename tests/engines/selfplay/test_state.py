"""States saved by earlier versions: their positions and moves still mean what they meant."""

from __future__ import annotations

from pathlib import Path

import chess
import numpy as np
import pytest

from engines.chess.movegen import MAX_MOVES, legal_moves
from engines.chess.moves import policy_slot
from engines.chess.position import CASTLE_LONG, CASTLE_SHORT, WORDS, encode_move, make_move, position_of
from engines.networks import Network
from engines.selfplay.campaign import network_config
from engines.selfplay.config import read_campaign
from engines.selfplay.games import Unfinished, play_out
from engines.selfplay.learner import Learner
from engines.selfplay.state import Counters, Saved, load_state, save_state

HERE = Path(__file__).parents[3]
SHIPPED = HERE / "datasets" / "ladder-campaign"


@pytest.fixture(scope="module")
def learner() -> Learner:
    campaign = read_campaign(HERE / "engines" / "selfplay" / "small.toml")
    network = Network(network_config(campaign), batch_norm=True, seed=1)
    return Learner(network, weight_decay=1e-4, average_decay=0.9, warm_up_steps=4)


def test_the_games_of_the_shipped_state_are_games_of_this_kernel(learner: Learner) -> None:
    """Each stored row comes from the one before it by a legal move, and its policy names legal moves only."""
    saved = load_state(SHIPPED, learner)
    start = position_of(chess.Board())
    moves = np.zeros(MAX_MOVES, dtype=np.uint64)
    after = np.zeros((MAX_MOVES, WORDS), dtype=np.uint64)
    castling = could_castle = checked = 0
    for part in saved.tail:
        for index in range(len(part.rows) - 1):
            found = legal_moves(part.rows[index], moves, 0)
            kind_of = {int(policy_slot(move)): int(move) >> 12 for move in moves[:found]}
            weighed = {int(s) for s, p in zip(part.slots[index], part.policy[index], strict=True) if p > 0}
            assert weighed <= set(kind_of)
            could_castle += any(kind in (CASTLE_SHORT, CASTLE_LONG) for kind in kind_of.values())
            castling += any(kind_of[slot] in (CASTLE_SHORT, CASTLE_LONG) for slot in weighed)
            if part.first[index] == index:
                assert (part.rows[index] == start).all()
            if part.first[index + 1] != index + 1:
                for i in range(found):
                    make_move(part.rows, index, after, i, moves[i])
                played = np.flatnonzero((after[:found] == part.rows[index + 1]).all(axis=1))
                assert len(played) == 1
                checked += 1
    assert checked > 20_000
    assert could_castle > 300
    assert castling > 50  # weighed by the policies; in games of 190 plies few positions are of the opening


def test_castling_in_games_that_an_earlier_version_left_unfinished(learner: Learner, tmp_path: Path) -> None:
    board = chess.Board()
    moves = []
    for uci in ["e2e4", "d7d5", "g1f3", "c8g4", "f1e2", "b8c6", "e1g1", "d8d6", "b1c3", "e8c8"]:
        move = board.parse_uci(uci)
        moves.append(encode_move(board, move))
        board.push(move)
    now = np.array([moves], dtype=np.uint16)
    earlier = now.copy()
    earlier[0, 6] = chess.E1 | chess.G1 << 6 | CASTLE_SHORT << 12
    earlier[0, 9] = chess.E1 | chess.C1 << 6 | CASTLE_LONG << 12  # seen by the mover, who is Black
    plies = now.shape[1]
    games = Unfinished(
        plies=np.array([plies], dtype=np.int32),
        moves=now,
        slots=np.zeros((1, plies, 64), dtype=np.uint16),
        policy=np.zeros((1, plies, 64), dtype=np.float16),
        values=np.zeros((1, plies), dtype=np.float32),
        random=np.ones(1, dtype=np.uint64),
    )
    for stored in (now, earlier):
        save_state(tmp_path, learner, Saved(Counters(), [], games._replace(moves=stored), "{}"))
        loaded = load_state(tmp_path, learner).unfinished
        assert loaded is not None
        assert (loaded.moves == now).all()
    rows = np.zeros((plies + 1, WORDS), dtype=np.uint64)
    play_out(position_of(chess.Board()), now[0], rows)
    assert (rows[-1] == position_of(board)).all()
