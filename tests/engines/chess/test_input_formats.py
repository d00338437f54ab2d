"""What the input formats show beside the classical one, and what they leave out."""

from __future__ import annotations

from collections.abc import Callable

import chess
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.chess import INPUT_FORMATS
from engines.chess.encoding import pack_boards

ALL = 0xFFFF_FFFF_FFFF_FFFF
CANONICAL = (3, 4, 5, 132, 133)
V2 = (5, 133)
CHOICES = st.lists(st.integers(0, 255), max_size=60)
NO_RIGHTS = "r1bqkb1r/pppp1ppp/2n2n2/4p3/2B1P3/5N2/PPPP1PPP/RNBQK2R w - - 4 4"
PAWNLESS = "3rk3/8/2n5/8/8/5B2/1Q6/4K2R w - - 3 60"


def masks_of(board: chess.Board, input_format: int, fill: str = "no") -> list[int]:
    return [int(mask) for mask in pack_boards([board], input_format, fill)[0][0]]


def boards_shown(masks: list[int]) -> list[tuple[int, ...]]:
    """The thirteen planes of each of the eight boards."""
    return [tuple(masks[13 * place : 13 * place + 13]) for place in range(8)]


def count_shown(board: chess.Board, input_format: int, fill: str = "no") -> int:
    shown = [any(planes) for planes in boards_shown(masks_of(board, input_format, fill))]
    assert shown == sorted(shown, reverse=True), "there are no gaps"
    return sum(shown)


def after(fen: str, *ucis: str) -> chess.Board:
    board = chess.Board(fen)
    for uci in ucis:
        board.push_uci(uci)
    return board


def played(start: chess.Board, choices: list[int]) -> chess.Board:
    """A random game in which moves are often taken back."""
    board = start.copy()
    for choice in choices:
        moves = list(board.legal_moves)
        if not moves:
            break
        if len(board.move_stack) > 1 and choice % 2:
            last = board.move_stack[-2]
            back = chess.Move(last.to_square, last.from_square)
            moves = [back] if back in moves else moves
        board.push(moves[choice % len(moves)])
    return board


def image(board: chess.Board, turn: Callable[[int], int]) -> chess.Board:
    """The game with all its squares moved by `turn`, a function of sets of squares."""

    def moved(square: int) -> int:
        return chess.msb(turn(chess.BB_SQUARES[square]))

    start = board.root()
    found = start.transform(turn)
    found.ep_square = None if start.ep_square is None else moved(start.ep_square)
    found.halfmove_clock = start.halfmove_clock
    for move in board.move_stack:
        found.push(chess.Move(moved(move.from_square), moved(move.to_square), move.promotion))
    return found


@given(st.sampled_from(CANONICAL), CHOICES, st.sampled_from(["fen_only", "no"]))
def test_mirrored_games_look_the_same(input_format: int, choices: list[int], fill: str) -> None:
    game = played(chess.Board(NO_RIGHTS), choices)
    mirrored = image(game, chess.flip_horizontal)
    assert masks_of(game, input_format, fill) == masks_of(mirrored, input_format, fill)
    assert masks_of(game, 2, fill)[5] != masks_of(mirrored, 2, fill)[5]


@given(st.sampled_from(CANONICAL), CHOICES, st.sampled_from(["fen_only", "no"]))
def test_without_pawns_all_images_of_a_game_look_the_same(input_format: int, choices: list[int], fill: str) -> None:
    game = played(chess.Board(PAWNLESS), choices)
    turns: list[Callable[[int], int]] = [chess.flip_horizontal, chess.flip_vertical, chess.flip_diagonal]
    turns += [chess.flip_anti_diagonal, lambda squares: chess.flip_vertical(chess.flip_diagonal(squares))]
    for turn in turns:
        assert masks_of(image(game, turn), input_format, fill) == masks_of(game, input_format, fill)


