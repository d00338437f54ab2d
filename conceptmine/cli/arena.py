"""``conceptmine engine match`` and ``ladder``: who is stronger, by how much, and how sure that is."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from conceptmine.errors import InputError

if TYPE_CHECKING:
    from engines.arena import MatchResult, PlayedGame, Player, Sprt

_PLAYER = "network file, shipped agent, random, material or uci:PROGRAM?nodes=N"


def match(
    first: Annotated[str, typer.Argument(help=_PLAYER)],
    second: Annotated[str, typer.Argument(help="its opponent")],
    games: Annotated[int, typer.Option(help="games, half with each colour; with --sprt the most")] = 100,
    simulations: Annotated[int, typer.Option(help="visits a move, of networks without @N")] = 50,
    seed: Annotated[int, typer.Option(help="of the choice of openings")] = 0,
    openings: Annotated[Path | None, typer.Option(help="file, one opening a line (default: the shipped list)")] = None,
    sprt: Annotated[str | None, typer.Option(metavar="ELO0,ELO1", help="stop when one of the two is accepted")] = None,
    alpha: Annotated[float, typer.Option(help="of --sprt: chance to accept ELO1 wrongly")] = 0.05,
    beta: Annotated[float, typer.Option(help="of --sprt: chance to accept ELO0 wrongly")] = 0.05,
    pgn: Annotated[Path | None, typer.Option(help="file to write the games to")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Play a match from even openings, each with both colours; the Elo difference with its standard error."""
    from engines.arena import pgn_of, play_match, read_openings

    _check(games, simulations, seed)
    test = None if sprt is None else _sprt(sprt, alpha, beta)
    _check_file(pgn)
    with ExitStack() as held, _bad_input():
        book = None if openings is None else read_openings(openings)
        players = [held.enter_context(closing(_player(text, simulations))) for text in (first, second)]
        played: list[PlayedGame] = []
        with _progress(games, f"{players[0].name} – {players[1].name}", hidden=as_json) as advance:

            def report(game: PlayedGame) -> None:
                played.append(game)
                advance()

            try:
                result = play_match(
                    players[0], players[1], games=games, seed=seed, openings=book, sprt=test, report=report
                )
            finally:
                # Whatever ended the match: the games that were played are not lost.
                if pgn is not None and played:
                    ordered = sorted(played, key=lambda game: game.number)
                    _write(pgn, pgn_of(ordered, players[0].name, players[1].name))
    for sentence in result.forfeits:
        Console(stderr=True).print(sentence, markup=False, highlight=False, soft_wrap=True)
    if as_json:
        print(json.dumps(_answer(first, second, result, test), indent=2))
        return
    tally = result.tally
    print(f"{first} – {second}: +{tally.wins} ={tally.draws} −{tally.losses}, {tally.describe()}")
    print("endings: " + ", ".join(f"{count} {ending}" for ending, count in result.endings.items()))
    if test is not None:
        print(_verdict(result, test))


