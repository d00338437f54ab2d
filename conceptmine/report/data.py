"""Reading a run folder for the report.

Every table and every column may be missing: a run that found nothing, or was stopped half-way, still deserves a page.
Only what the page shows is kept in memory.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.compute

from conceptmine.errors import InputError
from conceptmine.runfolder import read_table

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline: its state ("done", "running", ...), what it counted, and its wall time in seconds."""

    name: str
    state: str
    counts: Mapping[str, Any]
    seconds: float | None


@dataclass(frozen=True)
class Manifest:
    """`manifest.json`; the four filter counts are None where the file does not give them."""

    arguments: Mapping[str, Any]
    seed: str | None
    versions: Mapping[str, Any]
    inputs: tuple[Mapping[str, Any], ...]
    stages: tuple[Stage, ...]
    counts: Mapping[str, int | None]


@dataclass(frozen=True)
class Concept:
    """A row of `concepts.parquet`: see the run folder's description for each column; None where not known."""

    concept_id: str
    layer: str
    kind: str
    players: str
    horizon: int | None
    root_games: int | None
    l1: float | None
    gap: float | None
    null_p: float | None
    q_value: float | None
    heldout_satisfaction: float | None
    heldout_null: float | None
    supported: bool | None
    teach_gain: float | None
    teach_ci_low: float | None
    teach_ci_high: float | None
    teachable: bool | None
    novelty_min: float | None
    novelty_null_p: float | None
    human_likelihood: float | None
    novel: bool | None
    rank: int | None
    heldout_all_plies: float | None
    heldout_roots: int | None
    value_baseline: float | None
    n_rows: int | None
    nonzeros: int | None
    root_position_ids: tuple[str, ...]
    student: str
    student_agreement: float | None
    student_rule_met: bool | None
    move_correct: float | None
    move_correct_low: float | None
    move_correct_high: float | None
    move_correct_control: float | None
    correctness_positions: int | None
    correctness_judges: str


@dataclass(frozen=True)
class RunData:
    """What the report needs of a run folder; `lines` and `positions` are keyed by position, the rest by concept."""

    manifest: Manifest
    concepts: tuple[Concept, ...]
    positions: Mapping[str, Row]
    lines: Mapping[str, tuple[Row, ...]]
    prototypes: Mapping[str, tuple[Row, ...]]
    heldout: Mapping[str, tuple[Row, ...]]
    teachability: Mapping[str, tuple[Row, ...]]
    novelty: Mapping[str, tuple[Row, ...]]
    controls: tuple[Row, ...]
    steering: Mapping[str, tuple[Row, ...]]
    steering_controls: Mapping[str, tuple[Row, ...]]
    games: Mapping[str, int]
    roots: int | None
    pool: int | None


def read_run(run_dir: Path, *, detailed: int) -> RunData:
    """Read a run folder; the detail tables only for the `detailed` best concepts.

    Raises InputError if there is no readable `manifest.json`, or if a table that is there cannot be read.
    """
    manifest = read_manifest(run_dir / "manifest.json")
    concepts = tuple(sorted((_concept(row) for row in _rows(run_dir, "concepts")), key=_by_rank))
    best = [concept.concept_id for concept in concepts[:detailed]]
    roots = [position for concept in concepts[:detailed] for position in concept.root_position_ids]
    games = [str(corpus or "unnamed") for corpus in _column(run_dir, "games", "corpus")]
    roles = _column(run_dir, "positions", "role")
    return RunData(
        manifest=manifest,
        concepts=concepts,
        positions={text(row, "position_id"): row for row in _rows(run_dir, "positions", "position_id", roots)},
        lines=_grouped(_rows(run_dir, "lines", "position_id", roots), "position_id"),
        prototypes=_grouped(_rows(run_dir, "prototypes", "concept_id", best), "concept_id"),
        heldout=_grouped(_rows(run_dir, "heldout_plies", "concept_id", best), "concept_id"),
        teachability=_grouped(_rows(run_dir, "teachability", "concept_id", best), "concept_id"),
        novelty=_grouped(_rows(run_dir, "novelty", "concept_id", best), "concept_id"),
        controls=tuple(_rows(run_dir, "controls")),
        steering=_grouped(_rows(run_dir, "steering"), "concept_id"),
        steering_controls=_grouped(_rows(run_dir, "steering_controls"), "concept_id"),
        games={corpus: games.count(corpus) for corpus in sorted(set(games))},
        roots=roles.count("root") if roles else None,
        pool=roles.count("pool") if roles else None,
    )


