"""Games played straight from a policy, without search: thousands a minute, as a sample of what an agent would play."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engines.chess.input_formats import CANONICAL, encoding_of
from engines.chess.movegen import MAX_MOVES, legal_moves
from engines.chess.moves import policy_slot
from engines.chess.planes import count_repetitions, pack_game_plies
from engines.chess.position import WORDS, decode_move, encode_move, make_move, start_position
from engines.chess.transforms import POLICY_AFTER
from engines.chess.turning import canonical_transform
from engines.compiled import kernel
from engines.python_chess import chess
from engines.search.growing import Evaluator
from engines.selfplay.endings import GOING_ON, RESULTS, judge

GAMES_AT_ONCE = 256


@kernel
def _encode_active(rows, repeated, plies, active, encoding, masks, values):
    at = np.empty(1, dtype=np.int64)
    for i in range(active.shape[0]):
        game = active[i]
        at[0] = plies[game]
        pack_game_plies(rows[game], repeated[game], at, encoding, masks[i : i + 1], values[i : i + 1])


@kernel
def _sample_moves(
    rows, repeated, plies, active, encoding, logits, draws, temperature, longest, played, endings, results
):
    """One move for each active game by its softmax policy; ``endings`` and ``results`` as in ``endings.judge``."""
    moves = np.empty(MAX_MOVES, dtype=np.uint64)
    weights = np.empty(MAX_MOVES, dtype=np.float64)
    for i in range(active.shape[0]):
        game = active[i]
        ply = plies[game]
        found = legal_moves(rows[game, ply], moves, 0)
        places = POLICY_AFTER[canonical_transform(rows[game, ply]) if encoding & CANONICAL else 0]
        highest = -1e30
        for m in range(found):
            weights[m] = np.float64(logits[i, places[policy_slot(moves[m])]]) / temperature
            highest = max(highest, weights[m])
        total = 0.0
        for m in range(found):
            weights[m] = math.exp(weights[m] - highest)
            total += weights[m]
        left = draws[i] * total
        chosen = 0
        while chosen < found - 1 and left >= weights[chosen]:
            left -= weights[chosen]
            chosen += 1
        played[game, ply] = moves[chosen]
        make_move(rows[game], ply, rows[game], ply + 1, moves[chosen])
        plies[game] = ply + 1
        endings[game], results[game] = judge(rows[game], repeated[game], ply + 1, longest, 0, moves)


def play_policy_games(
    agent: Evaluator,
    openings: Sequence[Sequence[str]],
    *,
    temperature: float = 1.0,
    longest: int = 240,
    seed: int = 0,
) -> list[tuple[tuple[str, ...], str]]:
    """One game from each opening (UCI moves from the start position), every further move drawn from the agent's policy.

    ``temperature`` divides the logits (1 = the policy itself); ``longest`` is the number of plies after which a game is
    drawn.  Returns, per opening, all moves in UCI and the result ("1-0", "0-1", "1/2-1/2").  Same seed, same games.

    Raises ``ValueError`` for an illegal opening move, a temperature that is not above 0, or an opening as long as
    ``longest``.
    """
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    found: list[tuple[tuple[str, ...], str]] = []
    for start in range(0, len(openings), GAMES_AT_ONCE):
        generator = np.random.default_rng([seed, start])
        found += _play(agent, openings[start : start + GAMES_AT_ONCE], temperature, longest, generator)
    return found


def _play(
    agent: Evaluator,
    openings: Sequence[Sequence[str]],
    temperature: float,
    longest: int,
    generator: np.random.Generator,
) -> list[tuple[tuple[str, ...], str]]:
    games = len(openings)
    encoding = encoding_of(agent.input_format, agent.history_fill)
    rows = np.zeros((games, longest + 1, WORDS), dtype=np.uint64)
    repeated = np.zeros((games, longest + 1), dtype=np.uint8)
    played = np.zeros((games, longest), dtype=np.uint64)
    plies = np.zeros(games, dtype=np.int64)
    endings = np.full(games, GOING_ON, dtype=np.uint8)
    results = np.zeros(games, dtype=np.int8)
    scratch = np.empty(MAX_MOVES, dtype=np.uint64)
    start = start_position()
    for game, opening in enumerate(openings):
        rows[game, 0] = start
        _play_opening(rows[game], played[game], opening, longest)
        plies[game] = len(opening)
        count_repetitions(rows[game, : len(opening) + 1], repeated[game])
        endings[game], results[game] = judge(rows[game], repeated[game], len(opening), longest, 0, scratch)
    masks = np.zeros((games, 112), dtype=np.uint64)
    values = np.ones((games, 112), dtype=np.float32)
    while len(active := np.flatnonzero(endings == GOING_ON)):
        _encode_active(rows, repeated, plies, active, encoding, masks, values)
        logits = agent.evaluate_packed(masks[: len(active)], values[: len(active)]).logits
        draws = generator.random(len(active))
        _sample_moves(
            rows, repeated, plies, active, encoding, logits, draws, temperature, longest, played, endings, results
        )
    found: list[tuple[tuple[str, ...], str]] = []
    for moves, plies_played, result in zip(played, plies, results, strict=True):
        spelt = tuple(decode_move(int(move), ply % 2 == 1).uci() for ply, move in enumerate(moves[:plies_played]))
        found.append((spelt, RESULTS[int(result)]))
    return found


def _play_opening(rows: NDArray[np.uint64], played: NDArray[np.uint64], opening: Sequence[str], longest: int) -> None:
    if len(opening) >= longest:
        raise ValueError(f"an opening of {len(opening)} plies leaves nothing to play in games of {longest}")
    board = chess.Board()
    for ply, text in enumerate(opening):
        move = board.parse_uci(text)
        if not move:
            raise ValueError(f"the opening {' '.join(opening)} has a move that passes: give moves of pieces")
        played[ply] = encode_move(board, move)
        make_move(rows, ply, rows, ply + 1, played[ply])
        board.push(move)
