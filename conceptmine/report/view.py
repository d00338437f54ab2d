"""From the tables of a run folder to what the page shows, piece by piece."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import chess
from markupsafe import Markup

from conceptmine.report import figures, findings, steered
from conceptmine.report.boards import Arrow, board_svg
from conceptmine.report.data import Concept, Manifest, Row, RunData, number, text, whole
from conceptmine.report.wording import (
    NOT_KNOWN,
    decimal,
    duration,
    file_name,
    grouped,
    listed,
    percent,
    probability,
    several,
    signed,
    small,
)

ROOT_BOARDS = 3
"""Root positions shown for one concept."""

PROTOTYPE_BOARDS = 6
"""Prototypes shown for one concept."""


@dataclass(frozen=True)
class Verdict:
    """One filter's answer for one concept; `state` is "yes", "no" or "open"."""

    name: str
    state: str
    words: str


@dataclass(frozen=True)
class RootBoard:
    """A root position with its best and one worse line; `problem` says why it cannot be shown."""

    board: Markup | None
    to_move: str
    best: str
    best_q: str
    subpar: str
    subpar_q: str
    weaker: str
    fen: str
    problem: str


@dataclass(frozen=True)
class PrototypeBoard:
    """A prototype with the agent's move."""

    board: Markup
    move: str
    line: str
    split: str
    score: str
    fen: str


@dataclass(frozen=True)
class Card:
    """Everything about one of the best concepts."""

    anchor: str
    rank: str
    concept_id: str
    kind: str
    facts: list[tuple[str, str]]
    verdicts: list[Verdict]
    account: list[str]
    roots: list[RootBoard]
    more_roots: int
    evidence: Markup | None
    evidence_note: str
    teaching: Markup | None
    gain: Markup | None
    teaching_note: str
    novelty: Markup | None
    novelty_note: str
    prototypes: list[PrototypeBoard]
    prototype_count: int


@dataclass(frozen=True)
class Column:
    """A column of the ranking table: its short head and what it means."""

    head: str
    meaning: str
    numeric: bool
    cell: Callable[[Concept], str | Markup]
    order: Callable[[Concept], float | str | None]


@dataclass(frozen=True)
class Cell:
    """What a table cell shows, and what it is sorted by ("" for unknown)."""

    shown: str | Markup
    order: str
    numeric: bool


@dataclass(frozen=True)
class TableRow:
    """A row of the ranking table; `passed` lists the filters it passed, `anchor` leads to its card."""

    anchor: str
    passed: str
    cells: list[Cell]


