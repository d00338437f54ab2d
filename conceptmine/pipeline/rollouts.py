"""Stages "positions" and "search": where the two strengths disagree, and one tree for each such position."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import chess
import pyarrow as pa

from conceptmine.contrast import ContrastRule, Lines, examine_tree
from conceptmine.errors import InputError
from conceptmine.pipeline.context import RunContext, StageResult, chunks
from conceptmine.pipeline.workers import agent_at
from conceptmine.positions import (
    GameRecord,
    PositionRecord,
    Root,
    board_of,
    games_on_one_way,
    linked,
    opening_key,
    related_games,
    sample_positions,
    select_roots,
    split_games,
    stable_rank,
    symmetry_key,
)
from conceptmine.runfolder import schemas
from engines.networks import Agent
from engines.search import Tree, search

_BOARDS_A_TASK = 64
OPENING_FAMILY_PLIES = 4  # two moves of each side name an opening well enough to tell games of one kind
_PLIES = (12, 120)  # after the opening, before endings that never end

CANDIDATES = pa.schema(
    [
        ("position_id", pa.string()),
        ("game_id", pa.string()),
        ("ply", pa.int32()),
        ("moves", pa.string()),
        ("fen", pa.string()),
        ("role", pa.string()),
        ("turn", pa.int32()),
    ]
)
TREES = pa.schema(
    [
        pa.field("position_id", pa.string(), nullable=False),
        pa.field("node", pa.int32(), nullable=False),
        pa.field("parent", pa.int32(), nullable=False),
        pa.field("move", pa.string(), nullable=False),
        pa.field("visits", pa.int32(), nullable=False),
        pa.field("q", pa.float64(), nullable=False),
        pa.field("prior", pa.float32(), nullable=False),
    ]
)
"""The visited part of each root's tree: node 0 is the root (its ``move`` is ""); ``q`` is as its mover sees it."""


def find_candidates(context: RunContext) -> StageResult:
    """Positions of the agent's games, marked where the two networks' first choices differ before any search.

    The search that follows has the last word; asking the bare networks first spares it the positions where even they
    agree.
    """
    settings = context.settings
    games = [
        GameRecord(row["game_id"], row["fen"], tuple(row["moves"].split()), row["result"])
        for row in context.folder.read_table("games", schemas.GAMES)
        if row["corpus"] == "machine"
    ]
    positions = list(sample_positions(games, per_game=settings.samples_per_game, plies=_PLIES, seed=settings.seed))
    if not positions:
        raise InputError("The agent's games are over before ply 12: there is no position to look at with this agent.")
    context.say(f"asking both networks about {len(positions)} positions")
    boards = [position.board() for position in positions]
    first = _first_choices(context.agent, boards)
    second = _first_choices(agent_at(context.input("weaker"), settings.device), boards)
    differ = [position for position, a, b in zip(positions, first, second, strict=True) if a != b]
    turn = _turns(differ, settings.seed)
    rest = sorted(
        (position for position in positions if position.position_id not in turn),
        key=lambda position: stable_rank(settings.seed, "pool", position.position_id),
    )
    pool = {position.position_id for position in rest[: settings.pool]}
    rows = [
        {
            "position_id": position.position_id,
            "game_id": position.game_id,
            "ply": position.ply,
            "moves": " ".join(position.moves),
            "fen": position.fen,
            "role": "pool" if position.position_id in pool else "root",
            "turn": turn.get(position.position_id, 0),
        }
        for position in positions
        if position.position_id in pool or position.position_id in turn
    ]
    context.folder.write_table("scratch/candidates", rows, CANDIDATES)
    return StageResult({"positions": len(positions), "policies_differ": len(differ), "pool": len(pool)})


def _turns(positions: Sequence[PositionRecord], seed: int) -> dict[str, int]:
    """For each position, how many others of its game are to be searched before it (in an order of chance)."""
    turns: dict[str, int] = {}
    of_game: dict[str, int] = {}
    for position in sorted(positions, key=lambda item: stable_rank(seed, "candidate", item.position_id)):
        turns[position.position_id] = of_game.get(position.game_id, 0)
        of_game[position.game_id] = turns[position.position_id] + 1
    return turns