def read_manifest(path: Path) -> Manifest:
    """Read `manifest.json`, forgiving about absent keys and not about a file that is no manifest at all."""
    if not path.is_file():
        raise InputError(
            f"{path.parent} is not a run folder: it has no manifest.json; name a folder made by conceptmine mine"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"{path} is not readable JSON ({error}); run conceptmine resume to rebuild it") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object; run conceptmine resume to rebuild it")
    # Writing the page may itself be the last stage; a page that waited for itself would never be finished.
    stages = [item for item in map(_dict, _list(content.get("stages"))) if item.get("name") != "report"]
    return Manifest(
        arguments=_dict(content.get("arguments")),
        seed=None if content.get("seed") is None else str(content["seed"]),
        versions=_dict(content.get("versions")),
        inputs=tuple({"role": role, **_dict(item)} for role, item in sorted(_dict(content.get("inputs")).items()))
        or tuple(_dict(item) for item in _list(content.get("inputs"))),
        stages=tuple(
            Stage(
                name=str(item.get("name", "")),
                state=str(item.get("state", "")),
                counts=_dict(item.get("counts")),
                seconds=number(item, "seconds"),
            )
            for item in stages
        ),
        counts={name: whole(content, name) for name in ("candidates", "supported", "teachable", "novel")},
    )


def text(row: Row, column: str) -> str:
    """A cell as text; "" where it is missing."""
    value = row.get(column)
    return "" if value is None else str(value)


def number(row: Row, column: str) -> float | None:
    """A cell as a finite number; None where it is missing, not a number, NaN or infinite."""
    value = row.get(column)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def whole(row: Row, column: str) -> int | None:
    """A cell as a whole number; None where it is missing."""
    value = number(row, column)
    return None if value is None else int(value)


def flag(row: Row, column: str) -> bool | None:
    """A cell as a truth value; None where the filter was not run."""
    value = row.get(column)
    return value if isinstance(value, bool) else None


def _concept(row: Row) -> Concept:
    return Concept(
        concept_id=text(row, "concept_id"),
        layer=text(row, "layer"),
        kind=text(row, "kind"),
        players=text(row, "players"),
        horizon=whole(row, "horizon"),
        root_games=whole(row, "root_games"),
        l1=number(row, "l1"),
        gap=number(row, "gap"),
        null_p=number(row, "null_p"),
        q_value=number(row, "q_value"),
        heldout_satisfaction=number(row, "heldout_satisfaction"),
        heldout_null=number(row, "heldout_null"),
        supported=flag(row, "supported"),
        teach_gain=number(row, "teach_gain"),
        teach_ci_low=number(row, "teach_ci_low"),
        teach_ci_high=number(row, "teach_ci_high"),
        teachable=flag(row, "teachable"),
        novelty_min=number(row, "novelty_min"),
        novelty_null_p=number(row, "novelty_null_p"),
        human_likelihood=number(row, "human_likelihood"),
        novel=flag(row, "novel"),
        rank=whole(row, "rank"),
        heldout_all_plies=number(row, "heldout_all_plies"),
        heldout_roots=whole(row, "heldout_roots"),
        value_baseline=number(row, "value_baseline"),
        n_rows=whole(row, "n_rows"),
        nonzeros=whole(row, "nonzeros"),
        root_position_ids=tuple(text(row, "root_position_ids").split()),
        student=text(row, "student"),
        student_agreement=number(row, "student_agreement"),
        student_rule_met=flag(row, "student_rule_met"),
        move_correct=number(row, "move_correct"),
        move_correct_low=number(row, "move_correct_low"),
        move_correct_high=number(row, "move_correct_high"),
        move_correct_control=number(row, "move_correct_control"),
        correctness_positions=whole(row, "correctness_positions"),
        correctness_judges=text(row, "correctness_judges"),
    )


def _by_rank(concept: Concept) -> tuple[float, float, str]:
    rank = math.inf if concept.rank is None else concept.rank
    return (rank, math.inf if concept.null_p is None else concept.null_p, concept.concept_id)


def _rows(
    run_dir: Path,
    name: str,
    key: str | None = None,
    wanted: Collection[str] = (),
) -> list[Row]:
    """The rows of a table (those whose `key` is `wanted`), none if there is no such table or no such column."""
    path = run_dir / f"{name}.parquet"
    if not path.is_file():
        return []
    table = read_table(path)
    if key is not None and key not in table.column_names:
        return []
    if key is not None:
        keys = pyarrow.compute.cast(table[key], pyarrow.string())
        table = table.filter(
            pyarrow.compute.is_in(keys, value_set=pyarrow.array(sorted(set(wanted)), pyarrow.string()))
        )
    rows: list[Row] = table.to_pylist()
    return rows


def _column(run_dir: Path, name: str, column: str) -> list[Any]:
    """One column of a table, empty if there is no such table or no such column."""
    path = run_dir / f"{name}.parquet"
    table = read_table(path) if path.is_file() else None
    if table is None or column not in table.column_names:
        return []
    values: list[Any] = table[column].to_pylist()
    return values


def _grouped(rows: list[Row], key: str) -> dict[str, tuple[Row, ...]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(text(row, key), []).append(row)
    return {name: tuple(members) for name, members in groups.items()}


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
