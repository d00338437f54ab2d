"""Players as one writes them."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from engines import checkpoints
from engines.arena import ArenaError, MaterialTaker, NetworkPlayer, RandomMover, UciPlayer, player_of
from engines.networks import NetworkFormatError

NETWORK = Path(checkpoints.__file__).with_name("ladder-01.pb.gz")


def test_networks() -> None:
    path, name = NETWORK, "ladder-01"
    for text, called, simulations in (
        (f"{path}", f"{name}@50", 50),
        (f"{path}@7", f"{name}@7", 7),
        (f"{path}@7?temperature=0.5&preset=gumbel", f"{name}@7 temperature=0.5 preset=gumbel", 7),
    ):
        player = player_of(text, 50)
        assert isinstance(player, NetworkPlayer)
        assert (player.name, player.simulations) == (called, simulations)


def test_a_file_of_the_whole_name_goes_first(tmp_path: Path) -> None:
    for name in ("net@3", "net?x=1.pb.gz"):
        shutil.copy(NETWORK, tmp_path / name)
        player = player_of(str(tmp_path / name), 5)
        assert isinstance(player, NetworkPlayer)
        assert player.simulations == 5


def test_players_without_a_network(fake_engine: list[str]) -> None:
    assert isinstance(player_of("random?seed=3", 1), RandomMover)
    assert isinstance(player_of("material", 1), MaterialTaker)
    text = f"uci:{shlex.join(fake_engine)}?nodes=5&Skill%20Level=3&processes=2&patience=30"
    engine = player_of(text, 1)
    assert isinstance(engine, UciPlayer)
    assert (engine.name, engine.games_at_once) == (text, 2)
    engine.close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ladder-final@0", "has 0 simulations"),
        ("ladder-final?preset=fast", "preset .* is 'fast': give one of lc0, alphazero, gumbel"),
        ("ladder-final?history_fill=yes", "history_fill .* is 'yes'"),
        ("ladder-final?temperature=hot", "temperature .* is 'hot': give a number from 0 up"),
        ("ladder-final?nodes=5", "has no setting 'nodes': give preset or temperature or seed or history_fill"),
        ("random?seed=-1", "seed .* is '-1': give a whole number from 0 up"),
        ("random?3", "'3' in the player 'random.3' is no setting"),
        ("material?depth=2", "has no setting 'depth'"),
        ("uci:stockfish", "has no limit for its moves: add .nodes=N"),
        ("uci:stockfish?nodes=0", "nodes .* is '0': give a whole number from 1 up"),
        ("uci:stockfish?nodes=1e3", "nodes .* is '1e3'"),
        ("uci:stockfish '?nodes=5", "command .* cannot be read: No closing quotation"),
        ("uci:?nodes=5", "There is no engine to start"),
    ],
)
def test_descriptions_that_cannot_be_used(text: str, message: str) -> None:
    with pytest.raises(ArenaError, match=message):
        player_of(text, 10)


def test_a_missing_network() -> None:
    with pytest.raises(NetworkFormatError, match="There is no network file nowhere"):
        player_of("nowhere@5", 10)
