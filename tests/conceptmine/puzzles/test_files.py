"""puzzles.csv and what is made from it: read back by the readers other people use."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import chess
import chess.pgn
import pytest

from conceptmine.errors import InputError
from conceptmine.puzzles import (
    COLUMNS,
    FORMATS,
    Puzzle,
    PuzzleConcept,
    export_puzzles,
    read_prototypes,
    read_puzzles,
    select_puzzles,
    write_puzzles,
)


@pytest.fixture(scope="module")
def run(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with 24 puzzles; not to be changed."""
    folder = make_run(
        tmp_path_factory.mktemp("runs") / "run", candidates=6, taught=3, supported=2, teachable=1, novel=1
    )
    puzzles = select_puzzles(*read_prototypes(folder), lambda boards, moves: [True] * len(boards))
    write_puzzles(puzzles, folder / "puzzles.csv")
    return folder


@pytest.fixture(scope="module")
def puzzles(run: Path) -> list[Puzzle]:
    return read_puzzles(run / "puzzles.csv")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def exported(run: Path, format: str, tmp_path: Path) -> str:
    out = tmp_path / f"out.{format}"
    assert export_puzzles(run, format, out) == 24
    return out.read_text(encoding="utf-8")


def test_lichess_columns_come_first(run: Path) -> None:
    header = (run / "puzzles.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header.startswith(
        "PuzzleId,FEN,Moves,Rating,RatingDeviation,Popularity,NbPlays,Themes,GameUrl,OpeningTags,"
        "ConceptId,Phase,ConceptRank,Split,Score,HumanLikelihood,Supported,Teachable,Novel,StartFEN,StartMoves"
    )
    assert header == ",".join(COLUMNS)


def test_fen_and_moves_lead_to_the_question_and_through_the_solution(run: Path, puzzles: list[Puzzle]) -> None:
    for row, puzzle in zip(rows(run / "puzzles.csv"), puzzles, strict=True):
        board = chess.Board(row["FEN"])
        first, *solution = row["Moves"].split()
        board.push_uci(first)
        assert board.fen() == puzzle.board().fen()
        assert len(solution) % 2 == 1
        for word in solution:
            board.push_uci(word)


def test_start_fen_and_start_moves_give_the_question_with_its_history(run: Path) -> None:
    for row in rows(run / "puzzles.csv"):
        board = chess.Board(row["StartFEN"])
        for word in row["StartMoves"].split():
            board.push_uci(word)
        before = board.copy()
        before.pop()
        assert before.fen() == row["FEN"] and board.peek().uci() == row["Moves"].split()[0]


def test_nothing_is_invented(run: Path) -> None:
    for row in rows(run / "puzzles.csv"):
        assert not any(row[name] for name in ("Rating", "RatingDeviation", "Popularity", "NbPlays", "GameUrl"))
        assert row["Themes"] in ("short", "long", "veryLong")


def test_verdicts_keep_their_three_values(run: Path) -> None:
    found = {row["ConceptId"]: (row["Supported"], row["Teachable"], row["Novel"]) for row in rows(run / "puzzles.csv")}
    assert found == {
        "c0000": ("true", "true", "true"),
        "c0001": ("true", "false", "false"),
        "c0002": ("false", "false", "false"),
    }
    assert read_puzzles(run / "puzzles.csv")[0].concept.supported is True


