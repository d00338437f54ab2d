"""Hand-written concepts on positions counted by hand, and that no concept knows the colours apart."""

from __future__ import annotations

import math
import random

import chess
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptmine.contrast.known import CONCEPTS
from conceptmine.contrast.known.concept import from_both_sides

BY_NAME = {concept.name: concept for concept in CONCEPTS}

START = chess.STARTING_FEN
STRUCTURE = "4k3/p1p5/2p1p3/8/3PP3/1P5P/P6P/4K3 w - - 0 1"
BACKWARD = "4k3/8/8/3p1p2/3P4/4P3/8/4K3 w - - 0 1"
CASTLED_APART = "r1bq1rk1/pppn1ppp/8/8/8/5N2/PPP2PPP/2KR3R w - - 0 15"
FILES = "4k3/p7/8/8/8/8/PP6/R3K2R w - - 0 1"
OUTPOST = "4k3/p6p/8/3N4/2P5/8/8/4K3 w - - 0 1"
HANGING = "4k3/8/8/3p4/4N3/8/8/4K3 w - - 0 1"
BACK_RANK = "6k1/5ppp/8/8/8/8/8/4R1K1 w - - 0 1"
CHECKED = "4k3/4r3/8/8/8/8/8/4K3 w - - 0 1"
NAN = math.nan

