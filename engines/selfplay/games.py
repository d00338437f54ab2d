"""Many self-play games side by side: a search for every board, a network batch at a time, moves as searches end.

No game waits for another: as soon as a board's search has its simulations its move is played and the next search
begins, so that batches stay full although searches differ in length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.chess.input_formats import CLASSICAL_112
from engines.chess.movegen import MAX_MOVES
from engines.chess.moves import policy_slot
from engines.chess.position import STATE, WORDS, black_to_move, make_move, start_position
from engines.compiled import kernel
from engines.search.forest import Forest
from engines.search.growing import Evaluator, Grower
from engines.search.gumbel import conclude
from engines.search.noise import uniform
from engines.search.settings import GUMBEL, SearchSettings
from engines.selfplay.endings import BLACK_WINS, GOING_ON, RESIGNED, WHITE_WINS, judge, play_out
from engines.selfplay.records import FAST, FULL, OPENING, TARGET_MOVES, GameRecord
from engines.selfplay.starts import random_endgame

_SMALLEST_SHARE = 1 / 2048  # of the policy to learn; less than float16 can tell from its neighbours near 1
_HIGHEST = 2.0  # above every value

GAME = np.dtype(
    [
        ("random", "u8"),  # state of the tree's stream when its search began
        ("limit", "i4"),  # simulations of the search under way
        ("lowest", "f4", (2,)),  # see GameRecord
        ("latest", "f4", (2,)),  # value of each side's latest search
        ("opening", "u1"),  # plies that are drawn from the policy alone
        ("kind", "u1"),  # of the search under way
        ("played_on", "u1"),
    ],
    align=True,
)
RULES = np.dtype(
    [
        ("longest", "i4"),
        ("decisive_lead", "i4"),
        ("simulations", "i4"),
        ("fast_simulations", "i4"),
        ("full_share", "f8"),
        ("sampled_plies", "i4"),
        ("resign_below", "f8"),
    ],
    align=True,
)


@dataclass(frozen=True)
class GameRules:
    """How games are played; see `engines.selfplay.config.Campaign` for the meaning of each.

    ``resign_below``: a side whose searches were worth less than that twice in a row resigns; −1 or less: never.
    """

    simulations: int
    fast_simulations: int = 2
    full_share: float = 1.0
    sampled_plies: int = 0
    opening_plies: int = 0
    endgame_share: float = 0.0
    longest: int = 240
    decisive_lead: int = 0
    resign_below: float = -1.0
    played_on: float = 1.0


@dataclass(frozen=True)
class Unfinished:
    """Games in play, so that they can be gone on with after a pause.

    ``records``: the games so far, with ending GOING_ON; ``games``: GAME [n], what else there is to know of each.
    """

    records: list[GameRecord]
    games: NDArray[np.void]


@kernel
def _begin_search(rules, trees, games, t, ply):
    """Decide how long the next search of game ``t`` is, and empty its tree."""
    if ply < games[t].opening:
        kind, limit = OPENING, 0  # the root's policy alone
    elif rules[0].full_share >= 1.0 or uniform(trees, t) < rules[0].full_share:
        kind, limit = FULL, rules[0].simulations
    else:
        kind, limit = FAST, rules[0].fast_simulations
    games[t].kind, games[t].limit = kind, limit
    games[t].random = trees[t].random
    trees[t].limit = limit
    trees[t].nodes = 0
    trees[t].edges = 0
    trees[t].done = 0


@kernel
def _conclude_by_visits(rules, trees, t, ply, nodes, choices, trials, policy):
    """As `gumbel.conclude` for PUCT: the visit counts are learned, and early moves are drawn by them (AlphaZero)."""
    first, moves = nodes[0].first_edge, nodes[0].edges
    total, best = 0, 0
    for i in range(moves):
        total += trials[first + i].visits
        if trials[first + i].visits > trials[first + best].visits:
            best = i
    for i in range(moves):
        policy[i] = trials[first + i].visits / total if total > 0 else choices[first + i].prior
    if total == 0 or ply < rules[0].sampled_plies:
        left = uniform(trees, t)
        for i in range(moves):
            if policy[i] > 0:
                best = i
                left -= policy[i]
                if left < 0:
                    break
    return best


@kernel
def _play_moves(
    settings,
    rules,
    chosen,
    trees,
    nodes,
    choices,
    trials,
    noise,
    history,
    repeated,
    games,
    log_moves,
    log_kinds,
    log_slots,
    log_policy,
    log_values,
    endings,
    results,
):
    """Conclude the searches ``chosen``: log the targets, play the move, judge the game, begin the next search.

    ``endings`` uint8 and ``results`` int8 [games] are written for the chosen ones.
    """
    moves = np.empty(MAX_MOVES, dtype=np.uint64)
    policy = np.empty(MAX_MOVES, dtype=np.float32)
    for t in chosen:
        ply = trees[t].plies - 1
        if settings[0].formula == GUMBEL:
            best = conclude(settings, nodes[t], choices[t], trials[t], noise[t], policy)
        else:
            best = _conclude_by_visits(rules, trees, t, ply, nodes[t], choices[t], trials[t], policy)
        root, kind = nodes[t, 0], games[t].kind
        kept = 0
        if kind == FULL:
            for i in range(root.edges):
                if kept < TARGET_MOVES and policy[i] >= _SMALLEST_SHARE:
                    log_slots[t, ply, kept] = policy_slot(choices[t, root.first_edge + i].move)
                    log_policy[t, ply, kept] = policy[i]
                    kept += 1
        log_policy[t, ply, kept:] = 0
        value = np.float32(root.total / root.visits if root.visits > 0 else root.value)
        log_values[t, ply] = value
        log_kinds[t, ply] = kind
        move = choices[t, root.first_edge + best].move
        log_moves[t, ply] = move
        black = np.int64(black_to_move(history[t, ply, STATE]))
        make_move(history[t], ply, history[t], ply + 1, np.uint64(move))
        trees[t].plies += 1
        endings[t], results[t] = judge(
            history[t], repeated[t], ply + 1, rules[0].longest, rules[0].decisive_lead, moves
        )
        if kind != OPENING:
            held = max(value, games[t].latest[black])
            games[t].latest[black] = value
            games[t].lowest[black] = min(games[t].lowest[black], held)
            if endings[t] == GOING_ON and held < rules[0].resign_below and not games[t].played_on:
                endings[t], results[t] = RESIGNED, WHITE_WINS if black else BLACK_WINS
        if endings[t] == GOING_ON:
            _begin_search(rules, trees, games, t, ply + 1)


class GamesAtOnce:
    """``games`` boards in play; `step` asks the network once and returns the games that ended.

    Deterministic: the same seed, rules and answers give the same games.
    """

    def __init__(self, games: int, rules: GameRules, settings: SearchSettings, seed: int) -> None:
        self._settings = settings
        self._record = settings.record()
        self._opening_plies, self._endgame_share = rules.opening_plies, rules.endgame_share
        self._played_on = rules.played_on
        self._rules = np.zeros(1, dtype=RULES)
        for name in RULES.names or ():
            self._rules[name] = getattr(rules, name)
        nodes = max(rules.simulations, rules.fast_simulations) + 2
        self._forest = Forest.allocate(games, nodes, rules.longest + 2)
        self._games = np.zeros(games, dtype=GAME)
        self._starts = np.zeros((games, WORDS), dtype=np.uint64)
        self._log_moves = np.zeros((games, rules.longest), dtype=np.uint16)
        self._log_kinds = np.zeros((games, rules.longest), dtype=np.uint8)
        self._log_slots = np.zeros((games, rules.longest, TARGET_MOVES), dtype=np.uint16)
        self._log_policy = np.zeros((games, rules.longest, TARGET_MOVES), dtype=np.float32)
        self._log_values = np.zeros((games, rules.longest), dtype=np.float32)
        self._endings = np.zeros(games, dtype=np.uint8)
        self._results = np.zeros(games, dtype=np.int8)
        self._everyone = np.arange(games)
        self._grower: Grower | None = None
        self.evaluations = 0
        """How many positions the network was asked about."""
        self.moves = 0
        """How many moves were played."""
        for game, stream in enumerate(np.random.default_rng(seed).integers(1, 2**63, size=games, dtype=np.uint64)):
            self._begin_game(game, stream)

    def __len__(self) -> int:
        return len(self._games)

    @property
    def longest(self) -> int:
        """Most plies of a game."""
        return int(self._rules["longest"][0])

    def change_rules(self, *, resign_below: float, decisive_lead: int) -> None:
        """Let these rules hold from now on."""
        self._rules["resign_below"], self._rules["decisive_lead"] = resign_below, decisive_lead

    def step(self, evaluator: Evaluator) -> list[GameRecord]:
        """Ask the network about one position of every game at most; records of the games that ended, in slot order.

        Raises ``ValueError`` for an evaluator of another input format than the classical one, which replays are in.
        """
        if evaluator.input_format != CLASSICAL_112:
            raise ValueError(
                f"self-play is in input format {CLASSICAL_112}, and the network has format {evaluator.input_format}:"
                " play with a network of the classical planes"
            )
        forest = self._forest
        if self._grower is None:
            self._grower = Grower(forest, evaluator, self._settings)
        self._grower.evaluator = evaluator
        rows, searching = self._grower.step(self._everyone)
        self.evaluations += rows
        if len(searching) == len(self._everyone):
            return []
        moving = np.setdiff1d(self._everyone, searching, assume_unique=True)
        self.moves += len(moving)
        _play_moves(
            self._record,
            self._rules,
            moving,
            forest.trees,
            forest.nodes,
            forest.choices,
            forest.trials,
            forest.noise,
            forest.history,
            forest.repeated,
            self._games,
            self._log_moves,
            self._log_kinds,
            self._log_slots,
            self._log_policy,
            self._log_values,
            self._endings,
            self._results,
        )
        return [self._hand_out(int(game)) for game in moving[self._endings[moving] != GOING_ON]]

    def _hand_out(self, game: int) -> GameRecord:
        record = self._record_of(game)
        self._begin_game(game, self._forest.trees["random"][game])
        return record

    def _record_of(self, game: int) -> GameRecord:
        plies = int(self._forest.trees["plies"][game]) - 1
        return GameRecord(
            start=self._starts[game].copy(),
            moves=self._log_moves[game, :plies].copy(),
            kinds=self._log_kinds[game, :plies].copy(),
            slots=np.where(self._log_policy[game, :plies] > 0, self._log_slots[game, :plies], 0).astype(np.uint16),
            policy=self._log_policy[game, :plies].astype(np.float16),
            values=self._log_values[game, :plies].copy(),
            result=int(self._results[game]),
            ending=int(self._endings[game]),
            lowest=self._games["lowest"][game].copy(),
            played_on=bool(self._games["played_on"][game]),
        )

    def _begin_game(self, game: int, stream: np.uint64) -> None:
        generator = np.random.default_rng(int(stream))
        endgame = generator.random() < self._endgame_share
        state = self._games[game]
        state["lowest"] = state["latest"] = _HIGHEST
        state["opening"] = 0 if endgame else generator.integers(0, self._opening_plies + 1)
        state["played_on"] = generator.random() < self._played_on
        self._starts[game] = random_endgame(generator) if endgame else start_position()
        self._forest.plant(game, self._starts[game : game + 1], 0, 0)
        self._forest.trees["random"][game] = generator.integers(1, 2**63, dtype=np.uint64)
        self._endings[game] = self._results[game] = GOING_ON
        _begin_search(self._rules, self._forest.trees, self._games, game, 0)

    def unfinished(self) -> Unfinished:
        """The games in play, each at the beginning of the search under way."""
        return Unfinished([self._record_of(game) for game in range(len(self._games))], self._games.copy())

    def go_on_with(self, unfinished: Unfinished) -> None:
        """Put games in the place of the first games in play, before the first `step`.

        Those that are too long, too many or over (an interrupt may come between a game's last move and the next game)
        are left out.
        """
        for game, (record, state) in enumerate(zip(unfinished.records, unfinished.games, strict=True)):
            plies = len(record.moves)
            if game >= len(self._games) or plies >= self.longest or record.ending != GOING_ON:
                continue
            rows = np.empty((plies + 1, WORDS), dtype=np.uint64)
            play_out(record.start, record.moves, rows)
            self._starts[game] = record.start
            self._games[game] = state
            self._forest.plant(game, rows, int(state["limit"]), 0)
            self._forest.trees["random"][game] = state["random"]
            self._log_moves[game, :plies] = record.moves
            self._log_kinds[game, :plies] = record.kinds
            self._log_slots[game, :plies] = record.slots
            self._log_policy[game, :plies] = record.policy
            self._log_values[game, :plies] = record.values