def test_writing_and_reading_give_the_same_puzzles(run: Path, puzzles: list[Puzzle], tmp_path: Path) -> None:
    write_puzzles(puzzles, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (run / "puzzles.csv").read_bytes()
    assert read_puzzles(tmp_path / "again.csv") == puzzles


def test_no_puzzles_are_a_header(tmp_path: Path) -> None:
    write_puzzles([], tmp_path / "puzzles.csv")
    assert read_puzzles(tmp_path / "puzzles.csv") == []
    for format in FORMATS:
        assert export_puzzles(tmp_path, format, tmp_path / f"x.{format}") == 0
    assert json.loads((tmp_path / "x.json").read_text())["puzzles"] == []


@pytest.mark.parametrize("format", FORMATS)
def test_exports_are_the_same_every_time(run: Path, format: str, tmp_path: Path) -> None:
    first = exported(run, format, tmp_path)
    assert exported(run, format, tmp_path) == first


def test_csv_export_is_the_file_itself(run: Path, tmp_path: Path) -> None:
    assert exported(run, "csv", tmp_path) == (run / "puzzles.csv").read_text(encoding="utf-8")


def test_pgn_can_be_played_through(run: Path, puzzles: list[Puzzle], tmp_path: Path) -> None:
    file = io.StringIO(exported(run, "pgn", tmp_path))
    for number, puzzle in enumerate(puzzles, start=1):
        game = chess.pgn.read_game(file)
        assert game is not None and not game.errors
        assert game.headers["SetUp"] == "1" and game.headers["FEN"] == puzzle.board().fen()
        assert game.headers["Round"] == str(number)
        assert tuple(game.mainline_moves()) == puzzle.solution
        assert f"Concept {puzzle.concept.concept_id} (rank {puzzle.concept.rank}), phase {puzzle.phase}" in game.comment
        assert "Last move: " in game.comment
    assert chess.pgn.read_game(file) is None


def test_epd_can_be_read(run: Path, puzzles: list[Puzzle], tmp_path: Path) -> None:
    lines = exported(run, "epd", tmp_path).splitlines()
    for line, puzzle in zip(lines, puzzles, strict=True):
        board, operations = chess.Board.from_epd(line)
        assert board.fen() == puzzle.board().fen()
        assert operations["bm"] == [puzzle.solution[0]]
        assert operations["pv"] == list(puzzle.solution)
        assert operations["id"] == puzzle.puzzle_id
        assert str(operations["c0"]).startswith(f"Concept {puzzle.concept.concept_id}")


def test_json_holds_everything(run: Path, puzzles: list[Puzzle], tmp_path: Path) -> None:
    content = json.loads(exported(run, "json", tmp_path))
    assert (content["format"], content["version"]) == ("conceptmine-puzzles", 1)
    for record, puzzle in zip(content["puzzles"], puzzles, strict=True):
        board = chess.Board(record["fen_before"])
        board.push_uci(record["last_move"])
        assert board.fen() == record["fen"] == puzzle.board().fen()
        assert record["solution"] == [move.uci() for move in puzzle.solution]
        assert record["solution_san"] == board.variation_san(puzzle.solution)
        assert record["concept"]["id"] == puzzle.concept.concept_id
        assert "rating" not in {name.lower() for name in record}


def awkward(concept_id: str) -> Puzzle:
    moves = tuple(chess.Move.from_uci(word) for word in ("e2e4", "e7e5", "g1f3", "b8c6", "f1c4", "f8c5"))
    line = tuple(chess.Move.from_uci(word) for word in ("e1g1", "g8f6", "d2d3"))
    return Puzzle(PuzzleConcept(concept_id), 1, "p", "train", None, chess.STARTING_FEN, moves, line)


def test_awkward_names_and_missing_values_survive(tmp_path: Path) -> None:
    name = 'a "quoted", {braced}; name\nwith a line break'
    write_puzzles([awkward(name)], tmp_path / "puzzles.csv")
    (back,) = read_puzzles(tmp_path / "puzzles.csv")
    assert back == awkward(name) and back.score is None and back.concept.supported is None
    for format in FORMATS:
        export_puzzles(tmp_path, format, tmp_path / f"x.{format}")
    assert len((tmp_path / "x.epd").read_text().splitlines()) == 1
    _, operations = chess.Board.from_epd((tmp_path / "x.epd").read_text().strip())
    assert "supported: not tested" in str(operations["c0"])
    with (tmp_path / "x.pgn").open() as file:
        game = chess.pgn.read_game(file)
    assert game is not None and not game.errors and len(list(game.mainline_moves())) == 3
    assert json.loads((tmp_path / "x.json").read_text())["puzzles"][0]["score"] is None


def test_a_puzzle_is_named_by_its_content() -> None:
    assert awkward("a").puzzle_id == awkward("a").puzzle_id != awkward("b").puzzle_id


def spoilt(run: Path, tmp_path: Path, column: str, value: str) -> Path:
    table = rows(run / "puzzles.csv")
    table[1][column] = value
    with (tmp_path / "puzzles.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(table)
    return tmp_path / "puzzles.csv"


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        ("Phase", "2", "line 3: phase 2 is not 1 or 3"),
        ("Phase", "one", "line 3: .*is not a value of its column"),
        ("Score", "nan", "is not a value of its column"),
        ("Supported", "maybe", "is not a value of its column"),
        ("StartFEN", "nowhere", "'nowhere' is not a FEN"),
        ("StartMoves", "e2e4 e2e4", "is illegal"),
        ("StartMoves", "", "no move before the question"),
        ("Moves", "e2e4", "no move before the question, or no solution"),
        ("Moves", "O-O O-O", "is not a list of UCI moves"),
        ("FEN", chess.STARTING_FEN, "FEN and Moves disagree"),
    ],
)
def test_a_spoilt_row_is_named(run: Path, tmp_path: Path, column: str, value: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        read_puzzles(spoilt(run, tmp_path, column, value))


def test_a_row_that_was_cut_short_is_named(run: Path, tmp_path: Path) -> None:
    text = (run / "puzzles.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "puzzles.csv").write_text("\n".join([*text[:3], text[3][:40]]))
    with pytest.raises(InputError, match="line 4: the row is cut short"):
        read_puzzles(tmp_path / "puzzles.csv")


def test_a_file_without_our_columns_is_no_puzzle_file(tmp_path: Path) -> None:
    (tmp_path / "puzzles.csv").write_text("PuzzleId,FEN,Moves\n")
    with pytest.raises(InputError, match="has no column 'Rating'"):
        read_puzzles(tmp_path / "puzzles.csv")


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "puzzles.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not a CSV file in UTF-8"):
        read_puzzles(tmp_path / "puzzles.csv")


def test_an_unknown_format_lists_the_known_ones(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown puzzle format 'xml': choose one of csv, pgn, epd, json"):
        export_puzzles(run, "xml", tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_a_folder_without_puzzles(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"puzzles\.csv does not exist"):
        export_puzzles(tmp_path, "pgn", tmp_path / "x")


def test_a_place_that_is_not_there(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the folder .*nowhere does not exist; make it first"):
        export_puzzles(run, "csv", tmp_path / "nowhere" / "x.csv")
    with pytest.raises(InputError, match="cannot write"):
        export_puzzles(run, "csv", tmp_path)
