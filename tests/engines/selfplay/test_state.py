"""Saved states: everything comes back, whenever a save is cut off; what is damaged is refused in one sentence."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from engines.chess.movegen import MAX_MOVES, legal_moves
from engines.chess.moves import policy_slot
from engines.chess.position import CASTLE_LONG, CASTLE_SHORT, WORDS
from engines.networks import MovesLeftHead, Network, NetworkConfig, Tower, ValueHead
from engines.selfplay import Campaign, read_campaign, state
from engines.selfplay.campaign_network import network_config
from engines.selfplay.config import campaign_of
from engines.selfplay.endings import GOING_ON, LENGTH, RESIGNED, judge, play_out
from engines.selfplay.games import Unfinished
from engines.selfplay.learner import Learner
from engines.selfplay.pgn import board_of
from engines.selfplay.records import FULL, TARGET_MOVES, GameRecord
from engines.selfplay.state import STATE_FILE, Counters, Saved, load_state, read_games, save_state
from engines.selfplay.window import Batch

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "datasets" / "ladder-campaign"
CONFIG = NetworkConfig(Tower(8, blocks=1, se_channels=2), value=ValueHead(4, 16), moves_left=MovesLeftHead(2, 8))


def learner(seed: int = 1, config: NetworkConfig = CONFIG) -> Learner:
    network = Network(config, batch_norm=True, seed=seed)
    return Learner(network, weight_decay=1e-4, average_decay=0.9, warm_up_steps=4)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="module")
def batch() -> Batch:
    generator = np.random.default_rng(1)
    outcomes = (np.arange(16) % 3 - 1).astype(np.int8)
    policy = np.zeros((16, TARGET_MOVES), dtype=np.float32)
    policy[:, 0] = 1
    return Batch(
        masks=generator.integers(0, 2**63, size=(16, 112), dtype=np.uint64),
        values=np.ones((16, 112), dtype=np.float32),
        slots=generator.integers(0, 1858, size=(16, TARGET_MOVES)),
        legal=np.full(16, 20),
        policy=policy,
        wdl=np.eye(3, dtype=np.float32)[1 - outcomes],
        left=np.arange(16, dtype=np.float32),
        outcomes=outcomes,
    )


@pytest.fixture(scope="module")
def trained(batch: Batch) -> Learner:
    pupil = learner()
    for _ in range(5):
        pupil.step(batch, 5e-3)
    return pupil


def content(record: GameRecord) -> tuple[Any, ...]:
    """All that a record says, to be compared."""
    return tuple(part.tobytes() if isinstance(part, np.ndarray) else part for part in vars(record).values())


def contents(records: list[GameRecord]) -> list[tuple[Any, ...]]:
    return [content(record) for record in records]


def counted(positions: int) -> Saved:
    return Saved(Counters(positions=positions), Campaign().as_json())


def test_everything_comes_back(trained: Learner, played: list[GameRecord], in_play: Unfinished, tmp_path: Path) -> None:
    counters = Counters(positions=7, games=6, draws=5, evaluations=4, rounds=3, seconds=2.5, checkpoints=1)
    part = Unfinished(in_play.records[:3], in_play.games[:3])
    resignation = np.array([[-0.5, 2.0, -1.0], [0.25, -0.75, 1.0]], dtype=np.float32)
    settings = Campaign(name="saved", checkpoints=(0, 5)).as_json()
    save_state(tmp_path, trained, Saved(counters, settings, played, [in_play, part], resignation))
    found = load_state(tmp_path, learner(seed=2))
    assert found.counters == counters
    assert campaign_of(found.campaign) == campaign_of(settings)
    assert contents(found.tail) == contents(played)
    for stored, expected in zip(found.unfinished, [in_play, part], strict=True):
        assert contents(stored.records) == contents(expected.records)
        assert stored.games.dtype == expected.games.dtype
        for name in expected.games.dtype.names or ():
            assert np.array_equal(stored.games[name], expected.games[name]), name
    assert np.array_equal(found.resignation, resignation)
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE], "all of it fits into one file"


def test_a_state_without_games_comes_back(trained: Learner, tmp_path: Path) -> None:
    save_state(tmp_path, trained, counted(0))
    found = load_state(tmp_path, learner(seed=2))
    assert (found.tail, found.unfinished, found.resignation.shape) == ([], [], (0, 3))
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]


def test_learning_goes_on_exactly_where_it_stood(trained: Learner, batch: Batch, tmp_path: Path) -> None:
    save_state(tmp_path, trained, counted(1))
    one, other = learner(seed=2), learner(seed=3)
    for pupil in (one, other):
        load_state(tmp_path, pupil)
        assert pupil.steps == 5
    unbroken = learner()
    for _ in range(5):
        unbroken.step(batch, 5e-3)
    for _ in range(3):
        assert unbroken.step(batch, 5e-3) == one.step(batch, 5e-3)
    for a, b in ((unbroken.network, one.network), (unbroken.average, one.average)):
        theirs = b.state_dict()
        for name, value in a.state_dict().items():
            assert torch.equal(value, theirs[name]), name
    assert not torch.equal(one.network.policy.weight, other.network.policy.weight)


def other_files(folder: Path) -> list[Path]:
    """Those that the state's first file names."""
    return sorted(folder.glob("state-*"))


