"""The pipeline: the list of stages, and the loop that runs those still to be done."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import torch
from rich.console import Console
from rich.markup import escape

from conceptmine.errors import InputError
from conceptmine.pipeline.candidates import mine_candidates
from conceptmine.pipeline.context import RunContext, StageResult
from conceptmine.pipeline.corpora import gather_games
from conceptmine.pipeline.correctness import judge_moves
from conceptmine.pipeline.judging import judge_candidates
from conceptmine.pipeline.originality import measure_novelty
from conceptmine.pipeline.pairs import capture_states, find_pairs
from conceptmine.pipeline.publishing import make_puzzles, rank_candidates, write_report
from conceptmine.pipeline.rollouts import find_candidates, search_positions
from conceptmine.pipeline.settings import MiningSettings, network_path
from conceptmine.pipeline.steering import steer_concepts
from conceptmine.pipeline.teaching import teach_candidates
from conceptmine.pipeline.workers import Workers, one_thread
from conceptmine.runfolder import Manifest, RunFolder

Stage = Callable[[RunContext], StageResult]

STAGES: Final[Mapping[str, Stage]] = {
    "games": gather_games,
    "positions": find_candidates,
    "search": search_positions,
    "contrast": find_pairs,
    "activations": capture_states,
    "mining": mine_candidates,
    "evidence": judge_candidates,
    "teachability": teach_candidates,
    "novelty": measure_novelty,
    "steering": steer_concepts,
    "correctness": judge_moves,
    "ranking": rank_candidates,
    "puzzles": make_puzzles,
    "report": write_report,
}
"""Name → function, in order.  A stage reads files of earlier ones and writes its own; nothing else is passed on."""


def mine(settings: MiningSettings, out: Path, *, console: Console | None = None) -> Manifest:
    """Run the whole pipeline into a new folder.

    Args:
        settings: from `checked_settings`.
        out: folder of the run, new or empty.
        console: where progress is told; None is silent.

    Returns:
        The finished manifest.

    Raises:
        InputError: the folder is in use, or an input turns out to be unusable, as late as in a stage. As long as no
            concept has been mined, nothing is then left behind.
    """
    inputs = {
        "agent": network_path(settings.agent),
        "weaker": network_path(settings.weaker),
        **{f"student{i}": network_path(student) for i, student in enumerate(settings.students, start=1)},
        "human_network": network_path(settings.human_network),
    }
    if settings.human is not None:
        inputs["human"] = Path(settings.human)
    if settings.oracle is not None:
        inputs["oracle"] = Path(settings.oracle)
    missing = [path for path in (out, *out.parents) if not path.exists()]
    folder = RunFolder.create(
        out, arguments=settings.as_arguments(), seed=settings.seed, inputs=inputs, stages=list(STAGES)
    )
    with folder:
        try:
            return _run(folder, settings, console)
        except InputError:
            # The same input would end a resumed run in the same way, and a folder in use bars the way to a better one.
            if not folder.manifest.candidates:
                _remove(out, missing)
            raise


def _remove(out: Path, made: Sequence[Path]) -> None:
    """Empty a run folder, and remove it and its parents as far as they were made for it."""
    for entry in out.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    for path in made:
        with suppress(OSError):  # somebody else has put something there meanwhile
            path.rmdir()


def resume(out: Path, *, console: Console | None = None) -> Manifest:
    """Go on with a run that was interrupted; a finished one is left as it is.

    Raises:
        InputError: not a run folder, in use, of another version, an input has changed, or the device is not there.
    """
    with RunFolder.open(out) as folder:
        settings = MiningSettings.from_arguments(folder.manifest.arguments)
        if [stage.name for stage in folder.manifest.stages] != list(STAGES):
            raise InputError(f"{out} was made by another version of conceptmine: mine again with this one.")
        if folder.pending and settings.device == "cuda" and not torch.cuda.is_available():
            raise InputError(f"{out} was begun on a CUDA device and there is none here: resume it where there is one.")
        if console is not None:
            for package, (then, now) in folder.changed_versions.items():
                console.print(f"{package} was {then} when the run began and is {now} now: last digits may differ")
        return _run(folder, settings, console)


def _run(folder: RunFolder, settings: MiningSettings, console: Console | None) -> Manifest:
    console = console or Console(quiet=True)
    pending = folder.pending
    if not pending:
        console.print(f"{folder.path} is already complete", markup=False, soft_wrap=True)
        return folder.manifest
    with one_thread(), Workers(settings.workers if settings.device == "cpu" else 1) as workers:
        for name in pending:
            number = list(STAGES).index(name) + 1
            title = f"[bold]{number:2}/{len(STAGES)} {name}[/bold]"
            folder.scratch.mkdir(exist_ok=True)
            with console.status(title) as status:

                def say(text: str, status: object = status, title: str = title) -> None:
                    status.update(f"{title}  {escape(text)}")  # type: ignore[attr-defined]

                begun = time.monotonic()
                result = STAGES[name](RunContext(folder, settings, workers, say))
                seconds = time.monotonic() - begun
                folder.complete(name, result.counts, round(seconds, 3), funnel=result.funnel)
            counts = ", ".join(f"{key.replace('_', ' ')} {value:,}" for key, value in result.counts.items())
            console.print(f"{title}  {counts}  [dim]{seconds:.1f} s[/dim]")
    return folder.manifest


__all__ = ["STAGES", "mine", "resume"]
