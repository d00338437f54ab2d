"""Is the UCI engine fit for a tournament?  Whole games through python-chess's client, and noise.

    python -m experiments.check_uci --games 1000 --nodes 50 --fuzz 10000 --agent ladder-final --workers 2

*Games*: the agent against itself (or ``--opponent``), two engine processes a worker that are kept for the whole run, a
new game told by ``ucinewgame``. Each random opening is played with both colours; every tenth game is played with a
clock, the others with a number of nodes. Counted are illegal moves, time forfeits, missing best moves, engines that
ended, and everything that the client did not expect or that came by standard error.

*Noise*: damaged lines of valid sessions (truncated, shuffled, doubled, binary, with huge numbers, wrong FENs, half
promotions). After each batch ``isready`` has to be answered in time; at the end there must have been one best move, or
one refusal, for every ``go`` that could be understood, and nothing on standard error.

A table is printed. Exit code 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import queue
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import chess
import chess.engine
from rich.console import Console
from rich.table import Table

from engines.uci.protocol import Go, Word, parse

CLOCK_EVERY, SECONDS, INCREMENT = 10, 2.0, 0.1
LONGEST_GAME = 300
PATIENCE = 60.0
"""Seconds after which an answer counts as missing."""
STARTING = 300.0
"""Seconds that an engine may take to load and, the first time, to compile."""
BATCH = 50
KNOWN_ANSWERS = frozenset({"id", "option", "uciok", "readyok", "info", "bestmove"})

Answer = TypeVar("Answer")


def command_of(agent: str) -> list[str]:
    """The words that start the engine."""
    return [sys.executable, "-m", "conceptmine.cli", "engine", "uci", agent]


# --- games ------------------------------------------------------------------------------------------------------------


@dataclass
class Findings:
    """What the games showed: results from the view of the first agent, faults by kind."""

    results: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    forfeits: list[str] = field(default_factory=list)
    moves: int = 0
    timed_games: int = 0
    shortest_clock: float = SECONDS
    slowest_answer: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add_fault(self, kind: str) -> None:
        """Count one."""
        with self.lock:
            self.faults[kind] += 1


class Fault(Exception):
    """What ended a game that should not have."""


class Player:
    """One engine process behind python-chess's client, started anew if it had to be given up."""

    def __init__(self, agent: str, findings: Findings) -> None:
        self._agent = agent
        self._findings = findings
        self._engine: chess.engine.SimpleEngine | None = None
        self._awaited = False

    def start(self) -> None:
        """Have a process that is ready to play."""
        if self._engine is None:
            self._engine = chess.engine.SimpleEngine.popen_uci(command_of(self._agent), timeout=STARTING)
            # The client drops what comes while it awaits nothing, so every line is looked at here.
            self._engine.protocol.line_received = self._heard
            self._answer(self._engine.protocol.configure({"Hash": 64}), STARTING)
            self._answer(self._engine.protocol.ping(), STARTING)

    def play(self, board: chess.Board, limit: chess.engine.Limit, game: object) -> chess.Move:
        """The engine's move, which is legal; everything else is a `Fault`."""
        assert self._engine is not None, "start comes first"
        self._awaited = True
        try:
            played = self._answer(self._engine.protocol.play(board, limit, game=game), PATIENCE)
        except chess.engine.EngineTerminatedError:
            raise self._given_up("engine ended") from None
        except chess.engine.EngineError:
            raise self._given_up("illegal move") from None
        except TimeoutError:
            raise self._given_up("no best move") from None
        if played.move is None:
            raise self._given_up("no best move")
        if played.move not in board.legal_moves:
            raise self._given_up("illegal move")
        return played.move

    def close(self) -> None:
        """End the process."""
        if self._engine is not None:
            self._engine.quit()

    def _heard(self, line: str) -> None:
        word = (line.split() or [""])[0]
        if word == "bestmove" and not self._awaited:
            self._findings.add_fault("best move too many")
        elif word == "bestmove":
            self._awaited = False
        elif word not in KNOWN_ANSWERS:
            self._findings.add_fault("unexpected output")

    def _answer(self, asked: Coroutine[Any, Any, Answer], patience: float) -> Answer:
        assert self._engine is not None
        return asyncio.run_coroutine_threadsafe(asked, self._engine.protocol.loop).result(patience)

    def _given_up(self, what: str) -> Fault:
        assert self._engine is not None
        self._engine.close()
        self._engine = None
        return Fault(what)