COLUMNS = (
    Column(
        "Rank", "Place in the ranking; 1 is the strongest candidate.", True, lambda c: _or(c.rank), lambda c: c.rank
    ),
    Column("Concept", "Name of the candidate in every table.", False, lambda c: c.concept_id, lambda c: c.concept_id),
    Column(
        "Passed",
        "Three marks for supported, teachable and novel: ● yes, ○ no, · not tested.",
        False,
        lambda c: _marks(c),
        lambda c: sum(bool(flag) for flag in _flags(c)),
    ),
    Column("Layer", "The layer of the network the direction lives in.", False, lambda c: c.layer, lambda c: c.layer),
    Column(
        "Plan",
        "Pursued: the concept rises along the best line. Prevented: it rises along the worse line, and the best line "
        "avoids that.",
        False,
        lambda c: _kind(c.kind),
        lambda c: c.kind,
    ),
    Column(
        "Plies",
        "How many plies of each line were compared; “own” means only the positions where the root's player is to move.",
        True,
        lambda c: _or(c.horizon) + ("" if c.players == "two" else " own" if c.players == "one" else f" {c.players}"),
        lambda c: c.horizon,
    ),
    Column(
        "Games",
        "Number of games whose positions the direction was mined from.",
        True,
        lambda c: _or(c.root_games),
        lambda c: c.root_games,
    ),
    Column(
        "L1",
        "L1 norm of the direction, the quantity that was minimised. Small: the lines are easy to tell apart.",
        True,
        lambda c: decimal(c.l1),
        lambda c: c.l1,
    ),
    Column(
        "Held-out",
        "Share of the line pairs in unseen games that the direction orders correctly. Below it the same as a dot, on a "
        "line from 30 % to 80 %; the tick is the mean with the sides swapped at random.",
        True,
        lambda c: Markup.escape(percent(c.heldout_satisfaction)) + figures.spark(c),
        lambda c: c.heldout_satisfaction,
    ),
    Column(
        "p",
        "How often sides swapped at random, root by root, do as well on unseen games.",
        True,
        lambda c: probability(c.null_p),
        lambda c: c.null_p,
    ),
    Column(
        "q",
        "The p-value corrected for the number of candidates (false discovery rate). Supported means q ≤ 0.05.",
        True,
        lambda c: probability(c.q_value),
        lambda c: c.q_value,
    ),
    Column(
        "Gain",
        "Teachability: how much more often the student agrees with the agent after concept positions than after random "
        "positions. The 95 % interval stands below.",
        True,
        lambda c: _gain(c),
        lambda c: c.teach_gain,
    ),
    Column(
        "Novelty",
        "The lowest S over all k: above zero, the machine's games explain the direction better than human games at "
        "every k tried (from 8 up).",
        True,
        lambda c: small(c.novelty_min),
        lambda c: c.novelty_min,
    ),
    Column(
        "Nov. p",
        "How often the lowest S is as high when all games of both sides are dealt at random into two piles.",
        True,
        lambda c: probability(c.novelty_null_p),
        lambda c: c.novelty_null_p,
    ),
    Column(
        "Human",
        "How likely a small network that imitates people holds the agent's moves in the concept's positions.",
        True,
        lambda c: percent(c.human_likelihood, 0),
        lambda c: c.human_likelihood,
    ),
    Column(
        "Right",
        "Share of the agent's moves in the concept's positions that are right by the best judge there is: tablebases, "
        "another engine, or only a deeper search of the agent itself. The 95 % interval stands below.",
        True,
        lambda c: steered.right(c),
        lambda c: c.move_correct,
    ),
)


def table(concepts: Sequence[Concept], cards: int, limit: int) -> list[TableRow]:
    """The first `limit` rows of the ranking; the first `cards` lead to their cards."""
    return [
        TableRow(
            anchor=_anchor(index) if index < cards else "",
            passed=" ".join(name for name, flag in zip(_FILTERS, _flags(concept), strict=True) if flag),
            cells=[Cell(column.cell(concept), _order(column.order(concept)), column.numeric) for column in COLUMNS],
        )
        for index, concept in enumerate(concepts[:limit])
    ]


def cards(run: RunData, limit: int) -> list[Card]:
    """The cards of the best `limit` concepts."""
    return [_card(run, concept, index) for index, concept in enumerate(run.concepts[:limit])]


def facts(run: RunData) -> list[tuple[str, str, str]]:
    """What was run, in a dozen short lines: (name, value, the whole paths where the value is short for them)."""
    arguments = run.manifest.arguments
    seconds = [stage.seconds for stage in run.manifest.stages if stage.seconds is not None]
    games = ", ".join(f"{grouped(count)} {corpus}" for corpus, count in run.games.items())
    roots = (
        ""
        if run.roots is None
        else several(run.roots, "root") + (f", {grouped(run.pool)} in the pool" if run.pool else "")
    )
    lines = [
        ("Agent", *_files(arguments.get("agent") or ("the shipped network" if arguments else ""))),
        ("Weaker agent", *_files(arguments.get("weaker"))),
        ("Students", *_files(arguments.get("students"))),
        ("Games", games, ""),
        ("Human games", *_files(arguments.get("human") or ("sampled from an imitation network" if arguments else ""))),
        ("Positions", roots, ""),
        ("Search", _search(arguments.get("simulations")), ""),
        ("Layers", _argument(arguments.get("layers")), ""),
        ("Seed", _argument(arguments.get("seed")) or run.manifest.seed or "", ""),
        ("Time", duration(sum(seconds)) if seconds else "", ""),
    ]
    return [(name, value, paths) for name, value, paths in lines if value]


