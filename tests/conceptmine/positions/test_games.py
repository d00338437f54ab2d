"""Games come out of PGN files whole, each once, or the file is refused with the place of the fault."""

from __future__ import annotations

import io
from itertools import islice
from pathlib import Path

import chess
import chess.pgn
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptmine.errors import InputError
from conceptmine.positions import GameCounts, GameRecord, board_of, read_games
from conceptmine.positions.lines import text_lines
from conceptmine.positions.movetext import split_games_text

TAGS = '[Event "Test"]\n[Site "?"]\n[White "Ä, B"]\n[Black "C"]\n[WhiteElo "2801"]\n[BlackElo ""]\n[Result "1-0"]\n'


def games_of(text: str | bytes, tmp_path: Path, **options: object) -> list[GameRecord]:
    path = tmp_path / "games.pgn"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(read_games(path, **options))  # type: ignore[arg-type]


def moves_of(text: str | bytes, tmp_path: Path) -> list[str]:
    return [" ".join(game.moves) for game in games_of(text, tmp_path)]


def test_a_game_with_everything_in_it(tmp_path: Path) -> None:
    text = (
        TAGS + "\n1. e4 {best by test} e5 $1 2. Nf3!? (2. f4 exf4 (2... d5) 3. Nf3) 2... Nc6 ; a note\n"
        "% 9. Qh5\n3. Bb5 1-0\n"
    )
    (game,) = games_of(text, tmp_path)
    assert game.moves == ("e2e4", "e7e5", "g1f3", "b8c6", "f1b5")
    assert game.fen is None
    assert game.result == "1-0"
    assert game.headers == {"Event": "Test", "White": "Ä, B", "Black": "C", "WhiteElo": "2801"}
    assert game.elo(chess.WHITE) == 2801
    assert game.elo(chess.BLACK) is None


@pytest.mark.parametrize(
    "movetext",
    [
        "1. e4 e5 2. Nf3 *",
        "1.e4 e5 2.Nf3 *",
        "1. e4 1... e5 2. Nf3 *",
        "1. e4 1. ... e5 2. Nf3 *",
        "1 e4 e5 2 Nf3 *",
        "e4 e5 Nf3 *",
        "e2e4 e7e5 g1f3 *",
        "e2-e4 e7-e5 Ng1-f3 *",
        "1. e4\ne5\n\n2. Nf3\n*",
        "{ [%clk 0:01:00] } 1. e4 { [%eval 0.1]\n\n[%clk 0:01:00] } 1... e5 {} 2. Nf3 * { over }",
        "(1. d4 d5) 1. e4 e5 $10 $140 2. Nf3?? *",
        "1. e4 e5 2. Nf3 ( { a ) in a comment } 2. Bc4 ; a ) in a note\n ) *",
    ],
)
def test_ways_of_writing_the_same_moves(tmp_path: Path, movetext: str) -> None:
    assert moves_of(TAGS + "\n" + movetext + "\n", tmp_path) == ["e2e4 e7e5 g1f3"]


def test_castling_promotion_and_en_passant(tmp_path: Path) -> None:
    start = '[FEN "r3k2r/6P1/8/5p2/4P3/8/8/R3K2R w KQkq - 0 1"]\n'
    text = start + "1. 0-0 0-0-0+ 2. g8=Q+!! Kd7 3. Rad1# *\n\n" + start + "1. g8N Kf7 2. O-O-O Ra5++ 3. exf5 *\n"
    assert moves_of(text, tmp_path) == ["e1g1 e8c8 g7g8q c8d7 a1d1", "g7g8n e8f7 e1c1 a8a5 e4f5"]
    assert moves_of("1. e4 Nf6 2. e5 d5 3. exd6 e.p. *", tmp_path) == ["e2e4 g8f6 e4e5 d7d5 e5d6"]


@pytest.mark.parametrize(
    "data",
    [
        TAGS.encode() + b"1. e4 *\n",
        TAGS.encode("latin-1") + b"1. e4 *\n",
        b"\xef\xbb\xbf" + TAGS.encode() + b"1. e4 *",
        TAGS.replace("\n", "\r\n").encode() + b"\r\n1. e4 *\r\n",
        TAGS.replace("\n", "\r").encode() + b"\r1. e4 *\r",
        b"\n\n% exported\n" + TAGS.encode() + b"\n\n1. e4 *\n\n\n",
    ],
    ids=["utf-8", "latin-1", "byte order mark", "crlf", "cr", "padded"],
)
def test_encodings_and_line_ends(tmp_path: Path, data: bytes) -> None:
    (game,) = games_of(data, tmp_path)
    assert game.moves == ("e2e4",)
    assert game.headers["White"] == "Ä, B"


