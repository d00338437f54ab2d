"""The check of the UCI engine finds the faults that it is there to find, each planted in an engine of a few lines."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from engines.uci.protocol import Word
from experiments import check_uci

ENGINE = """
import os, sys, time
import chess
from engines.uci.protocol import Go, Position, Word, parse

fault, board, searches = sys.argv[1], chess.Board(), 0
print("id name planted\\noption name Hash type spin default 64 min 1 max 64", flush=True)
for raw in sys.stdin.buffer:
    match parse(raw.decode(errors="replace")):
        case Word.UCI:
            print("uciok", flush=True)
        case Word.ISREADY if fault != "not ready" or searches < 2:
            print("readyok", flush=True)
        case Word.QUIT:
            sys.exit(3 if fault == "bad end" else 0)
        case Position(fen, moves):
            try:
                new = chess.Board(fen or chess.STARTING_FEN)
                for move in moves:
                    new.push_uci(move)
                board = new
            except ValueError:
                pass
        case Go(ponder=False) as go:
            searches += 1
            if fault == "dies" and searches > 3:
                os._exit(1)
            if fault == "complains":
                print("oh dear", file=sys.stderr, flush=True)
            if fault == "slow":
                time.sleep(0.35)
            if fault == "silent" and searches == 3:
                continue
            legal = [move.uci() for move in board.legal_moves]
            best = next((move for move in go.searchmoves or () if move in legal), legal[0] if legal else "(none)")
            print("bestmove", "e1e8" if fault == "illegal" else best, flush=True)
            if fault == "twice" and searches % 5 == 0:
                print("bestmove", best, flush=True)
            if fault == "babbles":
                print("well", flush=True)
"""


def check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path, fault: str, *words: str
) -> tuple[int, str]:
    """Exit code and output of the check of an engine with the fault."""
    program = folder / "engine.py"
    program.write_text(ENGINE)
    monkeypatch.setenv("PYTHONPATH", ":".join(path for path in sys.path if path))
    monkeypatch.setattr(check_uci, "command_of", lambda agent: [sys.executable, str(program), fault])
    monkeypatch.setattr(check_uci, "PATIENCE", 2.0)
    monkeypatch.setattr(check_uci, "SECONDS", 0.3)
    monkeypatch.setattr(check_uci, "CLOCK_EVERY", 2)
    monkeypatch.setattr(check_uci, "LONGEST_GAME", 16)
    monkeypatch.setattr(sys, "argv", ["check_uci", *words])
    with pytest.raises(SystemExit) as ended:
        check_uci.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code, capsys.readouterr().out


def count(output: str, kind: str) -> int:
    """The number in the row of the table that begins with ``kind``."""
    row = next(line for line in output.splitlines() if kind in line and "│" in line)
    return int(row.split("│")[2])


GAMES = ("--games", "2", "--fuzz", "0", "--workers", "1")
NOISE = ("--games", "0", "--fuzz", "300")


@pytest.mark.parametrize("words", [GAMES, NOISE])
def test_a_sound_engine_passes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    code, output = check(monkeypatch, capsys, tmp_path, "none", *words)
    assert code == 0, output


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("illegal", "illegal move"),
        ("silent", "no best move"),
        ("dies", "engine ended"),
        ("slow", "time forfeit"),
        ("complains", "unexpected output"),
        ("babbles", "unexpected output"),
        ("twice", "best move too many"),
    ],
)
def test_faults_in_games_are_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, fault: str, kind: str
) -> None:
    code, output = check(monkeypatch, capsys, tmp_path, fault, *GAMES)
    assert code == 1
    assert count(output, kind) > 0, output


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("silent", "best moves missing"),
        ("twice", "best moves than searches"),
        ("dies", "isready not answered"),
        ("not ready", "isready not answered"),
        ("complains", "written to standard error"),
        ("babbles", "strange answers"),
        ("bad end", "quit not obeyed"),
    ],
)
def test_faults_under_noise_are_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, fault: str, kind: str
) -> None:
    code, output = check(monkeypatch, capsys, tmp_path, fault, *NOISE)
    assert code == 1
    assert count(output, kind) > 0, output


def test_the_noise_depends_on_the_seed_alone_and_never_quits() -> None:
    lines = check_uci.noise(3000, random.Random(1))
    assert lines == check_uci.noise(3000, random.Random(1)) != check_uci.noise(3000, random.Random(2))
    assert not any(b"\n" in line or check_uci.command(line) is Word.QUIT for line in lines)
