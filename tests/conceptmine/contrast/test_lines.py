"""The best line is the most visited; a subpar line leaves it where the rule allows and is as deep."""

from __future__ import annotations

from dataclasses import dataclass, field

import chess
import pytest

from conceptmine.contrast import ContrastRule, Lines, NoContrast, contrast_lines, examine_tree

BEST = "e2e4 e7e5 g1f3 b8c6 f1b5"
SUBPAR = "d2d4 d7d5 c2c4 e7e6 b1c3"
OTHER = "c2c4 c7c5 g1f3 g8f6 b1c3"


@dataclass(frozen=True)
class HandEdge:
    move: chess.Move
    visits: int
    q: float
    prior: float
    node: HandNode | None


@dataclass(frozen=True)
class HandNode:
    edges: tuple[HandEdge, ...] = ()

    def follow(self, edge: HandEdge) -> HandNode | None:
        return edge.node


@dataclass(frozen=True)
class HandTree:
    root: HandNode
    board: chess.Board = field(default_factory=chess.Board)


def edge(
    move: str, visits: int, q: float = 0.0, *replies: HandEdge, prior: float = 0.1, expanded: bool = True
) -> HandEdge:
    """A move with what follows it; `q` is the view of who makes it."""
    return HandEdge(chess.Move.from_uci(move), visits, q, prior, HandNode(replies) if expanded else None)


def line(moves: str, visits: int = 9, q: float = 0.0) -> HandEdge:
    """A line without alternatives."""
    first, *rest = moves.split()
    return edge(first, visits, q, *([line(" ".join(rest), visits)] if rest else []))


def tree(*edges: HandEdge, board: chess.Board | None = None) -> HandTree:
    return HandTree(HandNode(edges), board or chess.Board())


def text(moves: tuple[chess.Move, ...]) -> str:
    return " ".join(move.uci() for move in moves)


def found(*edges: HandEdge, **settings: object) -> Lines | NoContrast:
    return examine_tree(tree(*edges), ContrastRule(**settings))  # type: ignore[arg-type]


def subpar(*edges: HandEdge, **settings: object) -> str:
    lines = found(*edges, **settings)
    assert isinstance(lines, Lines)
    return text(lines.subpar[0].moves)


def test_the_best_line_and_a_subpar_line_from_the_root() -> None:
    lines = found(line(SUBPAR, 30, q=0.1), line(BEST, 50, q=0.25))
    assert isinstance(lines, Lines)
    assert text(lines.best) == BEST
    (only,) = lines.subpar
    assert (only.branch_ply, text(only.moves), only.best_q, only.subpar_q) == (0, SUBPAR, 0.25, 0.1)
    assert lines.missing == ()
    assert lines.root == chess.Board()


@pytest.mark.parametrize(
    ("visits", "q", "either", "both"),
    [
        (45, 0.30, True, True),  # 10 % of the visits, 0.2 of the value
        (46, 0.30, True, False),
        (45, 0.31, True, False),
        (46, 0.31, False, False),
        (50, -1.0, True, False),
        (1, 0.90, True, False),
        (1, -1.0, True, True),
    ],
)
def test_a_move_is_subpar_by_value_or_by_visits(visits: int, q: float, either: bool, both: bool) -> None:
    edges = (line(BEST, 50, q=0.5), line(SUBPAR, visits, q=q))
    for combine, expected in (("or", either), ("and", both)):
        lines = found(*edges, combine=combine)
        assert isinstance(lines, Lines) == expected
        if not expected:
            assert lines is NoContrast.NO_SUBPAR_MOVE


