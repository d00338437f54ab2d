"""Puzzles of a test suite, and their lines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import chess
import pytest

from conceptmine.contrast import ContrastRule, contrast_rows
from conceptmine.contrast.known import SearchedMove, SuitePuzzle, read_suite, suite_lines
from conceptmine.errors import InputError

BOARD = "rnbqkbnr/pppp1ppp/8/4p3/4P3/8/PPPP1PPP/RNBQKBNR w KQkq -"
SCORED = f'{BOARD} bm Nf3; id "Mine(v3.0) Development.001"; c8 "10 4 0"; c9 "g1f3 f1c4 a2a3";'
OTHERS = [
    f'{BOARD} bm Nf3; id "Mine(v3.0) Development.002";',
    f'{BOARD} bm d4; id "Mine(v3.1) Growth.003";',
    f'{BOARD} bm d4; id "Mine(v4.0) Growth.001";',
]
RULE = ContrastRule(horizon=5)


def suite(tmp_path: Path, *lines: str, themes: bool = True) -> list[SuitePuzzle]:
    path = tmp_path / "suite.epd"
    path.write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    return read_suite(path, themes=themes)


def move(text: str) -> chess.Move:
    return chess.Move.from_uci(text)


def line(text: str, q: float = 0.0) -> SearchedMove:
    return SearchedMove(tuple(map(move, text.split())), q)


BEST = line("g1f3 b8c6 f1b5 a7a6 b5a4 g8f6", 0.3)
WORSE = line("f1c4 g8f6 d2d3 f8c5 g1f3", 0.2)
SHORT = line("a2a3 b8c6 a3a4")


def test_points_are_read_from_the_fullest_of_the_operations(tmp_path: Path) -> None:
    scored, plain, *_ = suite(tmp_path, SCORED, *OTHERS)
    assert scored.points == {move("g1f3"): 1.0, move("f1c4"): 0.4}
    assert scored.best == (move("g1f3"),)
    assert plain.points == {move("g1f3"): 1.0}
    in_words = 'bm Nf3; am a3; c0 "Nf3=8, Bc4=2, a3=0";'
    (both,) = suite(tmp_path, f'{BOARD} {in_words} c8 "1 5"; c9 "g1f3 f1c4"; id "A.1";')
    assert both.points == {move("g1f3"): 0.2, move("f1c4"): 1.0}
    words, comment, named, avoided = suite(
        tmp_path,
        f"{BOARD} {in_words}",
        f'{BOARD} bm Nf3; c0 "Nf3=8, by a master";',
        f"{BOARD} bm Nf3 Bc4; am d4;",
        f"{BOARD} am d4;",
        themes=False,
    )
    assert words.points == {move("g1f3"): 1.0, move("f1c4"): 0.25}
    assert comment.points == {move("g1f3"): 1.0}
    assert set(named.best) == {move("g1f3"), move("f1c4")}
    assert set(avoided.best) == set(avoided.board.legal_moves) - {move("d2d4")}


def test_ids_need_a_number_only_where_themes_are_asked_for(tmp_path: Path) -> None:
    lines = f"{BOARD} bm Nf3;", f'{BOARD} bm Nf3; id "Opening";', OTHERS[0]
    found = suite(tmp_path, *lines, themes=False)
    assert [(puzzle.puzzle_id, puzzle.theme) for puzzle in found] == [
        ("", ""),
        ("Opening", ""),
        ("Mine(v3.0) Development.002", ""),
    ]
    for line_without_number in lines[:2]:
        with pytest.raises(InputError, match="line 2 has no id that ends in a number"):
            suite(tmp_path, SCORED, line_without_number)


def test_a_theme_is_a_part_of_the_suite_under_its_usual_name(tmp_path: Path) -> None:
    assert [puzzle.theme for puzzle in suite(tmp_path, SCORED, *OTHERS)] == [
        "Development",
        "Development",
        "Growth",
        "Growth",
    ]
    again = [SCORED, SCORED.replace("Development", "Growing up"), SCORED]
    assert {puzzle.theme for puzzle in suite(tmp_path, *again)} == {"Development"}


def test_lines(tmp_path: Path) -> None:
    (puzzle,) = suite(tmp_path, SCORED)
    lines = suite_lines(puzzle, [WORSE, BEST, SHORT], RULE)
    assert lines is not None
    assert lines.best == BEST.line[:5]
    (subpar,) = lines.subpar
    assert subpar.moves == WORSE.line
    assert (subpar.branch_ply, subpar.best_q, subpar.subpar_q) == (0, 0.3, 0.2)
    assert [(row.ply, row.plus, row.minus) for row in contrast_rows(lines, RULE)] == [
        (ply, BEST.line[:ply], WORSE.line[:ply]) for ply in (2, 4)
    ]


def test_the_label_is_the_suites(tmp_path: Path) -> None:
    (puzzle,) = suite(tmp_path, SCORED)
    lines = suite_lines(puzzle, [line("f1c4 g8f6 d2d3 f8c5 g1f3", 0.9), BEST], RULE)
    assert lines is not None
    assert lines.best[0] == move("g1f3")


def test_puzzles_without_a_contrast(tmp_path: Path) -> None:
    (puzzle,) = suite(tmp_path, SCORED)
    assert suite_lines(puzzle, [WORSE, SHORT], RULE) is None
    assert suite_lines(puzzle, [BEST, SHORT], RULE) is None
    assert suite_lines(puzzle, [], RULE) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("not a position", "line 1 cannot be read"),
        (f'{BOARD} id "A.1";', "says of no move that it is good"),
        (f'{BOARD} c0 "Nf3=0"; id "A.1";', "says of no move that it is good"),
        (f'{BOARD} c0 "e5=10"; id "A.1";', "c0 scores e5, which is no legal move"),
        (f'{BOARD} bm e5; id "A.1";', "line 1 cannot be read"),
        (SCORED.replace("10 4 0", "10 4"), "other numbers of moves"),
        (SCORED.replace("g1f3 f1c4", "g1f5 f1c4"), "gives points to g1f5"),
        (SCORED.replace("g1f3 f1c4", "knight f1c4"), "not UCI"),
        ('8/8/8/8/8/8/8/kK6 w - - id "A.1";', "a position that is not legal"),
    ],
)
def test_lines_that_are_refused(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        suite(tmp_path, text)


def test_files_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_suite(tmp_path / "missing.epd")
    with pytest.raises(InputError, match="holds no puzzle"):
        suite(tmp_path)


def test_the_strategic_test_suite(reference: Path) -> None:
    puzzles = read_suite(reference / "data" / "epd" / "sts_v3.epd", themes=True)
    themes = Counter(puzzle.theme for puzzle in puzzles)
    assert set(themes.values()) == {80}
    assert len(themes) == 15
    assert all(max(puzzle.points.values()) == 1.0 for puzzle in puzzles)