COUNTED = [
    (START, "own queen", 1),
    ("4k3/8/8/8/8/8/8/3QK3 b - - 0 1", "own queen", 0),
    ("4k3/8/8/8/8/8/8/3QK3 b - - 0 1", "opponent queen", 1),
    (START, "own material", 39),
    ("4k3/8/8/8/8/8/8/3QK3 b - - 0 1", "material balance", -9),
    (START, "phase", 0),
    ("4k3/8/8/8/8/8/8/3QK3 b - - 0 1", "phase", 53),
    (START, "own bishop pair", 1),
    ("2b1k3/8/8/8/8/8/8/2B1K3 w - - 0 1", "opposite bishops", 1),
    ("3bk3/8/8/8/8/8/8/2B1K3 w - - 0 1", "opposite bishops", 0),
    ("r3k1n1/8/8/8/8/8/8/R3K2R w - - 0 1", "own exchange up", 1),
    ("r3k1n1/8/8/8/8/8/8/R3K2R w - - 0 1", "opponent exchange up", 0),
    ("r1b1k1n1/8/8/8/8/8/8/R3K2R w - - 0 1", "own exchange up", 0),
    (STRUCTURE, "own passed pawns", 2),
    (STRUCTURE, "opponent passed pawns", 0),
    ("4k3/8/8/3PP3/4P3/8/8/4K3 w - - 0 1", "own protected passed pawns", 1),
    (STRUCTURE, "own isolated pawns", 2),
    (STRUCTURE, "opponent isolated pawns", 4),
    (STRUCTURE, "own doubled pawns", 1),
    (STRUCTURE, "opponent doubled pawns", 1),
    (STRUCTURE, "own connected pawns", 3),
    (STRUCTURE, "own pawn islands", 3),
    (STRUCTURE, "opponent pawn islands", 3),
    (STRUCTURE, "own centre pawns", 2),
    (BACKWARD, "own backward pawns", 1),
    (BACKWARD, "opponent backward pawns", 0),
    ("4k3/8/8/3p1p2/3PP3/8/8/4K3 w - - 0 1", "own pawn levers", 2),
    ("4k3/8/8/3P4/8/2p5/8/4K3 w - - 0 1", "own advanced pawns", 1),
    ("4k3/8/8/3P4/8/2p5/8/4K3 w - - 0 1", "opponent advanced pawns", 1),
    (CASTLED_APART, "castled to opposite sides", 1),
    (START, "castled to opposite sides", 0),
    (CASTLED_APART, "own king shield", 2),
    (CASTLED_APART, "opponent king shield", 3),
    (CASTLED_APART, "own king's open files", 1),
    (CASTLED_APART, "own king on a wing", 1),
    (START, "own king on a wing", 0),
    (START, "own castling rights", 1),
    (CASTLED_APART, "own castling rights", 0),
    ("6k1/5ppp/8/6P1/7P/8/8/6K1 w - - 0 1", "own pawn storm", 2),
    ("6k1/5ppp/8/6P1/7P/8/8/6K1 w - - 0 1", "opponent pawn storm", 0),
    ("8/8/6k1/7P/8/8/8/6K1 w - - 0 1", "own pawn storm", 1),
    ("8/8/6kP/8/8/8/8/6K1 w - - 0 1", "own pawn storm", 0),
    ("6k1/5ppp/8/8/8/8/8/5RK1 b - - 0 1", "own king zone under attack", 1),
    ("6k1/5ppp/8/8/8/8/8/5RK1 b - - 0 1", "own king attacked by pieces", 1),
    ("6k1/5ppp/8/8/8/8/8/5RK1 b - - 0 1", "opponent king attacked by pieces", 0),
    ("6k1/8/8/8/4K3/8/8/8 w - - 0 1", "own king centralisation", 3),
    ("6k1/8/8/8/4K3/8/8/8 w - - 0 1", "opponent king centralisation", 0),
    (CHECKED, "in check", 1),
    (START, "in check", 0),
    (START, "own mobility", 4),
    ("4k3/8/8/1p6/8/8/8/N3K3 w - - 0 1", "own knight mobility", 2),
    ("4k3/8/8/8/p7/8/8/N3K3 w - - 0 1", "own knight mobility", 1),
    ("4k3/8/8/8/8/8/8/4K3 w - - 0 1", "own knight mobility", NAN),
    ("4k3/8/8/8/8/8/8/4K3 w - - 0 1", "own king steps", 5),
    (START, "own space", 8),
    (START, "space balance", 0),
    ("4k3/8/8/8/8/5N2/8/4K3 w - - 0 1", "own centre control", 2),
    ("4k3/8/8/8/8/2N2N2/8/2B1KB2 w - - 0 1", "own development", 2),
    (FILES, "open files", 6),
    (FILES, "own half-open files", 0),
    (FILES, "opponent half-open files", 1),
    (FILES, "own rooks on open files", 1),
    ("4k3/p7/8/8/8/8/8/R3K3 w - - 0 1", "own rooks on half-open files", 1),
    (FILES, "own connected rooks", 0),
    ("4k3/8/8/8/8/8/8/R4R1K w - - 0 1", "own connected rooks", 1),
    ("6k1/R4p2/8/8/8/8/8/6K1 w - - 0 1", "own rooks on the seventh", 1),
    ("5k2/8/8/8/8/8/R7/6K1 b - - 0 1", "opponent rooks on the seventh", 0),
    (OUTPOST, "own knight outposts", 1),
    (OUTPOST.replace("p6p", "p3p2p"), "own knight outposts", 0),
    (OUTPOST.replace("2P5", "8"), "own knight outposts", 0),
    ("4k3/p6p/8/3B4/2P5/8/8/4K3 w - - 0 1", "own minor outposts", 1),
    ("4k3/8/8/8/3P4/2P5/3P4/2B1K3 w - - 0 1", "own pawns on the bishop's colour", 3),
    ("4k3/8/8/8/4P3/2P5/8/2B1K3 w - - 0 1", "own pawns on the bishop's colour", 1),
    (START, "own pawns on the bishop's colour", NAN),
    ("4k3/8/8/8/8/6P1/5PBP/4K1NR w - - 0 1", "own fianchetto", 1),
    ("4k3/8/8/8/8/8/5PBP/4K1NR w - - 0 1", "own fianchetto", 0),
    ("4k3/8/8/8/8/N6N/8/4K3 w - - 0 1", "own knights on the rim", 2),
    ("4k3/8/8/8/8/8/3R4/3QK3 w - - 0 1", "own battery", 1),
    ("4k3/8/8/8/8/8/4B3/3QK3 w - - 0 1", "own battery", 1),
    ("4k3/8/8/8/8/8/8/2BQK3 w - - 0 1", "own battery", 0),
    ("4k3/4r3/8/8/8/8/4N3/4K3 w - - 0 1", "own pinned men", 1),
    ("7k/8/8/8/3N4/1r3r2/8/7K w - - 0 1", "own forks", 1),
    ("7k/8/8/8/8/1r3r2/4N3/7K w - - 0 1", "own fork moves", 1),
    ("7k/8/8/8/8/1r3r2/4N3/7K w - - 0 1", "own forks", 0),
    (HANGING, "own hanging men", 1),
    (HANGING, "opponent hanging men", 0),
    (HANGING, "own pieces attacked by pawns", 1),
    (HANGING, "opponent winning captures", 1),
    (HANGING, "own winning captures", 0),
    (BACK_RANK, "own mate in one", 1),
    (BACK_RANK, "own checks", 1),
    (BACK_RANK, "opponent mate in one", 0),
    ("4r1k1/5ppp/8/8/8/8/5PPP/6K1 w - - 0 1", "opponent mate in one", 1),
    (CHECKED, "opponent checks", NAN),
    (CHECKED, "own checks", 0),
    ("4k3/8/8/3q4/4P3/8/8/4K3 w - - 0 1", "own capture of the queen", 1),
    ("4k3/8/8/3q4/4P3/8/8/4K3 w - - 0 1", "opponent captures", 1),
    ("4k3/8/8/3q4/4P3/8/8/4K3 w - - 0 1", "opponent capture of the queen", 0),
    ("8/P3k3/8/8/8/8/8/4K3 w - - 0 1", "own promotion", 1),
    ("8/P3k3/8/8/8/8/8/4K3 b - - 0 1", "opponent promotion", 1),
]