def arguments(manifest: Manifest) -> list[tuple[str, str]]:
    """Every argument of the run as it stands in the manifest."""
    return [(name, _argument(value) or NOT_KNOWN) for name, value in sorted(manifest.arguments.items())]


def stages(manifest: Manifest) -> list[tuple[str, str, str, str]]:
    """(name, state, counts, time) of each stage."""
    return [
        (
            stage.name,
            stage.state,
            ", ".join(f"{name.replace('_', ' ')} {_argument(value)}" for name, value in stage.counts.items()),
            duration(stage.seconds),
        )
        for stage in manifest.stages
    ]


def inputs(manifest: Manifest) -> list[tuple[str, str, str, str]]:
    """(role, name, the whole path where the name is short for it, SHA-256) of each input."""
    return [(text(item, "role"), *_files(text(item, "path")), text(item, "sha256")) for item in manifest.inputs]


def versions(manifest: Manifest) -> str:
    """All versions in one line."""
    return ", ".join(f"{name} {value}" for name, value in sorted(manifest.versions.items()))


def _card(run: RunData, concept: Concept, index: int) -> Card:
    ids = concept.root_position_ids
    roots = [_root(run, concept, position, large=not place) for place, position in enumerate(ids[:ROOT_BOARDS])]
    prototypes = run.prototypes.get(concept.concept_id, ())
    heldout = run.heldout.get(concept.concept_id, ())
    taught = run.teachability.get(concept.concept_id, ())
    curve = run.novelty.get(concept.concept_id, ())
    return Card(
        anchor=_anchor(index),
        rank=_or(concept.rank if concept.rank is not None else index + 1),
        concept_id=concept.concept_id,
        kind=_describe_kind(concept),
        facts=_facts_of(concept),
        verdicts=_verdicts(concept),
        account=findings.account(concept),
        roots=roots,
        more_roots=max(0, len(ids) - len(roots)),
        evidence=figures.evidence(heldout),
        evidence_note=_evidence_note(concept),
        teaching=figures.teaching(taught),
        gain=figures.gain(concept),
        teaching_note=_teaching_note(concept),
        novelty=figures.novelty(curve),
        novelty_note=_novelty_note(concept),
        prototypes=[board for row in _best_prototypes(prototypes) if (board := _prototype(row)) is not None],
        prototype_count=len(prototypes),
    )


def _facts_of(concept: Concept) -> list[tuple[str, str]]:
    lines = [
        ("Layer", concept.layer),
        ("Compared", _compared(concept)),
        ("Mined from", "" if concept.root_games is None else several(concept.root_games, "game")),
        ("Rows mined", "" if concept.n_rows is None else grouped(concept.n_rows)),
        ("Non-zero weights", "" if concept.nonzeros is None else grouped(concept.nonzeros)),
        ("L1 norm", "" if concept.l1 is None else decimal(concept.l1)),
        ("Duality gap", "" if concept.gap is None else f"{concept.gap:.0e}" if concept.gap else "0"),
        ("Roots fully right", "" if concept.heldout_all_plies is None else percent(concept.heldout_all_plies)),
    ]
    return [(name, value) for name, value in lines if value]


def _compared(concept: Concept) -> str:
    if concept.horizon is None:
        return ""
    return f"{concept.horizon} plies" + {"one": ", own moves only", "two": ", both players"}.get(concept.players, "")


def _describe_kind(concept: Concept) -> str:
    return {
        "active": "a plan pursued: it rises along the best line",
        "prophylactic": "a plan prevented: it rises along the worse line, and the best line avoids that",
    }.get(concept.kind, concept.kind)


