"""Chess boards as the 112 input planes of a Leela network.

The planes are kept packed: one bit mask and one value a plane, 1.3 kB a board instead of 28 kB. Bit *s* of a mask is
square *s* (a1 = 0 … h8 = 63) as the side to move sees it, that is, with the ranks mirrored for Black; the plane holds
the value where the bit is set and zero elsewhere.

Planes 0–103 are the last eight boards, newest first, 13 planes each: the mover's P N B R Q K, the opponent's
P N B R Q K, and all ones if that board had occurred before. All eight are shown from the side to move of the newest.
Planes 104–111 are the mover's right to castle long and short, the opponent's, all ones for Black to move, the count of
plies since a capture or pawn move, zeros, and ones.

That is the classical input format; the others differ from it (`input_formats`):

- From format 2 on, plane 104 has the rooks with a right to castle long, plane 105 those with a right to castle short,
  both sides'; planes 106 and 107 are empty.
- Canonical formats show nothing that cannot come back. Going back, history ends before a board with other rights to
  castle than the newest, before an older board with a pawn to take en passant, and after a board that a capture or pawn
  move led to. V2 formats show, of older boards, only those that had occurred before, up to seven with no gaps between
  them, from however long ago, and none in the place of unknown ones. Instead of the side to move, plane 108 has the
  square on the last rank of the file where the mover may take en passant. In the end planes 0–108 are turned the way
  that `transforms.transform_of` says.
- Hectoplies are plies divided by 100; armageddon formats have all ones for Black to move on plane 110.

What stands here reads python-chess boards and their move stacks; it is the plain statement of the rules that the
compiled encoder of the search is tested against.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.chess.castling import castling_rooks
from engines.chess.input_formats import (
    ARMAGEDDON,
    CANONICAL,
    CLASSICAL_112,
    FILL_OLDEST,
    HECTOPLIES,
    HISTORY_FILLS,
    REPEATED_ONLY,
    ROOK_SQUARES,
    encoding_of,
)
from engines.chess.names import rank_set, square_set
from engines.chess.transforms import transform_of, turned_masks
from engines.compiled import kernel
from engines.python_chess import chess

__all__ = [
    "CLASSICAL_112",
    "HISTORY_BOARDS",
    "HISTORY_FILLS",
    "INPUT_PLANES",
    "PLANES_PER_BOARD",
    "check_board",
    "pack_boards",
    "unpack_planes",
]

INPUT_PLANES: Final = 112
HISTORY_BOARDS: Final = 8
PLANES_PER_BOARD: Final = 13

_AUXILIARY: Final = HISTORY_BOARDS * PLANES_PER_BOARD
_CASTLING: Final = _AUXILIARY
_BLACK_TO_MOVE: Final = _AUXILIARY + 4
_EN_PASSANT: Final = _AUXILIARY + 4
_TURNED: Final = _EN_PASSANT + 1
_RULE50: Final = _AUXILIARY + 5
_ARMAGEDDON: Final = _AUXILIARY + 6
_ONES: Final = _AUXILIARY + 7
_REPEATED: Final = 12
_ALL: Final = 0xFFFF_FFFF_FFFF_FFFF

# A board cannot recur sooner than four plies after a capture or pawn move, nor repeat one from before that move.
_FIRST_REPETITION_CLOCK: Final = 4
_LAST_ORIGINAL_CLOCK: Final = 2


class _Snapshot(NamedTuple):
    """What makes two boards of one game the same, White's ranks first. The side to move follows from the ply."""

    pawns: int
    knights: int
    bishops: int
    rooks: int
    queens: int
    kings: int
    white: int
    black: int
    castling: int
    ep_square: int | None

    @property
    def pieces(self) -> tuple[int, ...]:
        """The six kinds of piece, White's pieces, Black's."""
        return self[:8]


class _Ply(NamedTuple):
    snapshot: _Snapshot
    halfmove_clock: int


_STANDARD_START: Final = _Snapshot(
    pawns=rank_set("27"),
    knights=square_set("b1 g1 b8 g8"),
    bishops=square_set("c1 f1 c8 f8"),
    rooks=square_set("a1 h1 a8 h8"),
    queens=square_set("d1 d8"),
    kings=square_set("e1 e8"),
    white=rank_set("12"),
    black=rank_set("78"),
    castling=square_set("a1 h1 a8 h8"),
    ep_square=None,
)