def random_opening(generator: random.Random) -> chess.Board:
    """A position after two to eight random moves, not the end of a game."""
    while True:
        board = chess.Board()
        for _ in range(generator.randint(2, 8)):
            if board.is_game_over():
                break
            board.push(generator.choice(list(board.legal_moves)))
        if not board.is_game_over():
            return board


def play_game(players: dict[chess.Color, Player], board: chess.Board, nodes: int | None, findings: Findings) -> str:
    """The result of a game from ``board``, with ``nodes`` a move, or a clock."""
    clocks = {chess.WHITE: SECONDS, chess.BLACK: SECONDS}
    game = object()
    for player in players.values():
        player.start()
    opening = board.ply()
    while not board.is_game_over(claim_draw=True) and board.ply() < LONGEST_GAME:
        limit = chess.engine.Limit(nodes=nodes)
        if nodes is None:
            white, black = clocks[chess.WHITE], clocks[chess.BLACK]
            limit = chess.engine.Limit(white_clock=white, black_clock=black, white_inc=INCREMENT, black_inc=INCREMENT)
        began = time.monotonic()
        move = players[board.turn].play(board, limit, game)
        taken = time.monotonic() - began
        with findings.lock:
            findings.moves += 1
            findings.slowest_answer = max(findings.slowest_answer, taken)
        # A player's first answer includes the client's `ucinewgame` and `isready`, for which no tournament takes time.
        if nodes is None and board.ply() >= opening + 2:
            clocks[board.turn] -= taken
            with findings.lock:
                findings.shortest_clock = min(findings.shortest_clock, clocks[board.turn])
            if clocks[board.turn] < 0:
                findings.forfeits.append(f"{taken:.2f} s taken with {clocks[board.turn] + taken:.2f} s left")
                raise Fault("time forfeit")
            clocks[board.turn] += INCREMENT
        board.push(move)
    return board.result(claim_draw=True) if board.is_game_over(claim_draw=True) else "adjudicated"


class Complaints(logging.Handler):
    """Counts what python-chess's client warns of: lines by standard error, and numbers that it could not read."""

    def __init__(self, findings: Findings) -> None:
        super().__init__(logging.WARNING)
        self._findings = findings

    def emit(self, record: logging.LogRecord) -> None:
        """Count one."""
        self._findings.add_fault("unexpected output")


def play_games(arguments: argparse.Namespace, console: Console) -> Findings:
    """All games, divided among the workers."""
    findings = Findings()
    handler = Complaints(findings)
    logging.getLogger("chess.engine").addHandler(handler)
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(arguments.games):
        waiting.put(number)

    def work() -> None:
        first = Player(arguments.agent, findings)
        second = Player(arguments.opponent or arguments.agent, findings)
        while True:
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                break
            play_one(number, first, second)
        first.close()
        second.close()

    def play_one(number: int, first: Player, second: Player) -> None:
        board = random_opening(random.Random(f"{arguments.seed} {number // 2}"))
        firsts_colour = number % 2 == 0
        timed = number % CLOCK_EVERY == CLOCK_EVERY - 1
        try:
            players = {firsts_colour: first, not firsts_colour: second}
            result = play_game(players, board, None if timed else arguments.nodes, findings)
        except Fault as fault:
            findings.add_fault(str(fault))
            console.print(f"game {number}: {fault} in {board.fen()}")
            return
        if result in ("1-0", "0-1"):
            result = "won" if (result == "1-0") == firsts_colour else "lost"
        with findings.lock:
            findings.results[result.replace("1/2-1/2", "drawn")] += 1
            findings.timed_games += timed

    with ThreadPoolExecutor(arguments.workers) as pool:
        for done in [pool.submit(work) for _ in range(arguments.workers)]:
            done.result()
    logging.getLogger("chess.engine").removeHandler(handler)
    return findings


# --- noise ------------------------------------------------------------------------------------------------------------

SESSIONS = (
    "uci|isready|ucinewgame|position startpos|go nodes 20|stop",
    "position startpos moves e2e4 e7e5 g1f3|go wtime 300 btime 300 winc 10 binc 10|stop",
    "setoption name MultiPV value 3|setoption name UCI_ShowWDL value true|go nodes 30|stop",
    "position fen r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1|go infinite|isready|stop",
    "position fen 8/P6k/8/8/8/8/p6K/8 w - - 0 1 moves a7a8q a2a1n|go depth 2 searchmoves h2h3 h2g3|stop",
    "position fen 8/P6k/8/8/8/8/p6K/8 w - - 0 1 moves a7a8|go movetime 20|stop",
    "position fen rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3|go mate 2|stop",
    "position fen 8/8/8/8/8/8/8/8 w - - 0 1|position fen kk6/8/8/8/8/8/8/KK6 x KQkq e9 -1 0|go nodes 5",
    "debug on|perft 3|go ponder wtime 100 btime 100|ponderhit|debug off|stop",
    "setoption name Hash value 32|setoption name CPuct value 2.5|setoption name WeightsFile value lost|isready",
    "setoption name UCI_Chess960 value true|position startpos moves e2e4|go nodes 3|stop",
    "register later|go movestogo 3 wtime 200 btime 200|stop|go nodes 4 ponder|stop",
)
HUGE = ("99999999999999999999", "-99999999999999999999", "1e309", "0x10", "9" * 5000, "-0", "٣", "½")


