"""Measuring networks in 16 bits, on any processor: differences are what they are called, and both commands run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import chess
import numpy as np
import pytest

from engines.chess import policy_index
from engines.networks import PackedEvaluation
from experiments import bench_gpu, check_precision
from experiments.agreement import difference, packed_positions, probabilities

BOARDS = [chess.Board(), chess.Board("4k3/8/8/8/8/8/8/4K2R w K - 0 1")]


def evaluation(favourites: list[str], strength: float, value: float) -> PackedEvaluation:
    """One move of each board above the others, which are alike."""
    logits = np.zeros((len(BOARDS), 1858), dtype=np.float32)
    for row, board, move in zip(logits, BOARDS, favourites, strict=True):
        row[policy_index(board, chess.Move.from_uci(move))] = strength
    wdl = np.tile(np.array([0.5 + value / 2, 0, 0.5 - value / 2], dtype=np.float32), (len(BOARDS), 1))
    return PackedEvaluation(logits, wdl, np.full(len(BOARDS), 40 + value, dtype=np.float32))


def test_probabilities_are_those_of_legal_moves() -> None:
    positions = packed_positions(BOARDS)
    shares = probabilities(evaluation(["e2e4", "e1g1"], 1.0, 0.0).logits, positions.moves)
    assert [int((row > 0).sum()) for row in shares] == [board.legal_moves.count() for board in BOARDS]
    assert shares.sum(axis=1) == pytest.approx([1, 1])
    assert shares[0].max() == pytest.approx(np.e / (np.e + 19))


def test_differences() -> None:
    positions = packed_positions(BOARDS)
    exact, other = evaluation(["e2e4", "e1g1"], 1.0, 0.25), evaluation(["e2e4", "h1h8"], 1.0, 0.5)
    same = difference("a", "float16", True, exact, exact, positions)
    assert (same.same_best_move, same.largest_gap, same.largest_probability, same.largest_value) == (1, 0, 0, 0)
    found = difference("a", "float16", True, exact, other, positions)
    gap = (np.e - 1) / (np.e + BOARDS[1].legal_moves.count() - 1)
    assert found.same_best_move == 0.5
    assert found.largest_gap == found.mean_gap == pytest.approx(gap)
    assert found.largest_probability == 2 * found.mean_probability == pytest.approx(gap)
    assert found.largest_value == pytest.approx(0.25)
    assert found.largest_moves_left == pytest.approx(0.25)


def run(module: object, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    module.main()  # type: ignore[attr-defined]


def test_shipped_networks_keep_their_best_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(check_precision, monkeypatch, "--positions", "150", "--network", "ladder-final", "--out", str(tmp_path))
    found = json.loads((tmp_path / "check_precision.json").read_text())["differences"]
    assert [one["dtype"] for one in found] == ["float16", "bfloat16", check_precision.FORCED]
    assert [one["rounded"] for one in found] == [True, False, True]
    assert all(one["positions"] == 150 for one in found)
    assert found[0]["largest_probability"] < 0.01
    assert found[1]["largest_probability"] == 0
    assert "| ladder-final | float16 |" in (tmp_path / "check_precision.md").read_text()


def test_a_share_below_the_least_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--positions", "20", "--network", "ladder-final", "--dtype", "float16", "--least", "1.1")
    with pytest.raises(SystemExit) as caught:
        run(check_precision, monkeypatch, *arguments, "--out", str(tmp_path))
    assert caught.value.code == 1
    assert "ladder-final float16" in capsys.readouterr().err


def test_the_gpu_benchmark_runs_on_a_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_gpu, "SECONDS", 0.0)
    run(
        bench_gpu, monkeypatch, "--device", "cpu", "--tiny", "--positions", "12", "--batch", "8", "--out", str(tmp_path)
    )  # fmt: skip
    found = json.loads((tmp_path / "bench_gpu.json").read_text())
    families = {f"{name}, tiny" for name in bench_gpu.FAMILIES}
    assert {rate["family"] for rate in found["rates"]} == families
    assert {rate["way"] for rate in found["rates"]} == {"launched", "device"}
    assert {(one["network"], one["dtype"]) for one in found["differences"]} == {
        (family, dtype) for family in families for dtype in ("float32", "float16", "bfloat16")
    }
    assert max(one["largest_probability"] for one in found["differences"] if one["dtype"] == "float32") < 1e-5
    assert "## BT4-like, tiny: positions a second" in (tmp_path / "bench_gpu.md").read_text()


def test_the_gpu_benchmark_stops_when_its_time_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("--device", "cpu", "--tiny", "--family", "6x64", "--positions", "4", "--batch", "8", "--minutes", "0")
    run(bench_gpu, monkeypatch, *arguments, "--out", str(tmp_path))
    found = json.loads((tmp_path / "bench_gpu.json").read_text())
    assert found["rates"] == []
    assert found["left_out"] == [f"6x64, tiny {dtype} 8" for dtype in ("float32", "float16", "bfloat16")]
