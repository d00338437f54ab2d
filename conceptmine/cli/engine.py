"""``conceptmine engine``: networks, evaluation, search, perft, conversion, self-play, matches, UCI."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import chess
import typer
from rich.console import Console
from rich.table import Table

from conceptmine.cli.arena import ladder, match
from conceptmine.errors import InputError
from conceptmine.positions import board_of

engine = typer.Typer(
    help="Networks and search: info, evaluate, search, perft, convert, selfplay, match, ladder, uci.",
    no_args_is_help=True,
)

engine.command()(match)
engine.command()(ladder)

Fen = Annotated[str | None, typer.Option(help="position, or start of --moves [default: the start position]")]
Moves = Annotated[list[str] | None, typer.Option(metavar="UCI ...", help="moves played from there")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]


def _board(fen: str | None, moves: list[str] | None) -> chess.Board:
    board = board_of(fen, [move for text in moves or [] for move in text.split()])
    if not any(board.generate_legal_moves()):
        raise InputError(f"The game is over in {board.fen()}: give a position with a legal move.")
    return board


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


@engine.command()
def info(
    network: Annotated[str, typer.Argument(help="Leela network file or shipped agent")], as_json: Json = False
) -> None:
    """What a network file holds: architecture, layers, metadata."""
    from engines import load_agent

    agent = load_agent(network)
    facts = {
        "name": agent.name,
        "sha256": agent.sha256,
        "parameters": sum(parameter.numel() for parameter in agent.network.parameters()),
        "architecture": asdict(agent.config),
        "layers": list(agent.layers),
        "metadata": asdict(agent.info),
    }
    if as_json:
        _print_json(facts)
        return
    table = Table(show_header=False)
    for key, value in facts.items():
        table.add_row(key, ", ".join(map(str, value)) if isinstance(value, list) else str(value))
    Console().print(table)


@engine.command()
def evaluate(
    network: Annotated[str, typer.Argument(help="Leela network file or shipped agent")],
    fen: Fen = None,
    moves: Moves = None,
    history_fill: Annotated[str, typer.Option(help="fen_only or no")] = "fen_only",
    as_json: Json = False,
) -> None:
    """Policy, win–draw–loss and plies left of one position, for the side to move."""
    from engines import load_agent

    board = _board(fen, moves)
    if history_fill not in ("fen_only", "no"):
        raise InputError(f"--history-fill is {history_fill!r}: give fen_only or no.")
    result = load_agent(network, history_fill=history_fill).evaluate([board])
    policy = dict(sorted(((move.uci(), p) for move, p in result.policy[0].items()), key=lambda item: -item[1]))
    answer = {
        "fen": board.fen(),
        "policy": policy,
        "wdl": [float(part) for part in result.wdl[0]],
        "value": float(result.value[0]),
        "moves_left": None if result.moves_left is None else float(result.moves_left[0]),
    }
    if as_json:
        _print_json(answer)
        return
    win, draw, loss = result.wdl[0]
    print(f"{board.fen()}\nvalue {answer['value']:+.4f}   win {win:.3f} draw {draw:.3f} loss {loss:.3f}")
    for move, p in policy.items():
        print(f"  {board.san(chess.Move.from_uci(move)):8} {100 * p:6.2f} %")


@engine.command(name="search")
def search_position(
    network: Annotated[str, typer.Argument(help="Leela network file or shipped agent")],
    fen: Fen = None,
    moves: Moves = None,
    simulations: Annotated[int, typer.Option(help="visits of the root")] = 800,
    preset: Annotated[str, typer.Option(help="lc0, alphazero or gumbel")] = "lc0",
    seed: Annotated[int, typer.Option(help="of the preset's noise")] = 0,
    save: Annotated[Path | None, typer.Option(help="file to keep the tree in (docs/trees.md)")] = None,
    as_json: Json = False,
) -> None:
    """Search one position and show visits, values and the best line."""
    from engines import load_agent, search
    from engines.search import PRESETS, save_trees

    board = _board(fen, moves)
    if seed < 0:
        raise InputError(f"--seed is {seed}: give a whole number from 0 up.")
    if simulations < 1:
        raise InputError(f"--simulations is {simulations}: give at least 1.")
    if preset not in PRESETS:
        raise InputError(f"--preset is {preset!r}: give one of {', '.join(PRESETS)}.")
    if save is not None and not save.parent.is_dir():
        raise InputError(f"There is no folder {save.parent}: make it first, or choose another place.")
    agent = load_agent(network)
    tree = search(agent, [board], simulations=simulations, seed=seed, preset=preset)[0]
    if save is not None:
        about = {"preset": preset, "settings": asdict(PRESETS[preset]), "simulations": simulations, "seed": seed}
        try:
            save_trees([tree], save, about=about | {"agent": agent.name, "agent_sha256": agent.sha256})
        except OSError as error:
            raise InputError(f"{save} cannot be written: {error.strerror}.") from None
    ordered = sorted(tree.root.edges, key=lambda edge: (-edge.visits, -edge.prior))
    answer = {
        "fen": board.fen(),
        "simulations": simulations,
        "best_move": tree.best_move.uci(),
        "value": tree.value,
        "line": [move.uci() for move in tree.line()],
        "visits": {edge.move.uci(): edge.visits for edge in ordered},
        "q": {edge.move.uci(): edge.q for edge in ordered if edge.visits},
        "prior": {edge.move.uci(): edge.prior for edge in ordered},
    }
    if as_json:
        _print_json(answer)
        return
    print(f"{board.fen()}\nvalue {tree.value:+.4f}   best line {board.variation_san(tree.line())}")
    for edge in ordered:
        if edge.visits:
            policy = f"{100 * edge.prior:5.1f} %"
            print(f"  {board.san(edge.move):8} {edge.visits:6} visits   q {edge.q:+.4f}   policy {policy}")


@engine.command()
def perft(
    depth: Annotated[int, typer.Option(help="plies")],
    fen: Annotated[str | None, typer.Option(help="position [default: the start position]")] = None,
) -> None:
    """Count legal move sequences; the count is the last line printed."""
    from engines import perft as count

    if depth < 0:
        raise InputError(f"--depth is {depth}: give 0 or more plies.")
    print(count(board_of(fen, ()), depth))


@engine.command()
def convert(
    source: Annotated[str, typer.Argument(help="Leela network file or shipped agent")],
    target: Annotated[Path, typer.Argument(help="file to write (.pb.gz)")],
    encoding: Annotated[str, typer.Option(help="linear16, float16, bfloat16 or float32")] = "linear16",
) -> None:
    """Write a network anew in Leela's format, with the weight encoding asked for."""
    from engines import load_agent
    from engines.networks import write_network

    if not target.name.endswith(".pb.gz"):
        raise InputError(f"{target} does not end in .pb.gz, the one format written: choose such a name.")
    if not target.parent.is_dir():
        raise InputError(f"There is no folder {target.parent}: make it first, or choose another place.")
    agent = load_agent(source)
    try:
        write_network(agent.network, target, agent.info, encoding=encoding)
    except (ValueError, OSError) as error:
        raise InputError(str(error)) from None
    print(target)


