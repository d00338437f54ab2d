"""Turning a board the way canonical input formats do: what ``transforms`` says, compiled."""

from __future__ import annotations

import numpy as np

from engines.chess.bits import U0, U1, U2, U4, U6, U9, U15, mirror
from engines.chess.names import file_set, rank_set, square_set
from engines.chess.position import DIAGONALS, KINGS, KNIGHTS, ORTHOGONALS, OWN, PAWNS, STATE
from engines.chess.transforms import FLIP, MIRROR, TRANSPOSE
from engines.compiled import kernel

_U18, _U36 = np.uint64(18), np.uint64(36)
_LEFT_HALF = np.uint64(file_set("abcd"))
_UPPER_HALF = np.uint64(rank_set("5678"))
_DIAGONAL = np.uint64(square_set("h1 g2 f3 e4"))
_ABOVE_DIAGONAL = np.uint64(square_set("h2 g3 h3 f4 g4 h4"))


@kernel
def _flipped(bits):
    bits = ((bits >> U1) & np.uint64(0x5555555555555555)) | ((bits & np.uint64(0x5555555555555555)) << U1)
    bits = ((bits >> U2) & np.uint64(0x3333333333333333)) | ((bits & np.uint64(0x3333333333333333)) << U2)
    return ((bits >> U4) & np.uint64(0x0F0F0F0F0F0F0F0F)) | ((bits & np.uint64(0x0F0F0F0F0F0F0F0F)) << U4)


@kernel
def _transposed(bits):
    """Swap over the diagonal a8 – h1: quarters of the board, of the quarters, and of those."""
    change = (bits ^ (bits >> _U36)) & np.uint64(0x000000000F0F0F0F)
    bits ^= change ^ (change << _U36)
    change = (bits ^ (bits >> _U18)) & np.uint64(0x0000333300003333)
    bits ^= change ^ (change << _U18)
    change = (bits ^ (bits >> U9)) & np.uint64(0x0055005500550055)
    return bits ^ change ^ (change << U9)


@kernel
def turned(bits, transform):
    """The set of squares ``bits`` (uint64) turned."""
    if transform & FLIP:
        bits = _flipped(bits)
    if transform & MIRROR:
        bits = mirror(bits)
    if transform & TRANSPOSE:
        bits = _transposed(bits)
    return bits


@kernel
def canonical_transform(row):
    """How canonical formats turn the position ``row`` (see `transform_of`)."""
    if (row[STATE] >> U6) & U15:
        return 0
    own, kings = row[OWN], row[KINGS]
    transform = FLIP if own & kings & _LEFT_HALF else 0
    if row[PAWNS]:
        return transform
    if own & kings & _UPPER_HALF:
        transform |= MIRROR
    king = turned(own & kings, transform)
    if king & _ABOVE_DIAGONAL:
        return transform | TRANSPOSE
    if king & _DIAGONAL:
        knights, diagonals, orthogonals = row[KNIGHTS], row[DIAGONALS], row[ORTHOGONALS]
        queens = diagonals & orthogonals
        occupied = knights | diagonals | orthogonals | kings
        for squares in (occupied, own, kings, queens, orthogonals ^ queens, knights, diagonals ^ queens):
            now = turned(squares, transform)
            transposed = _transposed(now)
            if transposed != now:
                return transform | TRANSPOSE if transposed < now else transform
    return transform


@kernel
def turn_planes(row, planes, masks):
    """Turn the first ``planes`` of ``masks`` (uint64) the way that the newest position, ``row``, asks for."""
    transform = canonical_transform(row)
    if transform:
        for plane in range(planes):
            if masks[plane] != U0:
                masks[plane] = turned(masks[plane], transform)