def _first_choices(agent: Agent, boards: Sequence[chess.Board]) -> list[chess.Move]:
    return [max(policy, key=policy.__getitem__) for policy in agent.evaluate(boards).policy]


@dataclass(frozen=True)
class _SearchTask:
    agent: str
    device: str
    positions: tuple[tuple[str, str | None, str], ...]  # position_id, fen, moves
    simulations: int
    seed: int
    rules: tuple[ContrastRule, ...]
    keep_trees: bool


@dataclass(frozen=True)
class _Found:
    """One searched position: the move, the line, its subpar lines by horizon (or why there are none), its tree."""

    position_id: str
    move: str
    line: str
    lines: dict[int, list[dict[str, Any]] | str]
    tree: list[dict[str, Any]]


def search_positions(context: RunContext) -> StageResult:
    """Search roots and pool; write ``positions``, ``lines``, ``trees`` and each position's best line.

    A candidate becomes a root only if the searched moves of the two strengths differ (Schut et al., 8.4.2).
    """
    settings = context.settings
    candidates = context.folder.read_table("scratch/candidates", CANDIDATES)
    records = {
        row["position_id"]: PositionRecord(
            row["position_id"], row["game_id"], row["ply"], row["fen"], tuple(row["moves"].split())
        )
        for row in candidates
    }
    turns = {row["position_id"]: row["turn"] for row in candidates if row["role"] == "root"}
    pool = [row["position_id"] for row in candidates if row["role"] == "pool"]
    rules = tuple(
        ContrastRule(value_gap=settings.value_gap, visit_gap=settings.visit_gap, horizon=horizon)
        for horizon in settings.horizons
    )
    found: dict[str, _Found] = {}
    weaker: dict[str, _Found] = {}
    asked: list[str] = []
    roots: tuple[Root, ...] = ()
    together, by_opening = _related(context, records)
    for turn in range(max(turns.values(), default=-1) + 1):
        # One position of each game that has no root yet; most runs have their roots after two or three turns.
        settled = {root.position.game_id for root in roots}
        now = [i for i, its_turn in turns.items() if its_turn == turn and records[i].game_id not in settled]
        context.say(
            f"searching {len(now)} positions with both strengths; {len(roots)} of {settings.roots} roots so far"
        )
        found |= _search(context, "agent", [records[i] for i in now], rules, keep_trees=True)
        weaker |= _search(context, "weaker", [records[i] for i in now], (), keep_trees=False)
        asked += now
        roots = select_roots(
            [records[i] for i in asked],
            [found[i].move for i in asked],
            [weaker[i].move for i in asked],
            limit=settings.roots,
            seed=settings.seed,
            together=together,
        )
        if len(roots) == settings.roots:
            break
    if len(roots) < 4:
        raise InputError(
            f"The two networks disagree in only {len(roots)} of {len(asked)} positions searched:"
            " give more --roots or a weaker --weaker."
        )
    context.say(f"searching {len(pool)} pool positions for prototypes")
    found |= _search(context, "agent", [records[i] for i in pool], rules, keep_trees=False)
    chosen = {root.position.position_id: root for root in roots}
    # Candidates that did not become roots have been searched all the same, and serve the pool. The roots' games are
    # divided as `select_roots` did; pool positions of games that must not be parted from one stay on its side.
    used = [i for i in records if i in found]
    root_games = {root.position.game_id for root in roots}
    sides = split_games([records[i] for i in used], seed=settings.seed, together=together, counted=root_games)
    context.folder.write_table(
        "positions",
        [
            {
                "position_id": i,
                "game_id": records[i].game_id,
                "ply": records[i].ply,
                "fen": records[i].fen,
                "moves": " ".join(records[i].moves),
                "role": "root" if i in chosen else "pool",
                "split": sides[records[i].game_id],
                "agent_move": found[i].move,
                "weaker_move": chosen[i].weaker_move if i in chosen else None,
            }
            for i in used
        ],
        schemas.POSITIONS,
    )
    context.folder.write_table(
        "lines",
        [row for i in used for lines in found[i].lines.values() if not isinstance(lines, str) for row in lines],
        schemas.LINES,
    )
    context.folder.write_table("trees", [row for i in used if i in chosen for row in found[i].tree], TREES)
    best = {i: found[i].line for i in used}
    context.scratch("best_lines.json").write_text(json.dumps(best), encoding="utf-8")
    counts = {
        "candidate_roots": len(asked),
        "roots": len(roots),
        "pool": len(used) - len(roots),
        "openings_kept_together": int(by_opening),
    }
    for horizon in settings.horizons:
        with_lines = [i for i in chosen if not isinstance(found[i].lines[horizon], str)]
        counts[f"roots_with_lines_t{horizon}"] = len(with_lines)
        for reason in sorted(
            {str(found[i].lines[horizon]) for i in chosen if isinstance(found[i].lines[horizon], str)}
        ):
            dropped = sum(found[i].lines[horizon] == reason for i in chosen)
            counts[f"roots_dropped_t{horizon}_{reason.lower()}"] = dropped
    return StageResult(counts)