@given(st.sampled_from((3, 4, 5)), CHOICES, st.sampled_from(["fen_only", "no"]))
def test_with_colours_exchanged_a_game_looks_the_same(input_format: int, choices: list[int], fill: str) -> None:
    game = played(chess.Board("r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 7 9"), choices)
    mirrored = game.root().mirror()
    mirrored.halfmove_clock = 7
    for move in game.move_stack:
        mirrored.push(chess.Move(move.from_square ^ 56, move.to_square ^ 56, move.promotion))
    assert masks_of(mirrored, input_format, fill) == masks_of(game, input_format, fill)


@pytest.mark.parametrize("input_format", [number for number in INPUT_FORMATS if number > 1])
@pytest.mark.parametrize(
    ("fen", "long", "short"),
    [
        ("r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", {"a1", "a8"}, {"h1", "h8"}),
        ("r3k2r/8/8/8/8/8/8/R3K2R b KQq - 0 1", {"a1", "a8"}, {"h8"}),
        ("1rk4r/8/8/8/8/8/8/1RK4R w HBb - 0 1", {"b1", "b8"}, {"h1"}),
        ("1rk4r/8/8/8/8/8/8/1RK4R b Hb - 0 1", {"b1"}, {"h8"}),
        ("r3k2r/8/8/8/8/8/8/R3K2R w - - 0 1", set(), set()),
    ],
)
def test_rights_are_shown_by_the_squares_of_the_rooks(
    input_format: int, fen: str, long: set[str], short: set[str]
) -> None:
    masks = masks_of(chess.Board(fen, chess960="1r" in fen), input_format)
    assert [{chess.square_name(square) for square in chess.SquareSet(mask)} for mask in masks[104:106]] == [long, short]
    assert masks[106:108] == [0, 0]


@given(CHOICES, st.sampled_from(["fen_only", "no"]))
def test_format_2_shows_all_else_as_the_classical_one_does(choices: list[int], fill: str) -> None:
    board = played(chess.Board(), choices)
    (ours, values), (classical, classical_values) = (pack_boards([board], number, fill) for number in (2, 1))
    others = [plane for plane in range(112) if not 104 <= plane < 108]
    assert (ours[:, others] == classical[:, others]).all()
    assert (values == classical_values).all()


@pytest.mark.parametrize("input_format", CANONICAL)
def test_the_last_planes_of_canonical_formats(input_format: int) -> None:
    for fen in ("4k3/8/8/8/8/8/7R/6K1 w - - 37 60", "4k3/8/8/8/8/8/7R/6K1 b - - 37 60"):
        masks, values = pack_boards([chess.Board(fen)], input_format)
        black = ALL if " b " in fen and input_format in (132, 133) else 0
        assert masks[0, 104:].tolist() == [0, 0, 0, 0, 0, ALL, black, ALL]
        assert values[0, 109] == (37 if input_format == 3 else np.float32(37) / np.float32(100))
        assert (np.delete(values[0], 109) == 1).all()


@pytest.mark.parametrize("input_format", CANONICAL)
def test_a_pawn_to_take_en_passant_is_shown_on_the_last_rank(input_format: int) -> None:
    start = "4k3/8/8/8/2pp4/8/4P1P1/4K3 w - - 0 1"
    takeable, safe = after(start, "e2e4"), after(start, "g2g4")
    assert masks_of(takeable, input_format)[108] == chess.BB_E8
    assert masks_of(safe, input_format)[108] == 0
    turned = after("3k4/8/8/8/2pp4/8/4P1P1/4K3 w - - 0 1", "e2e4")
    assert masks_of(turned, input_format)[108] == chess.BB_D8
    assert masks_of(chess.Board("4k3/8/8/8/6P1/8/8/4K3 b - g3 0 1"), input_format)[108] == chess.BB_G8


