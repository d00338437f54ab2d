"""Whole conversations in this process: what is answered, when, and that every search has exactly one best move."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import chess
import pytest

INFO = re.compile(
    r"info depth \d+ seldepth \d+ time \d+ nodes (?P<nodes>\d+)( nps \d+)? score (cp|mate) -?\d+"
    r"( wdl (?P<wdl>\d+ \d+ \d+))? multipv (?P<multipv>\d+) pv (?P<pv>[a-h1-8qrbn ]+)"
)
FOOLS_MATE = "position startpos moves f2f3 e7e5 g2g4 d8h4"


def best_move(said: list[str]) -> str:
    """The move of the one best move, which is the last line."""
    assert [line.startswith("bestmove") for line in said] == [False] * (len(said) - 1) + [True]
    return said[-1].split()[1]


def lines_of_info(said: list[str]) -> list[dict[str, str]]:
    found = [line for line in said if line.startswith("info ") and not line.startswith("info string")]
    matches = [INFO.fullmatch(line) for line in found]
    assert all(matches), found
    return [match.groupdict() for match in matches if match]


def test_the_engine_introduces_itself(conversation: Any) -> None:
    conversation.type("uci")
    said = conversation.until("uciok")
    assert said[0] == "id name conceptmine fake"
    assert said[1].startswith("id author ")
    assert all(line.startswith("option name ") for line in said[2:-1])
    assert conversation.synchronise() == []


def test_a_search_by_nodes(conversation: Any) -> None:
    said = conversation.ask("position startpos moves e2e4", "go nodes 50")
    info = lines_of_info(said)[-1]
    assert info["nodes"] == "50"
    assert info["pv"].split()[0] == best_move(said)
    board = chess.Board()
    board.push_uci("e2e4")
    for move in info["pv"].split():
        board.push_uci(move)


@pytest.mark.parametrize(
    "go",
    [
        "go nodes 0",
        "go nodes 1",
        "go movetime 0",
        "go movetime 100",
        "go wtime 300 btime 300",
        "go wtime 300 btime 300 winc 10 binc 10 movestogo 1",
        "go wtime -100 btime -100",
        "go wtime 500",
        "go depth 0",
        "go depth 2",
        "go nodes 100000 movetime 50",
        "go depth 40 nodes 30",
        "go winc 5 nodes 10",
        "go turbo nodes 10",
    ],
)
def test_every_limit_ends_the_search(conversation: Any, go: str) -> None:
    assert chess.Move.from_uci(best_move(conversation.ask("position startpos", go))) in chess.Board().legal_moves


def test_a_clock_is_used_as_planned(conversation: Any) -> None:
    conversation.synchronise()
    conversation.type("setoption name MoveOverhead value 100")
    began = time.monotonic()
    conversation.ask("position startpos", "go wtime 12100 btime 100")  # (12100 − 100) / 30 = 400 ms
    assert 0.39 < time.monotonic() - began < 3.0


def test_a_forced_move_takes_no_time(conversation: Any) -> None:
    conversation.synchronise()
    began = time.monotonic()
    said = conversation.ask("position fen 7k/8/8/8/8/8/r7/1r5K w - - 0 1", "go wtime 3600000 btime 3600000")
    assert said[-1].startswith("bestmove")
    said = conversation.ask("position fen k7/8/1K6/8/8/8/8/6RR b - - 0 1", "go wtime 3600000 btime 3600000")
    assert best_move(said) == "a8b8"
    assert time.monotonic() - began < 10.0


def test_depth_is_the_mean_depth(conversation: Any) -> None:
    said = conversation.ask("position startpos", "go depth 3")
    assert int(said[-2].split()[2]) >= 3


def test_a_mate_is_found_and_told(converse: Callable[..., Any], constant: Callable[..., Any]) -> None:
    conversation = converse(lambda weights, history_fill: constant())
    said = conversation.ask("position fen 6k1/5ppp/8/8/8/8/8/R3K3 w - - 0 1", "go mate 1")
    assert best_move(said) == "a1a8"
    assert " score mate 1 " in said[-2]


def test_stop_ends_an_infinite_search_at_once(conversation: Any) -> None:
    conversation.synchronise()
    for go in ("go infinite", "go", "go infinite nodes 1"):
        conversation.type("position startpos", go)
        time.sleep(0.2)
        assert not any(line.startswith("bestmove") for line in conversation.rest())
        began = time.monotonic()
        best_move(conversation.ask("stop"))
        assert time.monotonic() - began < 1.0


def test_stop_before_the_network_is_loaded(converse: Callable[..., Any], agent: Any) -> None:
    def load(weights: str, history_fill: str) -> Any:
        time.sleep(0.3)
        return agent

    conversation = converse(load)
    best_move(conversation.ask("go infinite", "stop"))
    assert conversation.synchronise() == []


def test_isready_is_answered_during_a_search(conversation: Any) -> None:
    conversation.synchronise()
    conversation.type("go infinite", "isready", "isready")
    assert conversation.until("readyok", 5.0)[-1:] + conversation.until("readyok", 5.0)[-1:] == ["readyok"] * 2
    best_move([line for line in conversation.ask("stop") if line != "readyok"])


def test_reports_come_during_a_search(conversation: Any) -> None:
    conversation.type("setoption name Hash value 512")  # room for a search of some seconds
    conversation.synchronise()
    conversation.type("position startpos", "go infinite")
    first = conversation.until("info", 5.0)[-1]
    second = conversation.until("info", 5.0)[-1]
    assert int(lines_of_info([second])[0]["nodes"]) > int(lines_of_info([first])[0]["nodes"])
    conversation.ask("stop")


def test_multipv_has_a_line_a_move(conversation: Any) -> None:
    said = conversation.ask("setoption name MultiPV value 4", "position startpos", "go nodes 200")
    lines = lines_of_info(said)[-4:]
    assert [line["multipv"] for line in lines] == ["1", "2", "3", "4"]
    assert len({line["pv"].split()[0] for line in lines}) == 4
    assert lines[0]["pv"].split()[0] == best_move(said)
    said = conversation.ask("position fen k7/8/1K6/8/8/8/8/6RR b - - 0 1", "go nodes 50")
    assert {line["multipv"] for line in lines_of_info(said)} == {"1"}, "there is but one move"


def test_win_draw_loss_when_asked_for(conversation: Any) -> None:
    assert lines_of_info(conversation.ask("position startpos", "go nodes 20"))[-1]["wdl"] is None
    said = conversation.ask("setoption name UCI_ShowWDL value true", "go nodes 20")
    win, draw, loss = map(int, lines_of_info(said)[-1]["wdl"].split())
    assert win + draw + loss == 1000
    assert draw == 500, "the network's own probability of a draw"


def test_searchmoves_are_all_that_is_searched(conversation: Any) -> None:
    said = conversation.ask(
        "setoption name MultiPV value 10", "position startpos", "go nodes 60 searchmoves a2a3 h2h4 a2a3 e2e5"
    )
    assert "info string not legal, and left out of the search: e2e5" in said
    assert {line["pv"].split()[0] for line in lines_of_info(said)} == {"a2a3", "h2h4"}
    assert best_move(said) in {"a2a3", "h2h4"}
    said = conversation.ask("go searchmoves 0000 nodes 50")
    assert said[-2:] == ["info string none of the moves to search is legal", "bestmove (none)"]


@pytest.mark.parametrize(
    ("position", "score"),
    [(FOOLS_MATE, "mate 0"), ("position fen 7k/5Q2/8/8/8/8/8/K7 b - - 0 1", "cp 0")],
)
def test_a_finished_game_has_no_best_move(conversation: Any, position: str, score: str) -> None:
    for go in ("go nodes 100", "go wtime 1000 btime 1000", "go mate 3"):
        assert conversation.ask(position, go) == [f"info depth 0 score {score}", "bestmove (none)"]
    conversation.type("go infinite")
    assert conversation.until("info") == [f"info depth 0 score {score}"]
    time.sleep(0.1)
    assert conversation.rest() == []
    assert conversation.ask("stop") == ["bestmove (none)"]


def test_go_during_a_search_is_refused(conversation: Any) -> None:
    conversation.synchronise()
    conversation.type("go infinite", "go nodes 5", "isready")
    said = conversation.until("readyok")
    assert "info string go is refused: a search is on; send stop and wait for its bestmove" in said
    conversation.ask("stop")
    assert conversation.synchronise() == []


def test_what_follows_stop_waits_for_the_best_move(conversation: Any, agent: Any) -> None:
    conversation.synchronise()
    agent.seconds = 0.02
    conversation.type("position startpos", "go infinite")
    time.sleep(0.1)
    conversation.type("stop", "position startpos moves e2e4", "setoption name MultiPV value 2", "go nodes 20")
    assert best_move(conversation.until("bestmove"))[1] in "12", "a move of White"
    said = conversation.until("bestmove")
    assert best_move(said)[1] in "78", "a move of Black"
    assert lines_of_info(said)[-1]["multipv"] == "2"


def test_a_best_move_may_be_answered_at_once(conversation: Any) -> None:
    """A GUI that sends its next go on seeing bestmove is never told that a search is on."""
    conversation.synchronise()
    for _ in range(200):
        assert not any("refused" in line for line in conversation.ask("go nodes 1"))


def test_pondering_is_refused(conversation: Any) -> None:
    conversation.type("position startpos", "go ponder wtime 1000 btime 1000", "ponderhit", "stop")
    said = conversation.synchronise()
    assert len(said) == 2
    assert all(line.startswith("info string") and "does not ponder" in line for line in said)


@pytest.mark.parametrize(
    "line",
    [
        "position",
        "position startpos moves e2e5",
        "position fen 8/8/8/8 w - - 0 1",
        "position startpos moves e2e4 zz",
        "setoption name Hash value lots",
        "setoption name Nonsense value 1",
        "setoption",
        "debug perhaps",
        "go nodes lots",
        "go movetime",
        b"x" * 2**21 + b" isready",
    ],
)
def test_a_malformed_command_is_told_and_changes_nothing(conversation: Any, line: str | bytes) -> None:
    conversation.type("position startpos moves e2e4")
    conversation.synchronise()
    conversation.type(line)
    said = conversation.synchronise()
    assert len(said) == 1
    assert said[0].startswith("info string ")
    assert best_move(conversation.ask("go nodes 10"))[1] in "78", "still after e2e4"


@pytest.mark.parametrize("line", ["", "  ", "register later", "xboard", "\x00\x01\x02", b"\xff\xfe\x00\x80", "ok ok"])
def test_other_lines_are_passed_over(conversation: Any, line: str | bytes) -> None:
    conversation.type(line)
    assert conversation.synchronise() == []


def test_debug_tells_what_was_passed_over(conversation: Any) -> None:
    conversation.type("debug on", "xboard")
    assert conversation.synchronise() == ["info string ignored 'xboard'"]


def test_a_failing_search_still_has_a_legal_move(conversation: Any, agent: Any, capfd: Any) -> None:
    conversation.synchronise()
    agent.error = RuntimeError("the card\nfell off")
    said = conversation.ask("position startpos", "go nodes 10")
    assert chess.Move.from_uci(best_move(said)) in chess.Board().legal_moves
    assert said[0].endswith("(RuntimeError: the card fell off)")
    assert len(said) == 2
    agent.error = None
    assert lines_of_info(conversation.ask("go nodes 10"))[-1]["nodes"] == "10"
    agent.error = RuntimeError("again")
    said = conversation.ask("debug on", "go nodes 100")
    assert any("Traceback" in line for line in said)
    assert all(line.startswith(("info string", "bestmove")) for line in said)
    agent.error = None
    assert capfd.readouterr() == ("", "")


def test_another_network(converse: Callable[..., Any], hashing: Callable[..., Any]) -> None:
    networks = {"fake": hashing(1), "other": hashing(2)}

    def load(weights: str, history_fill: str) -> Any:
        if weights not in networks:
            raise ValueError(f"There is no network {weights}.")
        return networks[weights]

    conversation = converse(load)
    conversation.ask("go nodes 50")
    before = networks["fake"].evaluated
    conversation.type("setoption name WeightsFile value lost")
    assert conversation.synchronise() == ["info string There is no network lost."]
    best_move(conversation.ask("go nodes 80"))
    assert networks["fake"].evaluated > before, "the former network stays"
    conversation.type("setoption name WeightsFile value other")
    assert conversation.synchronise() == []
    conversation.ask("go nodes 50")
    assert networks["other"].evaluated > 0


def test_without_a_network_the_engine_ends(converse: Callable[..., Any]) -> None:
    def load(weights: str, history_fill: str) -> Any:
        raise ValueError(f"{weights} is damaged.")

    conversation = converse(load)
    conversation.type("uci")
    conversation.until("uciok")
    conversation.until("info string fake is damaged.")
    conversation.wait_for_the_end()
    assert conversation.code == 2


def test_a_new_game_forgets_the_tree(conversation: Any) -> None:
    conversation.ask("position startpos", "go nodes 50")
    conversation.type("ucinewgame")
    conversation.synchronise()
    assert lines_of_info(conversation.ask("go nodes 1"))[-1]["nodes"] == "1"


@pytest.mark.parametrize("end", ["quit", "the end of the input"])
@pytest.mark.parametrize("before", [[], ["go infinite"], ["go infinite", "stop", "go infinite"], ["isready"]])
def test_nothing_is_said_after_the_end(conversation: Any, end: str, before: list[str]) -> None:
    conversation.synchronise()
    conversation.type(*before)
    time.sleep(0.1)
    if end == "quit":
        conversation.type("quit", "isready", "uci")
    else:
        conversation.end_input()
    conversation.wait_for_the_end(5.0)
    assert conversation.code == 0
    conversation.rest()
    time.sleep(0.2)
    assert conversation.rest() == []


def test_quit_does_not_wait_for_the_network(converse: Callable[..., Any], agent: Any) -> None:
    def load(weights: str, history_fill: str) -> Any:
        time.sleep(3)
        return agent

    conversation = converse(load)
    conversation.type("uci", "isready", "quit")
    conversation.wait_for_the_end(2.0)
