"""Safetensors files keep a network exactly, and say what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engines.networks import (
    Network,
    NetworkFormatError,
    NetworkInfo,
    load_agent,
    read_checkpoint,
    read_network,
    shipped_agents,
    write_checkpoint,
    write_network,
)
from engines.networks.agent import read_agent
from experiments.small_networks import FAMILIES, small_network

INFO = NetworkInfo(
    licence="GPL", training_steps=5, accuracy=50.5, elo=1234.0, minimum_version=(0, 31, 0), encodings=("linear16",)
)


def same(first: Network, second: Network) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return (
        first.config == second.config
        and ours.keys() == theirs.keys()
        and all(torch.equal(theirs[name], tensor) for name, tensor in ours.items())
    )


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_kept_exactly(name: str, batch_norm: bool, planes: Tensor, tmp_path: Path) -> None:
    network = small_network(FAMILIES[name], batch_norm=batch_norm)
    write_checkpoint(network, tmp_path / "a.safetensors", INFO)
    again, info = read_checkpoint(tmp_path / "a.safetensors")
    assert info == INFO
    assert same(again, network)
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())
    with torch.no_grad():
        assert torch.equal(again(planes).policy, network(planes).policy)
        assert torch.equal(again.folded()(planes).value, network.folded()(planes).value)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", FAMILIES)
def test_there_and_back(name: str, batch_norm: bool, tmp_path: Path) -> None:
    """From a Leela file to a checkpoint and back: the same bytes."""
    leela, back = tmp_path / "a.pb.gz", tmp_path / "b.pb.gz"
    write_network(small_network(FAMILIES[name], batch_norm=batch_norm), leela, INFO, encoding="float32")
    network, info = read_network(leela)
    write_checkpoint(network, tmp_path / "a.safetensors", info)
    write_network(*_swapped(read_checkpoint(tmp_path / "a.safetensors"), back))
    assert back.read_bytes() == leela.read_bytes()


def _swapped(read: tuple[Network, NetworkInfo], path: Path) -> tuple[Network, Path, NetworkInfo]:
    return read[0], path, read[1]


def test_an_agent_is_loaded_from_a_checkpoint(tmp_path: Path) -> None:
    network, info, path = read_agent(shipped_agents()[-1])
    write_checkpoint(network, tmp_path / "mine.safetensors", info)
    agent = load_agent(tmp_path / "mine.safetensors")
    assert agent.name == "mine"
    assert same(agent.network, load_agent(path).network)


def changed(path: Path, change: Callable[[dict[str, Any], dict[str, Tensor], dict[str, str]], None]) -> None:
    with safetensors.safe_open(path, framework="pt") as stored:
        notes = stored.metadata()
        tensors = {name: stored.get_tensor(name).clone() for name in stored.keys()}  # noqa: SIM118
    config = json.loads(notes["config"])
    change(config, tensors, notes)
    notes["config"] = json.dumps(config) if config else notes["config"]
    safetensors.torch.save_file(tensors, path, metadata=notes)


def deep(config: dict[str, Any], tensors: dict[str, Tensor], notes: dict[str, str]) -> None:
    config.clear()
    notes["config"] = "[" * 100_000


WRONG: dict[str, tuple[Callable[[Any, Any, Any], Any], str]] = {
    "format": (lambda config, tensors, notes: notes.update(format="x"), "metadata have format 'x', not 'conceptmine"),
    "extra": (lambda config, tensors, notes: config.update(x=1), "config is .*; expected an object with exactly "),
    "missing": (lambda config, tensors, notes: config.pop("value"), "expected an object with exactly activation, "),
    "kind": (lambda config, tensors, notes: config["policy"].update(kind="x"), "expected an object whose kind is "),
    "type": (lambda config, tensors, notes: config["value"].update(planes=4.0), "config.value.planes is 4.0; expected"),
    "bool": (lambda config, tensors, notes: config["value"].update(planes=True), "config.value.planes is True; expec"),
    "list": (lambda config, tensors, notes: config.update(other_values=[[1]]), r"other_values\[0\] is \[1\]; expected"),
    "size": (lambda config, tensors, notes: config["value"].update(planes=0), "planes is 0; it must be from 1"),
    "shape": (
        lambda config, tensors, notes: config["value"].update(planes=5),
        r"has the shape \[\d+, \d+(, 1, 1)?\] for value|has the shape \[4\] for value_conv",
    ),
    "blocks": (lambda config, tensors, notes: config["tower"].update(blocks=500, se_channels=1), "tensors, too few"),
    "no tensor": (lambda config, tensors, notes: tensors.pop("value.bias"), "has no value.bias"),
    "left over": (lambda config, tensors, notes: tensors.update(x=torch.zeros(1)), "a tensor 'x', which is in no"),
    "nan": (lambda config, tensors, notes: tensors["value.bias"].fill_(torch.nan), "value.bias holds a number that"),
    "integers": (
        lambda config, tensors, notes: tensors.update({"value.bias": torch.zeros(3, dtype=torch.int32)}),
        "value.bias as torch.int32; expected float32",
    ),
    "variance": (
        lambda config, tensors, notes: tensors["input.norm.running_var"].fill_(-1),
        "batch normalisation of input is negative or too large",
    ),
    "not JSON": (lambda config, tensors, notes: (config.clear(), notes.update(config="{")), "no config in its meta"),
    "deep": (deep, "has no config in its metadata, or none in JSON"),
    "info": (lambda config, tensors, notes: notes.update(info="[]"), r"info is \[\]; expected an object with exactly"),
    "huge": (lambda config, tensors, notes: notes.update(info=" " * 5_000_000), "has metadata of 5,000,000 characters"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_file_that_is_wrong_says_so(what: str, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_checkpoint(small_network(FAMILIES["residual"], batch_norm=True), path)
    change, words = WRONG[what]
    changed(path, change)
    with pytest.raises(NetworkFormatError, match=words) as caught:
        read_checkpoint(path)
    text = str(caught.value)
    assert text.startswith(f"{path} ")
    assert text.endswith(".")
    assert text.isprintable()


def test_a_damaged_or_missing_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    for load in (read_checkpoint, load_agent):
        with pytest.raises(NetworkFormatError, match="There is no network file"):
            load(path)
    write_checkpoint(small_network(FAMILIES["residual"]), path)
    content = path.read_bytes()
    for wrong in (b"", content[:5], content[:-7], b"\xff" * 100, content[:8] + b"\0" + content[9:]):
        path.write_bytes(wrong)
        for load in (read_checkpoint, load_agent):
            with pytest.raises(NetworkFormatError, match="is no safetensors file, or is damaged"):
                load(path)
    with pytest.raises(NetworkFormatError, match=r"cannot be read|is no safetensors file"):
        read_checkpoint(tmp_path)


@settings(max_examples=100)
@given(data=st.data())
def test_a_damaged_checkpoint_loads_or_is_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "a.safetensors"
    write_checkpoint(small_network(FAMILIES["encoders on a tower"], batch_norm=True), path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        reach = data.draw(st.sampled_from([8, 2000, 8000, len(content)]))
        content[data.draw(st.integers(0, reach - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    path.write_bytes(content)
    try:
        network, _ = read_checkpoint(path)
    except NetworkFormatError as error:
        assert str(error).startswith(str(path))
        assert str(error).isprintable()
        assert str(error).endswith(".")
    else:
        assert all(torch.isfinite(tensor).all() for tensor in network.folded().state_dict().values())