def _kind(kind: str) -> str:
    return {"active": "pursued", "prophylactic": "prevented"}.get(kind, kind or NOT_KNOWN)


_FILTERS = ("supported", "teachable", "novel")


def _flags(concept: Concept) -> tuple[bool | None, bool | None, bool | None]:
    return concept.supported, concept.teachable, concept.novel


def _marks(concept: Concept) -> Markup:
    words = {True: "yes", False: "no", None: "not tested"}
    signs = {True: "●", False: "○", None: "·"}
    note = ", ".join(f"{name}: {words[flag]}" for name, flag in zip(_FILTERS, _flags(concept), strict=True))
    marks = "".join(f'<i class="{words[flag][:3]}">{signs[flag]}</i>' for flag in _flags(concept))
    return Markup('<span class="marks" role="img" aria-label="{0}" title="{0}">').format(note) + Markup(
        marks + "</span>"
    )


def _verdicts(concept: Concept) -> list[Verdict]:
    words = {True: "", False: "not ", None: "not tested: "}
    states = {True: "yes", False: "no", None: "open"}
    return [
        Verdict(name, states[flag], words[flag] + name) for name, flag in zip(_FILTERS, _flags(concept), strict=True)
    ]


def _gain(concept: Concept) -> Markup:
    shown = Markup.escape(signed(concept.teach_gain))
    if concept.teach_ci_low is None or concept.teach_ci_high is None:
        return shown
    return shown + Markup("<small>{} to {}</small>").format(
        signed(concept.teach_ci_low, 2), signed(concept.teach_ci_high, 2)
    )


def _evidence_note(concept: Concept) -> str:
    return (
        f"{percent(concept.heldout_satisfaction)} over all plies against {percent(concept.heldout_null)} by chance; "
        f"p = {probability(concept.null_p)}, q = {probability(concept.q_value)}"
    ).replace("= <", "<")


def _teaching_note(concept: Concept) -> str:
    if concept.teachable is None and concept.teach_gain is None:
        return ""
    agreement = (
        ""
        if concept.student_agreement is None
        else f" (agrees with the agent {percent(concept.student_agreement)} untaught)"
    )
    # Not known is not the same as not met: older tables have no such column.
    rule = "; no network of the ladder met the 20 % rule" if concept.student_rule_met is False else ""
    return f"student: {concept.student}{agreement}{rule}" if concept.student else ""


def _novelty_note(concept: Concept) -> str:
    if concept.novelty_min is None:
        return ""
    return f"lowest S = {small(concept.novelty_min)}, p = {probability(concept.novelty_null_p)}".replace("= <", "<")


def _root(run: RunData, concept: Concept, position: str, *, large: bool) -> RootBoard:
    row = run.positions.get(position)
    if row is None:
        return _no_root(f"Position {position} is not in the table of positions.")
    try:
        board = _board(row)
        line = _root_line(run.lines.get(position, ()), concept.horizon)
        best = _moves(board, text(line, "best_line"))
        subpar = _moves(board, text(line, "subpar_line"))
        weaker = _moves(board, text(row, "weaker_move"))
    except ValueError as error:
        return _no_root(f"Position {position} cannot be shown: {error}.")
    arrows = [Arrow(best[0], "best")] if best else []
    parting = next((ply for ply, (a, b) in enumerate(zip(best, subpar, strict=False)) if a != b), None)
    if subpar and parting in (0, None) and subpar[0] not in best[:1]:
        arrows.append(Arrow(subpar[0], "subpar"))
    to_move = "White to move" if board.turn else "Black to move"
    label = f"{to_move}. " + (f"Best: {board.san(best[0])}. " if best else "") + f"FEN {board.fen()}"
    return RootBoard(
        board=board_svg(board, label, arrows, coordinates=large),
        to_move=to_move,
        best=board.variation_san(best) if best else "",
        best_q=signed(number(line, "best_q"), 2),
        subpar=_parting_line(board, subpar, parting or 0),
        subpar_q=signed(number(line, "subpar_q"), 2),
        weaker=board.variation_san(weaker) if weaker else "",
        fen=board.fen(),
        problem="",
    )


