"""The shipped openings, and files of one's own."""

from __future__ import annotations

from pathlib import Path

import chess
import pytest

from engines.arena import ArenaError, choose_openings, read_openings, shipped_openings


def test_shipped_openings_are_different_and_even_in_material() -> None:
    openings = shipped_openings()
    assert len(openings) == 2000
    assert len({board.epd() for board in openings}) == 2000
    assert {len(board.move_stack) for board in openings} == {8}
    worth = {1: 1, 2: 3, 3: 3, 4: 5, 5: 9, 6: 0}
    for board in openings:
        assert not board.is_game_over()
        assert not sum(worth[p.piece_type] * (1 if p.color else -1) for p in board.piece_map().values())


def test_the_seed_decides_and_more_openings_go_on_from_fewer() -> None:
    openings = shipped_openings()
    ten, twenty = choose_openings(openings, 10, 3), choose_openings(openings, 20, 3)
    assert twenty[:10] == ten
    assert len({board.epd() for board in twenty}) == 20
    assert choose_openings(openings, 10, 4) != ten
    with pytest.raises(ArenaError, match="There are 2,000 openings, enough for 4,000 games"):
        choose_openings(openings, 2001, 0)


def test_lines_of_moves_fens_and_epds_are_read(tmp_path: Path) -> None:
    file = tmp_path / "book.txt"
    file.write_text(
        '# mine\n\ne2e4 e7e5   # open\n8/8/3k4/8/8/3K4/4P3/8 w - - 3 50\n8/8/3k4/8/8/3K4/4P3/8 b - - id "x";\n',
        encoding="utf-8-sig",
    )
    boards = read_openings(file)
    assert [len(board.move_stack) for board in boards] == [2, 0, 0]
    assert (boards[1].halfmove_clock, boards[2].turn) == (3, chess.BLACK)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no opening"),
        ("e2e4 e7e4\n", "line 1 of .*: e7e4 is not a legal move in UCI of "),
        ("e2e4\ncastles\n", "line 2 of .*: castles is not a legal move"),
        ("8/8/8 w - - 0 1\n", "line 1 of .* is no FEN and no EPD"),
        ("8/8/8/8/8/8/8/8 w - - 0 1\n", "is no position that a game can reach"),
        ("f2f3 e7e5 g2g4 d8h4\n", "the game is over there"),
    ],
)
def test_faults_are_told_with_their_line(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "book.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ArenaError, match=message):
        read_openings(file)


def test_a_missing_file_and_one_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(ArenaError, match="cannot be read: No such file"):
        read_openings(tmp_path / "nowhere")
    file = tmp_path / "book.bin"
    file.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ArenaError, match="it is no text"):
        read_openings(file)
