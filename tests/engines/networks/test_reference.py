"""lc0's own numbers, position by position: our reading, encoding and arithmetic must give the same."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import chess
import pytest
import torch

from engines.networks import load_agent
from engines.networks.leela.reading import parse_network
from engines.networks.leela.writing import serialise_network

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


def compare(network: Path, numbers: Path, fill: str, **heads: str) -> None:
    expected = positions(numbers)
    evaluation = load_agent(network, history_fill=fill, **heads).evaluate([board_of(position) for position in expected])
    for i, position in enumerate(expected):
        where = f"{numbers.name}, {position['id']}"
        policy = {move.uci(): probability for move, probability in evaluation.policy[i].items()}
        assert policy == pytest.approx(position["policy"], abs=PROBABILITY, rel=0), where
        assert evaluation.value[i] == pytest.approx(position["q"], abs=VALUE, rel=0), where
        assert evaluation.wdl[i, 1] == pytest.approx(position["d"], abs=VALUE, rel=0), where
        if evaluation.moves_left is None:
            assert position["m"] == 0, where  # lc0's own answer without that head
        else:
            assert evaluation.moves_left[i] == pytest.approx(position["m"], abs=PLIES, rel=0), where


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("name", NETWORKS)
def test_trained_networks(reference: Path, name: str, fill: str) -> None:
    network = reference / "data" / "nets" / f"{name}.pb.gz"
    compare(network, reference / "reference" / "policy_value" / f"{name}.{fill}.json.gz", fill)


def test_no_trained_network_is_forgotten(reference: Path) -> None:
    found = {path.name.split(".")[0] for path in (reference / "reference" / "policy_value").glob("*.json.gz")}
    assert found == set(NETWORKS)


SYNTHETIC = (
    *("a1_classical_noformat", "a3_classical_enum1"),
    *("b1_se_conv_wdl_mlh", "b2_se_conv_wdl_mlh_mish", "b4_se_mixed_blocks", "b6_se_conv_value_classical"),
    *("c1_resnet_attnpol", "c2_resnet_attnpol_encoders"),
    *("d1_body_pemap_smolgen", "d3_body_legacy_se_enum", "d4_body_pemap_value_classical", "d5_bt4_multihead"),
    *("d6_bt3_multihead_relu2", "d11_body_float16", "d12_body_heads1_enc1"),
    *("e1_enc_float16", "e2_enc_bfloat16", "e3_enc_float32"),
    *("f2_input_castling_plane", "f3_input_canonicalization", "f4_input_hectoplies", "f5_input_canonical_v2"),
)
NAMED_HEADS = (
    *(("d5_bt4_multihead", heads) for heads in ("optimistic-q", "soft-st", "opponent-winner")),
    ("d6_bt3_multihead_relu2", "optimistic-q"),
)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("name", SYNTHETIC)
def test_small_random_networks_of_every_kind(reference: Path, name: str, fill: str) -> None:
    folder = reference / "reference" / "synthetic"
    compare(folder / f"{name}.pb.gz", folder / f"{name}.{fill}.json.gz", fill)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize(("name", "heads"), NAMED_HEADS)
def test_named_heads(reference: Path, name: str, heads: str, fill: str) -> None:
    folder = reference / "reference" / "synthetic"
    policy, value = heads.split("-")
    numbers = folder / f"{name}.{heads}.{fill}.json.gz"
    compare(folder / f"{name}.pb.gz", numbers, fill, policy_head=policy, value_head=value)


def test_no_random_network_is_forgotten(reference: Path) -> None:
    folder = reference / "reference" / "synthetic"
    assert set(json.loads((folder / "index.json").read_text())) == set(SYNTHETIC)
    numbers = {path.name.removesuffix(".json.gz") for path in folder.glob("*.json.gz")}
    networks = [*SYNTHETIC, *(f"{name}.{heads}" for name, heads in NAMED_HEADS)]
    assert numbers == {f"{name}.{fill}" for name in networks for fill in FILLS}


@pytest.mark.parametrize("name", [*NETWORKS, *SYNTHETIC])
def test_written_again_in_their_encoding_they_have_the_same_weights(reference: Path, name: str) -> None:
    folder = "data/nets" if name in NETWORKS else "reference/synthetic"
    content = (reference / folder / f"{name}.pb.gz").read_bytes()
    network, info = parse_network(content, name)
    (encoding,) = info.encodings
    again, _ = parse_network(serialise_network(network, info, encoding=encoding), "again")
    assert again.config == network.config
    ours, theirs = network.state_dict(), again.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(theirs[key], weight) for key, weight in ours.items())
