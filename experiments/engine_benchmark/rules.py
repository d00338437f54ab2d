"""Rules: perft, and making moves with full legal lists, by the kernel and by every rules library at hand."""

from __future__ import annotations

import chess
import numpy as np

from engines.chess import perft
from engines.chess.movegen import MAX_MOVES, legal_moves
from engines.chess.position import WORDS, make_move, position_of
from engines.compiled import kernel
from experiments.engine_benchmark.measuring import Case, Section, taking_turns
from experiments.peers.rules_libraries import RulesLibrary, installed_libraries

KERNEL = "kernel"
WALK = "make and list, all six"
SECONDS = 0.12

POSITIONS: dict[str, tuple[str, tuple[int, ...]]] = {
    "start": (chess.STARTING_FEN, (20, 400, 8_902, 197_281, 4_865_609, 119_060_324)),
    "kiwipete": (
        "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
        (48, 2_039, 97_862, 4_085_603, 193_690_690),
    ),
    "position 3": (
        "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1",
        (14, 191, 2_812, 43_238, 674_624, 11_030_083, 178_633_661),
    ),
    "position 4": (
        "r3k2r/Pppp1ppp/1b3nbN/nP6/BBP1P3/q4N2/Pp1P2PP/R2Q1RK1 w kq - 0 1",
        (6, 264, 9_467, 422_333, 15_833_292),
    ),
    "position 5": (
        "rnbq1k1r/pp1Pbppp/2p5/8/2B5/8/PPP1NnPP/RNBQK2R w KQ - 1 8",
        (44, 1_486, 62_379, 2_103_487, 89_941_194),
    ),
    "position 6": (
        "r4rk1/1pp1qppp/p1np1n2/2b1p1B1/2B1P1b1/P1NP1N2/1PP1QPPP/R4RK1 w - - 0 10",
        (46, 2_079, 89_890, 3_894_594, 164_075_551),
    ),
}
"""The six positions of the Chess Programming Wiki with their known counts, depth 1 first."""


@kernel
def _walk(rows, moves, cursor, ends, depth):
    """Positions made on the way down to ``depth``; at each, all legal moves are written out."""
    made, level = 0, 0
    cursor[0], ends[0] = 0, legal_moves(rows[0], moves, 0)
    while level >= 0:
        if cursor[level] == ends[level]:
            level -= 1
            continue
        move = moves[cursor[level]]
        cursor[level] += 1
        make_move(rows, level, rows, level + 1, move)
        first = (level + 1) * MAX_MOVES
        found = legal_moves(rows[level + 1], moves, first)
        made += 1
        if level + 1 < depth:
            level += 1
            cursor[level], ends[level] = first, first + found
    return made


def kernel_walk(fen: str, depth: int) -> int:
    """Positions made from ``fen`` down to ``depth`` ≥ 1, each with its full legal list."""
    rows = np.zeros((depth + 1, WORDS), dtype=np.uint64)
    rows[0] = position_of(chess.Board(fen))
    moves = np.zeros((depth + 1) * MAX_MOVES, dtype=np.uint64)
    cursor = np.zeros(depth + 1, dtype=np.int64)
    return int(_walk(rows, moves, cursor, np.zeros_like(cursor), depth))


def _deepest(counts: tuple[int, ...], nodes: int) -> int:
    """The greatest depth of at most ``nodes``, at least 1."""
    return max((depth for depth, count in enumerate(counts, start=1) if count <= nodes), default=1)


def _case(library: RulesLibrary, position: str) -> Case:
    fen, counts = POSITIONS[position]
    depth = _deepest(counts, library.nodes)

    def work() -> int:
        found = library.perft(fen, depth)
        if found != counts[depth - 1]:
            raise RuntimeError(f"{library.name} counts {found} for perft {depth} of {fen}; it is {counts[depth - 1]}")
        return found

    return Case(f"perft, {position}", library.name, work, library.clock)


def _walk_case(library: RulesLibrary) -> Case:
    """The same for all six positions, each to a depth that a fortieth of the nodes of perft reach."""
    assert library.walk is not None
    walk = library.walk
    wanted = [(fen, counts, _deepest(counts, library.nodes // 40)) for fen, counts in POSITIONS.values()]

    def work() -> int:
        total = 0
        for fen, counts, depth in wanted:
            made = walk(fen, depth)
            if made != sum(counts[:depth]):
                raise RuntimeError(f"{library.name} makes {made} positions to depth {depth} of {fen}")
            total += made
        return total

    return Case(WALK, library.name, work, library.clock)


def rules_section() -> Section:
    """Kernel and libraries on the six positions; every count is checked as it is made."""
    ours = RulesLibrary(KERNEL, 20_000_000, lambda fen, depth: perft(chess.Board(fen), depth), kernel_walk)
    others, absent = installed_libraries()
    libraries = [ours, *others]
    cases = [_case(library, position) for position in POSITIONS for library in libraries]
    cases += [_walk_case(library) for library in libraries if library.walk is not None]
    for case in cases[: len(libraries)] + cases[-len(libraries) :]:
        case.work()  # compiles and loads
    section = Section("rules", "Rules: positions a CPU second", taking_turns(cases, SECONDS), against=KERNEL)
    section.notes.append(
        "Perft counts the last ply without walking it wherever the library can; make and list makes every position and "
        "lists all its legal moves."
    )
    if absent:
        section.notes.append(f"Not installed here: {', '.join(absent)}.")
    return section
