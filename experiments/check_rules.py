"""Check: the compiled rules of chess and Chess960 against published perft counts and, ply by ply, against python-chess.

    python -m experiments.check_rules [--perft FOLDER] [--seconds-per-position 30] [--games 20000] [--workers 2]

*Perft.* FOLDER holds `.epd` files ("FEN ;D1 20 ;D2 400 …") and `.perft` files (blocks of "epd FEN", "perft 1 20", …).
Each position is counted at all its published depths up to the greatest that the time allows.

*Games.* Random games from the usual start, from Chess960 starts (the same for both sides and not), and from positions
that kernels get wrong. Moves go back and forth, so that positions recur, and games go on beyond a draw. At every ply
the kernel has python-chess's legal moves, check, clocks, repetitions, insufficient material and result; the position
reached move by move is the position read afresh, key included; and two positions have one key only if they are one.

A disagreement ends the check with exit code 1. Nothing is written.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import chess
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from engines.chess import perft, policy_index
from engines.chess.history import game_rows
from engines.chess.movegen import MAX_MOVES, in_check, legal_moves
from engines.chess.moves import policy_slot
from engines.chess.planes import count_repetitions
from engines.chess.position import (
    KEY,
    STATE,
    decode_move,
    encode_move,
    halfmove_clock,
    insufficient_material,
    position_of,
)
from engines.selfplay.endings import (
    BLACK_WINS,
    DRAW,
    FIFTY_MOVES,
    GOING_ON,
    MATE,
    MATERIAL,
    REPETITION,
    STALEMATE,
    WHITE_WINS,
    judge,
)

TRICKY = (
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 7 9",  # castling on both sides
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1",  # en passant that uncovers the king
    "n1n5/PPPk4/8/8/8/8/4Kppp/5N1N b - - 0 1",  # promotions
    "8/8/3k4/8/2pP4/8/5K2/8 b - d3 0 40",  # en passant given by the FEN
    "r3k2r/8/8/8/3pPp2/8/8/R3K1RR b KQkq e3 0 1",
    "4k3/8/8/8/8/8/8/2B1KB1b b - - 90 120",  # near the end by rule 50 and by material
    "8/8/8/3k4/8/3K1n2/8/7N w - - 0 1",
    "8/8/8/8/k1Pp3Q/8/8/4K3 b - c3 0 1",  # both pawns of an en passant leave the king's rank
    "1rkr4/pppppppp/8/8/8/8/PPPPPPPP/1RKR4 w DBdb - 0 1",  # Chess960: the king stands where it castles to
    "2rkr3/8/8/8/8/8/8/qRK1R3 w EBec - 0 1",  # the rook shields its king
    "rr2k2r/8/8/8/8/8/8/RR2K1R1 b GBhb - 0 1",  # of two rooks on one side the inner one has the right
)
GAMES_A_TASK = 100
EXPANSIVE_POSITION = TRICKY[0]
RESULTS = {"1-0": WHITE_WINS, "0-1": BLACK_WINS, "1/2-1/2": DRAW}


class Disagreement(Exception):
    """What differs and where, in one sentence."""


# --- perft ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Published:
    """A position of a perft file with the known counts by depth in plies."""

    file: str
    fen: str
    counts: dict[int, int]


def published_positions(folder: Path) -> Iterator[Published]:
    """All positions of the `.epd` and `.perft` files in ``folder``, files in the order of their names."""
    for path in sorted([*folder.glob("*.epd"), *folder.glob("*.perft")]):
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        if path.suffix == ".epd":
            for line in filter(None, lines):
                fen, *listed = line.split(";")
                counts = [part[1:].split() for part in listed if part.strip()]
                yield Published(path.name, fen.strip(), {int(depth): int(count) for depth, count in counts})
            continue
        found: list[Published] = []
        for word, *rest in (line.split() for line in lines if line and not line.startswith("#")):
            if word == "epd":
                found.append(Published(path.name, " ".join(rest), {}))
            elif word == "perft":
                found[-1].counts[int(rest[0])] = int(rest[1])
        yield from found


def board_of(fen: str) -> chess.Board:
    """A board of Chess960 where the castling rights ask for it, else of standard chess."""
    board = chess.Board(fen, chess960=True)
    return board if board.has_chess960_castling_rights() else chess.Board(fen)


def check_perft(position: Published, most_nodes: float) -> int:
    """Compare all published counts up to ``most_nodes``, the least one in any case; the greatest depth reached.

    Raises `Disagreement`.
    """
    board = board_of(position.fen)
    depths = sorted(position.counts)
    reached = [depth for depth in depths if position.counts[depth] <= most_nodes] or depths[:1]
    for depth in reached:
        if (found := perft(board, depth)) != position.counts[depth]:
            raise Disagreement(
                f"{position.file}: perft {depth} of {position.fen} is {position.counts[depth]}, the kernel has {found}"
            )
    return reached[-1]


def nodes_a_second() -> float:
    """Nodes of perft that one core counts in a second, measured in a moment."""
    board = chess.Board(EXPANSIVE_POSITION)
    perft(board, 1)
    start = time.perf_counter()
    nodes = perft(board, 4)
    return nodes / (time.perf_counter() - start)


# --- games ------------------------------------------------------------------------------------------------------------


def start_of_game(number: int, generator: np.random.Generator) -> chess.Board:
    """The usual start, a tricky position, a start of Chess960, one that differs for the two sides: in turn."""
    if number % 4 == 0:
        return chess.Board()
    if number % 4 == 1:
        return board_of(TRICKY[number // 4 % len(TRICKY)])
    ours = chess.Board.from_chess960_pos(int(generator.integers(960)))
    if number % 4 == 2:
        return ours
    theirs = chess.Board.from_chess960_pos(int(generator.integers(960)))
    ranks = [*theirs.board_fen().split("/")[:4], *ours.board_fen().split("/")[4:]]
    board = chess.Board("/".join(ranks) + " w - - 0 1", chess960=True)
    board.castling_rights = board.rooks
    return board


def random_game(generator: np.random.Generator, board: chess.Board, plies: int) -> chess.Board:
    """Play ``plies`` random moves on ``board`` (fewer if there are none left); how much goes back differs by game.

    Castling, en passant and promotions are preferred where there are any, since few games would see them.
    """
    returns, prefers = generator.choice([0.1, 0.5, 0.9]), 0.3
    for _ in range(plies):
        moves = list(board.legal_moves)
        if not moves:
            break
        rare = [move for move in moves if move.promotion or board.is_castling(move) or board.is_en_passant(move)]
        choice = rare if rare and generator.random() < prefers else moves
        move = choice[int(generator.integers(len(choice)))]
        if len(board.move_stack) > 1 and generator.random() < returns:
            last = board.move_stack[-2]
            back = chess.Move(last.to_square, last.from_square)
            move = back if back in moves else move
        board.push(move)
    return board


def identity(board: chess.Board) -> Hashable:
    """What makes two positions of a game the same, by python-chess's own fields.

    An en-passant square counts as lc0 has it: a pawn stands beside the pushed one, pinned or not, or a FEN gives it.
    """
    counts = board.ep_square is not None and (not board.move_stack or board.has_pseudo_legal_en_passant())
    return (
        *(board.pawns, board.knights, board.bishops, board.rooks, board.queens, board.kings),
        *(board.occupied_co[chess.WHITE], board.occupied_co[chess.BLACK]),
        *(board.turn, board.clean_castling_rights(), board.ep_square if counts else None),
    )


def kernel_moves(row: NDArray[np.uint64]) -> list[int]:
    """The legal moves of a kernel row (``uint64 [8]``), in the kernel's order."""
    moves = np.zeros(MAX_MOVES, dtype=np.uint64)
    return [int(move) for move in moves[: legal_moves(row, moves, 0)]]