def _related(context: RunContext, records: dict[str, PositionRecord]) -> tuple[list[set[str]], bool]:
    """Games that must not be parted, and whether those of one opening are among them.

    Kept together are games that pass through each other's positions, that share a position or its mirror image, and
    that have one opening, as far as `related_games` finds enough openings.
    """
    keys: dict[str, set[str]] = {}
    openings: dict[str, str] = {}
    for record in records.values():
        keys.setdefault(record.game_id, set()).add(symmetry_key(record.board()))
        openings[record.game_id] = opening_key(record.fen, record.moves, OPENING_FAMILY_PLIES)
    related, by_opening = related_games(keys, openings)
    return linked([*games_on_one_way(records.values()), *related]), by_opening


def _search(
    context: RunContext,
    role: str,
    positions: Sequence[PositionRecord],
    rules: tuple[ContrastRule, ...],
    *,
    keep_trees: bool,
) -> dict[str, _Found]:
    tasks = [
        _SearchTask(
            agent=context.input(role),
            device=context.settings.device,
            positions=tuple((positions[i].position_id, positions[i].fen, " ".join(positions[i].moves)) for i in part),
            simulations=context.settings.simulations,
            seed=context.settings.seed,
            rules=rules,
            keep_trees=keep_trees,
        )
        for part in chunks(_BOARDS_A_TASK, len(positions))
    ]
    return {found.position_id: found for batch in context.workers.map(_search_boards, tasks) for found in batch}


def _search_boards(task: _SearchTask) -> list[_Found]:
    boards = [board_of(fen, moves, check=False) for _, fen, moves in task.positions]
    trees = search(agent_at(task.agent, task.device), boards, simulations=task.simulations, seed=task.seed)
    return [
        _Found(
            position_id=position_id,
            move=tree.best_move.uci(),
            line=_uci(tree.line()),
            lines={
                rule.horizon: _line_rows(position_id, examine_tree(tree, rule), rule.horizon) for rule in task.rules
            },
            tree=_tree_rows(position_id, tree) if task.keep_trees else [],
        )
        for (position_id, _, _), tree in zip(task.positions, trees, strict=True)
    ]


def _line_rows(position_id: str, lines: Any, horizon: int) -> list[dict[str, Any]] | str:
    if not isinstance(lines, Lines):
        return str(lines.name)
    return [
        {
            "position_id": position_id,
            "horizon": horizon,
            "branch_ply": line.branch_ply,
            "best_line": _uci(lines.best),
            "subpar_line": _uci(line.moves),
            "best_q": line.best_q,
            "subpar_q": line.subpar_q,
        }
        for line in lines.subpar
    ]


def _tree_rows(position_id: str, tree: Tree) -> list[dict[str, Any]]:
    rows = [
        {
            "position_id": position_id,
            "node": 0,
            "parent": -1,
            "move": "",
            "visits": tree.root.visits,
            "q": tree.value,
            "prior": 1.0,
        }
    ]
    waiting = [(0, tree.root)]
    while waiting:
        number, node = waiting.pop(0)
        for edge in node.edges:
            child = node.follow(edge)
            if child is not None:
                rows.append(
                    {
                        "position_id": position_id,
                        "node": len(rows),
                        "parent": number,
                        "move": edge.move.uci(),
                        "visits": edge.visits,
                        "q": edge.q,
                        "prior": edge.prior,
                    }
                )
                waiting.append((len(rows) - 1, child))
    return rows


def _uci(moves: Sequence[chess.Move]) -> str:
    return " ".join(move.uci() for move in moves)