def damaged(line: str, generator: random.Random) -> bytes:
    """A line with one or two things wrong with it, or none."""
    words = line.split(" ")
    raw = b""
    for _ in range(generator.choice([0, 1, 1, 2])):
        place = generator.randrange(len(words))
        match generator.randrange(9):
            case 0:
                words = " ".join(words)[: generator.randint(0, len(line))].split(" ")
            case 1:
                generator.shuffle(words)
            case 2:
                words.insert(place, words[place])
            case 3:
                words[place] = generator.choice(HUGE)
            case 4:
                del words[place]
            case 5:
                words[place] = words[place][:-1]
            case 6:
                words += generator.choice(SESSIONS).replace("|", " ").split(" ")
            case 7:
                words[place] = words[place].upper()
            case 8:
                raw = bytes(generator.randrange(256) for _ in range(generator.randint(1, 40)))
        words = words or [""]
    return (" ".join(words).encode() + raw).replace(b"\n", b" ").replace(b"\r", b" ")


def noise(number: int, generator: random.Random) -> list[bytes]:
    """``number`` lines, none of which says quit."""
    lines: list[bytes] = []
    while len(lines) < number:
        session = generator.choice(SESSIONS).split("|")
        if generator.random() < 0.2:
            generator.shuffle(session)
        lines += [line for line in (damaged(line, generator) for line in session) if command(line) is not Word.QUIT]
    return lines[:number]


def command(line: bytes) -> object:
    """What the engine understands by a line."""
    return parse(line.decode(errors="replace"))


@dataclass
class NoiseFindings:
    """What the noise showed."""

    lines: int = 0
    searches: int = 0
    slowest_answer: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)


