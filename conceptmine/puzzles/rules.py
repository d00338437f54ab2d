"""Which positions make a puzzle worth a strong player's time (Schut et al., section 6: no trivial tactics, no tablebase
endgames, a line of some depth). The paper gives no exact rules; these are ours, each stated where it is applied."""

from __future__ import annotations

from collections.abc import Sequence

import chess

PAWN_VALUES = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9, chess.KING: 100}
"""Rough piece values in pawns; they only decide whether a capture wins material at once."""

TABLEBASE_MEN = 5
"""Positions with this many men or fewer, kings included, are solved by every tablebase."""

MIN_LINE_PLIES = 3
"""A solution needs the move, the answer and the point."""


def unsuitable(board: chess.Board, line: Sequence[chess.Move], *, min_line_plies: int = MIN_LINE_PLIES) -> str | None:
    """Why a position makes no puzzle, in a few words; None where it makes one.

    `board` is the position of the question with the game on its move stack (the opponent's last move must be known);
    `line` is the agent's best line from it, legal, starting with the move to be found.
    """
    if not board.move_stack:
        return "no previous move"
    if chess.popcount(board.occupied) <= TABLEBASE_MEN:
        return "tablebase endgame"
    if len(line) < min_line_plies:
        return "short line"
    if board.legal_moves.count() == 1:
        return "only one legal move"
    if _mates(board):
        return "mate in one"
    move = line[0]
    if _recaptures(board, move):
        return "recapture"
    if (board.is_capture(move) or move.promotion) and exchange_gain(board, move) > 0:
        return "wins material at once"
    return None


def exchange_gain(board: chess.Board, move: chess.Move) -> int:
    """Material in pawns that `move` wins by the exchanges on its target square alone.

    Both sides capture with their least valuable man and may stop whenever going on would lose material; only legal
    captures count, so pins are respected. A quiet move gains 0 at most.
    """
    gain = PAWN_VALUES[move.promotion] - PAWN_VALUES[chess.PAWN] if move.promotion else 0
    if board.is_en_passant(move):
        gain += PAWN_VALUES[chess.PAWN]
    elif board.is_capture(move):
        captured = board.piece_type_at(move.to_square)
        gain += PAWN_VALUES[captured] if captured else 0
    after = board.copy(stack=False)
    after.push(move)
    answers = [answer for answer in after.generate_legal_captures() if answer.to_square == move.to_square]
    if not answers:
        return gain
    cheapest = min(answers, key=lambda answer: (_value_of_mover(after, answer), answer.uci()))
    return gain - max(0, exchange_gain(after, cheapest))


def _value_of_mover(board: chess.Board, move: chess.Move) -> int:
    mover = board.piece_type_at(move.from_square)
    return PAWN_VALUES[mover] if mover else 0


def _mates(board: chess.Board) -> bool:
    for move in board.legal_moves:
        if board.gives_check(move):
            after = board.copy(stack=False)
            after.push(move)
            if after.is_checkmate():
                return True
    return False


def _recaptures(board: chess.Board, move: chess.Move) -> bool:
    last = board.peek()
    if move.to_square != last.to_square or not board.is_capture(move):
        return False
    before = board.copy(stack=1)
    before.pop()
    return before.is_capture(last)
