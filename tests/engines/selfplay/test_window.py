"""What the learner is shown: true planes, legal targets, results from the mover's side, and the newest positions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import chess
import numpy as np
import pytest

from engines.chess import POLICY_MOVES, POLICY_SIZE, pack_boards, policy_index, unpack_planes
from engines.chess.position import decode_move
from engines.search.settings import SearchSettings
from engines.selfplay import window as window_module
from engines.selfplay.games import GameRules, GamesAtOnce
from engines.selfplay.pgn import board_of
from engines.selfplay.records import FAST, FULL, OPENING, GameRecord
from engines.selfplay.window import MIRRORED_SLOT, POSITION, Batch, Window, reverse_files

SETTINGS = SearchSettings(formula="gumbel", two_fold_draws=True, gumbel_moves=4)
RULES = GameRules(simulations=6, fast_simulations=2, full_share=0.5, opening_plies=6, endgame_share=0.3, longest=160)


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
    games = GamesAtOnce(16, RULES, SETTINGS, seed=1)
    found: list[GameRecord] = []
    while {game.result for game in found} != {-1, 0, 1} or len(found) < 30:
        found += games.step(Slanted())
    found.sort(key=lambda game: game.result)
    return found[:5] + found[-5:] + [game for game in found[5:-5] if game.result == 0][:5]


def boards_of(record: GameRecord) -> list[chess.Board]:
    """The position before each move, with its history."""
    board = board_of(record.start)
    found = []
    for number in record.moves:
        found.append(board.copy())
        board.push(decode_move(int(number), board.turn == chess.BLACK))
    return found


def filled(folder: Path, games: list[GameRecord]) -> Window:
    window = Window(folder, 10_000)
    window.add(games)
    return window


class Drawn(NamedTuple):
    batch: Batch
    places: np.ndarray
    flipped: np.ndarray


def draw(window: Window, size: int, mix: float, mirrored: bool = True) -> Drawn:
    """A batch, with the numbers of the positions that it was drawn from and which of them may be mirrored."""
    batch = window.draw(size, mix, mirrored, np.random.default_rng(4))
    same = np.random.default_rng(4)
    places = window._draw_places(size, same)
    return Drawn(batch, places, same.random(size) < 0.5)


def test_a_draw_is_a_draw_for_both_sides(records: list[GameRecord], tmp_path: Path) -> None:
    drawn = [record for record in records if record.result == 0]
    batch = draw(filled(tmp_path, drawn), 64, 0.0).batch
    assert (batch.wdl == [0, 1, 0]).all()
    assert (batch.outcomes == 0).all()


@pytest.mark.parametrize("result", [1, -1])
def test_a_win_is_the_winners_and_a_loss_the_losers(result: int, records: list[GameRecord], tmp_path: Path) -> None:
    """Planes say who is to move; the target must say win exactly when that side won."""
    batch = draw(filled(tmp_path, [record for record in records if record.result == result]), 64, 0.0).batch
    sides = set()
    for masks, wdl, outcome in zip(batch.masks, batch.wdl, batch.outcomes, strict=True):
        white_to_move = masks[108] == 0
        won = white_to_move == (result == 1)
        assert wdl.tolist() == ([1, 0, 0] if won else [0, 0, 1])
        assert outcome == (1 if won else -1)
        sides.add(bool(white_to_move))
    assert sides == {True, False}


def test_batches_show_true_planes_and_legal_targets(records: list[GameRecord], tmp_path: Path) -> None:
    boards = [board for record in records for board in boards_of(record)]
    of = [(record, ply) for record in records for ply in range(len(record.moves))]
    mix = 0.25
    batch, places, flipped = draw(filled(tmp_path, records), 500, mix)
    mirrored, kinds = 0, set()
    for row, (place, flip) in enumerate(zip(places, flipped, strict=True)):
        board, (record, ply) = boards[place], of[place]
        masks, values = pack_boards([board])
        planes = unpack_planes(masks, values)[0]
        shown = unpack_planes(batch.masks[row : row + 1], batch.values[row : row + 1])[0]
        flip = flip and not board.clean_castling_rights()
        mirrored += flip
        assert (shown == (planes[:, :, ::-1] if flip else planes)).all()
        expected = np.zeros(POLICY_SIZE)
        for slot, share in zip(record.slots[ply], record.policy[ply].astype(float), strict=True):
            expected[MIRRORED_SLOT[slot] if flip else slot] += share
        found = np.zeros(POLICY_SIZE)
        np.add.at(found, batch.slots[row], batch.policy[row])
        kinds.add(int(record.kinds[ply]))
        seen = board.transform(chess.flip_horizontal) if flip else board
        legal = {policy_index(seen, move) for move in seen.legal_moves}
        assert set(batch.slots[row, : batch.legal[row]].tolist()) == legal
        assert len(legal) == batch.legal[row]
        assert not batch.policy[row, batch.legal[row] :].any()
        assert set(np.flatnonzero(found).tolist()) <= legal
        assert found == pytest.approx(expected / expected.sum(), abs=1e-5)
        value = float(record.values[ply])
        outcome = record.result if board.turn == chess.WHITE else -record.result
        result = np.array([outcome == sign for sign in (1, 0, -1)], dtype=float)
        belief = np.array([max(value, 0), 1 - abs(value), max(-value, 0)])
        assert batch.wdl[row] == pytest.approx((1 - mix) * result + mix * belief, abs=1e-6)
        assert batch.left[row] == len(record.moves) - ply
    assert 20 < mirrored < 400
    assert kinds == {FULL}
    assert {OPENING, FAST} <= {int(kind) for record in records for kind in record.kinds}


def test_without_mirroring_nothing_is_mirrored(records: list[GameRecord], tmp_path: Path) -> None:
    boards = [board for record in records for board in boards_of(record)]
    batch, places, _ = draw(filled(tmp_path, records), 100, 0.0, mirrored=False)
    assert (batch.masks == pack_boards([boards[place] for place in places])[0]).all()


def test_a_mirrored_board_has_mirrored_planes(random_games: Callable[..., Any]) -> None:
    checked = 0
    for game in random_games(3, 30, 40):
        board = chess.Board(game.fen(en_passant="fen"))
        board.castling_rights = 0
        if board.ep_square is not None:
            continue
        turned = board.transform(chess.flip_horizontal)
        (masks,), values = pack_boards([board])
        (other,), other_values = pack_boards([turned])
        assert [int(reverse_files(mask)) for mask in masks] == [int(mask) for mask in other]
        assert (values == other_values).all()
        assert {MIRRORED_SLOT[policy_index(board, move)] for move in board.legal_moves} == {
            policy_index(turned, move) for move in turned.legal_moves
        }
        checked += 1
    assert checked > 15


def test_mirrored_slots_are_a_reflection() -> None:
    assert (MIRRORED_SLOT[MIRRORED_SLOT] == np.arange(POLICY_SIZE)).all()
    assert POLICY_MOVES[MIRRORED_SLOT[POLICY_MOVES.index("a7b8q")]] == "h7g8q"
    assert POLICY_MOVES[MIRRORED_SLOT[POLICY_MOVES.index("e1h1")]] == "d1a1"


def marked(record: GameRecord, mark: float) -> GameRecord:
    """The game with a value that can be told from others in batches."""
    return replace(record, values=np.full(len(record.moves), mark, dtype=np.float32))


def marks_in(window: Window, size: int = 4000) -> dict[float, int]:
    wdl = window.draw(size, 1.0, False, np.random.default_rng(0)).wdl
    values, counts = np.unique((wdl[:, 0] - wdl[:, 2]).astype(float).round(3), return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def test_the_newest_are_drawn_alike_and_the_oldest_are_forgotten(records: list[GameRecord], tmp_path: Path) -> None:
    game = replace(max(records, key=lambda record: len(record.moves)))
    plies = len(game.moves)
    window = Window(tmp_path, 10 * plies)
    full = int((game.kinds == FULL).sum())
    for number in range(25):
        window.add([marked(game, number / 100)])
        assert len(window) == min(number + 1, 10) * plies
        assert window.learned_from == min(number + 1, 10) * full
    found = marks_in(window)
    assert set(found) == {round(number / 100, 3) for number in range(15, 25)}
    assert min(found.values()) > 250


def test_the_ring_goes_round(records: list[GameRecord], tmp_path: Path) -> None:
    """Histories and batches are right across the seam of the ring."""
    boards = [board for record in records for board in boards_of(record)]
    window = Window(tmp_path, 1024)
    rounds = window._capacity // sum(len(record.moves) for record in records) + 1
    for _ in range(rounds):
        window.add(records)
    assert window.added > window._capacity
    batch, places, _ = draw(window, 2000, 0.0, mirrored=False)
    # A position's number modulo the ring's capacity is its place, and modulo the games' length which of theirs it is.
    numbers = places + window._capacity * ((window.added - 1 - places) // window._capacity)
    expected = [boards[number % len(boards)] for number in numbers]
    assert (batch.masks == pack_boards(expected)[0]).all()
    across = [board for place, board in zip(places, expected, strict=True) if place < min(7, len(board.move_stack))]
    assert across, "some have their history on the other side of the seam"


def test_a_window_goes_on_where_its_state_stood(records: list[GameRecord], tmp_path: Path) -> None:
    """After a kill: what was added since the state was saved is forgotten, what stood before is still there."""
    game = max(records, key=lambda record: len(record.moves))
    plies = len(game.moves)
    window = Window(tmp_path, 5 * plies)
    for number in range(8):
        window.add([marked(game, number / 100)])
    window.save()
    saved = window.added
    while window.unsaved < 0.9:
        window.add([marked(game, 0.5)])
    again = Window(tmp_path, 5 * plies, saved)
    assert (again.added, len(again)) == (saved, 5 * plies)
    assert set(marks_in(again)) == {round(number / 100, 3) for number in range(3, 8)}
    elsewhere = Window(tmp_path / "other", 5 * plies, saved)
    assert len(elsewhere) == 0
    elsewhere.refill([marked(game, 0.1), marked(game, 0.2)])
    assert (elsewhere.added, len(elsewhere)) == (saved, 2 * plies)
    assert set(marks_in(elsewhere)) == {0.1, 0.2}
    other_size = Window(tmp_path, 6 * plies, saved)
    assert len(other_size) == 0, "files of another size hold something else"


def test_files_that_did_not_go_as_far_as_the_state_are_not_gone_on_with(
    records: list[GameRecord], tmp_path: Path
) -> None:
    """The state went on elsewhere: what the files hold are not its newest positions."""
    window = Window(tmp_path, 2048)
    window.add(records)
    window.save()
    assert len(Window(tmp_path, 2048, window.added)) == min(window.added, 2048)
    again = Window(tmp_path, 2048, window.added + 1)
    assert (again.added, len(again)) == (window.added + 1, 0)


def test_files_that_went_further_are_gone_on_with_as_far_as_they_are_whole(
    records: list[GameRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ring of seven games of which five are drawn from: twenty were added, and the state counts seventeen."""
    game = max(records, key=lambda record: len(record.moves))
    plies = len(game.moves)
    monkeypatch.setattr(window_module, "_SMALLEST_SLACK", 2 * plies)
    window = Window(tmp_path, 5 * plies)
    for number in range(20):
        window.add([marked(game, number / 100)])
    window.save()
    again = Window(tmp_path, 5 * plies, 17 * plies)
    assert (again.added, len(again)) == (17 * plies, 2 * plies)
    assert set(marks_in(again)) == {0.15, 0.16}
    again.add([marked(game, 0.5)])
    assert set(marks_in(again)) == {0.15, 0.16, 0.5}
    assert len(Window(tmp_path, 5 * plies, 10 * plies)) == 0


@pytest.mark.parametrize("name", POSITION)
def test_files_of_which_one_is_missing_or_cut_off_are_not_gone_on_with(
    name: str, records: list[GameRecord], tmp_path: Path
) -> None:
    for damage in (Path.unlink, lambda file: file.write_bytes(file.read_bytes()[:-1])):
        window = Window(tmp_path, 1024)
        window.add(records)
        window.save()
        damage(tmp_path / f"{name}.bin")
        again = Window(tmp_path, 1024, window.added)
        assert len(again) == 0
        assert again.add(records) == len(again) > 0


def test_an_empty_window_cannot_be_drawn_from(records: list[GameRecord], tmp_path: Path) -> None:
    window = Window(tmp_path, 2048)
    with pytest.raises(ValueError, match="no position that is learned from"):
        window.draw(8, 0.0, True, np.random.default_rng(0))
    game = replace(records[0], kinds=np.full(len(records[0].moves), OPENING, dtype=np.uint8))
    window.add([game])
    assert window.learned_from == 0
    with pytest.raises(ValueError, match="no position that is learned from"):
        window.draw(8, 0.0, True, np.random.default_rng(0))
