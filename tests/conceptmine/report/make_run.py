"""A made-up run folder with real chess in it: legal games, legal lines, and tables in the documented layout.

`python tests/conceptmine/report/make_run.py FOLDER` writes one to look at. The numbers are drawn, not measured.
"""

from __future__ import annotations

import json
import random
import sys
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import chess
import pyarrow as pa

from conceptmine.report.data import Evidence
from conceptmine.report.proof import TESTS
from conceptmine.runfolder import schemas, write_rows

OPENINGS = (
    "e2e4 e7e5 g1f3 b8c6 f1b5 a7a6 b5a4 g8f6 e1g1 f8e7",
    "d2d4 d7d5 c2c4 e7e6 b1c3 g8f6 c1g5 f8e7 e2e3 e8g8",
    "e2e4 c7c5 g1f3 d7d6 d2d4 c5d4 f3d4 g8f6 b1c3 a7a6",
    "d2d4 g8f6 c2c4 g7g6 b1c3 f8g7 e2e4 d7d6 g1f3 e8g8",
    "e2e4 e7e6 d2d4 d7d5 b1c3 g8f6 c1g5 f8e7 e4e5 f6d7",
    "c2c4 e7e5 b1c3 g8f6 g2g3 d7d5 c4d5 f6d5 f1g2 d5b6",
)
VALUES = {None: 0, chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9, chess.KING: 0}
LAYERS = ("block5", "block6", "policy_hidden")
KINDS = ("active", "prophylactic")


