"""Programmes of single roots: what is said of one that has no solution."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conceptmine.pipeline.candidates import infeasible_rows
from conceptmine.pipeline.pairs import PairTable
from conceptmine.pipeline.programmes import SolveTask, root_programmes, solve_programmes
from conceptmine.runfolder import schemas
from conceptmine.runfolder.tables import read_rows, write_rows

PLUS = np.array([[1, 2, 0], [0, 0, 1], [-2, -4, 0], [3, 1, 0]], dtype=np.float32)
"""The rows of both roots, 0 and 2 opposed; root 1 leaves row 2 out."""


class _Store:
    """States 0 to 3 are the rows of the table above, state 4 is zero."""

    def rows(self, layer: str, indices: np.ndarray) -> np.ndarray:
        return np.concatenate([PLUS, np.zeros((1, 3), dtype=np.float32)])[indices]


@pytest.fixture
def pairs() -> PairTable:
    position, plus = np.array([0, 0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 3, 0, 1, 3])
    ply = np.array([2, 2, 4, 4, 2, 2, 4], dtype=np.int32)
    branch = np.array([0, 2, 0, 2, 0, 2, 0], dtype=np.int32)
    horizon = np.full(7, 5, dtype=np.int32)
    return PairTable(("first", "second"), position, horizon, ply, branch, plus, np.full(7, 4), np.full(2, 4))


def test_rows_that_contradict_each_other_are_named(
    pairs: PairTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conceptmine.pipeline.programmes.ActivationStore.open", lambda folder: _Store())
    programmes = [each for each in root_programmes(pairs, [0, 1], ["block1"], [5]) if each.players == "two"]
    answers = solve_programmes(SolveTask("", pairs, tuple(programmes)))
    assert [answer.status for answer in answers] == ["infeasible", "optimal"]
    rows = list(infeasible_rows(pairs, answers))
    programme = {"layer": "block1", "players": "two", "horizon": 5, "position_id": "first"}
    assert rows == [
        programme | {"ply": 2, "branch": 0, "weight": pytest.approx(2 / 3)},
        programme | {"ply": 4, "branch": 0, "weight": pytest.approx(1 / 3)},
    ]
    write_rows(tmp_path / "rows.parquet", rows, schemas.INFEASIBLE_ROWS)
    assert read_rows(tmp_path / "rows.parquet", schemas.INFEASIBLE_ROWS) == rows


def test_without_such_programmes_the_table_is_empty(pairs: PairTable, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.parquet", infeasible_rows(pairs, []), schemas.INFEASIBLE_ROWS)
    assert read_rows(tmp_path / "rows.parquet", schemas.INFEASIBLE_ROWS) == []
