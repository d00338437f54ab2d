"""``conceptmine bench``: benchmarks of the methods, with tables on the terminal and files to keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from conceptmine.errors import InputError

bench = typer.Typer(help="Benchmarks: planted.", no_args_is_help=True)


@bench.callback()
def _group() -> None:
    """Benchmarks whose answers are known."""


@bench.command()
def planted(
    agent: Annotated[str | None, typer.Option(help="network file or shipped agent (default: the shipped one)")] = None,
    layer: Annotated[str | None, typer.Option(help="layer to mine (default: the last of the body)")] = None,
    games: Annotated[Path | None, typer.Option(help="PGN file to take positions from (default: own games)")] = None,
    roots: Annotated[str, typer.Option(help="positions a data set, half to mine from; several with commas")] = "200",
    strengths: Annotated[str, typer.Option(help="planted strengths, in spreads of natural scores")] = "2,4",
    seeds: Annotated[int, typer.Option(help="data sets of each size and strength")] = 3,
    noise_seeds: Annotated[int, typer.Option(help="data sets of nothing, and fresh networks; 0 for none")] = 20,
    noise_roots: Annotated[int, typer.Option(help="positions of each of those")] = 60,
    motif: Annotated[
        str | None, typer.Option(help="instead: teach a copy this motif (castling, flank-pawn, outpost) and mine it")
    ] = None,
    dislike: Annotated[bool, typer.Option("--dislike", help="with --motif: teach it to avoid the motif")] = False,
    seed: Annotated[int, typer.Option(help="of all randomness")] = 0,
    out: Annotated[Path | None, typer.Option(help="folder for planted.json, planted.md and planted.png")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of tables")] = False,
) -> None:
    """Mining with known ground truth: what each method finds of planted directions, and how much of it is true."""
    from conceptmine.benchmarks import (
        as_rich,
        bench_motif,
        bench_planted,
        motif_settings,
        motif_sheets,
        page_of,
        picture_of,
        planted_settings,
        sheets_of,
    )
    from conceptmine.runfolder import write_bytes

    if out is not None and out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: give --out a folder.")
    if dislike and motif is None:
        raise InputError("--dislike says what becomes of a motif: name one with --motif.")
    console, progress = Console(), Console(stderr=True)

    def say(text: str) -> None:
        progress.print(text, markup=False, highlight=False, style="dim")

    if motif is None:
        truth = bench_planted(
            planted_settings(
                agent=agent,
                layer=layer,
                games=games,
                roots=roots,
                strengths=strengths,
                seeds=seeds,
                noise_seeds=noise_seeds,
                noise_roots=noise_roots,
                seed=seed,
            ),
            say=say,
        )
        sheets, answer = sheets_of(truth), truth.as_json()
        files = {"planted.md": page_of(truth).encode(), "planted.png": picture_of(truth)}
    else:
        if games is not None:
            raise InputError("--motif needs games of the taught network's own: leave --games out.")
        taught = bench_motif(
            motif_settings(agent=agent, layer=layer, motif=motif, dislike=dislike, roots=roots, seeds=seeds, seed=seed),
            say=say,
        )
        sheets, answer = motif_sheets(taught), taught.as_json()
        files = {f"planted-{motif}.md": page_of(taught).encode()}
    if out is not None:
        name = "planted.json" if motif is None else f"planted-{motif}.json"
        out.mkdir(parents=True, exist_ok=True)
        for file, content in {name: (json.dumps(answer, indent=1) + "\n").encode(), **files}.items():
            write_bytes(out / file, content)
    if as_json:
        print(json.dumps(answer, indent=2))
        return
    for sheet in sheets:
        console.print(as_rich(sheet))
