"""Runs that are killed at chosen moments; started as a program of its own by the tests beside it.

``killed_run.py each SETTINGS FOLDER`` kills one run in every stage, and interrupts it by Ctrl-C in one, and prints what
each of them left as JSON lines.
``killed_run.py busy SETTINGS FOLDER NOTE`` is a run with several workers that writes their process numbers to NOTE,
lets each of them see Ctrl-C, and kills itself while they are at work.

The product knows nothing of this: here its functions are wrapped from outside.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

MOMENTS = ("first file", "last record")
"""Stages are killed at these in turn: with their first file half in place, or with all of them there but unrecorded."""
BUSY = "puzzles"
INTERRUPTED = "contrast"


def _settings(path: str) -> Any:
    from conceptmine.pipeline import MiningSettings

    return MiningSettings.from_arguments(json.loads(Path(path).read_text(encoding="utf-8")))


def _kill_at(stage: str, moment: str) -> None:
    """From now on this process kills itself at one of `MOMENTS` in a stage."""
    from conceptmine.pipeline import run
    from conceptmine.runfolder import RunFolder, atomic

    def end(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def ended_stage(context: Any) -> Any:
        if moment == "first file":
            # The file is written under its temporary name and not yet renamed.
            atomic._sync_file = end
        else:
            RunFolder.complete = end  # type: ignore[method-assign]
        return whole_stage(context)

    whole_stage = run.STAGES[stage]
    run.STAGES[stage] = ended_stage  # type: ignore[index]


def _in_child(work: Any) -> int:
    """Wait status of a forked process that does the work; all modules are loaded already, and no thread has started."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except SystemExit as end:
            os._exit(end.code if isinstance(end.code, int) else 1)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def each(settings_file: str, folder: Path) -> None:
    import chess
    import torch

    from conceptmine import cli
    from conceptmine.pipeline import STAGES, mine, resume, run
    from conceptmine.runfolder import read_manifest
    from engines.networks import load_agent
    from engines.search import search
    from engines.selfplay.policy_games import play_policy_games

    torch.set_num_threads(1)
    settings = _settings(settings_file)
    # Loads what is compiled, which every child would do anew.
    agent = load_agent(settings.agent)
    play_policy_games(agent, [()], longest=2)
    search(agent, [chess.Board()], simulations=2)

    def go_on() -> None:
        if (folder / "manifest.json").exists():
            resume(folder)
        else:
            mine(settings, folder)

    def interrupted() -> None:
        def struck(context: Any) -> None:
            # A shell that started the tests in the background has its programs ignore Ctrl-C.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.kill(os.getpid(), signal.SIGINT)

        run.STAGES[INTERRUPTED] = struck  # type: ignore[index]
        sys.argv = ["conceptmine", "resume", str(folder)]
        cli.main()

    for stage, moment in zip(STAGES, cycle(MOMENTS), strict=False):

        def killed(stage: str = stage, moment: str = moment) -> None:
            _kill_at(stage, moment)
            go_on()

        status = _in_child(killed)
        manifest = read_manifest(folder)
        left = {
            "stage": stage,
            "moment": moment,
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
            "pending": next((record.name for record in manifest.stages if record.state == "pending"), None),
            "partial": sorted(path.name for path in folder.rglob(".*.partial")),
        }
        print(json.dumps(left), flush=True)
        if stage == INTERRUPTED:
            print(json.dumps({"interrupted": os.waitstatus_to_exitcode(_in_child(interrupted))}), flush=True)
    print(json.dumps({"finished": os.waitstatus_to_exitcode(_in_child(go_on))}), flush=True)


def busy(settings_file: str, folder: Path, note: Path) -> None:
    from conceptmine.pipeline import mine, run
    from conceptmine.pipeline.workers import Workers

    def struck_stage(context: Any) -> Any:
        def struck_map(self: Workers, function: Any, tasks: Any) -> Iterator[Any]:
            for number, answer in enumerate(whole_map(self, function, tasks)):
                workers = [child.pid for child in multiprocessing.active_children() if child.pid]
                if number == 0:
                    note.write_text(json.dumps(workers), encoding="utf-8")
                for worker in workers:
                    os.kill(worker, signal.SIGINT)
                if number == 1:
                    os.kill(os.getpid(), signal.SIGKILL)
                yield answer

        whole_map, Workers.map = Workers.map, struck_map  # type: ignore[method-assign]
        return whole_stage(context)

    whole_stage = run.STAGES[BUSY]
    run.STAGES[BUSY] = struck_stage  # type: ignore[index]
    mine(_settings(settings_file), folder)


if __name__ == "__main__":
    if sys.argv[1] == "each":
        each(sys.argv[2], Path(sys.argv[3]))
    else:
        busy(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
