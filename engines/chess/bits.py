"""Bit operations on 64-square sets, and the unsigned constants that keep numba from turning them into floats.

A square set is a ``uint64`` whose bit ``s`` stands for square ``s`` (a1 = 0, b1 = 1, ..., h8 = 63).  numba promotes
``uint64`` with a signed integer to ``float64``; every constant that meets a square set is therefore ``numpy.uint64``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

U0, U1, U2, U3, U4, U5, U6, U7, U8, U9 = (np.uint64(n) for n in range(10))
U10, U11, U12, U15, U16, U17, U19, U35 = (np.uint64(n) for n in (10, 11, 12, 15, 16, 17, 19, 35))
U56, U63, U255 = (np.uint64(n) for n in (56, 63, 255))

RANK_1 = np.uint64(0x00000000000000FF)
RANK_3 = np.uint64(0x0000000000FF0000)
RANK_8 = np.uint64(0xFF00000000000000)
NOT_FILE_A = np.uint64(0xFEFEFEFEFEFEFEFE)
NOT_FILE_H = np.uint64(0x7F7F7F7F7F7F7F7F)


@intrinsic
def lowest(typing_context: Any, bits: Any) -> Any:
    """Index of the lowest set bit (``uint64`` → ``uint64``); the set must not be empty."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@intrinsic
def count(typing_context: Any, bits: Any) -> Any:
    """Number of set bits (``uint64`` → ``uint64``)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def mirror(typing_context: Any, bits: Any) -> Any:
    """The set seen from the other side of the board: ranks reversed, files kept (one byte swap)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bswap(arguments[0])

    return types.uint64(types.uint64), generate
