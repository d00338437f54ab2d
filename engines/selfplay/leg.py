"""One leg of a campaign on a machine that is lent for minutes: a state goes in, a few small files come out.

    python3 -m engines.selfplay.leg CONFIG --out DIR [--state STATE] [--minutes 9] [--device auto] [--actors N]

It needs a checkout and Python with torch, numpy, numba, safetensors and protobuf, no installed package and no network.
The campaign of the folder STATE (or a new one) is gone on with in a scratch folder, on the GPU if there is one.  It
ends within ``--minutes`` counted from the start of the command, compilation of the kernels included: the last half
minute is kept back (`RESERVE_S`), and more where files are slow.  DIR then holds at most eight
files of at most 16 MiB: the state, ``metrics.csv``, ``checkpoints.zip`` with the leg's checkpoints (the newest, if they
are too many), and ``leg.json``, which says on what machine how much was played and learned.  Copy them into a folder,
and the campaign goes on there; what does not fit is left out, from the oldest games on.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import shutil
import tempfile
import time
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch

from engines.networks.whole_files import write_whole
from engines.selfplay.campaign import CHECKPOINT_FOLDER, run_campaign
from engines.selfplay.config import Campaign, read_campaign
from engines.selfplay.metrics import METRICS_FILE, read_metrics
from engines.selfplay.state import STATE_FILE, Counters, trim_state

MOST_FILES: Final = 8
MOST_BYTES: Final = 16 << 20
RESERVE_S: Final = 30.0
"""Seconds kept back: for the steps of games and learning in hand when the time is over, a checkpoint, and the files."""

_COPIES: Final = 6
"""How often the state is read or written after the last round, at most: saved, trimmed (both) and copied (both)."""

_BESIDE_THE_STATE: Final = 3  # metrics, checkpoints, leg.json


def state_files(folder: Path) -> list[Path]:
    """The files of a campaign's state."""
    return sorted([*folder.glob(STATE_FILE), *folder.glob("state-*.safetensors")])


def run_leg(campaign: Campaign, state: Path | None, out: Path, until: float, device: str, actors: int) -> Counters:
    """Go on with the campaign in ``state`` and put what is to be kept into ``out``, all before ``until``.

    Nothing is played and learned in the last `RESERVE_S` seconds before ``until`` (`time.monotonic`), and so much more
    as this machine would take to copy the state it was given six times.  What cannot be hurried is compilation: a leg
    must be long enough for that.

    Raises ``ValueError`` as `engines.selfplay.campaign.run_campaign`, and when there is no time left.
    """
    began = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if state is not None:
            for file in [*state_files(state), state / METRICS_FILE]:
                if file.exists():
                    shutil.copy(file, folder)
        rounds = _rounds(folder)
        now = time.monotonic()
        reserve = RESERVE_S + _COPIES * (now - began)
        if until - now <= reserve:
            raise ValueError(f"{reserve:.0f} seconds of a leg are kept back for its end: give it more minutes")
        minutes = (until - reserve - now) / 60
        counters = run_campaign(campaign, folder, minutes, device=device, actors=actors, report=_say)
        room = MOST_FILES - _BESIDE_THE_STATE
        trim_state(folder, room)
        sizes = [file.stat().st_size for file in state_files(folder)]
        if len(sizes) > room or max(sizes) > MOST_BYTES:
            _say(f"weights and games in play alone take more than {room} files of {MOST_BYTES >> 20} MiB")
        for file in [*state_files(folder), folder / METRICS_FILE]:
            write_whole(out / file.name, file.read_bytes())
        for old in set(state_files(out)) - {out / file.name for file in state_files(folder)}:
            old.unlink()  # of an earlier leg into the same folder
        write_whole(out / "checkpoints.zip", _packed(folder / CHECKPOINT_FOLDER))
        about = _about(folder, rounds, counters, device)
        write_whole(out / "leg.json", (json.dumps(about, indent=1) + "\n").encode())
    return counters


def _say(line: str) -> None:
    print(line, flush=True)


def _rounds(folder: Path) -> int:
    path = folder / METRICS_FILE
    return len(read_metrics(path)) if path.exists() else 0


def _packed(folder: Path) -> bytes:
    """The newest checkpoints that fit into one file, as a zip of the files as they are."""
    chosen: list[Path] = []
    room = MOST_BYTES - (1 << 16)
    for path in sorted(folder.glob("*.pb.gz"), reverse=True):
        room -= path.stat().st_size + 512
        if room < 0:
            break
        chosen.insert(0, path)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for path in chosen:
            archive.write(path, path.name)
    return content.getvalue()


def _about(folder: Path, rounds: int, counters: Counters, device: str) -> dict[str, Any]:
    """What the leg did, and on what machine."""
    leg = read_metrics(folder / METRICS_FILE)[rounds:]
    gpu = torch.cuda.get_device_name() if device != "cpu" and torch.cuda.is_available() else None
    rates = sorted(row.evaluations_per_second for row in leg[1:] if row.evaluations_per_second is not None)
    return {
        "machine": platform.machine(),
        "gpu": gpu,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "rounds": len(leg),
        "median_evaluations_per_second": rates[len(rates) // 2] if rates else None,
        "counters": asdict(counters),
    }


def main() -> None:
    """Command line."""
    began = time.monotonic() - time.process_time()  # imports took seconds of it
    parser = argparse.ArgumentParser(description="Run one leg of a self-play campaign.")
    parser.add_argument("config", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--actors", type=int, default=0)
    arguments = parser.parse_args()
    try:
        counters = run_leg(
            read_campaign(arguments.config),
            arguments.state,
            arguments.out,
            began + 60 * arguments.minutes,
            arguments.device,
            arguments.actors,
        )
    except ValueError as error:
        parser.exit(2, f"{error}\n")
    print(f"{counters.positions:,} positions of {counters.games:,} games; {arguments.out} holds the state")


if __name__ == "__main__":
    main()