def _no_root(problem: str) -> RootBoard:
    return RootBoard(None, "", "", "", "", "", "", "", problem)


def _root_line(rows: Sequence[Row], horizon: int | None) -> Row:
    """The pair of lines to show: of the concept's horizon if there is one, branching as early as possible."""
    fitting = [row for row in rows if whole(row, "horizon") == horizon] or list(rows)
    return min(fitting, key=lambda row: (whole(row, "branch_ply") or 0, text(row, "subpar_line")), default={})


def _parting_line(board: chess.Board, line: Sequence[chess.Move], parting: int) -> str:
    """The line in SAN from the move where it leaves the best one."""
    if not line:
        return ""
    start = board.copy(stack=False)
    for move in line[:parting]:
        start.push(move)
    return start.variation_san(line[parting:]) if line[parting:] else ""


def _best_prototypes(rows: Sequence[Row]) -> list[Row]:
    """The highest scores, one position of a game at most, so that the boards differ."""
    chosen: list[Row] = []
    starts: set[tuple[str, tuple[str, ...]]] = set()
    ordered = sorted(rows, key=lambda row: (-(number(row, "score") or 0.0), text(row, "position_id")))
    for row in ordered:
        moves = tuple(text(row, "moves").split())
        # The same first twelve moves mean the same game; shorter histories stand for themselves.
        game = (text(row, "fen"), moves[:24])
        if game not in starts:
            starts.add(game)
            chosen.append(row)
        if len(chosen) == PROTOTYPE_BOARDS:
            break
    return chosen


def _prototype(row: Row) -> PrototypeBoard | None:
    try:
        board = _board(row)
        line = _moves(board, text(row, "line")) or _moves(board, text(row, "best_move"))
    except ValueError:
        return None
    san = board.variation_san(line[:1]) if line else NOT_KNOWN
    to_move = "White" if board.turn else "Black"
    return PrototypeBoard(
        board=board_svg(board, f"{to_move} to move. {san}", [Arrow(line[0], "best")] if line else []),
        move=san,
        line=board.variation_san(line) if line else "",
        split={"train": "taught", "test": "asked"}.get(text(row, "split"), text(row, "split")),
        score=decimal(number(row, "score")),
        fen=board.fen(),
    )


def _board(row: Row) -> chess.Board:
    board = chess.Board(text(row, "fen") or chess.STARTING_FEN)
    for move in _moves(board, text(row, "moves")):
        board.push(move)
    return board


def _moves(board: chess.Board, words: str) -> list[chess.Move]:
    """UCI moves that are legal one after the other from `board`; ValueError otherwise."""
    ahead = board.copy(stack=False)
    moves = []
    for word in words.split():
        move = ahead.parse_uci(word)
        ahead.push(move)
        moves.append(move)
    return moves


def _anchor(index: int) -> str:
    return f"concept-{index + 1}"


def _or(value: int | None) -> str:
    return NOT_KNOWN if value is None else grouped(value)


def _order(value: float | str | None) -> str:
    return "" if value is None else f"{value:.9g}" if isinstance(value, int | float) else value


def _search(simulations: Any) -> str:
    return "" if simulations is None else f"{_argument(simulations)} simulations a position"


def _files(value: Any) -> tuple[str, str]:
    """The names of one or more files, and their paths as they were given unless these say no more."""
    given = _argument(value)
    if isinstance(value, str):
        shown = file_name(value)
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        shown = listed([file_name(item) for item in value])
    else:
        shown = given
    return shown, "" if shown == given else given


def _argument(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return listed([str(item) for item in value])
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, dict | list) else str(value)