@engine.command()
def selfplay(
    config: Annotated[Path, typer.Argument(help="campaign, a TOML file")],
    minutes: Annotated[float, typer.Option(help="time to play and learn; the command ends by itself")],
    state: Annotated[Path, typer.Option(help="folder of the campaign; what it holds is resumed")],
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
) -> None:
    """Train a network from self-play, resuming the campaign in the state folder."""
    import torch

    from engines.selfplay import read_campaign, run_campaign

    torch.set_num_threads(1)
    try:
        counters = run_campaign(read_campaign(config), state, minutes, device=device)
    except ValueError as error:
        raise InputError(str(error)) from None
    print(f"{counters.positions:,} positions of {counters.games:,} games in {counters.seconds / 60:.1f} minutes in all")


@engine.command()
def uci(
    network: Annotated[str, typer.Argument(help="Leela network file or shipped agent", metavar="NET")],
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    threads: Annotated[int, typer.Option(help="what the option Threads begins with")] = 1,
) -> None:
    """Play in a chess GUI: speak the protocol UCI on standard input and output."""
    from engines.uci import serve

    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device is {device!r}: give auto, cpu or cuda.")
    if not 1 <= threads <= 128:
        raise InputError(f"--threads is {threads}: give a whole number from 1 to 128.")
    serve(network, device=device, threads=threads)