@pytest.mark.parametrize(("fen", "name", "value"), COUNTED)
def test_counted_by_hand(fen: str, name: str, value: float) -> None:
    assert BY_NAME[name].measure(chess.Board(fen)) == pytest.approx(value, nan_ok=True)


def test_every_measure_is_counted_by_hand_somewhere() -> None:
    def bare(name: str) -> str:
        return name.removeprefix("own ").removeprefix("opponent ").removesuffix(" balance")

    counted = {bare(name) for _, name, _ in COUNTED}
    by_kind = {"pawn", "knight", "bishop", "rook", "bishop mobility", "rook mobility", "queen mobility"}
    sums = {"pieces' points", "pawns"}
    assert {bare(name) for name in BY_NAME} - counted == by_kind | sums


def test_the_names_are_different_and_defined() -> None:
    assert len(BY_NAME) == len(CONCEPTS) >= 100
    assert all(len(concept.definition) > 20 for concept in CONCEPTS)


@given(st.integers(0, 2**32), st.integers(0, 90))
def test_colours_do_not_count(seed: int, plies: int) -> None:
    generator, board = random.Random(seed), chess.Board()
    for _ in range(plies):
        moves = list(board.legal_moves)
        if not moves:
            break
        board.push(generator.choice(moves))
    mirrored = board.mirror()
    before = [concept.measure(board) for concept in CONCEPTS]
    after = [concept.measure(mirrored) for concept in CONCEPTS]
    np.testing.assert_array_equal(before, after)


def test_own_and_opponent_change_places_with_the_move() -> None:
    board = chess.Board(STRUCTURE)
    there = chess.Board(STRUCTURE.replace(" w ", " b "))
    own, opponent = BY_NAME["own isolated pawns"], BY_NAME["opponent isolated pawns"]
    assert own.measure(board) == opponent.measure(there) == 2
    assert own.measure(there) == opponent.measure(board) == 4


def test_measuring_changes_no_board() -> None:
    board = chess.Board()
    for move in ("e2e4", "e7e5", "g1f3"):
        board.push_uci(move)
    before = board.copy()
    for concept in CONCEPTS:
        concept.on([board])
    assert board == before
    assert board.move_stack == before.move_stack


def test_a_measure_without_a_definition_is_refused() -> None:
    with pytest.raises(ValueError, match="no docstring"):
        from_both_sides("nothing", "none", lambda board, side: 0.0)
