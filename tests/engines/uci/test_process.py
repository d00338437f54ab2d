"""The program as a GUI starts it, with python-chess as the GUI."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import chess
import chess.engine
import pytest

NETWORK = "ladder-final"
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
PATIENCE = 120.0  # the first search of a checkout compiles the kernels


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "conceptmine.cli", "engine", "uci", *map(str, words)]


def ended(*words: object, typed: str = "") -> subprocess.CompletedProcess[str]:
    """What the program left after all of ``typed`` was its input."""
    return subprocess.run(
        command(*words), input=typed, capture_output=True, text=True, timeout=PATIENCE, check=False, env=ENVIRONMENT
    )


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chess.engine.SimpleEngine]:
    """The engine behind python-chess's client; whatever it writes to standard error fails the module's last test."""
    errors = tmp_path_factory.mktemp("uci") / "stderr"
    with errors.open("w") as stream:
        opened = chess.engine.SimpleEngine.popen_uci(command(NETWORK), timeout=PATIENCE, env=ENVIRONMENT, stderr=stream)
        opened.configure({"Hash": 64})
        yield opened
        opened.quit()
    assert errors.read_text() == ""


def test_it_names_itself_and_its_options(engine: chess.engine.SimpleEngine) -> None:
    assert engine.id["name"] == f"conceptmine {NETWORK}"
    assert {"Threads", "Hash", "MultiPV", "WeightsFile", "UCI_ShowWDL", "UCI_Chess960"} <= set(engine.options)
    assert engine.options["Hash"].default == 512
    assert engine.options["HistoryFill"].var == ["fen_only", "no"]
    assert "Ponder" not in engine.options


def test_it_plays_a_game(engine: chess.engine.SimpleEngine) -> None:
    board = chess.Board()
    while not board.is_game_over(claim_draw=True) and board.ply() < 30:
        played = engine.play(board, chess.engine.Limit(nodes=10), game="game", info=chess.engine.INFO_ALL)
        assert played.move in board.legal_moves
        assert played.info["pv"][0] == played.move
        board.push(played.move)
    assert board.ply() > 8


def test_it_keeps_to_a_short_clock(engine: chess.engine.SimpleEngine) -> None:
    clocks = {chess.WHITE: 2.0, chess.BLACK: 2.0}
    board = chess.Board()
    engine.ping()
    for _ in range(16):
        limit = chess.engine.Limit(
            white_clock=clocks[chess.WHITE], black_clock=clocks[chess.BLACK], white_inc=0.1, black_inc=0.1
        )
        began = time.monotonic()
        played = engine.play(board, limit, game="clock")
        clocks[board.turn] += 0.1 - (time.monotonic() - began)
        assert clocks[board.turn] > 0.1
        assert played.move is not None
        board.push(played.move)


def test_it_analyses(engine: chess.engine.SimpleEngine) -> None:
    board = chess.Board("r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1")
    lines = engine.analyse(board, chess.engine.Limit(nodes=100), multipv=3, options={"UCI_ShowWDL": True})
    assert [line["multipv"] for line in lines] == [1, 2, 3]
    for line in lines:
        assert line["nodes"] == 100
        assert sum(line["wdl"].relative) == 1000
        assert line["score"].turn == chess.WHITE
        after = board.copy()
        for move in line["pv"]:
            after.push(move)
    only = [chess.Move.from_uci("e1g1"), chess.Move.from_uci("e1c1")]
    line = engine.analyse(board, chess.engine.Limit(nodes=20), root_moves=only)
    assert line["pv"][0] in only


def test_an_endless_analysis_can_be_stopped(engine: chess.engine.SimpleEngine) -> None:
    with engine.analysis(chess.Board()) as analysis:
        for info in analysis:
            if "pv" in info:
                break
        engine_began = time.monotonic()
        analysis.stop()
        assert analysis.wait().move is not None
    assert time.monotonic() - engine_began < 5.0


def test_no_root_moves_and_no_legal_moves(engine: chess.engine.SimpleEngine) -> None:
    assert engine.play(chess.Board(), chess.engine.Limit(nodes=5), root_moves=[]).move is None
    mated = chess.Board("rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3")
    assert engine.play(mated, chess.engine.Limit(nodes=5)).move is None


def test_uciok_does_not_wait_for_the_network() -> None:
    """The program has by then loaded neither torch nor numba; a generous bound for a busy machine."""
    with subprocess.Popen(
        command(NETWORK), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        began = time.monotonic()
        print("uci", file=process.stdin, flush=True)
        while process.stdout.readline().strip() != "uciok":
            pass
        assert time.monotonic() - began < 3.0
        print("quit", file=process.stdin, flush=True)
        assert process.wait(10.0) == 0


def test_a_missing_network_is_told_at_once() -> None:
    outcome = ended("no-such-network", typed="uci\n")
    assert outcome.returncode == 2
    assert outcome.stdout.startswith("info string There is no network file no-such-network")
    assert len(outcome.stdout.splitlines()) == 1
    assert outcome.stderr == ""


def test_a_damaged_network_is_told(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.pb.gz"
    damaged.write_bytes(b"not a network")
    with subprocess.Popen(
        command(damaged),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        print("isready", file=process.stdin, flush=True)
        assert process.wait(PATIENCE) == 2
        said = process.stdout.read()
        assert said.startswith("info string ") and str(damaged) in said
        assert process.stderr.read() == ""


@pytest.mark.parametrize("words", [("--device", "tpu"), ("--threads", 0)])
def test_options_of_the_command_are_checked(words: tuple[object, ...]) -> None:
    outcome = ended(NETWORK, *words)
    assert outcome.returncode == 2
    assert outcome.stdout == ""
    assert str(words[0]) in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1


@pytest.mark.parametrize("typed", ["", "quit\n", "uci\nisready\ngo infinite\n", "go nodes 5\nquit\n", "uci"])
def test_the_end_of_the_input_ends_it(typed: str) -> None:
    began = time.monotonic()
    outcome = ended(NETWORK, typed=typed)
    assert outcome.returncode == 0
    assert outcome.stderr == ""
    assert time.monotonic() - began < 20.0


def test_it_survives_noise() -> None:
    """500 lines of damaged commands; then it plays as if nothing had happened."""
    generator = random.Random(0)
    pieces = "uci isready ucinewgame position startpos fen moves e2e4 e7e8 0000 go nodes 1 movetime 2 depth searchmoves"
    pieces += (
        " 8/8/8/8/8/8/8/K1k5 w - -1 99999999999999999999 setoption name Hash value MultiPV debug on off stop ponder"
    )
    pieces += " ponderhit register \x00 é \ufffd \t"
    lines = []
    for _ in range(500):
        line = " ".join(generator.choices(pieces.split(" "), k=generator.randint(0, 7))).encode()
        if generator.random() < 0.2:
            line = bytes(byte ^ generator.choice([0, 0, 0, 0x80, 0x11]) for byte in line).replace(b"\n", b"")
        if b"quit" not in line:
            lines.append(line)
    with subprocess.Popen(
        command(NETWORK), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    ) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        began = time.monotonic()
        for start in range(0, len(lines), 50):
            process.stdin.write(b"\n".join(lines[start : start + 50]) + b"\nstop\n")
        process.stdin.write(b"debug off\nucinewgame\nposition startpos moves e2e4\ngo nodes 7 searchmoves a7a5\n")
        process.stdin.flush()
        said = b""
        while not said.startswith(b"bestmove a7a5"):
            said = process.stdout.readline()
            assert said, "the engine has ended"
            assert said.split()[0] in {b"id", b"option", b"uciok", b"readyok", b"info", b"bestmove"}
        assert time.monotonic() - began < PATIENCE
        process.stdin.write(b"quit\n")
        process.stdin.flush()
        assert process.wait(10.0) == 0
        assert process.stderr.read() == b""
