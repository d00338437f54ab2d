"""Libraries and programs that know the rules of chess, each asked for the same two counts.

*Perft*: legal move sequences of a length, the last ply counted and not walked where the library can count.  *Walk*:
every position up to a depth is made and all its legal moves are listed, which is what a search needs; the count is of
the positions made.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import chess

Count = Callable[[str, int], int]
"""From a FEN and a depth of at least 1."""


@dataclass(frozen=True)
class RulesLibrary:
    """A library under its name and version.

    ``nodes`` is how many it counts in about a fifth of a second; ``walk`` is None where only perft is to be had;
    ``clock`` gives the CPU seconds of the process that does the work.
    """

    name: str
    nodes: int
    perft: Count
    walk: Count | None
    clock: Callable[[], float] = time.process_time


def installed_libraries() -> tuple[list[RulesLibrary], list[str]]:
    """What is installed here, python-chess first, and the names of what is not."""
    found, absent = [_python_chess()], []
    for name, make in _OPTIONAL.items():
        library = make()
        if library is None:
            absent.append(name)
        else:
            found.append(library)
    return found, absent


def _module(name: str) -> Any:
    """A module, or None if it is not installed or does not load on this Python."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _named(distribution: str) -> str:
    return f"{distribution} {metadata.version(distribution)}"


# --- one library each -------------------------------------------------------------------------------------------------


def _python_chess() -> RulesLibrary:
    def perft(board: chess.Board, depth: int) -> int:
        if depth == 1:
            return board.legal_moves.count()
        total = 0
        for move in board.legal_moves:
            board.push(move)
            total += perft(board, depth - 1)
            board.pop()
        return total

    def walk(board: chess.Board, depth: int) -> int:
        moves = list(board.legal_moves)
        if not depth:
            return 0
        made = 0
        for move in moves:
            board.push(move)
            made += 1 + walk(board, depth - 1)
            board.pop()
        return made

    return RulesLibrary(
        f"python-chess {chess.__version__}",
        200_000,
        lambda fen, depth: perft(chess.Board(fen), depth),
        lambda fen, depth: walk(chess.Board(fen), depth),
    )


def _bulletchess() -> RulesLibrary | None:
    if (library := _module("bulletchess")) is None:
        return None
    importlib.import_module("bulletchess.utils")

    def walk(board: Any, depth: int) -> int:
        moves = board.legal_moves()
        if not depth:
            return 0
        made = 0
        for move in moves:
            board.apply(move)
            made += 1 + walk(board, depth - 1)
            board.undo()
        return made

    return RulesLibrary(
        _named("bulletchess"),
        10_000_000,
        lambda fen, depth: int(library.utils.perft(library.Board.from_fen(fen), depth)),
        lambda fen, depth: walk(library.Board.from_fen(fen), depth),
    )


def _rust_chess() -> RulesLibrary | None:
    if (library := _module("rust_chess")) is None:
        return None

    def perft(board: Any, depth: int) -> int:
        if depth == 1:
            return int(board.get_generator_num_remaining())
        return sum(perft(board.make_move_new(move, False), depth - 1) for move in board.generate_legal_moves())

    def walk(board: Any, depth: int) -> int:
        moves = list(board.generate_legal_moves())
        if not depth:
            return 0
        return sum(1 + walk(board.make_move_new(move, False), depth - 1) for move in moves)

    return RulesLibrary(
        _named("rust-chess"),
        4_000_000,
        lambda fen, depth: perft(library.Board(fen), depth),
        lambda fen, depth: walk(library.Board(fen), depth),
    )


def _cozy_chess() -> RulesLibrary | None:
    if (library := _module("cozy_chess")) is None:
        return None

    def perft(board: Any, depth: int) -> int:
        if depth == 1:
            return sum(map(len, board.generate_piece_moves()))
        total = 0
        for move in board.generate_moves():
            following = board.__copy__()
            following.play_unchecked(move)
            total += perft(following, depth - 1)
        return total

    def walk(board: Any, depth: int) -> int:
        moves = board.generate_moves()
        if not depth:
            return 0
        made = 0
        for move in moves:
            following = board.__copy__()
            following.play_unchecked(move)
            made += 1 + walk(following, depth - 1)
        return made

    return RulesLibrary(
        _named("cozy-chess-py"),
        2_000_000,
        lambda fen, depth: perft(library.Board.from_fen(fen), depth),
        lambda fen, depth: walk(library.Board.from_fen(fen), depth),
    )


def _pyffish() -> RulesLibrary | None:
    if (library := _module("pyffish")) is None:
        return None

    def perft(fen: str, played: list[str], depth: int) -> int:
        moves = library.legal_moves("chess", fen, played)
        if depth == 1:
            return len(moves)
        return sum(perft(fen, [*played, move], depth - 1) for move in moves)

    def walk(fen: str, played: list[str], depth: int) -> int:
        moves = library.legal_moves("chess", fen, played)
        return sum(1 + walk(fen, [*played, move], depth - 1) for move in moves) if depth else 0

    return RulesLibrary(
        _named("pyffish"), 5_000, lambda fen, depth: perft(fen, [], depth), lambda fen, depth: walk(fen, [], depth)
    )


def _stockfish() -> RulesLibrary | None:
    """The program's own ``go perft``; it stays running, so that its start costs nothing."""
    if (program := shutil.which("stockfish")) is None:
        return None
    running = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    commands, answers = running.stdin, running.stdout
    assert commands is not None
    assert answers is not None

    def lines_until(start: str, command: str) -> Iterator[str]:
        commands.write(command + "\n")
        commands.flush()
        for line in answers:
            yield line
            if line.startswith(start):
                return
        raise RuntimeError(f"{program} ended while it was asked '{command}'")

    def perft(fen: str, depth: int) -> int:
        *_, last = lines_until("Nodes searched:", f"position fen {fen}\ngo perft {depth}")
        return int(last.split()[-1])

    def clock() -> float:
        # Linux numbers the CPU clock of another process after it; elsewhere only the time that passed is to be had.
        return time.clock_gettime(~running.pid << 3 | 2) if sys.platform == "linux" else time.perf_counter()

    greeting = next(lines_until("uciok", "uci")).split(" by ")[0].strip()
    perft(chess.STARTING_FEN, 1)
    return RulesLibrary(greeting, 20_000_000, perft, None, clock)


_OPTIONAL: dict[str, Callable[[], RulesLibrary | None]] = {
    "bulletchess": _bulletchess,
    "rust-chess": _rust_chess,
    "cozy-chess-py": _cozy_chess,
    "pyffish": _pyffish,
    "stockfish": _stockfish,
}