def test_games_end_where_the_next_begins(tmp_path: Path) -> None:
    text = (
        '[Event "no result"]\n\n1. e4 e5\n\n[Event "no moves"]\n\n*\n\n[Event "tags only"]\n\n[Event "split tags"]\n\n'
        '[Date "2017"]\n\n1. d4 d5\n\n2. c4 e6 1/2-1/2\n1. f4 * 1. g4\n\n1. h4 *\n'
    )
    counts = GameCounts()
    games = games_of(text, tmp_path, counts=counts)
    assert [" ".join(game.moves) for game in games] == ["e2e4 e7e5", "d2d4 d7d5 c2c4 e7e6", "f2f4", "g2g4", "h2h4"]
    assert games[1].headers == {"Event": "split tags", "Date": "2017"}
    assert counts == GameCounts(read=7, kept=5, empty=2)


@pytest.mark.parametrize(
    ("tag", "end", "result"),
    [
        ("1-0", "1-0", "1-0"),
        ("*", "0-1", "0-1"),
        ("1/2-1/2", "*", "1/2-1/2"),
        ("1-0", "0-1", "*"),
        ("adjudication", "1-0", "1-0"),
        ("?", "*", "*"),
    ],
)
def test_a_result_that_the_file_contradicts_is_unknown(tmp_path: Path, tag: str, end: str, result: str) -> None:
    (game,) = games_of(f'[Result "{tag}"]\n1. e4 {end}', tmp_path)
    assert game.result == result


