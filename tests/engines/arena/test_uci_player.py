"""UCI engines as players: a fake one that is as bad as can be, and our own once."""

from __future__ import annotations

import sys
from pathlib import Path

import chess
import pytest

from engines.arena import ArenaError, Ending, RandomMover, Sprt, UciLimit, UciPlayer, play_match

ONE_NODE = UciLimit(nodes=1)
ENDGAMES = [chess.Board(f"7k/8/8/8/{square}/8/8/K5R1 w - - 0 1") for square in ("8", "p7", "1p6", "2p5")]


def play(player: UciPlayer, games: int) -> tuple[list[str], tuple[str, ...]]:
    """Results by ending, and what was told of forfeits."""
    try:
        result = play_match(player, RandomMover(), games=games, openings=ENDGAMES)
    finally:
        player.close()
    assert len(result.games) == games
    return [str(game.ending) for game in result.games], result.forfeits


def test_a_good_engine_plays_its_games(fake_engine: list[str]) -> None:
    one, several = (
        play(UciPlayer([*fake_engine, "good"], ONE_NODE, processes=processes, name="fake"), 8) for processes in (1, 3)
    )
    assert one == several
    assert Ending.FORFEIT not in one[0]


def test_what_an_engine_is_told(fake_engine: list[str], tmp_path: Path) -> None:
    log = tmp_path / "heard"
    player = UciPlayer(
        [*fake_engine, "log", str(log)], UciLimit(nodes=7, depth=3, movetime=5), options={"skill level": "4"}
    )
    endings, _ = play(player, 4)
    heard = log.read_text(encoding="utf-8").splitlines()
    assert "setoption name Skill Level value 4" in heard
    assert heard.count("ucinewgame") == len(endings)
    searches = [line for line in heard if line.startswith("go ")]
    assert set(searches) == {"go depth 3 nodes 7 movetime 5"}
    positions = [line for line in heard if line.startswith("position ")]
    assert len(positions) == len(searches)
    assert any(" moves " in line for line in positions)


def test_a_match_that_ends_early_frees_the_engine(fake_engine: list[str]) -> None:
    """Both games are under way when the sequential test ends the match; the player can play another one."""
    player = UciPlayer([*fake_engine, "none"], ONE_NODE, processes=3)
    try:
        for _ in range(2):
            result = play_match(player, RandomMover(), games=8, openings=ENDGAMES, sprt=Sprt(0, 1900, 0.4, 0.4))
            assert result.decision == "H0"
            assert len(result.games) < 8
    finally:
        player.close()


@pytest.mark.parametrize(
    ("mischief", "remark"),
    [
        ("crash", "the engine ended (engine process died unexpectedly (exit code: 7))"),
        ("illegal", "illegal move ("),
        ("none", "no move"),
        ("hang", "no move within 1 seconds"),
    ],
)
def test_a_bad_engine_loses_and_the_next_game_begins_anew(mischief: str, remark: str, fake_engine: list[str]) -> None:
    player = UciPlayer([*fake_engine, mischief], ONE_NODE, patience=1.0 if mischief == "hang" else 60, name="bad")
    endings, forfeits = play(player, 4)
    assert endings.count("forfeit") >= 2
    assert len(forfeits) == endings.count("forfeit")
    assert all(": bad forfeits: " in sentence and remark in sentence for sentence in forfeits)


def test_engines_that_cannot_be_started_or_set_up(fake_engine: list[str], tmp_path: Path) -> None:
    with pytest.raises(ArenaError, match="There is no engine nowhere/stockfish: install it"):
        UciPlayer("nowhere/stockfish", ONE_NODE)
    with pytest.raises(ArenaError, match="There is no engine to start"):
        UciPlayer("", ONE_NODE)
    plain = tmp_path / "plain file"
    plain.write_text("no program")
    with pytest.raises(ArenaError, match="cannot be started"):
        UciPlayer(str(plain), ONE_NODE)
    with pytest.raises(ArenaError, match=r"did not answer to 'uci' within 0\.5 seconds"):
        UciPlayer([*fake_engine, "deaf"], ONE_NODE, patience=0.5)
    with pytest.raises(ArenaError, match="ended before it was ready"):
        UciPlayer([sys.executable, "-c", ""], ONE_NODE)
    with pytest.raises(ArenaError, match=r"'Contempt' of .* is none of its options; it has: Skill Level, Slow"):
        UciPlayer(fake_engine, ONE_NODE, options={"Contempt": "1"})
    with pytest.raises(ArenaError, match=r"'MultiPV' of .* is set by the match itself"):
        UciPlayer(fake_engine, ONE_NODE, options={"MultiPV": "2"})
    with pytest.raises(ArenaError, match="does not take '21' for Skill Level"):
        UciPlayer(fake_engine, ONE_NODE, options={"Skill Level": "21"})
    with pytest.raises(ArenaError, match="does not take 'maybe' for Slow: it is true or false"):
        UciPlayer(fake_engine, ONE_NODE, options={"Slow": "maybe"})


@pytest.mark.parametrize(
    ("limit", "message"),
    [({}, "an engine needs a limit"), ({"nodes": 0}, "nodes is 0"), ({"movetime": -1}, "movetime")],
)
def test_a_limit_is_needed(limit: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UciLimit(**limit)


def test_our_own_engine_is_an_opponent(fake_engine: list[str]) -> None:
    ours = UciPlayer([sys.executable, "-m", "conceptmine.cli", "engine", "uci", "ladder-final"], UciLimit(nodes=2))
    fake = UciPlayer(fake_engine, ONE_NODE)
    try:
        result = play_match(ours, fake, games=2, openings=ENDGAMES[:1])
    finally:
        ours.close()
        fake.close()
    assert result.forfeits == ()
    assert len(result.games) == 2
