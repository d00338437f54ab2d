"""The rules of chess, compiled; the 112 input planes; the 1,858 moves of a Leela policy."""

from engines.chess.encoding import pack_boards, unpack_planes
from engines.chess.input_formats import INPUT_FORMATS
from engines.chess.moves import POLICY_MOVES, POLICY_SIZE, policy_index
from engines.chess.perft import perft
from engines.chess.transforms import policy_indices

__all__ = [
    "INPUT_FORMATS",
    "POLICY_MOVES",
    "POLICY_SIZE",
    "pack_boards",
    "perft",
    "policy_index",
    "policy_indices",
    "unpack_planes",
]
