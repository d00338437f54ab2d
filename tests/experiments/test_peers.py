"""The peers of the engine benchmark do the same work as the engine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import chess
import numpy as np
import pytest

from engines.chess import perft, policy_index
from engines.search import search
from experiments.engine_benchmark.free_network import FreeNetwork
from experiments.engine_benchmark.networks import make_agent
from experiments.engine_benchmark.rules import POSITIONS, kernel_walk
from experiments.engine_benchmark.selfplay import Timed
from experiments.peers.alpha_zero_general import ACTIONS, StateSearch, action_of
from experiments.peers.alpha_zero_general_games import SelfPlay, torch_predict
from experiments.peers.careful_python import gumbel_search, halving_schedule, policy_indices, puct_search
from experiments.peers.lc0 import lc0_nodes_per_second
from experiments.peers.network_runtimes import installed_runtimes
from experiments.peers.rules_libraries import installed_libraries

FENS = [fen for fen, _ in POSITIONS.values()]


@pytest.fixture(scope="module")
def games() -> list[chess.Board]:
    """Every position of some random games, with histories."""
    generator = np.random.default_rng(3)
    found = []
    for fen in FENS:
        board = chess.Board(fen)
        for _ in range(60):
            moves = list(board.legal_moves)
            if not moves:
                break
            found.append(board.copy())
            board.push(moves[int(generator.integers(len(moves)))])
    return found


def test_the_free_network_says_the_same_to_all() -> None:
    one, many = FreeNetwork(), FreeNetwork()
    answer = many.evaluate_packed(np.zeros((3, 112), np.uint64), np.zeros((3, 112), np.float32))
    for row in range(3):
        logits, value = one.evaluate_one()
        assert np.array_equal(logits, answer.logits[row])
        assert np.float32(value) == answer.wdl[row, 0] - answer.wdl[row, 2]


def test_moves_are_numbered_as_in_the_networks(games: list[chess.Board]) -> None:
    for board in games:
        moves = list(board.legal_moves)
        assert policy_indices(board, moves) == [policy_index(board, move) for move in moves]


def test_every_legal_move_has_an_action_of_its_own(games: list[chess.Board]) -> None:
    for board in games:
        actions = {action_of(board, move) for move in board.legal_moves}
        assert len(actions) == board.legal_moves.count()
        assert all(0 <= action < ACTIONS for action in actions)
    start = chess.Board()
    assert action_of(start, chess.Move.from_uci("g1f3")) == 73 * chess.G1 + 56 + 7
    assert action_of(start, chess.Move.from_uci("e2e4")) == 73 * chess.E2 + 1


@pytest.mark.parametrize("fen", FENS)
def test_careful_python_visits_as_the_engine_does(fen: str) -> None:
    board = chess.Board(fen)
    plain = puct_search(board, 300, FreeNetwork().evaluate_one)
    assert board == chess.Board(fen)
    tree = search(FreeNetwork(), [board], simulations=300)[0]
    assert dict(zip(plain.moves, plain.tried, strict=True)) == tree.visits
    assert plain.total / plain.visits == pytest.approx(tree.value, abs=1e-6)
    plain = gumbel_search(board, 64, FreeNetwork().evaluate_one, [0.0] * 256)
    tree = search(FreeNetwork(), [board], simulations=64, preset="gumbel", gumbel_noise=0.0)[0]
    assert dict(zip(plain.moves, plain.tried, strict=True)) == tree.visits


def test_careful_python_sees_repetitions() -> None:
    """Moving to and fro in a game that has done so before."""
    board = chess.Board()
    for move in ["g1f3", "g8f6", "f3g1", "f6g8"] * 2:
        board.push_uci(move)
    board.pop()
    plain = puct_search(board, 200, FreeNetwork().evaluate_one)
    tree = search(FreeNetwork(), [board], simulations=200)[0]
    assert dict(zip(plain.moves, plain.tried, strict=True)) == tree.visits
    repeated = plain.children[plain.moves.index(chess.Move.from_uci("f6g8"))]
    assert repeated is not None
    assert not repeated.moves


@pytest.mark.parametrize("fen", FENS)
def test_dictionaries_visit_as_the_engine_does(fen: str) -> None:
    """As long as no state is reached by two ways, which a tree counts twice."""
    states = StateSearch(FreeNetwork().predict_alike)
    visits = states.run(chess.Board(fen), 32)
    assert states.states == 33
    assert visits == search(FreeNetwork(), [chess.Board(fen)], simulations=32, preset="alphazero")[0].visits


def test_dictionaries_play_whole_games() -> None:
    """The shortest mate, by a network that wants nothing else, and a game that is ended as too long."""
    mate = [chess.Move.from_uci(text) for text in ("f2f3", "e7e5", "g2g4", "d8h4")]

    def wants_mate(board: chess.Board) -> tuple[np.ndarray, float]:
        policy = np.full(ACTIONS, 1e-9, dtype=np.float32)
        if board.ply() < len(mate) and mate[board.ply()] in board.legal_moves:
            policy[action_of(board, mate[board.ply()])] = 1.0
        return policy, 0.0

    plays = SelfPlay(wants_mate, 3, 50)
    for _ in mate:
        assert not plays.examples
        plays.move()
    assert [one.result for one in plays.examples] == [-1, 1, -1, 1]
    board = chess.Board()
    for one, move in zip(plays.examples, mate, strict=True):
        assert one.fen == board.fen()
        assert one.policy.argmax() == action_of(board, move)
        assert one.policy.sum() == pytest.approx(1)
        board.push(move)
    plays = SelfPlay(FreeNetwork().predict, 2, 10)
    for _ in range(20):
        plays.move()
    assert [one.result for one in plays.examples] == [0] * 10


def test_one_position_by_torch_is_as_by_the_agent(games: list[chess.Board]) -> None:
    agent = make_agent("ladder-final", "float32")
    predict = torch_predict(agent)
    for board in (board.copy(stack=False) for board in games[::60]):
        policy, value = predict(board)
        expected = agent.evaluate([board])
        assert value == pytest.approx(expected.value[0], abs=1e-4)
        assert policy.sum() > 0
        for move, probability in expected.policy[0].items():
            assert policy[action_of(board, move)] / policy.sum() == pytest.approx(probability, abs=1e-4)


def test_the_schedule_of_halving() -> None:
    assert halving_schedule(4, 16) == (0,) * 4 + (1,) * 4 + (2, 2, 3, 3, 4, 4, 5, 5)
    assert halving_schedule(1, 3) == (0, 1, 2)


def test_known_counts() -> None:
    for fen, counts in POSITIONS.values():
        assert perft(chess.Board(fen), 3) == counts[2]
        assert kernel_walk(fen, 2) == sum(counts[:2])


def test_installed_libraries_count_right() -> None:
    found, absent = installed_libraries()
    assert found[0].name.startswith("python-chess")
    assert len(found) + len(absent) == 6
    for library in found:
        for fen, counts in POSITIONS.values():
            assert library.perft(fen, 2) == counts[1], library.name
            assert library.walk is None or library.walk(fen, 1) == counts[0], library.name


def write_program(folder: Path, name: str, body: str) -> Path:
    """A program in Python that can be found and run by its name."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{body}")
    path.chmod(0o755)
    return path


