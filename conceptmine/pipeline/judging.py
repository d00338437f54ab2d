"""Stage "evidence": does a concept order the lines of roots from games that it was not mined from?"""

from __future__ import annotations

from typing import Any

import chess
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from conceptmine.activations import ActivationStore
from conceptmine.errors import InputError
from conceptmine.evidence import HeldOut, SignFlipNull, detectable_satisfaction, held_out, q_values, sign_flip_null
from conceptmine.pipeline.candidates import CANDIDATES, PLAYERS
from conceptmine.pipeline.context import RunContext, StageResult
from conceptmine.pipeline.pairs import STATES, PairTable, differences, load_pairs
from conceptmine.pipeline.settings import SUPPORT_LEVEL
from conceptmine.positions import board_of
from conceptmine.runfolder import schemas
from engines.chess import pack_boards

EVIDENCE = pa.schema(
    [
        ("concept_id", pa.string()),
        ("null_p", pa.float64()),
        ("q_value", pa.float64()),
        ("heldout_satisfaction", pa.float64()),
        ("heldout_null", pa.float64()),
        ("heldout_null_low", pa.float64()),
        ("heldout_null_high", pa.float64()),
        ("heldout_all_plies", pa.float64()),
        ("heldout_roots", pa.int32()),
        ("value_baseline", pa.float64()),
    ]
)

_FLIPS_A_TEST = 40  # the smallest p is then half of what a lone discovery needs (0.05 / tests)
_PIECE_VALUES = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9}


def judge_candidates(context: RunContext) -> StageResult:
    """Held-out satisfaction of every candidate against the sign-flip null; one set of q-values over all of them.

    The same is measured for two yardsticks that are no concepts, the agent's own value head and the material balance,
    both seen by the root's player; a concept worth the name should say something that these do not.
    """
    settings = context.settings
    pairs = load_pairs(context)
    records = {row["position_id"]: row for row in context.folder.read_table("positions", schemas.POSITIONS)}
    tested = np.array(
        [records[i]["role"] == "root" and records[i]["split"] == "test" for i in pairs.positions], dtype=bool
    )
    store = ActivationStore.open(context.scratch("states"))
    vectors = context.folder.read_arrays("vectors")
    candidates = context.folder.read_table("scratch/concepts", CANDIDATES)
    # The smallest p must be able to reach the bar of a lone discovery among so many tests, with room to spare.
    flips = max(settings.flips, _FLIPS_A_TEST * len(candidates))
    yardsticks = _yardsticks(context, pairs, tested)
    place_in_layer = _places(candidates)
    evidence: dict[str, dict[str, Any]] = {}
    plies: list[dict[str, Any]] = []
    controls: list[dict[str, Any]] = []
    fewest_roots = len(pairs.positions)
    # Of the tests with most roots: how many there were, and the planted satisfaction that would have been found.
    most_roots, detectable = 0, float("nan")
    for horizon in settings.horizons:
        for players in PLAYERS:
            rows = np.flatnonzero(pairs.of(horizon, players) & tested[pairs.position])
            if len(rows) == 0:
                continue
            roots, at_ply = pairs.position[rows], pairs.ply[rows]
            value_satisfaction = float("nan")
            for name, scores in yardsticks.items():
                # Where the opponent chose (odd branches), his best line is the worse one for the root's player.
                chooser = np.where(pairs.branch[rows] % 2 == 0, 1.0, -1.0)
                measured = (chooser * (scores[pairs.plus[rows]] - scores[pairs.minus[rows]]))[:, None]
                null = _null(held_out(measured, roots, np.ones((1, 1)), plies=at_ply), flips, settings.seed)
                if name == "value head":
                    value_satisfaction = float(null.statistic[0])
                controls.append(
                    {
                        "name": f"{name}, T = {horizon}, {players} player{'s' if players == 'two' else ''}",
                        "layer": "",
                        "heldout_satisfaction": float(null.statistic[0]),
                        "heldout_null": float(null.mean[0]),
                        "p": float(null.p[0]),
                    }
                )
            for layer in settings.layers:
                chosen = [
                    row
                    for row in candidates
                    if (row["layer"], row["horizon"], row["players"]) == (layer, horizon, players)
                ]
                if not chosen:
                    continue
                oriented = np.array([_oriented(vectors[layer], place_in_layer, row) for row in chosen])
                counts = held_out(differences(store, layer, pairs, rows), roots, oriented, plies=at_ply)
                null = _null(counts, flips, settings.seed)
                fewest_roots = min(fewest_roots, len(counts.roots))
                if len(counts.roots) > most_roots:
                    most_roots = len(counts.roots)
                    # One row a root: rows of a root mostly stand and fall together.
                    alone = np.ones(most_roots, dtype=np.int64)
                    detectable = detectable_satisfaction(alone, tests=len(candidates), flips=flips)
                for i, row in enumerate(chosen):
                    evidence[row["concept_id"]] = {
                        "concept_id": row["concept_id"],
                        "null_p": float(null.p[i]),
                        "heldout_satisfaction": float(null.statistic[i]),
                        "heldout_null": float(null.mean[i]),
                        "heldout_null_low": float(null.low[i]),
                        "heldout_null_high": float(null.high[i]),
                        "heldout_all_plies": float(counts.all_rows[i]),
                        "heldout_roots": len(counts.roots),
                        "value_baseline": value_satisfaction,
                    }
                    plies += _ply_rows(row["concept_id"], i, counts, null)
    if not evidence:
        raise InputError("No root of the test side has lines deep enough: give more --roots or more --simulations.")
    p = np.array(
        [evidence[row["concept_id"]]["null_p"] if row["concept_id"] in evidence else np.nan for row in candidates]
    )
    q = q_values(p)
    for row, value in zip(candidates, q, strict=True):
        if row["concept_id"] in evidence:
            evidence[row["concept_id"]]["q_value"] = float(value)
    context.folder.write_table("scratch/evidence", evidence.values(), EVIDENCE)
    order = {row["concept_id"]: number for number, row in enumerate(candidates)}
    plies.sort(key=lambda row: (order[row["concept_id"]], row["ply"]))
    context.folder.write_table("heldout_plies", plies, schemas.HELDOUT_PLIES)
    context.folder.write_table("controls", controls, schemas.CONTROLS)
    supported = int(np.sum(q <= SUPPORT_LEVEL))
    settled = {
        "tested": len(evidence),
        "heldout_roots_fewest": fewest_roots,
        "heldout_roots_most": most_roots,
        "supported": supported,
    }
    if np.isfinite(detectable):
        # Power, in per cent: the planted satisfaction that four in five such runs would have found. Left out where not
        # even a perfect concept would have been.
        settled["detectable_satisfaction_percent"] = round(100 * detectable)
    return StageResult(settled, {"supported": supported})


