"""The pipeline: the list of stages, and the loop that runs those still to be done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from rich.console import Console

from conceptmine.pipeline.candidates import mine_candidates
from conceptmine.pipeline.context import RunContext, StageResult
from conceptmine.pipeline.corpora import gather_games
from conceptmine.pipeline.judging import judge_candidates
from conceptmine.pipeline.originality import measure_novelty
from conceptmine.pipeline.pairs import capture_states, find_pairs
from conceptmine.pipeline.publishing import make_puzzles, rank_candidates, write_report
from conceptmine.pipeline.rollouts import find_candidates, search_positions
from conceptmine.pipeline.settings import HUMAN_NETWORK, MiningSettings, network_path
from conceptmine.pipeline.teaching import teach_candidates
from conceptmine.pipeline.workers import Workers, one_thread
from conceptmine.positions import read_games
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
    "ranking": rank_candidates,
    "puzzles": make_puzzles,
    "report": write_report,
}
"""Name → function, in order.  A stage reads what earlier ones wrote and writes files of its own; nothing else is passed on."""


def mine(settings: MiningSettings, out: Path, *, console: Console | None = None) -> Manifest:
    """Run the whole pipeline into a new folder.

    Args:
        settings: from `checked_settings`.
        out: folder of the run, new or empty.
        console: where progress is told; None is silent.

    Returns:
        The finished manifest.

    Raises:
        InputError: the folder is in use, or an input turns out to be unusable.  A folder that could not be begun is not left
            behind.
    """
    inputs = {
        "agent": network_path(settings.agent),
        "weaker": network_path(settings.weaker),
        **{f"student{i}": network_path(student) for i, student in enumerate(settings.students, start=1)},
        "human_network": network_path(HUMAN_NETWORK),
    }
    if settings.human is not None:
        inputs["human"] = Path(settings.human)
        # A game that cannot be trusted is better found now than in a folder with half a run in it.
        for _ in read_games(Path(settings.human)):
            pass
    folder = RunFolder.create(
        out, arguments=settings.as_arguments(), seed=settings.seed, inputs=inputs, stages=list(STAGES)
    )
    with folder:
        return _run(folder, settings, console)


def resume(out: Path, *, console: Console | None = None) -> Manifest:
    """Go on with a run that was interrupted; a finished one is left as it is.

    Raises:
        InputError: not a run folder, in use, of another version, or an input has changed.
    """
    with RunFolder.open(out) as folder:
        settings = MiningSettings.from_arguments(folder.manifest.arguments)
        return _run(folder, settings, console)


def _run(folder: RunFolder, settings: MiningSettings, console: Console | None) -> Manifest:
    console = console or Console(quiet=True)
    pending = folder.pending
    if not pending:
        console.print(f"{folder.path} is already complete")
        return folder.manifest
    with one_thread(), Workers(settings.workers if settings.device == "cpu" else 1) as workers:
        for name in pending:
            number = list(STAGES).index(name) + 1
            title = f"[bold]{number:2}/{len(STAGES)} {name}[/bold]"
            folder.scratch.mkdir(exist_ok=True)
            with console.status(title) as status:

                def say(text: str, status: object = status, title: str = title) -> None:
                    status.update(f"{title}  {text}")  # type: ignore[attr-defined]

                begun = time.monotonic()
                result = STAGES[name](RunContext(folder, settings, workers, say))
                seconds = time.monotonic() - begun
                folder.complete(name, result.counts, round(seconds, 3), funnel=result.funnel)
            counts = ", ".join(f"{key.replace('_', ' ')} {value:,}" for key, value in result.counts.items())
            console.print(f"{title}  {counts}  [dim]{seconds:.1f} s[/dim]")
    return folder.manifest


__all__ = ["STAGES", "mine", "resume"]