def check_board(board: object, index: int) -> chess.Board:
    """Give `board` back if it is a board of chess or Chess960, else say in one sentence why it is not.

    Args:
        board: what was passed as item `index` of a sequence of boards.
        index: its place, for the message.

    Raises:
        TypeError: not a ``chess.Board``.
        ValueError: a variant, or a board without both kings.
    """
    if not isinstance(board, chess.Board):
        raise TypeError(f"Item {index} is of type {type(board).__name__}; expected a chess.Board.")
    if board.uci_variant != "chess":
        raise ValueError(f"Board {index} is of the variant {board.uci_variant}; only chess and Chess960 are supported.")
    if board.king(chess.WHITE) is None or board.king(chess.BLACK) is None:
        raise ValueError(f"Board {index} ({board.fen()}) has no king of one colour; give a legal position.")
    return board


def pack_boards(
    boards: Sequence[chess.Board], input_format: int = CLASSICAL_112, history_fill: str = "fen_only"
) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """Encode boards, with the history in their move stacks, as packed input planes.

    Args:
        boards: n boards of chess or Chess960; they are only read.
        input_format: Leela's number of the input format, one of `input_formats.INPUT_FORMATS`.
        history_fill: what planes older than the known history show. ``"fen_only"``: the oldest known board again, with
            a pawn that has just made a double step put back, unless that board is the start position of chess (then
            nothing). ``"no"``: nothing, save one such board when a double step is known to have led to the oldest.
            Canonical formats, whose history ends at a double step, put none back.

    Returns:
        ``(masks, values)``: uint64 [n, 112], bit s = square s as the side to move sees it; float32 [n, 112], the value
        at the set bits.

    Raises:
        TypeError: an item is not a ``chess.Board``.
        ValueError: a variant board, an unknown input format or history fill.
    """
    encoding = encoding_of(input_format, history_fill)
    n = len(boards)
    masks = np.zeros((n, INPUT_PLANES), dtype=np.uint64)
    values = np.ones((n, INPUT_PLANES), dtype=np.float32)
    history = masks[:, :_AUXILIARY].reshape(n, HISTORY_BOARDS, PLANES_PER_BOARD)
    black_to_move = np.zeros(n, dtype=bool)
    transforms = np.zeros(n, dtype=np.int64)
    shown = np.zeros((n, HISTORY_BOARDS, 8), dtype=np.uint64)  # six kinds of piece, White's pieces, Black's
    for i, item in enumerate(boards):
        board = check_board(item, i)
        plies = _past(board, encoding)
        stack, repeated = (_reversible if encoding & CANONICAL else _latest)(board, plies, encoding)
        shown[i, : len(stack)] = stack
        history[i, : len(repeated), _REPEATED] = [_ALL if flag else 0 for flag in repeated]
        masks[i, _CASTLING : _CASTLING + 4] = (_rook_masks if encoding & ROOK_SQUARES else _castling_masks)(board)
        if encoding & CANONICAL:
            masks[i, _EN_PASSANT] = _en_passant_mask(plies[0].snapshot)
        black_to_move[i] = board.turn == chess.BLACK
        transforms[i] = transform_of(board, input_format)
        values[i, _RULE50] = board.halfmove_clock
    # Mirroring the ranks of a mask is reversing its eight bytes.
    shown[black_to_move] = shown[black_to_move].byteswap()
    kinds, white, black = shown[:, :, :6], shown[:, :, 6:7], shown[:, :, 7:8]
    mover_is_black = black_to_move[:, None, None]
    history[:, :, 0:6] = kinds & np.where(mover_is_black, black, white)
    history[:, :, 6:12] = kinds & np.where(mover_is_black, white, black)
    if not encoding & CANONICAL:
        masks[black_to_move, _BLACK_TO_MOVE] = _ALL
    if encoding & ARMAGEDDON:
        masks[black_to_move, _ARMAGEDDON] = _ALL
    if encoding & HECTOPLIES:
        values[:, _RULE50] /= np.float32(100)
    masks[:, _RULE50] = _ALL
    masks[:, _ONES] = _ALL
    for transform in np.unique(transforms[transforms > 0]):
        rows = transforms == transform
        masks[rows, :_TURNED] = turned_masks(masks[rows, :_TURNED], int(transform))
    return masks, values


