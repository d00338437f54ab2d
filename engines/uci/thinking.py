"""Between the protocol and the search: what is loaded, what a ``go`` means as limits, and one search at a time."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import chess

from engines import checkpoints
from engines.uci.clock import Clock, seconds_for_move, seconds_of_movetime
from engines.uci.mates import Prover
from engines.uci.options import Options
from engines.uci.protocol import Go
from engines.uci.reporting import Draws, Progress, Ranked, info_lines, info_string, ranked

if TYPE_CHECKING:
    from engines.networks import Agent
    from engines.search import Limit, Searcher, Tree

__all__ = ["Request", "Thinker", "clock_of", "load_network", "missing_network"]

REPORT_EVERY, WATCH_EVERY = 0.5, 0.1
"""Seconds between reports; and between looks at a tree that has to become deep."""
_MATE_BUDGET = 1000
_MOST_VISITS = 2_000_000_000
_SEARCH_FIELDS = ("c_puct", "c_base", "c_factor", "fpu_reduction", "policy_temperature", "two_fold_draws")

LoadNetwork = Callable[[str, str], Any]
"""Gives the agent of a weights file (or shipped name) and a history fill."""
Say = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class Request:
    """One ``go``: the board, the legal moves to choose among, the limits, the options, and when it was heard.

    ``heard`` is a reading of ``time.monotonic``: time spent on waiting and loading is the player's.
    """

    board: chess.Board
    moves: tuple[chess.Move, ...]
    go: Go
    options: Options
    heard: float


def missing_network(network: str) -> str | None:
    """A sentence if ``network`` is neither a file nor a shipped agent: found without loading anything."""
    shipped = Path(checkpoints.__file__).parent / f"{network}.pb.gz"
    if Path(network).is_file() or shipped.is_file():
        return None
    return f"There is no network file {network} and no shipped agent of that name."


def load_network(network: str, history_fill: str, device: str) -> Agent:
    """The agent on ``device``, where ``"auto"`` is a GPU if torch finds one."""
    import torch

    from engines.networks import load_agent

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return load_agent(network, history_fill=history_fill, device=device)


def clock_of(go: Go, turn: chess.Color) -> Clock | None:
    """The clock of the side to move; a clock given for one side only is taken for both, None if there is none."""
    own, other = (go.wtime, go.btime) if turn else (go.btime, go.wtime)
    remaining = own if own is not None else other
    if remaining is None:
        return None
    increment = go.winc if turn else go.binc
    to_go = go.movestogo if go.movestogo is not None and go.movestogo > 0 else None
    return Clock(remaining, increment or 0, to_go)


class Thinker:
    """Agent and searcher for the options at hand.  Everything here happens in one thread, that of the search."""

    def __init__(self, load: LoadNetwork) -> None:
        self._load = load
        self._agent: Any = None
        self._network: tuple[str, str] | None = None
        self._searcher: Searcher | None = None
        self._setup: Options | None = None
        self.best: chess.Move | None = None
        """The best move of the search that runs, as far as it is known."""

    @property
    def ready(self) -> bool:
        """Whether there is something to search with."""
        return self._searcher is not None

    def prepare(self, options: Options) -> None:
        """Load the network and set up the search, if anything that they depend on has changed.

        What fails is not tried again until an option changes, and what was there before stays in use.  Raises what
        loading raises: ``ValueError`` and ``OSError`` with a sentence for the user.
        """
        setup = _setup_of(options)
        if setup == self._setup:
            return
        self._setup = setup
        network = (options.weights_file, options.history_fill)
        agent = self._agent if network == self._network else self._load(*network)
        searcher = self._new_searcher(agent, options)
        self._agent, self._network, self._searcher = agent, network, searcher

    def _new_searcher(self, agent: Any, options: Options) -> Searcher:
        from engines.search import Searcher, Simulations

        searcher = Searcher(
            agent,
            preset="lc0",
            threads=options.threads,
            leaves=options.leaves,
            megabytes=options.hash,
            **{name: getattr(options, name) for name in _SEARCH_FIELDS},
        )
        # The first search compiles what is not compiled yet, which no player should have to pay for.
        board = chess.Board()
        board.push_uci("e2e4")
        searcher.set_position(board)
        searcher.run(Simulations(2))
        searcher.forget()
        # All that was loaded stays: the collector need not walk through it during a game.
        gc.collect()
        gc.freeze()
        return searcher

    def forget(self) -> None:
        """Drop the tree: another game begins."""
        if self._searcher is not None:
            self._searcher.forget()

    def abandon(self) -> None:
        """Never use this searcher again: something unforeseen went wrong in it."""
        self._searcher, self._setup = None, None

    def think(self, request: Request, stop: Event, say: Say) -> chess.Move | None:
        """Search until the limits of ``request`` or ``stop``; reports go to ``say``.  None if there is no move.

        A search that is stopped, or out of time, before it began still evaluates the root.
        """
        from engines.search import Simulations

        self.best = None
        if not request.moves:
            say([_game_over(request.board)])
            return None
        assert self._searcher is not None, "prepare comes first"
        allowed = list(request.moves) if request.go.searchmoves is not None else None
        self._searcher.set_position(request.board)
        tree = self._searcher.run(Simulations(1), moves=allowed, stop=stop)
        report = _Report(self, request, tree.root.visits, say)
        report.look(tree)
        limits = _limits(request)
        if limits is not None:
            tree = self._searcher.run(
                limits,
                moves=allowed,
                stop=stop,
                watch=lambda tree, _: report.watch(tree, stop),
                watch_every=WATCH_EVERY if request.go.depth is not None else REPORT_EVERY,
            )
        return report.conclude(tree)

    def draws(self, board: chess.Board) -> Draws:
        """A function that gives the network's probability of a draw after moves of ``board``, each worked out once."""
        known: dict[chess.Move, float] = {}

        def drawn(moves: Sequence[chess.Move]) -> list[float]:
            asked = []
            for move in moves:
                if move not in known:
                    after = board.copy()
                    after.push(move)
                    if after.is_game_over():
                        known[move] = 0.0 if after.is_checkmate() else 1.0
                    else:
                        asked.append((move, after))
            if asked:
                wdl = self._agent.evaluate([after for _, after in asked]).wdl
                known.update({move: float(row[1]) for (move, _), row in zip(asked, wdl, strict=True)})
            return [known[move] for move in moves]

        return drawn


