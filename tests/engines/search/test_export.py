"""Trees in a file: what comes back is what was saved, and nothing but an undamaged file is taken for one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import chess
import numpy as np
import pytest
import safetensors.numpy

from engines.search import Tree, search
from engines.search.export import METADATA_KEY, load_trees, save_trees

DOCUMENT = Path(__file__).parents[3] / "docs" / "trees.md"
NODE_FIELDS = ("parent", "parent_edge", "first_edge", "edges", "visits", "total", "value", "terminal")
EDGE_FIELDS = ("move", "prior", "visits", "total", "child")
Games = Callable[[int, int, int], Iterator[chess.Board]]


@pytest.fixture(scope="module", params=["lc0", "alphazero", "gumbel"])
def preset(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def trees(preset: str, random_games: Games, hashing: Callable[..., Any]) -> list[Tree]:
    boards = [game for game in random_games(5, 12, 40) if any(game.legal_moves)]
    assert {board.turn for board in boards} == {chess.WHITE, chess.BLACK}
    return search(hashing(2), boards, simulations=60, preset=preset)


@pytest.fixture
def saved(hashing: Callable[..., Any], tmp_path: Path) -> Path:
    """Two small trees, the second from a game that Black moves in."""
    played = chess.Board()
    played.push_uci("e2e4")
    save_trees(search(hashing(), [chess.Board(), played], simulations=12), tmp_path / "trees")
    return tmp_path / "trees"


def test_all_comes_back(trees: list[Tree], tmp_path: Path) -> None:
    save_trees(trees, tmp_path / "trees", about={"seed": 0})
    loaded = load_trees(tmp_path / "trees")
    assert len(loaded) == len(trees)
    for found, tree in zip(loaded, trees, strict=True):
        for names, records, originals in (
            (NODE_FIELDS, found.arrays.nodes, tree.arrays.nodes),
            (EDGE_FIELDS, found.arrays.edges, tree.arrays.edges),
        ):
            for name in names:
                if name == "first_edge":  # means nothing where there are no edges
                    some = tree.arrays.nodes["edges"] > 0
                    assert np.array_equal(records[name][some], originals[name][some])
                else:
                    assert np.array_equal(records[name], originals[name]), name
        assert found.board == tree.board
        assert found.board.move_stack == tree.board.move_stack
        assert found.board.root() == tree.board.root()
        assert found.best_move == tree.best_move
        assert found.value == tree.value
        assert (found.visits, found.q, found.prior) == (tree.visits, tree.q, tree.prior)
        assert found.line() == tree.line()
        for move in tree.visits:
            assert found.line(after=move) == tree.line(after=move)
    assert list(tmp_path.iterdir()) == [tmp_path / "trees"]


def test_moves_are_written_as_the_board_shows_them(trees: list[Tree], tmp_path: Path) -> None:
    """Every edge of every node, by the recipe of the documentation."""
    save_trees(trees, tmp_path / "trees")
    columns = safetensors.numpy.load_file(tmp_path / "trees")
    kinds = set()
    for index, tree in enumerate(trees):
        codes = columns["edge_move"][slice(*columns["tree_edges"][index : index + 2])].tolist()
        waiting = [(tree.root, 0)]
        while waiting:
            node, number = waiting.pop()
            first = int(tree.arrays.nodes["first_edge"][number])
            written = {}
            for place in range(first, first + len(node.edges)):
                kind = codes[place] >> 12
                kinds.add(kind)
                move = chess.Move(codes[place] & 63, codes[place] >> 6 & 63, kind - 3 if kind > 4 else None)
                written[move] = int(tree.arrays.edges["visits"][place])
            assert written == {edge.move: edge.visits for edge in node.edges}
            for edge in node.edges:
                below = node.follow(edge)
                waiting += [(below, edge.child)] if below is not None else []
    assert {0, 1, 3, 5, 8} <= kinds


def test_equal_trees_give_equal_bytes(trees: list[Tree], tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_trees(trees, tmp_path / name, about={"preset": "lc0", "seed": 1, "agent": "x"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_no_file_can_hold(hashing: Callable[..., Any], tmp_path: Path) -> None:
    trees = search(hashing(), [chess.Board()], simulations=5)
    with pytest.raises(ValueError, match="about must hold only what JSON can"):
        save_trees(trees, tmp_path / "trees", about={"agent": object()})
    trees[0].arrays.edges["visits"][0] += 1
    with pytest.raises(ValueError, match="an edge of trees\\[0\\] counts differently"):
        save_trees(trees, tmp_path / "trees")
    with pytest.raises(OSError, match="trees"):
        save_trees([], tmp_path / "nowhere" / "trees")
    assert not list(tmp_path.iterdir())


def test_no_trees_and_passed_moves(hashing: Callable[..., Any], tmp_path: Path) -> None:
    save_trees([], tmp_path / "none")
    assert load_trees(tmp_path / "none") == []
    board = chess.Board()
    board.push(chess.Move.null())
    save_trees(search(hashing(), [board], simulations=3), tmp_path / "passed")
    assert load_trees(tmp_path / "passed")[0].board.move_stack == board.move_stack


def rewritten(path: Path, columns: dict[str, Any], **facts: Any) -> Path:
    """``path`` with other columns and the checksum, as documented, that makes them look undamaged."""
    with safetensors.safe_open(path, framework="numpy") as file:
        described = json.loads(file.metadata()[METADATA_KEY])
    order = [line.split("`")[1] for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    digest = hashlib.sha256()
    for name in order:
        digest.update(f"{name} {len(columns.get(name, ''))}\n".encode() + columns.get(name, np.empty(0)).tobytes())
    metadata = {METADATA_KEY: json.dumps(described | {"sha256": digest.hexdigest()} | facts)}
    safetensors.numpy.save_file(columns, path, metadata)
    return path


def test_the_checksum_is_the_documented_one(saved: Path) -> None:
    assert len(load_trees(rewritten(saved, safetensors.numpy.load_file(saved)))) == 2


def set_to(name: str, place: int | slice, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(columns: dict[str, Any]) -> None:
        columns[name][place] = value

    return change


def exchange(name: str, make: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    def change(columns: dict[str, Any]) -> None:
        columns[name] = make(columns[name])

    return change


def text(old: bytes, new: bytes) -> Callable[[Any], Any]:
    return lambda games: np.frombuffer(games.tobytes().replace(old, new), dtype=np.uint8)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (exchange("edge_prior", lambda column: column.astype(np.float64)), "of another type: edge_prior"),
        (exchange("edge_prior", lambda column: column[:, None]), "of another type: edge_prior"),
        (lambda columns: columns.pop("node_value"), "missing, unknown or of another type: node_value"),
        (lambda columns: columns.update(extra=np.zeros(2)), "missing, unknown or of another type: extra"),
        (exchange("node_value", lambda column: column[1:]), "its node columns differ in length"),
        (exchange("tree_chess960", lambda column: column[1:]), "its column tree_chess960 has a wrong length"),
        (set_to("tree_nodes", 0, 1), "its node offsets are wrong"),
        (set_to("tree_nodes", 2, 2**60), "its node offsets are wrong"),
        (set_to("tree_edges", 1, 0), "its edge offsets do not rise"),
        (set_to("tree_nodes", 1, -5), "its node offsets do not rise"),
        (set_to("tree_best_edge", 1, 20), "tree 1 plays an edge that its root has not"),
        (set_to("node_parent", 0, 0), "the first node of tree 0 is not its root"),
        (set_to("node_parent", 3, 3), "a node of tree 0 hangs on no earlier one"),
        (set_to("node_first_edge", 2, -1), "the edges of the nodes of tree 0 overlap or leave gaps"),
        (set_to("node_first_edge", 2, 2**31 - 1), "the edges of the nodes of tree 0 overlap or leave gaps"),
        (set_to("node_edges", 1, -3), "a node of tree 0 has negative edges"),
        (set_to("node_edges", 11, 2), "tree 0 has edges of no node"),
        (set_to("node_terminal", 4, 7), "a node of tree 0 ends the game in an unknown way"),
        (set_to("node_terminal", 4, 1), "a node of tree 0 has moves though the game is over"),
        (set_to("node_parent_edge", 1, 20), "is led to by no edge of its parent"),
        (set_to("node_visits", 1, -1), "a node of tree 0 has negative visits"),
        (set_to("node_total", 1, np.nan), "a number of tree 0 is not finite"),
        (set_to("edge_move", 0, 0), "the moves at the root of tree 0 are not all legal"),
        (exchange("games", text(b"e2e4", b"e2e5")), "the game of tree 1 cannot be played"),
        (exchange("games", text(b"rnbqkbnr", b"rnbqkbxr")), "the game of tree 0 cannot be played"),
        (exchange("games", text(b"moves", b"loves")), "the game of tree 0 has no moves"),
        (exchange("games", text(b"moves", b"\xff")), "its games are no UTF-8 text"),
        (exchange("games", text(b"\n", b"")), "its games are not one line a tree"),
    ],
)
def test_columns_that_do_not_fit(change: Callable[[dict[str, Any]], None], fault: str, saved: Path) -> None:
    columns = safetensors.numpy.load_file(saved)
    change(columns)
    with pytest.raises(ValueError) as caught:
        load_trees(rewritten(saved, columns))
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


def test_foreign_files(saved: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    columns = safetensors.numpy.load_file(saved)
    for content, fault in (
        (b"", "it is not a whole safetensors file"),
        (b"PK\x03\x04 a zip archive", "it is not a whole safetensors file"),
        (saved.read_bytes()[:-1], "it is not a whole safetensors file"),
        (safetensors.numpy.save(columns), "it has no readable entry 'conceptmine.trees'"),
        (safetensors.numpy.save(columns, {METADATA_KEY: "[" * 100_000}), "it has no readable entry"),
        (safetensors.numpy.save(columns, {METADATA_KEY: "{}"}), "it has no readable entry"),
        (rewritten(saved, columns, version=2).read_bytes(), "its version is 2"),
    ):
        foreign.write_bytes(content)
        with pytest.raises(ValueError, match=f"foreign is no undamaged file of search trees: {fault}"):
            load_trees(foreign)
    with pytest.raises(OSError, match="nowhere"):
        load_trees(tmp_path / "nowhere")


def test_no_flipped_bit_goes_unnoticed(saved: Path) -> None:
    whole = saved.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[int(generator.integers(len(whole)))] ^= 1 << int(generator.integers(8))
        saved.write_bytes(damaged)
        with pytest.raises(ValueError, match="is no undamaged file of search trees"):
            load_trees(saved)


def test_wrong_numbers_under_a_right_checksum_do_no_harm(saved: Path) -> None:
    """Whatever the numbers are, loading ends with ``ValueError`` or with trees that can be read to the end."""
    whole = safetensors.numpy.load_file(saved)
    generator = np.random.default_rng(1)
    refused = 0
    for _ in range(300):
        columns = {name: column.copy() for name, column in whole.items()}
        for _ in range(int(generator.integers(1, 4))):
            column = columns[list(columns)[int(generator.integers(len(columns)))]].view(np.uint8)
            column[int(generator.integers(len(column)))] = generator.integers(256)
        try:
            trees = load_trees(rewritten(saved, columns))
        except ValueError:
            refused += 1
            continue
        for tree in trees:
            assert tree.best_move in tree.visits
            for move in tree.visits:
                tree.line(after=move)
    assert 100 < refused < 300


def test_trees_of_chess960(hashing: Callable[..., Any], tmp_path: Path) -> None:
    """Castling is the king taking its rook, on the board and in the file."""
    fens = ("1rkr4/pppppppp/8/8/8/8/PPPPPPPP/1RKR4 w DBdb - 0 1", "r3k2r/8/8/8/8/8/8/R3K2R b KQkq - 0 1")
    boards = [chess.Board(fen, chess960=True) for fen in fens]
    boards[1].push_uci("e8h8")
    trees = search(hashing(), boards, simulations=120)
    save_trees(trees, tmp_path / "trees")
    for found, tree in zip(load_trees(tmp_path / "trees"), trees, strict=True):
        assert found.board.chess960
        assert (found.board, found.board.move_stack) == (tree.board, tree.board.move_stack)
        assert any(found.board.is_castling(move) for move in found.visits)
        assert (found.visits, found.q, found.line()) == (tree.visits, tree.q, tree.line())
        assert np.array_equal(found.arrays.edges["move"], tree.arrays.edges["move"])
