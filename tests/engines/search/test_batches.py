"""Several leaves, several threads, limits and edits: what may change a tree, and what may not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import chess
import numpy as np
import pytest

import engines
from engines.search import PRESETS, Nodes, Seconds, Simulations, Tree, search
from engines.search.forest import plant_boards
from engines.search.growing import Grower

Games = Callable[[int, int, int], Iterator[chess.Board]]


@pytest.fixture
def boards(random_games: Games) -> list[chess.Board]:
    return [game for game in random_games(12, 30, 40) if any(game.legal_moves)]


def identical(one: Tree, other: Tree) -> bool:
    pairs = ((one.arrays.nodes, other.arrays.nodes), (one.arrays.edges, other.arrays.edges))
    return all(len(a) == len(b) and all((a[n] == b[n]).all() for n in a.dtype.names or ()) for a, b in pairs)


@pytest.mark.parametrize("leaves", [1, 3, 16])
@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_threads_and_company_change_nothing(
    preset: str, leaves: int, boards: list[chess.Board], hashing: Callable[..., Any]
) -> None:
    settings: dict[str, Any] = {"simulations": 60, "preset": preset, "leaves": leaves, "seed": 3}
    once = search(hashing(), boards, **settings)
    for threads in (2, 3):
        again = search(hashing(), boards, threads=threads, **settings)
        assert all(identical(one, two) for one, two in zip(once, again, strict=True))
    alone = search(hashing(), boards[:1], threads=4, **settings)
    assert identical(alone[0], once[0])


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_many_leaves_make_a_sound_tree_of_the_same_size(
    preset: str, boards: list[chess.Board], hashing: Callable[..., Any]
) -> None:
    for tree in search(hashing(), boards, simulations=300, preset=preset, leaves=24):
        nodes, edges = tree.arrays.nodes, tree.arrays.edges
        assert sum(tree.visits.values()) == 300 - (preset == "lc0")
        assert (nodes["terminal"] < 3).all(), "nothing waits any more"
        for index, node in enumerate(nodes):
            own = edges[node["first_edge"] : node["first_edge"] + node["edges"]]
            counted = 0 if index == 0 and preset == "alphazero" else 1
            if node["terminal"] == 0:
                assert node["visits"] == counted + own["visits"].sum()
            tried = own[own["visits"] > 0]
            assert (nodes["parent"][tried["child"]] == index).all()
            assert (nodes["visits"][tried["child"]] == tried["visits"]).all()
            assert nodes["total"][tried["child"]] == pytest.approx(-tried["total"], abs=1e-9)


def test_nothing_is_under_way_when_a_forest_is_left(boards: list[chess.Board], hashing: Callable[..., Any]) -> None:
    forest = plant_boards(boards, 200, 0, leaves=12)
    steps = iter(range(9))
    Grower(forest, hashing(), PRESETS["lc0"]).grow(np.arange(len(boards)), lambda: next(steps) == 8)
    assert (forest.trees["done"] < 200).any()
    for tree, record in enumerate(forest.trees):
        assert (forest.choices["flying"][tree, : record["edges"]] == 0).all()
        assert (forest.nodes["terminal"][tree, : record["nodes"]] < 3).all()


def test_more_leaves_make_larger_batches(hashing: Callable[..., Any]) -> None:
    sizes: list[int] = []

    class Counting:
        history_fill = "fen_only"
        input_format = 1

        def evaluate_packed(self, masks: Any, values: Any, *, threads: int = 1) -> Any:
            sizes.append(len(masks))
            return hashing().evaluate_packed(masks, values)

    search(Counting(), [chess.Board()], simulations=1000, leaves=16)
    assert max(sizes) == 16
    assert np.mean(sizes[60:]) > 12
    assert sizes[:3] == [1, 1, 1], "a young tree does not guess ahead"


def test_limits(boards: list[chess.Board], hashing: Callable[..., Any]) -> None:
    assert all(
        identical(one, two)
        for one, two in zip(
            search(hashing(), boards, simulations=37),
            search(hashing(), boards, limits=[Simulations(37), Seconds(3600)]),
            strict=True,
        )
    )
    for tree in search(hashing(), boards, limits=[Nodes(20), Simulations(500)]):
        assert len(tree.arrays.nodes) == 20 or tree.root.visits == 500
    quick = search(hashing(), boards, limits=Seconds(0.0))
    assert all(tree.root.visits >= 1 and tree.best_move in tree.prior for tree in quick)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Simulations(0), "simulations is 0"),
        (lambda: Simulations(True), "simulations is True"),
        (lambda: Nodes(-1), "nodes is -1"),
        (lambda: Nodes(2**40), "at least 1 and at most"),
        (lambda: Seconds(-1), "seconds is -1"),
        (lambda: Seconds(float("inf")), "finite number"),
    ],
)
def test_impossible_limits_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"limits": []}, ValueError, "limits is empty"),
        ({"limits": [800]}, TypeError, "800 is no limit"),
        ({"limits": 800}, TypeError, "800 is no limit"),
        ({"threads": 0}, ValueError, "threads is 0"),
        ({"leaves": 1.5}, ValueError, "leaves is 1.5"),
    ],
)
def test_bad_arguments_are_refused(
    settings: dict[str, Any], error: type[Exception], message: str, constant: Callable[..., Any]
) -> None:
    with pytest.raises(error, match=message):
        search(constant(), [chess.Board()], **settings)


def test_an_error_of_the_network_reaches_the_caller(boards: list[chess.Board]) -> None:
    class Broken:
        history_fill = "fen_only"
        input_format = 1

        def evaluate_packed(self, masks: Any, values: Any, *, threads: int = 1) -> Any:
            raise ValueError("the weights are unusable")

    for threads in (1, 2):
        with pytest.raises(ValueError, match="weights are unusable"):
            search(Broken(), boards, simulations=10, threads=threads)


def test_a_network_in_float32_gives_the_same_trees_in_any_company(random_games: Games) -> None:
    """Alone, among 64 and in two threads: the same bits of every node."""
    agent = engines.load_agent("ladder-final")
    boards = [game for game in random_games(5, 80, 25) if any(game.legal_moves)][:64]
    assert len(boards) == 64
    together = search(agent, boards, simulations=40)
    in_threads = search(agent, boards, simulations=40, threads=2)
    assert all(identical(one, two) for one, two in zip(together, in_threads, strict=True))
    for board, tree in zip(boards[:12], together, strict=False):
        assert identical(search(agent, [board], simulations=40)[0], tree)


def test_an_edit_of_strength_zero_changes_no_bit_and_another_steers() -> None:
    agent = engines.load_agent("ladder-final")
    boards = [chess.Board(), chess.Board("r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1")]
    plain = search(agent, boards, simulations=60)
    still = search(agent, boards, simulations=60, edit={"block4": lambda z: z + 0.0 * z.mean()})
    assert all(identical(one, two) for one, two in zip(plain, still, strict=True))
    steered = search(agent, boards, simulations=60, edit={"block4": lambda z: 0.2 * z})
    assert any(one.visits != two.visits for one, two in zip(plain, steered, strict=True))
    with pytest.raises(ValueError, match="no layer 'block99'"):
        search(agent, boards, simulations=5, edit={"block99": lambda z: z})
