"""Judges of moves: each tells a right move from a wrong one, says by how much, and where it cannot tell."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import chess
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

import engines
from conceptmine.errors import InputError
from conceptmine.evidence.correctness import (
    Verdict,
    check_oracle,
    judged_by_oracle,
    judged_by_search,
    judged_by_tablebases,
    most_authoritative,
    wilson_interval,
)

# An engine that likes captures of the a-pawn and thinks a pawn more of them than of anything else.
ENGINE = """\
    import sys
    import chess

    board = chess.Board()
    for line in sys.stdin:
        words = line.split()
        if words[0] == "uci":
            print("id name Taker")
            print("option name Threads type spin default 1 min 1 max 8")
            print("uciok")
        elif words[0] == "isready":
            print("readyok")
        elif words[0] == "position":
            board = chess.Board() if words[1] == "startpos" else chess.Board(" ".join(words[2:8]))
            for move in words[words.index("moves") + 1 :] if "moves" in words else ():
                board.push_uci(move)
        elif words[0] == "go":
            allowed = [m.uci() for m in board.legal_moves]
            if "searchmoves" in words:
                allowed = words[words.index("searchmoves") + 1 :]
            takes = [m for m in allowed if board.is_capture(chess.Move.from_uci(m))]
            score = 100 if takes else 0
            best = (takes or allowed)[0]
            print(f"info depth 1 nodes 10 score {SCORE} pv {best}".replace("{cp}", str(score)))
            print(f"bestmove {best}")
        elif words[0] == "quit":
            break
        sys.stdout.flush()