def ladder(
    networks: Annotated[list[Path], typer.Argument(help="folders of checkpoints, or network files")],
    out: Annotated[Path, typer.Option(help="folder for ladder.json, ladder.csv and ladder.png")],
    opponent: Annotated[list[str] | None, typer.Option(help=f"further opponent, can be repeated: {_PLAYER}")] = None,
    games: Annotated[int, typer.Option(help="games of each match, half with each colour")] = 20,
    simulations: Annotated[int, typer.Option(help="visits a move")] = 50,
    seed: Annotated[int, typer.Option(help="of the choice of openings")] = 0,
    anchor: Annotated[str, typer.Option(help="player with 0 Elo")] = "random",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Rate checkpoints, a random mover, a taker of material and further opponents by one fit over all their games."""
    from engines.arena import find_rungs, play_ladder, write_ladder

    _check(games, simulations, seed)
    for path in networks:
        if not path.exists():
            raise InputError(f"There is no file or folder {path}.")
    with ExitStack() as held, _bad_input():
        rungs = find_rungs(networks)
        texts = ["random", "material", *(text for text in opponent or [] if text not in ("random", "material"))]
        opponents = [held.enter_context(closing(_player(text, simulations))) for text in texts]
        out.mkdir(parents=True, exist_ok=True)
        with _progress(None, "ladder", hidden=as_json) as advance:
            rated = play_ladder(
                rungs,
                opponents,
                games=games,
                simulations=simulations,
                seed=seed,
                anchor=anchor,
                record=out / "ladder.json",
                announce=lambda one, other, place, matches: advance(f"{one} – {other}", place, matches),
            )
        paths = write_ladder(rated, out)
    if as_json:
        print(json.dumps(rated.as_json(), indent=2))
        return
    table = Table(
        Column("player", overflow="fold"), "positions", f"Elo above {anchor}", "standard error", "games", "score"
    )
    for row in sorted(rated.rows(), key=lambda row: -row["elo"]):
        table.add_row(
            row["name"],
            "" if row["positions"] is None else f"{row['positions']:,}",
            f"{row['elo']:+.0f}",
            f"{row['elo_standard_error']:.0f}",
            str(row["games"]),
            f"{row['points'] / row['games']:.1%}",
        )
    Console().print(table)
    print(f"meetings differ {math.sqrt(rated.ratings.misfit):.1f} times as much from the model as by chance")
    for path in paths:
        print(path)


def _answer(first: str, second: str, result: MatchResult, test: Sprt | None) -> dict[str, Any]:
    answer: dict[str, Any] = {"first": first, "second": second} | result.as_json()
    if test is not None:
        answer["sprt"] = {
            "elo0": test.elo0,
            "elo1": test.elo1,
            "alpha": test.alpha,
            "beta": test.beta,
            "bounds": list(test.bounds),
            "log_likelihood_ratio": test.log_likelihood_ratio(result.tally.pairs),
            "accepted": result.decision,
        }
    return answer


def _verdict(result: MatchResult, test: Sprt) -> str:
    lower, upper = test.bounds
    ratio = f"log-likelihood ratio {test.log_likelihood_ratio(result.tally.pairs):+.2f} ({lower:.2f} to {upper:.2f})"
    accepted = {"H0": f"{test.elo0:+g} accepted", "H1": f"{test.elo1:+g} accepted"}
    verdict = accepted.get(result.decision or "", "not decided")
    return f"SPRT {test.elo0:+g} against {test.elo1:+g} Elo: {verdict} after {result.tally.games} games, {ratio}"


def _player(text: str, simulations: int) -> Player:
    import torch

    from engines.arena import player_of

    # Two thread pools that spin on the same cores slow each other down; one thread is fast on small networks anyway.
    torch.set_num_threads(1)
    return player_of(text, simulations)


def _sprt(text: str, alpha: float, beta: float) -> Sprt:
    from engines.arena import Sprt

    try:
        elo0, elo1 = map(float, text.split(","))
    except ValueError:
        raise InputError(f"--sprt is {text!r}: give two Elo differences, as in 0,10.") from None
    try:
        return Sprt(elo0, elo1, alpha, beta)
    except ValueError as error:
        raise InputError(f"--sprt {text} is no test: {error}.") from None


def _check(games: int, simulations: int, seed: int) -> None:
    if games < 2 or games % 2:
        raise InputError(
            f"--games is {games}: give an even number from 2 up, so that each opening is played with both colours."
        )
    if seed < 0:
        raise InputError(f"--seed is {seed}: give a whole number from 0 up.")
    if simulations < 1:
        raise InputError(f"--simulations is {simulations}: give at least 1.")


def _check_file(path: Path | None) -> None:
    if path is not None and not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent}: make it first, or choose another place.")
    if path is not None and path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a file.")


def _write(path: Path, text: str) -> None:
    beside = path.with_name(path.name + ".part")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from None


@contextmanager
def _bad_input() -> Iterator[None]:
    """What the arena refuses is bad input here."""
    from engines.arena import ArenaError

    try:
        yield
    except ArenaError as error:
        raise InputError(str(error)) from None


@contextmanager
def _progress(total: int | None, what: str, *, hidden: bool) -> Iterator[Callable[..., None]]:
    """A bar on standard error, if that is a terminal; the function moves it."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=hidden or not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)

        def advance(text: str | None = None, done: int | None = None, of: int | None = None) -> None:
            if done is None:
                bar.advance(task)
            else:
                bar.update(task, description=text or what, completed=done, total=of)

        yield advance
