"""Chess boards as small inline SVG.

The piece drawings are python-chess's (`chess.svg.PIECES`). They stand once in the page (`sprite`) and every board only
refers to them, so that a hundred boards cost little and no id appears twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import chess
import chess.svg
from markupsafe import Markup, escape

SQUARE = chess.svg.SQUARE_SIZE
"""Side of a square in the units of the drawing; python-chess draws its pieces for this size."""

SIDE = 8 * SQUARE


@dataclass(frozen=True)
class Arrow:
    """A move to be drawn: "best" is green and solid, "subpar" red and broken, so that colour is not the only cue."""

    move: chess.Move
    role: Literal["best", "subpar"]


def sprite() -> Markup:
    """The drawings every board refers to: the twelve men and the dark squares. To stand once, first in the page."""
    dark = "".join(
        f"M{file * SQUARE} {row * SQUARE}h{SQUARE}v{SQUARE}h-{SQUARE}z"
        for row in range(8)
        for file in range(8)
        if (file + row) % 2
    )
    squares = f'<g id="squares"><path class="light" d="M0 0h{SIDE}v{SIDE}H0z"/><path class="dark" d="{dark}"/></g>'
    pieces = "".join(chess.svg.PIECES[letter] for letter in sorted(chess.svg.PIECES))
    return Markup(f'<svg class="sprite" width="0" height="0" aria-hidden="true"><defs>{squares}{pieces}</defs></svg>')


def board_svg(board: chess.Board, label: str, arrows: Sequence[Arrow] = (), *, coordinates: bool = False) -> Markup:
    """Draw `board` with the side to move at the bottom, its last move tinted, and `arrows` over it.

    `label` is what a screen reader says; `coordinates` adds letters and digits, for boards large enough to read them.
    """
    white_below = board.turn == chess.WHITE
    parts = ['<use href="#squares"/>']
    if board.move_stack:
        last = board.peek()
        parts += [_square("last", square, white_below) for square in dict.fromkeys((last.from_square, last.to_square))]
    if coordinates:
        parts += _coordinates(white_below)
    for square, piece in sorted(board.piece_map().items()):
        x, y = _corner(square, white_below)
        name = f"{chess.COLOR_NAMES[piece.color]}-{chess.piece_name(piece.piece_type)}"
        parts.append(f'<use href="#{name}" x="{x}" y="{y}"/>')
    # The best move lies on top: it is what the eye should find first.
    for arrow in sorted(arrows, key=lambda arrow: arrow.role == "best"):
        parts.append(_arrow(arrow, white_below))
    body = "".join(parts)
    return Markup(
        f'<svg class="board" viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{escape(label)}">{body}</svg>'
    )


def _corner(square: chess.Square, white_below: bool) -> tuple[int, int]:
    file, rank = chess.square_file(square), chess.square_rank(square)
    column, row = (file, 7 - rank) if white_below else (7 - file, rank)
    return column * SQUARE, row * SQUARE


def _square(name: str, square: chess.Square, white_below: bool) -> str:
    x, y = _corner(square, white_below)
    return f'<rect class="{name}" x="{x}" y="{y}" width="{SQUARE}" height="{SQUARE}"/>'


def _coordinates(white_below: bool) -> list[str]:
    order = range(8) if white_below else range(7, -1, -1)
    files = [
        f'<text class="{_ink(column + 7)}" x="{column * SQUARE + SQUARE - 3}" y="{SIDE - 4}" text-anchor="end">'
        f"{chess.FILE_NAMES[file]}</text>"
        for column, file in enumerate(order)
    ]
    ranks = [
        f'<text class="{_ink(row)}" x="3" y="{row * SQUARE + 11}">{chess.RANK_NAMES[7 - rank]}</text>'
        for row, rank in enumerate(order)
    ]
    return files + ranks


def _ink(parity: int) -> str:
    return "on-dark" if parity % 2 else "on-light"


def _arrow(arrow: Arrow, white_below: bool) -> str:
    (x0, y0), (x1, y1) = (
        (x + SQUARE / 2, y + SQUARE / 2)
        for x, y in (_corner(square, white_below) for square in (arrow.move.from_square, arrow.move.to_square))
    )
    length = math.hypot(x1 - x0, y1 - y0)
    if length == 0:
        return ""
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    head, wide, start, tip = 0.62 * SQUARE, 0.27 * SQUARE, 0.18 * SQUARE, length - 0.12 * SQUARE
    neck = tip - head

    def point(along: float, across: float) -> str:
        return f"{x0 + ux * along - uy * across:.1f},{y0 + uy * along + ux * across:.1f}"

    (ax, ay), (bx, by) = point(start, 0).split(","), point(neck + 1, 0).split(",")
    triangle = " ".join((point(tip, 0), point(neck, wide), point(neck, -wide)))
    return (
        f'<g class="arrow {arrow.role}"><line x1="{ax}" y1="{ay}" x2="{bx}" y2="{by}"/>'
        f'<polygon points="{triangle}"/></g>'
    )
