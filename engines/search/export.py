"""Searched trees in one safetensors file: columns that numpy reads without this package (format in docs/trees.md).

All trees lie behind one another in the same columns, and ``tree_nodes`` and ``tree_edges`` say where each begins.

====================  =======  ======  ===========================================================================
column                dtype    length  content
====================  =======  ======  ===========================================================================
``tree_nodes``        int64    T + 1   tree t has the nodes ``tree_nodes[t]:tree_nodes[t + 1]``
``tree_edges``        int64    T + 1   and the edges ``tree_edges[t]:tree_edges[t + 1]``
``tree_best_edge``    int32    T       edge of the root that is played
``tree_chess960``     uint8    T       1 where castling is Chess960's
``games``             uint8            UTF-8, a line a tree: FEN, `` moves ``, the UCI moves from there to the root
``node_parent``       int32    N       node above, −1 for the root, which is node 0 of its tree
``node_parent_edge``  int32    N       edge that leads here, −1 for the root
``node_first_edge``   int32    N       the legal moves here are the edges from this one on …
``node_edges``        int16    N       … so many of them
``node_visits``       int32    N       simulations through this node
``node_total``        float64  N       sum of their values, view of the side to move here
``node_value``        float32  N       the network's evaluation or the game's result, same view
``node_terminal``     uint8    N       0 open, 1 the side to move is mated, 2 drawn
``edge_move``         uint16   E       from | to << 6 | kind << 12 (below)
``edge_prior``        float32  E       policy, after noise if any; the root's edges come by falling prior
====================  =======  ======  ===========================================================================

Nodes and edges are numbered within their tree.  Squares are the board's own (a1 = 0 … h8 = 63, also when Black moves).
Kinds: 0 quiet or capture, 1 double step, 2 en passant, 3 and 4 castling (to the king's target; in Chess960 to its
rook), 5 to 8 promotion to knight, bishop, rook, queen.  An edge that was never visited leads to no node; of all others
visits and total are their node's, the total with the opposite sign, since an edge is seen by the player who makes the
move.

The file's one metadata entry, ``conceptmine.trees``, is JSON: ``version``, ``sha256`` of the columns and ``about``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from engines.chess.names import A1, C1, E1, G1, H1
from engines.chess.position import CASTLE_LONG, CASTLE_SHORT
from engines.python_chess import chess
from engines.search.forest import DRAWN, EDGE, NODE, OPEN
from engines.search.tree import Tree, TreeArrays

__all__ = ["load_trees", "save_trees"]

Columns = dict[str, NDArray[Any]]

METADATA_KEY: Final = "conceptmine.trees"
VERSION: Final = 1

_NODE_FIELDS: Final = ("parent", "parent_edge", "first_edge", "edges", "visits", "total", "value", "terminal")
_DTYPES: Final = {
    "tree_nodes": "int64",
    "tree_edges": "int64",
    "tree_best_edge": "int32",
    "tree_chess960": "uint8",
    "games": "uint8",
    "node_parent": "int32",
    "node_parent_edge": "int32",
    "node_first_edge": "int32",
    "node_edges": "int16",
    "node_visits": "int32",
    "node_total": "float64",
    "node_value": "float32",
    "node_terminal": "uint8",
    "edge_move": "uint16",
    "edge_prior": "float32",
}
_CODES: Final = {
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "uint16": "U16",
    "uint8": "U8",
    "float64": "F64",
    "float32": "F32",
}
"""What safetensors calls the types."""
_TURN: Final = np.uint16(56 | 56 << 6)
"""Turns both squares of a move to the other side of the board."""


def save_trees(trees: Sequence[Tree], path: str | Path, *, about: Mapping[str, Any] | None = None) -> None:
    """Write trees to one file, which appears at ``path`` only once it is complete; equal trees give equal bytes.

    ``about``: what they come from, anything JSON can hold; by convention ``preset``, ``settings``, ``simulations``,
    ``seed``, ``agent`` and ``agent_sha256``.  What the records hold for the search alone is not stored.

    Raises ``ValueError`` when ``about`` is no JSON or a tree is still being searched (its edges and nodes count
    differently), ``OSError`` when the file cannot be written.
    """
    columns = _columns(trees)
    try:
        description = json.dumps(
            {"version": VERSION, "sha256": _digest(columns), "about": dict(about or {})},
            sort_keys=True,
            allow_nan=False,
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"about must hold only what JSON can: {error}") from None
    path = Path(path)
    partial = path.parent / f".{path.name}.{os.getpid()}.partial"
    try:
        with partial.open("wb") as file:
            file.write(safetensors.numpy.save(columns, {METADATA_KEY: description}))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load_trees(path: str | Path) -> list[Tree]:
    """Read the trees that ``save_trees`` wrote; fields of the records that only a running search uses are zero.

    Raises ``ValueError`` for anything but an undamaged file of this format: every index is checked, and so are the
    moves of the games and of the roots.  Raises ``OSError`` when there is no such file or it cannot be read.
    """
    path = Path(path)
    try:
        columns = _read(path)
        _check(columns)
        return [_tree(columns, index, game) for index, game in enumerate(_games(columns))]
    except _DamagedError as fault:
        raise ValueError(f"{path} is no undamaged file of search trees: {fault}") from None


class _DamagedError(Exception):
    """What is wrong with a file, as the end of a sentence."""


def _require(holds: Any, fault: str) -> None:
    if not np.all(holds):
        raise _DamagedError(fault)


# --- writing ----------------------------------------------------------------------------------------------------------


def _columns(trees: Sequence[Tree]) -> Columns:
    nodes = np.concatenate([np.empty(0, NODE), *(tree.arrays.nodes for tree in trees)])
    edges = np.concatenate([np.empty(0, EDGE), *(tree.arrays.edges for tree in trees)])
    columns: Columns = {
        "tree_nodes": np.cumsum([0, *(len(tree.arrays.nodes) for tree in trees)]),
        "tree_edges": np.cumsum([0, *(len(tree.arrays.edges) for tree in trees)]),
        "tree_best_edge": np.array([_best_edge(tree) for tree in trees]),
        "tree_chess960": np.array([tree.board.chess960 for tree in trees]),
        "games": np.frombuffer("".join(_game(tree.board) + "\n" for tree in trees).encode(), dtype=np.uint8),
        **{f"node_{name}": nodes[name] for name in _NODE_FIELDS},
        "edge_move": edges["move"],
        "edge_prior": edges["prior"],
    }
    columns = {name: np.ascontiguousarray(column, dtype=_DTYPES[name]) for name, column in columns.items()}
    for index, tree in enumerate(trees):
        held = _span(columns, index)
        try:
            _check_tree(held, f"trees[{index}]")
            _check_counts(tree.arrays, f"trees[{index}]")
        except _DamagedError as fault:
            raise ValueError(f"the trees cannot be saved, was their search interrupted? {fault}") from None
        if not tree.board.chess960:
            _respell(held["edge_move"], _CASTLES)
        _turn_moves_of_black(held, held["edge_move"], tree.board.turn == chess.BLACK)
    return columns


# The two castling moves of standard chess, from the kernel's spelling to that of UCI (mover's view).
_CASTLES: Final = {
    E1 | rook << 6 | kind << 12: E1 | target << 6 | kind << 12
    for kind, rook, target in ((CASTLE_SHORT, H1, G1), (CASTLE_LONG, A1, C1))
}


def _best_edge(tree: Tree) -> int:
    return [edge.move for edge in tree.root.edges].index(tree.best_move)


def _game(board: chess.Board) -> str:
    start = board.root().fen(en_passant="fen")
    return " ".join([start, "moves", *(move.uci() for move in board.move_stack)])


def _check_counts(arrays: TreeArrays, name: str) -> None:
    """Raise `_DamagedError` unless visited edges count as their nodes do and unvisited ones not at all."""
    nodes, edges = arrays.nodes[1:], arrays.edges
    leading, unvisited = edges[nodes["parent_edge"]], edges[edges["child"] < 0]
    agrees = (leading["visits"] == nodes["visits"]) & (leading["total"] == -nodes["total"])
    _require(leading["child"] == np.arange(1, len(nodes) + 1), f"an edge of {name} leads to another node than it says")
    _require(len(leading) + len(unvisited) == len(edges), f"an edge of {name} leads to no node of its own")
    _require(agrees, f"an edge of {name} counts differently from its node")
    _require(unvisited["visits"] == 0, f"an edge of {name} has visits and no node")


def _respell(moves: NDArray[np.uint16], spellings: Mapping[int, int]) -> None:
    """Replace some moves (uint16 [edges], in place) by others."""
    places = [(moves == move, spelt) for move, spelt in spellings.items()]
    for here, spelt in places:
        moves[here] = spelt


def _turn_moves_of_black(held: Columns, moves: NDArray[np.uint16], black_to_move: bool) -> None:
    """Change Black's moves (uint16 [edges], in place) from the mover's view to the board's, or back."""
    plies = [0]
    for parent in held["node_parent"][1:].tolist():
        plies.append(plies[parent] + 1)
    by_edge = np.argsort(held["node_first_edge"], kind="stable")
    owners = np.repeat(by_edge, held["node_edges"][by_edge])
    black = (np.array(plies) % 2 == 1) != black_to_move
    moves[black[owners]] ^= _TURN