class Noisy:
    """An engine process that is spoken to in lines."""

    def __init__(self, agent: str, errors: Path) -> None:
        self._errors = errors
        with errors.open("wb") as stream:
            self._process = subprocess.Popen(
                command_of(agent), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream
            )
        self._said: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.answers: Counter[str] = Counter()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(line.decode(errors="replace"))

    def tell(self, *lines: bytes) -> None:
        """Write lines; an engine that has ended reads none."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"".join(line + b"\n" for line in lines))
            self._process.stdin.flush()
        except OSError:
            pass

    def until(self, word: str, patience: float) -> str | None:
        """The next line that begins with ``word``, None if there is none in time; what comes before is counted."""
        end = time.monotonic() + patience
        while (left := end - time.monotonic()) > 0:
            try:
                line = self._said.get(timeout=left)
            except queue.Empty:
                break
            first = line.split()[0] if line.split() else ""
            self.answers[first if "go is refused" not in line else "refused"] += 1
            if first == word:
                return line
        return None

    def complaints(self) -> int:
        """Lines on standard error so far."""
        return len(self._errors.read_bytes().splitlines())

    def quit(self) -> int | None:
        """The exit code, None if the engine did not end."""
        self.tell(b"quit")
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return None


def make_noise(arguments: argparse.Namespace, folder: Path, console: Console) -> NoiseFindings:
    """Send the noise in batches and look after each."""
    findings = NoiseFindings()
    engine = Noisy(arguments.agent, folder / "stderr")
    engine.tell(b"setoption name Hash value 32", b"isready")
    if engine.until("readyok", STARTING) is None:
        findings.faults["did not start"] += 1
        return findings
    generator = random.Random(f"{arguments.seed} noise")
    lines = noise(arguments.fuzz, generator)
    asked, complaints = 1, 0
    for start in range(0, len(lines), BATCH):
        batch = lines[start : start + BATCH]
        findings.lines += len(batch)
        findings.searches += sum(isinstance(go := command(line), Go) and not go.ponder for line in batch)
        asked += sum(command(line) is Word.ISREADY for line in batch) + 1
        began = time.monotonic()
        engine.tell(*batch, *([b"stop"] if generator.random() < 0.5 else []), b"isready")
        while engine.answers["readyok"] < asked:
            if engine.until("readyok", PATIENCE) is None:
                findings.faults["isready not answered"] += 1
                console.print(f"no readyok after lines {start} to {start + len(batch)}")
                engine.quit()
                return findings
        findings.slowest_answer = max(findings.slowest_answer, time.monotonic() - began)
        if engine.complaints() > complaints:
            complaints = engine.complaints()
            findings.faults["written to standard error"] += 1
    # What was searched last is stopped; then the engine must play as if nothing had happened.
    engine.tell(b"stop", b"setoption name UCI_Chess960 value false", b"position startpos moves e2e4")
    engine.tell(b"go nodes 5 searchmoves a7a5")
    findings.searches += 1
    last: str | None = None
    while engine.answers["bestmove"] + engine.answers["refused"] < findings.searches:
        last = engine.until("bestmove", PATIENCE)
        if last is None:
            findings.faults["best moves missing"] += 1
            break
    else:
        if re.fullmatch(r"bestmove a7a5\s*", last or "") is None:
            findings.faults["wrong best move after the noise"] += 1
    if engine.until("bestmove", 1.0) is not None:
        findings.faults["more best moves than searches"] += 1
    findings.faults["strange answers"] += sum(
        count for word, count in engine.answers.items() if word not in KNOWN_ANSWERS | {"refused"}
    )
    if engine.quit() != 0:
        findings.faults["quit not obeyed"] += 1
    findings.faults["written to standard error"] += engine.complaints() > complaints
    return findings


# --- table ------------------------------------------------------------------------------------------------------------


def show(console: Console, title: str, facts: dict[str, object], faults: Counter[str], kinds: Sequence[str]) -> None:
    """A table of what was done and of the faults, those of zero too."""
    table = Table(title=title, show_header=False)
    for name, value in facts.items():
        table.add_row(name, str(value))
    table.add_section()
    for kind in dict.fromkeys([*kinds, *faults]):
        table.add_row(kind, str(faults[kind]))
    console.print(table)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Play games with the UCI engine, send it noise, and count the faults.")
    parser.add_argument("--games", type=int, default=1000, help="games to play (default 1000)")
    parser.add_argument("--nodes", type=int, default=50, help="nodes a move, in games without a clock (default 50)")
    parser.add_argument("--fuzz", type=int, default=10_000, help="damaged lines to send (default 10,000)")
    parser.add_argument("--agent", default="ladder-final", help="network file or shipped agent (default ladder-final)")
    parser.add_argument("--opponent", help="another one to play against (default: itself)")
    parser.add_argument("--workers", type=int, default=2, help="games at a time (default 2)")
    parser.add_argument("--seed", type=int, default=0, help="of the openings and the noise (default 0)")
    arguments = parser.parse_args()
    for name, least in (("games", 0), ("nodes", 1), ("fuzz", 0), ("workers", 1)):
        if getattr(arguments, name) < least:
            parser.error(f"--{name} is {getattr(arguments, name)}: give at least {least}")
    console = Console()
    began = time.monotonic()
    failed = False
    if arguments.games:
        games = play_games(arguments, console)
        facts: dict[str, object] = {
            "games": f"{sum(games.results.values())} of {arguments.games}, {games.timed_games} with a clock",
            "results": ", ".join(f"{count} {result}" for result, count in sorted(games.results.items())),
            "moves": f"{games.moves:,}",
            "forfeits": ", ".join(games.forfeits),
            "slowest move": f"{games.slowest_answer:.2f} s",
            "shortest clock": f"{games.shortest_clock:.2f} s" if arguments.games >= CLOCK_EVERY else "",
            "time": f"{time.monotonic() - began:.0f} s",
        }
        kinds = ("illegal move", "time forfeit", "no best move", "best move too many", "engine ended")
        kinds += ("unexpected output",)
        show(console, f"Games of {arguments.agent}", facts, games.faults, kinds)
        failed |= any(games.faults.values()) or sum(games.results.values()) < arguments.games
    if arguments.fuzz:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            noise_found = make_noise(arguments, Path(folder), console)
        facts = {
            "lines": f"{noise_found.lines:,}",
            "searches begun or refused": f"{noise_found.searches:,}",
            "slowest readyok": f"{noise_found.slowest_answer:.2f} s",
            "time": f"{time.monotonic() - began:.0f} s",
        }
        kinds = ("isready not answered", "best moves missing", "written to standard error", "quit not obeyed")
        show(console, "Noise", facts, noise_found.faults, kinds)
        failed |= any(noise_found.faults.values())
    console.print(f"Load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
