"""PGN text cut into games, each with its tags and the words of its main line.

A word that this reader does not understand makes the game faulty instead of being passed over: a move that is dropped
in silence falsifies every position after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

__all__ = ["RESULTS", "GameText", "split_games_text"]

RESULTS: Final = frozenset({"1-0", "0-1", "1/2-1/2", "*"})

_TAG: Final = re.compile(r'\[\s*(\w[\w+#=:-]*)\s*"(.*)"\s*\]\s*$')
_WORD: Final = re.compile(r"[{}();]|\$\d*|\d+\.+|[^\s{}();$]+")
_ROSTER: Final = frozenset({"Event", "Site", "Date", "Round", "White", "Black", "Result"})
_NULL_MOVES: Final = frozenset({"0000"})
_PASSED_OVER: Final = frozenset({"e.p.", "ep", "e.p"})
# No game of chess is longer than 11,797 plies under the rule of 75 moves.
_MOST_WORDS: Final = 20_000


@dataclass
class GameText:
    """A game as written.

    Attributes:
        number: place in the file, from 1.
        line: line of the file on which it begins, from 1.
        tags: tag name -> value.
        words: the moves of the main line as written, without numbers, comments and variations.
        result: the result after the last move, None if there is none.
        problem: why the text cannot be trusted, None if it can.
        cut_off: whether the file ends in this game, before its result.
    """

    number: int
    line: int
    tags: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    result: str | None = None
    problem: str | None = None
    cut_off: bool = False


def split_games_text(lines: Iterable[str]) -> Iterator[GameText]:
    """Cut the lines of a PGN file into games.

    A game ends with its result, with the tags of the next game, or before a move number 1 that follows an empty line.
    If the last game has no result, the file is taken to be cut off there.
    """
    return _Splitter().games(lines)


class _Splitter:
    """Reads line by line; what it remembers between lines is the game at hand and how deep in brackets it is."""

    def __init__(self) -> None:
        self._game: GameText | None = None
        self._finished: list[GameText] = []
        self._count = 0
        self._line = 0
        self._depth = 0
        self._in_comment = False
        self._after_empty_line = False

    def games(self, lines: Iterable[str]) -> Iterator[GameText]:
        for self._line, line in enumerate(lines, 1):
            self._read(line)
            if self._finished:
                yield from self._finished
                self._finished.clear()
        if self._game is not None:
            if self._in_comment:
                self._fault("has a comment that is never closed")
            self._game.cut_off = True
            self._finish()
            yield from self._finished

    def _read(self, line: str) -> None:
        is_tag = line.startswith("[")
        if self._in_comment and is_tag and (tag := _TAG.match(line)) and tag.group(1) in _ROSTER:
            self._fault("has a comment that is never closed")
            self._in_comment = False
        if self._in_comment:
            self._movetext(line)
        elif line.startswith("%"):
            return
        elif line.isspace():
            self._after_empty_line = True
        elif is_tag:
            self._tag(line)
        else:
            self._movetext(line)

    def _tag(self, line: str) -> None:
        tag = _TAG.match(line)
        game = self._game
        if game is not None and (game.words or self._depth or (tag and tag.group(1) in game.tags.keys() & _ROSTER)):
            self._finish()
        game = self._begun()
        if tag:
            game.tags[tag.group(1)] = tag.group(2)
        else:
            self._fault(f"has a tag that cannot be read, {line.strip()!r}")

    def _movetext(self, line: str) -> None:
        position = 0
        while True:
            if self._in_comment:
                end = line.find("}", position)
                if end < 0:
                    return
                self._in_comment = False
                position = end + 1
            match = _WORD.search(line, position)
            if match is None:
                return
            word = match.group()
            position = match.end()
            if word == "{":
                self._in_comment = True
            elif word == ";":
                return
            elif word == "(":
                self._depth += 1
            elif word == ")":
                self._close_variation()
            elif self._depth == 0:
                self._main_line_word(word)

    def _close_variation(self) -> None:
        if self._depth:
            self._depth -= 1
        else:
            self._begun()
            self._fault("closes a variation that it did not open")

    def _main_line_word(self, word: str) -> None:
        after_empty_line, self._after_empty_line = self._after_empty_line, False
        if word[0] == "$" or word in _PASSED_OVER:
            return
        if word in RESULTS:
            self._begun().result = word
            self._finish()
        elif word.rstrip(".").isdecimal() and word not in _NULL_MOVES:
            if word == "1." and after_empty_line and self._game is not None and self._game.words:
                self._finish()
        elif move := word.strip(".").rstrip("!?"):
            game = self._begun()
            if len(game.words) < _MOST_WORDS:
                game.words.append(move)
            else:
                self._fault(f"has more than {_MOST_WORDS} moves")

    def _begun(self) -> GameText:
        if self._game is None:
            self._count += 1
            self._game = GameText(self._count, self._line)
        return self._game

    def _fault(self, problem: str) -> None:
        """Note what is wrong with the game at hand; the first fault is the one worth reading."""
        if self._game is not None and self._game.problem is None:
            self._game.problem = problem

    def _finish(self) -> None:
        """Hand on the game at hand, if there is one."""
        if self._depth:
            self._fault("opens a variation that it does not close")
        if self._game is not None:
            self._finished.append(self._game)
        self._game = None
        self._depth = 0
