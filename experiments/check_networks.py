"""Check: damaged network files load with valid weights or are refused in one sentence, quickly and in little memory.

    python -m experiments.check_networks [--files 10000] [--seed 0] [--nets FOLDER ...] [--workers 1] [--keep FOLDER]

Files are made from the shipped agents and from small random networks of every family; ``--nets`` adds the ``.pb.gz``
files of folders. What befalls them stands in `experiments.network_files`. They are read in a process of their own, with
1 GiB of address space beyond what it begins with and ten seconds of processor time for each. A file may

- load: then all weights are finite and have the shapes that the network's configuration asks for, also with batch
  normalisation folded in, and the network can be run; or
- be refused with `NetworkFormatError`, in one printable sentence that begins with the file's name.

Everything else (another exception, a crash, no answer in time, too much memory) fails the check with exit code 1, and
such files are written to ``--keep``. Linux only: the limits and the memory are the system's.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from engines.networks import Network, NetworkFormatError, load_agent, shipped_agents
from engines.networks.leela.reading import parse_network
from experiments.network_files import Mutator
from experiments.small_networks import small_files

MEMORY = 1 << 30
SECONDS = 10.0
PATIENCE = 90.0
"""Seconds by the clock until a file counts as one without an answer: others may be at work on the machine."""
NAME = "net.pb.gz"
SENTENCES_SHOWN = 40
LOADED, REFUSED, FAILED = "loaded", "refused", "failed"


@dataclass(frozen=True)
class Outcome:
    """What became of a file."""

    kind: str
    """`LOADED`, `REFUSED` or `FAILED`."""
    text: str = ""
    """The sentence, or what went wrong."""
    seconds: float = 0.0
    """Processor time."""
    megabytes: float = 0.0
    """Peak of the memory in use, above what the process had before."""


def judge(content: bytes) -> Outcome:
    """Read a file; what became of it, time and memory left out."""
    try:
        network, _ = parse_network(content, NAME)
    except NetworkFormatError as error:
        text = str(error)
        good = text.startswith(f"{NAME} ") and text.endswith(".") and text.isprintable() and len(text) < 400
        return Outcome(REFUSED if good else FAILED, text)
    except Exception:  # whatever it is, it fails the check
        return Outcome(FAILED, traceback.format_exc())
    try:
        return Outcome(LOADED) if (wrong := what_is_wrong(network)) is None else Outcome(FAILED, wrong)
    except Exception:  # whatever it is, it fails the check
        return Outcome(FAILED, traceback.format_exc())


def what_is_wrong(network: Network) -> str | None:
    """Say what is wrong with a network that was read, if anything is."""
    folded = network.folded()
    expected = {name: tensor.shape for name, tensor in Network(network.config, seed=None).state_dict().items()}
    found = folded.state_dict()
    if {name: tensor.shape for name, tensor in found.items()} != expected:
        return "has weights of other shapes than its configuration"
    for weights in (network.state_dict(), found):
        for name, tensor in weights.items():
            if tensor.device.type != "cpu" or not torch.isfinite(tensor).all():
                return f"has weights that are not finite numbers in {name}"
    with torch.no_grad():
        output = folded(torch.zeros(1, 112, 8, 8))
    return None if output.policy.shape == (1, 1858) else "gives a policy of another size"


def _serve(files: Connection) -> None:
    """A worker: reads files until there are no more."""
    torch.set_num_threads(1)
    for content in small_files().values():  # what is imported and allocated at first use is not a file's own
        judge(content)
    at_start = _status("VmSize")
    resource.setrlimit(resource.RLIMIT_AS, (at_start + MEMORY, at_start + MEMORY))
    files.send_bytes(b"ready")
    while True:
        try:
            content = files.recv_bytes()
        except EOFError:
            return
        Path("/proc/self/clear_refs").write_text("5")  # the peak of the memory begins anew
        before, start = _status("VmRSS"), time.process_time()
        outcome = judge(content)
        seconds, megabytes = time.process_time() - start, (_status("VmHWM") - before) / 2**20
        files.send(Outcome(outcome.kind, outcome.text, seconds, megabytes))


def _status(name: str) -> int:
    """A figure of this process's memory, in bytes."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


