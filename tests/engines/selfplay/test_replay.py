"""What the learner is shown: true planes, legal targets, and results from the mover's side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import chess
import numpy as np
import pytest

from engines.chess import POLICY_MOVES, POLICY_SIZE, pack_boards, policy_index, unpack_planes
from engines.chess.position import decode_move
from engines.search.settings import SearchSettings
from engines.selfplay.games import GameRecord, GamesAtOnce
from engines.selfplay.replay import MIRRORED_SLOT, Positions, Replay, positions_of_games, reverse_files

SETTINGS = SearchSettings(formula="gumbel", two_fold_draws=True, gumbel_moves=4)


class Answer(NamedTuple):
    logits: np.ndarray
    wdl: np.ndarray


class Slanted:
    """The same opinion of every position, whoever is to move: later moves of the policy's list are a little better."""

    history_fill = "fen_only"
    input_format = 1

    def evaluate_packed(self, masks: np.ndarray, values: np.ndarray, *, threads: int = 1) -> Answer:
        logits = np.linspace(0, 2, POLICY_SIZE, dtype=np.float32)
        return Answer(np.tile(logits, (len(masks), 1)), np.tile(np.float32([0.3, 0.5, 0.2]), (len(masks), 1)))


@pytest.fixture(scope="module")
def records() -> list[GameRecord]:
    """Games of which some were won by White, some by Black and some drawn."""
    games = GamesAtOnce(16, 6, 160, SETTINGS, seed=1)
    found: list[GameRecord] = []
    while {game.result for game in found} != {-1, 0, 1} or len(found) < 12:
        found += games.step(Slanted())
    found.sort(key=lambda game: game.result)
    return found[:4] + found[-4:] + [game for game in found[4:-4] if game.result == 0][:4]


def boards_of(record: GameRecord) -> list[chess.Board]:
    """The position before each move, with its history."""
    board = chess.Board()
    found = []
    for number in record.moves:
        found.append(board.copy())
        board.push(decode_move(int(number), board.turn == chess.BLACK))
    return found


def test_positions_are_those_of_the_games(records: list[GameRecord]) -> None:
    positions = positions_of_games(records)
    assert len(positions) == sum(len(record.moves) for record in records)
    at = 0
    for record in records:
        for ply, board in enumerate(boards_of(record)):
            sign = 1 if board.turn == chess.WHITE else -1
            assert positions.outcomes[at] == record.result * sign
            assert positions.left[at] == len(record.moves) - ply
            assert positions.first[at] == at - ply
            assert positions.values[at] == record.values[ply]
            assert bool(positions.repeated[at]) == board.is_repetition(2)
            at += 1
    assert {record.result for record in records} == {-1, 0, 1}


def test_a_draw_is_a_draw_for_both_sides(records: list[GameRecord]) -> None:
    drawn = [record for record in records if record.result == 0]
    replay = Replay(10_000, value_from_search=0.0)
    replay.add(positions_of_games(drawn))
    batch = replay.draw(64, np.random.default_rng(0))
    assert (batch.wdl == [0, 1, 0]).all()


def test_a_win_is_the_winners_and_a_loss_the_losers(records: list[GameRecord]) -> None:
    """Planes say who is to move; the target must say win exactly when that side won."""
    for result in (1, -1):
        replay = Replay(10_000, value_from_search=0.0)
        replay.add(positions_of_games([record for record in records if record.result == result]))
        batch = replay.draw(64, np.random.default_rng(0))
        for masks, wdl in zip(batch.masks, batch.wdl, strict=True):
            white_to_move = masks[108] == 0
            assert wdl.tolist() == ([1, 0, 0] if white_to_move == (result == 1) else [0, 0, 1])


def drawn_batch(positions: Positions, size: int, mix: float) -> tuple[Any, np.ndarray, np.ndarray]:
    """A batch, with the positions that it was drawn from and which of them may be mirrored."""
    replay = Replay(10_000, mix)
    replay.add(positions)
    batch = replay.draw(size, np.random.default_rng(4))
    same = np.random.default_rng(4)
    picks = same.integers(0, len(positions), size=size)
    return batch, picks, same.random(size) < 0.5