@pytest.mark.parametrize("input_format", (3, 4, 132))
def test_history_ends_where_nothing_comes_back_from(input_format: int) -> None:
    quiet = ("g1f3", "g8f6", "f3g1", "f6g8")
    assert count_shown(chess.Board(), input_format) == 1
    assert count_shown(after(chess.STARTING_FEN, *quiet), input_format, "fen_only") == 5, "nothing is older"
    start = "r3k2r/pppppppp/8/8/8/8/PPPPPPPP/R3K2R w KQkq - 9 20"
    walk = ("a1b1", "a8b8", "b1c1", "b8c8")
    for plies, shown in ((1, 1), (2, 1), (3, 2), (4, 3)):
        assert count_shown(after(start, *walk[:plies]), input_format) == shown, "rights are lost twice"
    to_and_fro = ("e1f2", "e8e7", "f2e1", "e7e8") * 2
    for plies, shown in ((0, 1), (1, 2), (2, 3), (8, 8)):
        assert count_shown(after(PAWNLESS, *to_and_fro[:plies]), input_format) == shown
    pawn = after("4k3/8/8/8/8/8/P7/4K3 w - - 9 20", "e1d1", "e8d8", "a2a3", "d8e8")
    assert count_shown(pawn, input_format) == 2, "the board after the pawn's move is the last"
    double = after("4k3/8/8/8/3p4/8/4P3/4K3 w - - 9 20", "e2e4", "e8d8")
    assert count_shown(double, input_format) == 1, "an older board with a pawn to take en passant is not shown"
    assert count_shown(chess.Board("4k3/8/8/8/3pP3/8/8/4K3 b - e3 0 1"), input_format, "fen_only") == 1


@pytest.mark.parametrize("input_format", (3, 4, 132))
def test_before_a_fen_its_board_is_shown_again_if_it_can_come_back(input_format: int) -> None:
    fen = "4k3/8/8/8/8/8/8/4K2R w K - 5 60"
    assert count_shown(chess.Board(fen), input_format, "fen_only") == 8
    assert count_shown(after(fen, "h1g1"), input_format, "fen_only") == 1
    assert count_shown(after(fen, "e1f1", "e8d8"), input_format, "fen_only") == 2
    assert count_shown(chess.Board(fen.replace("K - 5", "K - 0")), input_format, "fen_only") == 1
    start = chess.Board()
    start.halfmove_clock = 5
    assert count_shown(start, input_format, "fen_only") == 1


@pytest.mark.parametrize("fill", ["fen_only", "no"])
@pytest.mark.parametrize("input_format", V2)
def test_v2_shows_repetitions_without_gaps(input_format: int, fill: str) -> None:
    board = after("4k3/8/8/8/8/8/7P/4K2R w - - 1 60")
    wander = ("e1d1", "e8d8", "d1e1", "d8e8")
    assert count_shown(board, input_format, fill) == 1, "what is not known is no repetition"
    for uci in wander:
        board.push_uci(uci)
    assert count_shown(board, input_format, fill) == 1
    board.push_uci("h1g1")
    shown = boards_shown(masks_of(board, input_format, fill))
    assert [any(planes) for planes in shown] == [True, True] + [False] * 6
    assert (shown[0][12], shown[1][12]) == (0, ALL)
    for uci in ("e8d8", "g1f1", "d8c8", "f1g1", "c8d8", "g1h1", "d8e8", "h1f1", "e8e7", "f1g1", "e7d7"):
        board.push_uci(uci)
    older = [planes for planes in boards_shown(masks_of(board, input_format, fill))[1:] if any(planes)]
    past, expected = board.copy(), 0
    while past.move_stack:
        past.pop()
        expected += past.is_repetition(2)
    assert len(older) == expected >= 3, "from longer ago than eight plies, too"
    assert all(planes[12] == ALL for planes in older)


@given(CHOICES, st.sampled_from(V2))
def test_v2_shows_the_repetitions_that_python_chess_counts(choices: list[int], input_format: int) -> None:
    board = played(chess.Board(PAWNLESS), choices)
    past, expected = board.copy(), 0
    while past.move_stack and past.halfmove_clock:
        past.pop()
        expected += past.is_repetition(2)
    assert count_shown(board, input_format) == min(1 + expected, 8)