def _places(candidates: list[dict[str, Any]]) -> dict[str, int]:
    """Row of each candidate in the array of its layer."""
    counts: dict[str, int] = {}
    places = {}
    for row in candidates:
        places[row["concept_id"]] = counts.setdefault(row["layer"], 0)
        counts[row["layer"]] += 1
    return places


def _oriented(vectors: NDArray[np.float64], places: dict[str, int], row: dict[str, Any]) -> NDArray[np.float64]:
    """The vector that scores best lines above subpar ones: a prophylactic one is turned back for that."""
    vector: NDArray[np.float64] = vectors[places[row["concept_id"]]]
    return -vector if row["kind"] == "prophylactic" else vector


def oriented_vectors(
    vectors: dict[str, NDArray[np.float64]], candidates: list[dict[str, Any]]
) -> dict[str, NDArray[np.float64]]:
    """By concept, the vector that scores best lines above subpar ones, float64 [d]."""
    places = _places(candidates)
    return {row["concept_id"]: _oriented(vectors[row["layer"]], places, row) for row in candidates}


def _null(counts: HeldOut, flips: int, seed: int) -> SignFlipNull:
    return sign_flip_null(counts, flips=flips, seed=seed)


def _ply_rows(concept_id: str, i: int, counts: HeldOut, null: SignFlipNull) -> list[dict[str, Any]]:
    satisfied = counts.ply_fractions[i]
    return [
        {
            "concept_id": concept_id,
            "ply": int(ply),
            "satisfied": float(satisfied[p]),
            "null_mean": float(null.ply_mean[i, p]),
            "null_low": float(null.ply_low[i, p]),
            "null_high": float(null.ply_high[i, p]),
            "rows": int(counts.rows[:, p].sum()),
        }
        for p, ply in enumerate(counts.plies)
    ]


def _yardsticks(context: RunContext, pairs: PairTable, tested: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    """Value head and material balance at every state of a tested root, as its player sees them; float64 [states]."""
    states = context.folder.read_table("scratch/states", STATES)
    records = {row["position_id"]: row for row in context.folder.read_table("positions", schemas.POSITIONS)}
    place = {position_id: number for number, position_id in enumerate(pairs.positions)}
    wanted = [number for number, row in enumerate(states) if tested[place[row["position_id"]]]]
    value, material = np.zeros(len(states)), np.zeros(len(states))
    agent = context.agent
    for start in range(0, len(wanted), 256):
        part = wanted[start : start + 256]
        boards = []
        for number in part:
            record = records[states[number]["position_id"]]
            boards.append(board_of(record["fen"], f"{record['moves']} {states[number]['path']}", check=False))
        masks, values = pack_boards(boards, agent.input_format, agent.history_fill)
        own = agent.evaluate_packed(masks, values).value
        for number, board, mover_value in zip(part, boards, own, strict=True):
            same_side = len(states[number]["path"].split()) % 2 == 0
            balance = _material(board)
            value[number] = float(mover_value) if same_side else -float(mover_value)
            material[number] = balance if same_side else -balance
    return {"value head": value, "material": material}


def _material(board: chess.Board) -> int:
    """Material balance for the side to move, in pawns (1, 3, 3, 5, 9)."""
    return sum(
        worth * (len(board.pieces(piece, board.turn)) - len(board.pieces(piece, not board.turn)))
        for piece, worth in _PIECE_VALUES.items()
    )


__all__ = ["EVIDENCE", "judge_candidates", "oriented_vectors"]
