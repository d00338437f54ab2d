"""The program ``conceptmine``: its commands, and what its exit codes mean."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from conceptmine.cli.arguments import with_moves_joined
from conceptmine.cli.bench import bench
from conceptmine.cli.engine import engine
from conceptmine.errors import InputError

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


class _Program(TyperGroup):
    """The program's commands; Ctrl-C in any of them is told in one line (typer says nothing, or exits with 1)."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _tell("interrupted")
            raise typer.Exit(INTERRUPTED) from None


application = typer.Typer(
    name="conceptmine",
    cls=_Program,
    help="Find concepts in a chess network that people may not have, test them, and make puzzles and a report of them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
application.add_typer(engine, name="engine")
application.add_typer(bench, name="bench")


@application.command()
def mine(
    agent: Annotated[
        str | None, typer.Option(help="Leela network or shipped agent to mine (default: the shipped one)")
    ] = None,
    weaker: Annotated[str | None, typer.Option(help="weaker network; positions are where the two disagree")] = None,
    students: Annotated[
        str | None, typer.Option(help="networks to choose a student from, weakest first, comma-separated")
    ] = None,
    human: Annotated[
        str | None, typer.Option(help="human games, .pgn or .pgn.zst (default: sampled from the imitation network)")
    ] = None,
    roots: Annotated[int, typer.Option(help="positions to mine from and to test on")] = 200,
    simulations: Annotated[int, typer.Option(help="visits of each search")] = 400,
    layers: Annotated[
        str | None, typer.Option(help="layers, comma-separated (default: the last of the body and of the policy head)")
    ] = None,
    seed: Annotated[int, typer.Option(help="of all randomness")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    workers: Annotated[int | None, typer.Option(help="processes (default: one a core, at most 8)")] = None,
    out: Annotated[Path | None, typer.Option(help="folder of the run (default: runs/DATE-TIME)")] = None,
    null: Annotated[
        bool, typer.Option("--null", help="flip each root's pairs by a coin: nothing should be supported")
    ] = False,
    oracle: Annotated[
        str | None, typer.Option(help="UCI engine that judges the concepts' moves, such as stockfish")
    ] = None,
    tablebases: Annotated[
        str | None, typer.Option(help="folder of Syzygy tablebases that judge them where few men are left")
    ] = None,
) -> None:
    """Mine concepts: from games to a ranked table, puzzles and a report in one folder."""
    from conceptmine.pipeline import checked_settings
    from conceptmine.pipeline import mine as run

    settings = checked_settings(
        agent=agent,
        weaker=weaker,
        students=students,
        human=human,
        roots=roots,
        simulations=simulations,
        layers=layers,
        seed=seed,
        device=_device(device),
        workers=_workers(workers),
        null=null,
        oracle=oracle,
        tablebases=tablebases,
    )
    folder = out or Path("runs") / datetime.now().strftime("%Y%m%d-%H%M%S")
    with _resumable(folder):
        manifest = run(settings, folder, console=Console())
    _summarise(folder, manifest.candidates, manifest.supported, manifest.teachable, manifest.novel)


@application.command()
def resume(folder: Annotated[Path, typer.Argument(help="folder of a run", metavar="DIR")]) -> None:
    """Go on with a run that was interrupted; the result is that of an unbroken run."""
    from conceptmine.pipeline import resume as run

    with _resumable(folder):
        manifest = run(folder, console=Console())
    _summarise(folder, manifest.candidates, manifest.supported, manifest.teachable, manifest.novel)


@application.command()
def report(folder: Annotated[Path, typer.Argument(help="folder of a run", metavar="DIR")]) -> None:
    """(Re)build DIR/report.html from the tables of a run."""
    from conceptmine.report import build_report

    print(build_report(folder))


@application.command()
def puzzles(
    folder: Annotated[Path, typer.Argument(help="folder of a run", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="file to write")],
    format: Annotated[str, typer.Option(help="csv, pgn, epd or json")] = "csv",
) -> None:
    """Export the puzzles of a run."""
    from conceptmine.puzzles import export_puzzles

    print(f"{export_puzzles(folder, format, out)} puzzles written to {out}")


@contextmanager
def _resumable(folder: Path) -> Iterator[None]:
    """Says how to go on when the run inside is interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        begun = (folder / "manifest.json").is_file()
        _tell(f"interrupted; `conceptmine resume {folder}` goes on" if begun else "interrupted before the run began")
        raise typer.Exit(INTERRUPTED) from None


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise InputError(f"--device is {name!r}: give auto, cpu or cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device is cuda, but torch finds no CUDA device here: give cpu or auto.")
    return name


def _workers(number: int | None) -> int:
    import os

    return number if number is not None else max(1, min(8, os.cpu_count() or 1))


def _summarise(folder: Path, candidates: int, supported: int, teachable: int, novel: int) -> None:
    console = Console()
    console.print(
        f"{candidates:,} candidates → {supported:,} supported → {teachable:,} teachable → [bold]{novel:,} novel[/bold]"
    )
    print(f"report: {folder / 'report.html'}")  # as it is: rich would break a long path in two


def main() -> None:
    """Entry point of the program; turns errors that a person can mend into one sentence and exit code 2."""
    try:
        application(args=with_moves_joined(sys.argv[1:]))
    except ValueError as error:
        # Imported only now: with it comes torch, for which `conceptmine --help` should not have to wait.
        from engines import NetworkFormatError

        if not isinstance(error, InputError | NetworkFormatError):
            raise
        _tell(str(error))
        sys.exit(BAD_INPUT)
    except OSError as error:
        # A full disk, say: nobody's mistake in what was typed, and no bug either.
        _tell(str(error))
        sys.exit(FAILED)


def _tell(sentence: str) -> None:
    print(f"conceptmine: {sentence}", file=sys.stderr)
