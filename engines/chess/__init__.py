"""The rules of chess, compiled; the 112 input planes; the 1,858 moves of a Leela policy."""

from engines.chess.encoding import pack_boards, unpack_planes
from engines.chess.moves import POLICY_MOVES, POLICY_SIZE, policy_index
from engines.chess.perft import perft

__all__ = ["POLICY_MOVES", "POLICY_SIZE", "pack_boards", "perft", "policy_index", "unpack_planes"]
