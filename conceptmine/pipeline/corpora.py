"""Stage "games": the agent's own games and human games, as two corpora of the same openings."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from pathlib import Path

from conceptmine.errors import InputError
from conceptmine.pipeline.context import RunContext, StageResult, chunks
from conceptmine.pipeline.workers import agent_at
from conceptmine.positions import GameCounts, GameRecord, path_id, read_games, stable_rank
from conceptmine.runfolder import schemas
from engines.selfplay.policy_games import play_policy_games

_GAMES_A_TASK = 64
_SHORTEST_HUMAN_GAME = 20  # plies; shorter games are arranged draws and forfeits
_FEWEST_HUMAN_GAMES = 4  # each opens one game of the agent, and each of those gives one root at most


@dataclass(frozen=True)
class _PlayTask:
    agent: str
    device: str
    openings: tuple[tuple[str, ...], ...]
    temperature: float
    seed: int


def gather_games(context: RunContext) -> StageResult:
    """Write ``games.parquet``.

    Human games come from the PGN file (an even choice among all that are long enough) or, without one, from the
    human-imitation network. The agent then plays as many games of its own, each from the first plies of a human one:
    where the corpora differ, it is by what is played after the opening.
    """
    settings = context.settings
    counts = GameCounts()
    if settings.human is not None:
        human = _chosen_games(context, counts)
    else:
        context.say(f"sampling {settings.games} games from the human-imitation network")
        human = _played(context, "human_network", [()] * settings.games, 1.0, seed=1)
    context.say(f"playing {len(human)} games of the agent")
    openings = [game.moves[: settings.opening_plies] if game.fen is None else () for game in human]
    machine = _played(context, "agent", openings, settings.machine_temperature, seed=2)
    rows = [
        {
            "game_id": game.game_id,
            "corpus": corpus,
            "fen": game.fen,
            "moves": " ".join(game.moves),
            "result": game.result,
        }
        for corpus, games in (("machine", machine), ("human", human))
        for game in games
    ]
    context.folder.write_table("games", rows, schemas.GAMES)
    return StageResult({"human_games": len(human), "machine_games": len(machine), "human_games_read": counts.read})


def _chosen_games(context: RunContext, counts: GameCounts) -> list[GameRecord]:
    path = Path(context.input("human"))
    context.say(f"reading {path.name}")
    seed = context.settings.seed
    long_enough = (game for game in read_games(path, counts=counts) if len(game.moves) >= _SHORTEST_HUMAN_GAME)
    chosen = heapq.nsmallest(
        context.settings.games, long_enough, key=lambda game: stable_rank(seed, "human", game.game_id)
    )
    if len(chosen) < _FEWEST_HUMAN_GAMES:
        raise InputError(
            f"{path} holds {len(chosen)} games of {_SHORTEST_HUMAN_GAME} plies or more: give at least"
            f" {_FEWEST_HUMAN_GAMES}."
        )
    return chosen


def _played(
    context: RunContext, role: str, openings: list[tuple[str, ...]], temperature: float, *, seed: int
) -> list[GameRecord]:
    tasks = [
        _PlayTask(
            agent=context.input(role),
            device=context.settings.device,
            openings=tuple(openings[i] for i in part),
            temperature=temperature,
            seed=stable_rank(context.settings.seed, role, seed, part.start) >> 1,
        )
        for part in chunks(_GAMES_A_TASK, len(openings))
    ]
    games = [game for batch in context.workers.map(_play, tasks) for game in batch]
    return list({game.game_id: game for game in games}.values())


def _play(task: _PlayTask) -> list[GameRecord]:
    played = play_policy_games(
        agent_at(task.agent, task.device), task.openings, temperature=task.temperature, seed=task.seed
    )
    return [GameRecord(path_id(None, moves), None, moves, result) for moves, result in played]
