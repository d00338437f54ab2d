"""Stages "contrast" and "activations": the pairs of positions to compare, and what the layers give for each of them.

Every position that a pair or a prototype needs is a *state*: a searched position and a path of moves below it. States
are numbered once; the activation store holds one row a state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import chess
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from conceptmine.activations import ActivationStore
from conceptmine.contrast import ContrastRule, Lines, SubparLine, contrast_rows
from conceptmine.errors import InputError
from conceptmine.pipeline.context import RunContext, StageResult
from conceptmine.pipeline.settings import MiningSettings
from conceptmine.positions import GameRecord, board_of, sample_positions, stable_rank
from conceptmine.runfolder import schemas

PAIRS = pa.schema(
    [
        ("position_id", pa.string()),
        ("horizon", pa.int32()),
        ("ply", pa.int32()),
        ("branch", pa.int32()),
        ("plus", pa.int64()),
        ("minus", pa.int64()),
    ]
)
STATES = pa.schema([("position_id", pa.string()), ("path", pa.string())])

_CORPUS_PLIES = (12, 200)


@dataclass(frozen=True)
class PairTable:
    """All pairs as arrays, in the order of the table.

    ``position`` int64 [n]: place of the searched position in ``positions``; ``horizon``, ``ply``, ``branch`` int32 [n];
    ``plus``, ``minus`` int64 [n]: states; ``root_state`` int64 [positions]: each position's own state.
    """

    positions: tuple[str, ...]
    position: NDArray[np.int64]
    horizon: NDArray[np.int32]
    ply: NDArray[np.int32]
    branch: NDArray[np.int32]
    plus: NDArray[np.int64]
    minus: NDArray[np.int64]
    root_state: NDArray[np.int64]

    def rows(self, position: int, horizon: int, players: str) -> NDArray[np.int64]:
        """Rows of one position; ``players`` "one" keeps even plies, where the root's player is to move."""
        return np.flatnonzero((self.position == position) & self.of(horizon, players))

    def of(self, horizon: int, players: str) -> NDArray[np.bool_]:
        """Mask of all rows under a horizon and players."""
        mask: NDArray[np.bool_] = self.horizon == horizon
        return mask & (self.ply % 2 == 0) if players == "one" else mask


def find_pairs(context: RunContext) -> StageResult:
    """Turn lines into pairs of states; with ``null`` a coin decides for each position whether its pairs are turned."""
    settings = context.settings
    records = {row["position_id"]: row for row in context.folder.read_table("positions", schemas.POSITIONS)}
    states: dict[tuple[str, str], int] = {}

    def state(position_id: str, path: Sequence[chess.Move]) -> int:
        return states.setdefault((position_id, " ".join(move.uci() for move in path)), len(states))

    for position_id in records:
        state(position_id, ())
    pairs: list[dict[str, Any]] = []
    for lines in _lines_by_position(context.folder.read_table("lines", schemas.LINES), records):
        position_id, horizon, found = lines
        rule = ContrastRule(horizon=horizon, players="two")
        turned = is_turned(settings, position_id)
        for row in contrast_rows(found, rule):
            plus, minus = state(position_id, row.plus), state(position_id, row.minus)
            if turned:
                plus, minus = minus, plus
            pairs.append(
                {
                    "position_id": position_id,
                    "horizon": horizon,
                    "ply": row.ply,
                    "branch": row.branch,
                    "plus": plus,
                    "minus": minus,
                }
            )
    if not pairs:
        raise InputError("No tree is deep enough to compare lines: give more --simulations.")
    context.folder.write_table("scratch/pairs", pairs, PAIRS)
    context.folder.write_table(
        "scratch/states", ({"position_id": position_id, "path": path} for position_id, path in states), STATES
    )
    return StageResult({"pairs": len(pairs), "states": len(states)})


def _lines_by_position(
    rows: Iterable[dict[str, Any]], records: dict[str, dict[str, Any]]
) -> Iterable[tuple[str, int, Lines]]:
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["position_id"], row["horizon"]), []).append(row)
    for (position_id, horizon), group in groups.items():
        record = records[position_id]
        subpar = tuple(
            SubparLine(row["branch_ply"], _moves(row["subpar_line"]), row["best_q"], row["subpar_q"]) for row in group
        )
        root = board_of(record["fen"], record["moves"], check=False)
        yield position_id, horizon, Lines(root, _moves(group[0]["best_line"]), subpar)


def _moves(text: str) -> tuple[chess.Move, ...]:
    return tuple(chess.Move.from_uci(move) for move in text.split())


