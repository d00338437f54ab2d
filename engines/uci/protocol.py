"""What a GUI says, line by line, as values: `parse` never raises, whatever the line holds.

A line is searched for its first command word, as the protocol asks ("joho debug on" switches debugging on); a line
without one is `Ignored`.  A command that cannot be understood is `Malformed` and carries one sentence that says why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import Enum

__all__ = [
    "Command",
    "Debug",
    "Go",
    "Ignored",
    "Malformed",
    "Position",
    "SetOption",
    "Word",
    "line_of",
    "parse",
    "shown",
]

LARGEST = 10**15
"""Numbers beyond are cut to it: 30,000 years in milliseconds."""

_MOVE = re.compile(r"[a-h][1-8][a-h][1-8][nbrqk]?|0000", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]+", re.ASCII)


class Word(Enum):
    """The commands that are one word; whatever follows it is ignored."""

    UCI = "uci"
    ISREADY = "isready"
    UCINEWGAME = "ucinewgame"
    STOP = "stop"
    PONDERHIT = "ponderhit"
    REGISTER = "register"
    QUIT = "quit"


@dataclass(frozen=True)
class Debug:
    """``debug on|off``."""

    on: bool


@dataclass(frozen=True)
class SetOption:
    """``setoption name NAME [value VALUE]``; words of the name are joined by single spaces."""

    name: str
    value: str | None = None


@dataclass(frozen=True)
class Position:
    """``position startpos|fen FEN [moves ...]``; ``fen`` is None for the start position, moves are in lower case."""

    fen: str | None = None
    moves: tuple[str, ...] = ()


@dataclass(frozen=True)
class Go:
    """``go ...``: what bounds the search, times in milliseconds; ``searchmoves`` is None if all moves are allowed."""

    searchmoves: tuple[str, ...] | None = None
    ponder: bool = False
    wtime: int | None = None
    btime: int | None = None
    winc: int | None = None
    binc: int | None = None
    movestogo: int | None = None
    depth: int | None = None
    nodes: int | None = None
    mate: int | None = None
    movetime: int | None = None
    infinite: bool = False


@dataclass(frozen=True)
class Malformed:
    """A known command that makes no sense, and why."""

    reason: str


@dataclass(frozen=True)
class Ignored:
    """A line without any command."""

    line: str


Command = Word | Debug | SetOption | Position | Go | Malformed | Ignored

_GO_FLAGS = frozenset({"ponder", "infinite"})
_GO_NUMBERS = frozenset(field.name for field in fields(Go)) - _GO_FLAGS - {"searchmoves"}
_GO_WORDS = _GO_FLAGS | _GO_NUMBERS | {"searchmoves"}


def parse(line: str) -> Command:
    """The command that a line holds."""
    rest = line
    while True:
        word, rest = _next_word(rest)
        if not word:
            return Ignored(line.strip())
        if word in _WORDS:
            return _WORDS[word]
        if word in _WITH_ARGUMENTS:
            return _WITH_ARGUMENTS[word](rest)


def line_of(command: Command) -> str:
    """The line that `parse` reads as ``command`` (for a malformed one, nothing)."""
    match command:
        case Word():
            return command.value
        case Debug(on):
            return f"debug {'on' if on else 'off'}"
        case SetOption(name, value):
            return f"setoption name {name}" + (f" value {value}" if value is not None else "")
        case Position(fen, moves):
            start = "startpos" if fen is None else f"fen {fen}"
            return " ".join(["position", start, *(["moves", *moves] if moves else [])])
        case Go():
            return " ".join(["go", *_go_words(command)])
        case Ignored(line):
            return line
        case Malformed():
            return ""


def shown(text: str) -> str:
    """A piece of input as a message may quote it: short, on one line, in plain characters."""
    text = text if len(text) <= 24 else text[:20] + " ..."
    return ascii(text)


def _next_word(text: str) -> tuple[str, str]:
    parts = text.split(maxsplit=1)
    return (parts[0] if parts else ""), (parts[1] if len(parts) > 1 else "")


def _debug(rest: str) -> Command:
    word, _ = _next_word(rest)
    if word not in ("on", "off"):
        return Malformed(f"debug is on or off, not {shown(word)}")
    return Debug(word == "on")


def _setoption(rest: str) -> Command:
    words = rest.split()
    if not words or words[0] != "name":
        return Malformed("setoption needs the word name and the name of an option")
    end = words.index("value") if "value" in words else len(words)
    name = " ".join(words[1:end])
    if not name:
        return Malformed("setoption has no name of an option between name and value")
    if end == len(words):
        return SetOption(name)
    # The value is everything behind its word as it stands: a path may hold several spaces.
    parts = rest.split(maxsplit=end + 1)
    return SetOption(name, parts[end + 1].strip() if len(parts) > end + 1 else "")


def _position(rest: str) -> Command:
    words = rest.split()
    end = words.index("moves") if "moves" in words else len(words)
    start, moves = words[:end], tuple(word.lower() for word in words[end + 1 :])
    fen: str | None = None
    if start[:1] == ["fen"] and len(start) > 1:
        fen = " ".join(start[1:])
    elif start != ["startpos"]:
        what = shown(" ".join(start)) if start else "nothing"
        return Malformed(
            f"position needs startpos, or fen and a FEN, and then moves or the end of the line, not {what}"
        )
    for move in moves:
        if not _MOVE.fullmatch(move):
            return Malformed(f"{shown(move)} is no move: write from-square, to-square and promotion, as in e7e8q")
    return Position(fen, moves)


def _go(rest: str) -> Command:
    words = rest.split()
    found: dict[str, int | bool | tuple[str, ...]] = {}
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word in _GO_FLAGS:
            found[word] = True
        elif word in _GO_NUMBERS:
            if at == len(words) or not _NUMBER.fullmatch(words[at]):
                what = shown(words[at]) if at < len(words) else "nothing"
                return Malformed(f"go {word} needs a whole number, not {what}")
            found[word] = _number(words[at])
            at += 1
        elif word == "searchmoves":
            end = next((i for i in range(at, len(words)) if words[i] in _GO_WORDS), len(words))
            moves = tuple(move.lower() for move in words[at:end])
            strange = next((move for move in moves if not _MOVE.fullmatch(move)), None)
            if strange is not None:
                return Malformed(f"go searchmoves needs moves as in e2e4, not {shown(strange)}")
            found[word] = moves
            at = end
        # Any other word is of a dialect that this engine does not speak, and passed over as the protocol asks.
    return Go(**found)  # type: ignore[arg-type]  # each word has its own type, by the branches above


def _number(text: str) -> int:
    # Python refuses to convert numbers of thousands of digits; their size is all that counts.
    digits = text.lstrip("+-").lstrip("0")
    value = LARGEST if len(digits) > len(str(LARGEST)) else min(int(digits or "0"), LARGEST)
    return -value if text.startswith("-") else value


def _go_words(go: Go) -> Sequence[str]:
    words: list[str] = []
    for field in fields(Go):
        value = getattr(go, field.name)
        if field.name in _GO_FLAGS:
            words += [field.name] if value else []
        elif value is not None:
            words += [field.name, *(value if isinstance(value, tuple) else [str(value)])]
    return words


_WORDS = {word.value: word for word in Word}
_WITH_ARGUMENTS: dict[str, Callable[[str], Command]] = {
    "debug": _debug,
    "setoption": _setoption,
    "position": _position,
    "go": _go,
}
