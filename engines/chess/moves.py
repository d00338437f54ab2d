"""The 1,858 moves of a Leela policy, and the way from a move to its place in that list.

A policy vector lists moves as the side to move sees the board: for Black the ranks are mirrored, the files are not.
The list holds, by origin and then by target square, every pair of squares a queen or a knight can connect on an empty
board, and after those the promotions to queen, rook and bishop. Three choices of that list surprise: a promotion to a
knight is the plain pair of squares (``a7a8``), castling is the king taking its own rook (``e1h1``), and a plain pair
serves every piece that can make the step.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.chess.names import BISHOP, KNIGHT, PIECE_LETTERS, QUEEN, ROOK, SQUARE_NAMES
from engines.chess.position import PROMOTE_BISHOP, PROMOTE_QUEEN
from engines.compiled import kernel
from engines.python_chess import chess

__all__ = [
    "FROM_TO_INDEX",
    "LISTED_MOVES",
    "POLICY_MOVES",
    "POLICY_SIZE",
    "PROMOTION_INDEX",
    "PolicyMove",
    "policy_index",
    "policy_slot",
]

POLICY_SIZE: Final = 1858
"""Length of a policy vector."""

_LISTED_PROMOTIONS: Final = (QUEEN, ROOK, BISHOP)


class PolicyMove(NamedTuple):
    """A move of the list. Squares and the piece to promote to have the numbers of `names`."""

    origin: int
    target: int
    promotion: int | None

    def uci(self) -> str:
        """The move as UCI writes it."""
        promotion = "" if self.promotion is None else PIECE_LETTERS[self.promotion]
        return SQUARE_NAMES[self.origin] + SQUARE_NAMES[self.target] + promotion


def _connected(origin: int, target: int) -> bool:
    """Whether a queen or a knight on an empty board goes from `origin` to `target` in one move."""
    files = abs(origin % 8 - target % 8)
    ranks = abs(origin // 8 - target // 8)
    queen = files == 0 or ranks == 0 or files == ranks
    return origin != target and (queen or {files, ranks} == {1, 2})


def _listed_moves() -> tuple[PolicyMove, ...]:
    plain = [PolicyMove(a, b, None) for a in range(64) for b in range(64) if _connected(a, b)]
    promotions = [
        PolicyMove(8 * 6 + origin_file, 8 * 7 + target_file, piece)
        for origin_file in range(8)
        for target_file in range(max(origin_file - 1, 0), min(origin_file + 2, 8))
        for piece in _LISTED_PROMOTIONS
    ]
    return (*plain, *promotions)


def _lookup_tables(moves: tuple[PolicyMove, ...]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    from_to = np.full((64, 64), -1, dtype=np.int16)
    promotions = np.full((len(_LISTED_PROMOTIONS), 8, 8), -1, dtype=np.int16)
    for index, move in enumerate(moves):
        if move.promotion is None:
            from_to[move.origin, move.target] = index
        else:
            promotions[_LISTED_PROMOTIONS.index(move.promotion), move.origin % 8, move.target % 8] = index
    from_to.setflags(write=False)
    promotions.setflags(write=False)
    return from_to, promotions


LISTED_MOVES: Final = _listed_moves()
"""The moves in policy order, seen from the side to move (its pawns go up the board)."""

POLICY_MOVES: Final[tuple[str, ...]] = tuple(move.uci() for move in LISTED_MOVES)
"""The same as UCI strings."""

_TABLES: Final = _lookup_tables(LISTED_MOVES)

FROM_TO_INDEX: Final[NDArray[np.int16]] = _TABLES[0]
"""int16 [64, 64]: policy index by origin and target square (a1 = 0 … h8 = 63, mover's view); -1 where no piece goes."""

PROMOTION_INDEX: Final[NDArray[np.int16]] = _TABLES[1]
"""int16 [3, 8, 8]: index of a promotion to queen, rook, bishop by origin and target file; -1 where no pawn goes."""

# Plain nested lists: reading one element of a numpy array from Python is several times slower.
_FROM_TO: Final[list[list[int]]] = FROM_TO_INDEX.tolist()
_PROMOTIONS: Final[dict[int, list[list[int]]]] = dict(zip(_LISTED_PROMOTIONS, PROMOTION_INDEX.tolist(), strict=True))


def policy_index(board: chess.Board, move: chess.Move) -> int:
    """Give the place of `move`, played by the side to move of `board`, in the policy vector.

    Castling is accepted as python-chess writes it on a standard board (``e1g1``) and as the king taking its own rook
    (``e1h1``), which is how Chess960 boards write it.

    Args:
        board: a board of chess or Chess960; it is only read.
        move: a move of the side to move. Whether it is legal is not checked.

    Returns:
        An index in ``0 … POLICY_SIZE - 1``.

    Raises:
        ValueError: the policy has no such move (a null move, a drop, a step no piece can make).
    """
    origin, target = move.from_square, move.to_square
    if board.is_castling(move) and not board.rooks & board.occupied_co[board.turn] & chess.BB_SQUARES[target]:
        target = chess.square(7 if target > origin else 0, chess.square_rank(origin))
    if board.turn == chess.BLACK:
        origin, target = origin ^ 56, target ^ 56
    if move.drop is not None:
        index = -1
    elif move.promotion is None or move.promotion == KNIGHT:
        index = _FROM_TO[origin][target]
    elif move.promotion in _PROMOTIONS and origin >> 3 == 6 and target >> 3 == 7:
        index = _PROMOTIONS[move.promotion][origin & 7][target & 7]
    else:
        index = -1
    if index < 0:
        raise ValueError(f"The policy has no place for the move {move.uci()} on the board {board.fen()}.")
    return index


@kernel
def policy_slot(move: int | np.unsignedinteger) -> np.int64:
    """Place in the policy vector of a kernel move (see ``position``), which also writes castling as king takes rook."""
    source, target, kind = np.int64(move) & 63, (np.int64(move) >> 6) & 63, np.int64(move) >> 12
    if PROMOTE_BISHOP <= kind <= PROMOTE_QUEEN:
        return np.int64(PROMOTION_INDEX[PROMOTE_QUEEN - kind, source & 7, target & 7])
    return np.int64(FROM_TO_INDEX[source, target])
