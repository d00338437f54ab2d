"""Correctness: is the machine's move right? A deeper search, another engine and tablebases say so, each in its scale.

Every judge gives a `Verdict` a position; `wilson_interval` says how sure the share of right moves is. A deeper search
of the same network shares its blind spots: it says that the move was no accident of a small search, and not that it is
good.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import chess
import chess.engine
import chess.syzygy
import numpy as np

from conceptmine.errors import InputError
from conceptmine.evidence.intervals import wilson_ends
from engines.search import search
from engines.search.growing import Evaluator

__all__ = [
    "Verdict",
    "check_oracle",
    "check_tablebases",
    "judged_by_oracle",
    "judged_by_search",
    "judged_by_tablebases",
    "most_authoritative",
    "wilson_interval",
]

JUDGES: Final = ("tablebases", "oracle", "search")
"""The most authoritative first: tablebases are proofs; another engine errs elsewhere than the network does."""

VALUE: Final = "value w − l"
POINTS: Final = "expected points"
RESULT: Final = "result classes"

_PATIENCE: Final = 20.0  # seconds that an engine may take to start
_LONGEST: Final = 120.0  # seconds of a search, for engines that do not count nodes
_HASH_MEGABYTES: Final = 64
_FIFTY_MOVES: Final = 100  # plies
_DECIDED: Final = 2  # the class of a win, and of a loss with its sign turned


@dataclass(frozen=True)
class Verdict:
    """What one judge says of one move.

    Attributes:
        judge: one of `JUDGES`.
        best: the judge's own move.
        agrees: whether it is the one judged.
        loss: what the move loses against the judge's best one, at least 0, in ``unit``; None if the judge cannot tell.
        unit: ``"value w − l"`` (of the searched network, from 0 to 2), ``"expected points"`` (of a game, from 0 to 1,
            by Stockfish's win-rate model) or ``"result classes"`` (of the five of tablebases, from 0 to 4).
        right: whether the judge agrees or the loss is within its tolerance; by tablebases, whether the result is kept.
    """

    judge: str
    best: chess.Move
    agrees: bool
    loss: float | None
    unit: str
    right: bool


def judged_by_search(
    agent: Evaluator,
    boards: Sequence[chess.Board],
    moves: Sequence[chess.Move],
    *,
    simulations: int,
    seed: int = 0,
    tolerance: float = 0.05,
) -> list[Verdict]:
    """Search each position with ``simulations`` visits, several times as many as the move was found with.

    Args:
        agent: from `engines.load_agent`.
        boards: positions with their history.
        moves: a legal move of each.
        simulations: visits of each root.
        seed: of the search.
        tolerance: largest loss of a right move, in value w − l.

    Returns:
        One verdict a position; the loss is Q(best) − Q(move) of the root's moves, None if the move was not visited.
    """
    verdicts = []
    for tree, move in zip(search(agent, boards, simulations=simulations, seed=seed), moves, strict=True):
        q, best = tree.q, tree.best_move
        loss = max(0.0, q[best] - q[move]) if move in q and best in q else None
        agrees = best == move
        verdicts.append(
            Verdict("search", best, agrees, loss, VALUE, agrees or (loss is not None and loss <= tolerance))
        )
    return verdicts


def judged_by_oracle(
    program: str,
    boards: Sequence[chess.Board],
    moves: Sequence[chess.Move],
    *,
    nodes: int,
    tolerance: float = 0.05,
) -> list[Verdict]:
    """Ask a UCI engine for its best move, and for its score of the move judged.

    The engine runs on one thread with a fixed number of nodes and forgets between positions, so that most engines give
    the same verdicts each time. Scores become expected points by the win-rate model of Stockfish, because a loss of a
    pawn matters where the game is open and not where it is won.

    Args:
        program: path of the engine.
        boards: positions with their history.
        moves: a legal move of each.
        nodes: of each of the two searches.
        tolerance: largest loss of a right move, in expected points of a game.

    Returns:
        One verdict a position.

    Raises:
        InputError: the engine cannot be started, ends, or gives no move or no score.
    """
    verdicts = []
    limit = chess.engine.Limit(nodes=nodes, time=_LONGEST)
    with closing(_started(program)) as engine:
        try:
            for number, (board, move) in enumerate(zip(boards, moves, strict=True)):
                free = engine.analyse(board, limit, game=2 * number)
                line = free.get("pv")
                if not line:
                    raise InputError(f"The engine {program} names no move in {board.fen()}: give a UCI engine.")
                best = line[0]
                loss = 0.0
                if best != move:
                    bound = engine.analyse(board, limit, game=2 * number + 1, root_moves=[move])
                    loss = max(0.0, _points(free, board, program) - _points(bound, board, program))
                verdicts.append(Verdict("oracle", best, best == move, loss, POINTS, loss <= tolerance))
        except (chess.engine.EngineError, TimeoutError) as error:
            raise InputError(f"The engine {program} failed ({error}): give a UCI engine that runs here.") from None
    return verdicts


def judged_by_tablebases(
    folder: Path, boards: Sequence[chess.Board], moves: Sequence[chess.Move]
) -> list[Verdict | None]:
    """Look the move up in Syzygy tablebases, where the tables of the position and of all that follow are there.

    The loss is counted in five classes: win, win that the fifty-move rule spoils, draw, loss that it saves, and loss;
    the count of plies without capture or pawn move is taken into account with the distance to zeroing. A move is right
    if it keeps the best result by the rules, to which the three in the middle are draws. Which of several winning moves
    is quicker does not matter.

    Args:
        folder: of ``.rtbw`` and ``.rtbz`` files.
        boards: positions.
        moves: a legal move of each.

    Returns:
        One verdict a position, None where tables are missing, castling is still possible or too many men stand.

    Raises:
        InputError: the folder holds no tablebases, or a damaged one.
    """
    check_tablebases(folder)
    with chess.syzygy.open_tablebase(str(folder)) as tables:
        return [_looked_up(tables, board, move, folder) for board, move in zip(boards, moves, strict=True)]


def most_authoritative(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict that counts of those on one move: tablebases before an oracle before the network's own search."""
    return min(verdicts, key=lambda verdict: JUDGES.index(verdict.judge))


def wilson_interval(right: int, judged: int, *, mass: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share, in [0, 1]: it holds its mass for few positions and shares near 0 or 1 too.

    Args:
        right: of those judged.
        judged: at least 1.
        mass: of the interval, in (0, 1).

    Raises:
        InputError: none judged, or more right than judged.
    """
    if not 0 <= right <= judged or judged < 1 or not 0 < mass < 1:
        raise InputError(f"{right} of {judged} at {mass}: give 0 ≤ right ≤ judged, judged ≥ 1 and 0 < mass < 1.")
    (low,), (high,) = wilson_ends(np.array([right / judged]), np.array([float(judged)]), level=mass)
    return float(low), float(high)


def check_oracle(program: str) -> str:
    """Start an engine and end it again; gives its name.

    Raises:
        InputError: it cannot be started, or does not speak UCI.
    """
    with closing(_started(program)) as engine:
        return engine.id.get("name", Path(program).name)


def check_tablebases(folder: Path) -> int:
    """The number of WDL tables in a folder.

    Raises:
        InputError: no folder, or none in it.
    """
    tables = len(list(folder.glob("*.rtbw"))) if folder.is_dir() else 0
    if not tables:
        raise InputError(f"{folder} holds no Syzygy tablebases: give a folder of .rtbw and .rtbz files.")
    return tables


def _started(program: str) -> chess.engine.SimpleEngine:
    try:
        engine = chess.engine.SimpleEngine.popen_uci(program, timeout=_PATIENCE)
    except FileNotFoundError:
        raise InputError(f"There is no engine {program}: install it, or give the path of its program.") from None
    except (OSError, chess.engine.EngineError) as error:
        raise InputError(f"The engine {program} cannot be started ({error}): give a UCI engine.") from None
    wanted = {"Threads": 1, "Hash": _HASH_MEGABYTES}
    engine.configure({name: value for name, value in wanted.items() if name in engine.options})
    return engine


def _points(info: chess.engine.InfoDict, board: chess.Board, program: str) -> float:
    score = info.get("score")
    if score is None:
        raise InputError(f"The engine {program} gives no score in {board.fen()}: give one that does.")
    return score.pov(board.turn).wdl(model="sf", ply=board.ply()).expectation()


def _looked_up(tables: chess.syzygy.Tablebase, board: chess.Board, move: chess.Move, folder: Path) -> Verdict | None:
    if board.castling_rights or chess.popcount(board.occupied) > chess.syzygy.TBPIECES:
        return None
    try:
        results = {legal: _result_after(tables, board, legal) for legal in board.legal_moves}
    except KeyError:  # of which MissingTableError is one
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"A tablebase in {folder} cannot be read ({error}): replace the file.") from None
    most = max(results.values())
    best = move if results[move] == most else next(legal for legal, result in results.items() if result == most)
    loss = most - results[move]
    # A spoiled win and a saved loss are draws by the rule: whoever chooses another draw has lost nothing.
    right = most == results[move] or max(abs(most), abs(results[move])) < _DECIDED
    return Verdict("tablebases", best, best == move, float(loss), RESULT, right)


def _result_after(tables: chess.syzygy.Tablebase, board: chess.Board, move: chess.Move) -> int:
    """From −2 (loss) to 2 (win) for the player who moves, as the fifty-move rule has it."""
    after = board.copy(stack=False)
    after.push(move)
    if after.is_checkmate():
        return _DECIDED
    if after.is_stalemate() or after.is_insufficient_material():
        return 0
    result = -tables.probe_wdl(after)
    if abs(result) == _DECIDED and after.halfmove_clock + abs(tables.probe_dtz(after)) > _FIFTY_MOVES:
        return result // 2
    return result