def check_position(board: chess.Board, row: NDArray[np.uint64]) -> None:
    """Compare one kernel row with the board that it stands for.  Raises `Disagreement`."""
    found = kernel_moves(row)
    moves = [decode_move(move, board.turn == chess.BLACK, board.chess960) for move in found]
    legal = set(board.legal_moves)
    pairs = {
        "legal moves": (sorted(move.uci() for move in moves), sorted(move.uci() for move in legal)),
        "moves read from python-chess": ([encode_move(board, move) for move in moves if move in legal], found),
        "places in the policy": ([policy_slot(move) for move in found], [policy_index(board, move) for move in moves]),
        "check": (bool(in_check(row)), board.is_check()),
        "insufficient material": (bool(insufficient_material(row)), board.is_insufficient_material()),
        "clock": (int(halfmove_clock(row[STATE])), min(board.halfmove_clock, 255)),
        "row read afresh": (row.tolist(), position_of(board).tolist()),
    }
    for what, (kernel, expected) in pairs.items():
        if kernel != expected:
            raise Disagreement(
                f"{what} at {board.fen(en_passant='fen')}: the kernel has {kernel}, and python-chess {expected}"
            )


def verdict_of(board: chess.Board, stood_before: int) -> tuple[int, int]:
    """Ending and result as `judge` gives them, by python-chess; ``stood_before``: how often the position did."""
    if board.is_checkmate():
        return MATE, BLACK_WINS if board.turn == chess.WHITE else WHITE_WINS
    if board.is_stalemate():
        return STALEMATE, DRAW
    if board.is_insufficient_material():
        return MATERIAL, DRAW
    if board.is_fifty_moves():
        return FIFTY_MOVES, DRAW
    return REPETITION if stood_before >= 2 else GOING_ON, DRAW