class _Report:
    """Looks at one search: sends ``info`` lines, remembers the best move, and ends searches by depth and for mate."""

    def __init__(self, thinker: Thinker, request: Request, kept: int, say: Say) -> None:
        self._thinker = thinker
        self._request = request
        self._kept = kept
        self._began = self._reported = time.monotonic()
        self._say = say
        self._draws = thinker.draws(request.board) if request.options.show_wdl else None

    def look(self, tree: Tree) -> list[Ranked]:
        """The root moves in their order, of which the first is remembered."""
        mate = self._request.go.mate
        prover = Prover(max(mate, 1), _MATE_BUDGET) if mate is not None else None
        order = ranked(tree, self._request.moves, prover)
        self._thinker.best = order[0].move
        return order

    def watch(self, tree: Tree, stop: Event) -> None:
        """Report if it is time to, and set ``stop`` when the tree is as deep as was asked for, or proves the mate."""
        order = self.look(tree)
        go, now = self._request.go, time.monotonic()
        if now - self._reported >= REPORT_EVERY - WATCH_EVERY / 2:
            self._send(tree, order, now)
        if go.infinite:
            return
        proven = go.mate is not None and order[0].mate is not None and 0 < order[0].mate <= max(go.mate, 1)
        deep = go.depth is not None and tree.depth[0] >= go.depth
        if proven or deep:
            stop.set()

    def conclude(self, tree: Tree) -> chess.Move:
        """The last report, and the move to play."""
        order = self.look(tree)
        self._send(tree, order, time.monotonic())
        return order[0].move

    def _send(self, tree: Tree, order: Sequence[Ranked], now: float) -> None:
        self._reported = now
        searched, visits = now - self._began, tree.root.visits - self._kept
        progress = Progress(now - self._request.heard, visits / searched if searched > 0 and visits > 0 else None)
        self._say(info_lines(tree, order, progress, multipv=self._request.options.multipv, draws=self._draws))


def _limits(request: Request) -> list[Limit] | None:
    """What ends the search, beside ``stop``: whichever comes first; None if the time is up already."""
    from engines.search import Seconds, Simulations

    go, overhead = request.go, request.options.move_overhead
    limits: list[Limit] = []
    if go.infinite:
        return limits
    if go.nodes is not None:
        limits.append(Simulations(min(max(go.nodes, 1), _MOST_VISITS)))
    if go.depth is not None:
        # A tree whose lines all end in mate or draw grows no deeper; without this, `go depth` might never end.
        limits.append(Simulations(min(1000 * 2 ** min(max(go.depth, 0), 40), _MOST_VISITS)))
    seconds: list[float] = []
    if go.movetime is not None:
        seconds.append(seconds_of_movetime(go.movetime, overhead))
    clock = clock_of(go, request.board.turn)
    if clock is not None:
        # A forced move needs no thought: its time is worth more later.
        seconds.append(seconds_for_move(clock, overhead) if len(request.moves) > 1 else 0.0)
    if seconds:
        left = min(seconds) - (time.monotonic() - request.heard)
        if left <= 0:
            return None
        limits.append(Seconds(left))
    return limits


def _setup_of(options: Options) -> Options:
    """The options with those that nothing has to be set up anew for at fixed values."""
    return replace(options, multipv=1, show_wdl=False, chess960=False, move_overhead=0)


def _game_over(board: chess.Board) -> str:
    if any(board.generate_legal_moves()):
        return info_string("none of the moves to search is legal")
    return f"info depth 0 score {'mate 0' if board.is_check() else 'cp 0'}"
