"""Legs of self-play run on machines without python-chess: what they need must neither import nor use it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import engines

ROOT = Path(engines.__file__).parents[1]
PROGRAM = Path(__file__).with_name("bare_machine.py")
THERE = frozenset({"torch", "numpy", "numba", "safetensors", "protobuf"})
"""The only requirements that a bare machine has."""


def refused_packages() -> list[str]:
    """Import names of all other requirements."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[^\w-]", requirement, maxsplit=1)[0] for requirement in project["dependencies"]}
    assert names >= THERE | {"chess", "pydantic", "zstandard", "cvxpy", "typer"}
    return sorted(names - THERE)


def test_networks_searches_and_campaigns_run_without_python_chess(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, PROGRAM, tmp_path, *refused_packages()],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "moves of the root": 20,
        "visits of the root": 50,
        "nodes": 50,
        "same network": True,
        "went on": True,
        "checkpoints": ["selfplay-00000000.pb.gz"],
        "policies can be played": True,
        "asked for a board": "python-chess is needed for boards, moves and games: install it with 'pip install chess'.",
        "imported all the same": [],
    }