"""


def engine_file(folder: Path, *, score: str = "cp {cp}") -> str:
    path = folder / "taker"
    body = textwrap.dedent(ENGINE).replace("{SCORE}", score.replace("{cp}", "{{cp}}"))
    path.write_text(f"#!{sys.executable}\n{body}", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_a_deeper_search_agrees_with_its_own_move_and_measures_what_others_lose() -> None:
    agent = engines.load_agent("ladder-final")
    board = chess.Board("r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1")
    tree = engines.search(agent, [board], simulations=200)[0]
    worst = min(tree.q, key=tree.q.__getitem__)
    assert worst != tree.best_move
    unseen = next((move for move in tree.visits if move not in tree.q), None)
    own, bad = judged_by_search(agent, [board, board], [tree.best_move, worst], simulations=200)
    assert own.agrees and own.right and own.loss == 0 and own.unit == "value w − l"
    assert not bad.agrees and bad.best == tree.best_move
    assert bad.loss == pytest.approx(max(0.0, tree.q[tree.best_move] - tree.q[worst]))
    assert bad.right == (bad.loss is not None and bad.loss <= 0.05)
    lenient = judged_by_search(agent, [board], [worst], simulations=200, tolerance=2)[0]
    assert lenient.right and not lenient.agrees
    if unseen is not None:
        unknown = judged_by_search(agent, [board], [unseen], simulations=200)[0]
        assert unknown.loss is None and not unknown.right


def test_an_oracle_gives_its_loss_in_expected_points_of_the_mover(tmp_path: Path) -> None:
    program = engine_file(tmp_path)
    assert check_oracle(program) == "Taker"
    boards = [chess.Board(), chess.Board("4k3/8/8/8/8/p7/1P6/4K3 w - - 0 1"), chess.Board()]
    boards[2].push_uci("e2e4")
    boards[2].push_uci("d7d5")
    uci = chess.Move.from_uci
    take, quiet = judged_by_oracle(program, [boards[1], boards[1]], [uci("b2a3"), uci("e1e2")], nodes=10)
    assert take.agrees and take.loss == 0 and take.right
    assert not quiet.agrees and quiet.best == uci("b2a3") and quiet.unit == "expected points"
    assert quiet.loss is not None and 0.05 < quiet.loss < 0.5 and not quiet.right
    assert judged_by_oracle(program, [boards[1]], [uci("e1e2")], nodes=10, tolerance=0.5)[0].right
    # With the history on the move stack the engine sees the position and not the start.
    assert judged_by_oracle(program, [boards[2]], [uci("e4d5")], nodes=10)[0].agrees
    # Nothing to take: the engine's own first move costs nothing, another one costs the same nothing.
    other = judged_by_oracle(program, [boards[0]], [uci("e2e4")], nodes=10)[0]
    assert other.loss == 0 and other.right and not other.agrees


def test_engines_that_are_none_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no engine"):
        check_oracle(str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="cannot be started"):
        check_oracle("/bin/false")
    silent = engine_file(tmp_path).replace("taker", "silent")
    Path(silent).write_text(Path(engine_file(tmp_path)).read_text().replace('print(f"info', '_ = (f"info'))
    Path(silent).chmod(0o755)
    with pytest.raises(InputError, match="names no move"):
        judged_by_oracle(silent, [chess.Board()], [chess.Move.from_uci("e2e4")], nodes=10)


def losses(folder: Path, board: chess.Board) -> dict[str, float | None]:
    """What tablebases say that each legal move loses."""
    moves = list(board.legal_moves)
    found = judged_by_tablebases(folder, [board] * len(moves), moves)
    return {move.uci(): verdict and verdict.loss for move, verdict in zip(moves, found, strict=True)}


def test_tablebases_tell_kept_from_given_away_results(reference: Path) -> None:
    folder = reference / "data" / "syzygy"
    queen = chess.Board("8/8/8/8/8/2k5/7Q/2K5 w - - 0 1")
    uci = chess.Move.from_uci
    wins = judged_by_tablebases(folder, [queen], [uci("h2a2")])[0]
    assert wins is not None and wins.right and wins.loss == 0 and wins.unit == "result classes"
    # King and pawn: beside the opposition, and the pawn's move that gains it, nothing wins.
    pawn = chess.Board("8/8/3k4/8/3K4/8/3P4/8 w - - 0 1")
    assert losses(folder, pawn) == {"d4e4": 0, "d4c4": 0, "d2d3": 0, "d4e3": 2, "d4d3": 2, "d4c3": 2}
    given = chess.Board("8/8/8/8/8/2k5/1Q6/K7 w - - 0 1")
    lost = judged_by_tablebases(folder, [given], [uci("b2c2")])[0]
    assert lost is not None and not lost.right and lost.loss == 2 and not lost.agrees
    crowded, castling = chess.Board(), chess.Board("4k3/8/8/8/8/8/8/R3K3 w Q - 0 1")
    assert judged_by_tablebases(folder, [crowded, castling], [uci("e2e4"), uci("a1a8")]) == [None, None]


@pytest.mark.parametrize(("clock", "mate_in_two"), [(0, 0), (97, 0), (98, 1), (99, 1)])
def test_a_win_that_the_fifty_move_rule_overtakes_is_one_no_more(
    reference: Path, clock: int, mate_in_two: float
) -> None:
    """Mate at once is a win whatever the clock; mate with the next move comes at the hundredth ply, or too late."""
    board = chess.Board(f"k7/8/1K6/8/8/8/8/6Q1 w - - {clock} 90")
    found = losses(reference / "data" / "syzygy", board)
    assert (found["g1g8"], found["g1g2"]) == (0, mate_in_two)


def test_to_choose_another_draw_than_a_spoiled_win_is_no_mistake(reference: Path) -> None:
    """King and pawn with 99 plies on the clock: what would win does so too late, and the other moves draw as well."""
    folder, uci = reference / "data" / "syzygy", chess.Move.from_uci
    late, early = (chess.Board(f"3k4/8/3K4/3P4/8/8/8/8 w - - {clock} 90") for clock in (99, 0))
    spoiled, drawn = judged_by_tablebases(folder, [late, late], [uci("d6e6"), uci("d6e5")])
    assert spoiled is not None and spoiled.right and spoiled.loss == 0
    assert drawn is not None and drawn.right and drawn.loss == 1
    thrown_away = judged_by_tablebases(folder, [early], [uci("d6e5")])[0]
    assert thrown_away is not None and not thrown_away.right and thrown_away.loss == 2


def test_a_folder_without_tablebases_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no Syzygy tablebases"):
        judged_by_tablebases(tmp_path, [], [])


def test_proofs_go_before_engines_and_engines_before_the_networks_own_search() -> None:
    move = chess.Move.from_uci("e2e4")
    verdicts = [Verdict(judge, move, True, 0.0, "", True) for judge in ("search", "oracle", "tablebases")]
    assert most_authoritative(verdicts).judge == "tablebases"
    assert most_authoritative(verdicts[:2]).judge == "oracle"
    assert most_authoritative(verdicts[:1]).judge == "search"


@given(st.integers(1, 400), st.data())
def test_wilsons_interval_is_that_of_scipy(judged: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, judged))
    low, high = wilson_interval(right, judged)
    wanted = binomtest(right, judged).proportion_ci(0.95, method="wilson")
    assert (low, high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)
    assert 0 <= low <= right / judged <= high <= 1


def test_wilsons_interval_of_nothing_is_refused() -> None:
    for right, judged in ((0, 0), (3, 2), (-1, 4)):
        with pytest.raises(InputError, match="right ≤ judged"):
            wilson_interval(right, judged)
