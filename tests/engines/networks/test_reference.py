"""lc0's own numbers, position by position: our reading, encoding and arithmetic must give the same."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import chess
import pytest

from engines.networks import NetworkFormatError, load_agent, read_network, write_network

pytestmark = pytest.mark.reference

NETWORKS = ("maia-1100", "maia-1300", "maia-1500", "maia-1700", "maia-1900", "meangirl-8")
FILLS = ("fen_only", "no")
PROBABILITY, VALUE, PLIES = 2e-5, 3e-5, 2e-3


def positions(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path) as file:
        found: list[dict[str, Any]] = json.load(file)["positions"]
    assert found
    return found


def board_of(position: dict[str, Any]) -> chess.Board:
    board = chess.Board(position["fen"] or chess.STARTING_FEN)
    for uci in position["moves"]:
        board.push_uci(uci)
    return board


def compare(network: Path, numbers: Path, fill: str, tolerance: float = PROBABILITY) -> None:
    expected = positions(numbers)
    evaluation = load_agent(network, history_fill=fill).evaluate([board_of(position) for position in expected])
    for i, position in enumerate(expected):
        where = f"{numbers.name}, {position['id']}"
        policy = {move.uci(): probability for move, probability in evaluation.policy[i].items()}
        assert policy == pytest.approx(position["policy"], abs=tolerance, rel=0), where
        assert evaluation.value[i] == pytest.approx(position["q"], abs=max(VALUE, tolerance), rel=0), where
        assert evaluation.wdl[i, 1] == pytest.approx(position["d"], abs=max(VALUE, tolerance), rel=0), where
        if evaluation.moves_left is not None:
            assert evaluation.moves_left[i] == pytest.approx(position["m"], abs=PLIES, rel=0), where


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("name", NETWORKS)
def test_trained_networks(reference: Path, name: str, fill: str) -> None:
    network = reference / "data" / "nets" / f"{name}.pb.gz"
    compare(network, reference / "reference" / "policy_value" / f"{name}.{fill}.json.gz", fill)


def test_no_trained_network_is_forgotten(reference: Path) -> None:
    found = {path.name.split(".")[0] for path in (reference / "reference" / "policy_value").glob("*.json.gz")}
    assert found == set(NETWORKS)


@pytest.mark.parametrize(("encoding", "tolerance"), [("float32", PROBABILITY), ("linear16", 1e-2)])
@pytest.mark.parametrize("name", ["maia-1500", "maia-1900"])
def test_written_again_they_are_the_same(
    reference: Path, tmp_path: Path, name: str, encoding: str, tolerance: float
) -> None:
    """Rounding in LINEAR16 shows where the count of the fifty-move rule is high, as it does in the files themselves."""
    network, info = read_network(reference / "data" / "nets" / f"{name}.pb.gz")
    write_network(network, tmp_path / "again.pb.gz", info, encoding=encoding)
    numbers = reference / "reference" / "policy_value" / f"{name}.fen_only.json.gz"
    compare(tmp_path / "again.pb.gz", numbers, "fen_only", tolerance)


@pytest.mark.parametrize("fill", FILLS)
def test_small_random_networks_of_every_supported_kind(reference: Path, fill: str) -> None:
    folder = reference / "reference" / "synthetic"
    compared, refused = set(), set()
    for name in json.loads((folder / "index.json").read_text()):
        try:
            load_agent(folder / f"{name}.pb.gz")
        except NetworkFormatError as error:
            assert "supported" in str(error)
            refused.add(name[0])
            continue
        compare(folder / f"{name}.pb.gz", folder / f"{name}.{fill}.json.gz", fill)
        compared.add(name[:2])
    assert compared == {"a1", "a3", "b1", "b2", "b4", "b6", "e1", "e2", "e3", "f2", "f3", "f4", "f5"}
    assert refused == {"c", "d"}
