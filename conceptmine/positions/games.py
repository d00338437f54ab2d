"""Games from PGN files: the main line of each, verified move by move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import chess

from conceptmine.errors import InputError
from conceptmine.positions.identity import path_id
from conceptmine.positions.lines import text_lines
from conceptmine.positions.movetext import RESULTS, GameText, split_games_text

__all__ = ["KEPT_TAGS", "GameCounts", "GameRecord", "read_games"]

KEPT_TAGS: Final = (
    "Event",
    "Site",
    "Date",
    "Round",
    "White",
    "Black",
    "WhiteElo",
    "BlackElo",
    "ECO",
    "TimeControl",
    "Termination",
)
"""The tags that a `GameRecord` keeps, if they have a value."""

_NO_VALUE: Final = frozenset({"", "?", "-", "????.??.??"})
_CUT_OFF: Final = "has no result after its last move, so the file may be cut off there"
_STANDARD_VARIANTS: Final = frozenset({"", "?", "standard", "chess", "normal", "from position", "standard chess"})


@dataclass(frozen=True)
class GameRecord:
    """A game that has been played through.

    Attributes:
        game_id: 16 hex digits that depend only on the start position and the moves.
        fen: start FEN; None for the usual start.
        moves: legal moves in UCI, at least one; castling is the king's move (e1g1).
        result: "1-0", "0-1", "1/2-1/2", or "*" if it is unknown or the file contradicts itself.
        headers: the `KEPT_TAGS` that have a value.
    """

    game_id: str
    fen: str | None
    moves: tuple[str, ...]
    result: str
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)

    def elo(self, colour: chess.Color) -> int | None:
        """The rating of a player as the file gives it, None where it does not."""
        text = self.headers.get("WhiteElo" if colour else "BlackElo", "")
        return int(text) if text.isdecimal() else None


@dataclass
class GameCounts:
    """What became of the games of some files; filled while they are read.

    Attributes:
        read: games found; the sum of the other four.
        kept: games given out.
        empty: games without a move.
        duplicates: games with the start and moves of an earlier one.
        faulty: games left out because of an error in them (only with ``on_error="skip"``).
    """

    read: int = 0
    kept: int = 0
    empty: int = 0
    duplicates: int = 0
    faulty: int = 0


def read_games(
    paths: Path | Sequence[Path],
    *,
    on_error: Literal["raise", "skip"] = "raise",
    counts: GameCounts | None = None,
) -> Iterator[GameRecord]:
    """Stream the games of PGN files, in order, each once.

    Comments, annotations and variations are passed over, games without moves are left out, and so are games with the
    same start and moves as an earlier one, in whichever file. Memory holds one game at a time and eight bytes for each
    game read.

    Args:
        paths: one or more files, PGN or zstd-compressed PGN, in UTF-8 or Latin-1.
        on_error: what to do with a game that cannot be trusted (an illegal or unreadable move, a null move, another
            variant or Chess960, an illegal start position, an open comment): "raise" refuses it, "skip" leaves it out
            and counts it.
        counts: filled with what became of the games, if given.

    Yields:
        One record a game.

    Raises:
        InputError: a file is missing, damaged, cut off or holds no game; no file has a game with moves in it; or, with
            ``on_error="raise"``, a game cannot be trusted.
    """
    files = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    if not files:
        raise InputError("No game file was given: name at least one PGN file.")
    for path in files:
        if not path.exists():
            raise InputError(f"There is no file {path}: check the path.")
        if path.is_dir():
            raise InputError(f"{path} is a folder: name the PGN files in it.")
    return _stream(files, on_error == "skip", GameCounts() if counts is None else counts)


def _stream(files: Sequence[Path], skip_faulty: bool, counts: GameCounts) -> Iterator[GameRecord]:
    seen: set[int] = set()
    found = False
    for path in files:
        in_file = 0
        for text in split_games_text(text_lines(path)):
            in_file += 1
            counts.read += 1
            try:
                game = _played(text)
            except _FaultyGameError as fault:
                counts.faulty += 1
                if skip_faulty:
                    continue
                place = f"{path}: game {text.number} (line {text.line})"
                raise InputError(f"{place} {fault}: correct that game or take it out of the file.") from None
            if not game.moves:
                counts.empty += 1
                continue
            found = True
            key = int(game.game_id, 16)
            if key in seen:
                counts.duplicates += 1
                continue
            seen.add(key)
            counts.kept += 1
            yield game
        if not in_file:
            raise InputError(f"{path} holds no game: give a PGN file.")
    if not found:
        names = ", ".join(map(str, files))
        raise InputError(f"No game with legal moves stands in {names}: give a PGN file with whole games.")


class _FaultyGameError(Exception):
    """Why a game cannot be trusted, as the rest of a sentence that begins with the game."""


def _played(text: GameText) -> GameRecord:
    if text.problem is not None:
        raise _FaultyGameError(text.problem)
    board = _start_board(text.tags)
    fen = board.fen(en_passant="fen")
    start = None if fen == chess.STARTING_FEN else fen
    moves = []
    for place, word in enumerate(text.words, 1):
        try:
            move = board.parse_san(word.rstrip("+#"))
        except ValueError as error:
            if text.cut_off and place == len(text.words):
                raise _FaultyGameError(_CUT_OFF) from None
            illegal = isinstance(error, chess.IllegalMoveError)
            ambiguous = isinstance(error, chess.AmbiguousMoveError)
            what = "is not legal" if illegal else "is ambiguous" if ambiguous else "is not a move"
            raise _FaultyGameError(f"has the move {_numbered(board, word)}, which {what} there") from None
        if not move:
            raise _FaultyGameError(f"has the null move {_numbered(board, word)}, which no player can make")
        moves.append(move.uci())
        board.push(move)
    if text.cut_off:
        raise _FaultyGameError(_CUT_OFF)
    headers = {tag: text.tags[tag].strip() for tag in KEPT_TAGS if text.tags.get(tag, "").strip() not in _NO_VALUE}
    return GameRecord(path_id(start, moves), start, tuple(moves), _result(text), headers)


def _start_board(tags: Mapping[str, str]) -> chess.Board:
    variant = tags.get("Variant", "").strip()
    if variant.lower() not in _STANDARD_VARIANTS:
        raise _FaultyGameError(f"is of the variant {variant}, and only standard chess is supported")
    fen = tags.get("FEN", "").strip()
    if not fen or fen == "?":
        return chess.Board()
    try:
        board = chess.Board(fen)
    except ValueError:
        raise _FaultyGameError(f"starts from {fen!r}, which is not a FEN") from None
    if board.has_chess960_castling_rights():
        raise _FaultyGameError(f"starts from the Chess960 position {fen}, and only standard chess is supported")
    if not board.is_valid():
        raise _FaultyGameError(f"starts from {fen}, which is not a legal position")
    return board


def _numbered(board: chess.Board, word: str) -> str:
    return f"{board.fullmove_number}{'.' if board.turn else '...'} {word}"


def _result(text: GameText) -> str:
    stated = text.tags.get("Result", "*").strip()
    claims = {result for result in (stated, text.result) if result in RESULTS} - {"*", None}
    return claims.pop() or "*" if len(claims) == 1 else "*"