def _digest(columns: Columns) -> str:
    """SHA-256 over names and contents of all columns, in the order of the table above."""
    digest = hashlib.sha256()
    for name in _DTYPES:
        digest.update(f"{name} {len(columns[name])}\n".encode())
        digest.update(columns[name].data)
    return digest.hexdigest()


# --- reading ----------------------------------------------------------------------------------------------------------


def _read(path: Path) -> Columns:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            description = str((file.metadata() or {}).get(METADATA_KEY))
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            kinds = {name: (part.get_dtype(), len(part.get_shape())) for name, part in slices.items()}
            expected = {name: (_CODES[dtype], 1) for name, dtype in _DTYPES.items()}
            wrong = sorted({name for name, _ in kinds.items() ^ expected.items()})
            _require(not wrong, f"missing, unknown or of another type: {', '.join(wrong)}")
            columns: Columns = {name: file.get_tensor(name) for name in _DTYPES}
    except safetensors.SafetensorError as error:
        raise _DamagedError(f"it is not a whole safetensors file ({error})") from None
    try:
        facts = json.loads(description)
        version, sha256 = facts["version"], facts["sha256"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _DamagedError(f"it has no readable entry {METADATA_KEY!r}") from None
    _require(version == VERSION, f"its version is {version!r}, and this program reads version {VERSION}")
    _require(sha256 == _digest(columns), "its content is not what its checksum says")
    return columns


def _check(columns: Columns) -> None:
    """Lengths of the columns and offsets of the trees; what is inside a tree is `_check_tree`'s."""
    for kind in ("node", "edge"):
        lengths = {len(column) for name, column in columns.items() if name.startswith(f"{kind}_")}
        offsets = columns[f"tree_{kind}s"]
        _require(len(lengths) == 1, f"its {kind} columns differ in length")
        _require(len(offsets) > 0 and offsets[0] == 0 and offsets[-1] == lengths.pop(), f"its {kind} offsets are wrong")
        _require(offsets[1:] > offsets[:-1], f"its {kind} offsets do not rise")
    trees = len(columns["tree_nodes"]) - 1
    for name in ("tree_edges", "tree_best_edge", "tree_chess960"):
        _require(len(columns[name]) == trees + (name == "tree_edges"), f"its column {name} has a wrong length")


def _games(columns: Columns) -> list[str]:
    try:
        lines = columns["games"].tobytes().decode().split("\n")
    except UnicodeDecodeError:
        raise _DamagedError("its games are no UTF-8 text") from None
    _require(len(lines) == len(columns["tree_best_edge"]) + 1 and not lines[-1], "its games are not one line a tree")
    return lines[:-1]


def _span(columns: Columns, index: int) -> Columns:
    """Views of the part of each node and edge column that belongs to one tree."""
    spans = {kind: slice(*columns[f"tree_{kind}s"][index : index + 2]) for kind in ("node", "edge")}
    return {name: column[spans[name[:4]]] for name, column in columns.items() if name[:4] in spans}


def _tree(columns: Columns, index: int, game: str) -> Tree:
    held = _span(columns, index)
    _check_tree(held, f"tree {index}")
    board = _board(game, bool(columns["tree_chess960"][index]), f"tree {index}")
    best = int(columns["tree_best_edge"][index])
    _require(0 <= best < held["node_edges"][0], f"tree {index} plays an edge that its root has not")
    nodes = np.zeros(len(held["node_parent"]), dtype=NODE)
    for name in _NODE_FIELDS:
        nodes[name] = held[f"node_{name}"]
    edges = np.zeros(len(held["edge_move"]), dtype=EDGE)
    edges["move"], edges["prior"] = held["edge_move"], held["edge_prior"]
    _turn_moves_of_black(held, edges["move"], board.turn == chess.BLACK)
    if not board.chess960:
        _respell(edges["move"], {spelt: move for move, spelt in _CASTLES.items()})
    edges["child"] = -1
    leading = nodes["parent_edge"][1:]
    edges["child"][leading] = np.arange(1, len(nodes))
    edges["visits"][leading] = nodes["visits"][1:]
    edges["total"][leading] = -nodes["total"][1:]
    tree = Tree(board, TreeArrays(nodes, edges), best)
    moves = [edge.move for edge in tree.root.edges]
    legal = len(moves) == len(set(moves)) and set(moves) <= set(board.legal_moves)
    _require(legal, f"the moves at the root of tree {index} are not all legal, or not all different")
    return tree


def _check_tree(held: Columns, name: str) -> None:
    """Raise `_DamagedError` unless following any index of a tree stays inside it and comes to an end."""
    parent, leading = held["node_parent"].astype(np.int64), held["node_parent_edge"].astype(np.int64)
    first, moves = held["node_first_edge"].astype(np.int64), held["node_edges"].astype(np.int64)
    terminal, total = held["node_terminal"], held["node_total"]
    _require(parent[0] == leading[0] == -1, f"the first node of {name} is not its root")
    # A parent that comes before its children makes a circle impossible.
    _require((parent[1:] >= 0) & (parent[1:] < np.arange(1, len(parent))), f"a node of {name} hangs on no earlier one")
    by_edge = np.argsort(first, kind="stable")
    ends = np.cumsum(moves[by_edge])
    _require(moves >= 0, f"a node of {name} has negative edges")
    open_first = (first[by_edge] == ends - moves[by_edge])[moves[by_edge] > 0]
    _require(open_first, f"the edges of the nodes of {name} overlap or leave gaps")
    _require(ends[-1] == len(held["edge_move"]), f"{name} has edges of no node")
    _require(terminal <= DRAWN, f"a node of {name} ends the game in an unknown way")
    _require((moves > 0) == (terminal == OPEN), f"a node of {name} has moves though the game is over, or none")
    place = leading[1:] - first[parent[1:]]
    _require((place >= 0) & (place < moves[parent[1:]]), f"a node of {name} is led to by no edge of its parent")
    _require(len(np.unique(leading)) == len(leading), f"two nodes of {name} are led to by one edge")
    _require(held["node_visits"] >= 0, f"a node of {name} has negative visits")
    for numbers in (total, held["node_value"], held["edge_prior"]):
        _require(np.isfinite(numbers), f"a number of {name} is not finite")


def _board(game: str, chess960: bool, name: str) -> chess.Board:
    start, separator, moves = game.partition(" moves")
    _require(separator, f"the game of {name} has no moves")
    try:
        board = chess.Board(start, chess960=chess960)
        for move in map(chess.Move.from_uci, moves.split()):
            if move and not board.is_legal(move):  # python-chess lets a side pass
                raise ValueError(f"{move.uci()} is not legal")
            board.push(move)
    except ValueError as error:
        raise _DamagedError(f"the game of {name} cannot be played ({error})") from None
    return board