def test_batches_show_true_planes_and_legal_targets(records: list[GameRecord]) -> None:
    positions = positions_of_games(records)
    boards = [board for record in records for board in boards_of(record)]
    mix = 0.25
    batch, picks, flipped = drawn_batch(positions, 300, mix)
    mirrored = 0
    for row, (pick, flip) in enumerate(zip(picks, flipped, strict=True)):
        board = boards[pick]
        masks, values = pack_boards([board])
        planes = unpack_planes(masks, values)[0]
        shown = unpack_planes(batch.masks[row : row + 1], batch.values[row : row + 1])[0]
        flip = flip and not board.clean_castling_rights()
        mirrored += flip
        assert (shown == (planes[:, :, ::-1] if flip else planes)).all()
        seen = board.transform(chess.flip_horizontal) if flip else board
        legal = {policy_index(seen, move) for move in seen.legal_moves}
        targets = np.flatnonzero(batch.policy[row])
        assert set(targets.tolist()) <= legal
        assert batch.policy[row].sum() == pytest.approx(1, abs=1e-5)
        value = float(positions.values[pick])
        result = np.array([positions.outcomes[pick] == sign for sign in (1, 0, -1)], dtype=float)
        belief = np.array([max(value, 0), 1 - abs(value), max(-value, 0)])
        assert batch.wdl[row] == pytest.approx((1 - mix) * result + mix * belief, abs=1e-6)
        assert batch.left[row] == positions.left[pick]
    assert 10 < mirrored < 250


def test_targets_keep_their_shares(records: list[GameRecord]) -> None:
    record = records[0]
    positions = positions_of_games([record])
    batch, picks, flipped = drawn_batch(positions, 40, 0.0)
    boards = boards_of(record)
    for row, pick in enumerate(picks):
        flip = flipped[row] and not boards[pick].clean_castling_rights()
        expected = np.zeros(POLICY_SIZE)
        for slot, share in zip(record.policy_slots[pick], record.policy[pick].astype(float), strict=True):
            expected[MIRRORED_SLOT[slot] if flip else slot] += share
        assert batch.policy[row] == pytest.approx(expected / expected.sum(), abs=1e-5)


def test_a_mirrored_board_has_mirrored_planes(random_games: Callable[..., Any]) -> None:
    checked = 0
    for game in random_games(3, 30, 40):
        board = chess.Board(game.fen(en_passant="fen"))
        board.castling_rights = 0
        if board.ep_square is not None:
            continue
        masks, values = pack_boards([board])
        other, other_values = pack_boards([board.transform(chess.flip_horizontal)])
        assert (reverse_files(masks) == other).all()
        assert (values == other_values).all()
        assert {MIRRORED_SLOT[policy_index(board, move)] for move in board.legal_moves} == {
            policy_index(board.transform(chess.flip_horizontal), move)
            for move in board.transform(chess.flip_horizontal).legal_moves
        }
        checked += 1
    assert checked > 15


def test_mirrored_slots_are_a_reflection() -> None:
    assert (MIRRORED_SLOT[MIRRORED_SLOT] == np.arange(POLICY_SIZE)).all()
    assert POLICY_MOVES[MIRRORED_SLOT[POLICY_MOVES.index("a7b8q")]] == "h7g8q"
    assert POLICY_MOVES[MIRRORED_SLOT[POLICY_MOVES.index("e1h1")]] == "d1a1"


def cut(positions: Positions, size: int) -> Positions:
    return Positions(**{name: getattr(positions, name)[:size] for name in Positions.__dataclass_fields__})


def test_the_window_drops_old_rounds(records: list[GameRecord]) -> None:
    positions = positions_of_games(records)
    replay = Replay(250, 0.0)
    for number in range(6):
        part = cut(positions, 100)
        part.left[:] = number  # to tell the rounds apart
        replay.add(Positions(**{name: getattr(part, name).copy() for name in Positions.__dataclass_fields__}))
    assert len(replay) == 300, "as few whole rounds as hold the window"
    assert set(replay.draw(400, np.random.default_rng(0)).left) == {3.0, 4.0, 5.0}
    assert [len(part) for part in replay.tail(250)] == [100, 100]
    assert {int(part.left[0]) for part in replay.tail(250)} == {4, 5}
    assert replay.tail(99) == []


def test_all_positions_are_drawn_alike(records: list[GameRecord]) -> None:
    """From rounds of different size, each position with the same chance."""
    positions = positions_of_games(records)
    replay = Replay(10_000, 0.0)
    for size, mark in ((20, 1), (180, 2)):
        part = cut(positions, size)
        marked = {name: getattr(part, name).copy() for name in Positions.__dataclass_fields__}
        marked["left"][:] = mark
        replay.add(Positions(**marked))
    left = replay.draw(2000, np.random.default_rng(0)).left
    assert (left == 1).mean() == pytest.approx(0.1, abs=0.03)