def unpack_planes(
    masks: NDArray[np.uint64], values: NDArray[np.float32], out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Write packed planes out in full.

    Args:
        masks: uint64 [n, planes].
        values: float32 [n, planes].
        out: where to write, float32 [n, planes, 8, 8] of any strides; a new C-contiguous array by default.

    Returns:
        float32 [n, planes, 8, 8]: sample, plane, rank, file, as seen by the side to move.

    Raises:
        ValueError: wrong shapes or types.
    """
    if masks.ndim != 2 or masks.dtype != np.uint64:
        raise ValueError(f"masks must be uint64 [n, planes], not {masks.dtype} {list(masks.shape)}.")
    if values.shape != masks.shape or values.dtype != np.float32:
        raise ValueError(f"values must be float32 {list(masks.shape)}, not {values.dtype} {list(values.shape)}.")
    shape = (*masks.shape, 8, 8)
    if out is None:
        out = np.empty(shape, dtype=np.float32)
    elif out.shape != shape or out.dtype != np.float32:
        raise ValueError(f"out must be float32 {list(shape)}, not {out.dtype} {list(out.shape)}.")
    _unpack(masks, values, out)
    return out


@kernel
def _unpack(masks: NDArray[np.uint64], values: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    for i in range(masks.shape[0]):
        for plane in range(masks.shape[1]):
            mask = masks[i, plane]
            value = values[i, plane]
            for rank in range(8):
                for file in range(8):
                    bit = (mask >> np.uint64(8 * rank + file)) & np.uint64(1)
                    out[i, plane, rank, file] = value if bit else np.float32(0)


def _past(board: chess.Board, encoding: int) -> list[_Ply]:
    """The plies that the planes depend on, newest first: the last eight boards, and older ones that they may repeat.

    Where only repetitions are shown, as many boards as could be one.
    """
    depth = min(len(board.move_stack), board.halfmove_clock if encoding & REPEATED_ONLY else HISTORY_BOARDS - 1)
    plies = _snapshots(board, depth)
    # Any of them may repeat a board that lies further back, but never from before a capture or pawn move.
    needed = max((age + ply.halfmove_clock for age, ply in enumerate(plies) if _can_repeat(ply)), default=0)
    needed = min(len(board.move_stack), needed)
    return plies if needed <= depth else _snapshots(board, needed)


def _can_repeat(ply: _Ply) -> bool:
    return ply.halfmove_clock >= _FIRST_REPETITION_CLOCK


def _snapshots(board: chess.Board, depth: int) -> list[_Ply]:
    """The newest ``depth + 1`` plies of a game, newest first."""
    known = len(board.move_stack)
    cursor = board.copy(stack=depth)
    plies = [_snapshot(cursor, is_oldest=known == 0)]
    for age in range(1, depth + 1):
        cursor.pop()
        plies.append(_snapshot(cursor, is_oldest=age == known))
    return plies


def _snapshot(board: chess.Board, is_oldest: bool) -> _Ply:
    snapshot = _Snapshot(
        board.pawns,
        board.knights,
        board.bishops,
        board.rooks,
        board.queens,
        board.kings,
        board.occupied_co[chess.WHITE],
        board.occupied_co[chess.BLACK],
        board.clean_castling_rights(),
        board.ep_square if is_oldest or _pawn_beside(board) else None,
    )
    return _Ply(snapshot, board.halfmove_clock)


def _pawn_beside(board: chess.Board) -> bool:
    """Whether a pawn of the side to move stands beside the pawn that has just made a double step, pinned or not.

    Only then does lc0 tell boards apart by en passant, save that it takes a square written in a FEN as it stands.
    """
    if board.ep_square is None:
        return False
    attackers = chess.BB_PAWN_ATTACKS[not board.turn][board.ep_square]
    return bool(attackers & board.pawns & board.occupied_co[board.turn])


def _has_occurred_before(plies: list[_Ply], age: int) -> bool:
    """Whether the board `age` plies ago repeats an older one."""
    if not _can_repeat(plies[age]):
        return False
    for earlier in range(age + 2, len(plies), 2):
        if plies[earlier].snapshot == plies[age].snapshot:
            return True
        if plies[earlier].halfmove_clock < _LAST_ORIGINAL_CLOCK:
            return False
    return False


def _latest(board: chess.Board, plies: list[_Ply], encoding: int) -> tuple[list[tuple[int, ...]], list[bool]]:
    """The last eight boards, and which of those that are known had occurred before."""
    repeated = [_has_occurred_before(plies, age) for age in range(min(len(plies), HISTORY_BOARDS))]
    stack = [ply.snapshot.pieces for ply in plies[:HISTORY_BOARDS]]
    return stack + _filled(board, plies, encoding), repeated


def _reversible(board: chess.Board, plies: list[_Ply], encoding: int) -> tuple[list[tuple[int, ...]], list[bool]]:
    """The boards that a canonical format shows, and which of those that are known had occurred before."""
    stack: list[tuple[int, ...]] = []
    repeated: list[bool] = []
    for age, (snapshot, halfmove_clock) in enumerate(plies):
        if age > 0 and (snapshot.ep_square is not None or snapshot.castling != plies[0].snapshot.castling):
            return stack, repeated
        again = _has_occurred_before(plies, age)
        if age == 0 or again or not encoding & REPEATED_ONLY:
            stack.append(snapshot.pieces)
            repeated.append(again)
        if len(stack) == HISTORY_BOARDS or halfmove_clock == 0:
            return stack, repeated
    # A board from before the known history would have come about by the oldest one's double step.
    if encoding & REPEATED_ONLY or plies[-1].snapshot.ep_square is not None:
        return stack, repeated
    return stack + _filled(board, plies, encoding), repeated


def _filled(board: chess.Board, plies: list[_Ply], encoding: int) -> list[tuple[int, ...]]:
    """What the planes older than the known history show, newest first."""
    known = len(board.move_stack) + 1
    missing = HISTORY_BOARDS - known
    if missing <= 0:
        return []
    oldest = plies[-1].snapshot
    white_to_move = (board.turn == chess.WHITE) == (known % 2 == 1)
    if encoding & FILL_OLDEST and white_to_move and oldest == _STANDARD_START:
        return []
    if not encoding & FILL_OLDEST:
        if oldest.ep_square is None:
            return []
        missing = 1
    return [_before_double_step(oldest, white_to_move).pieces] * missing


def _before_double_step(snapshot: _Snapshot, white_to_move: bool) -> _Snapshot:
    """The board with the pawn that has just passed the en passant square put back where it came from."""
    if snapshot.ep_square is None:
        return snapshot
    ahead = -8 if white_to_move else 8  # the opponent's pawn went two ranks towards the side to move
    moved = chess.BB_SQUARES[snapshot.ep_square + ahead] | chess.BB_SQUARES[snapshot.ep_square - ahead]
    pawns = snapshot.pawns ^ moved
    if white_to_move:
        return snapshot._replace(pawns=pawns, black=snapshot.black ^ moved)
    return snapshot._replace(pawns=pawns, white=snapshot.white ^ moved)


def _castling_masks(board: chess.Board) -> list[int]:
    """All-ones or empty masks of the mover's rights to castle long and short, then the opponent's."""
    long, short = board.has_queenside_castling_rights, board.has_kingside_castling_rights
    rights = [long(board.turn), short(board.turn), long(not board.turn), short(not board.turn)]
    return [_ALL if right else 0 for right in rights]


def _rook_masks(board: chess.Board) -> list[int]:
    """The rooks that may castle long, those that may castle short, mover's view; and two empty masks."""
    masks = [0, 0, 0, 0]
    for right, distance in castling_rooks(board).items():
        white, long = right < 2, right % 2 == 1
        file, rank = distance if long else 7 - distance, 0 if white == board.turn else 7
        masks[0 if long else 1] |= chess.BB_SQUARES[chess.square(file, rank)]
    return masks


def _en_passant_mask(snapshot: _Snapshot) -> int:
    """The last rank's square of the file where the mover may take en passant."""
    return 0 if snapshot.ep_square is None else chess.BB_SQUARES[chess.square(chess.square_file(snapshot.ep_square), 7)]