def check_game(game: chess.Board, keys: dict[Hashable, int]) -> Counter[str]:
    """Compare every position of a game; ``keys`` collects the key of each identity.  What the game had in it, counted.

    Raises `Disagreement`.
    """
    rows = game_rows(game)
    repetitions = np.zeros(len(rows), dtype=np.uint8)
    count_repetitions(rows, repetitions)
    judged, scratch = np.zeros_like(repetitions), np.zeros(MAX_MOVES, dtype=np.uint64)
    stood: Counter[Hashable] = Counter()
    had: Counter[str] = Counter(games=1, chess960=int(game.chess960))
    board = game.root()
    alike = True  # python-chess counts an en-passant square only if the capture is legal: then repetitions may differ
    for ply in range(len(rows)):
        if ply:
            move = game.move_stack[ply - 1]
            had["castlings"] += board.is_castling(move)
            had["en passant"] += board.is_en_passant(move)
            had["promotions"] += move.promotion is not None
            board.push(move)
        check_position(board, rows[ply])
        this = identity(board)
        before, stood[this] = stood[this], stood[this] + 1
        alike = alike and (board.has_legal_en_passant() or this[-1] is None)  # type: ignore[index]
        ending, result = judge(rows, judged, ply, len(rows), 0, scratch)
        pairs = {
            "repetitions": (repetitions[ply], before),
            "repetitions by the judge of games": (judged[ply], before),
            "ending and result": ((ending, result), verdict_of(board, before)),
            "key": (int(rows[ply, KEY]), keys.setdefault(this, int(rows[ply, KEY]))),
        }
        if alike:
            pairs["two-fold repetition"] = (repetitions[ply] >= 1, board.is_repetition(2))
            pairs["three-fold repetition"] = (repetitions[ply] >= 2, board.is_repetition(3))
        if (outcome := board.outcome()) is not None and alike:
            pairs["outcome"] = (result, RESULTS[outcome.result()])
            had[outcome.termination.name.lower().replace("_", " ")] += 1
        for what, (kernel, expected) in pairs.items():
            if kernel != expected:
                moves = " ".join(move.uci() for move in game.move_stack[:ply])
                raise Disagreement(
                    f"{what} after {moves or 'no move'} from {game.root().fen(en_passant='fen')}: "
                    f"the kernel has {kernel}, and python-chess {expected}"
                )
        had["positions"] += 1
        had["repeated positions"] += before > 0
    return had


def check_games(numbers: Iterable[int], seed: int) -> Counter[str]:
    """Play and check the random games of these numbers; what they had in them, counted.  Raises `Disagreement`."""
    keys: dict[Hashable, int] = {}
    had: Counter[str] = Counter()
    for number in numbers:
        generator = np.random.default_rng([seed, number])
        game = random_game(generator, start_of_game(number, generator), int(generator.integers(20, 120)))
        had += check_game(game, keys)
    if len(set(keys.values())) != len(keys):
        raise Disagreement(f"two positions of the games {numbers} have one key")
    return had


# --- the command ------------------------------------------------------------------------------------------------------


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Check the compiled rules: published perft counts and random games.")
    parser.add_argument("--perft", type=Path, metavar="FOLDER", help="folder of .epd and .perft files; none: no perft")
    parser.add_argument("--seconds-per-position", type=float, default=30.0, help="what the depth of a perft may cost")
    parser.add_argument("--games", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    positions = []
    if arguments.perft:
        positions = list(published_positions(arguments.perft))
        if not positions:
            parser.error(f"there are no .epd or .perft files in {arguments.perft}")
    most_nodes = arguments.seconds_per_position * nodes_a_second()
    console = Console()
    perft_table = Table("file", "positions", "depths reached", "paths counted", title="Perft")
    game_table = Table("in the random games", "number", title="Games")
    with ProcessPoolExecutor(arguments.workers) as pool:
        try:
            depths_reached = pool.map(partial(check_perft, most_nodes=most_nodes), positions)
            reached = list(track(depths_reached, "perft", len(positions), console=console, disable=not positions))
            games = range(arguments.games)
            tasks = [games[at : at + GAMES_A_TASK] for at in range(0, arguments.games, GAMES_A_TASK)]
            had: Counter[str] = Counter()
            parts = pool.map(partial(check_games, seed=arguments.seed), tasks)
            for part in track(parts, "games", len(tasks), console=console, disable=not tasks):
                had += part
        except Disagreement as error:
            pool.shutdown(cancel_futures=True)
            console.print(f"Disagreement: {error}", style="red", highlight=False)
            sys.exit(1)
    for file in sorted({position.file for position in positions}):
        of_file = [(p, depth) for p, depth in zip(positions, reached, strict=True) if p.file == file]
        depths = Counter(depth for _, depth in of_file)
        counted = sum(count for p, last in of_file for depth, count in p.counts.items() if depth <= last)
        shown = ", ".join(f"{depth}: {number}" for depth, number in sorted(depths.items()))
        perft_table.add_row(file, str(len(of_file)), shown, f"{counted:,}")
    for what, number in had.items():
        game_table.add_row(what, f"{number:,}")
    for table in (perft_table, game_table):
        if table.row_count:
            console.print(table)


if __name__ == "__main__":
    main()
