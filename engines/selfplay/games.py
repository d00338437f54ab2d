"""Playing many games at once with the batched search, and keeping what the learner needs of each.

All games advance together: every tree is searched to its limit, the moves are played, finished games are handed out and
their slots start anew.  Between two network calls nothing but compiled code runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import chess
import numpy as np
from numpy.typing import NDArray

from engines.chess.bits import count
from engines.chess.input_formats import CLASSICAL_112
from engines.chess.movegen import MAX_MOVES, in_check, legal_moves
from engines.chess.moves import policy_slot
from engines.chess.position import (
    DIAGONALS,
    KEY,
    KNIGHTS,
    ORTHOGONALS,
    OWN,
    PAWNS,
    STATE,
    WORDS,
    black_to_move,
    halfmove_clock,
    insufficient_material,
    make_move,
    position_of,
)
from engines.compiled import kernel
from engines.search.forest import Forest
from engines.search.growing import Evaluator, grow
from engines.search.gumbel import conclude
from engines.search.settings import SearchSettings

TARGET_MOVES = 64  # moves of the improved policy that are kept, by falling prior: all of them in nearly every position
WHITE_WINS, DRAW, BLACK_WINS, UNFINISHED = 1, 0, -1, 2


@dataclass(frozen=True)
class GameRecord:
    """One finished game of ``n`` plies.

    ``moves`` uint16 [n] kernel moves from the start position; ``result`` 1, 0, −1 from White's side; ``policy_slots``
    uint16 and ``policy`` float16 [n, 64]: the improved policy (0 where there are fewer moves); ``values`` float32 [n]:
    value of the searched root, mover's view.
    """

    moves: NDArray[np.uint16]
    result: int
    policy_slots: NDArray[np.uint16]
    policy: NDArray[np.float16]
    values: NDArray[np.float32]


class Unfinished(NamedTuple):
    """Games in play, so that they can be gone on with after a pause: the arrays of `GameRecord` for all of them.

    ``plies`` int32 [games], plies played; ``moves`` uint16 [games, m]; ``slots`` uint16 and ``policy`` float16
    [games, m, 64]; ``values`` float32 [games, m], m the longest; ``random`` uint64 [games], states of the generators.
    """

    plies: NDArray[np.int32]
    moves: NDArray[np.uint16]
    slots: NDArray[np.uint16]
    policy: NDArray[np.float16]
    values: NDArray[np.float32]
    random: NDArray[np.uint64]


@kernel
def play_out(start, moves, rows):
    """Fill ``rows`` (``uint64 [n, 8]``) with the position ``start`` and those after the first n − 1 ``moves``."""
    rows[0] = start
    for ply in range(rows.shape[0] - 1):
        make_move(rows, ply, rows, ply + 1, np.uint64(moves[ply]))


@kernel
def material_lead(row):
    """Material of the side to move less its opponent's, in pawns (1, 3, 3, 5, 9)."""
    own = row[OWN]
    queens = row[DIAGONALS] & row[ORTHOGONALS]
    lead = 0
    for pieces, worth in (
        (row[PAWNS], 1),
        (row[KNIGHTS], 3),
        (row[DIAGONALS] & ~queens, 3),
        (row[ORTHOGONALS] & ~queens, 5),
        (queens, 9),
    ):
        lead += worth * (np.int64(count(pieces & own)) - np.int64(count(pieces & ~own)))
    return lead


@kernel
def judge(rows, repeated, ply, longest, decisive_lead, moves):
    """How a game stands at ``rows[ply]``: −1, 0, 1 for White, or 2 for not finished.

    ``rows`` uint64 [plies, 8] is the game so far; ``repeated[ply]`` is written: how often that position stood before.
    A game of ``longest`` plies is won by a lead of ``decisive_lead`` pawns of material, else drawn (0 = always drawn).
    ``moves`` is scratch space for 256 moves.
    """
    clock = np.int64(halfmove_clock(rows[ply, STATE]))
    again = 0
    distance = 4
    while distance <= min(clock, ply):
        if rows[ply - distance, KEY] == rows[ply, KEY]:
            again += 1
        distance += 2
    repeated[ply] = again
    if legal_moves(rows[ply], moves, 0) == 0:
        if not in_check(rows[ply]):
            return DRAW
        return WHITE_WINS if black_to_move(rows[ply, STATE]) else BLACK_WINS
    if insufficient_material(rows[ply]) or clock >= 100 or again >= 2:
        return DRAW
    if ply < longest:
        return UNFINISHED
    lead = material_lead(rows[ply])
    if decisive_lead == 0 or abs(lead) < decisive_lead:
        return DRAW
    return WHITE_WINS if (lead > 0) == (black_to_move(rows[ply, STATE]) == 0) else BLACK_WINS