def capture_states(context: RunContext) -> StageResult:
    """Store the activations of all states, and of equally many positions of both corpora (float32, memory-mapped)."""
    settings, agent = context.settings, context.agent
    records = {row["position_id"]: row for row in context.folder.read_table("positions", schemas.POSITIONS)}
    states = context.folder.read_table("scratch/states", STATES)
    context.say(f"reading {len(settings.layers)} layers at {len(states)} positions of the lines")
    boards = (
        board_of(
            records[row["position_id"]]["fen"], f"{records[row['position_id']]['moves']} {row['path']}", check=False
        )
        for row in states
    )
    ActivationStore.write(context.scratch("states"), agent, boards, settings.layers, dtype="float32")
    corpora = _corpus_positions(context)
    size = min(len(positions) for positions in corpora.values())
    for corpus, positions in corpora.items():
        context.say(f"reading the same layers at {size} positions of {corpus} games")
        kept = positions[:size]
        corpus_boards = (board_of(fen, moves, check=False) for _, fen, moves in kept)
        ActivationStore.write(context.scratch(corpus), agent, corpus_boards, settings.layers, dtype="float32")
        context.folder.write_table(
            f"scratch/{corpus}", ({"game_id": game_id} for game_id, _, _ in kept), pa.schema([("game_id", pa.string())])
        )
    return StageResult({"states": len(states), "corpus_positions": size})


def _corpus_positions(context: RunContext) -> dict[str, list[tuple[str, str | None, str]]]:
    """Up to ``corpus_positions`` positions (game, fen, moves) of each corpus, evenly over the games left in it."""
    settings = context.settings
    found: dict[str, list[tuple[str, str | None, str]]] = {}
    for corpus, games in _corpus_games(context).items():
        per_game = -(-settings.corpus_positions // max(1, len(games)))
        positions = list(sample_positions(games, per_game=per_game + 1, plies=_CORPUS_PLIES, seed=settings.seed + 1))
        positions.sort(key=lambda position: stable_rank(settings.seed, "corpus", position.position_id))
        found[corpus] = [
            (position.game_id, position.fen, " ".join(position.moves))
            for position in positions[: settings.corpus_positions]
        ]
    if min(map(len, found.values())) < 2:
        raise InputError("One of the corpora has fewer than 2 positions after ply 12: give longer or more games.")
    return found


def _corpus_games(context: RunContext) -> dict[str, list[GameRecord]]:
    """The games of both corpora that no concept was mined from.

    A vector would find the positions it was made of in the machine's corpus, and only there.  For each game that is
    left out a human game with its opening is left out too, so that neither corpus loses openings that the other keeps.
    """
    mined = {
        row["game_id"]
        for row in context.folder.read_table("positions", schemas.POSITIONS)
        if row["role"] == "root" and row["split"] == "mine"
    }
    found: dict[str, list[GameRecord]] = {"human": [], "machine": []}
    openings: Counter[tuple[str, ...]] = Counter()
    plies = context.settings.opening_plies
    for row in context.folder.read_table("games", schemas.GAMES):
        game = GameRecord(row["game_id"], row["fen"], tuple(row["moves"].split()), row["result"])
        if row["corpus"] == "machine" and game.game_id in mined:
            openings[game.moves[:plies]] += 1
        else:
            found[row["corpus"]].append(game)
    kept = []
    for game in found["human"]:
        if openings[game.moves[:plies]] > 0:
            openings[game.moves[:plies]] -= 1
        else:
            kept.append(game)
    return {"human": kept, "machine": found["machine"]}


def is_turned(settings: MiningSettings, position_id: str) -> bool:
    """Whether a run with ``null`` exchanges the better and the worse side of all that comes from a position."""
    return settings.null and stable_rank(settings.seed, "null", position_id) % 2 == 1


def load_pairs(context: RunContext) -> PairTable:
    """Read back what `find_pairs` wrote."""
    states = context.folder.read_table("scratch/states", STATES)
    roots = {row["position_id"]: number for number, row in enumerate(states) if row["path"] == ""}
    place = {position_id: number for number, position_id in enumerate(roots)}
    rows = context.folder.read_table("scratch/pairs", PAIRS)
    return PairTable(
        positions=tuple(roots),
        position=np.array([place[row["position_id"]] for row in rows], dtype=np.int64),
        horizon=np.array([row["horizon"] for row in rows], dtype=np.int32),
        ply=np.array([row["ply"] for row in rows], dtype=np.int32),
        branch=np.array([row["branch"] for row in rows], dtype=np.int32),
        plus=np.array([row["plus"] for row in rows], dtype=np.int64),
        minus=np.array([row["minus"] for row in rows], dtype=np.int64),
        root_state=np.array(list(roots.values()), dtype=np.int64),
    )


def differences(store: ActivationStore, layer: str, pairs: PairTable, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """z⁺ − z⁻ of the given rows at a layer, float32 [rows, d]."""
    return store.rows(layer, pairs.plus[rows]) - store.rows(layer, pairs.minus[rows])