def test_a_state_is_split_into_files_that_are_no_larger_than_allowed(
    trained: Learner,
    played: list[GameRecord],
    in_play: Unfinished,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limit = 60_000
    monkeypatch.setattr(state, "LARGEST_FILE", limit)
    monkeypatch.setattr(state, "_POSITIONS_PER_PART", 200)
    save_state(tmp_path, trained, replace(counted(123), tail=played, unfinished=[in_play]))
    files = other_files(tmp_path)
    assert len(files) > 4
    assert [file.name for file in files] == [f"state-0000000123-{n}.safetensors" for n in range(1, len(files) + 1)]
    for file in (tmp_path / STATE_FILE, *files):
        with safe_open(file, framework="numpy") as stored:
            sizes = [stored.get_tensor(name).nbytes for name in stored.keys()]  # noqa: SIM118 (not a dict)
        assert sum(sizes) <= limit or len(sizes) == 1
    found = load_state(tmp_path, learner())
    assert contents(found.tail) == contents(played)
    assert contents(found.unfinished[0].records) == contents(in_play.records)
    assert contents(read_games(tmp_path)) == contents(played)


def test_a_state_is_trimmed_to_so_many_files_from_the_oldest_games_on(
    trained: Learner, played: list[GameRecord], in_play: Unfinished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_state(tmp_path, trained, counted(7))
    monkeypatch.setattr(state, "LARGEST_FILE", (tmp_path / STATE_FILE).stat().st_size // 2)
    monkeypatch.setattr(state, "_POSITIONS_PER_PART", 100)
    everything = replace(counted(8), tail=played * 20, unfinished=[in_play])
    save_state(tmp_path, trained, everything)
    before = {path.name for path in tmp_path.iterdir()}
    assert len(before) > 6
    state.trim_state(tmp_path, len(before))
    assert {path.name for path in tmp_path.iterdir()} == before, "there is nothing to trim"
    kept = len(everything.tail)
    for most in (6, 5, 4):
        state.trim_state(tmp_path, most)
        assert len(list(tmp_path.iterdir())) <= most
        found = load_state(tmp_path, pupil := learner(seed=2))
        assert 0 < len(found.tail) < kept
        kept = len(found.tail)
        assert contents(found.tail) == contents(everything.tail)[-kept:]
        assert contents(found.unfinished[0].records) == contents(in_play.records)
        assert (found.counters, pupil.steps) == (everything.counters, trained.steps)
        assert all(map(torch.equal, pupil.average.state_dict().values(), trained.average.state_dict().values()))
        with safe_open(tmp_path / STATE_FILE, framework="numpy") as stored:
            averages = {name for name in stored.keys() if name.startswith("average.")}  # noqa: SIM118 (not a dict)
        assert averages == {f"average.{name}" for name in trained.average.state_dict()}, "where networks are read from"
    state.trim_state(tmp_path, 0)
    assert load_state(tmp_path, learner(seed=2)).tail == [], "weights and games in play stay"


def test_an_array_larger_than_a_file_has_one_of_its_own(
    trained: Learner, played: list[GameRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "LARGEST_FILE", 1)
    save_state(tmp_path, trained, replace(counted(1), tail=played[:5]))
    for file in other_files(tmp_path):
        with safe_open(file, framework="numpy") as stored:
            sizes = [stored.get_tensor(name).nbytes for name in stored.keys()]  # noqa: SIM118 (not a dict)
        assert sum(size > 0 for size in sizes) <= 1
    assert contents(load_state(tmp_path, learner()).tail) == contents(played[:5])


def test_files_of_older_states_are_removed_once_the_new_one_counts(
    trained: Learner, played: list[GameRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "LARGEST_FILE", 10_000)
    monkeypatch.setattr(state, "_POSITIONS_PER_PART", 50)
    save_state(tmp_path, trained, replace(counted(100), tail=played))
    before = other_files(tmp_path)
    save_state(tmp_path, trained, replace(counted(200), tail=played[30:]))
    after = other_files(tmp_path)
    assert not set(before) & set(after)
    assert len(after) < len(before)
    assert contents(load_state(tmp_path, learner()).tail) == contents(played[30:])
    save_state(tmp_path, trained, replace(counted(200), tail=played[40:]))
    assert not set(after) & set(other_files(tmp_path)), "nor is a file written over when no position was added"
    assert contents(load_state(tmp_path, learner()).tail) == contents(played[40:])


class Killed(Exception):
    pass


def killed_at(write: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process die before its ``write``-th file appears (from 0); one more is that of the removals."""
    written, whole, unlink = 0, state.write_whole, Path.unlink

    def count(path: Path, content: bytes) -> None:
        nonlocal written
        if written == write:
            raise Killed
        written += 1
        whole(path, content)

    def remove(path: Path, missing_ok: bool = False) -> None:
        if path.name.startswith("state-"):
            raise Killed
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(state, "write_whole", count)
    monkeypatch.setattr(Path, "unlink", remove)


@pytest.mark.parametrize("positions", [200, 100], ids=["more positions", "the same positions"])
def test_whenever_a_save_is_cut_off_a_whole_state_stands_there(
    positions: int, batch: Batch, played: list[GameRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state may be saved again before another position was counted, with other games in play."""
    monkeypatch.setattr(state, "LARGEST_FILE", 60_000)
    monkeypatch.setattr(state, "_POSITIONS_PER_PART", 200)
    pupil = learner()
    first = replace(counted(100), tail=played[:40], resignation=np.zeros((1, 3), dtype=np.float32))
    second = replace(counted(positions), tail=played[10:], resignation=np.ones((1, 3), dtype=np.float32))
    save_state(tmp_path, pupil, first)
    files = len(other_files(tmp_path))
    pupil.step(batch, 5e-3)
    for write in range(100):
        folder = tmp_path / str(write)
        folder.mkdir()
        for path in tmp_path.glob("*.safetensors"):
            shutil.copy(path, folder)
        with monkeypatch.context() as patch, pytest.raises(Killed):
            killed_at(write, patch)
            save_state(folder, pupil, second)
        again = learner(seed=2)
        found = load_state(folder, again)
        saved = second if found.resignation.all() else first
        assert found.counters == saved.counters
        assert contents(found.tail) == contents(saved.tail)
        assert again.steps == (1 if saved is second else 0)
        expected = pupil.network if saved is second else learner().network
        assert torch.equal(again.network.policy.weight, expected.policy.weight)
        if saved is second:
            break
        assert len(other_files(folder)) == files + write
        save_state(folder, pupil, second)
        assert contents(load_state(folder, again).tail) == contents(played[10:])
        assert {path.name for path in other_files(folder)} == names_in(folder), "leftovers are removed"
    assert write > 3


def names_in(folder: Path) -> set[str]:
    """The files that a state says it has beside its first."""
    with safe_open(folder / STATE_FILE, framework="numpy") as stored:
        return set(json.loads(stored.metadata()["files"]))


def refusal(folder: Path) -> str:
    with pytest.raises(ValueError) as refused:
        load_state(folder, learner())
    said = str(refused.value)
    assert "\n" not in said
    return said


@pytest.fixture
def saved_folder(
    trained: Learner,
    played: list[GameRecord],
    in_play: Unfinished,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    monkeypatch.setattr(state, "LARGEST_FILE", 60_000)
    save_state(tmp_path, trained, replace(counted(5), tail=played[:10], unfinished=[in_play]))
    return tmp_path


@pytest.mark.parametrize("name", [STATE_FILE, "state-0000000005-1.safetensors"])
def test_a_damaged_or_missing_file_is_refused_in_one_sentence(name: str, saved_folder: Path) -> None:
    path = saved_folder / name
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-1], b"", b"no state at all"):
        path.write_bytes(damaged)
        assert refusal(saved_folder).startswith(f"{path} is missing or damaged (")
    path.unlink()
    assert refusal(saved_folder).startswith(f"{path} is missing or damaged (")


def test_a_file_that_holds_something_else_is_refused_in_one_sentence(saved_folder: Path) -> None:
    path = saved_folder / STATE_FILE
    last = other_files(saved_folder)[-1]
    whole = last.read_bytes()
    with safe_open(last, framework="numpy") as stored:
        parts = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
    last.write_bytes(save({name: array[:-1] if array.ndim else array for name, array in parts.items()}))
    assert refusal(saved_folder).startswith(f"{path} is damaged (")
    last.write_bytes(whole)
    rewrite_notes(saved_folder, lambda notes: notes.pop("files"))
    assert refusal(saved_folder).startswith(f"{path} is of another version of this program")
    for name in ("counters", "steps", "campaign", "actors"):
        rewrite_notes(saved_folder, lambda notes, name=name: notes.pop(name))
        assert refusal(saved_folder).startswith(f"{path} is damaged (")
    rewrite_notes(saved_folder, lambda notes: notes.update(counters=json.dumps({"moons": 3})))
    assert refusal(saved_folder).startswith(f"{path} is damaged (")


def rewrite_notes(folder: Path, change: Callable[[dict[str, str]], Any]) -> None:
    """Change what the state says of itself, from what it said at first."""
    path, first = folder / STATE_FILE, folder / "first"
    if not first.exists():
        shutil.copy(path, first)
    with safe_open(first, framework="numpy") as stored:
        notes = dict(stored.metadata())
        arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
    change(notes)
    path.write_bytes(save(arrays, metadata=notes))


def test_a_state_of_another_network_is_refused(saved_folder: Path) -> None:
    other = learner(config=NetworkConfig(Tower(16, blocks=1, se_channels=2)))
    with pytest.raises(ValueError, match="belongs to a network of another size"):
        load_state(saved_folder, other)


# --- the state that is shipped --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def campaign() -> Campaign:
    return read_campaign(ROOT / "engines" / "selfplay" / "small.toml")


@pytest.fixture(scope="module")
def shipped(campaign: Campaign) -> Saved:
    return load_state(SHIPPED, learner(config=network_config(campaign)))


def rows_of(record: GameRecord) -> NDArray[np.uint64]:
    rows = np.zeros((len(record.moves) + 1, WORDS), dtype=np.uint64)
    play_out(record.start, record.moves, rows)
    return rows


def legal_in(rows: NDArray[np.uint64]) -> Iterator[list[int]]:
    """The legal moves of each position."""
    moves = np.zeros(MAX_MOVES, dtype=np.uint64)
    for row in rows:
        yield moves[: legal_moves(row, moves, 0)].tolist()


def test_the_shipped_state_is_of_the_shipped_campaign(shipped: Saved, campaign: Campaign) -> None:
    settings = campaign_of(shipped.campaign)
    assert (settings.name, settings.network) == (campaign.name, campaign.network)
    positions = sum(len(game.moves) for game in shipped.tail)
    assert 20_000 < positions <= settings.tail_positions
    assert shipped.counters.positions >= positions
    assert shipped.counters.games >= len(shipped.tail)
    assert sum(len(part.records) for part in shipped.unfinished) == settings.games_at_once
    assert max(path.stat().st_size for path in SHIPPED.iterdir()) <= state.LARGEST_FILE + (1 << 20)


def test_the_games_of_the_shipped_state_are_games_of_this_kernel(shipped: Saved) -> None:
    """Every move is legal, every policy is of legal moves, and games end where the rules say so and not before."""
    longest = campaign_of(shipped.campaign).longest_game
    scratch = np.zeros(MAX_MOVES, dtype=np.uint64)
    could_castle = castling = 0
    seen: Counter[int] = Counter()
    for game in [*shipped.tail, *(record for part in shipped.unfinished for record in part.records)]:
        rows, plies = rows_of(game), len(game.moves)
        assert board_of(game.start).is_valid()
        repeated = np.zeros(plies + 1, dtype=np.uint8)
        verdicts = [judge(rows, repeated, ply, longest, 0, scratch) for ply in range(plies + 1)]
        assert {ending for ending, _ in verdicts[:-1]} <= {GOING_ON}
        ending, result = verdicts[-1]
        seen[game.ending] += 1
        if game.ending in (GOING_ON, RESIGNED):
            assert ending == GOING_ON
        else:
            assert ending == game.ending
            assert result == game.result or ending == LENGTH, "won by material, early in the campaign"
        for ply, legal in enumerate(legal_in(rows[:-1])):
            assert int(game.moves[ply]) in legal
            if game.kinds[ply] != FULL:
                continue
            kind_of = {int(policy_slot(np.uint64(move))): move >> 12 for move in legal}
            weighed = game.slots[ply][game.policy[ply] > 0].tolist()
            assert set(weighed) <= set(kind_of)
            could_castle += any(kind in (CASTLE_SHORT, CASTLE_LONG) for kind in kind_of.values())
            castling += any(kind_of[slot] in (CASTLE_SHORT, CASTLE_LONG) for slot in weighed)
    assert len(seen) > 4
    assert could_castle > 300
    assert castling > could_castle / 4, "a move that is seldom legal is not forgotten"