@kernel
def _play_moves(
    settings,
    trees,
    nodes,
    choices,
    trials,
    noise,
    history,
    repeated,
    longest,
    decisive_lead,
    log_moves,
    log_slots,
    log_policy,
    log_values,
    results,
):
    """Conclude every search: log the targets, play the move, judge the game; ``results`` int8 [games]."""
    moves = np.empty(MAX_MOVES, dtype=np.uint64)
    policy = np.empty(MAX_MOVES, dtype=np.float32)
    for t in range(trees.shape[0]):
        best = conclude(settings, nodes[t], choices[t], trials[t], noise[t], policy)
        ply = trees[t].plies - 1
        first = nodes[t, 0].first_edge
        kept = min(np.int64(nodes[t, 0].edges), TARGET_MOVES)
        for i in range(TARGET_MOVES):
            log_slots[t, ply, i] = policy_slot(choices[t, first + i].move) if i < kept else 0
            log_policy[t, ply, i] = policy[i] if i < kept else 0.0
        log_values[t, ply] = nodes[t, 0].total / nodes[t, 0].visits
        move = choices[t, first + best].move
        log_moves[t, ply] = move
        make_move(history[t], ply, history[t], ply + 1, np.uint64(move))
        trees[t].plies += 1
        results[t] = judge(history[t], repeated[t], ply + 1, longest, decisive_lead, moves)
        trees[t].nodes = 0
        trees[t].edges = 0
        trees[t].done = 0


class GamesAtOnce:
    """``games`` boards in play; ``step`` plays one move on each and returns the games that ended."""

    def __init__(
        self, games: int, simulations: int, longest: int, settings: SearchSettings, seed: int, decisive_lead: int = 0
    ) -> None:
        self._settings = settings
        self._record = settings.record()
        self._simulations = simulations
        self._longest = longest
        self._decisive_lead = decisive_lead
        self._forest = Forest.allocate(games, simulations + 2, longest + 2)
        start = position_of(chess.Board()).reshape(1, WORDS)
        for game in range(games):
            self._forest.plant(game, start, simulations, seed)
        # Every game starts from the same position, so the streams are set apart by hand.
        streams = np.random.default_rng(seed).integers(1, 2**63, size=games, dtype=np.uint64)
        self._forest.trees["random"] = streams
        self._log_moves = np.zeros((games, longest), dtype=np.uint16)
        self._log_slots = np.zeros((games, longest, TARGET_MOVES), dtype=np.uint16)
        self._log_policy = np.zeros((games, longest, TARGET_MOVES), dtype=np.float32)
        self._log_values = np.zeros((games, longest), dtype=np.float32)
        self._results = np.full(games, UNFINISHED, dtype=np.int8)
        self._everyone = np.arange(games)

    def step(self, evaluator: Evaluator) -> list[GameRecord]:
        """Search all boards, play one move on each; records of the games that this move ended, in slot order.

        Raises ``ValueError`` for an evaluator of another input format than the classical one, which replays are in.
        """
        if evaluator.input_format != CLASSICAL_112:
            raise ValueError(
                f"self-play is in input format {CLASSICAL_112}, and the network has format {evaluator.input_format}:"
                " play with a network of the classical planes"
            )
        forest = self._forest
        grow(forest, evaluator, self._settings, self._everyone)
        _play_moves(
            self._record,
            forest.trees,
            forest.nodes,
            forest.choices,
            forest.trials,
            forest.noise,
            forest.history,
            forest.repeated,
            self._longest,
            self._decisive_lead,
            self._log_moves,
            self._log_slots,
            self._log_policy,
            self._log_values,
            self._results,
        )
        ended = np.flatnonzero(self._results != UNFINISHED)
        return [self._hand_out(int(game)) for game in ended]

    def _hand_out(self, game: int) -> GameRecord:
        plies = int(self._forest.trees["plies"][game]) - 1
        record = GameRecord(
            moves=self._log_moves[game, :plies].copy(),
            result=int(self._results[game]),
            policy_slots=self._log_slots[game, :plies].copy(),
            policy=self._log_policy[game, :plies].astype(np.float16),
            values=self._log_values[game, :plies].copy(),
        )
        self._forest.trees["plies"][game] = 1  # position 0 of the history is still the start position
        self._forest.repeated[game] = 0
        self._results[game] = UNFINISHED
        return record

    def unfinished(self) -> Unfinished:
        """The games in play."""
        plies = np.where(self._results == UNFINISHED, self._forest.trees["plies"] - 1, 0).astype(np.int32)
        longest = int(plies.max())
        return Unfinished(
            plies=plies,
            moves=self._log_moves[:, :longest].copy(),
            slots=self._log_slots[:, :longest].copy(),
            policy=self._log_policy[:, :longest].astype(np.float16),
            values=self._log_values[:, :longest].copy(),
            random=self._forest.trees["random"].copy(),
        )

    def go_on_with(self, games: Unfinished) -> None:
        """Put ``games`` in the place of the first games in play; those that are too long or too many are left out."""
        start = position_of(chess.Board())
        for game in range(min(len(games.plies), len(self._results))):
            plies = int(games.plies[game])
            if plies >= self._longest:
                continue
            rows = np.empty((plies + 1, WORDS), dtype=np.uint64)
            play_out(start, games.moves[game], rows)
            self._forest.plant(game, rows, self._simulations, 0)
            self._forest.trees["random"][game] = games.random[game]
            self._log_moves[game, :plies] = games.moves[game, :plies]
            self._log_slots[game, :plies] = games.slots[game, :plies]
            self._log_policy[game, :plies] = games.policy[game, :plies]
            self._log_values[game, :plies] = games.values[game, :plies]