def test_a_program_is_asked_as_uci_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_program(
        tmp_path,
        "stockfish",
        "import sys\n"
        "print('Fish 1 by the authors', flush=True)\n"
        "for line in sys.stdin:\n"
        "    if line == 'uci\\n': print('id name Fish', 'uciok', sep='\\n', flush=True)\n"
        "    if line.startswith('position'): fen = line[13:-1]\n"
        "    if line.startswith('go perft'):\n"
        "        count = len(fen) + int(line.split()[-1])\n"
        "        print('a2a3: 1', '', f'Nodes searched: {count}', '', sep='\\n', flush=True)\n",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found, _ = installed_libraries()
    fish = next(library for library in found if library.name == "Fish 1")
    assert fish.perft(FENS[0], 3) == len(FENS[0]) + 3
    assert fish.perft(FENS[2], 1) == len(FENS[2]) + 1
    assert fish.clock() > 0
    assert fish.walk is None


def test_lc0_is_read_or_refused(tmp_path: Path) -> None:
    said = "print('Total time (ms) : 4000\\nNodes searched  : 6000\\nNodes/second    : 1500')"
    program = write_program(tmp_path, "lc0", f"import sys\nassert '--threads=2' in sys.argv\n{said}\n")
    assert lc0_nodes_per_second(str(program), tmp_path / "network", 2) == 1500.0
    with pytest.raises(RuntimeError, match="gave no nodes a second"):
        lc0_nodes_per_second(str(program), tmp_path / "network", 1)


def test_runtimes_compute_the_same_network() -> None:
    agent = make_agent("ladder-final", "float32")
    planes = np.random.default_rng(0).random((3, 112, 8, 8), dtype=np.float32)
    found, absent = installed_runtimes(agent)
    assert set(absent) <= {"onnxruntime", "openvino"}
    assert found or absent
    for runtime in found:
        policy, value = runtime.evaluate(planes)
        assert policy.shape == (3, 1858)
        assert value.shape == (3, 3)


def test_time_is_added_up_by_call() -> None:
    timed = Timed(FreeNetwork().evaluate_packed)
    for positions in (2, 5):
        timed.evaluate_packed(np.zeros((positions, 112), np.uint64), np.zeros((positions, 112), np.float32))
    assert timed.positions == 7
    assert timed.seconds >= 0