@pytest.mark.parametrize("visits", range(10, 400, 10))
def test_exactly_a_tenth_fewer_visits_is_enough(visits: int) -> None:
    assert subpar(line(BEST, visits), line(SUBPAR, visits - visits // 10)) == SUBPAR


def test_the_most_visited_of_the_subpar_moves_is_taken() -> None:
    near = line(OTHER, 49)
    assert subpar(line(BEST, 50), near, line("a2a3 a7a6 b2b3 b7b6 c2c3", 3), line(SUBPAR, 20)) == SUBPAR


def test_value_is_seen_by_the_player_who_chooses() -> None:
    # At depth 1 the opponent chooses: its q is its own, so the move with the lower q is the worse one there.
    reply = line("e7e5 g1f3 b8c6 f1b5 a7a6", 50, q=0.3)
    worse = line("c7c5 g1f3 d7d6 d2d4 c5d4", 48, q=0.0)
    better = line("e7e6 d2d4 d7d5 b1c3 g8f6", 49, q=0.9)
    lines = found(edge("e2e4", 200, 0.1, reply, better, worse), horizon=6)
    assert isinstance(lines, Lines)
    assert [(item.branch_ply, text(item.moves)) for item in lines.subpar] == [
        (1, "e2e4 c7c5 g1f3 d7d6 d2d4 c5d4"),
    ]
    assert (lines.subpar[0].best_q, lines.subpar[0].subpar_q) == (0.3, 0.0)
    assert lines.missing == ((0, NoContrast.NO_SUBPAR_MOVE),)


def test_branches_run_from_the_root_to_five_plies_before_the_horizon() -> None:
    node = line("a2a3 a7a6 b2b3 b7b6 c2c3", 50)
    best = ["e2e4", "e7e5", "g1f3", "b8c6", "f1b5"]
    for depth in reversed(range(5)):
        node = edge(best[depth], 50, 0.0, node, line("h2h3 h7h6 g2g3 g7g6 f2f3 f7f6 e2e3 e7e6 d2d3 d7d6", 20))
    lines = contrast_lines(
        tree(node, line("h2h3 h7h6 g2g3 g7g6 f2f3 f7f6 e2e3 e7e6 d2d3 d7d6", 20)), ContrastRule(horizon=10)
    )
    assert lines is not None
    assert [item.branch_ply for item in lines.subpar] == [0, 1, 2, 3, 4, 5]
    for item in lines.subpar:
        assert len(item.moves) == 10
        assert item.moves[: item.branch_ply] == lines.best[: item.branch_ply]
        assert item.moves[item.branch_ply] != lines.best[item.branch_ply]


def test_equal_visits_go_to_the_greater_value_then_to_the_greater_prior_and_then_to_the_first() -> None:
    def deep(first: str, prior: float, q: float = 0.0) -> HandEdge:
        return edge(first, 50, q, line("a7a6 b2b3 b7b6 c2c3", 50), prior=prior)

    low = line(SUBPAR, 1)
    by_value = found(deep("e2e4", 0.2, 0.1), deep("d2d4", 0.3), low)
    assert isinstance(by_value, Lines)
    assert by_value.best[0].uci() == "e2e4"
    by_prior = found(deep("e2e4", 0.2), deep("d2d4", 0.3), low)
    assert isinstance(by_prior, Lines)
    assert by_prior.best[0].uci() == "d2d4"
    for first, second in (("e2e4", "d2d4"), ("d2d4", "e2e4")):
        by_order = found(deep(first, 0.2), deep(second, 0.2), low)
        assert isinstance(by_order, Lines)
        assert by_order.best[0].uci() == first


def test_lines_that_are_not_searched_to_the_horizon_are_too_short() -> None:
    short = "e2e4 e7e5 g1f3 b8c6"
    assert found(line(short, 50), line(SUBPAR, 20)) is NoContrast.SHORT_BEST_LINE
    assert found(line(BEST, 50), line("d2d4 d7d5 c2c4 e7e6", 20)) is NoContrast.SHORT_SUBPAR_LINE
    # The next subpar move is not tried in its place: the rule names one.
    assert found(line(BEST, 50), line("d2d4 d7d5", 20), line(OTHER, 19)) is NoContrast.SHORT_SUBPAR_LINE
    unvisited = edge("d2d4", 20, 0.0, edge("d7d5", 0))
    assert found(line(BEST, 50), unvisited) is NoContrast.SHORT_SUBPAR_LINE
    assert found(line(BEST, 50), edge("d2d4", 20, expanded=False)) is NoContrast.SHORT_SUBPAR_LINE
    assert found() is NoContrast.SHORT_BEST_LINE


def test_a_line_may_end_the_game_at_the_horizon_and_not_before() -> None:
    mate_in_five, mate_in_four = "e2e4 f7f6 d2d4 g7g5 d1h5", "f2f3 e7e5 g2g4 d8h4"
    other = line("c2c4 c7c5 b1c3 b8c6 g2g3", 50)
    assert subpar(other, line(mate_in_five, 20)) == mate_in_five
    assert found(other, line(mate_in_four, 20)) is NoContrast.SHORT_SUBPAR_LINE


def test_an_unvisited_move_is_never_subpar() -> None:
    assert found(line(BEST, 50), edge("d2d4", 0, -1.0)) is NoContrast.NO_SUBPAR_MOVE
    assert contrast_lines(tree(line(BEST, 50)), ContrastRule()) is None


def test_other_depths_stand_in_for_one_without_a_line() -> None:
    rest = "g1f3 b8c6 f1b5 a7a6"
    fork = edge("e2e4", 50, 0.0, line(f"e7e5 {rest}", 50), line("c7c5 g1f3 d7d6 d2d4 c5d4", 20))
    lines = found(fork, line("d2d4 d7d5", 20), horizon=6)
    assert isinstance(lines, Lines)
    assert [item.branch_ply for item in lines.subpar] == [1]
    assert lines.missing == ((0, NoContrast.SHORT_SUBPAR_LINE),)


def test_the_root_is_a_copy_with_its_history() -> None:
    board = chess.Board()
    for move in ("g1f3", "g8f6"):
        board.push_uci(move)
    lines = contrast_lines(
        tree(line("e2e3 e7e6 d2d3 d7d6 c2c3", 50), line("a2a3 a7a6 b2b3 b7b6 c2c3", 20), board=board), ContrastRule()
    )
    board.pop()
    assert lines is not None
    assert [move.uci() for move in lines.root.move_stack] == ["g1f3", "g8f6"]
