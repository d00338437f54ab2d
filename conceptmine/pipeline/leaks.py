"""What the two sides of the roots have in common, and the test roots that are set aside for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import chess

from conceptmine.pipeline.context import RunContext
from conceptmine.pipeline.pairs import STATES
from conceptmine.pipeline.rollouts import OPENING_FAMILY_PLIES
from conceptmine.positions import Overlap, board_of, opening_key, overlap, symmetry_key
from conceptmine.runfolder import schemas


def find_leaks(context: RunContext, records: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Write ``leakage.parquet`` and name the test roots to set aside: any of whose positions a mined root has as well.

    Games, openings and root positions are divided so that they are not shared where that can be; the lines that a
    search adds can meet all the same. A position counts as the same whatever its history, and so does its mirror image.
    """
    roots = {i: record for i, record in records.items() if record["role"] == "root"}
    boards = {i: board_of(record["fen"], record["moves"], check=False) for i, record in roots.items()}
    on_lines: dict[str, set[str]] = {i: {symmetry_key(board)} for i, board in boards.items()}
    for row in context.folder.read_table("scratch/states", STATES):
        if row["path"] and row["position_id"] in roots:
            board = boards[row["position_id"]].copy(stack=False)
            for move in row["path"].split():
                board.push(chess.Move.from_uci(move))
            on_lines[row["position_id"]].add(symmetry_key(board))
    keys: dict[str, dict[str, set[str]]] = {
        "game": {i: {record["game_id"]} for i, record in roots.items()},
        f"opening, the position after {OPENING_FAMILY_PLIES} plies": {
            i: {opening_key(record["fen"], record["moves"].split(), OPENING_FAMILY_PLIES)}
            for i, record in roots.items()
        },
        "root position": {i: {board.epd()} for i, board in boards.items()},
        "root position or its mirror image": {i: {symmetry_key(board)} for i, board in boards.items()},
        "position of a line or its mirror image": on_lines,
    }
    found: list[Overlap] = [
        overlap(
            kind,
            {i: of_root for i, of_root in by_root.items() if roots[i]["split"] == "mine"},
            {i: of_root for i, of_root in by_root.items() if roots[i]["split"] == "test"},
        )
        for kind, by_root in keys.items()
    ]
    set_aside = frozenset(found[-1].test_roots)
    context.folder.write_table(
        "leakage",
        [
            {
                "kind": item.kind,
                "mine": item.mine,
                "test": item.test,
                "shared": item.shared,
                "test_roots": len(item.test_roots),
                "set_aside": len(set_aside.intersection(item.test_roots)),
            }
            for item in found
        ],
        schemas.LEAKAGE,
    )
    return set_aside


__all__ = ["find_leaks"]
