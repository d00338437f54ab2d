"""Reading what puzzles are made of from a run folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import chess

from conceptmine.errors import InputError
from conceptmine.puzzles.model import Prototype, PuzzleConcept
from conceptmine.runfolder import read_table

CONCEPT_COLUMNS = ("concept_id", "rank", "human_likelihood", "supported", "teachable", "novel")
PROTOTYPE_COLUMNS = ("concept_id", "position_id", "fen", "moves", "split", "score", "best_move", "line")


def read_prototypes(run_dir: Path) -> tuple[list[PuzzleConcept], list[Prototype]]:
    """The concepts and prototypes of a run folder, in the order of its tables.

    Raises InputError if `concepts.parquet` or `prototypes.parquet` is missing, unreadable or lacks a column.
    """
    concepts = [
        PuzzleConcept(
            concept_id=str(row["concept_id"]),
            rank=None if _number(row["rank"]) is None else int(row["rank"]),
            human_likelihood=_number(row["human_likelihood"]),
            supported=row["supported"],
            teachable=row["teachable"],
            novel=row["novel"],
        )
        for row in _rows(run_dir / "concepts.parquet", CONCEPT_COLUMNS)
    ]
    prototypes = [
        Prototype(
            concept_id=str(row["concept_id"]),
            position_id=str(row["position_id"]),
            fen=row["fen"] or chess.STARTING_FEN,
            moves=row["moves"] or "",
            split=row["split"] or "",
            score=_number(row["score"]),
            best_move=row["best_move"] or "",
            line=row["line"] or "",
        )
        for row in _rows(run_dir / "prototypes.parquet", PROTOTYPE_COLUMNS)
    ]
    return concepts, prototypes


def _rows(path: Path, columns: tuple[str, ...]) -> list[Mapping[str, Any]]:
    table = read_table(path)
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise InputError(f"{path} has no column {missing[0]!r}; it was not written by this version of conceptmine")
    rows: list[Mapping[str, Any]] = table.select(list(columns)).to_pylist()
    return rows


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