def make_run(
    folder: Path,
    *,
    candidates: int = 412,
    taught: int = 24,
    supported: int = 15,
    teachable: int = 6,
    novel: int = 2,
    null: bool = False,
    agent: str = "conceptmine-small",
    seed: int = 7,
    prototypes_each: int = 30,
    leave_out: tuple[str, ...] = (),
) -> Path:
    """Write a run folder whose first `supported`, `teachable`, `novel` concepts pass one, two, three filters."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    games = _games()
    roots, pool = _positions(games, rng)
    concepts = _concepts(rng, roots, candidates, taught, supported, teachable, novel)
    best = concepts[:taught]
    tables = {
        "games": [
            {
                "game_id": f"g{index}",
                "corpus": "machine" if index % 2 == 0 else "human",
                "fen": None,
                "moves": " ".join(moves),
                "result": "1/2-1/2",
            }
            for index, moves in enumerate(games)
        ],
        "positions": roots + pool,
        "lines": _lines(roots),
        "concepts": concepts,
        "prototypes": _prototypes(rng, best, pool, prototypes_each),
        "heldout_plies": _heldout(rng, concepts),
        "teachability": _teachability(rng, best),
        "novelty": _novelty(rng, best),
        "controls": [
            {"name": name, "layer": layer, "heldout_satisfaction": satisfied, "heldout_null": 0.5, "p": p}
            for name, layer, satisfied, p in (
                ("value head", "value", 0.674, 1 / 2001),
                ("material", "", 0.385, 1.0),
                ("ply read-out, T = 5, one player", "block6", 0.512, 0.34),
            )
        ],
    }
    tables["evidence"] = _evidence(rng, best)
    tables["leakage"] = [
        {"kind": kind, "mine": 38, "test": 40, "shared": shared, "test_roots": shared, "set_aside": shared}
        for kind, shared in (("game", 0), ("position of a line or its mirror image", 1))
    ]
    for name, rows in tables.items():
        if name not in leave_out:
            write_rows(folder / f"{name}.parquet", rows, SCHEMAS[name])
    manifest = _manifest(agent, null, seed, len(concepts), supported, teachable, novel, len(games), len(roots))
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
    return folder


def _manifest(
    agent: str,
    null: bool,
    seed: int,
    candidates: int,
    supported: int,
    teachable: int,
    novel: int,
    games: int,
    roots: int,
) -> dict[str, Any]:
    stages = (
        ("games", {"machine": games // 2, "human": games // 2}, 41.2),
        ("positions", {"roots": roots, "pool": 1200}, 12.5),
        ("search", {"trees": roots}, 310.0),
        ("contrast", {"lines": 3 * roots}, 0.4),
        ("activations", {"rows": 10 * roots}, 6.1),
        ("mining", {"solved": candidates, "infeasible": 17}, 95.3),
        ("evidence", {"tested": candidates}, 71.0),
        ("teachability", {"taught": 24}, 204.0),
        ("novelty", {"tested": 24}, 18.9),
        ("ranking", {"ranked": candidates}, 0.1),
    )
    return {
        "arguments": {
            "agent": agent,
            "weaker": "conceptmine-small-early",
            "students": ["conceptmine-small-early"],
            "human": "games/club.pgn.zst",
            "roots": roots,
            "simulations": 800,
            "layers": list(LAYERS),
            "device": "cpu",
            "null": null,
        },
        "seed": seed,
        "versions": {"conceptmine": "0.1.0", "python": "3.11.9", "torch": "2.4.0"},
        "inputs": {
            "agent": {"path": "networks/conceptmine-small.pb.gz", "sha256": "9f2c" * 16, "bytes": 1_482_113},
            "human": {"path": "games/club.pgn.zst", "sha256": "07be" * 16, "bytes": 20_114_007},
        },
        "stages": [
            {"name": name, "state": "done", "counts": counts, "seconds": seconds} for name, counts, seconds in stages
        ],
        "candidates": candidates,
        "supported": supported,
        "teachable": teachable,
        "novel": novel,
    }


@cache
def _games(count: int = 16, plies: int = 64) -> tuple[tuple[str, ...], ...]:
    """Games that look like chess: a known opening, then moves that mostly keep their material."""
    games = []
    for index in range(count):
        rng = random.Random(1000 + index)
        board = chess.Board()
        for uci in OPENINGS[index % len(OPENINGS)].split():
            board.push_uci(uci)
        _play_on(board, plies - len(board.move_stack), rng)
        games.append(tuple(move.uci() for move in board.move_stack))
    return tuple(games)


def _play_on(board: chess.Board, plies: int, rng: random.Random) -> list[chess.Move]:
    played = []
    for _ in range(plies):
        moves = sorted(board.legal_moves, key=lambda move: move.uci())
        if not moves:
            break
        move = max(moves, key=lambda move: _appeal(board, move) + rng.random())
        board.push(move)
        played.append(move)
    return played


def _appeal(board: chess.Board, move: chess.Move) -> float:
    mover = VALUES[board.piece_type_at(move.from_square)]
    score = 1.0 * VALUES[board.piece_type_at(move.to_square)]
    if board.is_attacked_by(not board.turn, move.to_square):
        score -= mover
    if board.is_attacked_by(not board.turn, move.from_square):
        score += 0.6 * mover
    file, rank = chess.square_file(move.to_square), chess.square_rank(move.to_square)
    return score - 0.1 * (abs(file - 3.5) + abs(rank - 3.5)) - (0.8 if mover == 0 else 0)


def _positions(
    games: tuple[tuple[str, ...], ...], rng: random.Random
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    roots, pool = [], []
    for index, moves in enumerate(games):
        board = chess.Board()
        for ply, uci in enumerate(moves):
            if 12 <= ply <= 56 and board.legal_moves.count() > 5:
                place = roots if ply % 11 == 1 else pool
                legal = sorted(move.uci() for move in board.legal_moves)
                place.append(
                    {
                        "position_id": f"g{index}-{ply}",
                        "game_id": f"g{index}",
                        "ply": ply,
                        "fen": None,
                        "moves": " ".join(moves[:ply]),
                        "role": "root" if place is roots else "pool",
                        "split": "mine" if index % 4 < 2 else "test",
                        "agent_move": uci,
                        "weaker_move": rng.choice([move for move in legal if move != uci]),
                    }
                )
            board.push_uci(uci)
    return roots, pool


def _after(row: dict[str, Any]) -> chess.Board:
    board = chess.Board()
    for uci in row["moves"].split():
        board.push_uci(uci)
    return board


def _lines(roots: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for number, root in enumerate(roots):
        rng = random.Random(number)
        board = _after(root)
        best = [chess.Move.from_uci(root["agent_move"])]
        board.push(best[0])
        best += _play_on(board, 9, rng)
        for branch in (0, 2, 4):
            other = _after(root)
            for move in best[:branch]:
                other.push(move)
            legal = sorted((m for m in other.legal_moves if m != best[branch]), key=lambda move: move.uci())
            subpar = [*best[:branch], rng.choice(legal)] if legal else best[:branch]
            if legal:
                other.push(subpar[-1])
                subpar += _play_on(other, 10 - len(subpar), rng)
            best_q = rng.uniform(-0.2, 0.6)
            for horizon in (5, 10):
                rows.append(
                    {
                        "position_id": root["position_id"],
                        "horizon": horizon,
                        "branch_ply": branch,
                        "best_line": " ".join(move.uci() for move in best[:horizon]),
                        "subpar_line": " ".join(move.uci() for move in subpar[:horizon]),
                        "best_q": best_q,
                        "subpar_q": best_q - rng.uniform(0.2, 0.5),
                    }
                )
    return rows


def _concepts(
    rng: random.Random,
    roots: list[dict[str, Any]],
    candidates: int,
    taught: int,
    supported: int,
    teachable: int,
    novel: int,
) -> list[dict[str, Any]]:
    rows = []
    for index in range(candidates):
        good = index < supported
        chosen = rng.sample(roots, 1 if index % 3 else 6)
        p = rng.choice((1, 2, 4)) / 2001 if good else rng.uniform(0.002, 1)
        satisfied = rng.uniform(0.555, 0.66) if good else rng.gauss(0.5, 0.028)
        tried = index < taught
        rule_met = index % 4 != 3
        gain = rng.uniform(0.05, 0.16) if index < teachable else rng.uniform(-0.05, 0.03)
        horizon = (5, 10)[index % 2]
        rows.append(
            {
                "concept_id": f"c{index:04d}",
                "layer": LAYERS[index % 3],
                "kind": KINDS[index % 4 == 3],
                "players": "one" if index % 5 else "two",
                "horizon": horizon,
                "root_games": len({row["game_id"] for row in chosen}),
                "l1": rng.lognormvariate(1.2 if len(chosen) == 1 else 2.4, 0.4),
                "gap": rng.choice((0.0, 1e-12, 4e-10)),
                "null_p": p,
                "q_value": 0.01 + p * 4 if good else min(1.0, p * 1.3 + 0.06),
                "heldout_satisfaction": satisfied,
                "heldout_null": rng.gauss(0.5, 0.006),
                "supported": good,
                "teach_gain": gain if tried else None,
                "teach_ci_low": gain - 0.035 if tried else None,
                "teach_ci_high": gain + 0.035 if tried else None,
                "teachable": index < teachable if tried else None,
                "novelty_min": (2e-4 if index < novel else -3e-4) * rng.uniform(0.5, 2) if tried else None,
                "novelty_null_p": (0.01 if index < novel else rng.uniform(0.2, 0.9)) if tried else None,
                "human_likelihood": rng.uniform(0.04, 0.4) if tried else None,
                "novel": index < novel if tried else None,
                "rank": index + 1,
                "heldout_all_plies": satisfied - rng.uniform(0.1, 0.2),
                "heldout_roots": rng.randint(40, 90),
                "value_baseline": rng.uniform(0.62, 0.7),
                "n_rows": len(chosen) * horizon * 2,
                "nonzeros": rng.randint(3, 20),
                "root_position_ids": " ".join(row["position_id"] for row in chosen),
                "status": "optimal",
                "student": "conceptmine-small-early" if tried else None,
                "student_agreement": rng.uniform(0.1, 0.2) + (0.0 if rule_met else 0.1) if tried else None,
                "student_rule_met": rule_met if tried else None,
                "effect": satisfied - 0.5,
                "effect_low": satisfied - 0.56,
                "effect_high": satisfied - 0.44,
                "policy_baseline": 0.61,
                "material_baseline": 0.38,
                "random_satisfaction": 0.503,
                "random_p": 0.025 if good else 0.4,
                "shuffled_satisfaction": 0.521,
                "shuffled_p": 0.04 if good else 0.5,
                "beyond_value": index < 3,
                "beyond_value_effect": 0.081 if index < 3 else 0.012,
                "beyond_value_low": 0.031 if index < 3 else -0.04,
                "beyond_value_high": 0.131 if index < 3 else 0.06,
                "beyond_value_p": 1e-5 if index < 3 else 0.4,
                "beyond_value_q": 0.004 if index < 3 else 0.8,
                "outside_readouts": 0.997,
                "score_outside_controls": 0.88,
                "half_first": satisfied - 0.49,
                "half_second": satisfied - 0.51,
                "ply_agreement": 0.41,
                "half_cosine": 0.2 if len(chosen) == 1 else None,
                "half_rank_correlation": 0.3 if len(chosen) == 1 else None,
            }
        )
    return rows


def _prototypes(
    rng: random.Random, concepts: list[dict[str, Any]], pool: list[dict[str, Any]], each: int
) -> list[dict[str, Any]]:
    rows = []
    for number, concept in enumerate(concepts):
        for index, position in enumerate(rng.sample(pool, each)):
            board = _after(position)
            line = [chess.Move.from_uci(position["agent_move"])]
            board.push(line[0])
            line += _play_on(board, 6, random.Random(31 * number + index))
            rows.append(
                {
                    "concept_id": concept["concept_id"],
                    "position_id": position["position_id"],
                    "fen": position["fen"],
                    "moves": position["moves"],
                    "split": "test" if index % 5 == 4 else "train",
                    "score": rng.uniform(1, 4),
                    "best_move": line[0].uci(),
                    "line": " ".join(move.uci() for move in line),
                }
            )
    return rows


def _heldout(rng: random.Random, concepts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for concept in concepts[:40]:
        step = 2 if concept["players"] == "one" else 1
        for ply in range(step, concept["horizon"] + 1, step):
            mean = rng.gauss(0.5, 0.006)
            rows.append(
                {
                    "concept_id": concept["concept_id"],
                    "ply": ply,
                    "satisfied": concept["heldout_satisfaction"] + rng.gauss(0.004 * ply - 0.02, 0.012),
                    "null_mean": mean,
                    "null_low": mean - 0.045,
                    "null_high": mean + 0.045,
                    "rows": rng.randint(60, 300),
                }
            )
    return rows


def _evidence(rng: random.Random, concepts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for concept in concepts:
        for number, name in enumerate(TESTS):
            effect = concept["effect"] * rng.uniform(0.3, 1.1)
            beyond = name == "beyond all controls"
            rows.append(
                {
                    "concept_id": concept["concept_id"],
                    "test": name,
                    "roots": 60 - 6 * number,
                    "rows": 300,
                    "satisfaction": None if beyond else 0.5 + effect,
                    "null_mean": None if beyond else 0.5,
                    "effect": effect,
                    "effect_low": effect - 0.06,
                    "effect_high": effect + 0.06,
                    "p": 0.003 if effect > 0.06 else 0.3,
                    "value_head": None if beyond else 0.67,
                    "detectable": 0.7,
                }
            )
    return rows


def _teachability(rng: random.Random, concepts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    base = {
        ("none", "concept"): 0.16,
        ("none", "random"): 0.31,
        ("random", "concept"): 0.24,
        ("random", "random"): 0.37,
    }
    rows = []
    for concept in concepts:
        means = base | {("concept", "concept"): 0.24 + concept["teach_gain"], ("concept", "random"): 0.33}
        for (trained, evaluated), mean in means.items():
            for seed in range(5):
                for epoch in range(1, 6):
                    grown = 0.16 + (mean - 0.16) * epoch / 5 if trained != "none" else mean
                    rows.append(
                        {
                            "concept_id": concept["concept_id"],
                            "seed": seed,
                            "trained_on": trained,
                            "evaluated_on": evaluated,
                            "epoch": epoch,
                            "top1": grown + (rng.gauss(0, 0.018) if trained != "none" else 0),
                        }
                    )
    return rows


def _novelty(rng: random.Random, concepts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for concept in concepts:
        novel = concept["novelty_min"] > 0
        for k in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024):
            height = 1e-3 * (k / (k + 60)) * (1.4 - k / 1500)
            score = concept["novelty_min"] + height * (1 if novel else rng.uniform(-0.6, 0.6))
            width = 1.2e-4 + 0.2 * height
            rows.append(
                {"concept_id": concept["concept_id"], "k": k, "score": score, "null_low": -width, "null_high": width}
            )
    return rows


EXTRA_COLUMNS = pa.schema(
    [
        ("heldout_all_plies", pa.float64()),
        ("heldout_roots", pa.int32()),
        ("value_baseline", pa.float64()),
        ("n_rows", pa.int32()),
        ("nonzeros", pa.int32()),
        ("root_position_ids", pa.string()),
        ("status", pa.string()),
        ("student", pa.string()),
        ("student_agreement", pa.float64()),
        ("student_rule_met", pa.bool_()),
        *[(field.name, pa.bool_() if field.name == "beyond_value" else pa.float64()) for field in fields(Evidence)],
    ]
)
SCHEMAS = {
    "games": schemas.GAMES,
    "positions": schemas.POSITIONS,
    "lines": schemas.LINES,
    "concepts": pa.schema([*schemas.CONCEPTS, *EXTRA_COLUMNS]),
    "prototypes": schemas.PROTOTYPES,
    "heldout_plies": schemas.HELDOUT_PLIES,
    "teachability": schemas.TEACHABILITY,
    "novelty": schemas.NOVELTY,
    "controls": schemas.CONTROLS,
    "evidence": schemas.EVIDENCE,
    "leakage": schemas.LEAKAGE,
}


if __name__ == "__main__":
    make_run(Path(sys.argv[1]))