def test_identity_is_start_and_moves_not_file_or_tags(tmp_path: Path) -> None:
    for name, text in (
        ("a.pgn", '[White "A"]\n1. e4 e5 1-0\n'),
        (
            "b.pgn",
            f'[White "B"]\n[FEN "{chess.STARTING_FEN}"]\n1. e4 e5 *\n[FEN "8/8/8/8/8/k7/7R/K7 w - - 3 50"]\n1. Rb2 *\n',
        ),
    ):
        (tmp_path / name).write_text(text)
    counts = GameCounts()
    games = list(read_games([tmp_path / "a.pgn", tmp_path / "b.pgn"], counts=counts))
    assert [game.headers.get("White") for game in games] == ["A", None]
    assert games[1].fen == "8/8/8/8/8/k7/7R/K7 w - - 3 50"
    assert counts == GameCounts(read=3, kept=2, duplicates=1)
    assert games[0].game_id == "8d1ba5702ff621de", "identifiers are stored in run folders and must not change"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("1. e4 e5 2. Nf6 Nc6 *", r"the move 2\. Nf6, which is not legal there"),
        ("1. e4 e5 2. Ke3 *", r"the move 2\. Ke3, which is not legal"),
        ("1. Nf3 Nf6 2. d3 d6 3. Nd2 *", r"3\. Nd2, which is ambiguous"),
        ("1. e4 Xe5 2. Nf3 *", r"the move 1\.\.\. Xe5, which is not a move"),
        ("1. e4 -- 2. d4 *", r"the null move 1\.\.\. --"),
        ("1. e4 e5 2. Z0 *", r"the null move 2\. Z0"),
        ("1. e4 } e5 *", r"1\.\.\. }, which is not a move"),
        ("1. e4 ) e5 *", "closes a variation that it did not open"),
        ('1. e4 (1. d4 e5 *\n[Event "x"]\n1. d4 *', "opens a variation that it does not close"),
        ('1. e4 { so e5 *\n\n[Event "x"]\n\n1. d4 {b} *', "has a comment that is never closed"),
        ("1. e4 { so e5 *", "has a comment that is never closed"),
        ('[Event "x\n1. e4 *', "a tag that cannot be read"),
        ('[Variant "Crazyhouse"]\n1. e4 *', "variant Crazyhouse"),
        ('[Variant "Chess960"]\n1. e4 *', "variant Chess960"),
        ('[FEN "nbbrknrq/pppppppp/8/8/8/8/PPPPPPPP/NBBRKNRQ w KQkq - 0 1"]\n1. e4 *', "Chess960 position"),
        ('[FEN "8/8/8/8 w - - 0 1"]\n1. e4 *', "not a FEN"),
        ('[FEN "8/8/8/8/8/8/8/K7 w - - 0 1"]\n1. Ka2 *', "not a legal position"),
        ("1. e4 e5 2. N", "cut off"),
        ("1. e4 e5 2.", "cut off"),
        ('1. e4 *\n[Event "next"]\n', "cut off"),
    ],
)
def test_a_game_that_cannot_be_trusted_is_refused_or_counted(tmp_path: Path, text: str, fault: str) -> None:
    sound = "1. c4 *\n\n"
    with pytest.raises(InputError, match=fault) as caught:
        games_of(sound + text, tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    counts = GameCounts()
    kept = games_of(sound + text, tmp_path, on_error="skip", counts=counts)
    assert kept[0].moves == ("c2c4",)
    assert counts.faulty == 1
    assert counts.read == counts.kept + counts.faulty + counts.empty + counts.duplicates


def test_the_place_of_a_fault_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"games\.pgn: game 2 \(line 4\) has the move 1\. e5, which is not legal"):
        games_of('[Event "a"]\n1. e4 *\n\n[Event "b"]\n1. e5 *', tmp_path)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "holds no game"),
        (b"\n \n% nothing\n", "holds no game"),
        (b'[Event "a"]\n\n*\n', "No game with legal moves"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        ("1. e4 *".encode("utf-16"), "UTF-16"),
        (b"e" * (1 << 21), "not a PGN file"),
        (bytes(range(128)) * 9, "is not a move"),
        (b"a list of moves\nand no game\n", "is not a move"),
    ],
)
def test_files_without_games_are_refused(tmp_path: Path, data: bytes, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        games_of(data, tmp_path)


def test_missing_files_are_refused_before_any_reading(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file .*gone\.pgn"):
        read_games(tmp_path / "gone.pgn")
    with pytest.raises(InputError, match="is a folder"):
        read_games(tmp_path)
    with pytest.raises(InputError, match="No game file"):
        read_games([])


def compressed(text: str) -> bytes:
    return zstandard.ZstdCompressor().compress(text.encode())


def test_zstd_files_may_have_many_frames_and_any_name(tmp_path: Path) -> None:
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"note"
    data = compressed("1. e4 *\n1. d4") + skippable + compressed(" *\n") + compressed("")
    for name in ("games.pgn.zst", "games.pgn"):
        (tmp_path / name).write_bytes(data)
        assert [game.moves for game in read_games(tmp_path / name)] == [("e2e4",), ("d2d4",)]


def test_a_cut_off_or_damaged_zstd_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "games.pgn.zst"
    data = compressed("".join(f"1. e4 {{{i}}} e5 2. Nf3 *\n" for i in range(5000)))
    for size in (2, 9, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(InputError, match="middle of its zstd stream"):
            list(read_games(path))
    path.write_bytes(b"1. e4 *")
    with pytest.raises(InputError, match="not a sound zstd file"):
        list(read_games(path))
    path.write_bytes(b"")
    with pytest.raises(InputError, match="holds no game"):
        list(read_games(path))


def test_reading_stops_when_the_reader_does(tmp_path: Path) -> None:
    (tmp_path / "games.pgn").write_text("1. e4 *\n1. e5 *\n")
    assert next(read_games(tmp_path / "games.pgn")).moves == ("e2e4",)


@st.composite
def random_games(draw: st.DrawFn) -> chess.pgn.Game:
    """A game of random legal moves with comments, annotations and variations, as python-chess writes it."""
    game = chess.pgn.Game()
    node: chess.pgn.GameNode = game
    for _ in range(draw(st.integers(1, 20))):
        legal = sorted(node.board().legal_moves, key=str)
        if not legal:
            break
        if draw(st.booleans()) and len(legal) > 1:
            side = node.add_variation(draw(st.sampled_from(legal)), comment="a (side) line; $1 1-0")
            following = next(iter(side.board().legal_moves), None)
            if following is not None:
                side.add_main_variation(following)
        choice = draw(st.sampled_from(legal))
        node = node.add_main_variation(choice)
        node.nags = draw(st.sets(st.integers(1, 139), max_size=2))
        node.comment = draw(st.sampled_from(["", "fine", "[%clk 0:00:01]", "two\nlines", "; no note", "1. e4 *"]))
    game.headers["Result"] = draw(st.sampled_from(["1-0", "0-1", "1/2-1/2", "*"]))
    return game


@settings(max_examples=40, deadline=None)
@given(st.lists(random_games(), min_size=1, max_size=3))
def test_what_python_chess_writes_is_read_as_it_was_played(games: list[chess.pgn.Game]) -> None:
    text = "\n\n".join(map(str, games)) + "\n"
    found = list(split_games_text(text.splitlines(keepends=True)))
    assert [game.result for game in found] == [game.headers["Result"] for game in games]
    for game, original in zip(found, games, strict=True):
        assert game.problem is None
        board = chess.Board()
        for word in game.words:
            board.push_san(word)
        assert board.move_stack == list(original.mainline_moves())


EDGE_CASES = {
    "anastasian-lewis.pgn": "null move 41... Z0",
    "antichess-programfox.pgn": "variant Antichess",
    "chessbase-empty-line.pgn": 1,
    "cutechess-fischerrandom.pgn": "variant fischerandom",
    "kasparov-deep-blue-1997.pgn": 6,
    "knightvuillaume-jannlee-zh-lichess.pgn": "variant Crazyhouse",
    "molinari-bordais-1979.pgn": 1,
    "nepomniachtchi-liren-game1.pgn": 1,
    "saturs-jannlee-zh-lichess.pgn": "variant Crazyhouse",
    "stockfish-learning.pgn": 1,
    "uci-moves.pgn": 1,
    "utf8-bom.pgn": "No game with legal moves",
}


@pytest.mark.reference
def test_edge_cases_of_python_chess(reference: Path) -> None:
    folder = reference / "data" / "games" / "edgecases"
    assert {path.name for path in folder.iterdir()} == EDGE_CASES.keys()
    for name, expected in EDGE_CASES.items():
        if isinstance(expected, int):
            assert len(list(read_games(folder / name))) == expected, name
        else:
            with pytest.raises(InputError) as caught:
                list(read_games(folder / name))
            assert expected in str(caught.value), name


CORPORA = {
    "amateur/lichess_2021-10_sample999.pgn.zst": (999, 13),
    "amateur/lichess_blitz_1800_bfx.pgn.zst": (3970, 0),
    "engine/TCEC_S16_lczero_1kn_full.pgn.zst": (36, 0),
    "engine/TCEC_S16_lczero_alliestein_full.pgn.zst": (100, 0),
    "engine/tcec_lczero_compact.pgn.zst": (2244, 0),
    "master/Karpov.pgn.zst": (3105, 0),
    "master/Kasparov.pgn.zst": (1979, 0),
    "master/Leko.pgn.zst": (1668, 0),
}


@pytest.mark.reference
def test_all_games_of_the_corpora_are_found(reference: Path) -> None:
    folder = reference / "data" / "games"
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.zst")} == CORPORA.keys()
    for name, (total, empty) in CORPORA.items():
        games = list(split_games_text(text_lines(folder / name)))
        assert len(games) == total, name
        assert sum(not game.words for game in games) == empty, name
        assert all(game.problem is None and game.result is not None for game in games), name


@pytest.mark.reference
@pytest.mark.parametrize("name", CORPORA)
def test_moves_are_those_that_python_chess_reads(reference: Path, name: str) -> None:
    path = reference / "data" / "games" / name
    ours = list(islice(read_games(path), 60))
    raw = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read(1 << 22)
    text = io.StringIO(raw.decode("latin-1").replace("\r\n", "\n"))
    theirs = []
    while len(theirs) < len(ours):
        game = chess.pgn.read_game(text)
        assert game is not None
        assert not game.errors
        moves = tuple(move.uci() for move in game.mainline_moves())
        if moves and moves not in theirs:
            theirs.append(moves)
    assert [game.moves for game in ours] == theirs
    for game in ours[:5]:
        assert board_of(game.fen, game.moves).ply() == len(game.moves)
