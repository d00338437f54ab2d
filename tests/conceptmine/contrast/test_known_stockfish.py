"""Stockfish's table of classical terms: read strictly, turned to the side to move, and asked of the real program."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import chess
import pytest

from conceptmine.contrast.known import parse_traces, read_traces, stockfish_concepts
from conceptmine.contrast.known.stockfish import TERMS
from conceptmine.errors import InputError

RULE = "+------------+-------------+-------------+-------------+"
DASHES = " ----  ---- "
UNSIDED = {"Material", "Imbalance", "Winnable", "Total"}


def table(**scores: tuple[float, float, float, float]) -> str:
    """A table of our own making: White's and Black's two scores of the terms named, zero for the others."""
    rows = []
    for term in TERMS:
        white_mg, white_eg, black_mg, black_eg = scores.get(term.replace(" ", "_"), (0.0, 0.0, 0.0, 0.0))
        sides = (DASHES, DASHES) if term in UNSIDED else (cell(white_mg, white_eg), cell(black_mg, black_eg))
        rows.append(f"|{term:>11} |{sides[0]}|{sides[1]}|{cell(white_mg - black_mg, white_eg - black_eg)}|")
        if term in ("Winnable", "Total"):
            rows.append(RULE)
    head = [RULE, "|    Term    |    White    |    Black    |    Total    |", "|            |   MG    EG  |", RULE]
    return "\n".join([" Contributing terms for the classical eval:", *head, *rows, "", "Classical evaluation +0.1"])


def cell(middlegame: float, endgame: float) -> str:
    return f"{middlegame:6.2f}{endgame:6.2f} "


FULL = table(
    Material=(1.0, 1.5, 0.0, 0.0),
    Mobility=(0.4, 0.5, 0.1, 0.2),
    King_safety=(0.7, 0.0, -0.3, 0.0),
    Threats=(0.1, 0.0, 0.0, 0.0),
)
IN_CHECK = "Final evaluation: none (in check)"


def test_a_table_is_read() -> None:
    (trace,) = parse_traces(f"some greeting\n{FULL}\nFinal evaluation +0.2", 1)
    assert trace is not None
    assert trace.white["King safety"] == (0.7, 0.0)
    assert trace.black["King safety"] == (-0.3, 0.0)
    assert trace.total["Material"] == (1.0, 1.5)
    assert math.isnan(trace.white["Material"].middlegame)
    assert not trace.cut_short


def test_terms_are_turned_to_the_side_to_move() -> None:
    boards = [chess.Board(), chess.Board(chess.STARTING_FEN.replace(" w ", " b ")), chess.Board()]
    traces = parse_traces("\n".join([FULL, FULL, IN_CHECK]), 3)
    concepts = {concept.name: concept.values for concept in stockfish_concepts(boards, traces)}
    assert len(concepts) == 34
    assert concepts["material balance"][:2].tolist() == [1.0, -1.0]
    assert concepts["own king safety"][:2].tolist() == [0.7, -0.3]
    assert concepts["opponent king safety"][:2].tolist() == [-0.3, 0.7]
    assert concepts["mobility balance"][:2].tolist() == pytest.approx([0.3, -0.3])
    assert all(math.isnan(values[2]) for values in concepts.values())
    endgame = {concept.name: concept.values for concept in stockfish_concepts(boards, traces, "endgame")}
    assert endgame["material balance"][:2].tolist() == [1.5, -1.5]


def test_what_was_not_worked_out_gives_no_number() -> None:
    boards = [chess.Board(), chess.Board()]
    cut_short = table(Material=(9.0, 9.0, 0.0, 0.0))
    without_threats = table(Mobility=(0.4, 0.5, 0.1, 0.2))
    concepts = {
        c.name: c.values for c in stockfish_concepts(boards, parse_traces(f"{cut_short}\n{without_threats}", 2))
    }
    assert all(math.isnan(values[0]) for values in concepts.values())
    assert {name for name, values in concepts.items() if math.isnan(values[1])} == {
        f"{view}{term}{end}"
        for term in ("threats", "space")
        for view, end in (("", " balance"), ("own ", ""), ("opponent ", ""))
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "gave 0 classical evaluations for 1 positions"),
        (f"{FULL}\n{FULL}", "gave 2 classical evaluations"),
        (FULL.replace("  Rooks", " Towers"), "in place of the row Rooks"),
        ("\n".join(FULL.splitlines()[:9]), "in place of the row"),
        (FULL.replace("  0.70", "  0.7x"), "row King safety has the cell"),
        (FULL.replace("    White    ", "    Weiss    "), "has the heading"),
        (FULL.replace(f"{RULE}\n\n", "|  More |\n"), "goes on after its row Total"),
    ],
)
def test_other_tables_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        parse_traces(text, 1)


def test_programs_that_are_no_stockfish(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be started"):
        read_traces(tmp_path / "nothing", [chess.Board()])
    program = tmp_path / "mute"
    program.write_text(f"#!{sys.executable}\n", encoding="utf-8")
    program.chmod(0o755)
    with pytest.raises(InputError, match="gave 0 classical evaluations for 1 positions"):
        read_traces(program, [chess.Board()])
    program.write_text(f"#!{sys.executable}\nraise SystemExit(3)\n", encoding="utf-8")
    with pytest.raises(InputError, match="exit code 3"):
        read_traces(program, [chess.Board()])


def test_one_table_a_board() -> None:
    with pytest.raises(InputError, match="1 boards and 0 evaluations"):
        stockfish_concepts([chess.Board()], [])


def test_the_real_program(stockfish: str) -> None:
    boards = [
        chess.Board(),
        chess.Board("4k3/8/8/8/7b/8/8/4K2R w K - 0 1"),  # in check
        chess.Board("r1bqk2r/pp2bppp/2n1pn2/3p4/3P4/2N2N2/PP2BPPP/R1BQ1RK1 b kq - 0 9"),
        chess.Board("8/8/4k3/8/8/3K4/8/7R w - - 0 1"),  # a known endgame, without terms
    ]
    traces = read_traces(stockfish, boards)
    assert [trace is None for trace in traces] == [False, True, False, False]
    start, _, middle, endgame = traces
    assert start is not None
    assert middle is not None
    assert endgame is not None
    assert all(score == (0, 0) for score in start.total.values())
    assert start.white["Mobility"] == start.black["Mobility"]
    assert not start.cut_short
    assert endgame.cut_short
    assert middle.total["Mobility"].middlegame == pytest.approx(
        middle.white["Mobility"].middlegame - middle.black["Mobility"].middlegame, abs=0.011
    )
    turned = read_traces(stockfish, [board.mirror() for board in boards])
    own = [{c.name: c.values for c in stockfish_concepts(b, t)} for b, t in ((boards, traces), (boards, turned))]
    assert own[0]["mobility balance"][0] == own[1]["mobility balance"][0] == 0
    mirrored = {c.name: c.values for c in stockfish_concepts([board.mirror() for board in boards], turned)}
    assert mirrored["king safety balance"][2] == pytest.approx(own[0]["king safety balance"][2], abs=0.011)
