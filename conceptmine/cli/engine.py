"""``conceptmine engine``: networks, evaluation, search, perft, conversion, self-play, matches, UCI."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import chess
import typer
from rich.console import Console
from rich.table import Table

from conceptmine.cli.arena import ladder, match
from conceptmine.errors import InputError
from conceptmine.positions import board_of

if TYPE_CHECKING:
    from engines.networks import Network, NetworkInfo

engine = typer.Typer(
    help="Networks and search: info, evaluate, search, perft, convert, selfplay, games, plot, match, ladder, uci.",
    no_args_is_help=True,
)

engine.command()(match)
engine.command()(ladder)

Fen = Annotated[str | None, typer.Option(help="position, or start of --moves [default: the start position]")]
Moves = Annotated[list[str] | None, typer.Option(metavar="UCI ...", help="moves played from there")]
PolicyHead = Annotated[str | None, typer.Option(help="of a network with several policy heads, the one to use")]
ValueHead = Annotated[str | None, typer.Option(help="likewise of its value heads")]
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
    network: Annotated[str, typer.Argument(help="network file or shipped agent")],
    policy_head: PolicyHead = None,
    value_head: ValueHead = None,
    as_json: Json = False,
) -> None:
    """What a network file holds: architecture, layers, metadata."""
    from conceptmine.cli.facts import facts_of, lines_of
    from engines import load_agent

    agent = load_agent(network, policy_head=policy_head, value_head=value_head)
    if as_json:
        _print_json(facts_of(agent))
        return
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in lines_of(agent):
        table.add_row(name, text)
    Console().print(table)


@engine.command()
def evaluate(
    network: Annotated[str, typer.Argument(help="Leela network file or shipped agent")],
    fen: Fen = None,
    moves: Moves = None,
    history_fill: Annotated[str, typer.Option(help="fen_only or no")] = "fen_only",
    policy_head: PolicyHead = None,
    value_head: ValueHead = None,
    as_json: Json = False,
) -> None:
    """Policy, win–draw–loss and plies left of one position, for the side to move."""
    from engines import load_agent

    board = _board(fen, moves)
    if history_fill not in ("fen_only", "no"):
        raise InputError(f"--history-fill is {history_fill!r}: give fen_only or no.")
    agent = load_agent(network, history_fill=history_fill, policy_head=policy_head, value_head=value_head)
    result = agent.evaluate([board])
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
    policy_head: PolicyHead = None,
    value_head: ValueHead = None,
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
    agent = load_agent(network, policy_head=policy_head, value_head=value_head)
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
    source: Annotated[
        str, typer.Argument(help="Leela file, .safetensors checkpoint or state of a campaign, or shipped agent")
    ],
    target: Annotated[Path, typer.Argument(help="file to write: .pb.gz, .safetensors or .onnx")],
    encoding: Annotated[
        str | None, typer.Option(help="of a .pb.gz: linear16, float16, bfloat16 or float32 [default: the source's]")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="what the file is to say [default: what the source says]")] = None,
    steps: Annotated[int | None, typer.Option(help="of training, likewise")] = None,
    elo: Annotated[float | None, typer.Option(help="strength, likewise")] = None,
    policy_head: PolicyHead = None,
    value_head: ValueHead = None,
) -> None:
    """Write a network in another format, or anew with other weight encoding or metadata.

    All heads are kept. With heads chosen, a .pb.gz file has them alone and as the usual ones, and a checkpoint has them
    in use; an ONNX model has only those in use.
    """
    from dataclasses import replace

    from engines.networks import write_checkpoint, write_network, write_onnx

    kind = next((kind for kind in (".pb.gz", ".safetensors", ".onnx") if target.name.endswith(kind)), None)
    if kind is None:
        raise InputError(f"{target} does not end in .pb.gz, .safetensors or .onnx: choose such a name.")
    if not target.parent.is_dir():
        raise InputError(f"There is no folder {target.parent}: make it first, or choose another place.")
    if encoding is not None and kind != ".pb.gz":
        raise InputError(f"--encoding is of .pb.gz files, and {target} holds exact numbers: leave it out.")
    network, info = _network_in(source, policy_head, value_head)
    if kind == ".pb.gz" and (policy_head or value_head):
        network = network.only_heads_in_use()
    try:
        info = replace(
            info,
            licence=info.licence if licence is None else licence,
            training_steps=info.training_steps if steps is None else steps,
            elo=info.elo if elo is None else elo,
        )
        if kind == ".pb.gz":
            write_network(network, target, info, encoding=encoding)
        elif kind == ".onnx":
            write_onnx(network, target, info)
        else:
            write_checkpoint(network, target, info)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}.") from None
    except (ValueError, ModuleNotFoundError) as error:
        raise InputError(str(error)) from None
    print(target)


def _network_in(source: str, policy_head: str | None, value_head: str | None) -> tuple[Network, NetworkInfo]:
    """The network of a file, shipped agent or self-play campaign."""
    from engines.networks import read_agent
    from engines.selfplay import is_campaign, read_campaign_network

    if is_campaign(source):
        network, info = read_campaign_network(source)
        try:
            return network.with_heads(policy_head, value_head), info
        except ValueError as error:
            raise InputError(f"{source}: {error}") from None
    network, info, _ = read_agent(source, policy_head=policy_head, value_head=value_head)
    return network, info


@engine.command()
def selfplay(
    config: Annotated[Path, typer.Argument(help="campaign, a TOML file")],
    minutes: Annotated[float, typer.Option(help="time to play and learn; the command ends by itself")],
    state: Annotated[Path, typer.Option(help="folder of the campaign; what it holds is resumed")],
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    actors: Annotated[int, typer.Option(help="threads that play; 0: as many as this machine is good for")] = 0,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="play on a Ray cluster: host:port of its head, auto (the one this machine is in) or local (a new one)",
        ),
    ] = None,
) -> None:
    """Train a network from self-play, resuming the campaign in the state folder."""
    from engines.selfplay import read_campaign, run_campaign

    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device is {device!r}: give auto, cpu or cuda.")
    if not 0 <= actors <= 128:
        raise InputError(f"--actors is {actors}: give a whole number from 0 to 128.")
    try:
        counters = run_campaign(read_campaign(config), state, minutes, device=device, actors=actors, ray=ray)
    except (ValueError, ModuleNotFoundError) as error:
        raise InputError(str(error)) from None
    print(f"{counters.positions:,} positions of {counters.games:,} games in {counters.seconds / 60:.1f} minutes in all")


@engine.command()
def plot(
    state: Annotated[Path, typer.Argument(help="folder of a campaign")],
    ladder: Annotated[Path | None, typer.Option(help="folder of a ladder of its checkpoints, to show Elo")] = None,
    out: Annotated[Path | None, typer.Option(help="file to write [default: metrics.png in the campaign's]")] = None,
) -> None:
    """Draw what a campaign measured: losses, games, speed and strength over the positions played."""
    from engines.networks.whole_files import write_whole
    from engines.selfplay.metrics import METRICS_FILE, read_metrics
    from engines.selfplay.plot import LADDER_FILE, draw_metrics, read_strengths

    target = state / "metrics.png" if out is None else out
    if target.suffix != ".png":
        raise InputError(f"{target} does not end in .png: choose such a name.")
    try:
        strengths = None if ladder is None else read_strengths(ladder / LADDER_FILE)
        picture = draw_metrics(read_metrics(state / METRICS_FILE), strengths)
    except ValueError as error:
        raise InputError(str(error)) from None
    try:
        write_whole(target, picture)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}.") from None
    print(target)


@engine.command()
def games(
    state: Annotated[Path, typer.Argument(help="folder of a campaign")],
    out: Annotated[Path, typer.Option(help="file to write, PGN")],
    last: Annotated[int, typer.Option(help="only so many of the newest; 0: all that the state has")] = 0,
) -> None:
    """Write the newest self-play games of a campaign as PGN, with the values of their searches."""
    from engines.networks.whole_files import write_whole
    from engines.selfplay.pgn import write_games
    from engines.selfplay.state import read_games

    if last < 0:
        raise InputError(f"--last is {last}: give a number of games, or 0 for all.")
    try:
        found = read_games(state)[-last:]
    except ValueError as error:
        raise InputError(str(error)) from None
    try:
        write_whole(out, "".join(f"{game}\n\n" for game in write_games(found, state.resolve().name)).encode())
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}.") from None
    print(f"{len(found):,} games in {out}")


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
