"""Motifs are what a player would call them."""

from __future__ import annotations

import chess
import pytest

from conceptmine.benchmarks.motifs import MOTIFS

CASTLING = "r3k2r/pppppppp/8/8/8/8/PPPPPPPP/R3K2R {} KQkq - 0 1"


def _shows(name: str, fen: str) -> set[str]:
    board = chess.Board(fen)
    return {move.uci() for move in board.legal_moves if MOTIFS[name](board, move)}


@pytest.mark.parametrize(("side", "expected"), [("w", {"e1g1", "e1c1"}), ("b", {"e8g8", "e8c8"})])
def test_castling(side: str, expected: set[str]) -> None:
    assert _shows("castling", CASTLING.format(side)) == expected


def test_pushes_of_flank_pawns_but_not_captures() -> None:
    assert _shows("flank-pawn", chess.STARTING_FEN) == {"a2a3", "a2a4", "h2h3", "h2h4"}
    assert _shows("flank-pawn", "4k3/8/8/8/1p6/P6p/1P5P/4K3 w - - 0 1") == {"a3a4"}
    assert _shows("flank-pawn", "4k3/p6p/8/8/8/8/8/4K3 b - - 0 1") == {"a7a6", "a7a5", "h7h6", "h7h5"}


@pytest.mark.parametrize(
    ("fen", "expected"),
    [
        ("4k3/8/8/8/4P3/2N5/8/4K3 w - - 0 1", {"c3d5"}),  # protected by e4, nothing can chase it
        ("4k3/2p5/8/8/4P3/2N5/8/4K3 w - - 0 1", set()),  # c7-c6 would
        ("4k3/8/8/2p5/4P3/2N5/8/4K3 w - - 0 1", {"c3d5"}),  # the pawn on c5 has passed it
        ("4k3/8/8/8/8/2N5/4P3/4K3 w - - 0 1", set()),  # no pawn protects it
        ("4k3/8/2n5/4p3/8/8/8/4K3 b - - 0 1", {"c6d4"}),  # the same for Black
        ("4k3/8/2n5/4p3/8/8/4P3/4K3 b - - 0 1", set()),  # e2-e3 chases it
    ],
)
def test_outposts(fen: str, expected: set[str]) -> None:
    assert _shows("outpost", fen) == expected
