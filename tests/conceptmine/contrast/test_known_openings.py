"""Named lines by transposition, and openings as concepts."""

from __future__ import annotations

from pathlib import Path

import chess
import numpy as np
import pytest

from conceptmine.contrast.known import OpeningBook, opening_concepts, read_openings
from conceptmine.errors import InputError

LINES = """eco\tname\tpgn
D06\tQueen's Gambit\t1. d4 d5 2. c4
D30\tQueen's Gambit Declined\t1. d4 d5 2. c4 e6
A10\tEnglish Opening\t1. c4
B20\tSicilian Defense\t1. e4 c5
B27\tSicilian Defense: Open Start\t1. e4 c5 2. Nf3
"""


@pytest.fixture
def book(tmp_path: Path) -> OpeningBook:
    (tmp_path / "a.tsv").write_text(LINES, encoding="utf-8")
    return read_openings(tmp_path)


def played(*moves: str) -> chess.Board:
    board = chess.Board()
    for move in moves:
        board.push_san(move)
    return board


def names(book: OpeningBook, board: chess.Board) -> list[str]:
    return [line.name for line in book.passed(board)]


def test_lines_are_passed_whatever_the_order_of_moves(book: OpeningBook) -> None:
    usual = played("d4", "d5", "c4", "e6", "Nc3")
    turned = played("c4", "e6", "d4", "d5", "Nc3")
    assert names(book, usual) == ["Queen's Gambit", "Queen's Gambit Declined"]
    assert names(book, turned) == ["English Opening", "Queen's Gambit Declined"]
    assert names(book, played("d4", "d5", "c4")) == ["Queen's Gambit"]


def test_games_without_a_name(book: OpeningBook) -> None:
    assert names(book, played("a3", "a6")) == []
    assert names(book, chess.Board()) == []
    elsewhere = chess.Board("4k3/8/8/8/8/8/4P3/4K3 w - - 0 1")
    elsewhere.push_uci("e2e4")
    assert names(book, elsewhere) == []


def test_a_family_is_the_name_up_to_its_colon(book: OpeningBook) -> None:
    assert [line.family for line in book.passed(played("e4", "c5", "Nf3"))] == ["Sicilian Defense"] * 2


def test_concepts(book: OpeningBook) -> None:
    boards = [
        played("e4", "c5", "Nf3", "d6"),
        played("e4", "c5", "c3"),
        played("c4", "e6", "d4", "d5"),
        played("d4", "d5", "c4", "dxc4"),
        played("a3"),
    ]
    found = {c.name: c for c in opening_concepts(book, boards, fewest=1, general=9, specific=9)}
    np.testing.assert_array_equal(found["Sicilian Defense"].values, [1, 1, 0, 0, np.nan])
    np.testing.assert_array_equal(found["Sicilian Defense: Open Start"].values, [1, 0, 0, 0, np.nan])
    np.testing.assert_array_equal(found["ECO D"].values, [0, 0, 1, 1, np.nan])
    assert "English Opening" not in found  # it goes on to something else
    assert found["ECO D"].family == "openings, general"
    assert found["Sicilian Defense: Open Start"].family == "openings, specific"
    assert {c.matched for c in found.values()} == {"ply"}
    assert not opening_concepts(book, boards, fewest=3, general=9, specific=9)
    assert [c.name for c in opening_concepts(book, boards, fewest=2, general=0, specific=0)] == ["ECO B", "ECO D"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("eco\tname\n", "has the columns"),
        ("eco\tname\tpgn\nA00\tNothing\t1. e5\n", "line 2 has the move e5, which cannot be played"),
    ],
)
def test_files_that_are_refused(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=sentence):
        read_openings(tmp_path)


def test_a_folder_without_lines(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no TSV file"):
        read_openings(tmp_path)
    with pytest.raises(InputError, match="no TSV file"):
        read_openings(tmp_path / "missing")


def test_the_whole_collection(reference: Path) -> None:
    book = read_openings(reference / "data" / "openings")
    assert len(book.lines) == 3807
    ruy = book.passed(played("e4", "e5", "Nf3", "Nc6", "Bb5", "a6"))
    assert ruy[-1].name == "Ruy Lopez: Morphy Defense"
    assert ruy[-1].eco.startswith("C")
