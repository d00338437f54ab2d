"""How long the first search of a process takes: with nothing compiled, and with the kernels in numba's cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

from experiments.engine_benchmark.measuring import Measurement, Section

COLD, CACHED = "cold, kernels compiled", "kernels cached"
IMPORTS, FIRST = "imports", "first perft and search"

_PROGRAM = """
import json, time
wall, cpu = time.perf_counter(), time.process_time()
def passed():
    global wall, cpu
    before = wall, cpu
    wall, cpu = time.perf_counter(), time.process_time()
    return [wall - before[0], cpu - before[1]]
import chess
from engines.chess import perft
from engines.search import search
from experiments.engine_benchmark.free_network import FreeNetwork
imports = passed()
perft(chess.Board(), 3)
search(FreeNetwork(), [chess.Board()], simulations=10)
print(json.dumps([imports, passed()]))
"""


def measure_start(subject: str, number: int, cache: str) -> list[Measurement]:
    """Seconds of the imports, and of the first perft and search, in a new process with numba's cache in a folder."""
    environment = os.environ | {"NUMBA_CACHE_DIR": cache, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ran = subprocess.run([sys.executable, "-c", _PROGRAM], env=environment, capture_output=True, text=True, check=True)
    return [
        Measurement(subject, part, number, cpu, wall)
        for part, (wall, cpu) in zip((IMPORTS, FIRST), json.loads(ran.stdout), strict=True)
    ]


def startup_section() -> Section:
    """One cold start in the first round, a start with the cache that it filled in every round."""
    folder = tempfile.TemporaryDirectory()

    def measure_round(number: int) -> list[Measurement]:
        cold = [] if number else measure_start(COLD, number, folder.name)
        return cold + measure_start(CACHED, number, folder.name)

    return Section(
        "startup",
        "Start of a process: CPU seconds",
        measure_round,
        styles={IMPORTS: "seconds", FIRST: "seconds"},
        notes=["Without torch, which a search of a network needs as well. One cold start, a cached one a round."],
    )
