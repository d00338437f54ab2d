"""Lines as commands: what each means, and that no text at all breaks the parser."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.uci.protocol import (
    LARGEST,
    Command,
    Debug,
    Go,
    Ignored,
    Malformed,
    Position,
    SetOption,
    Word,
    line_of,
    parse,
    shown,
)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("uci", Word.UCI),
        ("  isready \t", Word.ISREADY),
        ("quit\r\n", Word.QUIT),
        ("register later", Word.REGISTER),
        ("register name Ada go infinite", Word.REGISTER),
        ("debug on", Debug(True)),
        ("joho debug on", Debug(True)),  # the protocol's own example
        ("setoption name Hash value 32", SetOption("Hash", "32")),
        ("setoption name Clear   Hash", SetOption("Clear Hash")),
        (
            "setoption name WeightsFile value C:\\my nets\\a  b.pb.gz",
            SetOption("WeightsFile", "C:\\my nets\\a  b.pb.gz"),
        ),
        ("setoption name NalimovPath value", SetOption("NalimovPath", "")),
        ("position startpos", Position()),
        ("position startpos moves e2e4 E7E8Q", Position(None, ("e2e4", "e7e8q"))),
        ("position fen 8/8/8/8/8/8/8/K1k5 w - - 0 1 moves", Position("8/8/8/8/8/8/8/K1k5 w - - 0 1")),
        ("go", Go()),
        ("go infinite", Go(infinite=True)),
        ("go ponder wtime 100 btime -5", Go(ponder=True, wtime=100, btime=-5)),
        ("go wtime 1 btime 2 winc 3 binc 4 movestogo 5", Go(wtime=1, btime=2, winc=3, binc=4, movestogo=5)),
        ("go searchmoves e2e4 d2d4 depth 3 nodes 4", Go(searchmoves=("e2e4", "d2d4"), depth=3, nodes=4)),
        ("go searchmoves", Go(searchmoves=())),
        ("go fast mate 2 movetime 50", Go(mate=2, movetime=50)),
        ("go nodes 1 nodes 2", Go(nodes=2)),
        ("go nodes " + "9" * 9000, Go(nodes=LARGEST)),
        ("go wtime -" + "9" * 9000, Go(wtime=-LARGEST)),
        ("go nodes 000" + "0" * 9000 + "7", Go(nodes=7)),
        ("", Ignored("")),
        ("perft 5", Ignored("perft 5")),
        ("\x00\x01", Ignored("\x00\x01")),
    ],
)
def test_a_line_means(line: str, command: Command) -> None:
    assert parse(line) == command


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("debug", "debug is on or off, not ''"),
        ("debug maybe", "debug is on or off, not 'maybe'"),
        ("setoption", "setoption needs the word name"),
        ("setoption Hash value 3", "setoption needs the word name"),
        ("setoption name value 3", "has no name of an option"),
        ("position", "not nothing"),
        ("position fen", "not 'fen'"),
        ("position e2e4", "not 'e2e4'"),
        ("position startpos e2e4", "not 'startpos e2e4'"),
        ("position startpos moves e2e9", "'e2e9' is no move"),
        ("position startpos moves e2e4 …", "'\\u2026' is no move"),
        ("go nodes", "go nodes needs a whole number, not nothing"),
        ("go nodes many", "not 'many'"),
        ("go nodes 1e9", "not '1e9'"),
        ("go nodes ٣", "not '\\u0663'"),
        ("go movetime infinite", "not 'infinite'"),
        ("go searchmoves e2e4 Nf3", "not 'nf3'"),
    ],
)
def test_what_makes_no_sense_is_said(line: str, reason: str) -> None:
    command = parse(line)
    assert isinstance(command, Malformed)
    assert reason in command.reason


_WORDS = ["uci", "go", "position", "setoption", "debug", "fen", "startpos", "moves", "name", "value", "searchmoves"]
_WORDS += ["nodes", "wtime", "infinite", "e2e4", "e7e8q", "0000", "-1", "1" * 30, "on", "\ufeff", "\x00", "\u2028", " "]


@given(st.one_of(st.text(), st.lists(st.one_of(st.sampled_from(_WORDS), st.text(max_size=5))).map(" ".join)))
def test_any_text_is_some_command(line: str) -> None:
    command = parse(line)
    again = parse(line_of(command))
    assert again == command or isinstance(command, Malformed)
    if isinstance(command, Malformed):
        assert command.reason.isascii()
        assert command.reason.isprintable()


@given(st.binary())
def test_any_bytes_are_some_command(line: bytes) -> None:
    parse(line.decode(errors="replace"))


_squares = st.builds("{}{}".format, st.sampled_from("abcdefgh"), st.integers(1, 8))
_moves = st.builds("{}{}{}".format, _squares, _squares, st.sampled_from(["", "q", "r", "b", "n"]))
_numbers = st.none() | st.integers(-LARGEST, LARGEST)
_names = st.lists(
    st.text(string.ascii_letters + string.digits + "_", min_size=1).filter(lambda word: word != "value"), min_size=1
).map(" ".join)
_commands = st.one_of(
    st.sampled_from(Word),
    st.builds(Debug, st.booleans()),
    st.builds(SetOption, _names, st.none() | st.text(string.printable).map(str.strip)),
    st.builds(
        Position,
        st.none() | st.text(string.ascii_letters + "/-0123456789", min_size=1).filter(lambda fen: fen != "moves"),
        st.lists(_moves).map(tuple),
    ),
    st.builds(
        Go,
        st.none() | st.lists(_moves).map(tuple),
        st.booleans(),
        *[_numbers] * 9,
        st.booleans(),
    ),
)


@given(_commands)
def test_a_command_is_read_as_it_was_written(command: Command) -> None:
    assert parse(line_of(command)) == command


def test_messages_quote_little_of_the_input() -> None:
    assert shown("a" * 5000) == ascii("a" * 20 + " ...")
    assert "\n" not in shown("a\nb")