class Worker:
    """A process that reads files, and another one after it has died or was too slow."""

    _START = multiprocessing.get_context("spawn")

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._files, theirs = self._START.Pipe()
        self._process = self._START.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._files.recv_bytes()  # it is ready

    def read(self, content: bytes) -> Outcome:
        """Read a file within the limits."""
        try:
            self._files.send_bytes(content)
            if self._files.poll(PATIENCE):
                outcome: Outcome = self._files.recv()
                return outcome if outcome.seconds < SECONDS else Outcome(FAILED, "took too long", outcome.seconds)
            problem = f"gave no answer in {PATIENCE:.0f} seconds"
        except (EOFError, OSError):
            self._process.join(5)
            problem = f"ended the process, exit code {self._process.exitcode}"
        self.close()
        self._begin()
        return Outcome(FAILED, problem)

    def close(self) -> None:
        """End the process."""
        self._files.close()
        self._process.kill()
        self._process.join()


def whole_files(folders: Sequence[Path]) -> dict[str, bytes]:
    """The files to damage, by name."""
    files = dict(small_files())
    for name in shipped_agents():
        path = load_agent(name).path
        assert path is not None
        files[name] = path.read_bytes()
    for folder in folders:
        found = {path.name: path.read_bytes() for path in sorted(folder.glob("*.pb.gz"))}
        if not found:
            raise SystemExit(f"There are no .pb.gz files in {folder}.")
        files |= found
    return files


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Check that damaged network files load whole or are refused.")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--nets", type=Path, nargs="*", default=[], metavar="FOLDER", help="more files to damage")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where to write files that fail")
    arguments = parser.parse_args()
    start = time.perf_counter()
    mutator = Mutator(whole_files(arguments.nets), arguments.seed)
    workers: SimpleQueue[Worker] = SimpleQueue()
    for _ in range(arguments.workers):
        workers.put(Worker())

    def try_file(number: int) -> tuple[str, Outcome]:
        worker = workers.get()
        try:
            what, content = mutator.file(number)
            outcome = worker.read(content)
        finally:
            workers.put(worker)
        if outcome.kind == FAILED and arguments.keep:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            (arguments.keep / f"{arguments.seed}-{number}.pb.gz").write_bytes(content)
        return f"file {number} ({what})", outcome

    console = Console()
    with ThreadPoolExecutor(arguments.workers) as pool:
        results = pool.map(try_file, range(arguments.files))
        tried = list(track(results, "files", arguments.files, console=console))
    while not workers.empty():
        workers.get().close()
    report(tried, console)
    console.print(f"{time.perf_counter() - start:.0f} seconds")
    if any(outcome.kind == FAILED for _, outcome in tried):
        sys.exit(1)


def report(tried: list[tuple[str, Outcome]], console: Console) -> None:
    """Print the counts, the sentences, the slowest and the largest file, and what failed."""
    kinds = Counter(outcome.kind for _, outcome in tried)
    table = Table("outcome", "files", title="Network files")
    for kind in (LOADED, REFUSED, FAILED):
        table.add_row(kind, f"{kinds[kind]:,}")
    sentences = Counter(re.sub(r"\d[\d,.]*\d|\d", "N", outcome.text) for _, outcome in tried if outcome.kind == REFUSED)
    refusals = Table("files", "refused with", title="Sentences, numbers left out")
    for text, count in sentences.most_common(SENTENCES_SHOWN):
        refusals.add_row(f"{count:,}", text)
    if rest := sentences.most_common()[SENTENCES_SHOWN:]:
        refusals.add_row(f"{sum(count for _, count in rest):,}", f"({len(rest)} other sentences)")
    console.print(table, refusals)
    for what, figure, unit in (("slowest", "seconds", "s"), ("largest", "megabytes", "MiB")):
        name, outcome = max(tried, key=lambda item: getattr(item[1], figure))
        console.print(f"{what}: {getattr(outcome, figure):.2f} {unit}, {name}, {outcome.kind}")
    for name, outcome in tried:
        if outcome.kind == FAILED:
            console.print(f"{name} failed: {outcome.text}", style="red", highlight=False, markup=False)


if __name__ == "__main__":
    main()
