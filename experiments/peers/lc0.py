"""The search of lc0, if the program is on the path."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

_NODES = re.compile(r"^\s*Nodes searched\s*:\s*(\d+)\s*$", re.MULTILINE)
_MILLISECONDS = re.compile(r"^\s*Total time \(ms\)\s*:\s*(\d+)\s*$", re.MULTILINE)


def lc0_program() -> str | None:
    """The path of lc0, None if there is none."""
    return shutil.which("lc0")


def lc0_nodes_per_second(program: str, network: Path, threads: int, *, nodes: int = 800, positions: int = 4) -> float:
    """Nodes a second of ``lc0 benchmark`` with its own choice of back end.

    Raises ``RuntimeError`` when it fails or says something else than expected.
    """
    command = [program, "benchmark", f"--weights={network}", f"--threads={threads}"]
    command += [f"--nodes={nodes}", f"--num-positions={positions}"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    searched, milliseconds = _NODES.search(ran.stdout), _MILLISECONDS.search(ran.stdout)
    if ran.returncode or searched is None or milliseconds is None or int(milliseconds[1]) == 0:
        raise RuntimeError(f"{' '.join(command)} gave no nodes a second (exit code {ran.returncode})")
    return 1000 * int(searched[1]) / int(milliseconds[1])
